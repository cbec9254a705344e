"""The handle on moto's deployments: a test can set their status, and follow them to their end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws
from moto.codedeploy.responses import CodeDeployResponse
from moto.core.base_backend import BackendDict
from moto.server import ThreadedMotoServer
from support.deployments import fleet
from support.endpoint import boto3_client

from codedeploy_targets import DeploymentTargetsClient, group_failures
from codedeploy_targets.testing import MockDeploymentTargets, mock_deployment_targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.clients import Clients


@pytest.fixture
def targets() -> Iterator[MockDeploymentTargets]:
    with mock_deployment_targets() as targets:
        yield targets


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["in process", "over HTTP"])
def codedeploy(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "in process":
        with mock_aws():
            yield boto3.client("codedeploy", "us-east-1")
        return
    client = boto3_client(request.getfixturevalue("server_url"))
    yield client
    client.close()
    BackendDict.reset()


def deploy(client: Any) -> str:
    names = {"applicationName": "app", "deploymentGroupName": "group"}
    client.create_application(applicationName="app", computePlatform="Server")
    client.create_deployment_group(**names, serviceRoleArn="arn:aws:iam::123456789012:role/deploy")
    deployment_id: str = client.create_deployment(**names)["deploymentId"]
    return deployment_id


def test_the_handle_has_a_public_type(targets: MockDeploymentTargets) -> None:
    assert type(targets) is MockDeploymentTargets


def test_get_deployment_answers_the_status_that_was_set(
    codedeploy: Any, targets: MockDeploymentTargets
) -> None:
    deployment_id = deploy(codedeploy)
    for status in ("InProgress", "Paused", "Succeeded", "Failed"):
        targets.set_status(deployment_id, status)
        info = codedeploy.get_deployment(deploymentId=deployment_id)["deploymentInfo"]
        assert (info["deploymentId"], info["status"]) == (deployment_id, status)


def test_the_status_of_one_deployment_is_not_that_of_another(
    codedeploy: Any, targets: MockDeploymentTargets
) -> None:
    first, before = deploy(codedeploy), "Created"
    names = {"applicationName": "app", "deploymentGroupName": "group"}
    second = codedeploy.create_deployment(**names)["deploymentId"]
    targets.set_status(first, "Stopped")
    infos = [codedeploy.get_deployment(deploymentId=each) for each in (first, second)]
    assert [info["deploymentInfo"]["status"] for info in infos] == ["Stopped", before]


def test_an_unknown_deployment_is_a_lookup_error(
    codedeploy: Any, targets: MockDeploymentTargets
) -> None:
    deploy(codedeploy)
    with pytest.raises(LookupError, match=r"^moto has no deployment 'd-9': call create_deploy"):
        targets.set_status("d-9", "Succeeded")


def test_a_status_may_be_set_before_there_are_targets(
    codedeploy: Any, targets: MockDeploymentTargets
) -> None:
    deployment_id = deploy(codedeploy)
    targets.set_status(deployment_id, "Stopped")
    watch = DeploymentTargetsClient(codedeploy).watch_deployment_targets
    assert list(watch(deploymentId=deployment_id)) == []


def test_a_deployment_on_moto_can_be_followed(
    codedeploy: Any, targets: MockDeploymentTargets
) -> None:
    deployment_id = deploy(codedeploy)
    targets.put(deployment_id, fleet(a="InProgress", b="Pending"))
    seen = []
    client = DeploymentTargetsClient(codedeploy)
    for target in client.watch_deployment_targets(deploymentId=deployment_id, delay=0, timeout=60):
        seen.append(target)
        if len(seen) == 2:
            targets.put(deployment_id, fleet(a="Succeeded", b="InProgress"))
        if len(seen) == 4:
            targets.put(deployment_id, fleet(a="Succeeded", b="Failed", c="Skipped"))
            targets.set_status(deployment_id, "Failed")

    states = {(target.target_id, str(target.status)) for target in seen[:4]}
    assert states == {
        ("a", "InProgress"),
        ("b", "Pending"),
        ("a", "Succeeded"),
        ("b", "InProgress"),
    }
    assert seen[4:] == fleet(b="Failed", c="Skipped")
    assert [group.targets for group in group_failures(seen)] == [fleet(b="Failed")]


def test_both_clients_follow_a_deployment_on_a_moto_server(
    clients: Clients, server_url: str, targets: MockDeploymentTargets
) -> None:
    client = clients.wrap(clients.unwrapped(server_url))
    names = {"applicationName": "app", "deploymentGroupName": "group"}
    client.call("create_application", applicationName="app", computePlatform="Server")
    client.call("create_deployment_group", **names, serviceRoleArn="arn:aws:iam::1:role/deploy")
    deployment_id = client.call("create_deployment", **names)["deploymentId"]
    targets.put(deployment_id, fleet(a="InProgress"))
    watch = client.typed.watch_deployment_targets(deploymentId=deployment_id, delay=0, timeout=60)
    followed = clients.iterator(watch)

    assert [next(followed)] == fleet(a="InProgress")
    targets.put(deployment_id, fleet(a="Succeeded"))
    targets.set_status(deployment_id, "Succeeded")
    assert list(followed) == fleet(a="Succeeded")
    BackendDict.reset()


@pytest.mark.parametrize("operation", ["list_deployment_targets", "batch_get_deployment_targets"])
def test_moto_still_lacks_the_operation(operation: str) -> None:
    assert not hasattr(CodeDeployResponse, operation), (
        f"moto has {operation} itself now. Drop codedeploy_targets.testing, or the part of it that"
        " moto has taken over, and let users of older versions know in CHANGELOG.md."
    )

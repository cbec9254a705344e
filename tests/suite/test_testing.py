from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from itertools import chain
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.codedeploy.responses import CodeDeployResponse
from moto.core.base_backend import BackendDict
from moto.server import ThreadedMotoServer
from support.endpoint import connection

from codedeploy_targets import (
    CloudFormationTarget,
    DeploymentTargetsClient,
    Diagnostics,
    ECSTarget,
    ECSTaskSet,
    InstanceTarget,
    LambdaFunctionInfo,
    LambdaTarget,
    LifecycleErrorCode,
    LifecycleEvent,
    LifecycleEventStatus,
    TargetGroupInfo,
    TargetLabel,
    TargetStatus,
    UnknownTarget,
)
from codedeploy_targets.testing import mock_deployment_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codedeploy_targets import DeploymentTarget

OPERATIONS = ("list_deployment_targets", "batch_get_deployment_targets")
START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=2)))
SESSION = boto3.session.Session()  # one, because it keeps what it reads of botocore's data
# The tests send what botocore would refuse to send.
CONFIG = Config(parameter_validation=False, retries={"total_max_attempts": 1})

EVERY_TYPE: list[DeploymentTarget] = [
    InstanceTarget(
        target_id="i-1",
        target_arn="arn:aws:ec2:us-east-1:123456789012:instance/i-1",
        status=TargetStatus.FAILED,
        last_updated_at=START,
        lifecycle_events=[
            LifecycleEvent(
                lifecycle_event_name="AfterInstall",
                start_time=START,
                end_time=START + timedelta(seconds=1.5),
                status=LifecycleEventStatus.FAILED,
                diagnostics=Diagnostics(
                    error_code=LifecycleErrorCode.SCRIPT_FAILED,
                    script_name="scripts/naïve ☃.sh",
                    message="exit code 1",
                    log_tail='[stderr]"no"\n\\ \U0001f4a5\n',
                ),
            ),
        ],
        instance_label=TargetLabel.BLUE,
    ),
    LambdaTarget(
        target_id="pay",
        status=TargetStatus("Paused"),
        lambda_function_info=LambdaFunctionInfo(function_name="pay", target_version_weight=12.5),
    ),
    ECSTarget(
        target_id="cluster:service",
        task_sets_info=[
            ECSTaskSet(
                identifier="ecs-svc/1",
                desired_count=3,
                traffic_weight=100.0,
                target_group=TargetGroupInfo(name="blue-tg"),
                task_set_label=TargetLabel.BLUE,
            ),
        ],
    ),
    CloudFormationTarget(
        target_id="stack", resource_type="AWS::Lambda::Alias", target_version_weight=0.0
    ),
    UnknownTarget(
        raw={
            "deploymentTargetType": "EKSTarget",
            "eksTarget": {"targetId": "pod", "deploymentId": "d-2", "status": "Ready", "new": [1]},
        },
    ),
]


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["in process", "over HTTP"])
def client(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "in process":
        with mock_aws():
            yield SESSION.client("codedeploy", "us-east-1", config=CONFIG)
        return
    url = request.getfixturevalue("server_url")
    client: Any = SESSION.client("codedeploy", config=CONFIG, **connection(url))
    yield client
    client.close()
    BackendDict.reset()


@pytest.fixture
def targets() -> Iterator[Any]:
    with mock_deployment_targets() as targets:
        yield targets


def deploy(client: Any) -> str:
    names = {"applicationName": "app", "deploymentGroupName": "group"}
    client.create_application(applicationName="app", computePlatform="Server")
    client.create_deployment_group(**names, serviceRoleArn="arn:aws:iam::123456789012:role/deploy")
    deployment_id: str = client.create_deployment(**names)["deploymentId"]
    return deployment_id


def instances(count: int) -> list[InstanceTarget]:
    return [InstanceTarget(target_id=f"i-{number}") for number in range(count)]


def error_code(call: Callable[..., Any], **params: Any) -> Any:
    with pytest.raises(ClientError) as caught:
        call(**params)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert caught.value.response["Error"]["Message"]
    return caught.value.response["Error"]["Code"]


def test_every_type_comes_back_as_it_was_put(client: Any, targets: Any) -> None:
    deployment_id = deploy(client)
    targets.put(deployment_id, EVERY_TYPE)

    found = DeploymentTargetsClient(client).iter_deployment_targets(deploymentId=deployment_id)

    assert list(found) == [
        *(target.model_copy(update={"deployment_id": deployment_id}) for target in EVERY_TYPE[:-1]),
        EVERY_TYPE[-1],
    ]


def test_boto3_gets_its_own_dicts_in_the_order_of_the_ids(client: Any, targets: Any) -> None:
    deployment_id = deploy(client)
    own = [target.model_copy(update={"deployment_id": "d-own"}) for target in EVERY_TYPE[3::-1]]
    targets.put(deployment_id, reversed(own))

    response = client.batch_get_deployment_targets(
        deploymentId=deployment_id, targetIds=[target.target_id for target in own]
    )

    assert response["deploymentTargets"] == [target.to_boto3() for target in own]


def test_times_are_seconds_since_the_epoch_on_the_wire(client: Any, targets: Any) -> None:
    deployment_id = deploy(client)
    targets.put(deployment_id, [InstanceTarget(target_id="i-1", last_updated_at=START)])
    bodies: list[bytes] = []

    def keep(response_dict: dict[str, Any], **_: Any) -> None:
        bodies.append(response_dict["body"])

    client.meta.events.register("before-parse.codedeploy", keep)
    client.batch_get_deployment_targets(deploymentId=deployment_id, targetIds=["i-1"])

    [body] = bodies
    [envelope] = json.loads(body)["deploymentTargets"]
    assert envelope["instanceTarget"]["lastUpdatedAt"] == 1767315845.678901


def test_put_leaves_the_models_alone(client: Any, targets: Any) -> None:
    deployment_id = deploy(client)
    target = InstanceTarget(target_id="i-1")
    targets.put(deployment_id, [target])
    assert target == InstanceTarget(target_id="i-1")


def test_put_again_replaces(client: Any, targets: Any) -> None:
    deployment_id = deploy(client)
    targets.put(deployment_id, instances(3))
    targets.put(deployment_id, [InstanceTarget(target_id="i-2", status=TargetStatus.READY)])
    found = list(
        DeploymentTargetsClient(client).iter_deployment_targets(deploymentId=deployment_id)
    )
    assert [(target.target_id, target.status) for target in found] == [("i-2", "Ready")]
    targets.put(deployment_id, [])
    assert client.list_deployment_targets(deploymentId=deployment_id)["targetIds"] == []


def test_put_refuses_an_unknown_deployment(client: Any, targets: Any) -> None:
    deploy(client)
    with pytest.raises(LookupError, match=r"^moto has no deployment 'd-9'"):
        targets.put("d-9", [])


@pytest.mark.parametrize(
    ("odd", "named"),
    [(InstanceTarget(), "None"), (InstanceTarget(target_id=""), "''"), (instances(1)[0], "'i-0'")],
)
def test_put_refuses_targets_without_an_id_of_their_own(
    client: Any, targets: Any, odd: InstanceTarget, named: str
) -> None:
    deployment_id = deploy(client)
    with pytest.raises(ValueError, match=f"target_id of its own: {named}$"):
        targets.put(deployment_id, [*instances(2), odd])
    code = error_code(client.list_deployment_targets, deploymentId=deployment_id)
    assert code == "DeploymentNotStartedException"


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "DeploymentIdRequiredException"),
        ({"deploymentId": ""}, "DeploymentIdRequiredException"),
        ({"deploymentId": "d_1"}, "InvalidDeploymentIdException"),
        ({"deploymentId": "d-1\n"}, "InvalidDeploymentIdException"),
        ({"deploymentId": "d-1"}, "DeploymentDoesNotExistException"),
    ],
)
@pytest.mark.usefixtures("targets")
def test_deployment_ids_are_checked(client: Any, operation: str, params: Any, code: str) -> None:
    deploy(client)
    assert error_code(getattr(client, operation), **params) == code


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.usefixtures("targets")
def test_a_deployment_without_targets_has_not_started(client: Any, operation: str) -> None:
    code = error_code(getattr(client, operation), deploymentId=deploy(client))
    assert code == "DeploymentNotStartedException"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "DeploymentTargetIdRequiredException"),
        ({"targetIds": []}, "DeploymentTargetIdRequiredException"),
        ({"targetIds": ["i-0"] * 26}, "DeploymentTargetListSizeExceededException"),
        ({"targetIds": ["i-0", ""]}, "InvalidDeploymentTargetIdException"),
        ({"targetIds": ["i-0", "i-2"]}, "DeploymentTargetDoesNotExistException"),
    ],
)
def test_target_ids_are_checked(client: Any, targets: Any, params: Any, code: str) -> None:
    deployment_id = deploy(client)
    targets.put(deployment_id, instances(2))
    call = client.batch_get_deployment_targets
    assert error_code(call, deploymentId=deployment_id, **params) == code


def test_a_batch_has_up_to_25_targets(client: Any, targets: Any) -> None:
    deployment_id = deploy(client)
    targets.put(deployment_id, instances(25))
    ids = [f"i-{number}" for number in range(25)]
    response = client.batch_get_deployment_targets(deploymentId=deployment_id, targetIds=ids)
    found = [envelope["instanceTarget"]["targetId"] for envelope in response["deploymentTargets"]]
    assert found == ids


def test_missing_targets_can_be_skipped(client: Any, targets: Any) -> None:
    deployment_id = deploy(client)
    targets.put(deployment_id, instances(3))
    out = DeploymentTargetsClient(client).batch_get_deployment_targets(
        deploymentId=deployment_id, targetIds=["gone", "i-2", "i-1"], skip_missing=True
    )
    assert [target.target_id for target in out.deployment_targets] == ["i-2", "i-1"]
    assert out.missing_target_ids == ["gone"]


@pytest.mark.parametrize(
    ("operation", "params", "message"),
    [
        ("list_deployment_targets", {"deploymentId": ""}, "A deployment id is required."),
        ("list_deployment_targets", {"deploymentId": "_"}, "The deployment id is not valid."),
        ("list_deployment_targets", {"nextToken": "what"}, "The next token is not valid."),
        ("batch_get_deployment_targets", {}, "A target id is required."),
        ("batch_get_deployment_targets", {"targetIds": [""]}, "A target id is empty."),
    ],
)
def test_a_refusal_says_why(
    client: Any, targets: Any, operation: str, params: Any, message: str
) -> None:
    deployment_id = deploy(client)
    targets.put(deployment_id, instances(2))
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**{"deploymentId": deployment_id, **params})
    assert caught.value.response["Error"]["Message"] == message


@pytest.mark.parametrize(
    ("count", "pages"), [(0, [0]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])]
)
def test_listing_is_paged(client: Any, targets: Any, count: int, pages: list[int]) -> None:
    deployment_id = deploy(client)
    targets.put(deployment_id, instances(count))
    paginator = client.get_paginator("list_deployment_targets")
    listed = [page["targetIds"] for page in paginator.paginate(deploymentId=deployment_id)]
    assert [len(page) for page in listed] == pages
    assert list(chain(*listed)) == [f"i-{number}" for number in range(count)]


@pytest.mark.parametrize("token", ["", "what"])
def test_a_bad_token_is_refused(client: Any, targets: Any, token: str) -> None:
    deployment_id = deploy(client)
    targets.put(deployment_id, instances(101))
    code = error_code(client.list_deployment_targets, deploymentId=deployment_id, nextToken=token)
    assert code == "InvalidNextTokenException"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (None, ["i-0", "i-1", "i-2", "i-3", "pay"]),
        ({}, ["i-0", "i-1", "i-2", "i-3", "pay"]),
        ({"TargetStatus": ["Failed"]}, ["i-0", "i-1", "pay"]),
        ({"TargetStatus": ["Failed", "Ready"]}, ["i-0", "i-1", "i-2", "pay"]),
        ({"TargetStatus": ["Skipped"]}, []),
        ({"ServerInstanceLabel": ["Green"]}, ["i-1", "i-2"]),
        ({"ServerInstanceLabel": ["Green"], "TargetStatus": ["Failed"]}, ["i-1"]),
    ],
)
def test_listing_is_filtered(client: Any, targets: Any, filters: Any, expected: list[str]) -> None:
    deployment_id = deploy(client)
    states: list[Any] = [("Failed", "Blue"), ("Failed", "Green"), ("Ready", "Green"), (None, None)]
    fleet = [
        InstanceTarget(target_id=f"i-{number}", status=status, instance_label=label)
        for number, (status, label) in enumerate(states)
    ]
    targets.put(deployment_id, [*fleet, LambdaTarget(target_id="pay", status=TargetStatus.FAILED)])

    found = DeploymentTargetsClient(client).iter_deployment_targets(
        deploymentId=deployment_id, targetFilters=filters
    )

    assert [target.target_id for target in found] == expected


@pytest.mark.parametrize(
    ("filters", "code"),
    [
        ({"TargetColour": ["Blue"]}, "InvalidTargetFilterNameException"),
        ({"TargetStatus": ["Failed", "failed"]}, "InvalidInstanceStatusException"),
        ({"ServerInstanceLabel": ["Red"]}, "InvalidInstanceTypeException"),
    ],
)
def test_filters_are_checked(client: Any, targets: Any, filters: Any, code: str) -> None:
    deployment_id = deploy(client)
    targets.put(deployment_id, instances(1))
    call = client.list_deployment_targets
    assert error_code(call, deploymentId=deployment_id, targetFilters=filters) == code


def test_deployments_of_any_account_and_region_take_targets() -> None:
    with mock_aws(), mock_deployment_targets() as targets:
        credentials = boto3.client("sts", "us-east-1").assume_role(
            RoleArn="arn:aws:iam::111122223333:role/other", RoleSessionName="test"
        )["Credentials"]
        clients: list[Any] = [
            boto3.client("codedeploy", "us-east-1"),
            boto3.client("codedeploy", "eu-west-1"),
            boto3.client(
                "codedeploy",
                "eu-west-1",
                aws_access_key_id=credentials["AccessKeyId"],
                aws_secret_access_key=credentials["SecretAccessKey"],
                aws_session_token=credentials["SessionToken"],
            ),
        ]
        deployment_ids = [deploy(client) for client in clients]
        for number, deployment_id in enumerate(deployment_ids):
            targets.put(deployment_id, [InstanceTarget(target_id=f"i-{number}")])
        for number, (client, deployment_id) in enumerate(zip(clients, deployment_ids, strict=True)):
            listed = client.list_deployment_targets(deploymentId=deployment_id)
            assert listed["targetIds"] == [f"i-{number}"]
        code = error_code(clients[0].list_deployment_targets, deploymentId=deployment_ids[2])
        assert code == "DeploymentDoesNotExistException"


def test_targets_go_when_moto_resets() -> None:
    with mock_deployment_targets() as targets:
        with mock_aws():
            deployment_id = deploy(boto3.client("codedeploy", "us-east-1"))
            targets.put(deployment_id, instances(1))
        with mock_aws():
            client = boto3.client("codedeploy", "us-east-1")
            code = error_code(client.list_deployment_targets, deploymentId=deployment_id)
            assert code == "DeploymentDoesNotExistException"
            with pytest.raises(LookupError):
                targets.put(deployment_id, [])


def test_afterwards_moto_is_as_before() -> None:
    before = dict(vars(CodeDeployResponse))
    with mock_deployment_targets():
        during = dict(vars(CodeDeployResponse))
        with pytest.raises(ZeroDivisionError), mock_deployment_targets():
            raise ZeroDivisionError
        assert dict(vars(CodeDeployResponse)) == during
    assert dict(vars(CodeDeployResponse)) == before
    assert all(during[operation] is not before.get(operation) for operation in OPERATIONS)


def test_moto_gets_its_own_operations_back(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {operation: lambda _: "{}" for operation in OPERATIONS}
    for operation, method in own.items():
        monkeypatch.setattr(CodeDeployResponse, operation, method, raising=False)
    with mock_deployment_targets():
        assert not any(getattr(CodeDeployResponse, name) is own[name] for name in OPERATIONS)
    assert all(getattr(CodeDeployResponse, name) is own[name] for name in OPERATIONS)

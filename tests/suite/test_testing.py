"""The operations that `testing` adds to moto, and its handle, in process and over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from itertools import chain
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.codedeploy.responses import CodeDeployResponse
from support.clients import AsyncClients, got
from support.endpoint import boto3_client
from support.mock_aws import MOTO_ACCOUNT, client_of, deploy
from support.models import FULL, MOMENT
from support.pages import fleet, target

import codedeploy_targets as ct
from codedeploy_targets import testing
from codedeploy_targets.testing import MockDeploymentTargets, mock_deployment_targets

OPERATIONS = ("list_deployment_targets", "batch_get_deployment_targets")
LIST, READ = OPERATIONS


@pytest.fixture(params=["in process", "over HTTP"])
def client(request: pytest.FixtureRequest) -> Iterator[Any]:
    # The tests send what botocore would refuse to send.
    config: Any = {"parameter_validation": False, "retries": {"total_max_attempts": 1}}
    if request.param == "over HTTP":
        yield boto3_client(request.getfixturevalue("moto_url"), **config)
        return
    with mock_aws():
        yield boto3_client("https://codedeploy.us-east-1.amazonaws.com", **config)


@pytest.fixture
def targets() -> Iterator[MockDeploymentTargets]:
    with mock_deployment_targets() as targets:
        assert type(targets) is MockDeploymentTargets
        yield targets


FULL_INFO = ct.DeploymentInfo(
    deployment_id="d-1", application_name="other", deployment_group_name="canary",
    status=ct.DeploymentStatus.FAILED, creator="codeDeployRollback", description="mine",
    error_information=ct.ErrorInformation(code="HEALTH_CONSTRAINTS", message="too many"),
    deployment_overview=ct.DeploymentOverview(failed=9), create_time=MOMENT, complete_time=MOMENT,
    start_time=MOMENT.astimezone(timezone(timedelta(hours=5))), compute_platform="ECS",
    rollback_info=ct.RollbackInfo(rollback_deployment_id="d-2"),
)  # fmt: skip


def instances(count: int) -> list[ct.InstanceTarget]:
    return [target(f"i-{number}") for number in range(count)]


def refused(client: Any, operation: str, **params: Any) -> str:
    """Return the code and message with which a call is refused."""
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**params)
    response: Any = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return "{Code}: {Message}".format(**response["Error"]).replace("Exception:", ":")


# The targets.


def test_every_type_comes_back_as_it_was_put(client: Any, targets: Any) -> None:
    rover = {"targetId": "rover", "deploymentId": "d-2", "new": [1], "crew": None}
    raw = {"deploymentTargetType": "MarsTarget", "marsTarget": rover}
    every_type = [*FULL, target("i-2"), ct.UnknownTarget(raw=raw)]
    deployment_id = deploy(client, targets, put=every_type)
    iterate = ct.DeploymentTargetsClient(client).iter_deployment_targets
    for found, put in zip(iterate(deploymentId=deployment_id), every_type, strict=True):
        own = put.deployment_id or deployment_id
        assert found == put.model_copy(update={"deployment_id": own})


def test_boto3_gets_its_own_dicts_in_the_order_of_the_ids(client: Any, targets: Any) -> None:
    own = [each.model_copy(update={"deployment_id": "d-own"}) for each in FULL[::-1]]
    deployment_id = deploy(client, targets, put=reversed(own))
    ids = [each.target_id for each in own]
    response = client.batch_get_deployment_targets(deploymentId=deployment_id, targetIds=ids)
    assert response["deploymentTargets"] == [each.to_boto3() for each in own]


def test_put_replaces_and_leaves_the_models_alone(client: Any, targets: Any) -> None:
    deployment_id = deploy(client, targets, put=instances(3))
    iterate = ct.DeploymentTargetsClient(client).iter_deployment_targets
    for put in (fleet(a="Ready"), []):
        targets.put(deployment_id, put)
        assert put == fleet(a="Ready")[: len(put)]
        found = list(iterate(deploymentId=deployment_id))
        assert [(each.target_id, each.status) for each in found] == [("a", "Ready")][: len(put)]


@pytest.mark.parametrize("target_id", [None, "", "i-0"])
def test_put_refuses_targets_without_an_id_of_their_own(
    client: Any, targets: Any, target_id: str | None
) -> None:
    deployment_id, odd = deploy(client), ct.InstanceTarget(target_id=target_id)
    for method, what in [("put", [*instances(2), odd]), ("play", [("Ready", [odd, odd])])]:
        with pytest.raises(ValueError, match=f"target_id of its own: {target_id!r}$"):
            getattr(targets, method)(deployment_id, what)
    assert refused(client, LIST, deploymentId=deployment_id).startswith("DeploymentNotStarted:")


def test_a_batch_has_up_to_25_targets_and_can_skip_missing_ones(client: Any, targets: Any) -> None:
    deployment_id = deploy(client, targets, put=instances(25))
    ids = [f"i-{number}" for number in range(25)]
    response = client.batch_get_deployment_targets(deploymentId=deployment_id, targetIds=ids)
    assert [each["instanceTarget"]["targetId"] for each in response["deploymentTargets"]] == ids
    out = ct.DeploymentTargetsClient(client).batch_get_deployment_targets(
        deploymentId=deployment_id, targetIds=["gone", "i-2", "i-1"], skip_missing=True
    )
    assert (got(out.deployment_targets), out.missing_target_ids) == (["i-2", "i-1"], ["gone"])


@pytest.mark.parametrize(
    ("count", "pages"), [(0, [0]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])]
)
def test_listing_is_paged(client: Any, targets: Any, count: int, pages: list[int]) -> None:
    deployment_id = deploy(client, targets, put=instances(count))
    paginator = client.get_paginator(LIST)
    listed = [page["targetIds"] for page in paginator.paginate(deploymentId=deployment_id)]
    assert [len(page) for page in listed] == pages
    assert list(chain(*listed)) == [f"i-{number}" for number in range(count)]


def test_targets_may_be_put_between_two_pages(client: Any, targets: Any) -> None:
    deployment_id = deploy(client, targets, put=instances(250))
    first = client.list_deployment_targets(deploymentId=deployment_id)
    following = {"deploymentId": deployment_id, "nextToken": first["nextToken"]}
    for count, rest in [(120, 20), (90, 0), (0, 0), (400, 100)]:
        targets.put(deployment_id, instances(count))
        page = client.list_deployment_targets(**following)
        assert page["targetIds"] == [f"i-{number}" for number in range(100, 100 + rest)]
        assert ("nextToken" in page) == (count == 400)


@pytest.mark.parametrize(("filters", "expected"), [
    (None, "i-0 i-1 i-2 i-3 pay"), ({}, "i-0 i-1 i-2 i-3 pay"),
    ({"TargetStatus": ["Failed"]}, "i-0 i-1 pay"), ({"TargetStatus": ["Skipped"]}, ""),
    ({"TargetStatus": ["Failed", "Ready"]}, "i-0 i-1 i-2 pay"),
    ({"ServerInstanceLabel": ["Green"]}, "i-1 i-2"),
    ({"ServerInstanceLabel": ["Green"], "TargetStatus": ["Failed"]}, "i-1"),
])  # fmt: skip
def test_listing_is_filtered(client: Any, targets: Any, filters: Any, expected: str) -> None:
    states: list[Any] = [("Failed", "Blue"), ("Failed", "Green"), ("Ready", "Green"), (None, None)]
    put: list[Any] = [ct.LambdaTarget(target_id="pay", status=ct.TargetStatus.FAILED)]
    for number, (status, label) in enumerate(states):
        each = ct.InstanceTarget(target_id=f"i-{number}", status=status, instance_label=label)
        put.append(each)
    found = ct.DeploymentTargetsClient(client).iter_deployment_targets(
        deploymentId=deploy(client, targets, put=put), targetFilters=filters
    )
    assert sorted(str(each.target_id) for each in found) == expected.split()


# What is refused.


@pytest.mark.parametrize("operation", [*OPERATIONS, "get_deployment"])
@pytest.mark.usefixtures("targets")
def test_deployment_ids_are_checked(client: Any, operation: str) -> None:
    for params, told in [
        ({}, "DeploymentIdRequired: A deployment id is required."),
        ({"deploymentId": ""}, "DeploymentIdRequired: A deployment id is required."),
        ({"deploymentId": "d_1"}, "InvalidDeploymentId: d_1 is no deployment id."),
        ({"deploymentId": "d-1\n"}, "InvalidDeploymentId: d-1\n is no deployment id."),
        ({"deploymentId": "d-1"}, "DeploymentDoesNotExist: The deployment d-1 does not exist with"),
    ]:
        assert refused(client, operation, **params).startswith(told)
    if operation != "get_deployment":
        known = deploy(client)
        told = f"DeploymentNotStarted: The deployment {known} has no targets yet."
        assert refused(client, operation, deploymentId=known) == told


@pytest.mark.parametrize(("operation", "params", "told"), [
    (READ, {}, "DeploymentTargetIdRequired: A target id is required."),
    (READ, {"targetIds": []}, "DeploymentTargetIdRequired: A target id is required."),
    (READ, {"targetIds": ["i-0"] * 26}, "DeploymentTargetListSizeExceeded: 26 are too many."),
    (READ, {"targetIds": ["i-0", ""]}, "InvalidDeploymentTargetId: A target id is empty."),
    (READ, {"targetIds": ["i-0", "i-9"]}, "DeploymentTargetDoesNotExist: There is no target i-9."),
    *((LIST, {"nextToken": wrong}, "InvalidNextToken: The next token is not valid.")
      for wrong in ("", "what", "-1", "1.5")),
    (LIST, {"targetFilters": {"TargetColour": ["Blue"]}},
     "InvalidTargetFilterName: TargetColour is not a target filter."),
    (LIST, {"targetFilters": {"TargetStatus": ["Failed", "failed"]}},
     "InvalidInstanceStatus: failed is not a value of TargetStatus."),
    (LIST, {"targetFilters": {"ServerInstanceLabel": ["Red"]}},
     "InvalidInstanceType: Red is not a value of ServerInstanceLabel."),
])  # fmt: skip
def test_target_ids_tokens_and_filters_are_checked(
    client: Any, targets: Any, operation: str, params: Any, told: str
) -> None:
    deployment_id = deploy(client, targets, put=instances(1))
    assert refused(client, operation, deploymentId=deployment_id, **params) == told


# The deployments.


def info(client: Any, deployment_id: str) -> dict[str, Any]:
    told: dict[str, Any] = client.get_deployment(deploymentId=deployment_id)["deploymentInfo"]
    return told


def test_get_deployment_answers_what_was_set_or_else_moto_s_own(client: Any, targets: Any) -> None:
    deployment_id = deploy(client)
    own = info(client, deployment_id)
    assert not own.keys() & {"errorInformation", "rollbackInfo"}  # the service has none yet
    for status in ("InProgress", "Paused", "Succeeded"):
        targets.set_status(deployment_id, status)
        assert info(client, deployment_id) == {**own, "status": status}
    targets.put(deployment_id, fleet(a="Failed", b="Pending", c="Failed"))
    overview = {**own["deploymentOverview"], "Failed": 2, "Pending": 1}
    assert info(client, deployment_id)["deploymentOverview"] == overview

    told = FULL_INFO.model_copy(update={"deployment_id": deployment_id})
    targets.set_deployment(deployment_id, told)
    get_typed = ct.DeploymentTargetsClient(client).get_deployment
    assert get_typed(deploymentId=deployment_id) == told
    targets.set_status(deployment_id, "Stopped")
    assert get_typed(deploymentId=deployment_id).error_information == told.error_information
    assert client.list_deployments(includeOnlyStatuses=["Stopped"])["deployments"]
    targets.set_deployment(deployment_id, ct.DeploymentInfo(creator="me"))
    changed = {"status": "Stopped", "creator": "me", "deploymentOverview": overview}
    assert info(client, deployment_id) == {**own, **changed}
    with pytest.raises(client.exceptions.DeploymentDoesNotExistException):
        info(client, "d-9")


def test_the_times_are_right_in_any_time_zone(
    client: Any, targets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment_id, now = deploy(client, targets, put=[]), datetime.now(timezone.utc)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        info = ct.DeploymentTargetsClient(client).get_deployment(deploymentId=deployment_id)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert info.create_time
    assert abs(info.create_time - now) < timedelta(minutes=5)


# The course of a deployment, and what a watch of it yields.
ROUNDS: list[Any] = [
    ("Created", None),
    ("InProgress", []),
    (ct.DeploymentInfo(status=ct.DeploymentStatus.IN_PROGRESS), fleet(a="InProgress")),
    ("InProgress", fleet(a="Succeeded", b="InProgress")),
    (FULL_INFO, fleet(a="Succeeded", b="Failed", c="Skipped")),
]
PLAYED = ["a InProgress", "a Succeeded", "b Failed", "b InProgress", "c Skipped"]


def check_following(watch: Any) -> None:
    # The order within a round is not promised.
    assert sorted(f"{each.target_id} {each.status}" for each in watch) == PLAYED
    assert watch.deployment == FULL_INFO


def test_a_deployment_is_played_round_by_round(client: Any, targets: Any) -> None:
    deployment_id = deploy(client, targets, put=fleet(z="Pending"))
    targets.play(deployment_id, iter(ROUNDS))
    assert client.list_deployment_targets(deploymentId=deployment_id)["targetIds"] == ["z"]
    told: list[ct.DeploymentInfo] = []
    watch = ct.DeploymentTargetsClient(client).watch_deployment_targets
    check_following(watch(deploymentId=deployment_id, delay=0, timeout=60, on_round=told.append))
    assert [each.status for each in told] == ["Created", *["InProgress"] * 3, "Failed"]
    assert info(client, deployment_id)["status"] == "Failed"  # the last round stays
    answer = client.batch_get_deployment_targets(deploymentId=deployment_id, targetIds=["a"])
    assert answer["deploymentTargets"][0]["instanceTarget"]["deploymentId"] == deployment_id
    targets.play(deployment_id, ROUNDS)
    played = info(client, deployment_id)
    assert (played["status"], played["deploymentOverview"]["Failed"]) == ("Created", 0)
    assert "errorInformation" not in played
    assert refused(client, LIST, deploymentId=deployment_id).startswith("DeploymentNotStarted:")
    targets.set_status(deployment_id, "Stopped")
    assert info(client, deployment_id)["status"] == "Stopped"
    targets.play(deployment_id, ROUNDS)
    targets.set_deployment(deployment_id, ct.DeploymentInfo(status=ct.DeploymentStatus.READY))
    assert info(client, deployment_id)["status"] == "Ready"


def test_a_round_that_one_thread_plays_does_not_replace_a_later_one(
    client: Any, targets: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def set_late(state: Any, new: Any) -> None:
        monkeypatch.undo()
        later.start()
        later.join(0.1)  # if it does not wait, it plays the last round meanwhile
        testing._set_answer(state, new)  # noqa: SLF001

    deployment_id = deploy(client)
    targets.play(deployment_id, [("InProgress", None), ("Succeeded", None)])
    later = threading.Thread(target=info, args=(client, deployment_id))
    monkeypatch.setattr(testing, "_set_answer", set_late)
    info(client, deployment_id)
    later.join()
    assert info(client, deployment_id)["status"] == "Succeeded"


def test_the_async_client_follows_a_deployment(moto_url: str, targets: Any) -> None:
    pytest.importorskip("aiobotocore")
    deployment_id = deploy(boto3_client(moto_url))
    targets.play(deployment_id, ROUNDS)
    with AsyncClients() as clients:
        watch = clients.wrap(clients.unwrapped(moto_url)).typed.watch_deployment_targets
        check_following(clients.iterator(watch(deploymentId=deployment_id, delay=0, timeout=60)))


@pytest.mark.parametrize(("method", "what"), [
    ("put", []), ("set_status", "Ready"), ("set_deployment", FULL_INFO), ("play", []),
])  # fmt: skip
def test_an_unknown_deployment_is_a_lookup_error(targets: Any, method: str, what: Any) -> None:
    with pytest.raises(LookupError, match=r"^moto has no deployment 'd-9': call create_deploy"):
        getattr(targets, method)("d-9", what)


def test_deployments_of_any_account_and_region_take_targets_until_moto_resets(targets: Any) -> None:
    places = [(MOTO_ACCOUNT, "us-east-1"), (MOTO_ACCOUNT, "eu-west-1"), ("1" * 12, "eu-west-1")]
    with mock_aws():
        clients = [client_of(*place) for place in places]
        ids = [deploy(client, targets, put=[target(f"i-{n}")]) for n, client in enumerate(clients)]
        for number, client in enumerate(clients):
            listed = client.list_deployment_targets(deploymentId=ids[number])
            assert listed["targetIds"] == [f"i-{number}"]
        assert "NotExist" in refused(clients[0], LIST, deploymentId=ids[2])
    with mock_aws():
        assert "NotExist" in refused(client_of(*places[0]), LIST, deploymentId=ids[0])
        with pytest.raises(LookupError):
            targets.put(ids[0], [])


# moto.


def test_afterwards_moto_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def now() -> dict[str, Any]:
        return dict(vars(CodeDeployResponse))

    # As moto may have one of them some day.
    monkeypatch.setattr(CodeDeployResponse, LIST, lambda _: "{}", raising=False)
    before = now()
    with suppress(ZeroDivisionError), mock_deployment_targets():
        during = now()
        assert all(during[each] is not before.get(each) for each in OPERATIONS)
        patch.stopall()  # as in many a tearDown
        assert now() == during
        _ = 1 / 0
    assert now() == before
    # Entered twice, and left out of order.
    first, second = mock_deployment_targets(), mock_deployment_targets()
    assert first.__enter__() is not second.__enter__()
    first.__exit__(None, None, None)
    assert now() == during
    second.__exit__(None, None, None)
    assert now() == before


@pytest.mark.parametrize("operation", OPERATIONS)
def test_moto_still_lacks_the_operation(operation: str) -> None:
    assert not hasattr(CodeDeployResponse, operation), (
        f"moto has {operation} itself now. Drop codedeploy_targets.testing, or the part of it that"
        " moto has taken over, and let users of older versions know in CHANGELOG.md."
    )

"""Runs the code that the type checkers check: its types are true at run time, too."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timezone
from inspect import getmembers, isfunction
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

import pytest
from pydantic import ConfigDict, TypeAdapter
from support.endpoint import Response, canned, connection, error, serve
from support.pages import ids, instance, page
from support.service import Service
from typecheck import user_code

from codedeploy_targets import (
    BatchGetDeploymentTargetsOutput,
    DeploymentTarget,
    DeploymentTargetsClient,
    Diagnostics,
    ECSTaskSet,
    LifecycleErrorCode,
    LifecycleEvent,
    LifecycleEventStatus,
    ResponseMetadata,
    TargetGroupInfo,
    TargetLabel,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOW = datetime(2019, 1, 1, 12, 30, tzinfo=timezone.utc)
KNOWN = 45
# As the service may send them: in full, empty, from the future, and oddly labelled.
ENVELOPES: list[dict[str, Any]] = [
    instance("i-1"),
    {"instanceTarget": {"status": "Failed", "instanceLabel": "Purple"}},
    {"deploymentTargetType": "lambdaTarget", "lambdaTarget": {"lambdaFunctionInfo": {}}},
    {"deploymentTargetType": "LambdaTarget", "lambdaTarget": {"status": "Skipped"}},
    {"deploymentTargetType": "InstanceTarget", "ecsTarget": {"taskSetsInfo": [{}]}},
    {"deploymentTargetType": "ECSTarget"},
    {"cloudFormationTarget": {"targetVersionWeight": 1, "status": "InProgress"}},
    {"deploymentTargetType": "MarsTarget", "marsTarget": {"status": "Failed", "targetId": "r"}},
    {"deploymentTargetType": "unknownTarget"},
    {"deploymentTargetType": "UnknownTarget", "instanceTarget": {"targetId": "i-1"}},
    {"marsTarget": {}},
    {},
]
READ = BatchGetDeploymentTargetsOutput.from_boto3({"deploymentTargets": ENVELOPES})
TARGETS = READ.deployment_targets + [
    TypeAdapter[Any](DeploymentTarget).validate_python(target.model_dump())
    for target in READ.deployment_targets
]


def assert_is(value: Any, expected: Any) -> Any:
    """Hold a value against the type that checkers know it as."""
    if get_origin(expected) is None and isinstance(expected, type):
        assert isinstance(value, expected)
    else:
        config = ConfigDict(arbitrary_types_allowed=True, strict=True)
        TypeAdapter(expected, config=config).validate_python(value)
    return value


@pytest.fixture(autouse=True)
def types_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_code, "assert_type", assert_is)


@pytest.fixture
def client() -> DeploymentTargetsClient:
    return DeploymentTargetsClient(canned(Service(KNOWN)))


def test_a_value_of_another_type_is_seen() -> None:
    for value, expected in ((5, str), (None, str | None), ([5], list[str]), ("a", int | None)):
        if value is None:
            assert_is(value, expected)
        else:
            with pytest.raises((AssertionError, ValueError)):
                assert_is(value, expected)


def test_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(name, value)
    wrapped = canned(Service())
    user_code.clients(wrapped, wrapped)


def test_calls() -> None:
    answered = DeploymentTargetsClient(canned(lambda *_: Response(page([instance("i-1")]))))
    user_code.calls(answered, iter(ids(30)))


def test_streaming(client: DeploymentTargetsClient) -> None:
    assert user_code.streamed(client) == KNOWN
    user_code.filtered(client)


def test_async_calls() -> None:
    session = pytest.importorskip("aiobotocore.session").get_session()

    async def given() -> AsyncIterator[str]:
        for target_id in ids(30):
            yield target_id

    async def run(url: str) -> int:
        async with session.create_client("codedeploy", **connection(url)) as wrapped:
            return await user_code.async_calls(wrapped, wrapped, given(), given())

    def answer(_: str, params: dict[str, Any]) -> Response:
        return Response(page([instance(target_id) for target_id in params["targetIds"]]))

    with serve(answer) as endpoint:
        assert asyncio.run(run(endpoint.url)) == 30


@pytest.mark.parametrize(("response", "expected"), [
    (Response(page([instance("i-1")])), "no error"),
    (Response(b"[]"), "invalid"),
    (error("DeploymentDoesNotExistException"), "no such deployment"),
    (error("DeploymentNotStartedException"), "another error"),
], ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_errors(response: Response, expected: str) -> None:
    assert user_code.errors(DeploymentTargetsClient(canned(lambda *_: response))) == expected


@pytest.mark.parametrize("target", TARGETS, ids=range(len(TARGETS)))
def test_targets(target: DeploymentTarget) -> None:
    cls = type(target).__name__
    assert user_code.any_target(target) is (target.status in {"Failed", "Skipped"})
    # None of them reaches an `assert_never` that the checkers call unreachable.
    assert user_code.matched(target) == user_code.compared(target) == cls
    known = cls != "UnknownTarget"
    assert user_code.matched_by_type(target) == (f"AWS's {cls}" if known else "unknown")
    if known:
        assert user_code.not_all_matched(target) == target.target_id
    else:
        with pytest.raises(AssertionError):
            user_code.not_all_matched(target)
    for event in target.lifecycle_events:
        user_code.members(event, ECSTaskSet(), ResponseMetadata())


def test_types() -> None:
    assert user_code.types(TARGETS) == {
        "InstanceTarget": 4,
        "LambdaTarget": 4,
        "ECSTarget": 4,
        "CloudFormationTarget": 2,
        "UnknownTarget": 10,
    }


def test_members() -> None:
    diagnostics = Diagnostics(error_code=LifecycleErrorCode.SUCCESS, log_tail="")
    event = LifecycleEvent(
        lifecycle_event_name="Install",
        status=LifecycleEventStatus.FAILED,
        start_time=NOW,
        end_time=NOW,
        diagnostics=diagnostics,
    )
    task_set = ECSTaskSet(
        identifier="1",
        desired_count=1,
        target_group=TargetGroupInfo(),
        task_set_label=TargetLabel.BLUE,
    )
    metadata = ResponseMetadata(http_headers={"a": "b"}, retry_attempts=1)
    user_code.members(event, task_set, metadata)
    user_code.members(LifecycleEvent(), ECSTaskSet(), ResponseMetadata())
    user_code.made(NOW)


def test_every_function_of_the_user_s_is_run() -> None:
    own = {
        name
        for name, function in getmembers(user_code, isfunction)
        if function.__module__ == user_code.__name__
    }
    called = re.findall(r"user_code\.(\w+)\(", Path(__file__).read_text(encoding="utf-8"))
    assert own == set(called)

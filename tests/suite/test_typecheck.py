"""Runs the code that the type checkers check: its types are true at run time, too."""

from __future__ import annotations

import re
from inspect import getmembers, isfunction
from pathlib import Path
from typing import Any, get_origin

import pytest
from pydantic import ConfigDict, TypeAdapter
from support.clients import AsyncClients
from support.codedeploy import CodeDeploy
from support.endpoint import Response, canned, error
from support.models import EVENT, FULL, MOMENT
from support.pages import ids, instance, page

import codedeploy_targets as ct

pytest.importorskip("aiobotocore")
from typecheck import user_code

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
    {},
]
READ = ct.BatchGetDeploymentTargetsOutput.from_boto3({"deploymentTargets": ENVELOPES})
ADAPTER = TypeAdapter[Any](ct.DeploymentTarget)
DUMPED = [ADAPTER.validate_python(target.model_dump()) for target in READ.deployment_targets]
TARGETS = READ.deployment_targets + DUMPED


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


def test_a_value_of_another_type_is_seen() -> None:
    assert_is(None, str | None)
    for value, expected in ((5, str), ([5], list[str]), ("a", int | None)):
        with pytest.raises((AssertionError, ValueError)):
            assert_is(value, expected)


def test_clients_are_of_the_types_that_checkers_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    wrapped = canned(CodeDeploy())
    user_code.clients(wrapped, wrapped)


def test_calls_return_the_types_that_checkers_know() -> None:
    client = ct.DeploymentTargetsClient(canned(CodeDeploy(known=["i-1", *ids(44)])))
    user_code.calls(client, iter(ids(30)))
    assert user_code.streamed(client) == 45
    user_code.filtered(client)


def test_async_calls_return_the_types_that_checkers_know() -> None:
    with AsyncClients() as clients:
        wrapped = clients.answered(CodeDeploy(known=["i-1", *ids(30)]))
        both = [clients.each(ids(30)) for _ in range(2)]
        calls = user_code.async_calls(wrapped, wrapped, *both)
        assert clients.finish_cleanly(calls) == ids(30)


@pytest.mark.parametrize(("response", "expected"), [
    (Response(page([])), "no error"),
    (Response(b"[]"), "invalid"),
    (error("DeploymentDoesNotExistException"), "no such deployment"),
    (error("DeploymentNotStartedException"), "another error"),
], ids=str)  # fmt: skip
def test_each_error_is_caught_by_its_clause(response: Response, expected: str) -> None:
    assert user_code.errors(ct.DeploymentTargetsClient(canned(lambda *_: response))) == expected


@pytest.mark.parametrize("target", TARGETS, ids=range(len(TARGETS)))
def test_a_target_of_any_kind_is_narrowed_as_checkers_know(target: ct.DeploymentTarget) -> None:
    cls = type(target).__name__
    assert user_code.any_target(target) is (target.status in {"Failed", "Skipped"})
    # None of them reaches an `assert_never` that the checkers call unreachable.
    assert user_code.matched(target) == cls
    if isinstance(target, ct.UnknownTarget):
        assert user_code.compared(target) == "unknown"
        with pytest.raises(AssertionError):
            user_code.not_all_matched(target)
    else:
        assert user_code.compared(target) == f"AWS's {cls}"
        assert user_code.not_all_matched(target) == target.target_id
    for event in target.lifecycle_events:
        user_code.members(event, ct.ECSTaskSet(), ct.ResponseMetadata())


def test_a_label_yet_to_come_is_none_of_the_known_ones() -> None:
    assert [*map(user_code.labelled, ct.TargetLabel)] == ["original", "replacement"]
    with pytest.raises(AssertionError):
        user_code.labelled(ct.TargetLabel("Red"))


def test_targets_are_counted_by_the_literal_of_their_type() -> None:
    counts = {"InstanceTarget": 4, "LambdaTarget": 4, "ECSTarget": 4, "CloudFormationTarget": 2}
    assert user_code.types(TARGETS) == {**counts, "UnknownTarget": 8}


def test_members_have_the_types_that_checkers_know() -> None:
    metadata = ct.ResponseMetadata(http_headers={"a": "b"}, retry_attempts=1)
    user_code.members(EVENT, FULL[2].task_sets_info[0], metadata)
    user_code.members(ct.LifecycleEvent(), ct.ECSTaskSet(), ct.ResponseMetadata())
    user_code.made(MOMENT)


def test_every_function_of_the_user_s_is_run() -> None:
    own = {name for name, _ in getmembers(user_code, isfunction)} - {"raises", "assert_never"}
    called = re.findall(r"user_code\.(\w+)\(", Path(__file__).read_text(encoding="utf-8"))
    assert own - {"refused", "assert_type"} == set(called)

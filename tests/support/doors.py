"""AWS's shape comes in by two doors, a client's call and `from_boto3`; a test goes through both."""

from __future__ import annotations

import json
import traceback
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from support.endpoint import Response, canned
from support.pages import instance

from codedeploy_targets import BatchGetDeploymentTargetsOutput as Output
from codedeploy_targets import DeploymentTargetsClient, InvalidResponseError

CONFIDENTIAL = "hunter2"  # stands in what is refused, and may be shown nowhere
REQUEST: dict[str, Any] = {"deploymentId": "d-1", "targetIds": ["i-1"]}
GOOD = instance("i-1", events=1)
MARS = {"deploymentTargetType": "MarsTarget"}
UNKNOWN: dict[str, Any] = {**MARS, "marsTarget": {"targetId": "rover", "crew": None}}
# What may stand beside a target in a page, and is to change nothing about it.
BESIDE: list[dict[str, Any]] = [
    GOOD,
    {"instanceTarget": {"targetId": "i-2", "lifecycleEvents": None}},
    UNKNOWN,
    {"instanceTarget": {"targetId": "i-\ud83d"}},
    {"deploymentTargetType": "ECSTarget"},
    {},
    {"ecsTarget": {"lastUpdatedAt": -1.75}},
]
_BODIES = [b""]
_CALLS: list[str] = []


def _answer(operation: str, _: object) -> Response:
    _CALLS.append(operation)
    return Response(_BODIES[0])


BOTO3 = canned(_answer)
CLIENT = DeploymentTargetsClient(BOTO3)


def encode(answer: Any) -> bytes:
    return answer if isinstance(answer, bytes) else json.dumps(answer).encode()


def page_of(*envelopes: Any) -> dict[str, Any]:
    return {"deploymentTargets": [*envelopes]}


def boto3_reads(answer: Any) -> dict[str, Any]:
    """Return boto3's dict of an answer, without `ResponseMetadata`."""
    _BODIES[:] = [encode(answer)]
    response: dict[str, Any] = BOTO3.batch_get_deployment_targets(**REQUEST)
    del response["ResponseMetadata"]
    return response


def call(answer: Any, **request: Any) -> Output:
    _BODIES[:] = [encode(answer)]
    _CALLS.clear()
    return CLIENT.batch_get_deployment_targets(**REQUEST | request)


DOORS: dict[str, Any] = {
    "wire": call,
    "dict": Output.from_boto3,
    "str": lambda answer: Output.from_boto3(encode(answer).decode()),
    "bytes": lambda answer: Output.from_boto3(encode(answer)),
}
each_door = pytest.mark.parametrize("door", DOORS)


def read_one(door: str, envelope: dict[str, Any]) -> Any:
    """Read a target alone; assert that beside others it is the same, down to the fields set."""
    (alone,) = DOORS[door](page_of(envelope)).deployment_targets
    for beside in BESIDE:
        _, other = DOORS[door](page_of(beside, envelope)).deployment_targets
        assert_same(other, alone)
    return alone


def assert_same(one: BaseModel, other: BaseModel) -> None:
    assert one == other
    assert set_in(one) == set_in(other)
    assert one.model_dump_json(exclude_unset=True) == other.model_dump_json(exclude_unset=True)


def set_in(value: Any) -> Any:
    """Return what was set of a model and of each model in it."""
    if isinstance(value, BaseModel):
        return type(value), {name: set_in(getattr(value, name)) for name in value.model_fields_set}
    return [set_in(item) for item in value] if isinstance(value, list) else value


def assert_refused(door: str, answer: Any, says: str) -> None:
    """Assert that a door refuses an answer at once, tells the place, and shows no value."""
    if door != "wire":
        with pytest.raises(ValueError, match=says) as no:
            DOORS[door](answer)
        assert_shows_no_value(no.value)
        return
    with pytest.raises(InvalidResponseError, match=says) as refused:
        call(answer, targetIds=["a", "b"])
    error = refused.value
    assert_shows_no_value(error)
    assert (error.body, error.request_id) == (encode(answer), "request-1")
    assert (error.deployment_id, error.target_ids) == ("d-1", ["a", "b"])
    assert len(_CALLS) == 1


def assert_shows_no_value(error: BaseException) -> None:
    assert not isinstance(error, ValidationError)
    # The formatted text has all the exceptions that are chained to it.
    shown = "".join(traceback.format_exception(error)) + repr(error)
    assert CONFIDENTIAL not in shown
    assert "one line of the log" not in shown

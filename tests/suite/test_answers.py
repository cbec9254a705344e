"""Answers that are odd, and answers that are broken."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.stub import Stubber
from support.endpoint import Response, canned, serve, unanswered
from support.pages import ids, instance, page

from codedeploy_targets import (
    CloudFormationTarget,
    DeploymentTargetsClient,
    ECSTarget,
    InstanceTarget,
    InvalidResponseError,
    LambdaTarget,
    UnknownTarget,
)

if TYPE_CHECKING:
    from codedeploy_targets import BatchGetDeploymentTargetsOutput

CONFIDENTIAL = "hunter2"
GOOD = instance("i-1")


def read(body: bytes | dict[str, Any]) -> BatchGetDeploymentTargetsOutput:
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    client = DeploymentTargetsClient(canned(lambda *_: Response(body), retries=NO_RETRIES))
    return client.batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-1"])


NO_RETRIES = {"mode": "standard", "total_max_attempts": 1}


def read_one(envelope: dict[str, Any]) -> Any:
    good, odd = read({"deploymentTargets": [GOOD, envelope]}).deployment_targets
    assert good == InstanceTarget.from_boto3(GOOD)
    return odd


def test_an_unknown_member_is_ignored() -> None:
    event = {"status": "Failed", "cause": {"deep": [1]}, "start_time": 5}
    target = read_one({
        "deploymentTargetType": "InstanceTarget",
        "status": "Ready",
        "instanceTarget": {"targetId": "i-2", "zone": "a", "lifecycleEvents": [event]},
    })  # fmt: skip
    assert target.target_id == "i-2"
    assert target.status is None
    assert target.lifecycle_events[0].model_fields_set == {"status"}
    assert "zone" not in target.to_boto3()["instanceTarget"]


@pytest.mark.parametrize(
    ("member", "cls"),
    [
        ("instanceTarget", InstanceTarget),
        ("lambdaTarget", LambdaTarget),
        ("ecsTarget", ECSTarget),
        ("cloudFormationTarget", CloudFormationTarget),
    ],
)
@pytest.mark.parametrize("label", ["absent", "null", "camelCase", "of another member"])
def test_a_payload_without_its_label(member: str, cls: Any, label: str) -> None:
    envelope: dict[str, Any] = {member: {"targetId": "i-2"}}
    if label == "null":
        envelope["deploymentTargetType"] = None
    if label == "camelCase":
        envelope["deploymentTargetType"] = member
    if label == "of another member":
        other = "lambdaTarget" if member == "instanceTarget" else "instanceTarget"
        envelope["deploymentTargetType"] = other
    target = read_one(envelope)
    assert type(target) is cls
    assert target.deployment_target_type == cls.__name__
    assert target.target_id == "i-2"
    assert target.to_boto3() == {
        "deploymentTargetType": cls.__name__,
        member: {"targetId": "i-2"},
    }


def test_a_label_without_its_payload() -> None:
    envelope = {"deploymentTargetType": "ECSTarget"}
    target = read_one(envelope)
    assert target == ECSTarget()
    assert target.to_boto3() == envelope
    assert pickle.loads(pickle.dumps(target)).to_boto3() == envelope
    assert read_one(envelope | {"ecsTarget": {}}).to_boto3() == envelope | {"ecsTarget": {}}


# A member of the envelope may be called as an attribute of the model is.
@pytest.mark.parametrize("member", ["marsTarget", "status", "raw"])
def test_an_unknown_type(member: str) -> None:
    envelope = {
        "deploymentTargetType": "MarsTarget",
        member: {"targetId": "rover", "status": "Failed", "lifecycleEvents": None},
    }
    target = read_one(envelope)
    assert type(target) is UnknownTarget
    assert target.deployment_target_type == "UnknownTarget"
    assert target.raw_type == "MarsTarget"
    assert target.raw[member]["targetId"] == "rover"
    assert (target.target_id, target.status, target.lifecycle_events) == ("rover", "Failed", [])


def test_an_unknown_type_around_a_known_payload() -> None:
    envelope = {"deploymentTargetType": "MarsTarget", **GOOD["instanceTarget"]} | {
        "instanceTarget": {"targetId": "i-2", "status": "Failed"},
        "lambdaTarget": {"targetId": 5},
    }
    target = read_one(envelope)
    assert isinstance(target, UnknownTarget)
    assert target.to_boto3() == {
        "deploymentTargetType": "MarsTarget",
        "instanceTarget": {"targetId": "i-2", "status": "Failed"},
    }


@pytest.mark.parametrize("label", ["LambdaTarget", "lambdaTarget", "ECSTarget", None])
@pytest.mark.parametrize("reverse", [False, True])
def test_two_payloads_in_one_envelope(label: str | None, reverse: bool) -> None:  # noqa: FBT001
    payloads = {"instanceTarget": {"targetId": "i-2"}, "lambdaTarget": {"targetId": "f"}}
    if reverse:
        payloads = dict(reversed(payloads.items()))
    target = read_one({"deploymentTargetType": label, **payloads})
    named = label is not None and label.lower() == "lambdatarget"
    # Where the label names neither, the first of AWS's order is read.
    cls, member = (LambdaTarget, "lambdaTarget") if named else (InstanceTarget, "instanceTarget")
    assert type(target) is cls
    assert target.to_boto3() == {"deploymentTargetType": cls.__name__, member: payloads[member]}


def test_an_empty_envelope() -> None:
    target = read_one({})
    assert target == UnknownTarget(raw={})
    assert target.raw_type is None
    assert target.to_boto3() == {}


@pytest.mark.parametrize("name", GOOD["instanceTarget"])
def test_null_is_as_if_absent(name: str) -> None:
    payload = {**GOOD["instanceTarget"], name: None}
    target = read_one({"deploymentTargetType": "InstanceTarget", "instanceTarget": payload})
    assert name not in target.to_boto3()["instanceTarget"]
    del payload[name]
    assert target == InstanceTarget.from_boto3({"instanceTarget": payload})


def test_null_for_all_targets() -> None:
    output = read(b'{"deploymentTargets": null}')
    assert output.to_boto3() == {}
    assert output.missing_target_ids == ["i-1"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rb"log \ud83d", "log \ufffd"),
        (rb"log \ude00 \ud83d\ude00", "log \ufffd \U0001f600"),
        (b"log \xf0\x9f\x98", "log \ufffd"),
        (b"log \xff\xc3\xa9", "log \ufffd\xe9"),
    ],
)
def test_text_that_is_cut_within_a_character(text: bytes, expected: str) -> None:
    body = page([instance("i-1", events=1)]).replace(b"[stdout] one line of the log", text, 1)
    (target,) = read(body).deployment_targets
    assert target.target_id == "i-1"
    (event,) = target.lifecycle_events
    assert event.diagnostics is not None
    assert event.diagnostics.log_tail is not None
    assert event.diagnostics.log_tail.startswith(expected)


CUT_SHORT = page([GOOD])[:-20]
NOT_JSON = [
    b"",
    b'{"deploymentTargets": null, "future": NaN}',
    b"<html>busy</html>",
    CUT_SHORT,
    b"{",
    page([GOOD]) + b"}",
    b"\xef\xbb\xbf{}",
]
OTHER_SHAPES: list[Any] = [
    [],
    5,
    "text",
    None,
    {"deploymentTargets": {}},
    {"deploymentTargets": "i-1"},
    {"deploymentTargets": [5]},
    {"deploymentTargets": [None]},
    {"deploymentTargets": [GOOD, []]},
    {"deploymentTargets": [{"deploymentTargetType": 5}]},
    {"deploymentTargets": [{"deploymentTargetType": [], "instanceTarget": {}}]},
    {"deploymentTargets": [{"deploymentTargetType": "InstanceTarget", "instanceTarget": [5]}]},
    {"deploymentTargets": [{"deploymentTargetType": "ECSTarget", "ecsTarget": CONFIDENTIAL}]},
    {"deploymentTargets": [{"instanceTarget": {"status": 5}}]},
    {"deploymentTargets": [{"instanceTarget": {"lastUpdatedAt": CONFIDENTIAL}}]},
    {"deploymentTargets": [{"instanceTarget": {"lifecycleEvents": [CONFIDENTIAL]}}]},
    {"deploymentTargets": [{"ecsTarget": {"taskSetsInfo": [{"desiredCount": CONFIDENTIAL}]}}]},
]


@pytest.mark.parametrize("shape", OTHER_SHAPES, ids=str)
def test_json_of_another_shape_is_refused_at_once(shape: Any) -> None:
    calls = []

    def answer(_: str, params: dict[str, Any]) -> Response:
        calls.append(params)
        return Response(json.dumps(shape).encode())

    client = DeploymentTargetsClient(canned(answer))
    with pytest.raises(InvalidResponseError) as refused:
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(3))
    assert len(calls) == 1
    assert_tells_what_it_may(refused.value, json.dumps(shape).encode())


def assert_tells_what_it_may(error: InvalidResponseError, body: bytes) -> None:
    assert isinstance(error, BotoCoreError)
    assert error.request_id == "request-1"
    assert error.deployment_id == "d-1"
    assert type(error.deployment_id) is str
    assert error.target_ids == ids(3)
    assert error.body == body
    text = "".join(traceback.format_exception(error))
    assert CONFIDENTIAL not in text
    assert "one line of the log" not in text
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.body) == (str(error), body)


def test_the_place_is_told_where_the_shape_is_wrong() -> None:
    with pytest.raises(
        InvalidResponseError,
        match=r"deploymentTargets\[1\]\.instanceTarget\.lifecycleEvents\.0\.status",
    ):
        read(
            {"deploymentTargets": [GOOD, {"instanceTarget": {"lifecycleEvents": [{"status": 5}]}}]}
        )


@pytest.mark.usefixtures("retry_at_once")
@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
@pytest.mark.parametrize("body", NOT_JSON, ids=range(len(NOT_JSON)))
def test_what_is_not_json_is_retried(mode: str, body: bytes) -> None:
    answers: list[bytes] = []

    def answer(*_: object) -> Response:
        return Response(answers.pop(0))

    wrapped = canned(answer, retries={"mode": mode, "total_max_attempts": 3})
    client = DeploymentTargetsClient(wrapped)
    answers[:] = [body, body, page([GOOD])]
    output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-1"])
    assert output.deployment_targets == [InstanceTarget.from_boto3(GOOD)]
    assert output.response_metadata[0].retry_attempts == 2
    answers[:] = [body, body, body, page([GOOD])]
    with pytest.raises(InvalidResponseError) as refused:
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(3))
    assert len(answers) == 1
    assert_tells_what_it_may(refused.value, body)


@pytest.mark.usefixtures("retry_at_once")
def test_what_is_not_json_is_retried_over_http() -> None:
    bodies = [CUT_SHORT, b"", page([GOOD])]
    with serve(lambda *_: Response(bodies.pop(0))) as endpoint:
        wrapped = endpoint.client(retries={"mode": "standard", "total_max_attempts": 3})
        output = DeploymentTargetsClient(wrapped).batch_get_deployment_targets(
            deploymentId="d-1", targetIds=["i-1"]
        )
        wrapped.close()
    assert output.deployment_targets == [InstanceTarget.from_boto3(GOOD)]
    assert output.response_metadata[0].retry_attempts == 2


def test_an_error_of_the_service_is_not_read() -> None:
    client = DeploymentTargetsClient(
        canned(lambda *_: Response(CUT_SHORT, 503), retries=NO_RETRIES)
    )
    with pytest.raises(ClientError) as refused:
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-1"])
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


NOT_A_LIST = [b"[]", b"5", b'{"targetIds": "i-1"}', b'{"targetIds": [5]}', b'{"nextToken": 5}']


@pytest.mark.usefixtures("retry_at_once")
@pytest.mark.parametrize("body", [*NOT_JSON, b'{"targetIds": ["\xff"]}'])
def test_a_listing_that_is_not_json_is_retried(body: bytes) -> None:
    bodies = [body, b'{"targetIds": null}']
    client = DeploymentTargetsClient(canned(lambda *_: Response(bodies.pop(0)), retries={
        "mode": "standard", "total_max_attempts": 2
    }))  # fmt: skip
    assert list(client.iter_deployment_targets(deploymentId="d-1")) == []
    bodies[:] = [body, body, b"{}"]
    with pytest.raises(
        InvalidResponseError, match="ListDeploymentTargets cannot be read"
    ) as refused:
        list(client.iter_deployment_targets(deploymentId="d-1"))
    assert (refused.value.body, refused.value.target_ids) == (body, [])


@pytest.mark.parametrize("body", NOT_A_LIST)
def test_a_listing_of_another_shape_is_refused_at_once(body: bytes) -> None:
    bodies = [body, b"{}"]
    client = DeploymentTargetsClient(canned(lambda *_: Response(bodies.pop(0))))
    with pytest.raises(InvalidResponseError, match=r": it is no (object|list of target ids) \("):
        list(client.iter_deployment_targets(deploymentId="d-1"))
    assert len(bodies) == 1


def test_an_odd_member_of_a_listing_is_ignored() -> None:
    body = b'{"targetIds": ["i-1"], "message": "\\ud83d"}'
    answers = [body, page([GOOD])]
    client = DeploymentTargetsClient(canned(lambda *_: Response(answers.pop(0))))
    (target,) = client.iter_deployment_targets(deploymentId="d-1")
    assert target.target_id == "i-1"


def test_an_error_while_listing_is_botocore_s_own() -> None:
    body = b'{"__type": "DeploymentDoesNotExistException", "message": "no"}'
    client = DeploymentTargetsClient(canned(lambda *_: Response(body, 400)))
    with pytest.raises(client.exceptions.DeploymentDoesNotExistException):
        list(client.iter_deployment_targets(deploymentId="d-1"))


@pytest.mark.parametrize("depth", [150, 300, 900, 5_000, 200_000])
def test_deep_nesting_never_crashes(depth: int) -> None:
    body = page([GOOD])[:-1] + b', "future": ' + b"[" * depth + b"]" * depth + b"}"
    try:
        output = read(body)
    except InvalidResponseError:
        assert depth > 150
    else:
        assert output.deployment_targets == [InstanceTarget.from_boto3(GOOD)]


def test_the_last_of_two_members_of_one_name_counts() -> None:
    payload = b'{"targetId": "a", "targetId": "i-1"}'
    kinds = b'"deploymentTargetType": "ECSTarget", "deploymentTargetType": "InstanceTarget"'
    targets = b'[{"instanceTarget": {}, "instanceTarget": ' + payload + b", " + kinds + b"}]"
    body = b'{"deploymentTargets": [], "deploymentTargets": ' + targets + b"}"
    (target,) = read(body).deployment_targets
    assert target.target_id == "i-1"


def test_a_parsed_dict_of_another_shape_is_refused() -> None:
    wrapped = canned(unanswered)
    client = DeploymentTargetsClient(wrapped)
    with Stubber(wrapped) as stubber:
        stubber.add_response(
            "batch_get_deployment_targets",
            {"deploymentTargets": [], "ResponseMetadata": {"RequestId": "request-1"}},
        )
        # Stubber checks what it is given; a mock would not.
        cast("Any", stubber)._queue[0]["response"][1]["deploymentTargets"] = CONFIDENTIAL  # noqa: SLF001
        with pytest.raises(InvalidResponseError, match="deploymentTargets is no list") as refused:
            client.batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-1"])
    assert CONFIDENTIAL not in str(refused.value)
    assert refused.value.request_id == "request-1"


def test_a_client_that_does_not_offer_the_body() -> None:
    wrapped = canned(lambda *_: Response(page([GOOD])))
    # Not botocore's own class: what a tracing library, or a mock, puts around a client.
    around = SimpleNamespace(batch_get_deployment_targets=wrapped.batch_get_deployment_targets)
    client = DeploymentTargetsClient(cast("Any", around))
    output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-1"])
    assert output.deployment_targets == [InstanceTarget.from_boto3(GOOD)]
    assert output.to_boto3() == {"deploymentTargets": [output.deployment_targets[0].to_boto3()]}


def test_no_line_of_a_log_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "codedeploy_targets"):
        read({"deploymentTargets": [GOOD]})
        with pytest.raises(InvalidResponseError):
            read(CUT_SHORT)
    assert caplog.records
    text = " ".join(record.getMessage() for record in caplog.records)
    assert "one line" not in text

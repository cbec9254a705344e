"""Answers that are odd, and answers that are broken: from the wire and by `from_boto3` alike."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.utils import parse_to_aware_datetime
from hypothesis import given
from support.doors import (
    BESIDE,
    CONFIDENTIAL,
    DOORS,
    GOOD,
    UNKNOWN,
    assert_refused,
    assert_same,
    call,
    each_door,
    encode,
    read_one,
)
from support.endpoint import Response, canned
from support.models import any_target
from support.pages import page
from support.strategies import PAYLOADS

import codedeploy_targets
from codedeploy_targets import (
    BatchGetDeploymentTargetsOutput,
    DeploymentTargetsClient,
    ECSTarget,
    InstanceTarget,
    InvalidResponseError,
    LambdaTarget,
    LifecycleEvent,
    UnknownTarget,
)

MOMENT = datetime(2019, 1, 1, 12, 30, 0, 250_000, tzinfo=timezone.utc)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
each_type = pytest.mark.parametrize(("kind", "member"), PAYLOADS.items())


@each_door
def test_an_unknown_member_is_ignored(door: str) -> None:
    event = {"status": "Failed", "cause": {"deep": [1]}, "zone": 5}
    payload = {"targetId": "i-2", "zone": "a", "lifecycleEvents": [event]}
    target = read_one(door, {"status": "Ready", "instanceTarget": payload})
    assert target.model_fields_set == {"deployment_target_type", "target_id", "lifecycle_events"}
    assert target.lifecycle_events[0].model_fields_set == {"status"}
    assert target.to_boto3()["instanceTarget"] == {
        "targetId": "i-2", "lifecycleEvents": [{"status": "Failed"}]
    }  # fmt: skip


@each_door
@each_type
@pytest.mark.parametrize("label", ["AWS's", "absent", "null", "in camelCase", "of another"])
def test_the_payload_tells_the_type(door: str, kind: str, member: str, label: str) -> None:
    other = "LambdaTarget" if kind == "InstanceTarget" else "InstanceTarget"
    labels = {"AWS's": kind, "null": None, "in camelCase": member, "of another": other}
    given = {} if label == "absent" else {"deploymentTargetType": labels[label]}
    target = read_one(door, {**given, member: {"targetId": "t"}})
    assert target == getattr(codedeploy_targets, kind)(target_id="t")
    assert target.model_fields_set == {"deployment_target_type", "target_id"}
    assert target.to_boto3() == {"deploymentTargetType": kind, member: {"targetId": "t"}}


@each_door
@each_type
def test_a_label_without_its_payload(door: str, kind: str, member: str) -> None:
    envelope = {"deploymentTargetType": kind}
    for payload in ({}, {member: {}}):
        target = read_one(door, envelope | payload)
        assert target == getattr(codedeploy_targets, kind)()
        assert target.model_fields_set - {"target_id"} == {"deployment_target_type"}
        for same in (target, pickle.loads(pickle.dumps(target)), copy.deepcopy(target)):
            assert same.to_boto3() == envelope | payload


@each_door
@pytest.mark.parametrize("label", ["LambdaTarget", "lambdaTarget", "ECSTarget", None])
@pytest.mark.parametrize("reverse", [False, True])
def test_two_payloads_in_one_envelope(door: str, label: str | None, reverse: object) -> None:
    payloads = {"instanceTarget": {"targetId": "i-2"}, "lambdaTarget": {"targetId": "f"}}
    if reverse:
        payloads = dict(reversed(payloads.items()))
    target = read_one(door, {"deploymentTargetType": label, **payloads})
    # Where the label names neither, the first of AWS's order is read.
    named = label in {"LambdaTarget", "lambdaTarget"}
    cls, member = (LambdaTarget, "lambdaTarget") if named else (InstanceTarget, "instanceTarget")
    assert target.to_boto3() == {"deploymentTargetType": cls.__name__, member: payloads[member]}
    assert type(target) is cls


@each_door
def test_an_empty_envelope(door: str) -> None:
    target = read_one(door, {})
    assert target == UnknownTarget(raw={})
    assert (target.raw_type, target.to_boto3()) == (None, {})


@each_door
@pytest.mark.parametrize("place", ["the payload", "an event", "diagnostics"])
def test_null_is_as_if_absent(door: str, place: str) -> None:
    def parts(envelope: Any) -> dict[str, Any]:
        event = envelope["instanceTarget"]["lifecycleEvents"][0]
        return {"an event": event, "diagnostics": event["diagnostics"]} | {
            "the payload": envelope["instanceTarget"]
        }

    for name in parts(GOOD)[place]:
        null, absent = copy.deepcopy(GOOD), copy.deepcopy(GOOD)
        parts(null)[place][name] = None
        del parts(absent)[place][name]
        target = read_one(door, {**null, "deploymentTargetType": None, "ecsTarget": None})
        assert_same(target, read_one(door, absent))
        assert target.to_boto3() == type(target).from_boto3(absent).to_boto3()


# A member of the envelope may be called as an attribute of the model is.
@each_door
@pytest.mark.parametrize("member", ["marsTarget", "status", "raw"])
def test_an_unknown_type_is_kept_whole(door: str, member: str) -> None:
    payload = {"targetId": "r", "status": "Failed", "crew": None, "lifecycleEvents": None}
    envelope = {"deploymentTargetType": "MarsTarget", "orbit": None, member: payload}
    target = read_one(door, envelope)
    assert target.deployment_target_type == "UnknownTarget"
    assert (target.raw, target.raw_type) == (envelope, "MarsTarget")
    assert (target.target_id, target.status, target.lifecycle_events) == ("r", "Failed", [])
    set_ = {"deployment_target_type", "raw", "target_id", "status"}
    assert target.model_fields_set == set_
    assert target.to_boto3() == {"deploymentTargetType": "MarsTarget"}
    assert UnknownTarget.from_boto3(target.raw) == target


@each_door
@pytest.mark.parametrize(("label", "target_id"), [
    ("MarsTarget", "mars"), ("EKSTarget", "eks"), ("StationTarget", None), ("Other", "first")
])  # fmt: skip
def test_the_payload_of_an_unknown_type_is_the_one_that_the_label_names(
    door: str, label: str, target_id: str | None
) -> None:
    envelope = {
        "deploymentTargetType": label,
        "tags": {"a": "b"},
        "orbit": {"targetId": "first"},
        "marsTarget": {"targetId": "mars"},
        "eksTarget": {"targetId": "eks"},
        "stationTarget": {"modules": 3},
    }
    target = read_one(door, envelope)
    assert (target.target_id, target.raw) == (target_id, envelope)


@each_door
def test_an_unknown_type_around_known_payloads(door: str) -> None:
    payload = {"targetId": "i-2", "status": "Failed"}
    envelope = {"deploymentTargetType": "MarsTarget", "targetId": "i-1", "instanceTarget": payload}
    target = read_one(door, {**envelope, "lambdaTarget": {"targetId": 5}})
    assert isinstance(target, UnknownTarget)
    assert target.to_boto3() == {"deploymentTargetType": "MarsTarget", "instanceTarget": payload}


# Text, numbers and times ------------------------------------------------------------------------


@each_door
@pytest.mark.parametrize("half", ["\ud83d", "\ude00", "log \ude00 \U0001f600 \ud83d"])
def test_half_a_character_is_u_fffd(door: str, half: str) -> None:
    def envelopes(text: str) -> list[dict[str, Any]]:
        mars = {"deploymentTargetType": "MarsTarget", "marsTarget": {"targetId": "r"}}
        events = [{"diagnostics": {name: text}} for name in ("errorCode", "logTail")]
        return [
            {"instanceTarget": {"targetId": text, "deploymentId": "d-1"}},
            {"instanceTarget": {"targetId": "i-2", "status": text}},
            *({"ecsTarget": {"targetId": "s", "lifecycleEvents": [each]}} for each in events),
            {"instanceTarget": {"targetId": text, "zone": {text: text}}},
            {"deploymentTargetType": text, "marsTarget": {"targetId": "r"}},
            {**mars, text: {text: [text]}},
            {**mars, "marsTarget": {"targetId": text, "status": text}},
        ]

    mended = half.replace("\ud83d", "\ufffd").replace("\ude00", "\ufffd")
    for cut, expected in zip(envelopes(half), envelopes(mended), strict=True):
        target = read_one(door, cut)
        assert target == read_one(door, expected)
        assert mended in target.model_dump_json()
        assert type(target).from_boto3(cut) == target


@pytest.mark.parametrize("door", ["wire", "bytes"])
@pytest.mark.parametrize(("log", "expected"), [
    (b"\xf0\x9f\x98", "\ufffd"), (b"log \xff\xc3\xa9", "log \ufffd\xe9")
])  # fmt: skip
def test_bytes_that_are_not_utf_8_are_u_fffd(door: str, log: bytes, expected: str) -> None:
    body = page([GOOD, UNKNOWN]).replace(b"[stdout] one line of the log", log, 1)
    target, unknown = DOORS[door](body.replace(b"rover", log)).deployment_targets
    assert target.lifecycle_events[0].diagnostics.log_tail.startswith(expected)
    assert (target.target_id, unknown.target_id) == ("i-1", expected)


@each_door
def test_counts_and_weights_are_numbers_as_boto3_has_them(door: str) -> None:
    task_set = {"desiredCount": 2.0, "pendingCount": 3, "runningCount": -0.0, "trafficWeight": 100}
    target = read_one(door, {"ecsTarget": {"taskSetsInfo": [task_set]}})
    (ours,) = target.task_sets_info
    numbers = (ours.desired_count, ours.pending_count, ours.running_count, ours.traffic_weight)
    assert numbers == (2, 3, 0, 100)
    assert [type(number) for number in numbers] == [int, int, int, float]
    assert target.to_boto3()["ecsTarget"]["taskSetsInfo"] == [task_set]


@each_door
@pytest.mark.parametrize("time", [
    1546345800.25, "1546345800.25", "2019-01-01T12:30:00.250000+00:00",
    "2019-01-01T13:30:00.250+01:00", "2019-01-01T12:30:00.25Z", "2019-01-01T12:30:00.25",
    "20190101T123000.25Z", "Tue, 01 Jan 2019 12:30:00.25 GMT",
])  # fmt: skip
def test_a_time_is_read_in_each_form(door: str, time: Any) -> None:
    event = {"startTime": time, "endTime": time}
    target = read_one(door, {"instanceTarget": {"lastUpdatedAt": time, "lifecycleEvents": [event]}})
    (ours,) = target.lifecycle_events
    assert target.last_updated_at == ours.start_time == ours.end_time == MOMENT
    assert target.last_updated_at.utcoffset() is not None


@each_door
@pytest.mark.parametrize(
    "seconds", [-86_400.125, -1.75, -0.5, -1.000001, 0, 0.25, 20_000_000_001, 200_000_000_000.5]
)
def test_a_number_is_seconds_in_any_year(door: str, seconds: float) -> None:
    for time in (seconds, str(seconds)):
        target = read_one(door, {"instanceTarget": {"lastUpdatedAt": time}})
        assert target.last_updated_at == EPOCH + timedelta(seconds=seconds)
        assert target.last_updated_at == parse_to_aware_datetime(seconds)


# What a page has beside its targets -------------------------------------------------------------


def test_null_for_all_targets() -> None:
    output = call({"deploymentTargets": None})
    assert (output.to_boto3(), output.missing_target_ids) == ({}, ["i-1"])


@each_door
@pytest.mark.parametrize("depth", [150, 300, 900, 5_000, 200_000])
def test_deep_nesting_never_crashes(door: str, depth: int) -> None:
    body = page([GOOD])[:-1] + b', "future": ' + b"[" * depth + b"]" * depth + b"}"
    try:
        output = DOORS[door](body)
    except (InvalidResponseError, ValueError):
        assert depth > 150
    else:
        assert output.deployment_targets == [InstanceTarget.from_boto3(GOOD)]


@pytest.mark.parametrize("door", ["wire", "str", "bytes"])
def test_the_last_of_two_members_of_one_name_counts(door: str) -> None:
    payload = b'{"targetId": "a", "targetId": "i-1"}'
    kinds = b'"deploymentTargetType": "ECSTarget", "deploymentTargetType": "InstanceTarget"'
    targets = b'[{"instanceTarget": {}, "instanceTarget": ' + payload + b", " + kinds + b"}]"
    body = b'{"deploymentTargets": [], "deploymentTargets": ' + targets + b"}"
    (target,) = DOORS[door](body).deployment_targets
    assert target == InstanceTarget(target_id="i-1")


def test_no_line_of_a_log_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    cut = page([GOOD])[:-20]
    once = canned(lambda *_: Response(cut), retries={"total_max_attempts": 1})
    with caplog.at_level(logging.DEBUG, "codedeploy_targets"):
        call({"deploymentTargets": [GOOD]})
        with pytest.raises(InvalidResponseError):
            DeploymentTargetsClient(once).batch_get_deployment_targets(
                deploymentId="d-1", targetIds=["i-1"]
            )
    assert caplog.records
    assert "one line" not in " ".join(record.getMessage() for record in caplog.records)


# What is refused --------------------------------------------------------------------------------


def of(member: str, payload: object) -> dict[str, Any]:
    return {"deploymentTargets": [{member: payload}]}


def of_event(event: object) -> dict[str, Any]:
    return of("ecsTarget", {"lifecycleEvents": [event]})


def of_task_set(task_set: object) -> dict[str, Any]:
    return of("ecsTarget", {"taskSetsInfo": [{}, task_set]})


NO_ANSWER: list[Any] = [
    [],
    [GOOD],
    5,
    CONFIDENTIAL,
    None,
    {"deploymentTarget": GOOD},
    {"future": [GOOD]},
    {"deployment_targets": [], "secret": CONFIDENTIAL},
    {"Error": {"Code": "ThrottlingException", "Message": CONFIDENTIAL}},
    {"__type": "DeploymentDoesNotExistException", "message": CONFIDENTIAL},
    GOOD,
    GOOD["instanceTarget"],
]
SECOND = r"deploymentTargets\[1\]"
FIRST = r"deploymentTargets\[0\]"
EVENT = rf"{FIRST}\.ecsTarget\.lifecycleEvents\.0"
TASK_SET = rf"{FIRST}\.ecsTarget\.taskSetsInfo\.1"
NO_TIMES: list[Any] = [
    CONFIDENTIAL, "", [], {}, {"a": 1}, 1e300, "1e300",
    # Milliseconds, which would be a time in 2019.
    1546345800000, "1546345800000", 1546345800250.5,
]  # fmt: skip
REFUSED: list[tuple[Any, str]] = [
    ({"deploymentTargets": CONFIDENTIAL}, "deploymentTargets is no list"),
    ({"deploymentTargets": {CONFIDENTIAL: CONFIDENTIAL}}, "deploymentTargets is no list"),
    ({"deploymentTargets": [CONFIDENTIAL]}, f"{FIRST} is no object"),
    ({"deploymentTargets": [None]}, f"{FIRST} is no object"),
    ({"deploymentTargets": [GOOD, [CONFIDENTIAL]]}, f"{SECOND} is no object"),
    (of("deploymentTargetType", [CONFIDENTIAL]), rf"{FIRST}\.deploymentTargetType is no string"),
    ({"deploymentTargets": [{**GOOD, "deploymentTargetType": 5}]}, rf"{FIRST}\.deploymentTarget"),
    *((of(member, payload), rf"{FIRST}\.{member} is no object")
      for member in PAYLOADS.values() for payload in (CONFIDENTIAL, [CONFIDENTIAL], 5, True)),
    # An object of which nothing is known.
    (of("future", {"targetId": "i-1"}), FIRST),
    ({"deploymentTargets": [GOOD, GOOD["instanceTarget"]]}, SECOND),
    *((of(member, {"zone": CONFIDENTIAL}), rf"{FIRST}\.{member}") for member in PAYLOADS.values()),
    (of("instanceTarget", {"targetId": [CONFIDENTIAL]}), rf"{FIRST}\.instanceTarget\.targetId "),
    (of("instanceTarget", {"targetId": 5}), rf"{FIRST}\.instanceTarget\.targetId "),
    (of("instanceTarget", {"status": {CONFIDENTIAL: 5}}), rf"{FIRST}\.instanceTarget\.status "),
    (of("instanceTarget", {"status": 5}), rf"{FIRST}\.instanceTarget\.status "),
    (of("ecsTarget", {"lifecycleEvents": {}}), rf"{FIRST}\.ecsTarget\.lifecycleEvents "),
    (of_event(CONFIDENTIAL), f"{EVENT} "),
    (of_event({"status": [CONFIDENTIAL]}), rf"{EVENT}\.status "),
    (of_event({"diagnostics": {"logTail": {CONFIDENTIAL: 1}}}), rf"{EVENT}\.diagnostics\.logTail "),
    (of_event({CONFIDENTIAL: 1, "startTime": CONFIDENTIAL}), rf"{EVENT}\.startTime "),
    *((of_task_set({"desiredCount": count}), rf"{TASK_SET}\.desiredCount ")
      for count in (CONFIDENTIAL, "3", True, 3.5, [3])),
    (of_task_set({"targetGroup": {"name": [CONFIDENTIAL]}}), rf"{TASK_SET}\.targetGroup\.name "),
    (of("lambdaTarget", {"lambdaFunctionInfo": {"targetVersionWeight": CONFIDENTIAL}}),
     rf"{FIRST}\.lambdaTarget\.lambdaFunctionInfo\.targetVersionWeight "),
    *((of("cloudFormationTarget", {"targetVersionWeight": weight}),
       rf"{FIRST}\.cloudFormationTarget\.targetVersionWeight ")
      for weight in (CONFIDENTIAL, "0.5", True)),
    *((of("lambdaTarget", {"lastUpdatedAt": time}),
       rf"{FIRST}\.lambdaTarget\.lastUpdatedAt is not as expected")
      for time in NO_TIMES),
]  # fmt: skip


@each_door
@pytest.mark.parametrize(("answer", "says"), REFUSED, ids=range(len(REFUSED)))
def test_json_of_another_shape_is_refused(door: str, answer: Any, says: str) -> None:
    assert_refused(door, answer, says)


@each_door
@pytest.mark.parametrize("answer", NO_ANSWER, ids=range(len(NO_ANSWER)))
def test_what_has_no_targets_is_refused(door: str, answer: Any) -> None:
    if door != "wire":
        says = "expected boto3's dict, or the CLI's JSON, with deploymentTargets"
        # A Python string is text, and this one is no JSON.
        assert_refused(door, answer, "JSON" if door == "dict" and answer == CONFIDENTIAL else says)
    else:
        assert_refused(door, answer, "The response to BatchGetDeploymentTargets cannot be read")


@pytest.mark.parametrize("door", ["wire", "dict"])
@given(target=any_target)
def test_the_models_own_json_is_refused(door: str, target: Any) -> None:
    own = target.model_dump(mode="json")
    output = BatchGetDeploymentTargetsOutput(deployment_targets=[target])
    envelopes = [own]
    if member := PAYLOADS.get(target.deployment_target_type):
        envelopes += [{member: own}, {"deploymentTargetType": type(target).__name__, member: own}]
    for envelope in envelopes:
        assert_refused(door, {"deploymentTargets": [GOOD, envelope]}, SECOND)
    assert_refused(door, output.model_dump(mode="json"), "deploymentTargets")
    assert_refused(door, own, "deploymentTargets")
    with pytest.raises(ValueError, match="the envelope"):
        type(target).from_boto3(own)


@each_door
def test_a_target_is_read_beside_anything(door: str) -> None:
    """Each company of `read_one` is read itself, or the tests above would prove nothing."""
    for beside in BESIDE.values():
        answer = json.loads(encode({"deploymentTargets": beside}))
        assert len(DOORS[door](answer).deployment_targets) == len(beside)
    assert read_one(door, {"ecsTarget": {"lifecycleEvents": [{}]}}) == ECSTarget(
        lifecycle_events=[LifecycleEvent()]
    )


# Another operation's answer ---------------------------------------------------------------------


@pytest.mark.parametrize("body", [
    b"[]", b"5", b'{"targetIds": "i-1"}', b'{"targetIds": [5]}', b'{"nextToken": 5}',
    b'{"targetIds": [], "nextToken": {}}',
])  # fmt: skip
def test_a_listing_of_another_shape_is_refused_at_once(body: bytes) -> None:
    bodies = [body, b"{}"]
    client = DeploymentTargetsClient(canned(lambda *_: Response(bodies.pop(0))))
    with pytest.raises(InvalidResponseError, match=r": it is no (object|list of target ids) \("):
        list(client.iter_deployment_targets(deploymentId="d-1"))
    assert len(bodies) == 1


def test_an_odd_member_of_a_listing_is_ignored() -> None:
    answers = [b'{"targetIds": ["i-1"], "message": "\\ud83d"}', page([GOOD])]
    client = DeploymentTargetsClient(canned(lambda *_: Response(answers.pop(0))))
    (target,) = client.iter_deployment_targets(deploymentId="d-1")
    assert target.target_id == "i-1"

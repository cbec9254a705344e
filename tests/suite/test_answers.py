"""Answers that are odd, and answers that are broken: from the wire and by `from_boto3` alike."""

from __future__ import annotations

import copy
import logging
import pickle
from datetime import timedelta
from typing import Any

import pytest
from botocore.utils import parse_to_aware_datetime
from hypothesis import given
from pydantic_core import TzInfo
from support import doors
from support.clients import Clients, got
from support.codedeploy import LIST, CodeDeploy
from support.doors import CONFIDENTIAL, GOOD, MARS, UNKNOWN, each_door, page_of, read_one
from support.endpoint import Response, canned
from support.models import EPOCH, MOMENT, any_target
from support.pages import page
from support.strategies import PAYLOADS

import codedeploy_targets
from codedeploy_targets import BatchGetDeploymentTargetsOutput as Output
from codedeploy_targets import DeploymentTargetsClient, InvalidResponseError, UnknownTarget

each_type = pytest.mark.parametrize(("kind", "member"), PAYLOADS.items())


def own_json(target: Any) -> Any:
    """Return what was set, but for the type, which always is."""
    members = target.model_dump(mode="json", exclude_unset=True)
    assert members.pop("deployment_target_type") == type(target).__name__
    return members


@each_door
def test_an_unknown_member_is_ignored(door: str) -> None:
    event = {"status": "Failed", "cause": {"deep": [1]}, "zone": 5}
    payload = {"targetId": "i-2", "zone": "a", "target_id": 5, "lifecycleEvents": [event]}
    target = read_one(door, {"status": "Ready", "instanceTarget": payload})
    assert own_json(target) == {"target_id": "i-2", "lifecycle_events": [{"status": "Failed"}]}


@each_door
@each_type
@pytest.mark.parametrize("label", ["AWS's", "absent", "null", "in camelCase", "of another"])
def test_the_payload_tells_the_type(door: str, kind: str, member: str, label: str) -> None:
    other = "LambdaTarget" if kind == "InstanceTarget" else "InstanceTarget"
    labels = {"AWS's": kind, "null": None, "in camelCase": member, "of another": other}
    given_ = {} if label == "absent" else {"deploymentTargetType": labels[label]}
    target = read_one(door, {**given_, member: {"targetId": "t"}})
    assert target == getattr(codedeploy_targets, kind)(target_id="t")
    assert own_json(target) == {"target_id": "t"}
    assert target.to_boto3() == {"deploymentTargetType": kind, member: {"targetId": "t"}}


@each_door
@each_type
def test_a_label_without_its_payload_is_an_empty_target(door: str, kind: str, member: str) -> None:
    envelope: dict[str, Any] = {"deploymentTargetType": kind}
    for whole in (envelope, {**envelope, member: {}}):
        target = read_one(door, whole)
        assert target == getattr(codedeploy_targets, kind)()
        assert ("target_id" in target.model_fields_set) == (member in whole)
        for same in (target, pickle.loads(pickle.dumps(target)), copy.deepcopy(target)):
            assert same.to_boto3() == whole


@each_door
@pytest.mark.parametrize("label", ["LambdaTarget", "lambdaTarget", "ECSTarget", None])
@pytest.mark.parametrize("members", ["instanceTarget lambdaTarget", "lambdaTarget instanceTarget"])
def test_of_two_payloads_the_labelled_one_is_read(
    door: str, label: str | None, members: str
) -> None:
    payloads = {member: {"targetId": member} for member in members.split()}
    target = read_one(door, {"deploymentTargetType": label, **payloads})
    # Where the label names neither, the first of AWS's order is read.
    member = "lambdaTarget" if (label or "").lower() == "lambdatarget" else "instanceTarget"
    kind = type(target).__name__
    assert PAYLOADS[kind] == member
    assert target.to_boto3() == {"deploymentTargetType": kind, member: payloads[member]}


@each_door
@pytest.mark.parametrize("place", ["the payload", "an event", "diagnostics"])
def test_null_is_as_if_absent(door: str, place: str) -> None:
    def part(envelope: Any) -> dict[str, Any]:
        payload = envelope["instanceTarget"]
        (event,) = payload["lifecycleEvents"]
        parts = {"the payload": payload, "an event": event, "diagnostics": event["diagnostics"]}
        return parts[place]  # type: ignore[no-any-return]

    for name in part(GOOD):
        null, absent = copy.deepcopy(GOOD), copy.deepcopy(GOOD)
        part(null)[name] = None
        del part(absent)[name]
        target = read_one(door, {**null, "deploymentTargetType": None, "ecsTarget": None})
        doors.assert_same(target, read_one(door, absent))
        assert target.to_boto3() == type(target).from_boto3(absent).to_boto3()


# A member of the envelope may be called as an attribute of the model is.
@each_door
@pytest.mark.parametrize("member", ["marsTarget", "status", "raw"])
def test_an_unknown_type_is_kept_whole(door: str, member: str) -> None:
    payload = {"targetId": "r", "status": "Failed", "crew": None, "lifecycleEvents": None}
    envelope = {**MARS, "orbit": None, member: payload}
    target = read_one(door, envelope)
    assert own_json(target) == {"raw": envelope, "target_id": "r", "status": "Failed"}
    assert (target.raw_type, target.lifecycle_events, target.to_boto3()) == ("MarsTarget", [], MARS)
    assert UnknownTarget.from_boto3(target.raw) == target
    empty = read_one(door, {})
    assert (own_json(empty), empty.raw_type, empty.to_boto3()) == ({"raw": {}}, None, {})


@each_door
@pytest.mark.parametrize(("label", "target_id"), [
    ("MarsTarget", "mars"), ("EKSTarget", "eks"), ("StationTarget", None), ("Other", "first")
])  # fmt: skip
def test_the_payload_of_an_unknown_type_is_the_one_that_the_label_names(
    door: str, label: str, target_id: str | None
) -> None:
    members = {"orbit": "first", "marsTarget": "mars", "eksTarget": "eks"}
    payloads = {member: {"targetId": each} for member, each in members.items()}
    envelope = {"deploymentTargetType": label, "tags": {"a": "b"}, **payloads}
    target = read_one(door, {**envelope, "stationTarget": {"modules": 3}})
    assert target.target_id == target_id


@each_door
def test_an_unknown_type_around_known_payloads_stays_unknown(door: str) -> None:
    payload = {"targetId": "i-2", "status": "Failed"}
    envelope = {**MARS, "targetId": "i-1", "instanceTarget": payload}
    target = read_one(door, {**envelope, "lambdaTarget": {"targetId": 5}})
    assert target.to_boto3() == {**MARS, "instanceTarget": payload}


# Text, numbers and times ------------------------------------------------------------------------


@each_door
@pytest.mark.parametrize("half", ["\ud83d", "log \ude00 \U0001f600 \ud83d"])
def test_half_a_character_is_u_fffd(door: str, half: str) -> None:
    def envelopes(text: str) -> list[dict[str, Any]]:
        events = [{"diagnostics": {name: text}} for name in ("errorCode", "logTail")]
        return [
            {"instanceTarget": {"targetId": text, "deploymentId": "d-1"}},
            {**GOOD, "instanceTarget": {"targetId": "i-1", "targetArn": text}},
            {"instanceTarget": {"targetId": "i-2", "status": text}},
            *({"ecsTarget": {"targetId": "s", "lifecycleEvents": [each]}} for each in events),
            {"instanceTarget": {"targetId": text, "zone": {text: text}}},
            {"deploymentTargetType": text, "marsTarget": {"targetId": "r"}},
            {**UNKNOWN, text: {text: [text]}},
            {**MARS, "marsTarget": {"targetId": text, "status": text}},
        ]

    mended = half.replace("\ud83d", "\ufffd").replace("\ude00", "\ufffd")
    for cut, expected in zip(envelopes(half), envelopes(mended), strict=True):
        target = read_one(door, cut)
        assert target == read_one(door, expected) == type(target).from_boto3(cut)
        assert mended in target.model_dump_json()


@pytest.mark.parametrize("door", ["wire", "bytes"])
@pytest.mark.parametrize(("log", "expected"), [
    (b"\xf0\x9f\x98", "\ufffd"), (b"log \xff\xc3\xa9", "log \ufffd\xe9")
])  # fmt: skip
def test_bytes_that_are_not_utf_8_are_u_fffd(door: str, log: bytes, expected: str) -> None:
    body = page([GOOD, UNKNOWN]).replace(b"[stdout] one line of the log", log, 1)
    target, unknown = doors.DOORS[door](body.replace(b"rover", log)).deployment_targets
    assert target.lifecycle_events[0].diagnostics.log_tail.startswith(expected)
    assert (target.target_id, unknown.target_id) == ("i-1", expected)


@each_door
def test_counts_and_weights_are_numbers_as_boto3_has_them(door: str) -> None:
    task_set = {"desiredCount": 2.0, "pendingCount": 3, "runningCount": -0.0, "trafficWeight": 100}
    target = read_one(door, {"ecsTarget": {"taskSetsInfo": [task_set]}})
    (plain,) = target.to_boto3()["ecsTarget"]["taskSetsInfo"]
    assert plain == task_set
    assert [type(number) for number in plain.values()] == [int, int, int, float]


@each_door
@pytest.mark.parametrize("time", [
    1546345800.25, "1546345800.25", "2019-01-01T12:30:00.250000+00:00",
    "2019-01-01T13:30:00.250+01:00", "2019-01-01T12:30:00.25Z", "2019-01-01T12:30:00.25",
    "20190101T123000.25Z", "Tue, 01 Jan 2019 12:30:00.25 GMT",
])  # fmt: skip
def test_a_time_is_read_in_each_form(door: str, time: Any) -> None:
    event = {"startTime": time, "endTime": time}
    payload = {"targetId": "i-1", "lastUpdatedAt": time, "lifecycleEvents": [event]}
    for label in ({"deploymentTargetType": "InstanceTarget"}, {}):
        target = read_one(door, {**label, "instanceTarget": payload})
        (ours,) = target.lifecycle_events
        assert target.last_updated_at == ours.start_time == ours.end_time == MOMENT
        # pandas makes no time column of several kinds of zone.
        assert repr(target.last_updated_at.tzinfo) == repr(ours.end_time.tzinfo) == repr(TzInfo(0))


@each_door
@pytest.mark.parametrize(
    "seconds", [-86_400.125, -1.75, -0.5, -1.000001, 0, 0.25, 20_000_000_001, 200_000_000_000.5]
)
def test_a_number_is_seconds_in_any_year(door: str, seconds: float) -> None:
    parse: Any = parse_to_aware_datetime
    for time in (seconds, str(seconds)):
        target = read_one(door, {"instanceTarget": {"lastUpdatedAt": time}})
        assert target.last_updated_at == EPOCH + timedelta(seconds=seconds) == parse(seconds)


# What a page has beside its targets -------------------------------------------------------------


@each_door
@pytest.mark.parametrize("depth", [150, 300, 900, 5_000, 200_000])
def test_deep_nesting_never_crashes(door: str, depth: int) -> None:
    body = page([GOOD])[:-1] + b', "future": ' + b"[" * depth + b"]" * depth + b"}"
    try:
        output = doors.DOORS[door](body)
    except (InvalidResponseError, ValueError):
        assert depth > 150
    else:
        assert output.deployment_targets == Output.from_boto3(page_of(GOOD)).deployment_targets


@pytest.mark.parametrize(("door", "depth"), [("wire", 300), ("wire", 200_000), ("str", 200_000)])
def test_deep_nesting_is_no_cut_answer(door: str, depth: int) -> None:
    body = page([GOOD])[:-1] + b', "future": ' + b"[" * depth + b"]" * depth + b"}"
    with pytest.raises((InvalidResponseError, ValueError), match=r" it is nested too deeply( |$)"):
        doors.DOORS[door](body)


@pytest.mark.parametrize("door", ["wire", "str", "bytes"])
def test_the_last_of_two_members_of_one_name_counts(door: str) -> None:
    kinds = '"deploymentTargetType": "ECSTarget", "deploymentTargetType": "InstanceTarget"'
    payloads = '"instanceTarget": {}, "instanceTarget": {"targetId": "a", "targetId": "i-1"}'
    body = f'{{"deploymentTargets": [], "deploymentTargets": [{{{kinds}, {payloads}}}]}}'.encode()
    (target,) = doors.DOORS[door](body).deployment_targets
    assert own_json(target) == {"target_id": "i-1"}


def test_null_for_all_targets_is_as_if_absent() -> None:
    output = doors.call({"deploymentTargets": None})
    assert (output.to_boto3(), output.missing_target_ids) == ({}, ["i-1"])


def test_no_line_of_a_log_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    bodies = [page([GOOD]), page([GOOD])[:-20]]
    wrapped = canned(lambda *_: Response(bodies.pop(0)), retries={"total_max_attempts": 1})
    client = DeploymentTargetsClient(wrapped)
    with caplog.at_level(logging.DEBUG, "codedeploy_targets"):
        client.batch_get_deployment_targets(**doors.REQUEST)
        with pytest.raises(InvalidResponseError):
            client.batch_get_deployment_targets(**doors.REQUEST)
    assert caplog.records
    assert "one line" not in " ".join(record.getMessage() for record in caplog.records)


# What is refused --------------------------------------------------------------------------------


def of(member: str, payload: object) -> dict[str, Any]:
    return page_of({member: payload})


def of_event(event: object) -> dict[str, Any]:
    return of("ecsTarget", {"lifecycleEvents": [event]})


def of_task_set(task_set: object) -> dict[str, Any]:
    return of("ecsTarget", {"taskSetsInfo": [{}, task_set]})


NO_ANSWER: list[Any] = [
    [], [GOOD], 5, CONFIDENTIAL, None, GOOD, GOOD["instanceTarget"], {"deploymentTarget": GOOD},
    {"future": [GOOD]}, {"deployment_targets": [], "secret": CONFIDENTIAL},
    {"Error": {"Code": "ThrottlingException", "Message": CONFIDENTIAL}},
    {"__type": "DeploymentDoesNotExistException", "message": CONFIDENTIAL},
]  # fmt: skip
NO_TIMES: list[Any] = [
    CONFIDENTIAL, "", "\ud83d", [], {}, {"a": 1}, 1e300, "1e300",
    # Milliseconds, which would be a time in 2019.
    1546345800000, "1546345800000", 1546345800250.5,
]  # fmt: skip
FIRST, SECOND = r"deploymentTargets\[0\]", r"deploymentTargets\[1\]"
EVENT = rf"{FIRST}\.ecsTarget\.lifecycleEvents\.0"
TASK_SET = rf"{FIRST}\.ecsTarget\.taskSetsInfo\.1"
REFUSED: list[tuple[Any, str]] = [
    ({"deploymentTargets": CONFIDENTIAL}, "deploymentTargets is no list"),
    ({"deploymentTargets": {CONFIDENTIAL: CONFIDENTIAL}}, "deploymentTargets is no list"),
    *((page_of(each), f"{FIRST} is no object") for each in (CONFIDENTIAL, None, 5)),
    (page_of(GOOD, [CONFIDENTIAL]), f"{SECOND} is no object"),
    *((page_of({**GOOD, "deploymentTargetType": label}), rf"{FIRST}\.deploymentTargetType is no s")
      for label in (5, [CONFIDENTIAL])),
    *((of(member, payload), rf"{FIRST}\.{member} is no object")
      for member in PAYLOADS.values() for payload in (CONFIDENTIAL, [CONFIDENTIAL], 5, True)),
    # An object of which nothing is known.
    (of("future", {"targetId": "i-1"}), FIRST),
    (page_of(GOOD, GOOD["instanceTarget"]), SECOND),
    *((page_of({"deploymentTargetType": kind, **GOOD["instanceTarget"]}), f"{FIRST} has the payl")
      for kind in PAYLOADS),
    *((of(member, {"zone": CONFIDENTIAL}), rf"{FIRST}\.{member}") for member in PAYLOADS.values()),
    *((of("instanceTarget", {name: each}), rf"{FIRST}\.instanceTarget\.{name} ")
      for name in ("targetId", "status") for each in (5, [CONFIDENTIAL], {CONFIDENTIAL: 5})),
    (of("ecsTarget", {"lifecycleEvents": {}}), rf"{FIRST}\.ecsTarget\.lifecycleEvents "),
    (of_event(CONFIDENTIAL), f"{EVENT} "),
    (of_event({"status": [CONFIDENTIAL]}), rf"{EVENT}\.status "),
    (of_event({"diagnostics": {"logTail": {CONFIDENTIAL: 1}}}), rf"{EVENT}\.diagnostics\.logTail "),
    (of_event({CONFIDENTIAL: 1, "startTime": CONFIDENTIAL}), rf"{EVENT}\.startTime "),
    *((of_task_set({"desiredCount": count}), rf"{TASK_SET}\.desiredCount ")
      for count in (CONFIDENTIAL, "3", True, 3.5, [3])),
    (of_task_set({"targetGroup": {"name": [CONFIDENTIAL]}}), rf"{TASK_SET}\.targetGroup\.name "),
    *((of("cloudFormationTarget", {"targetVersionWeight": weight}),
       rf"{FIRST}\.cloudFormationTarget\.targetVersionWeight ")
      for weight in (CONFIDENTIAL, "0.5", True)),
    *((page_of({**GOOD, "instanceTarget": {"targetId": "i-1", "lastUpdatedAt": time}}),
       rf"{FIRST}\.instanceTarget\.lastUpdatedAt is not as expected") for time in NO_TIMES),
]  # fmt: skip


@each_door
@pytest.mark.parametrize(("answer", "says"), REFUSED, ids=range(len(REFUSED)))
def test_json_of_another_shape_is_refused(door: str, answer: Any, says: str) -> None:
    doors.assert_refused(door, answer, says)


@each_door
@pytest.mark.parametrize("answer", NO_ANSWER, ids=range(len(NO_ANSWER)))
def test_what_has_no_targets_is_refused(door: str, answer: Any) -> None:
    says = "^expected boto3's dict or the CLI's JSON, with deploymentTargets$"
    if door == "wire":
        says = "The response to BatchGetDeploymentTargets cannot be read"
    elif door == "dict" and isinstance(answer, str):
        says = "it is not JSON"
    doors.assert_refused(door, answer, says)


@pytest.mark.parametrize("door", ["wire", "dict"])
@given(target=any_target)
def test_the_models_own_json_is_refused(door: str, target: Any) -> None:
    own, kind = target.model_dump(mode="json"), type(target).__name__
    envelopes = [own]
    if member := PAYLOADS.get(kind):
        envelopes += [{member: own}, {"deploymentTargetType": kind, member: own}]
    for envelope in envelopes:
        doors.assert_refused(door, page_of(GOOD, envelope), SECOND)
    output = Output(deployment_targets=[target]).model_dump(mode="json")
    for answer in (own, output):
        doors.assert_refused(door, answer, "deploymentTargets")
    with pytest.raises(ValueError, match="the envelope"):
        type(target).from_boto3(own)


@pytest.mark.parametrize("body", [
    b'{"targetIds": [5]}', b'{"nextToken": 5}', b'{"targetIds": [], "nextToken": {}}',
    b'{"targetIds": ["i-1"], "message": "\\ud83d"}', b'{"targetIds": ["i-1"], "message": "\xe9"}',
])  # fmt: skip
def test_a_listing_is_read_as_strictly_and_as_leniently_as_targets(body: bytes) -> None:
    answers = [body, page([GOOD])]
    client = DeploymentTargetsClient(canned(lambda *_: Response(answers.pop(0))))
    targets = client.iter_deployment_targets(deploymentId="d-1")
    if b"message" in body:
        assert [target.target_id for target in targets] == ["i-1"]
    else:
        with pytest.raises(InvalidResponseError, match=r": it is no list of target ids \("):
            next(targets)


@pytest.mark.usefixtures("retry_at_once")
@pytest.mark.parametrize("target_id", [b"i-\xe9", b"i-\\ud83d"])
def test_a_garbled_listed_id_is_retried_then_refused(clients: Clients, target_id: bytes) -> None:
    garbled = Response(b'{"targetIds": ["i-1", "%b"]}' % target_id)
    codedeploy = CodeDeploy(known=["i-1"], instead={LIST: [garbled, None, *[garbled] * 5]})
    client = clients.canned(codedeploy)
    assert got(client.iterate()) == ["i-1"]
    with pytest.raises(InvalidResponseError, match=r": an id is not UTF-8 \("):
        next(client.iterate())

"""AWS's own shape comes in by `from_boto3()`, as leniently as the wire, and nothing else does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from datetime import datetime, timedelta, timezone
from typing import Any

import boto3
import pytest
from hypothesis import given
from moto.server import ThreadedMotoServer
from pydantic import ValidationError
from support.endpoint import Response, canned
from support.labels import with_aws_labels
from support.models import any_target
from support.pages import instance, page
from support.strategies import PAYLOADS

from codedeploy_targets import (
    BatchGetDeploymentTargetsOutput,
    CloudFormationTarget,
    DeploymentTargetsClient,
    ECSTarget,
    ECSTaskSet,
    InstanceTarget,
    LambdaFunctionInfo,
    LambdaTarget,
    LifecycleEvent,
    LifecycleEventStatus,
    ResponseMetadata,
    TargetStatus,
    UnknownTarget,
)
from codedeploy_targets.testing import mock_deployment_targets

CONFIDENTIAL = "hunter2"
GOOD = instance("i-1")
UNKNOWN: dict[str, Any] = {
    "deploymentTargetType": "MarsTarget",
    "marsTarget": {"targetId": "rover", "status": "Failed", "lastUpdatedAt": 1546300860.5},
}
MOMENT = datetime(2019, 1, 1, 12, 30, 0, 250_000, tzinfo=timezone.utc)
read = BatchGetDeploymentTargetsOutput.from_boto3
CLASSES: list[Any] = [InstanceTarget, LambdaTarget, ECSTarget, CloudFormationTarget]


def boto3_s(body: bytes) -> dict[str, Any]:
    client = canned(lambda *_: Response(body))
    response: dict[str, Any] = client.batch_get_deployment_targets(
        deploymentId="d-1", targetIds=["i-1"]
    )
    return response


def test_boto3_s_dict_is_read_with_its_metadata_and_without() -> None:
    answer = boto3_s(page([GOOD, UNKNOWN]))
    output = read(answer)
    (metadata,) = output.response_metadata
    assert metadata == ResponseMetadata(
        request_id="request-1",
        http_status_code=200,
        http_headers={"x-amzn-requestid": "request-1"},
        retry_attempts=0,
    )
    del answer["ResponseMetadata"]
    assert read(answer).response_metadata == []
    assert read(answer).deployment_targets == output.deployment_targets
    assert read(answer).missing_target_ids == []
    assert output.to_boto3() == answer
    assert read({**answer, "nextToken": "a member from the future"}) == read(answer)
    assert read({"deploymentTargets": []}) == BatchGetDeploymentTargetsOutput()


def test_text_is_read_as_the_client_reads_it() -> None:
    body = page([GOOD, UNKNOWN, {"ecsTarget": {"targetId": "s"}}])
    client = DeploymentTargetsClient(canned(lambda *_: Response(body)))
    typed = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-1"])
    indented = json.dumps(json.loads(body), indent=4, ensure_ascii=False) + "\n"
    for answer in (body, body.decode(), indented, indented.encode(), json.loads(body)):
        output = read(answer)
        assert output.deployment_targets == typed.deployment_targets
        assert output.response_metadata == []


@pytest.mark.parametrize("time", [
    1546345800.25,
    "2019-01-01T12:30:00.250000+00:00",
    "2019-01-01T13:30:00.250+01:00",
    "2019-01-01T12:30:00.25Z",
    "2019-01-01T12:30:00.25",
    MOMENT,
])  # fmt: skip
def test_times_are_read_in_each_form(time: Any) -> None:
    answer = {"deploymentTargets": [{"instanceTarget": {
        "lastUpdatedAt": time, "lifecycleEvents": [{"startTime": time, "endTime": time}]
    }}]}  # fmt: skip
    answers: list[Any] = [answer]
    if not isinstance(time, datetime):
        answers += [json.dumps(answer), json.dumps(answer).encode()]
    for each in answers:
        (target,) = read(each).deployment_targets
        (event,) = target.lifecycle_events
        assert target.last_updated_at == event.start_time == event.end_time == MOMENT
        assert target.last_updated_at is not None
        assert target.last_updated_at.tzinfo is not None


def test_null_is_as_if_absent() -> None:
    payload: dict[str, Any] = {
        "targetId": "i-1", "status": None, "lifecycleEvents": [{"diagnostics": None}]
    }  # fmt: skip
    envelope = {"deploymentTargetType": None, "instanceTarget": payload, "ecsTarget": None}
    answer = {"deploymentTargets": [envelope], "ResponseMetadata": None}
    expected = InstanceTarget(target_id="i-1", lifecycle_events=[LifecycleEvent()])
    for each in (answer, json.dumps(answer), json.dumps(answer).encode()):
        (target,) = read(each).deployment_targets
        assert target == expected
        assert target.to_boto3() == {
            "deploymentTargetType": "InstanceTarget",
            "instanceTarget": {"targetId": "i-1", "lifecycleEvents": [{}]},
        }
    assert InstanceTarget.from_boto3(envelope) == expected


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("label", ["AWS's", "camelCase", "absent"])
def test_a_label_in_camel_case_or_none_is_read(cls: Any, label: str) -> None:
    member = PAYLOADS[cls.__name__]
    envelope: dict[str, Any] = {member: {"targetId": "t"}}
    if label != "absent":
        envelope["deploymentTargetType"] = member if label == "camelCase" else cls.__name__
    expected = cls(target_id="t")
    assert cls.from_boto3(envelope) == expected
    assert read(json.dumps({"deploymentTargets": [envelope]})).deployment_targets == [expected]
    assert expected.to_boto3() == {"deploymentTargetType": cls.__name__, member: {"targetId": "t"}}


def test_an_unknown_type_is_kept_whole() -> None:
    target = UnknownTarget.from_boto3(UNKNOWN)
    assert target.raw == UNKNOWN
    assert target.raw_type == "MarsTarget"
    assert (target.target_id, target.status) == ("rover", TargetStatus.FAILED)
    assert read({"deploymentTargets": [UNKNOWN]}).deployment_targets == [target]
    assert UnknownTarget.from_boto3(target.raw) == target
    # What boto3 parsed holds times, which `raw` has as text.
    parsed = {"deploymentTargetType": "MarsTarget", "marsTarget": {"lastUpdatedAt": MOMENT}}
    dated = UnknownTarget.from_boto3(parsed)
    assert dated.last_updated_at == MOMENT
    assert dated == UnknownTarget.model_validate_json(dated.model_dump_json())


@pytest.mark.parametrize(("log", "expected"), [
    (b"\xff\xc3\xa9", "\ufffd\xe9"), (b"\xf0\x9f\x98", "\ufffd"), (rb"\ud83d", "\ufffd")
])  # fmt: skip
def test_bytes_that_are_not_utf_8_are_read(log: bytes, expected: str) -> None:
    body = page([instance("i-1", events=1)]).replace(b"[stdout] one line of the log", log, 1)
    (target,) = read(body).deployment_targets
    (event,) = target.lifecycle_events
    assert event.diagnostics is not None
    assert event.diagnostics.log_tail is not None
    assert event.diagnostics.log_tail.startswith(expected)


def test_a_byte_order_mark_is_no_part_of_the_answer() -> None:
    body = page([GOOD])
    text = "\ufeff" + body.decode()
    for answer in (text, text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be")):
        assert read(answer) == read(body)


@given(any_target)
def test_from_boto3_reads_what_to_boto3_writes(target: Any) -> None:
    if isinstance(target, UnknownTarget):
        return  # boto3's dict has no place for its payload
    envelope = target.to_boto3()
    again = type(target).from_boto3(envelope)
    assert again == target
    assert again.to_boto3() == envelope
    answer = {"deploymentTargets": [envelope]}
    assert read(answer).deployment_targets == [target]
    assert read(answer).to_boto3() == answer == with_aws_labels(answer)
    assert read(json.dumps(answer, default=datetime.isoformat)).deployment_targets == [target]


# What is refused --------------------------------------------------------------------------------

SHAPE = "expected boto3's dict, or the CLI's JSON, with deploymentTargets"
FIRST = r"deploymentTargets\[0\]"


def of(member: str, payload: object) -> dict[str, Any]:
    return {"deploymentTargets": [{member: payload}]}


REFUSED: list[tuple[Any, str]] = [
    ({}, SHAPE),
    ({"deploymentTarget": GOOD}, SHAPE),
    ({"deployment_targets": [], "secret": CONFIDENTIAL}, SHAPE),
    ({"Error": {"Code": "ThrottlingException", "Message": CONFIDENTIAL}}, SHAPE),
    ({"__type": "DeploymentDoesNotExistException", "message": CONFIDENTIAL}, SHAPE),
    ([], SHAPE),
    ([GOOD], SHAPE),
    (5, SHAPE),
    (None, SHAPE),
    (CONFIDENTIAL, "JSON"),
    (f"answers/{CONFIDENTIAL}.json", "JSON"),
    (b"", "JSON"),
    ("", "JSON"),
    (page([GOOD])[:-20], "JSON"),
    (f'{{"{CONFIDENTIAL}": "{CONFIDENTIAL}', "JSON"),
    ("[" * 200_000, "nested too deeply"),
    (f'An error occurred (ThrottlingException): "{CONFIDENTIAL}"', "JSON"),
    ({"deploymentTargets": CONFIDENTIAL}, "deploymentTargets is no list"),
    ({"deploymentTargets": {CONFIDENTIAL: CONFIDENTIAL}}, "deploymentTargets is no list"),
    ({"deploymentTargets": [CONFIDENTIAL]}, f"{FIRST} is no object"),
    ({"deploymentTargets": [GOOD, [CONFIDENTIAL]]}, r"deploymentTargets\[1\] is no object"),
    ({"deploymentTargets": [None]}, f"{FIRST} is no object"),
    ({"deploymentTargets": [{"deploymentTargetType": [CONFIDENTIAL]}]},
     rf"{FIRST}\.deploymentTargetType is no string"),
    (of("instanceTarget", CONFIDENTIAL), rf"{FIRST}\.instanceTarget is no object"),
    (of("ecsTarget", [CONFIDENTIAL]), rf"{FIRST}\.ecsTarget is no object"),
    (of("instanceTarget", {"targetId": [CONFIDENTIAL]}), rf"{FIRST}\.instanceTarget\.targetId "),
    (of("instanceTarget", {"status": {CONFIDENTIAL: 5}}), rf"{FIRST}\.instanceTarget\.status "),
    (of("lambdaTarget", {"lastUpdatedAt": CONFIDENTIAL}), rf"{FIRST}\.lambdaTarget\.lastUpdatedAt"),
    (of("lambdaTarget", {"lambdaFunctionInfo": {"targetVersionWeight": CONFIDENTIAL}}),
     rf"{FIRST}\.lambdaTarget\.lambdaFunctionInfo\.targetVersionWeight "),
    (of("ecsTarget", {"taskSetsInfo": [{}, {"targetGroup": {"name": [CONFIDENTIAL]}}]}),
     rf"{FIRST}\.ecsTarget\.taskSetsInfo\.1\.targetGroup\.name "),
    (of("ecsTarget", {"lifecycleEvents": [{"diagnostics": {"logTail": {CONFIDENTIAL: 1}}}]}),
     rf"{FIRST}\.ecsTarget\.lifecycleEvents\.0\.diagnostics\.logTail "),
    (of("ecsTarget", {"lifecycleEvents": [{CONFIDENTIAL: 1, "startTime": CONFIDENTIAL}]}),
     rf"{FIRST}\.ecsTarget\.lifecycleEvents\.0\.startTime"),
    (of("cloudFormationTarget", {"targetVersionWeight": CONFIDENTIAL}),
     rf"{FIRST}\.cloudFormationTarget\.targetVersionWeight "),
]  # fmt: skip


def forms(answer: Any) -> list[Any]:
    """Return an answer as it may come: as Python has it, and as text of it."""
    if isinstance(answer, (str, bytes)):
        return [answer]
    text = json.dumps(answer)
    return [answer, text, text.encode()]


@pytest.mark.parametrize(
    ("answer", "says"), REFUSED, ids=[f"{number}" for number in range(len(REFUSED))]
)
def test_anything_else_is_refused_with_the_place_and_no_value(answer: Any, says: str) -> None:
    for form in forms(answer):
        with pytest.raises(ValueError, match=says) as refused:
            read(form)
        assert_shows_no_value(refused.value)


def assert_shows_no_value(error: BaseException) -> None:
    assert not isinstance(error, ValidationError)
    # The formatted text has all the exceptions that are chained to it.
    shown = "".join(traceback.format_exception(error))
    assert CONFIDENTIAL not in shown
    assert CONFIDENTIAL not in repr(error)


@pytest.mark.parametrize("cls", [*CLASSES, UnknownTarget])
def test_a_class_refuses_the_envelope_of_another_type(cls: Any) -> None:
    envelopes = [{"deploymentTargetType": name} for name in PAYLOADS]
    envelopes += [{member: {"targetId": CONFIDENTIAL}} for member in PAYLOADS.values()]
    envelopes += [UNKNOWN, {"deploymentTargetType": CONFIDENTIAL}, {}]
    for envelope in envelopes:
        (target,) = read({"deploymentTargets": [envelope]}).deployment_targets
        if type(target) is cls and envelope:
            assert type(cls.from_boto3(envelope)) is cls
            continue
        with pytest.raises(ValueError, match=f"expected the envelope of one {cls.__name__}") as no:
            cls.from_boto3(envelope)
        assert_shows_no_value(no.value)


@pytest.mark.parametrize("cls", [*CLASSES, UnknownTarget])
def test_a_class_refuses_what_is_no_envelope(cls: Any) -> None:
    payload = {"targetId": CONFIDENTIAL, "deploymentId": "d-1", "lifecycleEvents": []}
    member = PAYLOADS.get(cls.__name__, "marsTarget")
    error = {"__type": "AccessDeniedException", "message": CONFIDENTIAL}
    for other in (payload, {"deploymentTarget": {member: payload}}, error, {}):
        with pytest.raises(ValueError, match=f"expected the envelope of one {cls.__name__}") as no:
            cls.from_boto3(other)
        assert_shows_no_value(no.value)


@pytest.mark.parametrize("cls", [*CLASSES, UnknownTarget])
@pytest.mark.parametrize("other", [None, 5, CONFIDENTIAL, [CONFIDENTIAL], b"{}", json.dumps(GOOD)])
def test_a_class_takes_nothing_but_an_object(cls: Any, other: Any) -> None:
    with pytest.raises(ValueError, match="the envelope is no object") as refused:
        cls.from_boto3(other)
    assert_shows_no_value(refused.value)


def test_a_class_tells_the_place_of_a_wrong_member() -> None:
    envelope = {"instanceTarget": {"lifecycleEvents": [{"status": [CONFIDENTIAL]}]}}
    place = r"the envelope\.instanceTarget\.lifecycleEvents\.0\.status "
    with pytest.raises(ValueError, match=place) as refused:
        InstanceTarget.from_boto3(envelope)
    assert_shows_no_value(refused.value)


def test_the_place_of_a_time_is_the_member_alone() -> None:
    with pytest.raises(ValueError, match=r"\.lastUpdatedAt is not as expected"):
        read(of("instanceTarget", {"lastUpdatedAt": CONFIDENTIAL}))


# AWS's own CLI ----------------------------------------------------------------------------------


@pytest.fixture
def cli_environment(monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("awscli")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }.items():
        monkeypatch.setenv(name, value)
    yield
    server.stop()


def run_cli(*args: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "awscli", "deploy", *args],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.mark.usefixtures("cli_environment")
def test_what_aws_s_cli_prints_is_read() -> None:
    deployed: list[Any] = [
        InstanceTarget(
            target_id="i-1",
            status=TargetStatus.FAILED,
            last_updated_at=MOMENT,
            lifecycle_events=[
                LifecycleEvent(
                    start_time=MOMENT,
                    end_time=MOMENT + timedelta(seconds=1),
                    status=LifecycleEventStatus.FAILED,
                )
            ],
        ),
        LambdaTarget(target_id="f", lambda_function_info=LambdaFunctionInfo(function_name="☃")),
        ECSTarget(target_id="c:s", task_sets_info=[ECSTaskSet(identifier="1", desired_count=2)]),
        CloudFormationTarget(target_id="stack", target_version_weight=12.5),
    ]
    with mock_deployment_targets() as targets:
        wrapped: Any = boto3.client("codedeploy")
        wrapped.create_application(applicationName="cli", computePlatform="Server")
        names = {"applicationName": "cli", "deploymentGroupName": "g"}
        wrapped.create_deployment_group(**names, serviceRoleArn="arn:aws:iam::1:role/r")
        deployment_id = wrapped.create_deployment(**names)["deploymentId"]
        targets.put(deployment_id, deployed)
        ids = [target.target_id for target in deployed]
        typed = DeploymentTargetsClient(wrapped).batch_get_deployment_targets(
            deploymentId=deployment_id, targetIds=ids
        )
        asked = ["--deployment-id", deployment_id]
        printed = run_cli("batch-get-deployment-targets", *asked, "--target-ids", *ids)
        one = run_cli("get-deployment-target", *asked, "--target-id", "i-1")
        refused = run_cli("batch-get-deployment-targets", *asked, "--target-ids", "gone")
        wrapped.close()
    assert (printed.returncode, printed.stderr) == (0, b"")
    for answer in (printed.stdout, printed.stdout.decode()):
        output = read(answer)
        assert output.deployment_targets == typed.deployment_targets
        assert output.to_boto3() == typed.to_boto3()
        assert output.missing_target_ids == []
    # A variable that a shell filled after the command failed.
    for failed in (one, refused):
        assert failed.returncode != 0
        with pytest.raises(ValueError, match="JSON"):
            read(failed.stdout)

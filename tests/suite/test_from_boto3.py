"""What only `from_boto3()` reads: boto3's dict, what AWS's CLI prints, and one envelope."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any

import boto3
import pytest
from hypothesis import given
from support import doors
from support.doors import CONFIDENTIAL, GOOD, UNKNOWN, page_of
from support.mock_aws import deploy
from support.models import FULL, MOMENT, TARGETS, any_target
from support.pages import page
from support.strategies import PAYLOADS

import codedeploy_targets as ct
from codedeploy_targets import BatchGetDeploymentTargetsOutput as Output
from codedeploy_targets.testing import mock_deployment_targets

from_boto3 = Output.from_boto3


def test_boto3_s_dict_is_read_with_its_metadata_and_without() -> None:
    answer = doors.boto3_reads({"deploymentTargets": [GOOD, UNKNOWN]})
    with_metadata = doors.BOTO3.batch_get_deployment_targets(**doors.REQUEST)
    output = from_boto3(with_metadata)
    headers = with_metadata["ResponseMetadata"]["HTTPHeaders"]
    assert output.response_metadata == [
        ct.ResponseMetadata(request_id="request-1", http_status_code=200, http_headers=headers)
    ]
    assert headers["x-amzn-requestid"] == "request-1"
    without = from_boto3(answer)
    assert (without.missing_target_ids, without.response_metadata) == ([], [])
    assert without.deployment_targets == output.deployment_targets
    assert output.to_boto3() == answer
    assert from_boto3({**answer, "nextToken": "a member from the future"}) == without
    (nothing,) = from_boto3({**answer, "ResponseMetadata": None}).response_metadata
    assert nothing == ct.ResponseMetadata()
    assert from_boto3({"deploymentTargets": []}) == Output()


def test_text_is_read_as_the_client_reads_it() -> None:
    body = page([GOOD, UNKNOWN, {"ecsTarget": {"targetId": "☃"}}])
    typed = doors.call(body)
    indented = json.dumps(json.loads(body), indent=4, ensure_ascii=False) + "\n"
    # With a byte order mark, and in other encodings.
    marked = "\ufeff" + body.decode()
    texts = [body, body.decode(), indented, indented.encode(), marked, marked.encode()]
    for answer in (*texts, marked.encode("utf-16-le"), marked.encode("utf-16-be")):
        assert from_boto3(answer).deployment_targets == typed.deployment_targets
        assert from_boto3(answer).response_metadata == []


@pytest.mark.parametrize("time", [MOMENT, MOMENT.replace(tzinfo=None)])
def test_a_dict_may_hold_times(time: datetime) -> None:
    target, dated = from_boto3(page_of(
        {"instanceTarget": {"lastUpdatedAt": time}},
        {"deploymentTargetType": "MarsTarget", "marsTarget": {"lastUpdatedAt": time}},
    )).deployment_targets  # fmt: skip
    assert target.last_updated_at == dated.last_updated_at == MOMENT
    # In `raw`, which is JSON, a time is text.
    assert dated == ct.UnknownTarget.model_validate_json(dated.model_dump_json())


@pytest.mark.parametrize("seconds", [1698539400, 1698543000])
def test_a_time_in_the_hour_that_comes_twice_stays_the_same_moment(seconds: int) -> None:
    berlin = pytest.importorskip("dateutil.tz").gettz("Europe/Berlin")  # botocore's kind of zone
    time = datetime.fromtimestamp(seconds, berlin)
    (target,) = from_boto3(page_of({"instanceTarget": {"lastUpdatedAt": time}})).deployment_targets
    assert target == ct.InstanceTarget.model_validate_json(target.model_dump_json())
    assert target.last_updated_at == datetime.fromtimestamp(seconds, timezone.utc)


@given(any_target)
def test_from_boto3_reads_what_to_boto3_writes(target: Any) -> None:
    if isinstance(target, ct.UnknownTarget):
        return  # boto3's dict has no place for its payload
    envelope = target.to_boto3()
    again = type(target).from_boto3(envelope)
    assert again == target
    assert again.to_boto3() == envelope
    answer = {"deploymentTargets": [envelope]}
    output = from_boto3(answer)
    assert output.to_boto3() == answer
    doors.assert_same(output.deployment_targets[0], again)
    text = json.dumps(answer, default=datetime.isoformat)
    assert from_boto3(text).deployment_targets == [target]


@pytest.mark.parametrize("beside", doors.BESIDE)
def test_a_mapping_need_not_be_a_dict(beside: Any) -> None:
    read_only = {
        name: MappingProxyType(each) for name, each in GOOD.items() if isinstance(each, dict)
    }
    output = from_boto3(page_of(MappingProxyType(GOOD | read_only), beside))
    doors.assert_same(output.deployment_targets[0], ct.InstanceTarget.from_boto3(GOOD))
    assert ct.InstanceTarget.from_boto3(MappingProxyType(GOOD)) == output.deployment_targets[0]


@pytest.mark.parametrize("base", TARGETS)
def test_a_subclass_of_the_user_s_reads_its_envelope(base: Any) -> None:
    class Event(ct.LifecycleEvent, frozen=True):
        """The user's own."""

    class Mine(base, frozen=True):  # type: ignore[misc, call-arg]
        lifecycle_events: list[Event] = []  # noqa: RUF012 - pydantic copies it

        @property
        def name(self) -> str:
            return f"my {self.target_id}"

    member = PAYLOADS.get(base.__name__)
    payload = {"targetId": CONFIDENTIAL, "status": "Failed", "lifecycleEvents": [{}]}
    envelope = {member: payload} if member else {**doors.MARS, "marsTarget": payload}
    mine, its = Mine.from_boto3(envelope), base.from_boto3(envelope)
    assert (type(mine), mine.name) == (Mine, f"my {its.target_id}")
    assert mine.model_dump() == its.model_dump()
    assert (mine.to_boto3(), mine.model_fields_set) == (its.to_boto3(), its.model_fields_set)
    with pytest.raises(ValueError, match="expected the envelope of one Mine"):
        Mine.from_boto3(UNKNOWN if member else GOOD)

    class Demanding(Mine, frozen=True):  # type: ignore[call-arg]
        host: str

    with pytest.raises(ValueError, match=r"Demanding\.host is not as expected") as refused:
        Demanding.from_boto3(envelope)
    doors.assert_shows_no_value(refused.value)


@pytest.mark.parametrize(
    ("base", "answer"),
    [
        (ct.BatchGetDeploymentTargetsOutput, page_of(GOOD, UNKNOWN)),
        (ct.DeploymentInfo, {"deploymentInfo": {"status": "Failed"}}),
    ],
)
def test_a_subclass_of_the_user_s_reads_an_answer(base: Any, answer: Any) -> None:
    class Mine(base, frozen=True):  # type: ignore[misc, call-arg]
        account: str = "prod"

    mine, its = Mine.from_boto3(answer), base.from_boto3(answer)
    assert (type(mine), mine.account) == (Mine, "prod")
    assert mine.model_dump(exclude={"account"}) == its.model_dump()
    assert mine.model_fields_set == its.model_fields_set


# What is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    b"", b"{", b"<html>busy</html>", page([GOOD])[:-20], page([GOOD]) + b"}",
    CONFIDENTIAL.encode(), f"answers/{CONFIDENTIAL}.json".encode(),
    f'{{"{CONFIDENTIAL}": "{CONFIDENTIAL}'.encode(),
    b'{"deploymentTargets": [], "future": NaN}', b'{"deploymentTargets": [], "future": 1e999}',
    f'An error occurred (ThrottlingException): "{CONFIDENTIAL}"'.encode(),
])  # fmt: skip
def test_text_that_is_no_json_is_refused(text: bytes) -> None:
    for door in ("str", "bytes"):
        says = "expected boto3's dict or the CLI's JSON, but it is not JSON, or was cut short"
        doors.assert_refused(door, text, says)


@pytest.mark.parametrize("answer", [{}, {"deploymentTargets": None}, "{}", b'{"future": 1}'])
def test_an_answer_that_names_no_targets_at_all_is_refused(answer: Any) -> None:
    doors.assert_refused("dict", answer, "expected boto3's dict or the CLI's JSON")


@pytest.mark.parametrize("cls", TARGETS)
def test_a_class_refuses_what_is_no_envelope_of_its_own(cls: Any) -> None:
    payload = {"targetId": CONFIDENTIAL, "deploymentId": "d-1", "lifecycleEvents": []}
    member = PAYLOADS.get(cls.__name__, "marsTarget")
    error = {"__type": "AccessDeniedException", "message": CONFIDENTIAL}
    others: list[Any] = [payload, {"deploymentTarget": {member: payload}}, error, {}]
    own: list[Any] = []
    for name, key in PAYLOADS.items():
        known = [{"deploymentTargetType": name}, {"deploymentTargetType": key}, {key: payload}]
        (own if name == cls.__name__ else others).extend(known)
    of_mars = [UNKNOWN, {"deploymentTargetType": CONFIDENTIAL}]
    (own if cls is ct.UnknownTarget else others).extend(of_mars)
    for envelope in own:
        assert type(cls.from_boto3(envelope)) is cls
    says = f"expected the envelope of one {cls.__name__}|the envelope has neither a type nor"
    for envelope in others:
        with pytest.raises(ValueError, match=says) as no:
            cls.from_boto3(envelope)
        doors.assert_shows_no_value(no.value)
    for other in (None, 5, CONFIDENTIAL, [CONFIDENTIAL], b"{}", json.dumps(GOOD)):
        with pytest.raises(ValueError, match="the envelope is no object") as no:
            cls.from_boto3(other)
        doors.assert_shows_no_value(no.value)


def test_a_class_tells_the_place_of_a_wrong_member() -> None:
    envelope = {"instanceTarget": {"lifecycleEvents": [{"status": [CONFIDENTIAL]}]}}
    place = r"the envelope\.instanceTarget\.lifecycleEvents\.0\.status "
    with pytest.raises(ValueError, match=place) as refused:
        TARGETS[0].from_boto3(envelope)
    doors.assert_shows_no_value(refused.value)


# AWS's own CLI ----------------------------------------------------------------------------------


@pytest.fixture
def aws(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs AWS's CLI on moto's server, as this process's clients do."""
    pytest.importorskip("awscli")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    settings = {"ENDPOINT_URL": moto_url, "DEFAULT_REGION": "us-east-1", "MAX_ATTEMPTS": "1"}
    keys = dict.fromkeys(["ACCESS_KEY_ID", "SECRET_ACCESS_KEY"], "testing")
    files = dict.fromkeys(["CONFIG_FILE", "SHARED_CREDENTIALS_FILE"], os.devnull)
    for name, value in (settings | keys | files).items():
        monkeypatch.setenv(f"AWS_{name}", value)

    def run(*args: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "awscli", "deploy", *args]
        return subprocess.run(command, capture_output=True, check=False, timeout=60)  # noqa: S603

    return run


def test_what_aws_s_cli_prints_is_read(aws: Any) -> None:
    ids = [target.target_id for target in FULL]
    with mock_deployment_targets() as targets:
        wrapped: Any = boto3.client("codedeploy")
        deployment_id = deploy(wrapped, targets, put=FULL)
        typed = ct.DeploymentTargetsClient(wrapped).batch_get_deployment_targets(
            deploymentId=deployment_id, targetIds=ids
        )
        asked = ["--deployment-id", deployment_id]
        printed = aws("batch-get-deployment-targets", *asked, "--target-ids", *ids)
        one = aws("get-deployment-target", *asked, "--target-id", "i-1")
        refused = aws("batch-get-deployment-targets", *asked, "--target-ids", "gone")
        wrapped.close()
    assert (printed.returncode, printed.stderr) == (0, b"")
    for answer in (printed.stdout, printed.stdout.decode()):
        output = from_boto3(answer)
        assert output.deployment_targets == typed.deployment_targets
        assert output.to_boto3() == typed.to_boto3()
        assert output.missing_target_ids == []
    # A variable that a shell filled after the command failed.
    for failed in (one, refused):
        assert failed.returncode != 0
        with pytest.raises(ValueError, match="JSON"):
            from_boto3(failed.stdout)

from __future__ import annotations

import copy
import enum
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from codedeploy_targets import (
    BatchGetDeploymentTargetsOutput,
    CloudFormationTarget,
    DeploymentTarget,
    DeploymentTargetType,
    Diagnostics,
    ECSTarget,
    ECSTaskSet,
    InstanceTarget,
    LambdaFunctionInfo,
    LambdaTarget,
    LifecycleErrorCode,
    LifecycleEvent,
    LifecycleEventStatus,
    ResponseMetadata,
    TargetGroupInfo,
    TargetLabel,
    TargetStatus,
    UnknownTarget,
)

MOMENT = datetime(2019, 1, 1, 12, 30, tzinfo=timezone.utc)
EVENT = LifecycleEvent(
    lifecycle_event_name="BeforeInstall",
    diagnostics=Diagnostics(
        error_code="ScriptFailed", script_name="a.sh", message="exit 1", log_tail="…"
    ),
    start_time=MOMENT,
    end_time=MOMENT + timedelta(seconds=90),
    status="Failed",
)
FULL: list[Any] = [
    InstanceTarget(
        deployment_id="d-1",
        target_id="i-1",
        target_arn="arn:aws:ec2:eu-west-1:1:instance/i-1",
        status="Failed",
        last_updated_at=MOMENT,
        lifecycle_events=[EVENT],
        instance_label="Blue",
    ),
    LambdaTarget(
        target_id="f",
        lambda_function_info=LambdaFunctionInfo(
            function_name="f",
            function_alias="live",
            current_version="1",
            target_version="2",
            target_version_weight=0.5,
        ),
    ),
    ECSTarget(
        target_id="cluster:service",
        task_sets_info=[
            ECSTaskSet(
                identifier="ecs-svc/1",
                desired_count=1,
                pending_count=2,
                running_count=3,
                status="PRIMARY",
                traffic_weight=100.0,
                target_group=TargetGroupInfo(name="tg"),
                task_set_label="Green",
            )
        ],
    ),
    CloudFormationTarget(
        target_id="stack", resource_type="AWS::ECS::Service", target_version_weight=1.0
    ),
]
UNKNOWN: Any = UnknownTarget(
    deployment_target_type="MarsTarget",
    raw={
        "deploymentTargetType": "MarsTarget",
        "marsTarget": {
            "targetId": "rover",
            "deploymentId": "d-1",
            "status": "Succeeded",
            "lastUpdatedAt": 1546345800,
            "lifecycleEvents": [{"status": "Failed", "startTime": 1}],
            "crater": "Gale",
        },
    },
)


SHAPES = [
    Diagnostics,
    LifecycleEvent,
    LambdaFunctionInfo,
    TargetGroupInfo,
    ECSTaskSet,
    InstanceTarget,
    LambdaTarget,
    ECSTarget,
    CloudFormationTarget,
    ResponseMetadata,
    BatchGetDeploymentTargetsOutput,
]


@pytest.mark.parametrize("enum", [
    DeploymentTargetType, TargetStatus, LifecycleEventStatus, LifecycleErrorCode, TargetLabel,
])  # fmt: skip
def test_enum_members_are_as_good_as_strings(enum: Any) -> None:
    for member in enum:
        value = member.value
        assert type(value) is str
        assert member == value
        assert value == member
        assert hash(member) == hash(value)
        assert f"{member}" == str(member) == "%s" % member == value  # noqa: UP031
        assert f"{member:>30}" == f"{value:>30}"
        assert enum(value) is member


def test_a_value_from_the_future_is_a_member_too() -> None:
    status = TargetStatus("Paused")
    assert status == "Paused"
    assert hash(status) == hash("Paused")
    assert f"{status}" == "Paused"
    assert isinstance(status, TargetStatus)
    assert (status.name, status.value) == ("Paused", "Paused")
    assert type(status.value) is str
    assert pickle.loads(pickle.dumps(status)) == status
    assert copy.deepcopy(status) == status
    assert "Paused" not in list(TargetStatus)
    with pytest.raises(ValueError, match="5 is not a valid TargetStatus"):
        TargetStatus(5)


def test_a_string_enum_of_the_user_s_own_is_its_string() -> None:
    class Mine(str, enum.Enum):
        PAUSED = "Paused"

    assert InstanceTarget(status=Mine.PAUSED).status == "Paused"


def test_a_model_keeps_a_value_from_the_future() -> None:
    target = InstanceTarget.model_validate({"instanceTarget": {"status": "Paused"}})
    assert target.status == "Paused"
    assert not target.is_terminal


def test_a_string_becomes_a_member() -> None:
    def check(instance: Any, ecs: Any) -> None:
        event = instance.lifecycle_events[0]
        assert instance.status is TargetStatus.FAILED
        assert instance.instance_label is TargetLabel.BLUE
        assert event.status is LifecycleEventStatus.FAILED
        assert event.diagnostics.error_code is LifecycleErrorCode.SCRIPT_FAILED
        assert ecs.task_sets_info[0].task_set_label is TargetLabel.GREEN

    instance, ecs = FULL[0], FULL[2]
    check(instance, ecs)
    check(
        InstanceTarget.model_validate(instance.to_boto3()),
        ECSTarget.model_validate(ecs.to_boto3()),
    )
    check(
        InstanceTarget.model_validate_json(instance.model_dump_json()),
        ECSTarget.model_validate_json(ecs.model_dump_json()),
    )


@pytest.mark.parametrize("target", [*FULL, UNKNOWN], ids=lambda target: type(target).__name__)
def test_models_come_back_from_their_dumps(target: Any) -> None:
    cls = type(target)
    assert cls.model_validate(target.model_dump()) == target
    assert cls.model_validate_json(target.model_dump_json()) == target
    assert pickle.loads(pickle.dumps(target)) == target
    assert copy.deepcopy(target) == target == target.model_copy()
    assert target.model_copy(update={"target_id": "other"}) != target
    anything: TypeAdapter[Any] = TypeAdapter(DeploymentTarget)
    assert anything.validate_python(target) is target
    assert anything.validate_json(anything.dump_json(target, by_alias=False)) == target


def test_what_only_python_s_json_knows_comes_back() -> None:
    for target in (
        CloudFormationTarget(target_version_weight=float("inf")),
        UnknownTarget(raw={"marsTarget": {"heights": [float("-inf")]}}),
    ):
        assert type(target).model_validate_json(target.model_dump_json()) == target


@pytest.mark.parametrize("target", FULL, ids=lambda target: type(target).__name__)
def test_models_come_back_from_boto3_s_dict(target: Any) -> None:
    assert type(target).model_validate(target.to_boto3()) == target
    anything: TypeAdapter[Any] = TypeAdapter(DeploymentTarget)
    assert anything.validate_python(target.to_boto3()) == target


def test_to_boto3_is_plain() -> None:
    assert FULL[0].to_boto3() == {
        "deploymentTargetType": "InstanceTarget",
        "instanceTarget": {
            "deploymentId": "d-1",
            "targetId": "i-1",
            "targetArn": "arn:aws:ec2:eu-west-1:1:instance/i-1",
            "status": "Failed",
            "lastUpdatedAt": MOMENT,
            "lifecycleEvents": [
                {
                    "lifecycleEventName": "BeforeInstall",
                    "diagnostics": {
                        "errorCode": "ScriptFailed",
                        "scriptName": "a.sh",
                        "message": "exit 1",
                        "logTail": "…",
                    },
                    "startTime": MOMENT,
                    "endTime": MOMENT + timedelta(seconds=90),
                    "status": "Failed",
                }
            ],
            "instanceLabel": "Blue",
        },
    }
    assert FULL[2].to_boto3()["ecsTarget"]["taskSetsInfo"][0]["identifer"] == "ecs-svc/1"

    def leaves(value: Any) -> Any:
        if isinstance(value, dict):
            return [leaf for member in value.values() for leaf in leaves(member)]
        if isinstance(value, list):
            return [leaf for item in value for leaf in leaves(item)]
        return [value]

    output = BatchGetDeploymentTargetsOutput(deployment_targets=[*FULL, UNKNOWN])
    assert {type(leaf) for leaf in leaves(output.to_boto3())} == {str, datetime, int, float}


def test_an_output_without_targets() -> None:
    assert BatchGetDeploymentTargetsOutput().to_boto3() == {}
    assert BatchGetDeploymentTargetsOutput(deployment_targets=[]).to_boto3() == {
        "deploymentTargets": []
    }


def test_an_output_comes_back_from_its_dumps() -> None:
    output = BatchGetDeploymentTargetsOutput(
        deployment_targets=[*FULL, UNKNOWN],
        missing_target_ids=["i-2"],
        response_metadata=[
            ResponseMetadata(request_id="r", http_status_code=200, http_headers={"a": "b"})
        ],
    )
    cls = type(output)
    assert cls.model_validate(output.model_dump()) == output
    assert cls.model_validate_json(output.model_dump_json()) == output
    assert pickle.loads(pickle.dumps(output)) == output
    metadata = output.response_metadata[0]
    as_in_boto3 = metadata.model_dump(by_alias=True)
    assert as_in_boto3.keys() == {"RequestId", "HTTPStatusCode", "HTTPHeaders", "RetryAttempts"}
    assert type(metadata).model_validate(as_in_boto3) == metadata


@pytest.mark.parametrize("cls", [*SHAPES, UnknownTarget])
def test_models_are_frozen(cls: Any) -> None:
    model = UNKNOWN if cls is UnknownTarget else cls()
    for name in cls.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(model, name, None)


@pytest.mark.parametrize("cls", SHAPES)
def test_what_is_absent_is_none_or_empty(cls: Any) -> None:
    values = cls().model_dump()
    assert values.pop("deployment_target_type", cls.__name__) == cls.__name__
    assert values.pop("retry_attempts", 0) == 0
    assert all(value in (None, [], {}) for value in values.values())


def test_an_empty_target_keeps_its_type() -> None:
    for cls in (InstanceTarget, LambdaTarget, ECSTarget, CloudFormationTarget):
        assert cls().to_boto3()["deploymentTargetType"] == cls.__name__
    assert InstanceTarget().lifecycle_events is not InstanceTarget().lifecycle_events


def test_the_failed_event_is_the_first_that_failed() -> None:
    good = LifecycleEvent(status="Succeeded")
    later = LifecycleEvent(status="Failed", lifecycle_event_name="Install")
    assert ECSTarget(lifecycle_events=[good, EVENT, later]).failed_event is EVENT
    assert ECSTarget(lifecycle_events=[good]).failed_event is None
    assert ECSTarget().failed_event is None


@pytest.mark.parametrize("status", [*TargetStatus, None])
def test_a_target_is_terminal_when_nothing_more_will_happen(status: TargetStatus | None) -> None:
    assert LambdaTarget(status=status).is_terminal is (
        status in {TargetStatus.SUCCEEDED, TargetStatus.FAILED, TargetStatus.SKIPPED}
    )


def test_the_duration_of_an_event() -> None:
    assert EVENT.duration == timedelta(seconds=90)
    assert LifecycleEvent(start_time=MOMENT).duration is None
    assert LifecycleEvent(end_time=MOMENT).duration is None


@pytest.mark.parametrize(
    "value",
    [
        1546345800,
        1546345800.0,
        "1546345800",
        "2019-01-01T12:30:00Z",
        "2019-01-01T13:30:00+01:00",
        "2019-01-01T12:30:00",
        "20190101T123000Z",
        "Tue, 01 Jan 2019 12:30:00 GMT",
        datetime(2019, 1, 1, 12, 30),  # noqa: DTZ001
        MOMENT,
    ],
)
def test_timestamps_are_aware_in_whatever_form_they_come(value: Any) -> None:
    event = LifecycleEvent(start_time=value)
    assert event.start_time == MOMENT
    assert event.start_time.utcoffset() is not None


def test_seconds_are_never_taken_for_milliseconds() -> None:
    event = LifecycleEvent.model_validate({"startTime": 20_000_000_001})
    assert event.start_time == datetime(2603, 10, 11, 11, 33, 21, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("yesterday", "Invalid timestamp"),
        ([], "Invalid timestamp"),
        ({}, "Invalid timestamp"),
        (b"\xff", "Invalid timestamp"),
        (1e300, r"not a timestamp \["),
    ],
)
def test_what_is_no_timestamp_is_refused(value: Any, why: str) -> None:
    with pytest.raises(ValidationError, match=f"Value error, {why}"):
        LifecycleEvent(start_time=value)


def test_numbers_are_not_taken_from_text() -> None:
    for value in ("3", True, 3.5):
        with pytest.raises(ValidationError):
            ECSTaskSet.model_validate({"desiredCount": value})
    assert ECSTaskSet.model_validate({"trafficWeight": 3}).traffic_weight == 3.0


def test_an_unknown_target_tells_what_all_targets_tell() -> None:
    assert UNKNOWN.deployment_target_type == "MarsTarget"
    assert UNKNOWN.target_id == "rover"
    assert UNKNOWN.deployment_id == "d-1"
    assert UNKNOWN.status is TargetStatus.SUCCEEDED
    assert UNKNOWN.is_terminal
    assert UNKNOWN.last_updated_at == MOMENT
    assert UNKNOWN.failed_event is UNKNOWN.lifecycle_events[0]
    assert UNKNOWN.to_boto3() == {"deploymentTargetType": "MarsTarget"}
    assert UnknownTarget(raw=UNKNOWN.raw) == UNKNOWN == UnknownTarget.model_validate(UNKNOWN.raw)


@pytest.mark.parametrize("by_alias", [False, True])
def test_what_was_said_of_an_unknown_target_goes_before_what_was_read(by_alias: bool) -> None:  # noqa: FBT001
    copied = UNKNOWN.model_copy(update={"deployment_target_type": "Ares", "target_id": "other"})
    assert UnknownTarget.model_validate(copied.model_dump(by_alias=by_alias)) == copied


def test_an_unknown_target_tells_only_what_is_there_in_the_usual_form() -> None:
    target = UnknownTarget(
        deployment_target_type="MarsTarget",
        raw={"marsTarget": {"targetId": "rover", "status": 5, "lifecycleEvents": "none"}},
    )
    assert (target.target_id, target.status, target.lifecycle_events) == ("rover", None, [])
    assert "status" not in target.model_dump(exclude_unset=True)
    assert UnknownTarget(raw={"odd": 1}).target_id is None


def test_an_unknown_target_is_of_no_known_type() -> None:
    known: list[Any] = [
        {"deploymentTargetType": "InstanceTarget"},
        {"deploymentTargetType": "ecsTarget"},
        {"instanceTarget": {}},
    ]
    for envelope in known:
        with pytest.raises(ValidationError, match="error, the type is known"):
            UnknownTarget.model_validate(envelope)
    others: list[Any] = [[], {"raw": []}]
    for no_envelope in others:
        with pytest.raises(ValidationError):
            UnknownTarget.model_validate(no_envelope)
    without_type = InstanceTarget(target_id="i-1").model_dump(exclude_unset=True)
    with pytest.raises(ValidationError, match="raw\n  Field required"):
        UnknownTarget.model_validate(without_type)

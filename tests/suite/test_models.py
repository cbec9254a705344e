"""The models themselves: made by hand, compared, copied, and asked."""

from __future__ import annotations

import copy
import enum
import json
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any, get_args

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
        error_code=LifecycleErrorCode.SCRIPT_FAILED,
        script_name="a.sh",
        message="exit 1",
        log_tail="…",
    ),
    start_time=MOMENT,
    end_time=MOMENT + timedelta(seconds=90),
    status=LifecycleEventStatus.FAILED,
)
FULL: list[Any] = [
    InstanceTarget(
        deployment_id="d-1",
        target_id="i-1",
        target_arn="arn:aws:ec2:eu-west-1:1:instance/i-1",
        status=TargetStatus.FAILED,
        last_updated_at=MOMENT,
        lifecycle_events=[EVENT],
        instance_label=TargetLabel.BLUE,
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
                task_set_label=TargetLabel.GREEN,
            )
        ],
    ),
    CloudFormationTarget(
        target_id="stack", resource_type="AWS::ECS::Service", target_version_weight=1.0
    ),
]
UNKNOWN: Any = UnknownTarget(
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


@pytest.mark.parametrize(
    "enum", [TargetStatus, LifecycleEventStatus, LifecycleErrorCode, TargetLabel]
)
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


def test_each_class_has_its_type_as_a_literal() -> None:
    targets = [*FULL, UNKNOWN]
    for target in targets:
        assert target.deployment_target_type == type(target).__name__
        assert type(target.deployment_target_type) is str
        annotation = type(target).model_fields["deployment_target_type"].annotation
        assert get_args(annotation) == (type(target).__name__,)
    assert [type(target).__name__ for target in targets] == list(get_args(DeploymentTargetType))
    with pytest.raises(ValidationError, match="Input should be 'InstanceTarget'"):
        InstanceTarget(deployment_target_type="ECSTarget")  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="Input should be 'UnknownTarget'"):
        UnknownTarget(deployment_target_type="MarsTarget", raw={})  # type: ignore[arg-type]


def test_a_string_enum_of_the_user_s_own_is_its_string() -> None:
    class Mine(str, enum.Enum):
        PAUSED = "Paused"
        FAILED = "Failed"

    paused: Any = Mine.PAUSED
    assert InstanceTarget(status=paused).status == "Paused"
    failed: Any = Mine.FAILED
    assert InstanceTarget(status=failed).status is TargetStatus.FAILED


def test_a_model_keeps_a_value_from_the_future() -> None:
    for target in (
        InstanceTarget.from_boto3({"instanceTarget": {"status": "Paused"}}),
        InstanceTarget.model_validate({"status": "Paused"}),
    ):
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
        InstanceTarget.from_boto3(instance.to_boto3()),
        ECSTarget.from_boto3(ecs.to_boto3()),
    )
    plain: list[Any] = [json.loads(model.model_dump_json()) for model in (instance, ecs)]
    check(InstanceTarget(**plain[0]), ECSTarget(**plain[1]))
    check(InstanceTarget.model_validate(plain[0]), ECSTarget.model_validate(plain[1]))
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


@pytest.mark.parametrize("target", FULL, ids=lambda target: type(target).__name__)
def test_models_come_back_from_boto3_s_dict(target: Any) -> None:
    assert type(target).from_boto3(target.to_boto3()) == target
    output = BatchGetDeploymentTargetsOutput.from_boto3({"deploymentTargets": [target.to_boto3()]})
    assert output.deployment_targets == [target]


@pytest.mark.parametrize("target", [*FULL, UNKNOWN], ids=lambda target: type(target).__name__)
def test_validation_takes_no_dict_of_boto3_s(target: Any) -> None:
    anything: TypeAdapter[Any] = TypeAdapter(DeploymentTarget)
    envelope = target.to_boto3()
    for payload in (envelope, *(value for value in envelope.values() if isinstance(value, dict))):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            type(target).model_validate(payload)
        with pytest.raises(ValidationError, match=r"Extra inputs are not|deployment_target_type"):
            anything.validate_python(payload)
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        BatchGetDeploymentTargetsOutput.model_validate({"deploymentTargets": [envelope]})


@pytest.mark.parametrize("cls", SHAPES)
def test_the_constructor_takes_no_name_of_aws_s(cls: Any) -> None:
    for name, field in cls.model_fields.items():
        alias: Any = field.validation_alias
        aws_name = alias if isinstance(alias, str) else alias.path[-1]
        if aws_name != name:
            with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
                cls(**{aws_name: None})


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
    assert metadata.model_dump(by_alias=True) == {
        "request_id": "r",
        "http_status_code": 200,
        "http_headers": {"a": "b"},
        "retry_attempts": 0,
    }
    as_in_boto3 = {
        "RequestId": "r",
        "HTTPStatusCode": 200,
        "HTTPHeaders": {"a": "b"},
        "RetryAttempts": 0,
    }
    read = cls.from_boto3({**output.to_boto3(), "ResponseMetadata": as_in_boto3})
    assert read.response_metadata == [metadata]


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
    good = LifecycleEvent(status=LifecycleEventStatus.SUCCEEDED)
    later = LifecycleEvent(status=LifecycleEventStatus.FAILED, lifecycle_event_name="Install")
    assert ECSTarget(lifecycle_events=[good, EVENT, later]).failed_event is EVENT
    assert ECSTarget(lifecycle_events=[good]).failed_event is None
    assert ECSTarget().failed_event is None


def test_the_current_event_is_the_first_in_progress() -> None:
    pending = LifecycleEvent(status=LifecycleEventStatus.PENDING)
    now = LifecycleEvent(status=LifecycleEventStatus.IN_PROGRESS, lifecycle_event_name="Install")
    later = LifecycleEvent(
        status=LifecycleEventStatus.IN_PROGRESS, lifecycle_event_name="ApplicationStart"
    )
    assert LambdaTarget(lifecycle_events=[EVENT, pending, now, later]).current_event is now
    assert LambdaTarget(lifecycle_events=[EVENT, pending]).current_event is None
    assert LambdaTarget().current_event is None


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
    moment = datetime(2603, 10, 11, 11, 33, 21, tzinfo=timezone.utc)
    assert LifecycleEvent.model_validate({"start_time": 20_000_000_001}).start_time == moment
    envelope = {"instanceTarget": {"lastUpdatedAt": 20_000_000_001}}
    assert InstanceTarget.from_boto3(envelope).last_updated_at == moment


# pydantic below 2.14.2 gets these wrong by itself.
@pytest.mark.parametrize("seconds", [-1.75, -0.25, -0.5, -1.000001, -86_400.125, -1, 0, 0.25])
def test_times_around_1970_are_read_with_their_fraction(seconds: float) -> None:
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    for text in (f"{seconds}", json.dumps(moment.isoformat())):
        event = LifecycleEvent.model_validate_json(f'{{"start_time": {text}}}')
        assert event.start_time == moment
        envelope = {"instanceTarget": {"lastUpdatedAt": json.loads(text)}}
        assert InstanceTarget.from_boto3(envelope).last_updated_at == moment
    assert LifecycleEvent.model_validate({"start_time": seconds}).start_time == moment
    assert LifecycleEvent(start_time=moment).start_time == moment


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
            ECSTaskSet.model_validate({"desired_count": value})
        with pytest.raises(ValueError, match=r"taskSetsInfo\.0\.desiredCount"):
            ECSTarget.from_boto3({"ecsTarget": {"taskSetsInfo": [{"desiredCount": value}]}})
    assert ECSTaskSet.model_validate({"traffic_weight": 3}).traffic_weight == 3.0
    (task_set,) = ECSTarget.from_boto3(
        {"ecsTarget": {"taskSetsInfo": [{"trafficWeight": 3}]}}
    ).task_sets_info
    assert task_set.traffic_weight == 3.0


def test_an_unknown_target_tells_what_all_targets_tell() -> None:
    assert UNKNOWN.deployment_target_type == "UnknownTarget"
    assert UNKNOWN.raw_type == "MarsTarget"
    assert UNKNOWN.target_id == "rover"
    assert UNKNOWN.deployment_id == "d-1"
    assert UNKNOWN.status is TargetStatus.SUCCEEDED
    assert UNKNOWN.is_terminal
    assert UNKNOWN.last_updated_at == MOMENT
    assert UNKNOWN.failed_event is UNKNOWN.lifecycle_events[0]
    assert UNKNOWN.to_boto3() == {"deploymentTargetType": "MarsTarget"}
    assert UnknownTarget(raw=UNKNOWN.raw) == UNKNOWN == UnknownTarget.from_boto3(UNKNOWN.raw)


@pytest.mark.parametrize("by_alias", [False, True, None])
def test_what_was_said_of_an_unknown_target_goes_before_what_was_read(
    by_alias: bool | None,  # noqa: FBT001
) -> None:
    said: dict[str, Any] = {"target_id": "other", "status": None, "lifecycle_events": []}
    copied = UNKNOWN.model_copy(update=said)
    assert UnknownTarget.model_validate(copied.model_dump(by_alias=by_alias)) == copied
    assert UnknownTarget.model_validate_json(copied.model_dump_json(by_alias=by_alias)) == copied
    assert UnknownTarget(raw=UNKNOWN.raw, target_id="other").target_id == "other"


def test_an_unknown_target_tells_only_what_is_there_in_the_usual_form() -> None:
    target = UnknownTarget(
        raw={"marsTarget": {"targetId": "rover", "status": 5, "lifecycleEvents": "none"}}
    )
    assert (target.target_id, target.status, target.lifecycle_events) == ("rover", None, [])
    assert "status" not in target.model_dump(exclude_unset=True)
    assert target.raw_type is None
    assert UnknownTarget(raw={"odd": 1}).target_id is None


def test_an_unknown_target_is_of_no_known_type() -> None:
    known: list[Any] = [
        {"deploymentTargetType": "InstanceTarget"},
        {"deploymentTargetType": "ecsTarget"},
        {"instanceTarget": {}},
    ]
    for envelope in known:
        with pytest.raises(ValueError, match="expected the envelope of one UnknownTarget"):
            UnknownTarget.from_boto3(envelope)
    others: list[Any] = [[], {"raw": []}, *known, UNKNOWN.raw]
    for no_dump in others:
        with pytest.raises(ValidationError):
            UnknownTarget.model_validate(no_dump)
    without_type = InstanceTarget(target_id="i-1").model_dump(exclude_unset=True)
    with pytest.raises(ValidationError, match="raw\n  Field required"):
        UnknownTarget.model_validate(without_type)

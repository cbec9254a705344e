"""The models themselves: made by hand, compared, copied, and asked."""

from __future__ import annotations

import copy
import enum
import json
import pickle
from datetime import datetime, timedelta
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError
from support.models import EVENT, FULL, MODELS, MOMENT, ONE_OF_EACH, RAW, TARGETS

from codedeploy_targets import (
    BatchGetDeploymentTargetsOutput,
    DeploymentTarget,
    DeploymentTargetType,
    ECSTarget,
    InstanceTarget,
    LambdaTarget,
    LifecycleErrorCode,
    LifecycleEvent,
    LifecycleEventStatus,
    ResponseMetadata,
    TargetLabel,
    TargetStatus,
    UnknownTarget,
)

ANY_TARGET: TypeAdapter[Any] = TypeAdapter(DeploymentTarget)
UNKNOWN: Any = UnknownTarget(raw=RAW)
each_target = pytest.mark.parametrize("target", ONE_OF_EACH, ids=lambda each: type(each).__name__)


# Enums ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cls", [TargetStatus, LifecycleEventStatus, LifecycleErrorCode, TargetLabel]
)
def test_enum_members_are_as_good_as_strings(cls: Any) -> None:
    for member in [*cls, cls("Paused")]:
        value = member.value
        assert isinstance(member, cls)
        assert type(value) is str
        assert member == value
        assert value == member
        assert hash(member) == hash(value)
        assert f"{member}" == str(member) == "%s" % member == value  # noqa: UP031
        assert f"{member:>30}" == f"{value:>30}"
        assert cls(value) == pickle.loads(pickle.dumps(member)) == copy.deepcopy(member) == member
    assert all(cls(member.value) is member for member in cls)


def test_a_value_from_the_future_is_a_member_too() -> None:
    status = TargetStatus("Paused")
    assert (status.name, status.value) == ("Paused", "Paused")
    assert "Paused" not in list(TargetStatus)
    with pytest.raises(ValueError, match="5 is not a valid TargetStatus"):
        TargetStatus(5)
    for target in (
        InstanceTarget.from_boto3({"instanceTarget": {"status": "Paused"}}),
        InstanceTarget.model_validate({"status": "Paused"}),
    ):
        assert target.status == status
        assert not target.is_terminal


def test_a_string_enum_of_the_user_s_own_is_its_string() -> None:
    class Mine(str, enum.Enum):
        PAUSED = "Paused"
        FAILED = "Failed"

    paused, failed = (InstanceTarget(status=mine).status for mine in Mine)  # type: ignore[arg-type]
    assert paused == "Paused"
    assert failed is TargetStatus.FAILED


def test_a_string_becomes_a_member_in_each_way_to_make_a_model() -> None:
    instance, ecs = FULL[0], FULL[2]
    plain: list[Any] = [json.loads(model.model_dump_json()) for model in (instance, ecs)]
    for one, other in (
        (InstanceTarget(**plain[0]), ECSTarget(**plain[1])),
        (InstanceTarget.model_validate(plain[0]), ECSTarget.model_validate(plain[1])),
        (InstanceTarget.from_boto3(instance.to_boto3()), ECSTarget.from_boto3(ecs.to_boto3())),
        tuple(ANY_TARGET.validate_json(each.model_dump_json()) for each in (instance, ecs)),
    ):
        event: Any = one.lifecycle_events[0]
        assert one.status is TargetStatus.FAILED
        assert one.instance_label is TargetLabel.BLUE
        assert event.status is LifecycleEventStatus.FAILED
        assert event.diagnostics.error_code is LifecycleErrorCode.SCRIPT_FAILED
        assert other.task_sets_info[0].task_set_label is TargetLabel.GREEN


# Models -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", MODELS)
def test_models_are_frozen_and_what_is_absent_is_none_or_empty(cls: Any) -> None:
    model = UnknownTarget(raw={}) if cls is UnknownTarget else cls()
    values = model.model_dump()
    assert values.pop("deployment_target_type", cls.__name__) == cls.__name__
    assert values.pop("retry_attempts", 0) == 0
    assert all(value in (None, [], {}) for value in values.values())
    for name in cls.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(model, name, None)


def test_each_class_has_its_type_as_a_literal() -> None:
    assert [cls.__name__ for cls in TARGETS] == list(get_args(DeploymentTargetType))
    for target, cls in zip(ONE_OF_EACH, TARGETS, strict=True):
        assert type(target) is cls
        assert target.deployment_target_type == cls.__name__
        assert type(target.deployment_target_type) is str
        annotation = cls.model_fields["deployment_target_type"].annotation
        assert get_args(annotation) == (cls.__name__,)
        with pytest.raises(ValidationError, match=f"Input should be '{cls.__name__}'"):
            cls(deployment_target_type="MarsTarget", **({"raw": {}} if cls is TARGETS[4] else {}))
    assert InstanceTarget().lifecycle_events is not InstanceTarget().lifecycle_events


@each_target
def test_targets_compare_copy_and_pickle(target: Any) -> None:
    assert pickle.loads(pickle.dumps(target)) == target
    assert copy.deepcopy(target) == copy.copy(target) == target.model_copy() == target
    assert target.model_copy(update={"target_id": "other"}) != target
    assert ANY_TARGET.validate_python(target) is target


@each_target
def test_validation_takes_no_dict_of_boto3_s(target: Any) -> None:
    envelope = target.to_boto3()
    for payload in (envelope, *(value for value in envelope.values() if isinstance(value, dict))):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            type(target).model_validate(payload)
        with pytest.raises(ValidationError, match=r"Extra inputs are not|deployment_target_type"):
            ANY_TARGET.validate_python(payload)
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        BatchGetDeploymentTargetsOutput.model_validate({"deploymentTargets": [envelope]})


@pytest.mark.parametrize("time", [datetime(2019, 1, 1), "2019-01-01T12:30:00"])  # noqa: DTZ001
def test_a_time_without_a_zone_is_refused(time: Any) -> None:
    with pytest.raises(ValidationError, match="timezone"):
        LifecycleEvent(start_time=time)


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
                        "logTail": "☃",
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
        if isinstance(value, (dict, list)):
            inner = value.values() if isinstance(value, dict) else value
            return [leaf for each in inner for leaf in leaves(each)]
        return [value]

    output = BatchGetDeploymentTargetsOutput(deployment_targets=ONE_OF_EACH)
    assert {type(leaf) for leaf in leaves(output.to_boto3())} == {str, datetime, int, float}


def test_an_output_without_targets() -> None:
    assert BatchGetDeploymentTargetsOutput().to_boto3() == {}
    empty = BatchGetDeploymentTargetsOutput(deployment_targets=[])
    assert empty.to_boto3() == {"deploymentTargets": []}


def test_an_output_pickles_and_dumps_its_metadata_under_the_attributes_names() -> None:
    metadata = ResponseMetadata(request_id="r", http_status_code=200, http_headers={"a": "b"})
    output = BatchGetDeploymentTargetsOutput(
        deployment_targets=ONE_OF_EACH, missing_target_ids=["i-2"], response_metadata=[metadata]
    )
    assert pickle.loads(pickle.dumps(output)) == output
    assert metadata.model_dump(by_alias=True) == {
        "request_id": "r",
        "http_status_code": 200,
        "http_headers": {"a": "b"},
        "retry_attempts": 0,
    }


# Helpers ----------------------------------------------------------------------------------------


def test_the_failed_event_is_the_first_that_failed() -> None:
    good = LifecycleEvent(status=LifecycleEventStatus.SUCCEEDED)
    later = LifecycleEvent(status=LifecycleEventStatus.FAILED, lifecycle_event_name="Install")
    assert ECSTarget(lifecycle_events=[good, EVENT, later]).failed_event is EVENT
    assert ECSTarget(lifecycle_events=[good]).failed_event is None
    assert ECSTarget().failed_event is None


def test_the_current_event_is_the_first_in_progress() -> None:
    pending = LifecycleEvent(status=LifecycleEventStatus.PENDING)
    now, later = (
        LifecycleEvent(status=LifecycleEventStatus.IN_PROGRESS, lifecycle_event_name=name)
        for name in ("Install", "ApplicationStart")
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


# Unknown targets --------------------------------------------------------------------------------


def test_an_unknown_target_tells_what_all_targets_tell() -> None:
    assert (UNKNOWN.raw_type, UNKNOWN.raw) == ("MarsTarget", RAW)
    assert (UNKNOWN.target_id, UNKNOWN.deployment_id) == ("rover", "d-1")
    assert UNKNOWN.status is TargetStatus.FAILED
    assert UNKNOWN.is_terminal
    assert UNKNOWN.last_updated_at == MOMENT
    assert UNKNOWN.failed_event is UNKNOWN.lifecycle_events[0]
    assert UNKNOWN.to_boto3() == {"deploymentTargetType": "MarsTarget"}
    assert UnknownTarget.from_boto3(RAW) == UNKNOWN


def test_what_was_said_of_an_unknown_target_goes_before_what_was_read() -> None:
    said: dict[str, Any] = {"target_id": "other", "status": None, "lifecycle_events": []}
    copied = UNKNOWN.model_copy(update=said)
    assert UnknownTarget.model_validate(copied.model_dump()) == copied
    assert UnknownTarget.model_validate_json(copied.model_dump_json()) == copied
    assert UnknownTarget(raw=RAW, target_id="other").target_id == "other"


def test_an_unknown_target_tells_only_what_is_there_in_the_usual_form() -> None:
    target = UnknownTarget(
        raw={"marsTarget": {"targetId": "rover", "status": 5, "lifecycleEvents": "none"}}
    )
    assert (target.target_id, target.status, target.lifecycle_events) == ("rover", None, [])
    assert "status" not in target.model_dump(exclude_unset=True)
    assert target.raw_type is None
    assert UnknownTarget(raw={"odd": 1}).target_id is None
    for no_dump in ([], {"raw": []}, {}, {"deployment_target_type": "UnknownTarget"}):
        with pytest.raises(ValidationError):
            UnknownTarget.model_validate(no_dump)

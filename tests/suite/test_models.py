"""The models themselves: made by hand, compared, copied, and asked."""

from __future__ import annotations

import copy
import enum
import gc
import json
import pickle
import sys
from datetime import datetime, timedelta, tzinfo
from types import MappingProxyType, SimpleNamespace
from typing import Any, get_args
from uuid import UUID

import pytest
from pydantic import TypeAdapter, ValidationError
from support.models import EVENT, FULL, MODELS, MOMENT, ONE_OF_EACH, RAW, TARGETS

import codedeploy_targets as ct
from codedeploy_targets import BatchGetDeploymentTargetsOutput as Output
from codedeploy_targets import LifecycleEventStatus as EventStatus

ANY_TARGET: TypeAdapter[Any] = TypeAdapter(ct.DeploymentTarget)
UNKNOWN: Any = ct.UnknownTarget(raw=RAW)
ENUMS = [each for each in vars(ct).values() if isinstance(each, enum.EnumMeta)]
each_target = pytest.mark.parametrize("target", ONE_OF_EACH, ids=lambda each: type(each).__name__)


@pytest.mark.parametrize("cls", ENUMS)
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
    status = ct.TargetStatus("Paused")
    assert (status.name, status.value) == ("Paused", "Paused")
    assert "Paused" not in list(ct.TargetStatus)
    assert ct.TargetStatus("failed") == "failed"
    with pytest.raises(ValueError, match="5 is not a valid TargetStatus"):
        ct.TargetStatus(5)
    assert ct.InstanceTarget.from_boto3({"instanceTarget": {"status": "Paused"}}).status == status
    assert ct.InstanceTarget.model_validate({"status": "Paused"}).status == status


def test_a_string_enum_of_the_user_s_own_is_its_string() -> None:
    class Mine(str, enum.Enum):
        PAUSED = "Paused"
        FAILED = "Failed"

    paused, failed = (ct.InstanceTarget(status=mine).status for mine in Mine)  # type: ignore[arg-type]
    assert paused == "Paused"
    assert failed is ct.TargetStatus.FAILED


@each_target
def test_a_string_becomes_a_member_in_each_way_to_make_a_model(target: Any) -> None:
    cls, plain = type(target), json.loads(target.model_dump_json())
    aws = target.raw if cls is ct.UnknownTarget else target.to_boto3()
    for made in (cls(**plain), ANY_TARGET.validate_python(plain), cls.from_boto3(aws)):
        (event,) = made.lifecycle_events
        assert made.status is ct.TargetStatus.FAILED
        assert event.status is EventStatus.FAILED
        assert event.diagnostics.error_code is ct.LifecycleErrorCode.SCRIPT_FAILED


# Models -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", MODELS)
def test_models_are_frozen_and_what_is_absent_is_none_or_empty(cls: Any) -> None:
    model = ct.UnknownTarget(raw={}) if cls is ct.UnknownTarget else cls()
    values = model.model_dump()
    assert values.pop("deployment_target_type", cls.__name__) == cls.__name__
    assert values.pop("retry_attempts", 0) == 0
    assert all(value in (None, [], {}) for value in values.values())
    assert not any(value is cls.model_fields[name].default for name, value in model if value == [])
    for name in cls.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(model, name, None)


def test_each_class_has_its_type_as_a_literal() -> None:
    names = list(get_args(ct.DeploymentTargetType))
    for target, cls, name in zip(ONE_OF_EACH, TARGETS, names, strict=True):
        assert type(target) is cls
        assert target.deployment_target_type == cls.__name__ == name
        assert type(target.deployment_target_type) is str
        assert get_args(cls.model_fields["deployment_target_type"].annotation) == (name,)
        with pytest.raises(ValidationError, match=f"Input should be '{name}'"):
            type(target)(**{**dict(target), "deployment_target_type": "MarsTarget"})


@each_target
def test_targets_compare_copy_and_pickle(target: Any) -> None:
    for same in (target, Output(deployment_targets=[target])):
        assert pickle.loads(pickle.dumps(same)) == same
        assert copy.deepcopy(same) == copy.copy(same) == same.model_copy() == same
    assert target.model_copy(update={"target_id": "other"}) != target
    assert ANY_TARGET.validate_python(target) is target


@each_target
def test_no_python_code_runs_while_pydantic_writes_json(target: Any) -> None:
    # A signal comes in Python code. pydantic's own error would replace what its handler raises.
    called = []

    def note(frame: Any, event: str, _: object) -> None:
        if event == "call":
            called.append(frame.f_code.co_name)

    target.model_dump_json()
    gc.disable()  # dask.distributed lets the garbage collector call Python code
    sys.setprofile(note)
    try:
        target.model_dump_json()
    finally:
        sys.setprofile(None)
        gc.enable()
    assert called == ["model_dump_json"]


@each_target
def test_validation_takes_no_dict_of_boto3_s(target: Any) -> None:
    envelope = target.to_boto3()
    for payload in (envelope, *(value for value in envelope.values() if isinstance(value, dict))):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            type(target).model_validate(payload)
        with pytest.raises(ValidationError, match=r"Extra inputs are not|deployment_target_type"):
            ANY_TARGET.validate_python(payload)
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Output.model_validate({"deploymentTargets": [envelope]})


def test_to_boto3_is_plain() -> None:
    def leaves(value: Any) -> Any:
        if isinstance(value, (dict, list)):
            inner = value.values() if isinstance(value, dict) else value
            return [leaf for each in inner for leaf in leaves(each)]
        return [value]

    plain = Output(deployment_targets=ONE_OF_EACH).to_boto3()
    assert {type(leaf) for leaf in leaves(plain)} == {str, datetime, int, float}
    assert "ecs-svc/1" in leaves(plain)
    assert Output().to_boto3() == {}
    assert Output(deployment_targets=[]).to_boto3() == {"deploymentTargets": []}


def test_a_status_of_the_user_s_own_is_plain_for_boto3() -> None:
    class Status(str, enum.Enum):
        FAILED = "Failed"

    class Mine(ct.InstanceTarget, frozen=True):
        target_arn: Any = None

    number = UUID(int=7)
    mine = Mine(target_id="i-1", target_arn=number).model_copy(update={"status": Status.FAILED})
    payload: Any = mine.to_boto3()["instanceTarget"]
    assert payload == {"targetId": "i-1", "targetArn": number, "status": "Failed"}
    assert type(payload["status"]) is str


# Helpers ----------------------------------------------------------------------------------------


def test_the_failed_and_the_current_event_are_the_first_of_their_kind() -> None:
    succeeded, pending, now, later, failed = (
        ct.LifecycleEvent(status=EventStatus(status), lifecycle_event_name=name)
        for status, name in zip(
            ["Succeeded", "Pending", "InProgress", "InProgress", "Failed"], "abcde", strict=True
        )
    )
    events = [succeeded, EVENT, pending, now, later, failed]
    assert ct.LambdaTarget(lifecycle_events=events).failed_event is EVENT
    assert ct.LambdaTarget(lifecycle_events=events).current_event is now
    for others in ([], [succeeded, pending]):
        assert ct.LambdaTarget(lifecycle_events=others).failed_event is None
        assert ct.LambdaTarget(lifecycle_events=others).current_event is None


@pytest.mark.parametrize("status", [*ct.TargetStatus, ct.TargetStatus("Paused"), None])
def test_a_target_is_terminal_when_nothing_more_will_happen(status: ct.TargetStatus | None) -> None:
    assert ct.LambdaTarget(status=status).is_terminal is (
        status in {ct.TargetStatus.SUCCEEDED, ct.TargetStatus.FAILED, ct.TargetStatus.SKIPPED}
    )


def test_an_event_has_a_duration_once_it_has_begun_and_ended() -> None:
    assert EVENT.duration == timedelta(seconds=90)
    assert ct.LifecycleEvent(start_time=MOMENT).duration is None
    assert ct.LifecycleEvent(end_time=MOMENT).duration is None


def test_a_duration_has_the_hour_by_which_the_clocks_are_put_back_meanwhile() -> None:
    def offset(_: object, time: datetime) -> timedelta:
        return timedelta(hours=2 if time.hour < 3 else 1)

    zone: Any = type("Zone", (tzinfo,), {"utcoffset": offset})()
    start = datetime(2026, 10, 25, 1, tzinfo=zone)
    event = ct.LifecycleEvent(start_time=start, end_time=start.replace(hour=4))
    assert event.duration == timedelta(hours=4)


# Unknown targets --------------------------------------------------------------------------------


def test_an_unknown_target_tells_what_all_targets_tell() -> None:
    assert (UNKNOWN.raw_type, UNKNOWN.raw) == ("MarsTarget", RAW)
    for name in set(ct.InstanceTarget.model_fields) & set(ct.UnknownTarget.model_fields):
        if name != "deployment_target_type":
            assert getattr(UNKNOWN, name) == getattr(FULL[0], name)
    assert UNKNOWN.is_terminal
    assert UNKNOWN.failed_event == EVENT
    assert ct.UnknownTarget.from_boto3(RAW) == UNKNOWN


def test_a_given_member_of_an_unknown_target_goes_before_that_in_raw() -> None:
    given: dict[str, Any] = {"target_id": "other", "status": None, "lifecycle_events": []}
    copied = UNKNOWN.model_copy(update=given)
    assert ct.UnknownTarget.model_validate(copied.model_dump()) == copied
    assert ct.UnknownTarget.model_validate_json(copied.model_dump_json()) == copied
    assert ct.UnknownTarget(raw=RAW, target_id="other").target_id == "other"


@pytest.mark.parametrize("odd", [MOMENT, (1, 2), float("inf"), "\ud83d", {1: 2}, {(1, 2): 3}])
def test_an_unknown_target_keeps_what_json_can_hold_and_comes_back(odd: Any) -> None:
    target = ct.UnknownTarget(raw={"marsTarget": {"targetId": "rover", "odd": odd}})
    assert ct.UnknownTarget.model_validate_json(target.model_dump_json()) == target
    assert target.target_id == "rover"


def test_an_unknown_target_is_refused_where_json_could_not_be_written() -> None:
    def nested(levels: int) -> dict[str, Any]:
        return {"odd": nested(levels - 1)} if levels else {}

    target = ct.UnknownTarget(raw=nested(190))
    assert ct.UnknownTarget.model_validate_json(target.model_dump_json()) == target
    with pytest.raises(ValidationError, match=", it is nested too deeply "):
        ct.UnknownTarget(raw=nested(191))


def test_an_unknown_target_is_read_in_each_way_that_pydantic_knows() -> None:
    text = TypeAdapter(list[ct.DeploymentTarget]).dump_json(ONE_OF_EACH)
    for strict in (True, False):
        again = TypeAdapter(list[ct.DeploymentTarget]).validate_json(text, strict=strict)
        assert again == ONE_OF_EACH
    raws: list[Any] = [MappingProxyType(RAW), RAW]
    for raw in raws:
        assert ct.UnknownTarget(raw=raw) == UNKNOWN
        given = MappingProxyType({"raw": raw})
        assert ct.UnknownTarget.model_validate(given) == UNKNOWN
    attributes = SimpleNamespace(raw=RAW)
    assert ct.UnknownTarget.model_validate(attributes, from_attributes=True) == UNKNOWN
    assert ANY_TARGET.validate_python(UNKNOWN) is UNKNOWN
    bare = ct.UnknownTarget.model_construct(target_id="rover")
    assert (bare.target_id, bare.raw_type) == ("rover", None)


def test_an_unknown_target_tells_only_what_is_there_in_the_usual_form() -> None:
    payload = {"targetId": "rover", "status": 5, "lifecycleEvents": "none"}
    target = ct.UnknownTarget(raw={"marsTarget": payload})
    assert (target.target_id, target.status, target.lifecycle_events) == ("rover", None, [])
    assert target.model_fields_set == {"raw", "target_id"}
    assert target.raw_type is None
    assert ct.UnknownTarget(raw={"odd": 1}).target_id is None
    assert ct.UnknownTarget(raw={"deploymentTargetType": 5}).raw_type is None
    others: list[Any] = [[], {"raw": []}, {}, {"deployment_target_type": "UnknownTarget"}]
    for no_dump in others:
        with pytest.raises(ValidationError):
            ct.UnknownTarget.model_validate(no_dump)

"""Models as users may make them, drawn for the attributes that the classes have."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from enum import Enum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel

import codedeploy_targets
from codedeploy_targets import (
    CloudFormationTarget,
    Diagnostics,
    ECSTarget,
    ECSTaskSet,
    InstanceTarget,
    LambdaFunctionInfo,
    LambdaTarget,
    LifecycleErrorCode,
    LifecycleEvent,
    LifecycleEventStatus,
    TargetGroupInfo,
    TargetLabel,
    TargetStatus,
    UnknownTarget,
)

if TYPE_CHECKING:
    from collections.abc import Callable

TARGETS: list[type[BaseModel]] = [
    InstanceTarget,
    LambdaTarget,
    ECSTarget,
    CloudFormationTarget,
    UnknownTarget,
]
MODELS: list[type[BaseModel]] = [
    each
    for each in vars(codedeploy_targets).values()
    if isinstance(each, type) and issubclass(each, BaseModel)
]

MOMENT = datetime(2019, 1, 1, 12, 30, 0, 250_000, tzinfo=timezone.utc)
EVENT = LifecycleEvent(
    lifecycle_event_name="BeforeInstall",
    diagnostics=Diagnostics(
        error_code=LifecycleErrorCode.SCRIPT_FAILED,
        script_name="a.sh",
        message="exit 1",
        log_tail="☃",
    ),
    start_time=MOMENT,
    end_time=MOMENT + timedelta(seconds=90),
    status=LifecycleEventStatus.FAILED,
)
# One target of each known type, with each of its members.
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
        status=TargetStatus("Paused"),
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
        target_id="stack", resource_type="AWS::ECS::Service", target_version_weight=12.5
    ),
]
RAW: dict[str, Any] = {
    "deploymentTargetType": "MarsTarget",
    "marsTarget": {
        "targetId": "rover",
        "deploymentId": "d-1",
        "status": "Failed",
        "lastUpdatedAt": 1546345800.25,
        "lifecycleEvents": [{"status": "Failed", "startTime": -1.75}],
        "crater": "Gale",
        "crew": None,
    },
}
ONE_OF_EACH: list[Any] = [*FULL, UnknownTarget(raw=RAW)]

_text = st.text(max_size=12)
# JSON has no infinity; what the models make of it has a test of its own.
_finite = st.floats(allow_nan=False, allow_infinity=False)
# An integer may have a decimal point in JSON; with 19 digits and a point, pydantic refuses it.
_short = st.floats(-1e15, 1e15)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | _short | _text,
    lambda children: st.lists(children, max_size=2) | st.dictionaries(_text, children, max_size=2),
    max_leaves=4,
)
moments = st.builds(
    lambda moment, minutes: moment.replace(tzinfo=timezone(timedelta(minutes=minutes))),
    # Any time whose UTC is within the calendar.
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
)
_LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    NoneType: st.none(),
    str: _text,
    int: st.integers(),
    float: _finite,
    datetime: moments,
    AwareDatetime: moments,
    Any: json_values,
}
# What the service may send for a type from the future: often what all targets have.
_raw = st.fixed_dictionaries(
    {},
    optional={
        "deploymentTargetType": st.sampled_from(["MarsTarget", "InstanceTarget"]) | _text,
        "marsTarget": st.fixed_dictionaries(
            {"crater": json_values},
            optional={
                "targetId": _text,
                "status": _text | json_values,
                "lastUpdatedAt": st.integers(0, 2_000_000_000) | json_values,
                "lifecycleEvents": st.lists(
                    st.fixed_dictionaries({}, optional={"status": _text, "startTime": json_values})
                ),
            },
        ),
        "future": json_values,
    },
)


def models(cls: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Return a strategy for models of a class, each attribute given or left out."""
    given: dict[str, Any] = {}
    optional: dict[str, Any] = {}
    for name, field in cls.model_fields.items():
        (given if field.is_required() else optional)[name] = (
            _raw if name == "raw" else _values(field.annotation)
        )
    members = st.fixed_dictionaries(given, optional=optional)
    return members.map(lambda members: cls(**members))


def _values(annotation: Any) -> st.SearchStrategy[Any]:
    args = get_args(annotation)
    strategies: dict[Any, Callable[[], st.SearchStrategy[Any]]] = {
        None: lambda: _leaves(annotation),
        Annotated: lambda: _values(args[0]),
        Literal: lambda: st.sampled_from(args),
        Union: lambda: st.one_of([_values(arg) for arg in args]),
        UnionType: lambda: st.one_of([_values(arg) for arg in args]),
        list: lambda: st.lists(_values(args[0]), max_size=3),
        dict: lambda: st.dictionaries(_values(args[0]), _values(args[1]), max_size=2),
    }
    return strategies[get_origin(annotation)]()


def _leaves(cls: Any) -> st.SearchStrategy[Any]:
    if cls in _LEAVES:
        return _LEAVES[cls]
    if issubclass(cls, Enum):
        # With values from the future.
        return st.sampled_from(cls) | _text.map(cls) | _text
    return models(cls)


any_target = st.one_of([models(cls) for cls in TARGETS])
any_model = st.one_of([models(cls) for cls in MODELS])

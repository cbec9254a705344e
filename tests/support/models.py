"""Models as users may make them, drawn for the attributes that the classes have."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from enum import Enum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel

from codedeploy_targets import (
    BatchGetDeploymentTargetsOutput,
    CloudFormationTarget,
    Diagnostics,
    ECSTarget,
    ECSTaskSet,
    InstanceTarget,
    LambdaFunctionInfo,
    LambdaTarget,
    LifecycleEvent,
    ResponseMetadata,
    TargetGroupInfo,
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
    *TARGETS,
    LifecycleEvent,
    Diagnostics,
    LambdaFunctionInfo,
    ECSTaskSet,
    TargetGroupInfo,
    ResponseMetadata,
    BatchGetDeploymentTargetsOutput,
]

_text = st.text(max_size=12)
# JSON has no infinity; what the models make of it has a test of its own.
_finite = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | _finite | _text,
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

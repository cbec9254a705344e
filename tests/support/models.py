"""Models as users may make them, drawn for the attributes that the classes have."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from enum import Enum
from functools import partial
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel

import codedeploy_targets as library

TARGETS: list[Any] = [*get_args(get_args(library.DeploymentTarget)[0])]
_classes = [each for each in vars(library).values() if isinstance(each, type)]
MODELS: list[type[BaseModel]] = [each for each in _classes if issubclass(each, BaseModel)]

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
MOMENT = datetime(2019, 1, 1, 12, 30, 0, 250_000, tzinfo=timezone.utc)
_diagnostics = {
    "errorCode": "ScriptFailed", "scriptName": "a.sh", "message": "exit 1", "logTail": "☃"
}  # fmt: skip
_shared = {
    "deploymentId": "d-1",
    "status": "Failed",
    "lastUpdatedAt": MOMENT,
    "lifecycleEvents": [{
        "lifecycleEventName": "Install", "diagnostics": _diagnostics, "status": "Failed",
        "startTime": MOMENT, "endTime": MOMENT + timedelta(seconds=90),
    }],
}  # fmt: skip
_function = {
    "functionName": "f", "functionAlias": "live", "currentVersion": "1", "targetVersion": "2",
    "targetVersionWeight": 0.5,
}  # fmt: skip
_task_set = {
    "identifer": "ecs-svc/1", "desiredCount": 1, "pendingCount": 2, "runningCount": 3,
    "status": "PRIMARY", "trafficWeight": 100.0, "targetGroup": {"name": "tg"},
    "taskSetLabel": "Green",
}  # fmt: skip
_stack = {"resourceType": "AWS::ECS::Service", "targetVersionWeight": 12.5}
# One target of each type, with each of its members.
ONE_OF_EACH: list[Any] = [
    library.InstanceTarget.from_boto3({
        "instanceTarget": {**_shared, "targetId": "i-1", "targetArn": "a", "instanceLabel": "Blue"}
    }),
    library.LambdaTarget.from_boto3({
        "lambdaTarget": {**_shared, "targetId": "f", "lambdaFunctionInfo": _function}
    }),
    library.ECSTarget.from_boto3({
        "ecsTarget": {**_shared, "targetId": "c:s", "taskSetsInfo": [_task_set]}
    }),
    library.CloudFormationTarget.from_boto3({
        "cloudFormationTarget": {**_shared, "targetId": "stack", **_stack}
    }),
    library.UnknownTarget.from_boto3({
        "deploymentTargetType": "MarsTarget",
        "marsTarget": {**_shared, "targetId": "i-1", "crew": None},
    }),
]  # fmt: skip
FULL = ONE_OF_EACH[:4]
RAW = ONE_OF_EACH[4].raw
EVENT = FULL[0].lifecycle_events[0]

_text = st.text(max_size=12)
# JSON has no infinity; what the models make of it has a test of its own.
_finite = st.floats(allow_nan=False, allow_infinity=False)
# An integer may have a decimal point in JSON; pydantic refuses such a one beyond 64 bits.
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
_payload: dict[str, Any] = {
    "targetId": _text,
    "status": _text | json_values,
    "lastUpdatedAt": st.integers(0, 2_000_000_000) | json_values,
    "lifecycleEvents": st.lists(st.fixed_dictionaries({}, optional={"startTime": json_values})),
}
_raw_members: dict[str, Any] = {
    "deploymentTargetType": st.sampled_from(["MarsTarget", "InstanceTarget"]) | _text,
    "marsTarget": st.fixed_dictionaries({"crater": json_values}, optional=_payload),
    "future": json_values,
}
_raw = st.fixed_dictionaries({}, optional=_raw_members)


def models(cls: type[BaseModel]) -> st.SearchStrategy[Any]:
    """Return a strategy for models of a class, each attribute given or left out."""
    drawn = {name: _values(field.annotation) for name, field in cls.model_fields.items()}
    given = {"raw": _raw} if drawn.pop("raw", None) is not None else {}
    return st.fixed_dictionaries(given, optional=drawn).map(lambda members: cls(**members))


def _values(annotation: Any) -> st.SearchStrategy[Any]:
    origin, args = get_origin(annotation), get_args(annotation)
    strategies: dict[Any, Callable[[], st.SearchStrategy[Any]]] = {
        None: lambda: _leaves(annotation),
        Annotated: lambda: _values(args[0]),
        Literal: lambda: st.sampled_from(args),
        list: lambda: st.lists(_values(args[0]), max_size=3),
        dict: lambda: st.dictionaries(*map(_values, args), max_size=2),
    }
    union = partial(st.one_of, map(_values, args))
    return strategies.get(origin, union)()


def _leaves(cls: Any) -> st.SearchStrategy[Any]:
    if cls not in _LEAVES and issubclass(cls, Enum):
        # With values from the future.
        return st.sampled_from(cls) | _text.map(cls) | _text
    return _LEAVES[cls] if cls in _LEAVES else models(cls)


any_target = st.one_of([models(cls) for cls in TARGETS])
any_model = st.one_of([models(cls) for cls in MODELS])

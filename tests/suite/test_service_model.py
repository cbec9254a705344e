"""The public types: against botocore's service model, and real at run time."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import pytest
from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError
from support import strategies as aws

import codedeploy_targets
import codedeploy_targets.testing
from codedeploy_targets import DeploymentTarget, DeploymentTargetType, TargetFilters
from codedeploy_targets._errors import Exceptions

ENUMS_OF_ALL = {**aws.ENUMS, "DeploymentStatus": aws.DEPLOYMENT.members["status"].enum}
STRUCTURES = [name for name in aws.SHAPES if name not in aws.ENUMS] + [*aws.DEPLOYMENT_SHAPES]
SCALARS = {"string": str, "timestamp": datetime, "double": float, "long": int}


def described(shape: Any) -> object:
    """Return what an annotation must come down to for a shape of the service model."""
    if shape.type_name == "list":
        return [described(shape.member)]
    known = shape.name in aws.SHAPES | aws.DEPLOYMENT_SHAPES | ENUMS_OF_ALL
    return shape.name if known else SCALARS[shape.type_name]


def simplified(annotation: Any) -> object:
    """Return what an annotation comes down to, without what makes it optional or open."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated or origin is list:
        return [simplified(args[0])] if origin is list else simplified(args[0])
    if origin in {Union, UnionType}:
        return next(simplified(arg) for arg in args if arg is not type(None))
    if annotation is AwareDatetime:
        return datetime
    known_by_name = issubclass(annotation, BaseModel) or annotation.__name__ in ENUMS_OF_ALL
    return annotation.__name__ if known_by_name else annotation


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_structure_has_the_members_of_aws(name: str) -> None:
    fields = dict(getattr(codedeploy_targets, name).model_fields)
    if name in aws.PAYLOADS:
        assert get_args(fields.pop("deployment_target_type").annotation) == (name,)
    members = (aws.SHAPES | aws.DEPLOYMENT_SHAPES)[name].members
    assert {key: simplified(field.annotation) for key, field in fields.items()} == {
        aws.attribute(member): described(shape)
        for member, shape in members.items()
        if name != "DeploymentInfo" or aws.attribute(member) in fields
    }
    for field in fields.values():
        assert not field.is_required()
        assert field.alias is field.validation_alias is field.serialization_alias is None


@pytest.mark.parametrize("name", ENUMS_OF_ALL)
def test_an_enum_has_the_values_of_aws(name: str) -> None:
    assert [member.value for member in getattr(codedeploy_targets, name)] == ENUMS_OF_ALL[name]


def test_the_types_are_those_of_aws_and_one_for_all_others() -> None:
    assert get_args(DeploymentTargetType) == (*aws.PAYLOADS, "UnknownTarget")
    union, *_ = get_args(DeploymentTarget)
    assert [cls.__name__ for cls in get_args(union)] == [*aws.PAYLOADS, "UnknownTarget"]
    assert set(aws.ENVELOPE.members) == {*aws.PAYLOADS.values(), "deploymentTargetType"}
    assert set(aws.OUTPUT.members) == {"deploymentTargets"}


def test_the_filters_are_those_of_aws() -> None:
    shape: Any = aws.OPERATION.service_model.operation_model("ListDeploymentTargets").input_shape
    filters = get_type_hints(TargetFilters)
    assert list(filters) == shape.members["targetFilters"].key.enum
    for values, name in zip(filters.values(), ("TargetStatus", "TargetLabel"), strict=True):
        assert get_origin(values) is Sequence
        literal, enum = get_args(*get_args(values))
        assert enum is getattr(codedeploy_targets, name)
        assert set(get_args(literal)) == set(enum) == set(aws.ENUMS[name])


def test_filters_are_validated() -> None:
    adapter = TypeAdapter(TargetFilters)
    assert set(adapter.json_schema()["properties"]) == {"TargetStatus", "ServerInstanceLabel"}
    for given in ({"TargetStatus": ["Failed", "Paused"], "ServerInstanceLabel": ["Blue"]}, {}):
        assert adapter.validate_python(given) == adapter.validate_json(json.dumps(given)) == given
    others: list[Any] = [[], *({"TargetStatus": each} for each in ("Failed", [5], None))]
    for other in others:
        with pytest.raises(ValidationError):
            adapter.validate_python(other)


def test_the_exceptions_are_those_of_the_operation() -> None:
    errors = {shape.name for shape in aws.OPERATION.error_shapes}
    assert set(Exceptions.__annotations__) == {*errors, "ClientError"}


def public() -> dict[str, Any]:
    """Return the public classes, functions and methods, by name."""
    found = {name: each for name, each in vars(codedeploy_targets).items() if is_ours(each)}
    aio = [import_module("codedeploy_targets.aio")] if find_spec("aiobotocore") else []
    for module in (codedeploy_targets.testing, *aio):
        names = vars(module).items()
        found |= {name: each for name, each in names if is_ours(each, module.__name__)}
    found = {name: each for name, each in found.items() if not name.startswith("_")}
    for each in [*found.values()]:
        bases = filter(is_ours, reversed(inspect.getmro(each)) if inspect.isclass(each) else ())
        for name, member in [pair for base in bases for pair in vars(base).items()]:
            function = getattr(member, "fget", getattr(member, "__func__", member))
            is_public = not name.startswith("_") or name in {"__init__", "__iter__", "__next__"}
            if is_public and inspect.isfunction(function):
                found[f"{each.__name__}.{name}"] = function
    return found


def is_ours(each: Any, module: str = "codedeploy_targets") -> bool:
    ours = getattr(each, "__module__", "").startswith(module)
    return ours and (inspect.isclass(each) or inspect.isfunction(each))


PUBLIC = public()


@pytest.mark.parametrize("name", PUBLIC)
def test_the_annotations_are_real_at_run_time(name: str) -> None:
    get_type_hints(PUBLIC[name], include_extras=True)  # a NameError, if one is not


def test_the_public_names_are_looked_at() -> None:
    names = """group_failures mock_deployment_targets TargetFilters LifecycleEvent.duration
    DeploymentTargetsClient.__init__ DeploymentTargetsClient.watch_deployment_targets
    AsyncDeploymentTargetsClient.__init__ AsyncDeploymentTargetsClient.iter_deployment_targets
    BatchGetDeploymentTargetsOutput.from_boto3 MockDeploymentTargets.put"""
    if not find_spec("aiobotocore"):
        names = names.replace("Async", "")
    assert set(names.split()) <= PUBLIC.keys()

"""The models against botocore's service model: nothing is missing, and nothing is made up."""

from __future__ import annotations

from collections.abc import Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from pydantic import AliasPath, AwareDatetime, BaseModel
from support.strategies import ENVELOPE, OPERATION, OUTPUT, PAYLOADS
from typing_extensions import get_type_hints

import codedeploy_targets
from codedeploy_targets import DeploymentTarget, DeploymentTargetType
from codedeploy_targets._errors import Exceptions

SCALARS = {"string": str, "timestamp": AwareDatetime, "double": float, "long": int}


def shapes(shape: Any) -> dict[str, Any]:
    """Return the structures and enums in a shape, by their names."""
    if shape.type_name == "list":
        return shapes(shape.member)
    found = {}
    if shape.type_name == "structure" or getattr(shape, "enum", None):
        found[shape.name] = shape
    for member in getattr(shape, "members", {}).values():
        found |= shapes(member)
    return found


SHAPES = {name: shape for name, shape in shapes(ENVELOPE).items() if name != ENVELOPE.name}
ENUMS = [name for name, shape in SHAPES.items() if shape.type_name == "string"]
ENUMS.remove("DeploymentTargetType")  # the literals of the five classes
STRUCTURES = [name for name, shape in SHAPES.items() if shape.type_name == "structure"]


def described(shape: Any) -> object:
    """Return what an annotation must come down to for a shape of the service model."""
    if shape.type_name == "list":
        return [described(shape.member)]
    return shape.name if shape.name in SHAPES else SCALARS[shape.type_name]


def simplified(annotation: Any) -> object:
    """Return what an annotation comes down to, without what makes it optional or open."""
    if get_origin(annotation) is Annotated:
        return simplified(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        kinds = [simplified(arg) for arg in get_args(annotation) if arg is not type(None)]
        return kinds[0]
    if get_origin(annotation) is list:
        return [simplified(get_args(annotation)[0])]
    known_by_name = issubclass(annotation, BaseModel) or annotation.__name__ in ENUMS
    return annotation.__name__ if known_by_name else annotation


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_structure_has_the_members_of_aws(name: str) -> None:
    fields = dict(getattr(codedeploy_targets, name).model_fields)
    if name in PAYLOADS:
        kind = fields.pop("deployment_target_type")
        assert get_args(kind.annotation) == (name,)
        assert kind.validation_alias == "deploymentTargetType"
    ours, names = {}, {}
    for python_name, field in fields.items():
        alias = field.validation_alias
        if name in PAYLOADS:
            assert isinstance(alias, AliasPath)
            assert alias.path[0] == PAYLOADS[name]
            alias = alias.path[1]
        assert field.serialization_alias is None
        assert not field.is_required()
        ours[alias] = simplified(field.annotation)
        names[alias] = python_name
    members = SHAPES[name].members
    assert ours == {member: described(shape) for member, shape in members.items()}
    assert names == {
        member: "identifier" if member == "identifer" else snake_case(member) for member in members
    }


def snake_case(member: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in member)


@pytest.mark.parametrize("name", ENUMS)
def test_an_enum_has_the_values_of_aws(name: str) -> None:
    assert [member.value for member in getattr(codedeploy_targets, name)] == SHAPES[name].enum


def test_the_types_are_those_of_aws_and_one_for_all_others() -> None:
    values = SHAPES["DeploymentTargetType"].enum
    assert get_args(DeploymentTargetType) == (*values, "UnknownTarget")
    union, *_ = get_args(DeploymentTarget)
    assert [cls.__name__ for cls in get_args(union)] == [*values, "UnknownTarget"]


def test_the_filters_are_those_of_aws() -> None:
    shape: Any = OPERATION.service_model.operation_model("ListDeploymentTargets").input_shape
    names = shape.members["targetFilters"].key.enum
    known_to_checkers = {"Sequence": Sequence, "_enums": codedeploy_targets._enums}  # noqa: SLF001
    filters = get_type_hints(codedeploy_targets.TargetFilters, localns=known_to_checkers)
    values = {}
    for name, annotation in filters.items():
        (alternatives,) = get_args(annotation)
        literal, enum = get_args(alternatives)
        values[name] = set(get_args(literal))
        assert set(enum) == values[name]
    assert list(values) == names
    assert values == {
        "TargetStatus": set(SHAPES["TargetStatus"].enum),
        "ServerInstanceLabel": set(SHAPES["TargetLabel"].enum),
    }


def test_the_union_has_the_members_of_aws() -> None:
    members = set(ENVELOPE.members) - {"deploymentTargetType"}
    assert members == set(PAYLOADS.values())
    assert set(OUTPUT.members) == {"deploymentTargets"}


def test_the_exceptions_are_those_of_the_operation() -> None:
    errors = {shape.name for shape in OPERATION.error_shapes}
    assert set(Exceptions.__annotations__) == {*errors, "ClientError"}

"""Change here: how AWS writes a structure, that is, its members' names, numbers and times.

The models' own JSON has no name of AWS's. What AWS writes is read by a schema of its own, which
`structure_schema` builds from a model's fields, and `to_aws` writes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from functools import cache
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import VERSION, AwareDatetime, BaseModel
from pydantic.alias_generators import to_camel
from pydantic_core import core_schema

_FIRST, _LAST = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (2000, 2500))
_PYDANTIC = tuple(int(part) for part in VERSION.split(".")[:2])


# Type checkers do not inherit `frozen`, so each class repeats it.
class Shape(
    BaseModel,
    frozen=True,
    extra="forbid",
    # Of a class that is complete, pydantic_core uses the validator, and ignores the schema that it
    # is given: so the validators of AWS's shape are built first. See `end_deferral`.
    defer_build=True,
    json_schema_serialization_defaults_required=True,
    # JSON has no infinite numbers; pydantic would write them as null.
    allow_inf_nan=False,
):
    """The base of all models: a structure of AWS's service model."""

    @classmethod
    def _aws_name(cls, attribute: str) -> str:
        """Return AWS's name of the member that an attribute holds."""
        return to_camel(attribute)


@cache
def aws_names(cls: type[Shape]) -> dict[str, str]:
    """Return AWS's name of each attribute of a model."""
    return {attribute: cls._aws_name(attribute) for attribute in cls.model_fields}


def structure_schema(cls: type[Shape], *path: str) -> core_schema.ModelSchema:
    """Return the schema of a structure as AWS writes it: its members stand at a path.

    The schema refuses null (see `drop_nulls`), and ignores members that it does not know.
    """
    fields = {}
    for name, aws_name in aws_names(cls).items():
        annotation = cls.model_fields[name].annotation
        is_label = get_origin(annotation) is Literal  # it stands beside the payload
        place: list[str | int] = [aws_name] if is_label else [*path, aws_name]
        schema = _value_schema(annotation)
        default: Any = {"default_factory": list} if schema["type"] == "list" else {"default": None}
        schema = core_schema.with_default_schema(schema, **default)
        fields[name] = core_schema.model_field(schema, validation_alias=place)
    # Without this, pydantic takes a number above 2e10 for milliseconds.
    config: Any = {"val_temporal_unit": "seconds"}
    return core_schema.model_schema(cls, core_schema.model_fields_schema(fields), config=config)


def _value_schema(annotation: Any) -> core_schema.CoreSchema:
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    types = [each for each in get_args(annotation) if each is not NoneType]
    if get_origin(annotation) is Literal:
        return core_schema.literal_schema(types)
    if get_origin(annotation) is list:
        return core_schema.list_schema(_value_schema(types[0]), strict=True)
    if types:
        return _value_schema(types[0])
    if issubclass(annotation, Shape):
        return structure_schema(annotation)
    schema = core_schema.enum_schema(annotation, [*annotation], sub_type="str")
    # Set here, not passed: pydantic needs it below 2.14, and warns of the argument from there on.
    return {**schema, "missing": annotation._missing_}


def to_aws(value: Any) -> Any:
    """Return a value as boto3 has it: members that were set, under AWS's names, as plain types."""
    if isinstance(value, Shape):
        names, given = aws_names(type(value)), value.model_fields_set
        return {
            names[attribute]: to_aws(member)
            for attribute, member in vars(value).items()
            if member is not None and attribute in given
        }
    if isinstance(value, list):
        return [to_aws(item) for item in value]
    return str.__str__(value) if isinstance(value, str) else value


def _parse_timestamp(value: Any) -> datetime:
    # Imported late: few answers have such a time, so a cold start need not pay.
    from botocore.utils import parse_to_aware_datetime

    try:
        parsed: datetime = parse_to_aware_datetime(value)
    except (ArithmeticError, RuntimeError, TypeError) as error:
        raise ValueError("not a timestamp") from error
    return parsed


def _first_of(*schemas: core_schema.CoreSchema) -> core_schema.CoreSchema:
    # The labels are empty, as pydantic appends one to the place of an error.
    return core_schema.union_schema([(schema, "") for schema in schemas], mode="left_to_right")


_NUMBER = core_schema.float_schema(strict=True, allow_inf_nan=False)
# From 2000 to 2500, pydantic reads times as botocore does. All others are botocore's to parse.
_usual_time: core_schema.CoreSchema = core_schema.datetime_schema(
    ge=_FIRST, lt=_LAST, tz_constraint="aware"
)
if _PYDANTIC < (2, 12):  # without `val_temporal_unit`
    _seconds = core_schema.float_schema(strict=True, ge=_FIRST.timestamp(), lt=_LAST.timestamp())
    _usual_time = core_schema.chain_schema([_seconds, _usual_time])
_SCALARS: dict[Any, core_schema.CoreSchema] = {
    str: core_schema.str_schema(strict=True),
    float: _NUMBER,
    # AWS's JSON may have a count as 2.0.
    int: _first_of(
        core_schema.int_schema(strict=True),
        core_schema.chain_schema([_NUMBER, core_schema.int_schema()]),
    ),
    AwareDatetime: _first_of(
        _usual_time, core_schema.no_info_plain_validator_function(_parse_timestamp)
    ),
}


def end_deferral() -> None:
    """Make the models as any others, now that the validators of AWS's shape are built.

    A class that is still incomplete completes on first use. Below 2.14, pydantic fails there if
    two threads are the first, so the classes are completed at once.
    """
    for cls in _subclasses(Shape):
        # Adapters of a deferred class would be deferred, too; FastAPI's then warn of an alias.
        cls.model_config["defer_build"] = False
        if _PYDANTIC < (2, 14):
            cls.model_rebuild()


def _subclasses(cls: type[Shape]) -> Iterator[type[Shape]]:
    for each in cls.__subclasses__():
        yield each
        yield from _subclasses(each)

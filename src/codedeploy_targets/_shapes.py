"""Change here: how AWS writes a structure, that is, its members' names, numbers and times."""

from collections.abc import Callable
from datetime import datetime, timezone
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Literal, cast, get_args, get_origin

from pydantic import VERSION, AwareDatetime, BaseModel, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, SchemaSerializer, TzInfo, core_schema
from typing_extensions import Self

from ._json import UnreadableError, check_members

_Y2000, _Y2500 = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (2000, 2500))
_PYDANTIC = tuple(int(part) for part in VERSION.split(".")[:2])


class _Signature:
    """The signature of a class that is not complete: to ask for it completes the class."""

    def __get__(self, _: object, cls: type[BaseModel]) -> Any:
        cls.model_rebuild()
        return cls.__signature__


# Type checkers do not inherit `frozen`, so each class repeats it.
class Shape(
    BaseModel,
    frozen=True,
    extra="forbid",
    # Of a class that is complete, pydantic_core uses the validator and the serializer, and ignores
    # the schema that it is given: so those of AWS's shape are built first. See `end_deferral`.
    defer_build=True,
    json_schema_serialization_defaults_required=True,
    # JSON has no infinite numbers; pydantic would write them as null.
    allow_inf_nan=False,
):
    """The base of all models: a structure of AWS's service model."""

    _aws_name = staticmethod(to_camel)  # AWS's name from an attribute's

    @classmethod
    def _as_own(cls, model: Any) -> Self:
        """Return a model of a class as one of a user's own subclass, if this is one."""
        if type(model) in cls.__mro__[1:]:
            given = model.model_dump(exclude_unset=True)  # as dicts, for fields of other classes
            model = read_structure(cls.__pydantic_validator__, given, cls.__name__)
        return cast("Self", model)

    if TYPE_CHECKING:  # else, mypy takes the model for a possible value of `model and model.name`

        def __bool__(self) -> Literal[True]: ...


@cache
def aws_names(cls: type[Shape]) -> dict[str, str]:
    """Return AWS's name of each attribute of a model."""
    return {attribute: cls._aws_name(attribute) for attribute in cls.model_fields}


def structure_schema(
    cls: type[Shape], *path: str, required: str = "", on_error: Any = "raise"
) -> CoreSchema:
    """Return the schema of a structure as AWS writes it, whose members stand at a path."""
    # It ignores members that it does not know, and refuses null: see `drop_nulls`.
    fields = {}
    for name, aws_name in aws_names(cls).items():
        field = cls.model_fields[name]
        is_label = get_origin(field.annotation) is Literal  # it stands beside the payload
        place: list[str | int] = [aws_name] if is_label else [*path, aws_name]
        value = _value_schema(field.annotation)
        absent = core_schema.with_default_schema(value, default=field.default, on_error=on_error)
        fields[name] = core_schema.model_field(
            value if name == required else absent,
            validation_alias=place,
            serialization_alias=aws_name,
            serialization_exclude=is_label,
        )
    # Without this, pydantic takes a number above 2e10 for milliseconds.
    config: Any = {"val_temporal_unit": "seconds"}
    return core_schema.model_schema(cls, core_schema.model_fields_schema(fields), config=config)


def _value_schema(annotation: Any) -> CoreSchema:
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    origin, (inner, *_) = get_origin(annotation), get_args(annotation) or (annotation,)
    if origin is Literal:
        return core_schema.literal_schema([inner])
    if origin is list:
        return core_schema.list_schema(_value_schema(inner), strict=True)
    if origin:  # the structure, enum or scalar in `… | None`
        return _value_schema(inner)
    if issubclass(annotation, Shape):
        return structure_schema(annotation)
    # It writes a user's own enum as text, too. It is in C: what a signal's handler raises in Python
    # code there, such as KeyboardInterrupt, would become pydantic's own error.
    plain: Any = core_schema.plain_serializer_function_ser_schema(str.__str__)
    schema = core_schema.enum_schema(annotation, [*annotation], sub_type="str", serialization=plain)
    # Set here, not passed: pydantic needs it below 2.14, and warns of the argument from there on.
    return {**schema, "missing": annotation._missing_}


def read_structure(validator: Any, value: Any, place: str) -> Any:
    """Read a structure, or raise UnreadableError, which tells the place of what is wrong in it."""
    try:
        return validator.validate_python(value)
    except ValidationError as error:
        parts = [str(part) for part in error.errors()[0]["loc"] if part != ""]
        raise UnreadableError(f"{'.'.join([place, *parts])} is not as expected") from None


def check_structure(cls: type[Shape], value: Any, place: str) -> None:
    """Refuse what AWS would not send, such as a model's own JSON, rather than read it as empty."""
    names = aws_names(cls)
    check_members(value, place, names.values(), "no member that AWS knows")
    # In a payload with an id, the fast pass ignores a model's names: so this does, too.
    if "targetId" not in value and value.keys() & (names.keys() - names.values()):
        raise UnreadableError(f"{place} has names of the models, not AWS's")


def writer(cls: type[Shape]) -> Callable[[Any], dict[str, Any]]:
    """Return a function that makes boto3's dict of a structure, of the members that were set."""
    to_python = SchemaSerializer(structure_schema(cls)).to_python
    # Without warnings, as a model that was made without validation may hold anything.
    return partial(to_python, by_alias=True, exclude_unset=True, exclude_none=True, warnings=False)


def _parse_timestamp(value: Any) -> Any:
    # Imported late: the JSON that AWS sends seldom needs it, so a cold start need not pay.
    from botocore.utils import parse_to_aware_datetime

    try:
        # In pydantic's UTC, as all other times: pandas makes no time column of two kinds of zone.
        return parse_to_aware_datetime(value).astimezone(TzInfo(0))
    except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError("not a timestamp") from error


def _first_of(*schemas: CoreSchema) -> CoreSchema:
    # The labels are empty, as pydantic appends one to the place of an error.
    return core_schema.union_schema([(schema, "") for schema in schemas], mode="left_to_right")


_NUMBER = core_schema.float_schema(strict=True, allow_inf_nan=False)
# From 2000 to 2500, pydantic reads times in UTC as botocore does. All others are botocore's.
_seconds = core_schema.float_schema(strict=True, ge=_Y2000.timestamp(), lt=_Y2500.timestamp())
_usual_seconds = core_schema.chain_schema([_seconds, core_schema.datetime_schema()])
_usual_time: Any = core_schema.datetime_schema(ge=_Y2000, lt=_Y2500, tz_constraint=0)
# From Python, numbers alone: boto3's times are local, where an hour of each year comes twice.
_usual = core_schema.json_or_python_schema(_usual_time, _usual_seconds)
_odd_time = core_schema.no_info_plain_validator_function(_parse_timestamp)
# AWS's JSON may have a count as 2.0.
_whole_number = core_schema.chain_schema([_NUMBER, core_schema.int_schema()])
_SCALARS: dict[Any, CoreSchema] = {
    # `min_length=0` refuses nothing by itself. But to count characters, pydantic decodes the text,
    # and so refuses a lone surrogate of Python's, which the lenient pass mends.
    str: core_schema.str_schema(strict=True, min_length=0),
    float: _NUMBER,
    int: _first_of(core_schema.int_schema(strict=True), _whole_number),
    # Below 2.12, pydantic has no `val_temporal_unit`.
    AwareDatetime: _first_of(_usual_seconds if _PYDANTIC < (2, 12) else _usual, _odd_time),
}


def end_deferral(base: type[Shape] = Shape) -> None:
    """Let the models be built as pydantic's are, now that all of AWS's shape exists."""
    for cls in base.__subclasses__():
        # Adapters of a deferred class would be deferred, too; FastAPI's then warn of an alias.
        cls.model_config["defer_build"] = False
        # A class completes on first use, and fails there below 2.14 if two threads are the first.
        if _PYDANTIC < (2, 14):
            cls.model_rebuild()
        elif not cls.__pydantic_complete__:  # as it is if the package is imported again
            # On each class, as one that is complete would hand its own down.
            setattr(cls, "__signature__", _Signature())  # noqa: B010 - pydantic declares another type
        end_deferral(cls)

"""The models' own JSON: what they write they read, and their JSON Schema tells the truth."""

from __future__ import annotations

import copy
import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

import pytest
from botocore.utils import parse_to_aware_datetime
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, validators
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from support.models import MODELS, TARGETS, any_model, any_target, json_values, models

from codedeploy_targets import (
    BatchGetDeploymentTargetsOutput,
    CloudFormationTarget,
    DeploymentTarget,
    ECSTaskSet,
    InstanceTarget,
    LifecycleErrorCode,
    LifecycleEvent,
    LifecycleEventStatus,
    ResponseMetadata,
    TargetLabel,
    TargetStatus,
    UnknownTarget,
)

if TYPE_CHECKING:
    from enum import Enum

MODES: list[Literal["validation", "serialization"]] = ["validation", "serialization"]
FORMATS = Draft202012Validator.FORMAT_CHECKER
ANY_TARGET: TypeAdapter[Any] = TypeAdapter(DeploymentTarget)
TARGET_LIST: TypeAdapter[Any] = TypeAdapter(list[DeploymentTarget])
ADAPTERS: dict[type[BaseModel], TypeAdapter[Any]] = {cls: TypeAdapter(cls) for cls in MODELS}
ENUMS = [TargetStatus, LifecycleEventStatus, LifecycleErrorCode, TargetLabel]


def assert_comes_back(adapter: TypeAdapter[Any], value: Any) -> None:
    for by_alias in (True, False, None):
        python = adapter.dump_python(value, by_alias=by_alias)
        plain = adapter.dump_python(value, by_alias=by_alias, mode="json")
        text = adapter.dump_json(value, by_alias=by_alias)
        assert python == adapter.dump_python(value)
        assert plain == json.loads(text)
        for read in (
            adapter.validate_python(python),
            adapter.validate_python(plain),
            adapter.validate_python(json.loads(text)),
            adapter.validate_json(text),
        ):
            assert read == value
            assert type(read) is type(value)


@given(any_model)
def test_a_model_comes_back(model: Any) -> None:
    assert_comes_back(ADAPTERS[type(model)], model)
    for by_alias in (True, False, None):
        cls = type(model)
        assert cls.model_validate(model.model_dump(by_alias=by_alias)) == model
        assert cls.model_validate_json(model.model_dump_json(by_alias=by_alias)) == model


@given(any_target)
def test_a_target_comes_back_through_the_union(target: Any) -> None:
    assert_comes_back(ANY_TARGET, target)


@given(st.lists(any_target, max_size=4))
def test_a_list_of_targets_comes_back(targets: list[Any]) -> None:
    assert_comes_back(TARGET_LIST, targets)


@given(st.lists(any_target, max_size=4), st.lists(st.text(max_size=5)))
def test_an_output_comes_back(targets: list[Any], missing: list[str]) -> None:
    output = BatchGetDeploymentTargetsOutput(
        deployment_targets=targets,
        missing_target_ids=missing,
        response_metadata=[ResponseMetadata(request_id="r", http_headers={"a-b": "c"})],
    )
    assert_comes_back(ADAPTERS[BatchGetDeploymentTargetsOutput], output)


# JSON Schema ------------------------------------------------------------------------------------


def validator(adapter: TypeAdapter[Any], mode: Literal["validation", "serialization"]) -> Any:
    schema = adapter.json_schema(mode=mode)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FORMATS)


VALIDATORS = {
    mode: {cls: validator(adapter, mode) for cls, adapter in ADAPTERS.items()} for mode in MODES
}
UNION_VALIDATORS = [validator(ANY_TARGET, mode) for mode in MODES]


@given(any_model)
def test_a_dump_is_valid_under_both_schemas(model: Any) -> None:
    unions = UNION_VALIDATORS if type(model) in TARGETS else []
    for by_alias in (True, False, None):
        for dump in (
            model.model_dump(mode="json", by_alias=by_alias),
            json.loads(model.model_dump_json(by_alias=by_alias)),
        ):
            for mode in MODES:
                VALIDATORS[mode][type(model)].validate(dump)
            for union in unions:
                union.validate(dump)


def structures(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schemas of the models in a schema, by name."""
    named = {schema["title"]: schema} if "title" in schema else {}
    return {
        name: each
        for name, each in (schema.get("$defs", {}) | named).items()
        if each["type"] == "object"
    }


@pytest.mark.parametrize("mode", MODES)
def test_the_schema_has_the_attributes_names(
    mode: Literal["validation", "serialization"],
) -> None:
    found = {
        name: structure
        for cls in MODELS
        for name, structure in structures(cls.model_json_schema(mode=mode)).items()
    }
    assert found.keys() == {cls.__name__ for cls in MODELS}
    for cls in MODELS:
        structure = found[cls.__name__]
        assert list(structure["properties"]) == list(cls.model_fields)
        assert structure["additionalProperties"] is False
        if mode == "serialization":
            assert sorted(structure["required"]) == sorted(cls.model_fields)
        else:
            needed = {"deployment_target_type", "raw"} & cls.model_fields.keys()
            assert set(structure.get("required", [])) == needed


@pytest.mark.parametrize("mode", MODES)
def test_the_five_classes_are_one_of_with_a_discriminator(
    mode: Literal["validation", "serialization"],
) -> None:
    names = [cls.__name__ for cls in TARGETS]
    union = ANY_TARGET.json_schema(mode=mode)
    output = BatchGetDeploymentTargetsOutput.model_json_schema(mode=mode)
    for schema in (union, output["properties"]["deployment_targets"]["items"]):
        assert schema["oneOf"] == [{"$ref": f"#/$defs/{name}"} for name in names]
        assert schema["discriminator"] == {
            "propertyName": "deployment_target_type",
            "mapping": {name: f"#/$defs/{name}" for name in names},
        }
    for name in names:
        assert union["$defs"][name]["properties"]["deployment_target_type"]["const"] == name


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("enum", ENUMS)
def test_an_open_enum_is_a_string_with_aws_s_values_as_examples(
    enum: type[Enum], mode: Literal["validation", "serialization"]
) -> None:
    schema = TypeAdapter(enum).json_schema(mode=mode)
    assert schema == {
        "title": enum.__name__,
        "type": "string",
        "examples": [member.value for member in enum],
    }
    inside = {**ANY_TARGET.json_schema(mode=mode)["$defs"]}
    assert inside[enum.__name__] == schema


# What is accepted -------------------------------------------------------------------------------

# A model accepts what its validation schema accepts. The exceptions are these, each as a change of
# the schema, or of what counts as a type. An example of each follows below.


def reads_as_time(_: object, value: Any) -> bool:
    """Take a number, and text in another form, for a time: what boto3 reads, and RFC 3339.

    boto3 takes true and false for numbers.
    """
    if not isinstance(value, (str, int, float)):
        return False
    if isinstance(value, str) and FORMATS.conforms(value, "date-time"):
        return True
    parse: Any = parse_to_aware_datetime
    try:
        parse(value)
    except (ArithmeticError, RuntimeError, ValueError):
        return False
    return True


def is_integer(_: object, value: Any) -> bool:
    """Take 1.0 for no integer: JSON Schema has one kind of number, Python and pydantic two."""
    return isinstance(value, int) and not isinstance(value, bool)


def knows_its_own_type(schema: dict[str, Any]) -> None:
    """Let a class by itself take a dump without its type; the union cannot."""
    if "deployment_target_type" in schema.get("required", []):
        schema["required"].remove("deployment_target_type")


def times_by_type(schema: Any) -> Any:
    if isinstance(schema, dict):
        if schema.get("format") == "date-time":
            return {"type": "time"}
        return {key: times_by_type(value) for key, value in schema.items()}
    return [times_by_type(item) for item in schema] if isinstance(schema, list) else schema


extend: Any = validators.extend
AsPydantic = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"time": reads_as_time, "integer": is_integer}
    ),
)


def as_the_model_reads(adapter: TypeAdapter[Any]) -> Any:
    schema = times_by_type(adapter.json_schema(mode="validation"))
    knows_its_own_type(schema)
    return AsPydantic(schema)


EXACT = {cls: as_the_model_reads(adapter) for cls, adapter in ADAPTERS.items()}
EXACT_UNION = as_the_model_reads(ANY_TARGET)


def accepts(validate: Any, value: Any) -> bool:
    try:
        validate(value)
    except ValidationError:
        return False
    return True


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of each value inside a dump, the dump itself excluded."""
    found = [path] if path else []
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            found += places(inner, (*path, key))
    return found


OTHER_VALUES = (
    st.sampled_from([
        None, True, 0, 1.0, 1.5, -1.75, 10**30, "", "Failed", "InstanceTarget", [], {}, [None],
        {"status": "Failed"}, {"status": 5}, "2019-01-01T12:30:00Z", "2019-01-01t12:30:00.5z",
        "2019-01-01T12:30:00", "2019-01-01", "1546345800", "yesterday", 1546345800, 1e300,
    ])
    | json_values
).map(copy.deepcopy)  # fmt: skip
NAMES = st.sampled_from(["status", "target_id", "startTime", "raw", "identifer", "future"])


@st.composite
def mutated_dumps(draw: st.DrawFn, drawn: st.SearchStrategy[Any]) -> tuple[type[BaseModel], Any]:
    model = draw(drawn)
    dump = model.model_dump(mode="json")
    for _ in range(draw(st.integers(1, 2))):
        *way, key = draw(st.sampled_from(places(dump) or [("future",)]))
        inside = dump
        for step in way:
            inside = inside[step]
        change = draw(st.sampled_from(["drop", "add", "rename", "replace", "replace"]))
        if change == "replace" or key not in (inside if isinstance(inside, dict) else [*range(99)]):
            inside[key] = draw(OTHER_VALUES)
        elif change == "drop":
            del inside[key]
        elif isinstance(inside, list):
            inside.append(draw(OTHER_VALUES))
        elif change == "add":
            inside.setdefault(draw(NAMES), draw(OTHER_VALUES))
        else:
            inside[draw(st.just(to_camel(key)) | NAMES)] = inside.pop(key)
    return type(model), dump


def assert_accepted_as_by_the_schema(adapter: TypeAdapter[Any], exact: Any, dump: Any) -> None:
    expected = exact.is_valid(dump)
    assert accepts(adapter.validate_python, dump) is expected
    assert accepts(adapter.validate_json, json.dumps(dump)) is expected


@given(mutated_dumps(any_model))
@example((LifecycleEvent, {"start_time": -1.75}))
@example((LifecycleEvent, {"start_time": True}))
@example((InstanceTarget, {"targetId": "i-1"}))
@example((BatchGetDeploymentTargetsOutput, {"deploymentTarget": {}}))
def test_a_model_accepts_what_its_schema_accepts(case: tuple[type[BaseModel], Any]) -> None:
    cls, dump = case
    assert_accepted_as_by_the_schema(ADAPTERS[cls], EXACT[cls], dump)


@given(mutated_dumps(any_target))
@example((InstanceTarget, {"target_id": "i-1"}))
@example((InstanceTarget, {"deploymentTargetType": "InstanceTarget"}))
def test_the_union_accepts_what_its_schema_accepts(case: tuple[type[BaseModel], Any]) -> None:
    _, dump = case
    assert_accepted_as_by_the_schema(ANY_TARGET, EXACT_UNION, dump)


@given(mutated_dumps(models(BatchGetDeploymentTargetsOutput)))
def test_the_output_accepts_what_its_schema_accepts(case: tuple[type[BaseModel], Any]) -> None:
    cls, dump = case
    assert_accepted_as_by_the_schema(ADAPTERS[cls], EXACT[cls], dump)


@given(mutated_dumps(any_model))
def test_what_the_schema_accepts_is_read_but_for_1_0_as_an_integer(
    case: tuple[type[BaseModel], Any],
) -> None:
    cls, dump = case
    if VALIDATORS["validation"][cls].is_valid(dump):
        dump = json.loads(json.dumps(dump), parse_float=whole_as_int)
        ADAPTERS[cls].validate_python(dump)


def whole_as_int(digits: str) -> float:
    return int(float(digits)) if float(digits).is_integer() else float(digits)


@pytest.mark.parametrize(
    "value", [1546345800, -1.75, "1546345800", "2019-01-01", "20190101T1230", True]
)
def test_a_time_may_be_more_than_its_schema_says(value: Any) -> None:
    assert not VALIDATORS["validation"][LifecycleEvent].is_valid({"start_time": value})
    assert LifecycleEvent.model_validate({"start_time": value}).start_time is not None


def test_a_class_by_itself_knows_its_type() -> None:
    without = {"target_id": "i-1"}
    assert not VALIDATORS["validation"][InstanceTarget].is_valid(without)
    assert InstanceTarget.model_validate(without) == InstanceTarget(target_id="i-1")
    assert not UNION_VALIDATORS[0].is_valid(without)
    with pytest.raises(ValidationError, match="Unable to extract tag"):
        ANY_TARGET.validate_python(without)


def test_1_0_is_no_integer_to_a_model() -> None:
    assert VALIDATORS["validation"][ECSTaskSet].is_valid({"desired_count": 1.0})
    with pytest.raises(ValidationError, match="valid integer"):
        ECSTaskSet.model_validate_json('{"desired_count": 1.0}')


def test_half_a_character_is_no_text_in_json() -> None:
    text = '{"target_id": "\\ud83d", "deployment_target_type": "InstanceTarget"}'
    assert VALIDATORS["validation"][InstanceTarget].is_valid(json.loads(text))
    with pytest.raises(ValidationError, match="Invalid JSON"):
        InstanceTarget.model_validate_json(text)


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_a_number_that_json_does_not_have_is_refused(number: float) -> None:
    # pydantic would write it as null, and so lose it.
    assert not accepts(CloudFormationTarget.model_validate, {"target_version_weight": number})
    text = json.dumps({"target_version_weight": number})
    assert not accepts(CloudFormationTarget.model_validate_json, text)


def test_a_number_beyond_the_calendar_is_refused_with_no_word_of_the_schema() -> None:
    assert not accepts(LifecycleEvent.model_validate, {"start_time": 1e300})
    assert not VALIDATORS["validation"][LifecycleEvent].is_valid({"start_time": 1e300})


@pytest.mark.parametrize("text", [
    "2019-01-01T12:30:00Z",
    "2019-01-01t12:30:00z",
    "2019-01-01T12:30:00-00:00",
    "2019-01-01T12:30:00+23:59",
    "2019-01-01T12:30:00-23:59",
    "2019-01-01T12:30:00.1Z",
    "2019-01-01T12:30:00.123456789Z",
    "2019-01-01T12:30:00.123456789012345678901234567890Z",
    "1969-12-31T23:59:59.123456789Z",
    "1969-12-31t23:59:59.999999999z",
    "1912-06-01T00:00:00.5+00:01",
    "0001-01-01T00:00:00Z",
    "0099-12-31T23:59:59-23:59",
    "9999-12-31T23:59:59.9999999Z",
    "9999-12-31T23:59:59-14:00",
])  # fmt: skip
def test_each_form_of_rfc_3339_is_read(text: str) -> None:
    assert VALIDATORS["validation"][LifecycleEvent].is_valid({"start_time": text})
    event = LifecycleEvent.model_validate_json(json.dumps({"start_time": text}))
    assert LifecycleEvent.model_validate({"start_time": text}) == event
    # What Python reads has six digits of a second.
    six = re.sub(r"(\.\d{1,6})\d*", lambda digits: digits[1].ljust(7, "0"), text)
    assert event.start_time == datetime.fromisoformat(six.upper().replace("Z", "+00:00"))


def test_a_mutation_is_tried_at_any_depth() -> None:
    dump = {"a": [{"b": 1}, 2], "c": None}
    assert places(dump) == [("a",), ("a", 0), ("a", 0, "b"), ("a", 1), ("c",)]
    assert times_by_type(copy.deepcopy(dump)) == dump


def test_every_class_of_the_union_is_drawn() -> None:
    (union, *_) = get_args(DeploymentTarget)
    assert list(get_args(union)) == TARGETS
    assert {CloudFormationTarget, UnknownTarget} < set(ADAPTERS)


def test_a_time_whose_utc_is_before_the_year_1_is_read() -> None:
    text = "0001-01-01T00:00:00+14:00"
    assert VALIDATORS["validation"][LifecycleEvent].is_valid({"start_time": text})
    assert LifecycleEvent.model_validate({"start_time": text}).start_time is not None


@pytest.mark.parametrize("text", ["2016-12-31T23:59:60Z", "1990-12-31T15:59:60.5-08:00"])
def test_a_leap_second_is_refused_by_the_schema_s_format_too(text: str) -> None:
    # RFC 3339 has it; Python, botocore and the checker of the format do not.
    assert not VALIDATORS["validation"][LifecycleEvent].is_valid({"start_time": text})
    assert not accepts(LifecycleEvent.model_validate, {"start_time": text})

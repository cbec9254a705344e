"""The models' own JSON: what they write they read, and their JSON Schema tells the truth."""

from __future__ import annotations

import copy
import json
import re
from datetime import datetime
from typing import Any, Literal, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, TypeAdapter, ValidationError
from support.models import MODELS, TARGETS, any_model, any_target, json_values
from support.strategies import AWS_NAMES, ENUMS, attribute

import codedeploy_targets
from codedeploy_targets import BatchGetDeploymentTargetsOutput as Output
from codedeploy_targets import DeploymentTarget, ECSTaskSet, InstanceTarget, LifecycleEvent

Mode = Literal["validation", "serialization"]
BY_ALIAS: list[dict[str, Any]] = [{}, {"by_alias": True}, {"by_alias": False}]
each_mode = pytest.mark.parametrize("mode", get_args(Mode))
each_alias = pytest.mark.parametrize("by_alias", BY_ALIAS, ids=["unset", "true", "false"])
ANY_TARGET: TypeAdapter[Any] = TypeAdapter(DeploymentTarget)
TARGET_LIST: TypeAdapter[Any] = TypeAdapter(list[DeploymentTarget])
ADAPTERS: dict[type[BaseModel], TypeAdapter[Any]] = {cls: TypeAdapter(cls) for cls in MODELS}
EVENTS = ADAPTERS[LifecycleEvent]


def validator(adapter: TypeAdapter[Any], mode: Mode) -> Any:
    schema = adapter.json_schema(mode=mode)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


VALIDATORS: dict[TypeAdapter[Any], dict[Mode, Any]] = {
    adapter: {mode: validator(adapter, mode) for mode in get_args(Mode)}
    for adapter in (*ADAPTERS.values(), ANY_TARGET, TARGET_LIST)
}


# What they write they read ----------------------------------------------------------------------


def assert_comes_back(adapter: TypeAdapter[Any], value: Any) -> None:
    plain = json.loads(adapter.dump_json(value))
    for schema in VALIDATORS[adapter].values():
        schema.validate(plain)
    for by_alias in BY_ALIAS:
        python, text = adapter.dump_python(value, **by_alias), adapter.dump_json(value, **by_alias)
        assert plain == json.loads(text) == adapter.dump_python(value, mode="json", **by_alias)
        for read in (*map(adapter.validate_python, (python, plain)), adapter.validate_json(text)):
            assert (read, type(read)) == (value, type(value))


@given(any_model)
def test_a_model_comes_back(model: Any) -> None:
    cls = type(model)
    assert_comes_back(ADAPTERS[cls], model)
    for by_alias in BY_ALIAS:
        assert cls.model_validate(model.model_dump(**by_alias)) == model
        assert cls.model_validate_json(model.model_dump_json(**by_alias)) == model


@given(st.lists(any_target, max_size=4))
def test_targets_come_back_through_the_union_and_in_an_output(targets: list[Any]) -> None:
    assert_comes_back(TARGET_LIST, targets)
    for target in targets:
        assert_comes_back(ANY_TARGET, target)
    assert_comes_back(ADAPTERS[Output], Output(deployment_targets=targets))


# JSON Schema ------------------------------------------------------------------------------------


@each_mode
@each_alias
def test_the_schema_has_the_attributes_names(mode: Mode, by_alias: dict[str, Any]) -> None:
    schemas = [adapter.json_schema(mode=mode, **by_alias) for adapter in VALIDATORS]
    schemas += [cls.model_json_schema(mode=mode, **by_alias) for cls in MODELS]
    assert [name for name in AWS_NAMES if f'"{name}"' in json.dumps(schemas)] == []
    found = {schema["title"]: schema for schema in schemas if "title" in schema}
    for schema in schemas:
        found |= schema.get("$defs", {})
    for cls in MODELS:
        structure = found[cls.__name__]
        assert list(structure["properties"]) == list(cls.model_fields)
        assert structure["additionalProperties"] is False
        needed = {"deployment_target_type", "raw"} if mode == "validation" else cls.model_fields
        assert set(structure.get("required", [])) == set(needed) & cls.model_fields.keys()


@each_mode
def test_the_five_classes_are_one_of_with_a_discriminator(mode: Mode) -> None:
    refs = {cls.__name__: f"#/$defs/{cls.__name__}" for cls in TARGETS}
    union = ANY_TARGET.json_schema(mode=mode)
    output = Output.model_json_schema(mode=mode)
    for schema in (union, output["properties"]["deployment_targets"]["items"]):
        assert schema["oneOf"] == [{"$ref": ref} for ref in refs.values()]
        named = {"propertyName": "deployment_target_type", "mapping": refs}
        assert schema["discriminator"] == named
    for name in refs:
        assert union["$defs"][name]["properties"]["deployment_target_type"]["const"] == name


@each_mode
@pytest.mark.parametrize("name", ENUMS)
def test_an_open_enum_is_a_string_with_aws_s_values_as_examples(name: str, mode: Mode) -> None:
    schema = TypeAdapter(getattr(codedeploy_targets, name)).json_schema(mode=mode)
    assert schema == {"title": name, "type": "string", "examples": ENUMS[name]}
    assert ANY_TARGET.json_schema(mode=mode)["$defs"][name] == schema


# What is accepted -------------------------------------------------------------------------------


def accepted(adapter: TypeAdapter[Any], value: Any) -> list[BaseModel]:
    """Return the models that were read of a value, from Python and from JSON."""
    models = []
    for validate, said in (
        (adapter.validate_python, value),
        (adapter.validate_json, json.dumps(value)),
    ):
        try:
            models.append(validate(said))
        except ValidationError:
            continue
    return models


def is_kept(said: Any, kept: Any) -> bool:
    """Tell whether each member that was said, at any depth, is still there."""
    if isinstance(said, dict) and isinstance(kept, dict):
        return all(name in kept and is_kept(said[name], kept[name]) for name in said)
    if isinstance(said, list) and isinstance(kept, list):
        return len(said) == len(kept) and all(map(is_kept, said, kept))
    return not isinstance(said, (dict, list))


def insides(value: Any) -> list[Any]:
    """Return the objects and lists inside a dump, and the dump itself."""
    if not isinstance(value, (dict, list)):
        return []
    inner = value.values() if isinstance(value, dict) else value
    return [value, *(found for each in inner for found in insides(each))]


OTHER_VALUES = (
    st.sampled_from([
        None, True, 0, 1.0, 1.5, -1.75, 10**30, "", "Failed", "InstanceTarget", [], {}, [None],
        {"status": "Failed"}, {"status": 5}, "2019-01-01T12:30:00Z", "2019-01-01t12:30:00.5z",
        "2019-01-01T12:30:00", "2019-01-01", "1546345800", "yesterday", 1546345800,
    ])
    | json_values
).map(copy.deepcopy)  # fmt: skip
NAMES = ["status", "target_id", "raw", "future", "targetId", *AWS_NAMES]


@st.composite
def mutated_dumps(draw: st.DrawFn) -> tuple[type[BaseModel], Any]:
    model = draw(any_model)
    dump = model.model_dump(mode="json")
    for _ in range(draw(st.integers(1, 2))):
        inside, value = draw(st.sampled_from(insides(dump))), draw(OTHER_VALUES)
        keys = [*inside] if isinstance(inside, dict) else [*range(len(inside))]
        drop, put = draw(st.tuples(st.booleans(), st.booleans()))
        if keys and drop:
            dropped = inside.pop(draw(st.sampled_from(keys)))
            value = draw(st.sampled_from([dropped, value]))
        if isinstance(inside, list):
            inside.append(value)
        elif put:
            inside[draw(st.sampled_from([*keys, *NAMES]))] = value
    return type(model), dump


@given(mutated_dumps())
@example((ECSTaskSet, {"desired_count": 1.0, "traffic_weight": 100}))
@example((LifecycleEvent, {"start_time": -1.75, "status": "Paused"}))
@example((InstanceTarget, {"target_id": "i-1"}))
def test_a_model_reads_what_its_schema_allows_and_loses_nothing(
    case: tuple[type[BaseModel], Any],
) -> None:
    cls, dump = case
    for adapter in (ADAPTERS[cls], *([ANY_TARGET] if cls in TARGETS else [])):
        models = accepted(adapter, dump)
        if VALIDATORS[adapter]["validation"].is_valid(dump):
            assert len(models) == 2
        for model in models:
            assert is_kept(dump, model.model_dump(mode="json"))


def test_insides_and_is_kept_see_what_is_lost() -> None:
    dump = {"a": [{"b": 1}, 2], "c": None}
    assert insides(dump) == [dump, dump["a"], {"b": 1}]
    assert is_kept(dump, {**dump, "d": 1})
    assert not is_kept(dump, {"a": [{}, 2], "c": None})


@pytest.mark.parametrize("cls", MODELS)
def test_no_name_of_aws_s_is_read(cls: Any) -> None:
    needed: dict[str, Any] = {"raw": {}} if "raw" in cls.model_fields else {}
    names = [name for name in AWS_NAMES if attribute(name) in cls.model_fields]
    for name in (*names, "deploymentTarget", "Error", "__type"):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            cls(**needed, **{name: None})
        assert accepted(ADAPTERS[cls], {**needed, name: None}) == []


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_a_number_that_json_does_not_have_is_refused(number: float) -> None:
    # pydantic would write it as null, and so lose it.
    assert accepted(ADAPTERS[ECSTaskSet], {"traffic_weight": number}) == []


def test_the_union_needs_the_type_that_a_class_by_itself_knows() -> None:
    without = {"target_id": "i-1"}
    assert accepted(ADAPTERS[InstanceTarget], without) == [InstanceTarget(target_id="i-1")] * 2
    assert accepted(ANY_TARGET, without) == []


@pytest.mark.parametrize("text", [
    "2019-01-01T12:30:00Z", "2019-01-01t12:30:00.1z", "2019-01-01T12:30:00-00:00",
    "2019-01-01T12:30:00+23:59", "2019-01-01T12:30:00.123456789Z",
    "2019-01-01T12:30:00.123456789012345678901234567890Z", "1969-12-31t23:59:59.999999999z",
    "1912-06-01T00:00:00.5+00:01", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
    "0099-12-31T23:59:59-23:59", "9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59-14:00",
])  # fmt: skip
def test_each_form_of_rfc_3339_is_read(text: str) -> None:
    assert VALIDATORS[EVENTS]["validation"].is_valid({"start_time": text})
    # What Python reads has six digits of a second.
    six = re.sub(r"(\.\d{1,6})\d*", lambda digits: digits[1].ljust(7, "0"), text)
    moment = datetime.fromisoformat(six.upper().replace("Z", "+00:00"))
    events: list[Any] = accepted(EVENTS, {"start_time": text})
    # As text: Python cannot compare times whose UTC is before the year 1.
    assert [event.start_time.isoformat() for event in events] == [moment.isoformat()] * 2


@pytest.mark.parametrize("time", [
    "2019-01-01T12:30:00", "yesterday", [], {}, 1e300,
    # RFC 3339 has leap seconds; Python, botocore and the checker of the format do not.
    "2016-12-31T23:59:60Z", "1990-12-31T15:59:60.5-08:00",
])  # fmt: skip
def test_what_is_no_time_with_a_zone_is_refused(time: Any) -> None:
    assert not VALIDATORS[EVENTS]["validation"].is_valid({"start_time": time})
    assert accepted(EVENTS, {"start_time": time}) == []
    with pytest.raises(ValidationError, match="timezone"):
        LifecycleEvent(start_time=datetime(2019, 1, 1))  # noqa: DTZ001

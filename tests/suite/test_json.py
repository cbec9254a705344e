"""The models' own JSON: what they write they read, and their JSON Schema tells the truth."""

from __future__ import annotations

import copy
import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from support.models import MODELS, TARGETS, any_model, any_target, json_values
from support.strategies import AWS_NAMES, attribute

from codedeploy_targets import (
    BatchGetDeploymentTargetsOutput,
    CloudFormationTarget,
    DeploymentTarget,
    ECSTaskSet,
    InstanceTarget,
    LifecycleErrorCode,
    LifecycleEvent,
    LifecycleEventStatus,
    TargetLabel,
    TargetStatus,
    UnknownTarget,
)

if TYPE_CHECKING:
    from enum import Enum

Mode = Literal["validation", "serialization"]
BY_ALIAS: list[dict[str, Any]] = [{}, {"by_alias": True}, {"by_alias": False}]
each_mode = pytest.mark.parametrize("mode", get_args(Mode))
each_alias = pytest.mark.parametrize("by_alias", BY_ALIAS, ids=["unset", "true", "false"])
ANY_TARGET: TypeAdapter[Any] = TypeAdapter(DeploymentTarget)
TARGET_LIST: TypeAdapter[Any] = TypeAdapter(list[DeploymentTarget])
ADAPTERS: dict[type[BaseModel], TypeAdapter[Any]] = {cls: TypeAdapter(cls) for cls in MODELS}
UNIONS: list[TypeAdapter[Any]] = [ANY_TARGET, TARGET_LIST]


def validator(adapter: TypeAdapter[Any], mode: Mode) -> Any:
    schema = adapter.json_schema(mode=mode)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


VALIDATORS: dict[Any, dict[Mode, Any]] = {
    adapter: {mode: validator(adapter, mode) for mode in get_args(Mode)}
    for adapter in (*ADAPTERS.values(), *UNIONS)
}
IS_EVENT = VALIDATORS[ADAPTERS[LifecycleEvent]]["validation"].is_valid


# What they write they read ----------------------------------------------------------------------


def assert_comes_back(adapter: TypeAdapter[Any], value: Any) -> None:
    plain = json.loads(adapter.dump_json(value))
    for schema in VALIDATORS[adapter].values():
        schema.validate(plain)
    for by_alias in BY_ALIAS:
        python, text = adapter.dump_python(value, **by_alias), adapter.dump_json(value, **by_alias)
        assert plain == json.loads(text) == adapter.dump_python(value, mode="json", **by_alias)
        for read in (
            adapter.validate_python(python),
            adapter.validate_python(plain),
            adapter.validate_json(text),
        ):
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
    output = BatchGetDeploymentTargetsOutput(deployment_targets=targets)
    assert_comes_back(ADAPTERS[BatchGetDeploymentTargetsOutput], output)


# JSON Schema ------------------------------------------------------------------------------------


@each_mode
@each_alias
def test_the_schema_has_the_attributes_names(mode: Mode, by_alias: dict[str, Any]) -> None:
    schemas = [adapter.json_schema(mode=mode, **by_alias) for adapter in VALIDATORS]
    schemas += [cls.model_json_schema(mode=mode, **by_alias) for cls in MODELS]
    shown = {name for name in AWS_NAMES if f'"{name}"' in json.dumps(schemas)}
    assert shown == set()
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
    output = BatchGetDeploymentTargetsOutput.model_json_schema(mode=mode)
    for schema in (union, output["properties"]["deployment_targets"]["items"]):
        assert schema["oneOf"] == [{"$ref": ref} for ref in refs.values()]
        assert schema["discriminator"] == {
            "propertyName": "deployment_target_type",
            "mapping": refs,
        }
    for name in refs:
        assert union["$defs"][name]["properties"]["deployment_target_type"]["const"] == name


@each_mode
@pytest.mark.parametrize(
    "enum", [TargetStatus, LifecycleEventStatus, LifecycleErrorCode, TargetLabel]
)
def test_an_open_enum_is_a_string_with_aws_s_values_as_examples(
    enum: type[Enum], mode: Mode
) -> None:
    schema = TypeAdapter(enum).json_schema(mode=mode)
    examples = [member.value for member in enum]
    assert schema == {"title": enum.__name__, "type": "string", "examples": examples}
    assert ANY_TARGET.json_schema(mode=mode)["$defs"][enum.__name__] == schema


# What is accepted -------------------------------------------------------------------------------


def accepted(adapter: TypeAdapter[Any], value: Any) -> list[BaseModel]:
    """Return the models that were read of a value, from Python and from JSON."""
    models = []
    for validate, given_ in (
        (adapter.validate_python, value),
        (adapter.validate_json, json.dumps(value)),
    ):
        try:
            models.append(validate(given_))
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
def mutated_dumps(draw: st.DrawFn) -> tuple[type[BaseModel], Any]:
    model = draw(any_model)
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


@given(mutated_dumps())
@example((ECSTaskSet, {"desired_count": 1.0, "traffic_weight": 100}))
@example((LifecycleEvent, {"start_time": -1.75, "status": "Paused"}))
@example((InstanceTarget, {"target_id": "i-1"}))
@example((InstanceTarget, {"targetId": "i-1"}))
@example((InstanceTarget, {"deploymentTargetType": "InstanceTarget"}))
@example((BatchGetDeploymentTargetsOutput, {"deploymentTarget": {}}))
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


@pytest.mark.parametrize("cls", MODELS)
def test_no_name_of_aws_s_is_read(cls: Any) -> None:
    given_: dict[str, Any] = {"raw": {}} if cls is UnknownTarget else {}
    names = [name for name in AWS_NAMES if attribute(name) in cls.model_fields]
    for name in (*names, "deploymentTarget", "Error", "__type"):
        with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
            cls(**given_, **{name: None})
        assert accepted(ADAPTERS[cls], {**given_, name: None}) == []


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_a_number_that_json_does_not_have_is_refused(number: float) -> None:
    # pydantic would write it as null, and so lose it.
    adapter = ADAPTERS[CloudFormationTarget]
    assert accepted(adapter, {"target_version_weight": number}) == []


def test_the_union_needs_the_type_that_a_class_by_itself_knows() -> None:
    without = {"target_id": "i-1"}
    assert accepted(ADAPTERS[InstanceTarget], without) == [InstanceTarget(target_id="i-1")] * 2
    assert accepted(ANY_TARGET, without) == []


@pytest.mark.parametrize("text", [
    "2019-01-01T12:30:00Z",
    "2019-01-01t12:30:00.1z",
    "2019-01-01T12:30:00-00:00",
    "2019-01-01T12:30:00+23:59",
    "2019-01-01T12:30:00.123456789Z",
    "2019-01-01T12:30:00.123456789012345678901234567890Z",
    "1969-12-31t23:59:59.999999999z",
    "1912-06-01T00:00:00.5+00:01",
    "0001-01-01T00:00:00Z",
    "0099-12-31T23:59:59-23:59",
    "9999-12-31T23:59:59.9999999Z",
    "9999-12-31T23:59:59-14:00",
])  # fmt: skip
def test_each_form_of_rfc_3339_is_read(text: str) -> None:
    assert IS_EVENT({"start_time": text})
    # What Python reads has six digits of a second.
    six = re.sub(r"(\.\d{1,6})\d*", lambda digits: digits[1].ljust(7, "0"), text)
    moment = datetime.fromisoformat(six.upper().replace("Z", "+00:00"))
    event = LifecycleEvent(start_time=moment)
    assert accepted(ADAPTERS[LifecycleEvent], {"start_time": text}) == [event, event]


def test_a_time_whose_utc_is_before_the_year_1_is_read() -> None:
    dump = {"start_time": "0001-01-01T00:00:00+14:00"}
    assert IS_EVENT(dump)
    assert len(accepted(ADAPTERS[LifecycleEvent], dump)) == 2


@pytest.mark.parametrize("time", [
    "2019-01-01T12:30:00", "yesterday", [], {}, 1e300,
    # RFC 3339 has leap seconds; Python, botocore and the checker of the format do not.
    "2016-12-31T23:59:60Z", "1990-12-31T15:59:60.5-08:00",
])  # fmt: skip
def test_what_is_no_time_with_a_zone_is_refused(time: Any) -> None:
    assert not IS_EVENT({"start_time": time})
    assert accepted(ADAPTERS[LifecycleEvent], {"start_time": time}) == []


def test_the_tests_of_this_module_draw_all_there_is() -> None:
    (union, *_) = get_args(DeploymentTarget)
    assert list(get_args(union)) == TARGETS
    dump = {"a": [{"b": 1}, 2], "c": None}
    assert places(dump) == [("a",), ("a", 0), ("a", 0, "b"), ("a", 1), ("c",)]
    assert is_kept(dump, {**dump, "d": 1})
    assert not is_kept(dump, {"a": [{}, 2], "c": None})

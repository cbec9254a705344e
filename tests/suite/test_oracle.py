"""botocore is the oracle: `to_boto3()` is what boto3 returns for the same bytes."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import timedelta
from typing import Any

import pytest
from botocore.stub import Stubber
from hypothesis import example, given
from hypothesis import strategies as st
from support import doors
from support.doors import BESIDE, DOORS, REQUEST, boto3_reads, call, page_of
from support.endpoint import canned, unanswered
from support.labels import with_aws_labels
from support.models import EPOCH
from support.strategies import answers, envelopes, milliseconds

from codedeploy_targets import BatchGetDeploymentTargetsOutput as Output
from codedeploy_targets import DeploymentTargetsClient, UnknownTarget

STUBBED = canned(unanswered)
# Versions of pydantic get a fraction before 1970, and large numbers, wrong by themselves.
ODD_EVENT = {"startTime": -86_400.125, "endTime": 20_000_000_001}
ODD_TIMES = page_of({"instanceTarget": {"lastUpdatedAt": -1.75, "lifecycleEvents": [ODD_EVENT]}})


@given(answers, st.booleans())
@example(ODD_TIMES, False)  # noqa: FBT003
def test_the_same_bytes_give_one_dict_by_each_door(answer: dict[str, Any], escaped: object) -> None:
    body = json.dumps(answer, ensure_ascii=bool(escaped)).encode()
    plain = boto3_reads(body)
    expected = with_aws_labels(plain)
    output = call(body)
    assert output.to_boto3() == expected
    if not plain:
        return  # it names no targets at all, which `from_boto3` refuses
    for door in ("dict", "str", "bytes"):
        read = DOORS[door](json.loads(body) if door == "dict" else body)
        assert read.to_boto3() == expected
        assert read.deployment_targets == output.deployment_targets
        assert read.missing_target_ids == read.response_metadata == []


@given(answers)
@example(ODD_TIMES)
def test_an_already_parsed_dict_comes_back_as_it_was(answer: dict[str, Any]) -> None:
    plain = boto3_reads(answer)
    before, expected = copy.deepcopy(plain), with_aws_labels(plain)
    with Stubber(STUBBED) as stubber:
        stubber.add_response("batch_get_deployment_targets", plain, REQUEST)
        output = DeploymentTargetsClient(STUBBED).batch_get_deployment_targets(**REQUEST)
    assert output.to_boto3() == expected
    assert not plain or Output.from_boto3(plain).to_boto3() == expected
    assert plain == before


@given(answers)
@example(ODD_TIMES)
def test_what_was_read_comes_back_from_each_of_its_dumps(answer: dict[str, Any]) -> None:
    output = call(answer)
    for model in (output, *output.deployment_targets):
        cls = type(model)
        assert cls.model_validate(model.model_dump()) == model
        assert cls.model_validate_json(model.model_dump_json()) == model
        assert copy.deepcopy(model) == model
        again = pickle.loads(pickle.dumps(model))
        doors.assert_same(again, model)
        assert again.to_boto3() == model.to_boto3()
    for target in output.deployment_targets:
        # boto3's dict has no place for the payload of an unknown type; `raw` holds it.
        plain = target.raw if isinstance(target, UnknownTarget) else target.to_boto3()
        if isinstance(target, UnknownTarget) and target.raw_type is None:
            # On its own, an object without a type could be anything.
            with pytest.raises(ValueError, match="expected the envelope of one UnknownTarget"):
                UnknownTarget.from_boto3(plain)
        else:
            doors.assert_same(type(target).from_boto3(plain), target)


@given(st.lists(envelopes, min_size=1, max_size=3), st.sampled_from(BESIDE))
def test_a_target_is_the_same_whatever_stands_beside_it(
    drawn: list[dict[str, Any]], beside: dict[str, Any]
) -> None:
    _, *together = call(page_of(beside, *drawn)).deployment_targets
    for envelope, one in zip(drawn, together, strict=True):
        alone = page_of(envelope)
        parsed = boto3_reads(alone)
        for read in DOORS.values():
            doors.assert_same(one, *read(alone).deployment_targets)
        if not isinstance(one, UnknownTarget):
            doors.assert_same(one, *Output.from_boto3(parsed).deployment_targets)
            doors.assert_same(one, type(one).from_boto3(envelope))
        assert type(one).model_validate_json(one.model_dump_json(exclude_unset=True)) == one


@given(milliseconds)
@example(16_725_225_599_999)
def test_a_time_is_that_of_boto3_to_the_microsecond(number: int) -> None:
    answer = page_of({"instanceTarget": {"targetId": "i-1", "lastUpdatedAt": number / 1000}})
    plain = boto3_reads(answer)["deploymentTargets"][0]["instanceTarget"]["lastUpdatedAt"]
    assert abs(plain - EPOCH - timedelta(milliseconds=number)) <= timedelta(microseconds=1)
    for read in DOORS.values():
        (target,) = read(answer).deployment_targets
        assert target.last_updated_at == plain

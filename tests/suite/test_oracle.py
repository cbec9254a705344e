"""botocore is the oracle: `to_boto3()` is what boto3 returns for the same bytes."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from botocore.stub import Stubber
from hypothesis import example, given
from hypothesis import strategies as st
from support.endpoint import Response, canned, unanswered
from support.labels import with_aws_labels
from support.strategies import answers

from codedeploy_targets import (
    BatchGetDeploymentTargetsOutput,
    DeploymentTargetsClient,
    UnknownTarget,
)

BODY = {"bytes": b""}
BOTO3 = canned(lambda *_: Response(BODY["bytes"]))
CLIENT = DeploymentTargetsClient(BOTO3)
STUBBED = canned(unanswered)
REQUEST: dict[str, Any] = {"deploymentId": "d-1", "targetIds": ["i-1"]}
# pydantic below 2.14.2 gets times before 1970 with a fraction wrong by itself.
BEFORE_1970: dict[str, Any] = {
    "deploymentTargets": [
        {
            "deploymentTargetType": "InstanceTarget",
            "instanceTarget": {
                "lastUpdatedAt": -1.75,
                "lifecycleEvents": [{"startTime": -86_400.125, "endTime": -0.25}],
            },
        }
    ]
}


def boto3_reads(body: bytes) -> dict[str, Any]:
    BODY["bytes"] = body
    response: dict[str, Any] = BOTO3.batch_get_deployment_targets(**REQUEST)
    del response["ResponseMetadata"]
    return response


@given(answers, st.booleans())
@example(BEFORE_1970, False)  # noqa: FBT003
def test_the_same_bytes_give_the_same_dict(answer: dict[str, Any], escaped: object) -> None:
    plain = boto3_reads(json.dumps(answer, ensure_ascii=bool(escaped)).encode())
    output = CLIENT.batch_get_deployment_targets(**REQUEST)
    assert output.to_boto3() == with_aws_labels(plain)


@given(answers)
@example(BEFORE_1970)
def test_an_already_parsed_dict_comes_back_as_it_was(answer: dict[str, Any]) -> None:
    plain = boto3_reads(json.dumps(answer).encode())
    before = copy.deepcopy(plain)
    with Stubber(STUBBED) as stubber:
        stubber.add_response("batch_get_deployment_targets", plain, REQUEST)
        output = DeploymentTargetsClient(STUBBED).batch_get_deployment_targets(**REQUEST)
    assert output.to_boto3() == with_aws_labels(plain)
    assert plain == before


@given(answers)
@example(BEFORE_1970)
def test_a_target_comes_back_from_each_of_its_dumps(answer: dict[str, Any]) -> None:
    boto3_reads(json.dumps(answer).encode())
    output = CLIENT.batch_get_deployment_targets(**REQUEST)
    for model in (output, *output.deployment_targets):
        cls = type(model)
        assert cls.model_validate(model.model_dump()) == model
        assert cls.model_validate_json(model.model_dump_json()) == model
        assert pickle.loads(pickle.dumps(model)) == model
        assert copy.deepcopy(model) == model
        assert pickle.loads(pickle.dumps(model)).to_boto3() == model.to_boto3()
    for target in output.deployment_targets:
        # boto3's dict has no place for the payload of an unknown type; `raw` holds it.
        plain = target.raw if isinstance(target, UnknownTarget) else target.to_boto3()
        if isinstance(target, UnknownTarget) and target.raw_type is None:
            # On its own, an object without a type could be anything.
            with pytest.raises(ValueError, match="expected the envelope of one UnknownTarget"):
                UnknownTarget.from_boto3(plain)
        else:
            assert type(target).from_boto3(plain) == target


@given(answers)
@example(BEFORE_1970)
def test_an_answer_is_read_alike_from_boto3_s_dict_and_from_text(answer: dict[str, Any]) -> None:
    text = json.dumps(answer)
    plain = boto3_reads(text.encode())
    if not plain:
        return  # it names no targets at all, which `from_boto3` refuses
    read = BatchGetDeploymentTargetsOutput.from_boto3(plain)
    assert read.to_boto3() == with_aws_labels(plain)
    assert read.missing_target_ids == []
    assert read.response_metadata == []
    for same in (text, text.encode(), json.loads(text)):
        assert BatchGetDeploymentTargetsOutput.from_boto3(same).to_boto3() == read.to_boto3()
    typed = CLIENT.batch_get_deployment_targets(**REQUEST)
    assert (
        BatchGetDeploymentTargetsOutput.from_boto3(text).deployment_targets
        == typed.deployment_targets
    )

"""botocore is the oracle: `to_boto3()` is what boto3 returns for the same bytes."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

from botocore.stub import Stubber
from endpoint import Response, canned, unanswered
from hypothesis import given
from hypothesis import strategies as st
from strategies import answers

from codedeploy_targets import DeploymentTargetsClient

BODY = {"bytes": b""}
BOTO3 = canned(lambda *_: Response(BODY["bytes"]))
CLIENT = DeploymentTargetsClient(BOTO3)
STUBBED = canned(unanswered)
REQUEST: dict[str, Any] = {"deploymentId": "d-1", "targetIds": ["i-1"]}


def boto3_reads(body: bytes) -> dict[str, Any]:
    BODY["bytes"] = body
    response: dict[str, Any] = BOTO3.batch_get_deployment_targets(**REQUEST)
    del response["ResponseMetadata"]
    return response


@given(answers, st.booleans())
def test_the_same_bytes_give_the_same_dict(answer: dict[str, Any], escaped: object) -> None:
    plain = boto3_reads(json.dumps(answer, ensure_ascii=bool(escaped)).encode())
    assert CLIENT.batch_get_deployment_targets(**REQUEST).to_boto3() == plain


@given(answers)
def test_an_already_parsed_dict_comes_back_as_it_was(answer: dict[str, Any]) -> None:
    plain = boto3_reads(json.dumps(answer).encode())
    with Stubber(STUBBED) as stubber:
        stubber.add_response("batch_get_deployment_targets", plain, REQUEST)
        output = DeploymentTargetsClient(STUBBED).batch_get_deployment_targets(**REQUEST)
    assert output.to_boto3() == plain


@given(answers)
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
        plain = target.to_boto3()
        # A label that is not AWS's own says nothing to a model, and boto3's dict has no place
        # for what AWS's service model does not know.
        if plain.get("deploymentTargetType") == type(target).__name__:
            assert type(target).model_validate(plain) == target

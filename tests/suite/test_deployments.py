"""`get_deployment` and `DeploymentInfo`: against boto3, and where the answer is broken."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.clients import Clients
from support.codedeploy import GET, CodeDeploy, Step
from support.endpoint import Response, canned, error
from support.strategies import DEPLOYMENT, attribute, values

import codedeploy_targets as ct

REQUEST: Any = {"deploymentId": "d-1"}
MEMBERS = {
    name: values(shape)
    for name, shape in DEPLOYMENT.members.items()
    if attribute(name) in ct.DeploymentInfo.model_fields
}
OTHERS = {"revision": st.just({"revisionType": "S3"}), "future": st.integers()}
OPTIONAL = {name: st.none() | each for name, each in MEMBERS.items()}
# `status` stands beside the other members, as an object of unknown members alone is refused.
INFOS = st.fixed_dictionaries({}, optional=OPTIONAL) | st.fixed_dictionaries(
    {"status": MEMBERS["status"]}, optional=OTHERS
)
OWN = ct.DeploymentInfo(status=ct.DeploymentStatus.FAILED, application_name="hunter2")
BODY = [b""]
BOTO3 = canned(lambda *_: Response(BODY[0]))


def attributes(plain: dict[str, Any]) -> dict[str, Any]:
    return {
        attribute(name): attributes(each) if isinstance(each, dict) else each
        for name, each in plain.items()
    }


@given(INFOS)
def test_its_members_equal_those_of_boto3_by_each_door(info: dict[str, Any]) -> None:
    BODY[:] = [json.dumps({"deploymentInfo": info}).encode()]
    answer = BOTO3.get_deployment(**REQUEST)
    deployment = ct.DeploymentTargetsClient(BOTO3).get_deployment(**REQUEST)
    plain = {k: v for k, v in answer["deploymentInfo"].items() if k in MEMBERS}
    assert deployment.model_dump(exclude_none=True) == attributes(plain)
    for door in (answer, BODY[0], BODY[0].decode()):
        assert ct.DeploymentInfo.from_boto3(door) == deployment
    assert ct.DeploymentInfo.model_validate_json(deployment.model_dump_json()) == deployment
    assert deployment.is_over == (info.get("status") in {"Succeeded", "Failed", "Stopped"})


@pytest.mark.parametrize("other", [
    {}, [], "", "{", "null", {"deploymentInfo": []}, {"deploymentInfo": {"status": 5}},
    {"status": "Succeeded"}, {"deploymentInfo": {"status": "hunter2", "createTime": "hunter2"}},
    {"deploymentInfo": OWN.model_dump(mode="json")}, {"deploymentInfo": {"state": "hunter2"}},
])  # fmt: skip
def test_what_is_no_answer_is_a_value_error_that_shows_no_value(other: Any) -> None:
    says = "expected an answer to GetDeployment: an object with deploymentInfo"
    says += "|expected boto3's dict or the CLI's JSON, but it is not JSON, or was cut short"
    says += r"|deploymentInfo(\.status|\.createTime) is not as expected"
    says += "|deploymentInfo has (names of the models, not AWS's|no member that AWS knows)"
    with pytest.raises(ValueError, match=f"^({says})$") as refused:
        ct.DeploymentInfo.from_boto3(other)
    assert not isinstance(refused.value, ValidationError)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "odd", [Response(b'{"error": "blocked"}'), error("DeploymentDoesNotExistException")]
)
def test_another_shape_or_an_error_is_not_retried(clients: Clients, odd: Response) -> None:
    codedeploy = CodeDeploy(instead={GET: [odd]})
    client = clients.canned(codedeploy)
    expected = (ct.InvalidResponseError, client.exceptions.DeploymentDoesNotExistException)
    with pytest.raises(expected):
        clients.finish_cleanly(client.typed.get_deployment(**REQUEST))
    assert len(codedeploy.calls) == 1


def test_a_description_that_is_not_utf_8_is_read_all_the_same(clients: Clients) -> None:
    def spoil(response: Response) -> Response:
        return Response(response.body.replace(b"!", b"\xff\\ud83d"))

    codedeploy = CodeDeploy(Step("Ready", info={"description": "new!"}), instead={GET: [spoil]})
    get = clients.canned(codedeploy).typed.get_deployment
    assert clients.finish_cleanly(get(**REQUEST)).description == "new\ufffd\ufffd"

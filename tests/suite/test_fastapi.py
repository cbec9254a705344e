"""A FastAPI app with default settings, over HTTP: an endpoint takes what another one returns."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, Any, get_args

import pytest
import urllib3
import uvicorn
from fastapi import FastAPI
from openapi_spec_validator import OpenAPIV31SpecValidator
from support.models import MODELS
from support.pages import instance

from codedeploy_targets import (
    BatchGetDeploymentTargetsOutput,
    CloudFormationTarget,
    DeploymentTarget,
    DeploymentTargetType,
    ECSTarget,
    ECSTaskSet,
    InstanceTarget,
    LambdaFunctionInfo,
    LambdaTarget,
    ResponseMetadata,
    TargetGroupInfo,
    TargetLabel,
    TargetStatus,
    UnknownTarget,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

FULL = InstanceTarget.from_boto3(instance("i-1", events=2))
ONE_OF_EACH: list[DeploymentTarget] = [
    FULL,
    LambdaTarget(
        target_id="f",
        status=TargetStatus("Paused"),
        lambda_function_info=LambdaFunctionInfo(function_name="f", target_version_weight=0.5),
    ),
    ECSTarget(
        target_id="cluster:service",
        lifecycle_events=FULL.lifecycle_events,
        task_sets_info=[
            ECSTaskSet(
                identifier="ecs-svc/1",
                desired_count=3,
                traffic_weight=100.0,
                target_group=TargetGroupInfo(name="tg"),
                task_set_label=TargetLabel.GREEN,
            )
        ],
    ),
    CloudFormationTarget(target_id="stack", target_version_weight=12.5),
    UnknownTarget(
        raw={
            "deploymentTargetType": "MarsTarget",
            "marsTarget": {"targetId": "rover", "lastUpdatedAt": -1.75, "status": "Failed"},
        }
    ),
    InstanceTarget(),
]
OUTPUT = BatchGetDeploymentTargetsOutput(
    deployment_targets=ONE_OF_EACH,
    missing_target_ids=["i-2"],
    response_metadata=[ResponseMetadata(request_id="r", http_headers={"a": "b"})],
)
TAKEN: list[Any] = []
APP = FastAPI()


@APP.get("/target/{number}")
def get_target(number: int) -> DeploymentTarget:
    return ONE_OF_EACH[number]


@APP.get("/targets")
def get_targets() -> list[DeploymentTarget]:
    return ONE_OF_EACH


@APP.get("/output")
def get_output() -> BatchGetDeploymentTargetsOutput:
    return OUTPUT


@APP.post("/target")
def take_target(target: DeploymentTarget) -> DeploymentTarget:
    TAKEN.append(target)
    return target


@APP.post("/targets")
def take_targets(targets: list[DeploymentTarget]) -> list[DeploymentTarget]:
    TAKEN.append(targets)
    return targets


@APP.post("/output")
def take_output(output: BatchGetDeploymentTargetsOutput) -> BatchGetDeploymentTargetsOutput:
    TAKEN.append(output)
    return output


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # The listener is there already: a request that comes early waits in its queue.
        server = uvicorn.Server(uvicorn.Config(APP, log_level="warning", ws="none", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield "http://{}:{}".format(*listener.getsockname())
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def http() -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager(headers={"Content-Type": "application/json"}) as manager:
        yield manager


@pytest.mark.parametrize(("returns", "takes", "expected"), [
    *((f"/target/{number}", "/target", target) for number, target in enumerate(ONE_OF_EACH)),
    ("/targets", "/targets", ONE_OF_EACH),
    ("/output", "/output", OUTPUT),
], ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_an_endpoint_takes_what_another_returns(
    url: str, http: urllib3.PoolManager, returns: str, takes: str, expected: Any
) -> None:
    returned = http.request("GET", url + returns)
    assert returned.status == 200
    answer = http.request("POST", url + takes, body=returned.data)
    assert (answer.status, answer.data) == (200, returned.data)
    assert TAKEN.pop() == expected
    # A client in another language, or a log, has each member and no name of AWS's.
    members = json.loads(returned.data)
    if isinstance(members, list):
        assert [member.keys() for member in members] == [
            type(target).model_fields.keys() for target in ONE_OF_EACH
        ]
    else:
        assert members.keys() == type(expected).model_fields.keys()


@pytest.mark.parametrize(("takes", "body"), [
    ("/target", FULL.to_boto3()),
    ("/target", {"deploymentTarget": FULL.to_boto3()}),
    ("/target", {"target_id": "i-1"}),
    ("/target", {"targetId": "i-1", "deployment_target_type": "InstanceTarget"}),
    ("/targets", [FULL.to_boto3()]),
    ("/output", {"deploymentTargets": [FULL.to_boto3()]}),
    ("/output", {"deploymentTarget": {}}),
    ("/output", {"Error": {"Code": "ThrottlingException"}}),
])  # fmt: skip
def test_an_endpoint_refuses_what_the_models_do_not_write(
    url: str, http: urllib3.PoolManager, takes: str, body: Any
) -> None:
    body = json.dumps(body, default=str).encode()
    assert http.request("POST", url + takes, body=body).status == 422
    assert TAKEN == []


def test_its_openapi_document_is_valid_and_complete(url: str, http: urllib3.PoolManager) -> None:
    document = json.loads(http.request("GET", url + "/openapi.json").data)
    OpenAPIV31SpecValidator(document).validate()
    schemas = document["components"]["schemas"]
    names = get_args(DeploymentTargetType)
    for suffix, places in {
        "-Input": [document["paths"]["/target"]["post"]["requestBody"]],
        "-Output": [
            document["paths"][path][method]["responses"]["200"]
            for path, method in (("/target", "post"), ("/target/{number}", "get"))
        ],
    }.items():
        output = schemas[f"BatchGetDeploymentTargetsOutput{suffix}"]
        unions = [place["content"]["application/json"]["schema"] for place in places]
        for union in (*unions, output["properties"]["deployment_targets"]["items"]):
            refs = {name: f"#/components/schemas/{name}{suffix}" for name in names}
            assert union["oneOf"] == [{"$ref": ref} for ref in refs.values()]
            assert union["discriminator"] == {
                "propertyName": "deployment_target_type",
                "mapping": refs,
            }
    for cls in MODELS:
        attributes = list(cls.model_fields)
        written, read = (schemas[f"{cls.__name__}{suffix}"] for suffix in ("-Output", "-Input"))
        assert sorted(written["required"]) == sorted(attributes)
        assert list(written["properties"]) == list(read["properties"]) == attributes
        needed = {"deployment_target_type", "raw"} & set(attributes)
        assert set(read.get("required", [])) == needed

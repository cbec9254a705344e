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
from support.doors import BESIDE, from_boto3
from support.models import FULL, ONE_OF_EACH, TARGETS

from codedeploy_targets import (
    BatchGetDeploymentTargetsOutput,
    DeploymentTarget,
    DeploymentTargetType,
    InstanceTarget,
    ResponseMetadata,
    TargetFilters,
    TargetStatus,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# What was read of a page with odd targets, so that not all members were set.
READ = from_boto3({"deploymentTargets": [each for beside in BESIDE.values() for each in beside]})
TARGETS_OF_ALL_KINDS: list[DeploymentTarget] = [
    *ONE_OF_EACH, InstanceTarget(), *READ.deployment_targets
]  # fmt: skip
OUTPUT = BatchGetDeploymentTargetsOutput(
    deployment_targets=TARGETS_OF_ALL_KINDS,
    missing_target_ids=["i-2"],
    response_metadata=[ResponseMetadata(request_id="r", http_headers={"a": "b"})],
)
TAKEN: list[Any] = []
APP = FastAPI()


@APP.get("/target/{number}")
def get_target(number: int) -> DeploymentTarget:
    return TARGETS_OF_ALL_KINDS[number]


@APP.get("/targets")
def get_targets() -> list[DeploymentTarget]:
    return TARGETS_OF_ALL_KINDS


@APP.get("/unset", response_model_exclude_unset=True)
def get_what_was_set() -> list[DeploymentTarget]:
    return READ.deployment_targets


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


@APP.post("/filters")
def take_filters(filters: TargetFilters) -> None:
    TAKEN.append(filters)


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
    *((f"/target/{n}", "/target", target) for n, target in enumerate(TARGETS_OF_ALL_KINDS)),
    ("/targets", "/targets", TARGETS_OF_ALL_KINDS),
    ("/unset", "/targets", READ.deployment_targets),
    ("/output", "/output", OUTPUT),
], ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_an_endpoint_takes_what_another_returns(
    url: str, http: urllib3.PoolManager, returns: str, takes: str, expected: Any
) -> None:
    returned = http.request("GET", url + returns)
    assert returned.status == 200
    answer = http.request("POST", url + takes, body=returned.data)
    assert answer.status == 200
    assert TAKEN.pop() == expected
    said = json.loads(returned.data)
    for members, model in zip(*map(as_list, (said, expected)), strict=True):
        if returns == "/unset":
            assert members.keys() == model.model_fields_set
        else:
            # A client in another language, or a log, has each member and no name of AWS's.
            assert members.keys() == type(model).model_fields.keys()
            assert answer.data == returned.data


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize(("takes", "body"), [
    ("/target", FULL[0].to_boto3()),
    ("/target", {"deploymentTarget": FULL[0].to_boto3()}),
    ("/target", {"target_id": "i-1"}),
    ("/target", {"targetId": "i-1", "deployment_target_type": "InstanceTarget"}),
    ("/targets", [FULL[0].to_boto3()]),
    ("/output", {"deploymentTargets": [FULL[0].to_boto3()]}),
    ("/output", {"Error": {"Code": "ThrottlingException"}}),
    ("/filters", {"TargetStatus": [5]}),
    ("/filters", {"TargetStatus": "Failed"}),
])  # fmt: skip
def test_an_endpoint_refuses_what_the_models_do_not_write(
    url: str, http: urllib3.PoolManager, takes: str, body: Any
) -> None:
    body = json.dumps(body, default=str).encode()
    assert http.request("POST", url + takes, body=body).status == 422
    assert TAKEN == []


def test_an_endpoint_takes_filters(url: str, http: urllib3.PoolManager) -> None:
    filters = {"TargetStatus": ["Failed", "Paused"], "ServerInstanceLabel": ["Blue"]}
    body = json.dumps(filters).encode()
    assert http.request("POST", url + "/filters", body=body).status == 200
    taken = TAKEN.pop()
    assert {name: [*values] for name, values in taken.items()} == filters
    assert taken["TargetStatus"][0] == TargetStatus.FAILED


def test_its_openapi_document_is_valid_and_complete(url: str, http: urllib3.PoolManager) -> None:
    document = json.loads(http.request("GET", url + "/openapi.json").data)
    OpenAPIV31SpecValidator(document).validate()
    schemas, paths = document["components"]["schemas"], document["paths"]
    assert set(schemas["TargetFilters"]["properties"]) == {"TargetStatus", "ServerInstanceLabel"}
    for suffix, places in {
        "-Input": [paths["/target"]["post"]["requestBody"]],
        "-Output": [
            paths[path][method]["responses"]["200"]
            for path, method in (("/target", "post"), ("/target/{number}", "get"))
        ],
    }.items():
        output = schemas[f"BatchGetDeploymentTargetsOutput{suffix}"]
        unions = [place["content"]["application/json"]["schema"] for place in places]
        refs = {n: f"#/components/schemas/{n}{suffix}" for n in get_args(DeploymentTargetType)}
        for union in (*unions, output["properties"]["deployment_targets"]["items"]):
            assert union["oneOf"] == [{"$ref": ref} for ref in refs.values()]
            assert union["discriminator"] == {
                "propertyName": "deployment_target_type",
                "mapping": refs,
            }
        for cls in TARGETS:
            schema, attributes = schemas[f"{cls.__name__}{suffix}"], list(cls.model_fields)
            needed = {"deployment_target_type", "raw"} if suffix == "-Input" else set(attributes)
            assert list(schema["properties"]) == attributes
            assert set(schema["required"]) == needed & set(attributes)

"""A FastAPI app with default settings: an endpoint takes what another one returns."""

from __future__ import annotations

import asyncio
import json
from typing import Any, get_args

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from support.doors import BESIDE, page_of
from support.models import FULL, ONE_OF_EACH, TARGETS

import codedeploy_targets as ct
from codedeploy_targets import BatchGetDeploymentTargetsOutput as Output

# What was read of a page with odd targets, so that not all members were set.
READ = Output.from_boto3(page_of(*BESIDE)).deployment_targets
ALL: list[Any] = [*ONE_OF_EACH, ct.InstanceTarget(), *READ]
METADATA = [ct.ResponseMetadata(request_id="r", http_headers={"a": "b"})]
OUTPUT = Output(deployment_targets=ALL, missing_target_ids=["i-2"], response_metadata=METADATA)
FILTERS = {"TargetStatus": ["Failed", "Paused"], "ServerInstanceLabel": ["Blue"]}
TAKEN: list[Any] = []
APP = pytest.importorskip("fastapi").FastAPI()


def serve(path: str, of: Any, value: Any, **options: Any) -> None:
    """Add an endpoint that returns a value of a type, and one that takes and returns such."""

    def get() -> Any:
        return value

    def take(body: Any) -> Any:
        TAKEN.append(body)
        return body

    get.__annotations__["return"] = of
    take.__annotations__ |= {"body": of, "return": of}
    APP.get(path, **options)(get)
    APP.post(path)(take)


for number, each in enumerate(ALL):
    serve(f"/targets/{number}", ct.DeploymentTarget, each)
serve("/targets", list[ct.DeploymentTarget], ALL)
serve("/unset", list[ct.DeploymentTarget], READ, response_model_exclude_unset=True)
serve("/output", Output, OUTPUT)
serve("/filters", ct.TargetFilters, FILTERS)


def ask(method: str, path: str, body: Any = None) -> httpx.Response:
    async def main() -> httpx.Response:
        transport = httpx.ASGITransport(APP, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            headers = {"Content-Type": "application/json"}
            return await client.request(method, path, content=body, headers=headers)

    return asyncio.run(main())


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize(("path", "expected"), [
    *((f"/targets/{number}", each) for number, each in enumerate(ALL)),
    ("/targets", ALL), ("/unset", READ), ("/output", OUTPUT),
])  # fmt: skip
def test_an_endpoint_takes_what_another_returns(path: str, expected: Any) -> None:
    returned = ask("GET", path)
    answer = ask("POST", path, returned.content)
    assert (returned.status_code, answer.status_code) == (200, 200)
    assert TAKEN.pop() == expected
    for members, model in zip(*map(as_list, (returned.json(), expected)), strict=True):
        if path == "/unset":
            assert members.keys() == model.model_fields_set
        else:
            # A client in another language, or a log, has each member and no name of AWS's.
            assert members.keys() == type(model).model_fields.keys()
            assert answer.json() == returned.json()


def test_an_endpoint_takes_filters() -> None:
    assert ask("POST", "/filters", ask("GET", "/filters").content).json() == FILTERS
    taken = TAKEN.pop()
    assert {name: [*values] for name, values in taken.items()} == FILTERS


@pytest.mark.parametrize(("path", "body"), [
    ("/targets/0", FULL[0].to_boto3()),
    ("/targets/0", {"deploymentTarget": FULL[0].to_boto3()}),
    ("/targets/0", {"target_id": "i-1"}),
    ("/targets/0", {"targetId": "i-1", "deployment_target_type": "InstanceTarget"}),
    ("/targets", [FULL[0].to_boto3()]),
    ("/output", {"deploymentTargets": [FULL[0].to_boto3()]}),
    ("/output", {"Error": {"Code": "ThrottlingException"}}),
    ("/filters", {"TargetStatus": [5]}),
    ("/filters", {"TargetStatus": "Failed"}),
    ("/filters", {"TargetStats": ["Failed"]}),
])  # fmt: skip
def test_an_endpoint_refuses_what_the_models_do_not_write(path: str, body: Any) -> None:
    assert ask("POST", path, json.dumps(body, default=str)).status_code == 422
    assert TAKEN == []


def test_its_openapi_document_is_valid_and_complete() -> None:
    document = ask("GET", "/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    schemas, endpoint = document["components"]["schemas"], document["paths"]["/targets/0"]
    assert set(schemas["TargetFilters"]["properties"]) == set(FILTERS)
    answers = [endpoint[method]["responses"]["200"] for method in ("get", "post")]
    for suffix, places in {"-Input": [endpoint["post"]["requestBody"]], "-Output": answers}.items():
        output = schemas[f"BatchGetDeploymentTargetsOutput{suffix}"]
        unions = [place["content"]["application/json"]["schema"] for place in places]
        refs = {n: f"#/components/schemas/{n}{suffix}" for n in get_args(ct.DeploymentTargetType)}
        named = {"propertyName": "deployment_target_type", "mapping": refs}
        for union in (*unions, output["properties"]["deployment_targets"]["items"]):
            assert union["oneOf"] == [{"$ref": ref} for ref in refs.values()]
            assert union["discriminator"] == named
        for cls in TARGETS:
            schema, attributes = schemas[f"{cls.__name__}{suffix}"], list(cls.model_fields)
            needed = {"deployment_target_type", "raw"} if suffix == "-Input" else set(attributes)
            assert list(schema["properties"]) == attributes
            assert set(schema["required"]) == needed & set(attributes)

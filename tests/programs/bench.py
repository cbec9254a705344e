"""The client side by side with boto3 and its peers, in one run; the table holds ratios to boto3.

Each round runs every contestant once, and medians are compared: what slows the machine slows all.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from aiobotocore.session import get_session
from botocore.parsers import create_parser
from cbor2 import dumps
from support.cbor import CBOR, read_cbor_request, to_cbor, write_model
from support.endpoint import Response, aws_response, connection, intercept
from support.loopback import answer, loopback
from support.pages import ids

from codedeploy_targets import DeploymentTargetsClient
from codedeploy_targets._parsing import read_body
from codedeploy_targets.aio import AsyncDeploymentTargetsClient

if TYPE_CHECKING:
    from collections.abc import Callable

    Contestants = dict[str, Callable[[], object]]

OURS, OURS_ASYNC = "this library", "this library, async"
VALIDATOR, CAPO = "aws-resource-validator", "capo-codedeploy"
PAGE: dict[str, Any] = {"deploymentId": "d-1", "targetIds": ids(25)}
THOUSAND = ids(1000)
BATCHES = [THOUSAND[start : start + 25] for start in range(0, 1000, 25)]
ASYNC = "aiobotocore"


def peers() -> dict[str, Any]:
    """Return the modules of the peers that are installed."""
    modules = {}
    for name, module in (
        (VALIDATOR, "aws_resource_validator.pydantic_models.codedeploy"),
        (CAPO, "capo_codedeploy"),
    ):
        try:
            modules[name] = importlib.import_module(module)
        except ImportError:
            print(f"{name} is not installed: left out")
    return modules


def medians(contestants: Contestants, *, rounds: int, repeat: int = 1) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for contestant in contestants.values():
        contestant()
    for _ in range(rounds):
        for name, contestant in contestants.items():
            # Else a contestant pays for the collection of what another left behind.
            gc.collect()
            start = time.perf_counter()
            for _ in range(repeat):
                contestant()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def validated(module: Any, response: dict[str, Any]) -> Any:
    return module.BatchGetDeploymentTargetsOutputTypeDef(**response)


def page_read(modules: dict[str, Any]) -> Contestants:
    def parse() -> Any:
        return create_parser("json").parse(response, shape)

    def validator() -> Any:
        parsed = parse()
        parsed["ResponseMetadata"] |= {"RequestId": "r", "RetryAttempts": 0}
        return validated(modules[VALIDATOR], parsed)

    body = answer("BatchGetDeploymentTargets", PAGE)
    model = boto3.client("codedeploy", **connection("http://localhost")).meta.service_model
    shape: Any = model.operation_model("BatchGetDeploymentTargets").output_shape
    response = {"body": body, "headers": {}, "status_code": 200}
    contestants: Contestants = {"boto3": parse, OURS: lambda: read_body(body)}
    return contestants | ({VALIDATOR: validator} if VALIDATOR in modules else {})


class Clients:
    """One client of each kind for an endpoint, and a loop for the async ones."""

    def __init__(self, url: str, modules: dict[str, Any], stack: ExitStack) -> None:
        self.boto3: Any = boto3.client("codedeploy", **connection(url))
        self.ours = DeploymentTargetsClient(boto3.client("codedeploy", **connection(url)))
        self.loop = asyncio.new_event_loop()
        context: Any = get_session().create_client("codedeploy", **connection(url))
        self.aio = self.run(context.__aenter__())
        self.ours_async = AsyncDeploymentTargetsClient(self.aio)
        if CAPO in modules:
            keys = {"access_key": "testing", "secret_key": "testing"}
            self.capo = modules[CAPO].CodeDeployClient(
                endpoint=url, region="us-east-1", credentials=keys
            )
        stack.callback(self.loop.close)
        stack.callback(lambda: self.run(context.__aexit__(None, None, None)))

    def run(self, awaitable: Any) -> Any:
        return self.loop.run_until_complete(awaitable)


def page_call(clients: Clients, modules: dict[str, Any]) -> Contestants:
    def validator() -> Any:
        response = clients.boto3.batch_get_deployment_targets(**PAGE)
        return validated(modules[VALIDATOR], response)

    contestants: Contestants = {
        "boto3": lambda: clients.boto3.batch_get_deployment_targets(**PAGE),
        OURS: lambda: clients.ours.batch_get_deployment_targets(**PAGE),
        ASYNC: lambda: clients.run(clients.aio.batch_get_deployment_targets(**PAGE)),
        OURS_ASYNC: lambda: clients.run(clients.ours_async.batch_get_deployment_targets(**PAGE)),
    }
    if VALIDATOR in modules:
        contestants[VALIDATOR] = validator
    if CAPO in modules:
        contestants[CAPO] = lambda: clients.capo.batch_get_deployment_targets("d-1", ids(25))
    return contestants


def page_over_cbor() -> Contestants:
    """Return both clients over a protocol that botocore parses; the answers come in process."""
    session = botocore.session.Session()
    with TemporaryDirectory() as folder:
        session.set_config_variable("data_path", write_model(Path(folder), [CBOR]))
        client: Any = session.create_client("codedeploy", **connection("http://localhost"))
    page = Response(dumps(to_cbor(json.loads(answer("BatchGetDeploymentTargets", PAGE)))))
    intercept(client, lambda *_: page, aws_response, read_cbor_request)
    ours = DeploymentTargetsClient(client)
    return {
        "boto3": lambda: client.batch_get_deployment_targets(**PAGE),
        OURS: lambda: ours.batch_get_deployment_targets(**PAGE),
    }


def thousand_targets(clients: Clients, modules: dict[str, Any]) -> Contestants:
    def get(batch: list[str]) -> Any:
        return clients.boto3.batch_get_deployment_targets(deploymentId="d-1", targetIds=batch)

    def pool() -> Any:
        with ThreadPoolExecutor(8) as executor:
            return list(executor.map(get, BATCHES))

    async def loop_of_awaits() -> None:
        for batch in BATCHES:
            await clients.aio.batch_get_deployment_targets(deploymentId="d-1", targetIds=batch)

    request: dict[str, Any] = {"deploymentId": "d-1", "targetIds": THOUSAND}
    contestants: Contestants = {
        "boto3": lambda: [get(batch) for batch in BATCHES],
        OURS: lambda: clients.ours.batch_get_deployment_targets(**request),
        "a thread pool over boto3": pool,
        ASYNC: lambda: clients.run(loop_of_awaits()),
        OURS_ASYNC: lambda: clients.run(clients.ours_async.batch_get_deployment_targets(**request)),
    }
    if VALIDATOR in modules:
        module = modules[VALIDATOR]
        contestants[VALIDATOR] = lambda: [validated(module, get(batch)) for batch in BATCHES]
    if CAPO in modules:
        contestants[CAPO] = lambda: [
            clients.capo.batch_get_deployment_targets("d-1", batch) for batch in BATCHES
        ]
    return contestants


# What a process does for its first result. PAGE is what it asks for.
FIRST_RESULT = {
    "boto3": """
import boto3
boto3.client("codedeploy").batch_get_deployment_targets(**PAGE)
""",
    OURS: """
from codedeploy_targets import DeploymentTargetsClient
DeploymentTargetsClient().batch_get_deployment_targets(**PAGE)
""",
    ASYNC: """
import asyncio
from aiobotocore.session import get_session
async def main():
    async with get_session().create_client("codedeploy") as codedeploy:
        await codedeploy.batch_get_deployment_targets(**PAGE)
asyncio.run(main())
""",
    OURS_ASYNC: """
import asyncio
from aiobotocore.session import get_session
from codedeploy_targets.aio import AsyncDeploymentTargetsClient
async def main():
    async with get_session().create_client("codedeploy") as codedeploy:
        await AsyncDeploymentTargetsClient(codedeploy).batch_get_deployment_targets(**PAGE)
asyncio.run(main())
""",
    VALIDATOR: """
import boto3
from aws_resource_validator.pydantic_models.codedeploy import BatchGetDeploymentTargetsOutputTypeDef
response = boto3.client("codedeploy").batch_get_deployment_targets(**PAGE)
BatchGetDeploymentTargetsOutputTypeDef(**response)
""",
    CAPO: """
import os
from capo_codedeploy import CodeDeployClient
keys = {"access_key": "testing", "secret_key": "testing"}
url = os.environ["AWS_ENDPOINT_URL"]
client = CodeDeployClient(endpoint=url, region="us-east-1", credentials=keys)
client.batch_get_deployment_targets(*PAGE.values())
""",
}
# And to stream a deployment.
STREAM = {
    "boto3": """
import boto3
def targets():
    client = boto3.client("codedeploy")
    for page in client.get_paginator("list_deployment_targets").paginate(deploymentId="d-50000"):
        for start in range(0, len(page["targetIds"]), 25):
            batch = page["targetIds"][start : start + 25]
            response = client.batch_get_deployment_targets(deploymentId="d-50000", targetIds=batch)
            yield from response["deploymentTargets"]
""",
    OURS: """
from codedeploy_targets import DeploymentTargetsClient
def targets():
    return DeploymentTargetsClient().iter_deployment_targets(deploymentId="d-50000")
""",
    OURS_ASYNC: """
import asyncio
from aiobotocore.session import get_session
from codedeploy_targets.aio import AsyncDeploymentTargetsClient
def targets():
    async def stream():
        async with get_session().create_client("codedeploy") as codedeploy:
            client = AsyncDeploymentTargetsClient(codedeploy)
            async for target in client.iter_deployment_targets(deploymentId="d-50000"):
                yield target
    loop, stream = asyncio.new_event_loop(), stream()
    try:
        while True:
            yield loop.run_until_complete(anext(stream))
    except StopAsyncIteration:
        loop.close()
""",
}
# Linux only: elsewhere the standard library knows no current size, and the peak is inherited.
GROWTH = """
def size():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096 / 2**20
sizes = [size() for count, _ in enumerate(targets(), 1) if count % 2_000 == 0]
assert len(sizes) == 25
print(max(sizes) - sizes[0])
"""


def environment(url: str) -> dict[str, str]:
    settings = connection(url)
    return os.environ | {
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": settings["region_name"],
        "AWS_ACCESS_KEY_ID": settings["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": settings["aws_secret_access_key"],
        # A process's first result is that of an installed library, not of one to be compiled.
        "PYTHONDONTWRITEBYTECODE": "",
    }


def in_a_process(script: str, url: str) -> str:
    command = [sys.executable, "-c", script]
    return subprocess.check_output(command, env=environment(url), text=True)  # noqa: S603


def first_result(url: str, modules: dict[str, Any], rounds: int) -> dict[str, float]:
    scripts = {
        name: f"{PAGE=}{script}"
        for name, script in FIRST_RESULT.items()
        if name not in {VALIDATOR, CAPO} - modules.keys()
    }

    def cpu_seconds(script: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        in_a_process(script, url)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    seconds: dict[str, list[float]] = {name: [] for name in scripts}
    for _ in range(rounds + 1):
        for name, script in scripts.items():
            seconds[name].append(cpu_seconds(script))
    # The first round wrote the .pyc files.
    return {name: statistics.median(times[1:]) for name, times in seconds.items()}


def ratios(medians: dict[str, float]) -> dict[str, str]:
    return {name: f"{seconds / medians['boto3']:.2f}" for name, seconds in medians.items()}


def main() -> None:
    modules = peers()
    rows: dict[str, dict[str, str]] = {
        "read one page": ratios(medians(page_read(modules), rounds=20, repeat=20))
    }
    with ExitStack() as stack:
        url = stack.enter_context(loopback())
        clients = Clients(url, modules, stack)
        rows["get one page"] = ratios(medians(page_call(clients, modules), rounds=20, repeat=20))
        rows["one page in CBOR"] = ratios(medians(page_over_cbor(), rounds=20, repeat=10))
        rows["first result, CPU"] = ratios(first_result(url, modules, 15))
        rows["50,000 targets, MiB"] = {
            name: f"{float(in_a_process(script + GROWTH, url)):.1f}"
            for name, script in STREAM.items()
        }
    with ExitStack() as stack:
        clients = Clients(stack.enter_context(loopback(0.02)), modules, stack)
        rows["1,000 targets at 20 ms"] = ratios(
            medians(thousand_targets(clients, modules), rounds=7)
        )
    show(rows)


def show(rows: dict[str, dict[str, str]]) -> None:
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    versions = [f"Python {platform.python_version()}"]
    for package in ("boto3", "botocore", ASYNC, "pydantic", VALIDATOR, CAPO):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    print(", ".join(versions), end="\n\n")
    table = [
        ["", *rows],
        *([name, *(row.get(name, "") for row in rows.values())] for name in names),
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    table.insert(1, ["-" * width for width in widths])
    for line in table:
        print("|", " | ".join(map(str.ljust, line, widths)), "|")


if __name__ == "__main__":
    main()

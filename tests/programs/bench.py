"""The client side by side with boto3 and its peers, in one run; the table holds ratios to boto3.

Each round runs every contestant once, and medians are compared: what slows the machine slows all.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import Any

from botocore.parsers import create_parser
from support.clients import aiobotocore_client
from support.command_line import KEYS
from support.endpoint import Response, aws_response, boto3_client, intercept
from support.loopback import answer, loopback
from support.pages import ids

from codedeploy_targets import DeploymentTargetsClient
from codedeploy_targets._answers import read_targets
from codedeploy_targets.aio import AsyncDeploymentTargetsClient

Contestants = dict[str, Callable[[], Any]]
Get = Callable[[dict[str, Any]], Any]

OURS, OURS_ASYNC = "this library", "this library, async"
OURS_OVER_BOTO3 = "this library over boto3's client"
ASYNC, POOL = "aiobotocore", "a thread pool over boto3"
VALIDATOR, CAPO = "aws-resource-validator", "capo-codedeploy"
CAPO_KEYS = {"access_key": "testing", "secret_key": "testing"}
CAPO_OPTIONS = {"region": "us-east-1", "credentials": CAPO_KEYS}
PAGE: dict[str, Any] = {"deploymentId": "d-1", "targetIds": ids(25)}
BODY = answer(json.dumps(PAGE).encode())
THOUSAND: dict[str, Any] = {"deploymentId": "d-1", "targetIds": ids(1000)}
BATCHES = [{**PAGE, "targetIds": ids(1000)[start : start + 25]} for start in range(0, 1000, 25)]
validated = import_module(
    "aws_resource_validator.pydantic_models.codedeploy"
).BatchGetDeploymentTargetsOutputTypeDef


def medians(
    contestants: Contestants,
    *,
    rounds: int,
    repeat: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, str]:
    """Return what the contestants take, in ratio to boto3; a first run of each does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for contestant in contestants.values():
        contestant()
    for _ in range(rounds):
        for name, contestant in contestants.items():
            # Else a contestant pays for the collection of what another left behind.
            gc.collect()
            start = clock()
            for _ in range(repeat):
                contestant()
            seconds[name].append(clock() - start)
    middle = {name: statistics.median(times) for name, times in seconds.items()}
    return {name: f"{each / middle['boto3']:.2f}" for name, each in middle.items()}


def page_read() -> Contestants:
    model = boto3_client("http://localhost").meta.service_model
    shape: Any = model.operation_model("BatchGetDeploymentTargets").output_shape
    response = {"body": BODY, "headers": {}, "status_code": 200}
    parser = create_parser("json")
    return {"boto3": lambda: parser.parse(response, shape), OURS: lambda: read_targets(BODY)}


def getters(url: str, stack: ExitStack) -> dict[str, Get]:
    """Return what gets targets over an endpoint, by each kind of client."""
    loop = asyncio.new_event_loop()
    stack.callback(loop.close)
    context = aiobotocore_client(url)
    aio = loop.run_until_complete(context.__aenter__())
    stack.callback(lambda: loop.run_until_complete(context.__aexit__(None, None, None)))
    boto3, ours = boto3_client(url), DeploymentTargetsClient(boto3_client(url))
    ours_async = AsyncDeploymentTargetsClient(aio)
    capo = import_module("capo_codedeploy").CodeDeployClient(endpoint=url, **CAPO_OPTIONS)
    run: Any = loop.run_until_complete
    return {
        "boto3": lambda params: boto3.batch_get_deployment_targets(**params),
        OURS: lambda params: ours.batch_get_deployment_targets(**params),
        ASYNC: lambda params: run(aio.batch_get_deployment_targets(**params)),
        OURS_ASYNC: lambda params: run(ours_async.batch_get_deployment_targets(**params)),
        VALIDATOR: lambda params: validated(**boto3.batch_get_deployment_targets(**params)),
        CAPO: lambda params: capo.batch_get_deployment_targets(*params.values()),
    }


def page_call(url: str, stack: ExitStack) -> Contestants:
    return {name: partial(get, PAGE) for name, get in getters(url, stack).items()}


def thousand_targets(url: str, stack: ExitStack) -> Contestants:
    gets = getters(url, stack)

    def loop(get: Get) -> Any:
        return [get(batch) for batch in BATCHES]

    def pool() -> Any:
        with ThreadPoolExecutor(8) as executor:
            return list(executor.map(gets["boto3"], BATCHES))

    loops: Contestants = {name: partial(loop, get) for name, get in gets.items()}
    ours = {name: partial(gets[name], THOUSAND) for name in (OURS, OURS_ASYNC)}
    return {**loops, **ours, POOL: pool}


def page_watched() -> Contestants:
    """Return both clients where a handler looks at boto3's dict; the answers come in process."""
    client = boto3_client("http://localhost")
    intercept(client, lambda *_: Response(BODY), aws_response)
    client.meta.events.register("after-call.codedeploy", lambda **_: None)
    ours = DeploymentTargetsClient(client)
    return {
        "boto3": lambda: client.batch_get_deployment_targets(**PAGE),
        OURS: lambda: ours.batch_get_deployment_targets(**PAGE),
    }


IMPORT = "from codedeploy_targets import DeploymentTargetsClient"
IMPORT_ASYNC = "from codedeploy_targets.aio import AsyncDeploymentTargetsClient"
GET = ".batch_get_deployment_targets(**PAGE)"
AIO = """
import asyncio
from aiobotocore.session import get_session
{}
async def main():
    async with get_session().create_client("codedeploy") as codedeploy:
        await {}.batch_get_deployment_targets(**PAGE)
asyncio.run(main())
"""
# What a process does for its first result. PAGE is what it asks for.
FIRST_RESULT = {
    "boto3": f'import boto3\nboto3.client("codedeploy"){GET}',
    OURS: f"{IMPORT}\nDeploymentTargetsClient(){GET}",
    OURS_OVER_BOTO3: (
        f'import boto3\n{IMPORT}\nDeploymentTargetsClient(boto3.client("codedeploy")){GET}'
    ),
    ASYNC: AIO.format("", "codedeploy"),
    OURS_ASYNC: AIO.format(IMPORT_ASYNC, "AsyncDeploymentTargetsClient(codedeploy)"),
    VALIDATOR: f"""
import boto3
from aws_resource_validator.pydantic_models.codedeploy import BatchGetDeploymentTargetsOutputTypeDef
BatchGetDeploymentTargetsOutputTypeDef(**boto3.client("codedeploy"){GET})
""",
    CAPO: f"""
import os
from capo_codedeploy import CodeDeployClient
client = CodeDeployClient(endpoint=os.environ["AWS_ENDPOINT_URL"], **{CAPO_OPTIONS})
client.batch_get_deployment_targets(*PAGE.values())
""",
}
# What a process does to stream a deployment: it prints the MiB by which it grows.
STREAM = """
import asyncio
from programs.load import stream
print(asyncio.run(stream("{}", "{}", 50_000)))
"""


def in_a_process(script: str, url: str) -> str:
    aws = {"AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "us-east-1", **KEYS}
    # A process's first result is that of an installed library, not of one to be compiled.
    env = {**os.environ, **aws, "PYTHONDONTWRITEBYTECODE": ""}
    return subprocess.check_output([sys.executable, "-c", script], env=env, text=True)  # noqa: S603


def first_result(url: str) -> Contestants:
    scripts = {name: f"{PAGE=}\n{script}" for name, script in FIRST_RESULT.items()}
    return {name: partial(in_a_process, script, url) for name, script in scripts.items()}


def cpu_of_processes() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    rows = {"read one page": medians(page_read(), rounds=20, repeat=20)}
    with ExitStack() as stack:
        url = stack.enter_context(loopback())
        rows["get one page"] = medians(page_call(url, stack), rounds=20, repeat=20)
        rows["one page, watched"] = medians(page_watched(), rounds=20, repeat=20)
        rows["first result, CPU"] = medians(first_result(url), rounds=15, clock=cpu_of_processes)
        rows["50,000 targets, MiB"] = {
            name: f"{float(in_a_process(STREAM.format(kind, url), url)):.1f}"
            for name, kind in ((OURS, "sync"), (OURS_ASYNC, "async"))
        }
    with ExitStack() as stack:
        url = stack.enter_context(loopback(0.02))
        rows["1,000 targets at 20 ms"] = medians(thousand_targets(url, stack), rounds=7)
    show(rows)


def show(rows: dict[str, dict[str, str]]) -> None:
    packages = ("boto3", "botocore", ASYNC, "pydantic", VALIDATOR, CAPO)
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    print(f"Python {platform.python_version()}, {versions}\n")
    names = dict.fromkeys(name for row in rows.values() for name in row)
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

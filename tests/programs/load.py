"""Load and age: `nox -s load`. Every claim is asserted; what is printed are the numbers seen.

The endpoint is a process of its own. Memory is this process's resident size.
"""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import boto3
from aiobotocore.session import get_session
from support.endpoint import connection
from support.loopback import loopback
from support.pages import ids

from codedeploy_targets import DeploymentTargetsClient
from codedeploy_targets.aio import AsyncDeploymentTargetsClient

TARGETS = 100_000
DEPLOYMENT = f"d-{TARGETS}"
MOST_GROWTH_MIB = 32


def size_mib() -> float:
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Watch:
    """Sees that the targets come in order, and how the process grows after the first 2,000."""

    def __init__(self) -> None:
        self.count = 0
        self.sizes: list[float] = []

    def see(self, target_id: str | None) -> None:
        assert target_id == f"i-{self.count:017x}"
        self.count += 1
        if self.count % 2_000 == 0:
            self.sizes.append(size_mib())

    def report(self, who: str) -> None:
        growth = max(self.sizes) - self.sizes[0]
        print(f"{who}: {self.count:,} targets streamed, {growth:.1f} MiB of growth")
        assert self.count == TARGETS
        assert growth < MOST_GROWTH_MIB


def stream(url: str) -> None:
    client = DeploymentTargetsClient(boto3.client("codedeploy", **connection(url)))
    watch = Watch()
    for target in client.iter_deployment_targets(deploymentId=DEPLOYMENT):
        watch.see(target.target_id)
    watch.report("sync")


def stream_async(url: str) -> None:
    async def main() -> None:
        async with get_session().create_client("codedeploy", **connection(url)) as wrapped:
            client = AsyncDeploymentTargetsClient(wrapped)
            watch = Watch()
            async for target in client.iter_deployment_targets(deploymentId=DEPLOYMENT):
                watch.see(target.target_id)
            watch.report("async")
            assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def share(url: str) -> None:
    """Let 16 threads share one client for 2,000 calls, a third of them on the wrapped client."""
    wrapped: Any = boto3.client("codedeploy", **connection(url))
    client = DeploymentTargetsClient(wrapped)
    known = ids(2_100)

    def call(number: int) -> None:
        wanted = known[number : number + 1 + number % 60]
        if number % 3 == 0:
            response = wrapped.batch_get_deployment_targets(
                deploymentId="d-1", targetIds=wanted[:25]
            )
            answered = [one["instanceTarget"]["targetId"] for one in response["deploymentTargets"]]
            assert answered == wanted[:25]
        else:
            output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=wanted)
            assert [target.target_id for target in output.deployment_targets] == wanted

    with ThreadPoolExecutor(16) as pool:
        for future in [pool.submit(call, number) for number in range(2_000)]:
            future.result()
    print("16 threads: 2,000 calls through one client, every answer its own")


def stop_half_way(client: DeploymentTargetsClient) -> None:
    for number, _ in enumerate(client.iter_deployment_targets(deploymentId=DEPLOYMENT)):
        if number == 500:
            return


def fail_in_the_loop(client: DeploymentTargetsClient) -> None:
    with suppress(ZeroDivisionError):
        for number, _ in enumerate(client.iter_deployment_targets(deploymentId=DEPLOYMENT)):
            1 / (number - 500)


def forget(client: DeploymentTargetsClient) -> None:
    cycle: list[Any] = [client.iter_deployment_targets(deploymentId=DEPLOYMENT)]
    cycle.append(cycle)
    next(cycle[0])
    del cycle
    gc.collect()


def fork(client: DeploymentTargetsClient) -> None:
    # After use, not amid it: parent and child have the connections of botocore's pool in common.
    client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(60))
    child = os.fork()
    if child == 0:
        output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(60))
        os._exit(0 if len(output.deployment_targets) == 60 else 1)
    ended, status = 0, 0
    deadline = time.monotonic() + 30
    while not ended:
        assert time.monotonic() < deadline, "the child hangs"
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)
    assert status == 0


def give_up(url: str) -> None:
    """Stop half way, fail in the loop, forget the iterator, fork: nothing stays, nothing hangs."""
    client = DeploymentTargetsClient(boto3.client("codedeploy", **connection(url)))
    before = threading.active_count()
    for function in (fork, stop_half_way, fail_in_the_loop, forget):
        for _ in range(20):
            function(client)
        deadline = time.monotonic() + 10
        while threading.active_count() > before:
            assert time.monotonic() < deadline, "a thread stays"
            time.sleep(0.01)
        print(f"{function.__name__}: 20 times, nothing stays")


def main() -> None:
    warnings.simplefilter("error")
    with loopback() as url:
        stream(url)
        stream_async(url)
        share(url)
        give_up(url)


if __name__ == "__main__":
    main()

"""Load and age: `nox -s load`. Every claim is asserted; what is printed are the numbers seen.

The endpoint is a process of its own. Memory is this process's resident size.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import warnings
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from types import SimpleNamespace
from typing import Any

from support.clients import aiobotocore_client, got
from support.codedeploy import wait_until
from support.endpoint import boto3_client
from support.loopback import loopback
from support.pages import ids, instance

from codedeploy_targets import DeploymentTarget, DeploymentTargetsClient
from codedeploy_targets.aio import AsyncDeploymentTargetsClient

TARGETS, MOST_GROWTH_MIB = 100_000, 32
DEPLOYMENT: Any = {"deploymentId": f"d-{TARGETS}"}
WATCHED, ROUNDS, MOST_WATCHING_MIB = 5_000, 200, 8


def size_mib() -> float:
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def each(targets: Iterable[DeploymentTarget]) -> AsyncIterator[DeploymentTarget]:
    for target in targets:
        yield target


async def check_stream(targets: AsyncIterable[DeploymentTarget], size: int) -> float:
    """See that the targets come in order; return the MiB by which the process grows meanwhile."""
    number, sizes = 0, []
    async for target in targets:
        assert target.target_id == f"i-{number:017x}"
        number += 1
        if number % 2_000 == 0:
            sizes.append(size_mib())
    assert number == size
    return max(sizes) - sizes[0]


async def stream(kind: str, url: str, size: int) -> float:
    """Stream a deployment of so many targets, and return the growth in MiB."""
    params: Any = {"deploymentId": f"d-{size}"}
    if kind == "sync":
        client = DeploymentTargetsClient(boto3_client(url))
        return await check_stream(each(client.iter_deployment_targets(**params)), size)
    async with aiobotocore_client(url) as wrapped:
        targets = AsyncDeploymentTargetsClient(wrapped).iter_deployment_targets(**params)
        growth = await check_stream(targets, size)
        assert len(asyncio.all_tasks()) == 1
    return growth


class Deployment:
    """A client, though none of botocore's, for a deployment with 100 busy targets at a time."""

    def __init__(self) -> None:
        self.round = 0
        self.ids = ids(WATCHED)

    def busy(self) -> list[str]:
        return self.ids[25 * self.round :][:100] if self.round < ROUNDS else []

    def get_deployment(self, **_: Any) -> Any:
        self.round += 1
        status = "InProgress" if self.round < ROUNDS else "Succeeded"
        return {"deploymentInfo": {"status": status}}

    def list_deployment_targets(self, **params: Any) -> Any:
        if "targetFilters" not in params:
            return {"targetIds": self.ids}
        is_busy = "InProgress" in params["targetFilters"]["TargetStatus"]
        return {"targetIds": self.busy() if is_busy else []}

    def batch_get_deployment_targets(self, **params: Any) -> Any:
        busy = self.busy()
        envelopes = [instance(each, events=1) for each in params["targetIds"]]
        for envelope in envelopes:
            payload = envelope["instanceTarget"]
            if payload["targetId"] in busy:
                payload |= {"status": "InProgress", "lastUpdatedAt": 1546300860 + self.round}
        return {"deploymentTargets": envelopes}


def asynchronous(function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(**params: Any) -> Any:
        return function(**params)

    return call


async def watch(kind: str) -> float:
    """Follow a deployment through its rounds, and return the growth in MiB."""
    client: Any = Deployment()
    sizes: list[float] = []
    params: Any = {"deploymentId": "d-1", "delay": 0}
    params["on_round"] = lambda _: sizes.append(size_mib())
    if kind == "sync":
        targets = each(DeploymentTargetsClient(client).watch_deployment_targets(**params))
    else:
        methods = [name for name in dir(client) if "deployment" in name]
        client = SimpleNamespace(**{n: asynchronous(getattr(client, n)) for n in methods})
        targets = AsyncDeploymentTargetsClient(client).watch_deployment_targets(**params)
    changes = sum([1 async for _ in targets])
    assert len(sizes) == ROUNDS
    assert changes > WATCHED + 100 * (ROUNDS - 2)
    return max(sizes) - sizes[ROUNDS // 10]


def share(url: str) -> None:
    """Let 16 threads share one client for 2,000 calls, a third of them on the wrapped client."""
    wrapped = boto3_client(url)
    client = DeploymentTargetsClient(wrapped)
    known = ids(2_100)

    def call(number: int) -> None:
        wanted = known[number : number + 1 + number % 60]
        if number % 3:
            output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=wanted)
            assert got(output.deployment_targets) == wanted
            return
        get, wanted = wrapped.batch_get_deployment_targets, wanted[:25]
        answered = get(deploymentId="d-1", targetIds=wanted)["deploymentTargets"]
        assert [each["instanceTarget"]["targetId"] for each in answered] == wanted

    with ThreadPoolExecutor(16) as pool:
        for future in [pool.submit(call, number) for number in range(2_000)]:
            future.result()
    print("16 threads: 2,000 calls through one client, every answer its own")


def stop_half_way(client: DeploymentTargetsClient) -> None:
    list(islice(client.iter_deployment_targets(**DEPLOYMENT), 500))


def fail_in_the_loop(client: DeploymentTargetsClient) -> None:
    with suppress(ZeroDivisionError):
        for number, _ in enumerate(client.iter_deployment_targets(**DEPLOYMENT)):
            1 / (number - 500)


def forget(client: DeploymentTargetsClient) -> None:
    cycle: list[Any] = [client.iter_deployment_targets(**DEPLOYMENT)]
    cycle.append(cycle)
    next(cycle[0])
    del cycle
    gc.collect()


def fork(client: DeploymentTargetsClient) -> None:
    def count() -> int:
        get = client.batch_get_deployment_targets
        return len(get(deploymentId="d-1", targetIds=ids(60)).deployment_targets)

    # After use, not amid it: parent and child have the connections of botocore's pool in common.
    count()
    child = os.fork()
    if child == 0:
        os._exit(0 if count() == 60 else 1)
    signal.alarm(30)  # ends this program if the child hangs
    assert os.waitpid(child, 0) == (child, 0)
    signal.alarm(0)


def give_up(url: str) -> None:
    """Stop half way, fail in the loop, forget the iterator, fork: nothing stays, nothing hangs."""
    client = DeploymentTargetsClient(boto3_client(url))
    before = threading.active_count()
    for function in (fork, stop_half_way, fail_in_the_loop, forget):
        for _ in range(20):
            function(client)
        wait_until(lambda: threading.active_count() <= before, seconds=30)
        print(f"{function.__name__}: 20 times, nothing stays")


def main() -> None:
    warnings.simplefilter("error")
    with loopback() as url:
        for kind in ("sync", "async"):
            growth = asyncio.run(stream(kind, url, TARGETS))
            print(f"{kind}: {TARGETS:,} targets streamed, {growth:.1f} MiB of growth")
            assert growth < MOST_GROWTH_MIB
            growth = asyncio.run(watch(kind))
            print(f"{kind}: {WATCHED:,} targets watched, {growth:.1f} MiB of growth in the rounds")
            assert growth < MOST_WATCHING_MIB
        share(url)
        give_up(url)


if __name__ == "__main__":
    main()

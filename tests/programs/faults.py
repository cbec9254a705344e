"""Faults on the way: `nox -s faults`. Every claim is asserted; the table shows what was seen.

microburst, a proxy written by others, stands between the endpoint and botocore's client, and
injects a fault into one call in eight.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from urllib.request import Request, urlopen

import boto3
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError
from support.endpoint import connection
from support.loopback import TARGET, loopback
from support.pages import ids

from codedeploy_targets import DeploymentTargetsClient, InstanceTarget
from codedeploy_targets.aio import AsyncDeploymentTargetsClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from codedeploy_targets import BatchGetDeploymentTargetsOutput

CALLS = 6
MOST_SECONDS = 60
MODES = ("legacy", "standard", "adaptive")
WANTED = ids(400)
EXPECTED = [
    InstanceTarget.from_boto3(json.loads(TARGET.replace(b"TARGET-ID", target_id.encode())))
    for target_id in WANTED
]
FAULTS: dict[str, dict[str, Any] | None] = {
    "none": {"probability": 0},
    "throttling": {"error": {"code": "ThrottlingException"}},
    "HTTP 500": {"error": {"code": "InternalFailure", "status": 500}},
    "connection reset": {"reset": True},
    "cut short, length right": {"response": {"truncate_frac": 0.5}},
    "dropped midway": {"response": {"abort_frac": 0.3}},
    "flipped bytes": {"response": {"corrupt_bytes": 2}},
    "latency spikes": {
        "latency": {"dist": "spike", "min": 1, "max": 5, "spike_ms": 1500, "spike_p": 0.5}
    },
    "service down": None,
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def microburst(upstream: str) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(Path(sys.executable).with_name("microburst")), "-u", upstream, "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as proxy:  # noqa: S603
        try:
            # Its first call takes it seconds, longer than the clients here wait for an answer.
            first = boto3.client("codedeploy", **connection(url))
            deadline = time.monotonic() + 20
            while True:
                try:
                    first.batch_get_deployment_targets(deploymentId="d-1", targetIds=WANTED[:25])
                    break
                except EndpointConnectionError:
                    assert time.monotonic() < deadline, "microburst does not start"
                    time.sleep(0.1)
            yield url
        finally:
            proxy.terminate()


def inject(url: str, fault: dict[str, Any]) -> None:
    rules = [{"service": "*", "probability": 0.12} | fault]
    body = json.dumps(rules).encode()
    request = Request(f"{url}/_microburst/rules", body, method="POST")  # noqa: S310
    urlopen(request).close()  # noqa: S310


def outcome(get: Callable[[], BatchGetDeploymentTargetsOutput]) -> str:
    start = time.monotonic()
    try:
        output = get()
    except (ClientError, BotoCoreError):
        return "refused"
    finally:
        assert time.monotonic() - start < MOST_SECONDS
    if output.deployment_targets == EXPECTED:
        return "whole"
    returned = {target.target_id for target in output.deployment_targets}
    unnamed = set(WANTED) - returned - set(output.missing_target_ids)
    # A flipped bit within a value is a value to JSON, and the protocol has no checksum.
    return "short" if unnamed else "altered"


def boto3_outcome(client: Any) -> str:
    count = 0
    try:
        for start in range(0, 400, 25):
            response = client.batch_get_deployment_targets(
                deploymentId="d-1", targetIds=WANTED[start : start + 25]
            )
            count += len(response.get("deploymentTargets", []))
    except Exception:  # noqa: BLE001 - of whatever kind: it is not silent
        return "refused"
    return "short" if count < len(WANTED) else "whole"


def settings(mode: str) -> dict[str, Any]:
    retries = {"mode": mode, "total_max_attempts": 3}
    return {"retries": retries, "connect_timeout": 1, "read_timeout": 1}


def sync_outcomes(url: str, mode: str) -> tuple[Counter[str], Counter[str]]:
    wrapped: Any = boto3.client("codedeploy", **connection(url), config=Config(**settings(mode)))
    client = DeploymentTargetsClient(wrapped)
    before = threading.active_count()
    ours = Counter(
        outcome(lambda: client.batch_get_deployment_targets(deploymentId="d-1", targetIds=WANTED))
        for _ in range(CALLS)
    )
    deadline = time.monotonic() + MOST_SECONDS
    while threading.active_count() > before:
        assert time.monotonic() < deadline, "a thread stays"
        time.sleep(0.01)
    return ours, Counter(boto3_outcome(wrapped) for _ in range(CALLS))


def async_outcomes(url: str, mode: str) -> Counter[str]:
    async def main() -> Counter[str]:
        config = AioConfig(**settings(mode))
        create = get_session().create_client
        async with create("codedeploy", **connection(url), config=config) as wrapped:
            client = AsyncDeploymentTargetsClient(wrapped)
            outcomes: Counter[str] = Counter()
            for _ in range(CALLS):
                task = asyncio.create_task(
                    client.batch_get_deployment_targets(deploymentId="d-1", targetIds=WANTED)
                )
                await asyncio.wait([task])
                outcomes[outcome(task.result)] += 1
                assert len(asyncio.all_tasks()) == 1, "a task stays"
            return outcomes

    start = time.monotonic()
    outcomes = asyncio.run(main())
    assert time.monotonic() - start < CALLS * MOST_SECONDS
    return outcomes


def row(*cells: object) -> None:
    widths = "| {:<23} | {:<8} | {:<5} | {:>5} | {:>5} | {:>7} | {:>7} | {:>5} | {:>11} |"
    print(widths.format(*cells))


def main() -> None:
    row("fault", "retries", "", "calls", "whole", "refused", "altered", "short", "boto3 short")
    with loopback() as upstream, microburst(upstream) as proxied:
        for name, fault in FAULTS.items():
            url = proxied if fault is not None else f"http://127.0.0.1:{free_port()}"
            if fault is not None:
                inject(proxied, fault)
            for mode in MODES:
                ours, boto3_s = sync_outcomes(url, mode)
                for kind, seen in (("sync", ours), ("async", async_outcomes(url, mode))):
                    counts = [seen[key] for key in ("whole", "refused", "altered", "short")]
                    short = boto3_s["short"] if kind == "sync" else ""
                    row(name, mode, kind, CALLS, *counts, short)
                    assert sum(counts) == CALLS
                    assert seen["short"] == 0
                    assert seen["altered"] == 0 or name == "flipped bytes"
                    assert seen["whole"] == CALLS or name != "none"


if __name__ == "__main__":
    # Else botocore waits up to seconds between two attempts, each retry mode in its own way.
    backoff = "botocore.retries.standard.ExponentialBackoff.delay_amount"
    legacy = "botocore.retryhandler.delay_exponential"
    with patch(backoff, lambda *_: 0.01), patch(legacy, lambda **_: 0.01):
        main()

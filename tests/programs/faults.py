"""Faults on the way: `nox -s faults`. Every claim is asserted; the table shows what was seen.

microburst, a proxy written by others, stands between the endpoint and botocore's client, and
injects a fault into one call in eight.
"""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.request import Request, urlopen

from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError
from support.clients import AsyncClients, Client, Clients
from support.codedeploy import wait_until
from support.endpoint import boto3_client
from support.loopback import answer, loopback
from support.pages import ids

from codedeploy_targets import BatchGetDeploymentTargetsOutput as Output

CALLS, MOST_SECONDS = 6, 60
MODES = ("legacy", "standard", "adaptive")
WANTED = ids(400)
EXPECTED = Output.from_boto3(answer(json.dumps({"targetIds": WANTED}).encode())).deployment_targets
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

    def answers() -> bool:
        try:
            boto3_client(url).batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-1"])
        except EndpointConnectionError:
            return False
        return True

    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as proxy:  # noqa: S603
        try:
            # Its first call takes it seconds, longer than the clients here wait for an answer.
            wait_until(answers, seconds=30)
            yield url
        finally:
            proxy.terminate()


def inject(url: str, fault: dict[str, Any]) -> None:
    body = json.dumps([{"service": "*", "probability": 0.12} | fault]).encode()
    urlopen(Request(f"{url}/_microburst/rules", body, method="POST")).close()  # noqa: S310


def outcome(client: Client) -> str:
    start = time.monotonic()
    try:
        output = client.batch_get(WANTED)
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


def row(*cells: object) -> None:
    widths = "| {:<23} | {:<8} | {:<5} | {:>5} | {:>5} | {:>7} | {:>7} | {:>5} |"
    print(widths.format(*cells))


def try_fault(name: str, url: str, mode: str) -> None:
    retries = {"mode": mode, "total_max_attempts": 3}
    before = threading.active_count()
    for kind, make in (("sync", Clients), ("async", AsyncClients)):
        with make() as clients:
            wrapped = clients.unwrapped(url, retries=retries, connect_timeout=1, read_timeout=1)
            client = clients.wrap(wrapped)
            seen = Counter(outcome(client) for _ in range(CALLS))
            counts = [seen[key] for key in ("whole", "refused", "altered", "short")]
            if kind == "sync":
                wait_until(lambda: threading.active_count() <= before, seconds=30)
            row(name, mode, kind, CALLS, *counts)
        assert seen["short"] == 0
        assert seen["altered"] == 0 or name == "flipped bytes"
        assert seen["whole"] == CALLS or name != "none"


def main() -> None:
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # its debug mode warns of slow steps
    row("fault", "retries", "", "calls", "whole", "refused", "altered", "short")
    with loopback() as upstream, microburst(upstream) as proxied:
        for name, fault in FAULTS.items():
            if fault is not None:
                inject(proxied, fault)
            for mode in MODES:
                url = proxied if fault is not None else f"http://127.0.0.1:{free_port()}"
                try_fault(name, url, mode)


if __name__ == "__main__":
    # Else botocore waits up to seconds between two attempts, each retry mode in its own way.
    backoff = "botocore.retries.standard.ExponentialBackoff.delay_amount"
    legacy = "botocore.retryhandler.delay_exponential"
    with patch(backoff, lambda *_: 0.01), patch(legacy, lambda **_: 0.01):
        main()

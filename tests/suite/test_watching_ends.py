"""How a watch waits and ends: at a timeout, interrupted, with its process.

`test_closing.py` shows how it is closed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from support.clients import Clients
from support.clock import Clock
from support.codedeploy import GET, LIST, MISSING, PATIENCE, READ, CodeDeploy, Gate, Step
from support.endpoint import Response, error, serve, unanswered
from support.pages import fleet, ids, target

RUNNING, ENDED = fleet(a="InProgress", b="Pending"), fleet(a="Succeeded", b="Succeeded")
NOT_OVER, SUCCEEDED = Step("InProgress", RUNNING), Step("Succeeded", ENDED)
NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize("wrong", [
    {"delay": -1}, {"delay": -0.001}, {"delay": -INFINITE}, {"delay": NAN},
    {"delay": threading.TIMEOUT_MAX}, {"timeout": -1}, {"timeout": NAN},
])  # fmt: skip
def test_delay_and_timeout_are_checked_at_once(clients: Clients, wrong: dict[str, float]) -> None:
    ((name, value),) = wrong.items()
    bounds = {"delay": r"0 to \d+", "timeout": "at least 0"}[name]
    with pytest.raises(ValueError, match=rf"^{name} must be {bounds} seconds, not {value}$"):
        clients.canned(unanswered).watch(**wrong)


def test_delay_and_timeout_may_be_numbers_of_any_kind(clients: Clients, clock: Clock) -> None:
    number: Any = Decimal(7)
    watch = clients.canned(CodeDeploy(NOT_OVER, SUCCEEDED)).watch(delay=number, timeout=number * 9)
    assert list(watch) == [*RUNNING, *ENDED]
    assert clock.pauses == [7]


def test_the_delay_lies_between_two_rounds(clients: Clients, clock: Clock) -> None:
    steps = (Step("Created"), NOT_OVER, SUCCEEDED)
    client = clients.canned(CodeDeploy(*steps))
    watch = clients.iterator(client.typed.watch_deployment_targets(deploymentId="d-1"))
    assert list(watch) == [*RUNNING, *ENDED]
    assert clock.pauses == [5, 5]  # five seconds are the default; none after the last round
    assert list(clients.canned(CodeDeploy(*steps)).watch(delay=7)) == [*RUNNING, *ENDED]
    assert clock.pauses[2:] == [7, 7]


@pytest.mark.parametrize("stuck", [NOT_OVER, Step("Created"), Step("Created", [])])
def test_a_stuck_deployment_ends_in_a_timeout(clients: Clients, clock: Clock, stuck: Step) -> None:
    watch = clients.canned(CodeDeploy(stuck)).watch(delay=25, timeout=60.0625)
    clock.set_forward(3600)  # the time counts from the first `next`
    for each in stuck.targets or ():
        assert next(watch) == each
    with pytest.raises(TimeoutError, match=r"^d-1 is not over after 60\.062 seconds$"):
        next(watch)
    assert (list(watch), clock.pauses) == ([], [25, 25, 10])


def test_no_call_is_made_if_there_is_no_time(clients: Clients) -> None:
    codedeploy = CodeDeploy(NOT_OVER)
    with pytest.raises(TimeoutError, match=r"^d-1 is not over after 0 seconds$"):
        next(clients.canned(codedeploy).watch(timeout=0))
    assert codedeploy.calls == []


@pytest.mark.parametrize(("operation", "calls"), [(GET, 1), (LIST, 2), (READ, 3)])
def test_the_time_is_looked_at_between_two_calls(
    clients: Clients, clock: Clock, operation: str, calls: int
) -> None:
    def before(name: str, _: object) -> None:
        clock.set_forward(90 * (name == operation))

    codedeploy = CodeDeploy(NOT_OVER, before=before)
    watch = clients.canned(codedeploy).watch(timeout=60)
    with pytest.raises(TimeoutError):
        list(watch)
    assert len(codedeploy.calls) == calls


@pytest.mark.parametrize("answer", [None, error(MISSING)])
def test_the_sync_watch_looks_at_the_time_between_two_reads_of_a_round(
    clock: Clock, answer: Response | None
) -> None:
    def before(name: str, _: object) -> Response | None:
        clock.set_forward(90 * (name == READ))
        return answer if name == READ else None

    codedeploy = CodeDeploy(Step("Succeeded", [target(each) for each in ids(60)]), before=before)
    with Clients() as clients, pytest.raises(TimeoutError, match="over, but not read whole, after"):
        list(clients.canned(codedeploy, max_concurrency=1).watch(timeout=60))
    assert len(codedeploy.batches) == 1


def test_the_sync_watch_looks_at_the_time_while_its_call_waits_under_the_cap() -> None:
    gate = Gate()
    codedeploy = CodeDeploy(throttle=gate)
    with Clients() as clients:
        client = clients.served(codedeploy, max_concurrency=1, retries={"total_max_attempts": 1})
        codedeploy.gather(2)
        with pytest.raises(client.exceptions.ClientError, match="ThrottlingException"):
            clients.at_once([lambda: client.batch_get(ids(1))] * 2)
        gate.is_open = True
        hang = codedeploy.hang(READ)
        targets = client.iterate(ids(1))
        hanging = clients.start_next(targets)
        hang.wait_for()
        with pytest.raises(TimeoutError):
            next(client.watch(timeout=0.3))
        hang.let_go()
        assert hanging() is not None
        targets.close()


def test_a_watch_that_is_complete_ends_in_no_timeout(clients: Clients, clock: Clock) -> None:
    watch = clients.canned(CodeDeploy(Step("Succeeded", RUNNING))).watch(timeout=60)
    for _ in RUNNING:
        next(watch)
    clock.set_forward(90)
    assert list(watch) == []
    assert watch.deployment.status == "Succeeded"


def test_a_timeout_may_be_longer_than_any_wait_of_python(clients: Clients) -> None:
    codedeploy = CodeDeploy(Step("Succeeded", RUNNING))
    assert list(clients.served(codedeploy).watch(timeout=1e12)) == RUNNING


@pytest.mark.parametrize("operation", [GET, LIST, READ])
def test_a_call_that_hangs_is_left_when_the_time_is_up(clients: Clients, operation: str) -> None:
    codedeploy = CodeDeploy(NOT_OVER)
    hang = codedeploy.hang(operation)
    with pytest.raises(TimeoutError, match="is not over after"):
        next(clients.served(codedeploy).watch(timeout=0.3))
    hang.let_go()


FOLLOW = {
    "sync": """
from support.endpoint import boto3_client
from codedeploy_targets import DeploymentTargetsClient

def follow(waits):
    with contextlib.closing(boto3_client(sys.argv[1])) as wrapped:
        client = DeploymentTargetsClient(wrapped)
        watch = client.watch_deployment_targets(deploymentId="d-1", delay=60)
        next(watch), next(watch), waits(), next(watch)
""",
    "async": """
from support.clients import aiobotocore_client
from codedeploy_targets.aio import AsyncDeploymentTargetsClient

async def main(waits):
    # What takes long on a busy machine is no fault, so asyncio need not tell.
    asyncio.get_running_loop().slow_callback_duration = 60
    async with aiobotocore_client(sys.argv[1]) as wrapped:
        client = AsyncDeploymentTargetsClient(wrapped)
        watch = client.watch_deployment_targets(deploymentId="d-1", delay=60)
        await anext(watch), await anext(watch), waits(), await anext(watch)

def follow(waits):
    asyncio.run(main(waits))
""",
}
INTERRUPTED = """
try:
    follow(lambda: print("waits", flush=True))
except KeyboardInterrupt:
    print("interrupted")
"""
IN_A_THREAD = """
waits = threading.Event()
threading.Thread(target=follow, args=(waits.set,), daemon=True).start()
print("waits" if waits.wait(10) else "does not wait")
"""


@contextmanager
def program(kind: str, then: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process, in Python's development mode, that follows a deployment without an end."""
    text = f"import asyncio, contextlib, sys, threading\n{FOLLOW[kind]}{then}"
    with (
        serve(CodeDeploy(NOT_OVER)) as endpoint,
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-X", "dev", "-W", "error", "-c", text, endpoint.url],
            env={"PYTHONPATH": ":".join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("kind", FOLLOW)
def test_ctrl_c_while_a_process_waits_ends_it_without_a_word(kind: str) -> None:
    if kind == "async":
        pytest.importorskip("aiobotocore")
    with program(kind, INTERRUPTED) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        # Until it waits: an interrupt while asyncio makes a task is asyncio's own affair.
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=PATIENCE)
    assert (first, rest, errors, process.returncode) == ("waits\n", "interrupted\n", "", 0)


def test_a_process_ends_while_a_thread_of_it_waits() -> None:
    with program("sync", IN_A_THREAD) as process:
        output, errors = process.communicate(timeout=2 * PATIENCE)
    assert (output, errors, process.returncode) == ("waits\n", "", 0)

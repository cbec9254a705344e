"""The threads of the sync client: they share the work, and none is left behind.

The fixture `clients` asserts the latter at the end of each test.
"""

from __future__ import annotations

import gc
import itertools
import os
import signal
import threading
import time
import weakref
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest
from botocore.errorfactory import ClientExceptionsFactory
from botocore.exceptions import ClientError
from support.clients import Clients, got
from support.codedeploy import GET, PATIENCE, READ, CodeDeploy
from support.endpoint import Response, canned, error, serve
from support.pages import ids
from support.processes import run_python

from codedeploy_targets import DeploymentTargetsClient, _lock

REFUSED = error("InvalidDeploymentIdException")


@pytest.fixture
def clients() -> Iterator[Clients]:
    with Clients() as made:
        yield made


def test_one_call_at_a_time_needs_no_thread(clients: Clients) -> None:
    threads = set()
    codedeploy = CodeDeploy(before=lambda *_: threads.add(threading.current_thread()))
    one = clients.canned(codedeploy, max_concurrency=1)
    one.batch_get(ids(60))
    list(one.iterate(ids(60)))
    list(one.iterate())
    several = clients.canned(codedeploy)
    several.batch_get(ids(25))
    several.typed.get_deployment(deploymentId="d-1")
    assert threads == {threading.current_thread()}


def test_no_thread_outlives_its_request(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    # Python 3.15 warns of a fork beside a thread that has not quite ended.
    def end_slowly(thread: threading.Thread) -> None:
        run(thread)
        if thread.name == "codedeploy-targets":
            left.append(thread)
            time.sleep(0.1)
            left.remove(thread)

    run, left = threading.Thread.run, list[threading.Thread]()
    monkeypatch.setattr(threading.Thread, "run", end_slowly)
    client = clients.canned(CodeDeploy(known=250))
    for read in (lambda: client.batch_get(ids(250)), lambda: list(client.iterate())):
        read()
        assert left == []
        assert clients.under_way() == 0


@pytest.mark.parametrize("max_concurrency", [1, 2])
def test_what_is_no_exception_is_raised_in_the_caller_s_thread_too(
    clients: Clients, max_concurrency: int
) -> None:
    def leave(**_: Any) -> None:
        raise SystemExit

    client = clients.canned(CodeDeploy(), max_concurrency=max_concurrency)
    client.on("before-call", leave)
    for read in (lambda: client.batch_get(ids(60)), lambda: list(client.iterate())):
        with pytest.raises(SystemExit):
            read()


def test_calls_overlap_after_a_pause(clients: Clients) -> None:
    both = threading.Barrier(2)
    codedeploy = CodeDeploy(before=lambda *_: both.wait(PATIENCE))
    targets = clients.canned(codedeploy, max_concurrency=2).iterate(ids(150))
    for _ in range(3):
        next(targets)
        clients.no_thread_is_left()
        assert len(list(itertools.islice(targets, 49))) == 49


def test_ids_that_close_their_stream_end_it_though_targets_are_ready(clients: Clients) -> None:
    def produce() -> Iterator[str]:
        yield from ids(25)
        hang.let_go()
        clients.no_thread_is_left()  # the first batch is there
        targets.close()
        yield from ids(1000)[25:]

    codedeploy = CodeDeploy()
    hang = codedeploy.hang(READ)
    targets = clients.served(codedeploy).iterate(produce())
    assert list(targets) == []
    assert len(codedeploy.batches) == 1


@pytest.mark.parametrize("listed", [True, False])
def test_an_iterator_may_be_collected_by_one_of_its_own_threads(
    clients: Clients, *, listed: bool
) -> None:
    # An abandoned iterator in a reference cycle is collected by whichever thread runs the
    # collector. Here, that is a worker of its own, in each place where a call can be.
    both_under_way, abandoned = threading.Barrier(2), threading.Event()
    collected_in: list[threading.Thread] = []

    def collect() -> None:
        if abandoned.is_set():
            gc.collect()

    def before(operation: str, params: dict[str, Any]) -> None:
        if operation == READ:
            both_under_way.wait(PATIENCE)
            if params["targetIds"] == ids(50)[25:]:
                abandoned.wait(PATIENCE)
                collect()

    gc.disable()
    gc.freeze()  # so that the collector is quick
    try:
        client = clients.canned(CodeDeploy(known=50, before=before), max_concurrency=2)
        for event in ("before-send", "needs-retry", "after-call"):
            client.on(event, lambda **_: collect())
        targets = client.iterate(None if listed else ids(50))
        weakref.finalize(targets, lambda: collected_in.append(threading.current_thread()))
        cycle: list[Any] = [targets]
        cycle.append(cycle)
        next(cycle[0])
        del cycle, targets
        abandoned.set()
        clients.wait_until(lambda: bool(collected_in))
    finally:
        gc.unfreeze()
        gc.enable()
    assert collected_in[0] is not threading.main_thread()


def test_an_interrupt_while_a_thread_starts_leaves_nothing_behind(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    codedeploy = CodeDeploy()
    client = clients.canned(codedeploy)
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        client.batch_get(ids(100))
    clients.no_thread_is_left()
    assert len(codedeploy.batches) <= 1


@pytest.mark.parametrize("started", [0, 1, 2, 3])
@pytest.mark.parametrize("max_concurrency", [2, 8])
def test_a_thread_that_cannot_be_started_is_no_failure(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, started: int, max_concurrency: int
) -> None:
    start, attempts = threading.Thread.start, itertools.count()

    def limited(thread: threading.Thread) -> None:
        if next(attempts) >= started:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    codedeploy = CodeDeploy()
    client = clients.canned(codedeploy, max_concurrency=max_concurrency)
    assert got(client.batch_get(ids(400)).deployment_targets) == ids(400)
    assert len(codedeploy.batches) == 16
    attempts = itertools.count()
    assert got(client.iterate()) == ids(1_000)
    attempts = itertools.count()
    output = client.batch_get([*ids(60), "i-gone"], skip_missing=True)
    assert got(output.deployment_targets) == ids(60)
    assert output.missing_target_ids == ["i-gone"]
    # Errors are raised as ever, and end the request in the caller's own thread, too.
    attempts = itertools.count()
    codedeploy.calls.clear()
    with pytest.raises(client.exceptions.DeploymentTargetDoesNotExistException):
        client.batch_get([*ids(25), "i-gone", *ids(1000)[25:]])
    assert started or len(codedeploy.batches) == 2


def test_a_process_ends_in_order_while_its_threads_read() -> None:
    # Each status yet to come calls Python from within pydantic, which is where it may be aborted.
    script = """
import json, time
from support.endpoint import Response, canned, error
from support.pages import ids
from codedeploy_targets import DeploymentTargetsClient
events = [{"status": f"New{n}"} for n in range(40)]
target = {"instanceTarget": {"targetId": "i-1", "lifecycleEvents": events}}
body = json.dumps({"deploymentTargets": [target] * 25}).encode()
def answer(_, params):
    if params["targetIds"][0] == ids(1)[0]:
        time.sleep(0.02)
        return error("InvalidDeploymentIdException")
    return Response(body)
client = DeploymentTargetsClient(canned(answer), max_concurrency=30)
try:
    client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(750))
except client.exceptions.InvalidDeploymentIdException:
    print("refused")
"""
    assert run_python("-c", script, env={}) == "refused"


# Since Python 3.12, a fork beside other threads is warned of.
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_fork_while_another_thread_reads_an_error_blocks_no_child(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    create, reads, may_go_on = ClientExceptionsFactory.create_client_exceptions, Event(), Event()

    def slow(*args: Any) -> Any:
        # Not in the child, whose copy of an event may be locked.
        if threading.current_thread() is other:
            reads.set()
            may_go_on.wait(PATIENCE)
        return create(*args)

    def refused() -> None:
        with pytest.raises(ClientError, match="InvalidDeploymentIdException"):
            client.get_deployment(deploymentId="d-1")

    monkeypatch.setattr(ClientExceptionsFactory, "create_client_exceptions", slow)
    client = DeploymentTargetsClient(clients.answered(lambda *_: REFUSED))
    other = threading.Thread(target=refused)
    other.start()
    reads.wait(PATIENCE)
    child = os.fork()
    if child == 0:
        signal.alarm(PATIENCE)
        try:
            refused()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0) == (child, 0)
    may_go_on.set()
    other.join()


def test_a_signal_s_handler_may_ask_while_its_thread_reads_an_answer(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: Any) -> Any:
        signal.raise_signal(signal.SIGALRM)
        return create(*args)

    def ask(*_: object) -> None:
        signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits for its own thread"))
        signal.alarm(PATIENCE)
        output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(60))
        seen.extend(got(output.deployment_targets))
        signal.alarm(0)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)

    create, seen = ClientExceptionsFactory.create_client_exceptions, list[Any]()
    usual = signal.signal(signal.SIGALRM, ask)
    monkeypatch.setattr(ClientExceptionsFactory, "create_client_exceptions", interrupted)
    client = DeploymentTargetsClient(clients.answered(CodeDeploy(instead={GET: [REFUSED]})))
    with pytest.raises(ClientError, match="InvalidDeploymentIdException"):
        client.get_deployment(deploymentId="d-1")
    signal.signal(signal.SIGALRM, usual)
    assert seen == ids(60)


def test_a_process_ends_while_a_call_hangs() -> None:
    script = """
import sys
from support.endpoint import boto3_client
from support.pages import ids
from codedeploy_targets import DeploymentTargetsClient
client = DeploymentTargetsClient(boto3_client(sys.argv[1]))
try:
    client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(100))
except client.exceptions.InvalidDeploymentIdException:
    print("refused")
"""
    all_sent, release = threading.Barrier(4), threading.Event()

    def before(_: str, params: dict[str, Any]) -> Response | None:
        all_sent.wait(PATIENCE)
        if params["targetIds"][0] == ids(1)[0]:
            return REFUSED
        release.wait(30)
        return None

    with serve(CodeDeploy(before=before)) as endpoint:
        try:
            assert run_python("-c", script, endpoint.url, seconds=20, env={}) == "refused"
        finally:
            release.set()


def test_a_call_while_python_finalizes_ends() -> None:
    script = """
import sys
from support.endpoint import boto3_client
from codedeploy_targets import DeploymentTargetsClient
class Deployment:
    client = DeploymentTargetsClient(boto3_client(sys.argv[1]))
    def __del__(self):
        try:
            targets = [*self.client.iter_deployment_targets(deploymentId="d-1")]
        except BaseException:  # by now, Python has taken apart what botocore needs
            targets = []
        print("ended", flush=True)
Deployment.client.get_deployment(deploymentId="d-1")
last = Deployment()
"""
    with serve(CodeDeploy(known=60)) as endpoint:
        assert run_python("-c", script, endpoint.url, env={}) == "ended"


def test_ctrl_c_while_a_request_waits_for_the_lock_is_raised_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Interrupted:
        release = threading.RLock().release

        def acquire(self) -> None:
            raise KeyboardInterrupt

        def _is_owned(self) -> bool:
            return False

    monkeypatch.setitem(_lock._locks, os.getpid(), Interrupted())  # noqa: SLF001
    client = DeploymentTargetsClient(canned(CodeDeploy()))
    with pytest.raises(KeyboardInterrupt):
        client.get_deployment(deploymentId="d-1")


def test_ctrl_c_leaves_no_lock_behind() -> None:
    script = """
import logging, os, random, signal, sys, threading, time
from support.endpoint import Response, canned
from support.pages import ids, instance, page
from codedeploy_targets import DeploymentTargetsClient
def interrupt(*_):
    global is_armed
    if is_armed:
        is_armed = False
        raise KeyboardInterrupt
def ask(count):
    client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(count))
def ask_in_threads():
    logging.getLogger("another")
    ask(60)
    print("answered", flush=True)
    os._exit(0)
sys.stderr = open(os.devnull, "w")  # what is interrupted in a finalizer is told there
answer = Response(page([instance(each, events=0) for each in ids(1)]))
client = DeploymentTargetsClient(canned(lambda *_: answer))
signal.signal(signal.SIGALRM, interrupt)
random.seed(1)
begin = time.perf_counter()
for _ in range(20):
    ask(1)
seconds = (time.perf_counter() - begin) / 20
for _ in range(2_000):
    is_armed = True
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, seconds))
        ask(1)
        is_armed = False
    except KeyboardInterrupt:
        pass
threading.Thread(target=ask_in_threads, daemon=True).start()
time.sleep(20)
"""
    assert run_python("-c", script, env={}) == "answered"

"""The threads of the sync client: they share the work, and none is left behind."""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from support.clients import got
from support.endpoint import Response, canned, error, serve
from support.pages import ids
from support.service import Service, answer_every_id

from codedeploy_targets import DeploymentTargetsClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    wait_until(lambda: set(threading.enumerate()) <= before)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in 10 seconds"
        time.sleep(0.005)


def test_max_concurrency_1_needs_no_thread(service: Service) -> None:
    threads = set()

    def answer(operation: str, params: dict[str, Any]) -> Response:
        threads.add(threading.current_thread())
        return service(operation, params)

    client = DeploymentTargetsClient(canned(answer), max_concurrency=1)
    client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(60))
    list(client.iter_deployment_targets(deploymentId="d-1", targetIds=ids(60)))
    # One batch needs none either.
    client = DeploymentTargetsClient(canned(answer))
    client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(25))
    assert threads == {threading.current_thread()}


def test_all_threads_are_daemons_and_at_most_max_concurrency(service: Service) -> None:
    three, under_way, most = threading.Barrier(3), set(), 0

    def answer(operation: str, params: dict[str, Any]) -> Response:
        nonlocal most
        under_way.add(threading.get_ident())
        most = max(most, len(under_way))
        assert threading.current_thread().daemon
        three.wait(10)
        time.sleep(0.01)
        under_way.discard(threading.get_ident())
        return service(operation, params)

    client = DeploymentTargetsClient(canned(answer), max_concurrency=3)
    client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(525))
    assert most == 3


def test_after_a_failure_nothing_more_is_sent(service: Service) -> None:
    all_sent, release = threading.Barrier(4), threading.Event()

    def answer(operation: str, params: dict[str, Any]) -> Response:
        response = service(operation, params)
        position = ids(1000).index(params["targetIds"][0]) // 25
        all_sent.wait(10)
        if position == 0:
            wait_until(lambda: threading.active_count() == before + 3)
        if position == 1:
            return error("InvalidDeploymentIdException")
        if position > 1:
            release.wait(10)
        return response

    before = threading.active_count()
    client = DeploymentTargetsClient(canned(answer), max_concurrency=4)
    with pytest.raises(client.exceptions.InvalidDeploymentIdException):
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(1000))
    # The calls under way are not waited for; none is added to them.
    wait_until(lambda: threading.active_count() == before + 2)
    release.set()
    wait_until(lambda: threading.active_count() == before)
    assert len(service.batches) == 4


def test_an_iterator_reads_no_further_after_a_failure(service: Service) -> None:
    def answer(operation: str, params: dict[str, Any]) -> Response:
        response = service(operation, params)
        both.wait(10)
        if params["targetIds"][0] == ids(1)[0]:
            wait_until(lambda: threading.active_count() == before + 1)
            return response
        return error("InvalidDeploymentIdException")

    both = threading.Barrier(2)
    before = threading.active_count()
    client = DeploymentTargetsClient(canned(answer), max_concurrency=2)
    read = iter(ids(1000))
    targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=read)
    assert got(itertools.islice(targets, 25)) == ids(25)
    with pytest.raises(client.exceptions.InvalidDeploymentIdException):
        next(targets)
    assert next(read) == ids(51)[-1]


def test_calls_overlap_after_a_pause(service: Service) -> None:
    def answer(operation: str, params: dict[str, Any]) -> Response:
        both.wait(10)
        return service(operation, params)

    both = threading.Barrier(2)
    before = threading.active_count()
    client = DeploymentTargetsClient(canned(answer), max_concurrency=2)
    targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=ids(150))
    for _ in range(3):
        next(targets)
        wait_until(lambda: threading.active_count() == before)
        assert len(list(itertools.islice(targets, 49))) == 49


def test_a_batch_that_nobody_waits_for_is_split_no_further() -> None:
    all_sent, release, calls = threading.Barrier(2), threading.Event(), []

    def answer(_: str, params: dict[str, Any]) -> Response:
        calls.append(params["targetIds"])
        all_sent.wait(10)
        if params["targetIds"][0] == ids(1)[0]:
            return error("InvalidDeploymentIdException")
        release.wait(10)
        return error("InstanceDoesNotExistException")

    before = threading.active_count()
    client = DeploymentTargetsClient(canned(answer), max_concurrency=2)
    with pytest.raises(client.exceptions.InvalidDeploymentIdException):
        client.batch_get_deployment_targets(
            deploymentId="d-1", targetIds=ids(50), skip_missing=True
        )
    release.set()
    wait_until(lambda: threading.active_count() == before)
    assert len(calls) == 2


@pytest.mark.parametrize("end", ["close", "collect"])
def test_an_iterator_that_is_given_up_leaves_no_thread(service: Service, end: str) -> None:
    before = threading.active_count()
    client = DeploymentTargetsClient(canned(service))
    targets: Any = client.iter_deployment_targets(deploymentId="d-1")
    next(targets)
    if end == "close":
        targets.close()
        assert list(targets) == []
    del targets
    gc.collect()
    wait_until(lambda: threading.active_count() == before)
    assert 1 <= len(service.batches) <= 8


@pytest.mark.parametrize("listed", [True, False])
def test_an_iterator_may_be_collected_by_one_of_its_own_threads(*, listed: bool) -> None:
    # An abandoned iterator in a reference cycle is collected by whichever thread runs the
    # collector. Here, that is a worker of its own, in each place where a call can be.
    both_under_way, abandoned = threading.Barrier(2), threading.Event()
    collected_in: list[threading.Thread] = []
    service = Service(50)

    def collect() -> None:
        if abandoned.is_set():
            gc.collect()

    def answer(operation: str, params: dict[str, Any]) -> Response:
        if operation == "BatchGetDeploymentTargets":
            both_under_way.wait(10)
            if params["targetIds"] == ids(50)[25:]:
                abandoned.wait(10)
                collect()
        return service(operation, params)

    gc.disable()
    try:
        wrapped = canned(answer)
        for event in ("before-send", "needs-retry", "after-call"):
            wrapped.meta.events.register(f"{event}.codedeploy", lambda **_: collect())
        client = DeploymentTargetsClient(wrapped, max_concurrency=2)
        target_ids = None if listed else ids(50)
        targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=target_ids)
        weakref.finalize(targets, lambda: collected_in.append(threading.current_thread()))
        cycle: list[Any] = [targets]
        cycle.append(cycle)
        next(cycle[0])
        del cycle, targets
        abandoned.set()
        wait_until(lambda: bool(collected_in))
    finally:
        gc.enable()
    assert collected_in[0] is not threading.main_thread()


def test_an_interrupt_while_a_thread_starts_leaves_nothing_behind(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    before = threading.active_count()
    client = DeploymentTargetsClient(canned(service))
    with pytest.raises(KeyboardInterrupt):
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(100))
    wait_until(lambda: threading.active_count() == before)
    assert len(service.batches) <= 1


@pytest.mark.parametrize("started", [0, 1, 2, 3])
@pytest.mark.parametrize("max_concurrency", [2, 8])
def test_a_thread_that_cannot_be_started_is_no_failure(
    service: Service, monkeypatch: pytest.MonkeyPatch, started: int, max_concurrency: int
) -> None:
    start, attempts = threading.Thread.start, itertools.count()

    def limited(thread: threading.Thread) -> None:
        if next(attempts) >= started:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    client = DeploymentTargetsClient(canned(service), max_concurrency=max_concurrency)
    output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(400))
    assert got(output.deployment_targets) == ids(400)
    assert len(service.batches) == 16
    attempts = itertools.count()
    assert got(client.iter_deployment_targets(deploymentId="d-1")) == ids(1_000)
    attempts = itertools.count()
    output = client.batch_get_deployment_targets(
        deploymentId="d-1", targetIds=[*ids(60), "i-gone"], skip_missing=True
    )
    assert got(output.deployment_targets) == ids(60)
    assert output.missing_target_ids == ["i-gone"]
    # Errors are raised as ever.
    attempts = itertools.count()
    with pytest.raises(client.exceptions.DeploymentTargetDoesNotExistException):
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=[*ids(60), "i-gone"])


def test_a_failure_in_the_caller_s_own_thread_ends_the_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def cannot_start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def answer(operation: str, params: dict[str, Any]) -> Response:
        calls.append(threading.current_thread())
        if len(calls) == 2:
            return error("InvalidDeploymentIdException")
        return answer_every_id(operation, params)

    monkeypatch.setattr(threading.Thread, "start", cannot_start)
    client = DeploymentTargetsClient(canned(answer))
    with pytest.raises(client.exceptions.InvalidDeploymentIdException):
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(400))
    assert calls == [threading.main_thread()] * 2


def test_a_process_ends_while_a_call_hangs() -> None:
    all_sent, hang = threading.Barrier(4), threading.Event()

    def answer(_: str, params: dict[str, Any]) -> Response:
        all_sent.wait(10)
        if params["targetIds"][0] == ids(1)[0]:
            return error("InvalidDeploymentIdException")
        hang.wait(30)
        return Response(b"{}")

    script = """
import sys
from support.endpoint import Endpoint
from support.pages import ids
from codedeploy_targets import DeploymentTargetsClient
client = DeploymentTargetsClient(Endpoint(None, sys.argv[1]).client())
try:
    client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(100))
except client.exceptions.InvalidDeploymentIdException:
    print("refused")
"""
    with serve(answer) as endpoint:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", script, endpoint.url],
            env={"PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        hang.set()
    assert (done.stdout, done.stderr) == ("refused\n", "")

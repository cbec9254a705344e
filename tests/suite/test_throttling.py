"""A service that throttles: the library makes again the calls that its own concurrency got refused.

`tests/programs/throttling.py` compares the rule with a loop over boto3.
"""

from __future__ import annotations

import gc
import itertools
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.clients import Client, Clients, got
from support.clock import Clock
from support.codedeploy import GET, LIST, PATIENCE, READ, THROTTLED, CodeDeploy, Hang, TokenBucket
from support.endpoint import Response, error
from support.pages import ids

from codedeploy_targets import _lock, _threads, _throttling
from codedeploy_targets._runs import JobBase

RETRIES = {"mode": "standard", "total_max_attempts": 3}


def half_allowed() -> TokenBucket:
    """Return a bucket whose clock is the attempts: it allows ten, and then every other one."""
    return TokenBucket(0.5, 10, clock=itertools.count().__next__)


@pytest.mark.usefixtures("retry_at_once")
def test_what_a_loop_gets_from_a_service_that_throttles_a_client_gets_too(clients: Clients) -> None:
    codedeploy = CodeDeploy(throttle=half_allowed())
    client = clients.canned(codedeploy, retries=RETRIES)
    for start in range(0, 1_000, 25):
        wanted = ids(1_000)[start : start + 25]
        client.call("batch_get_deployment_targets", deploymentId="d-1", targetIds=wanted)
    assert got(client.batch_get(ids(1_000)).deployment_targets) == ids(1_000)
    assert got(client.iterate()) == ids(1_000)


@pytest.mark.usefixtures("retry_at_once")
def test_three_streams_at_once_get_all_from_a_service_that_throttles(clients: Clients) -> None:
    client = clients.canned(CodeDeploy(throttle=half_allowed()), retries=RETRIES)

    def stream() -> Any:
        return clients.collect(client.typed.iter_deployment_targets(deploymentId="d-1"))

    assert [got(targets) for targets in clients.at_once([stream] * 3)] == [ids(1_000)] * 3


@pytest.mark.usefixtures("retry_at_once")
def test_a_call_that_is_alone_is_left_to_the_retry_settings(clients: Clients) -> None:
    codedeploy = CodeDeploy(throttle=TokenBucket(0, 0))
    client = clients.canned(codedeploy, retries=RETRIES)
    one = clients.canned(codedeploy, retries=RETRIES, max_concurrency=1)
    for call in (
        lambda: client.batch_get(ids(25)),
        lambda: one.batch_get(ids(100)),
        lambda: next(client.iterate()),
        lambda: clients.finish(client.typed.get_deployment(deploymentId="d-1")),
    ):
        codedeploy.calls.clear()
        with pytest.raises(client.exceptions.ClientError, match="ThrottlingException"):
            call()
        assert len(codedeploy.calls) == 3


@pytest.mark.usefixtures("retry_at_once")
@pytest.mark.parametrize("allowed", [0, 30])
def test_a_service_that_allows_nothing_any_more_ends_a_request(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock.monotonic)
    throttle = TokenBucket(0, allowed)
    codedeploy = CodeDeploy(throttle=throttle, before=lambda *_: clock.set_forward(0.1))
    client = clients.canned(codedeploy, retries=RETRIES)
    with pytest.raises(client.exceptions.ClientError, match="ThrottlingException"):
        client.batch_get(ids(1_000))
    assert len(codedeploy.calls) < allowed + 100


@pytest.mark.parametrize("refusal", [THROTTLED, error("CodeOfAProxy", 429)])
def test_a_refusal_halves_the_calls_under_way(clients: Clients, refusal: Response) -> None:
    def before(_: str, params: Any) -> Any:
        if ids(1)[0] not in params["targetIds"] or refused.is_set():
            return others()
        others.wait_for(7)
        refused.set()
        return refusal

    refused, others = threading.Event(), Hang()
    codedeploy = CodeDeploy(before=before, delay=0.02)
    client = clients.served(codedeploy, retries={"total_max_attempts": 1})
    targets = client.iterate(ids(200))
    first = clients.start_next(targets)
    clients.wait_until(refused.is_set)
    clients.pause(0.5)  # the refusal is on its way; nothing tells when it arrives
    others.let_go()
    assert got([first(), *targets]) == ids(200)
    codedeploy.most_at_once = 0
    codedeploy.gather(4)
    client.batch_get(ids(200))
    assert codedeploy.most_at_once == 4


def test_listings_and_get_deployment_share_the_cap_which_successes_end(clients: Clients) -> None:
    codedeploy, client = clients.capped()
    hangs = [codedeploy.hang(LIST), codedeploy.hang(GET)]
    both = [client.iterate(), client.watch()]
    results = [clients.start_next(targets) for targets in both]
    clients.wait_until(lambda: len(codedeploy.asked(LIST) + codedeploy.asked(GET)) > 0)
    clients.pause(0.05)
    assert len(codedeploy.asked(LIST) + codedeploy.asked(GET)) == 1
    for hang in hangs:
        hang.let_go()
    assert [result().target_id for result in results] == ids(1) * 2
    for targets in both:
        clients.close(targets)
    client.batch_get(ids(1_000))
    codedeploy.gather(8)
    assert got(client.batch_get(ids(200)).deployment_targets) == ids(200)


def test_a_call_alone_is_made_again_under_the_cap_while_the_service_lets_calls_through(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = deque[Any]()
    scripted = iter(lambda: script.popleft() if script else None, "never")
    codedeploy, client = clients.capped(instead={READ: scripted})
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock.monotonic)
    script += [*[None] * 10, THROTTLED, THROTTLED]
    assert got(client.batch_get(ids(250)).deployment_targets) == ids(250)
    assert got(client.batch_get(ids(25)).deployment_targets) == ids(25)
    assert len(codedeploy.calls) == 13
    clock.set_forward(3)
    script += [THROTTLED]
    with pytest.raises(client.exceptions.ClientError, match="ThrottlingException"):
        client.batch_get(ids(25))


def test_a_call_alone_is_left_to_the_retry_settings_once_the_cap_has_gone(clients: Clients) -> None:
    codedeploy = CodeDeploy(instead={READ: [THROTTLED, *[None] * 9, THROTTLED]})
    client = clients.served(codedeploy, retries={"total_max_attempts": 1})
    codedeploy.gather(2)
    assert got(client.batch_get(ids(50)).deployment_targets) == ids(50)
    for _ in range(7):  # so many successes end a cap of 1 that began while two calls were under way
        client.batch_get(ids(25))
    with pytest.raises(client.exceptions.ClientError, match="ThrottlingException"):
        client.batch_get(ids(25))


def test_a_call_within_a_throttled_call_waits_for_no_place(clients: Clients) -> None:
    seen = list[Any]()

    async def ask(**_: Any) -> None:
        if not seen:
            seen.append(None)
            await clients.result(other.typed.get_deployment(deploymentId="d-1"))
            seen.append(await clients.result(client.typed.get_deployment(deploymentId="d-1")))

    codedeploy = CodeDeploy(instead={GET: [THROTTLED]})
    client = clients.canned(codedeploy, retries={"total_max_attempts": 1})
    other = clients.canned(CodeDeploy())
    client.on("after-call", clients.handler(ask))
    with pytest.raises(client.exceptions.ClientError, match="ThrottlingException"):
        client.batch_get(ids(3))
    seen.clear()
    assert got(client.batch_get(ids(60)).deployment_targets) == ids(60)
    assert len(seen) == 2


def test_a_call_within_one_of_another_client_waits_for_no_place_either(clients: Clients) -> None:
    seen = list[Any]()

    async def ask_the_other(**_: Any) -> None:
        if not seen:
            seen.append(None)
            await clients.result(other.typed.get_deployment(deploymentId="d-1"))

    async def ask(**_: Any) -> None:
        seen.append(await clients.result(client.typed.get_deployment(deploymentId="d-1")))

    _, client = clients.capped()
    other = clients.canned(CodeDeploy())
    client.on("after-call", clients.handler(ask_the_other))
    other.on("after-call", clients.handler(ask))
    assert got(client.batch_get(ids(3)).deployment_targets) == ids(3)
    assert len(seen) == 2


@contextmanager
def place_taken() -> Iterator[tuple[Client, Hang]]:
    """Yield a client whose one place under the cap has a call that hangs; restore SIGALRM."""
    with Clients() as clients:
        codedeploy, client = clients.capped()
        hang = codedeploy.hang(READ, ids(1)[0])
        other = clients.start_next(client.iterate(ids(1)))
        hang.wait_for()
        usual = signal.getsignal(signal.SIGALRM)
        yield client, hang
        signal.signal(signal.SIGALRM, usual)
        assert other().target_id == ids(1)[0]


def test_a_signal_s_handler_may_ask_while_its_thread_waits_for_a_place() -> None:
    def ask(*_: object) -> None:
        seen.append(client.typed.get_deployment(deploymentId="d-1").status)
        hang.let_go()

    seen = list[Any]()
    with place_taken() as (client, hang):
        signal.signal(signal.SIGALRM, ask)
        signal.setitimer(signal.ITIMER_REAL, 0.3)  # by when the call below waits
        assert got(client.batch_get(ids(20)[1:]).deployment_targets) == ids(20)[1:]
    assert seen == ["InProgress"]


def test_a_signal_s_handler_may_ask_while_its_thread_comes_for_a_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Signalled:
        held = threading.RLock()
        release, _is_owned = held.release, held._is_owned  # type: ignore[attr-defined] # noqa: SLF001

        def acquire(self) -> None:
            self.held.acquire()
            if threading.current_thread() is threading.main_thread() and not asked:
                asked.append(None)
                signal.raise_signal(signal.SIGALRM)

    def ask(*_: object) -> None:
        signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits for its own thread"))
        signal.alarm(PATIENCE)
        hang.let_go()  # that call ends by the lock which this thread holds
        asked.append(client.typed.get_deployment(deploymentId="d-1").status)
        signal.alarm(0)

    asked = list[Any]()
    with place_taken() as (client, hang):
        signal.signal(signal.SIGALRM, ask)
        monkeypatch.setitem(_lock._locks, os.getpid(), Signalled())  # noqa: SLF001
        assert got(client.batch_get(ids(20)[1:]).deployment_targets) == ids(20)[1:]
    assert asked == [None, "InProgress"]


@pytest.mark.parametrize("how", ["closed", "given up"])
def test_a_request_that_ends_gives_its_place_back_though_its_call_hangs(
    clients: Clients, how: str
) -> None:
    codedeploy, client = clients.capped()
    hang = codedeploy.hang(READ, ids(26)[-1])
    targets = client.iterate(ids(50))
    next(targets)
    clients.wait_until(lambda: len(codedeploy.batches) == 2)
    if how == "closed":
        targets.close()
    del targets
    gc.collect()
    assert got(client.batch_get(ids(75)[50:]).deployment_targets) == ids(75)[50:]
    hang.let_go()


def test_a_call_that_waits_gets_the_place_of_one_that_hangs_once_its_request_ends(
    clients: Clients,
) -> None:
    codedeploy, client = clients.capped()
    hang = codedeploy.hang(READ, ids(1)[0])
    first, second = client.iterate(ids(25)), client.iterate(ids(50)[25:])
    hangs = clients.start_next(first)
    clients.wait_until(lambda: len(codedeploy.batches) == 1)
    waits = clients.start_next(second)
    clients.pause(0.05)  # until it waits
    clients.close(first)
    assert hangs() is None
    assert waits().target_id == ids(26)[-1]
    hang.let_go()


def test_a_call_that_comes_for_a_place_gets_one_that_is_given_up_just_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def is_given_up(job: JobBase) -> bool:
        monkeypatch.undo()
        was_given_up = job.is_given_up()
        monkeypatch.setattr(_threads, "_LONGEST_WAIT", 2 * PATIENCE)
        given_up.close()  # as another thread may at any time
        return was_given_up

    with Clients() as clients:
        codedeploy, client = clients.capped()
        hang = codedeploy.hang(READ, ids(26)[-1])
        given_up = client.iterate(ids(50))
        next(given_up)
        clients.wait_until(lambda: len(codedeploy.batches) == 2)
        monkeypatch.setattr(JobBase, "is_given_up", is_given_up)
        comes = clients.start_next(client.iterate(ids(75)[50:]))
        assert comes().target_id == ids(51)[-1]
        hang.let_go()


def test_a_call_that_begins_lets_the_next_one_begin_that_was_woken_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def wait(job: _threads.Job) -> None:
        if job in waits[1:]:  # the second one, woken when it is not its turn yet
            second_waits_on.set()
        waits.append(job)
        await usual_wait(job)
        if job is waits[0]:
            assert second_waits_on.wait(PATIENCE)

    waits, second_waits_on, usual_wait = list[_threads.Job](), threading.Event(), _threads.Job.wait
    with Clients() as clients:
        codedeploy, client = clients.capped()
        monkeypatch.setattr(_throttling, "_SPEED", 1)  # so that one success makes room for two
        monkeypatch.setattr(_threads, "_LONGEST_WAIT", 2 * PATIENCE)
        monkeypatch.setattr(_threads.Job, "wait", wait)
        hangs = [codedeploy.hang(READ, ids(75)[start]) for start in (0, 25)]
        nexts = []
        for start in (0, 25, 50):
            nexts.append(clients.start_next(client.iterate(ids(75)[start : start + 25])))
            clients.wait_until(lambda: len(waits) + len(codedeploy.batches) == len(nexts))
        hangs[0].let_go()
        assert nexts[0]().target_id == ids(1)[0]
        assert nexts[2]().target_id == ids(51)[-1]
        hangs[1].let_go()
        assert nexts[1]().target_id == ids(26)[-1]


def test_another_process_has_no_cap(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    codedeploy, client = clients.capped()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    codedeploy.gather(2)
    assert got(client.batch_get(ids(50)).deployment_targets) == ids(50)


# Since Python 3.12, a fork beside pytest-xdist's own thread is warned of.
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_process_starts_without_a_cap() -> None:
    with Clients() as clients:
        codedeploy, client = clients.capped()
        codedeploy.gather(2)
        child = os.fork()
        if child == 0:
            try:
                assert got(client.batch_get(ids(50)).deployment_targets) == ids(50)
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0) == (child, 0)

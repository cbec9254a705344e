"""An iterator or a watch that is closed from anywhere ends at once, and leaves nothing behind.

The fixture `clients` asserts at the end of each test that no thread or task is left.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from support.clients import AsyncClients, Client, Clients
from support.codedeploy import GET, LIST, LONG, PATIENCE, READ, CodeDeploy, Step, wait_until
from support.endpoint import Response, error
from support.pages import fleet, ids

from codedeploy_targets import InstanceTarget
from codedeploy_targets._lock import lock


@pytest.mark.parametrize(("operation", "begin"), [
    (READ, lambda client: client.iterate(ids(60))),
    (READ, lambda client: client.iterate(iter(ids(60)))),
    (LIST, lambda client: client.iterate()),
    *((operation, lambda client: client.watch()) for operation in (GET, LIST, READ)),
])  # fmt: skip
def test_close_ends_a_next_that_waits_for_a_call(
    clients: Clients, operation: str, begin: Callable[[Client], Any]
) -> None:
    codedeploy = CodeDeploy(known=60)
    hang = codedeploy.hang(operation)
    targets = begin(clients.served(codedeploy))
    result = clients.start_next(targets)
    clients.wait_until(lambda: len(codedeploy.asked(operation)) == (3 if operation == READ else 1))
    clients.close(targets)
    assert result() is None
    assert list(targets) == []
    calls = len(codedeploy.calls)
    hang.let_go()
    clients.no_thread_is_left()
    assert len(codedeploy.calls) == calls


def test_close_ends_a_next_that_waits_for_a_place_under_the_cap(clients: Clients) -> None:
    codedeploy, client = clients.capped()
    hang = codedeploy.hang(READ)
    first = client.iterate(ids(25))
    result = clients.start_next(first)
    clients.wait_until(lambda: bool(codedeploy.calls))
    at_work = clients.under_way()
    for targets in (client.iterate(ids(25)), client.iterate(), client.watch()):
        waits = clients.start_next(targets)
        clients.pause(0.05)  # until it waits
        clients.close(targets)
        assert waits() is None
        clients.wait_until(lambda: clients.under_way() == at_work)
    assert len(codedeploy.calls) == 1
    hang.let_go()
    assert result().target_id == ids(1)[0]
    first.close()


def test_close_ends_a_watch_that_waits_for_its_next_round(clients: Clients) -> None:
    codedeploy = CodeDeploy(Step("InProgress", fleet(a="InProgress")))
    watch = clients.canned(codedeploy).watch(delay=LONG)
    assert next(watch).target_id == "a"
    result = clients.start_next(watch)
    clients.pause(0.05)
    clients.close(watch)
    assert result() is None
    assert list(watch) == []
    assert watch.deployment.status == "InProgress"
    assert len(codedeploy.rounds()) == 1


@pytest.mark.parametrize("number", [1, 25])  # within a batch, and at its end
def test_close_ends_the_reading_of_ids_at_the_next_id(number: int) -> None:
    read, reading, may_go_on = list[str](), threading.Event(), threading.Event()

    def slow() -> Iterator[str]:
        for each in ids(1) * 50:  # one id, so that no batch is full
            read.append(each)
            if len(read) == number:
                reading.set()
                may_go_on.wait(PATIENCE)
            yield each

    with Clients() as clients:
        targets = clients.canned(CodeDeploy()).iterate(slow())
        result = clients.start_next(targets)
        reading.wait(PATIENCE)
        targets.close()
        may_go_on.set()
        assert result() is None
    assert len(read) == number


def test_an_iterator_is_a_context_manager_and_may_be_closed_twice(clients: Clients) -> None:
    client = clients.served(CodeDeploy())
    given = (None, ids(1_000), iter(ids(1_000)), clients.each(ids(1_000)))
    for targets in (*map(client.iterate, given), client.watch(delay=LONG)):
        with targets as entered:
            assert entered is targets
            assert next(entered).target_id == ids(1)[0]
        targets.close()  # for the async client, this asserts that no task is left
        assert list(targets) == []


def test_an_iterator_that_was_closed_keeps_no_targets(clients: Clients) -> None:
    known = [f"i-kept{number}" for number in range(100)]
    client = clients.canned(CodeDeploy(known=known), max_concurrency=4)
    targets = client.iterate(known)
    next(targets)
    clients.wait_until(lambda: not clients.under_way())  # all have come
    targets.close()
    gc.collect()
    # By type, as `isinstance` would make lazy modules, such as six has, import others.
    kept = [each for each in gc.get_objects() if type(each) is InstanceTarget]
    assert not {each.target_id for each in kept} & {*known}


@pytest.mark.parametrize("where", ["here", "in a cycle", "in another thread"])
def test_an_iterator_that_is_given_up_closes_without_a_word(clients: Clients, where: str) -> None:
    codedeploy = CodeDeploy(known=25)
    hang = codedeploy.hang(READ, ids(26)[-1])
    targets = clients.served(codedeploy).iterate(ids(50), skip_missing=True)
    next(targets)
    clients.wait_until(lambda: len(codedeploy.batches) == 2)
    held = [targets]
    held += [held] if where == "in a cycle" else []
    del targets
    if where == "in another thread":
        with lock():  # while this one reads an answer
            other = threading.Timer(0.05, held.clear)  # by when the loop of the async client runs
            other.start()
            clients.wait_until(lambda: not other.is_alive())
    del held
    gc.collect()
    hang.let_go()
    clients.wait_until(lambda: not clients.under_way())
    assert len(codedeploy.batches) == 2  # the second is refused, and not split any more


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("operation", "begin"), [
    (READ, lambda client: next(client.iterate(ids(1_000)))),
    (LIST, lambda client: next(client.iterate())),
    *((operation, lambda client: next(client.watch())) for operation in (GET, LIST, READ)),
    (READ, lambda client: client.batch_get(ids(1_000))),
])  # fmt: skip
def test_an_interrupt_while_calls_hang_ends_their_request(
    operation: str, begin: Callable[[Client], Any]
) -> None:
    once, main_thread = iter([True]), threading.get_ident()
    calls = 8 if operation == READ else 1

    def interrupt(name: str, _: object) -> None:
        if name == operation and next(once, False):
            # The main thread has to have started the other calls, and to wait. Python drops what a
            # signal's handler raises in a weakref's callback, as where a thread is started.
            wait_until(lambda: len(codedeploy.asked(name)) == calls)
            time.sleep(0.2)
            signal.pthread_kill(main_thread, signal.SIGINT)

    with Clients() as clients:
        codedeploy = CodeDeploy(before=interrupt)
        hang = codedeploy.hang(operation)
        client = clients.served(codedeploy)
        with pytest.raises(KeyboardInterrupt):
            begin(client)
        hang.let_go()
        clients.no_thread_is_left()
        assert len(codedeploy.asked(operation)) == calls


def test_a_refused_batch_is_not_split_after_a_close() -> None:
    codedeploy = CodeDeploy(known=ids(24), before=lambda *_: targets.close())
    with Clients() as clients:
        targets = clients.canned(codedeploy, max_concurrency=1).iterate(ids(25), skip_missing=True)
        assert list(targets) == []
    assert len(codedeploy.calls) == 1


@pytest.mark.parametrize("begin", [
    lambda client: client.iterate(ids(25)), lambda client: client.iterate(),
    lambda client: client.watch(),
])  # fmt: skip
def test_a_call_that_fails_after_a_close_in_the_same_thread_is_no_error(
    begin: Callable[[Client], Any],
) -> None:
    def refuse(*_: object) -> Response:
        targets.close()
        return error("AccessDeniedException")

    with Clients() as clients:
        targets = begin(clients.canned(CodeDeploy(before=refuse), max_concurrency=1))
        assert list(targets) == []


def test_a_handler_may_close_its_stream_in_another_task() -> None:
    async def close(**_: object) -> None:
        await asyncio.gather(targets.unblocked.aclose())

    pytest.importorskip("aiobotocore")
    with AsyncClients() as clients:
        client = clients.canned(CodeDeploy())
        client.on("after-call", close)
        targets = client.iterate(ids(200))
        assert list(targets) == []


def test_ids_may_close_their_stream_while_nobody_waits_for_it() -> None:
    async def produce() -> AsyncIterator[str]:
        for target_id in ids(40):
            yield target_id
        hang.let_go()
        await taken.wait()
        await targets.aclose()

    async def body() -> None:
        assert (await anext(targets)).target_id == ids(1)[0]
        taken.set()

    pytest.importorskip("aiobotocore")
    taken, codedeploy = asyncio.Event(), CodeDeploy()
    hang = codedeploy.hang(READ)
    with AsyncClients() as clients:
        client = clients.served(codedeploy, max_concurrency=2).typed
        targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=produce())
        clients.finish(body())
        clients.wait_until(lambda: not clients.tasks())

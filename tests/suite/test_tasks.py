"""The tasks of the async client: cancelled, closed or given up, they leave nothing behind.

The fixture `clients` asserts at the end of each test that no task is left, and that nothing was
reported to the loop, which is in asyncio's debug mode.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import Any
from unittest.mock import AsyncMock

import anyio
import pytest
from support.clients import AsyncClients, aiobotocore_client
from support.codedeploy import LONG, OPERATIONS, PATIENCE, READ, CodeDeploy
from support.endpoint import serve, unanswered
from support.pages import ids


@pytest.fixture
def clients() -> Iterator[AsyncClients]:
    pytest.importorskip("aiobotocore")
    with AsyncClients() as made:
        yield made


async def got(targets: AsyncIterator[Any]) -> list[str]:
    return [target.target_id async for target in targets]


async def call(client: Any) -> None:
    await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(1000))


async def iterate(client: Any) -> None:
    await got(client.iter_deployment_targets(deploymentId="d-1", targetIds=ids(1000)))


async def follow(client: Any) -> None:
    await got(client.watch_deployment_targets(deploymentId="d-1", delay=LONG))


def test_a_slow_producer_does_not_hold_back_the_consumer(clients: AsyncClients) -> None:
    async def body() -> None:
        consumed = asyncio.Event()

        async def produce() -> AsyncIterator[str]:
            for target_id in ids(25):
                yield target_id
            await consumed.wait()
            yield ids(26)[-1]

        targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=produce())
        assert [(await anext(targets)).target_id for _ in range(25)] == ids(25)
        consumed.set()
        assert await got(targets) == ids(26)[25:]

    client = clients.served(CodeDeploy()).typed
    clients.finish_cleanly(body())


def test_an_async_producer_runs_in_one_context(clients: AsyncClients) -> None:
    variable: ContextVar[str] = ContextVar("variable")

    async def produce() -> AsyncIterator[str]:
        token = variable.set("of the producer")
        for target_id in ids(200):
            yield target_id
            assert variable.get() == "of the producer"
        variable.reset(token)  # raises ValueError in another context
        raise KeyError("of the producer")

    client = clients.canned(CodeDeploy())
    targets = client.iterate(produce())
    for target_id in ids(200):
        assert next(targets).target_id == target_id
    with pytest.raises(KeyError, match="of the producer"):
        next(targets)
    with pytest.raises(KeyError, match="of the producer"):
        client.batch_get(produce())


DURING = [(call, READ), (iterate, READ), *((follow, each) for each in OPERATIONS)]


@pytest.mark.parametrize(("ask", "operation"), DURING)
def test_cancelling_the_caller_during_a_call_leaves_nothing_behind(
    clients: AsyncClients, ask: Callable[[Any], Awaitable[None]], operation: str
) -> None:
    async def body() -> None:
        task = asyncio.ensure_future(ask(client))
        await asyncio.to_thread(hang.wait_for, 8 if operation == READ else 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    codedeploy = CodeDeploy()
    hang = codedeploy.hang(operation)
    client = clients.served(codedeploy).typed
    clients.finish_cleanly(body())
    hang.let_go()


class SlowCleanup:
    """A handler of the user's that hangs, and ends when it is cancelled only after a while."""

    def __init__(self) -> None:
        self.begun, self.cancelled, self.may_end = (asyncio.Event() for _ in range(3))

    async def __call__(self, **_: Any) -> None:
        self.begun.set()
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            self.cancelled.set()
            await self.may_end.wait()
            raise


@pytest.mark.parametrize("first", [
    "the caller",
    pytest.param("all", marks=pytest.mark.skipif(
        sys.version_info < (3, 11), reason="nothing tells that a task is cancelled"
    )),
])  # fmt: skip
def test_a_second_cancellation_reaches_no_call(clients: AsyncClients, first: str) -> None:
    async def body() -> None:
        task = asyncio.ensure_future(follow(client.typed))
        await slow.begun.wait()
        [call] = asyncio.all_tasks() - {task, asyncio.current_task()}
        for each in [task] if first == "the caller" else [call, task]:
            each.cancel()
        await slow.cancelled.wait()
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        assert not call.done()
        slow.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, PATIENCE)
        assert call.done()

    client, slow = clients.canned(CodeDeploy()), SlowCleanup()
    client.on("before-send", slow, first=True)
    clients.finish_cleanly(body())


def test_a_close_that_is_cancelled_waits_for_the_calls_all_the_same(clients: AsyncClients) -> None:
    async def body() -> None:
        taking = asyncio.ensure_future(anext(targets))
        await slow.begun.wait()
        closing = asyncio.ensure_future(targets.aclose())
        await slow.cancelled.wait()
        closing.cancel()
        await asyncio.sleep(0)
        assert not closing.done()
        slow.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(closing, PATIENCE)
        with pytest.raises(StopAsyncIteration):
            await taking

    client, slow = clients.canned(CodeDeploy()), SlowCleanup()
    client.on("before-send", slow, first=True)
    targets = client.typed.iter_deployment_targets(deploymentId="d-1")
    clients.finish_cleanly(body())


def test_a_producer_ends_its_cleanup_before_the_caller_ends(clients: AsyncClients) -> None:
    cleaned: list[str] = []

    async def produce() -> AsyncIterator[str]:
        try:
            yield ids(1)[0]
            begun.set()
            await asyncio.sleep(LONG)
        finally:
            cleaned.append("begun")
            await asyncio.sleep(0.02)
            cleaned.append("ended")

    async def body() -> None:
        targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=produce())
        task = asyncio.ensure_future(got(targets))
        await begun.wait()
        while not task.done():  # as a scope of anyio does
            task.cancel()
            await asyncio.sleep(0)
        assert cleaned == ["begun", "ended"]

    begun = asyncio.Event()
    client = clients.canned(CodeDeploy()).typed
    clients.finish_cleanly(body())


async def end_in_a_scope() -> AsyncIterator[str]:
    with anyio.move_on_after(0.05):
        for target_id in ids(1000):
            yield target_id


async def end_in_a_group() -> AsyncIterator[str]:
    async def fail() -> None:
        await asyncio.sleep(0.05)
        raise KeyError("of the producer's task")

    async with anyio.create_task_group() as group:
        group.start_soon(fail)
        for target_id in ids(1000):
            yield target_id


@pytest.mark.parametrize("produce", [end_in_a_scope, end_in_a_group])
def test_a_producer_that_cancels_its_task_between_two_ids_ends_the_stream(
    clients: AsyncClients, produce: Callable[[], AsyncIterator[str]]
) -> None:
    # Scopes, timeouts and groups cancel the task that entered them, which waits to be asked then.
    async def body() -> None:
        targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=produce())
        first = await anext(targets)
        await asyncio.sleep(0.1)
        text = r"^targetIds cancelled the task that reads it, between two ids$|in a TaskGroup"
        with pytest.raises(BaseException, match=text) as caught:
            await asyncio.wait_for(got(targets), PATIENCE)
        assert first.target_id == ids(1)[0]
        raised = [caught.value, *getattr(caught.value, "exceptions", [])]
        expected = RuntimeError if produce is end_in_a_scope else KeyError
        assert expected in map(type, raised)

    client = clients.canned(CodeDeploy(), max_concurrency=2).typed
    clients.finish_cleanly(body())


def test_a_stream_given_up_in_a_reference_cycle_closes_the_ids(clients: AsyncClients) -> None:
    async def produce() -> AsyncIterator[str]:
        try:
            for target_id in ids(1000):
                yield target_id
        finally:
            await asyncio.sleep(0.01)
            closed.append(True)

    async def body() -> None:
        targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=produce())
        await anext(targets)
        await asyncio.sleep(0.05)  # until no more is read ahead
        cycle: list[Any] = [targets]
        cycle.append(cycle)

    closed = list[bool]()
    client = clients.canned(CodeDeploy()).typed
    clients.finish(body())
    gc.collect()
    clients.wait_until(lambda: bool(closed))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="a task cannot take back a cancellation")
@pytest.mark.parametrize("how", ["closed", "cancelled"])
@pytest.mark.parametrize("is_taken_back", [True, False])
def test_closing_ends_a_producer_that_catches_another_cancellation(
    clients: AsyncClients,
    how: str,
    is_taken_back: bool,  # noqa: FBT001
) -> None:
    # As asyncio.timeout does in a producer that polls: its cancellation is not that of the close.
    # Timeouts that are older than `Task.uncancel` do not take it back.
    async def body() -> None:
        async def produce() -> AsyncIterator[str]:
            yield ids(1)[0]
            task: Any = asyncio.current_task()
            polling.set_result(task)
            with pytest.raises(asyncio.CancelledError):
                await asyncio.sleep(LONG)
            await asyncio.sleep(0.25)
            cleaned.append(True)
            if is_taken_back:
                task.uncancel()
            await asyncio.sleep(LONG)

        polling = asyncio.get_running_loop().create_future()
        targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=produce())
        taking = asyncio.ensure_future(got(targets))
        task = await polling
        if how == "cancelled":
            taking.cancel()
        task.cancel()
        with anyio.fail_after(PATIENCE):
            if how == "closed":
                await targets.aclose()
            await asyncio.wait({taking})
        assert task.done()
        assert cleaned

    cleaned = list[bool]()
    client = clients.canned(CodeDeploy()).typed
    clients.finish_cleanly(body())


def test_cancelling_a_watch_that_waits_leaves_nothing_behind(clients: AsyncClients) -> None:
    async def body() -> None:
        assert [(await anext(watch)).target_id for _ in range(2)] == ids(2)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(anext(watch), 0.02)

    client = clients.canned(CodeDeploy(known=2)).typed
    watch = client.watch_deployment_targets(deploymentId="d-1", delay=LONG)
    clients.finish_cleanly(body())


@pytest.mark.parametrize("ticks", range(6))
def test_a_cancellation_in_the_moment_in_which_a_call_ends_is_not_lost(
    clients: AsyncClients, ticks: int
) -> None:
    task: Any = None
    others: list[Any] = []

    async def list_a_page(**params: Any) -> Any:
        if "nextToken" in params:
            await asyncio.sleep(LONG)
        return {"targetIds": ids(25), "nextToken": "2"}

    async def cancel() -> None:
        for _ in range(ticks):
            await asyncio.sleep(0)
        task.cancel()

    async def read(**_: Any) -> Any:
        others.append(asyncio.create_task(cancel()))
        return {"deploymentTargets": []}

    async def body() -> None:
        nonlocal task
        targets = client.iter_deployment_targets(deploymentId="d-1")
        task = asyncio.ensure_future(got(targets))
        await asyncio.wait({task}, timeout=PATIENCE)
        assert task.cancelled()

    mock = AsyncMock(list_deployment_targets=list_a_page, batch_get_deployment_targets=read)
    client = clients.wrap(mock).typed
    clients.finish_cleanly(body())


def test_on_round_may_close_the_watch_in_a_task_that_begins_at_once(clients: AsyncClients) -> None:
    async def body() -> None:
        if sys.version_info >= (3, 12):
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        with anyio.fail_after(PATIENCE):
            async for each in watch:
                seen.append(each.target_id)
                await asyncio.sleep(0.01)  # so that no call is under way when `on_round` is told
        assert seen == ids(2)
        await asyncio.gather(*closing)

    def close(_: object) -> None:
        if sys.version_info >= (3, 12):
            closing.append(asyncio.create_task(watch.aclose()))
        else:
            with pytest.raises(StopIteration):
                watch.aclose().send(None)

    closing, seen = list[Any](), list[str]()
    client = clients.canned(CodeDeploy(known=2)).typed
    times: Any = {"delay": LONG, "on_round": close}
    watch: Any = client.watch_deployment_targets(deploymentId="d-1", **times)
    clients.finish(body())


def test_an_iterable_that_closes_its_stream_leaves_no_task(clients: AsyncClients) -> None:
    async def produce() -> AsyncIterator[str]:
        for number, target_id in enumerate(ids(1000)):
            if number == 60:
                await targets.aclose()
            yield target_id

    client = clients.canned(CodeDeploy(), max_concurrency=2).typed
    targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=produce())
    assert clients.finish(asyncio.wait_for(got(targets), PATIENCE)) == ids(50)
    clients.wait_until(lambda: not clients.tasks())


def test_cancelling_every_other_task_before_it_began_ends_the_caller(clients: AsyncClients) -> None:
    async def body() -> None:
        caller = asyncio.create_task(call(client))
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {caller, asyncio.current_task()}:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(caller, PATIENCE)

    client = clients.canned(unanswered).typed
    clients.finish_cleanly(body())


@pytest.mark.parametrize("held", ["an iterator", "a watch", "a watch that waits"])
def test_a_loop_that_ends_closes_the_iterators_that_are_held(held: str) -> None:
    pytest.importorskip("aiobotocore")
    from codedeploy_targets.aio import AsyncDeploymentTargetsClient

    reported: list[Any] = []
    held_on_to: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: reported.append(told))
        async with aiobotocore_client(endpoint.url) as wrapped:
            client = AsyncDeploymentTargetsClient(wrapped)
            targets: Any = client.watch_deployment_targets(deploymentId="d-1", delay=LONG)
            if held == "an iterator":
                targets = client.iter_deployment_targets(deploymentId="d-1")
            await anext(targets)
            held_on_to.append(targets)
            if held == "a watch that waits":
                held_on_to.append(asyncio.create_task(anext(targets)))
                await asyncio.sleep(0.01)
            raise KeyError("of the consumer")

    known = 1_000 if held == "an iterator" else 1
    with serve(CodeDeploy(known=known)) as endpoint, pytest.raises(KeyError, match="consumer"):
        asyncio.run(main(), debug=True)
    assert reported == []


def test_a_mock_that_runs_dry_is_no_end_of_the_targets(clients: AsyncClients) -> None:
    mock = AsyncMock()
    mock.batch_get_deployment_targets.side_effect = [{"deploymentTargets": []}]
    with pytest.raises(RuntimeError, match=r"^a call raised StopAsyncIteration$"):
        clients.wrap(mock).batch_get(ids(60))


def test_what_is_iterable_in_both_ways_is_read_as_an_async_iterable(clients: AsyncClients) -> None:
    class Ids:
        def __init__(self) -> None:
            self.left = ids(30)

        def __iter__(self) -> Iterator[str]:
            raise RuntimeError("the database is not asked in a task, says Django's QuerySet")

        def __aiter__(self) -> Ids:
            return self

        async def __anext__(self) -> str:
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    client = clients.canned(CodeDeploy())
    for targets in client.batch_get(Ids()).deployment_targets, client.iterate(Ids()):
        assert [target.target_id for target in targets] == ids(30)

"""The tasks of the async client: cancelled, closed or given up, they leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import aclosing
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock

import pytest
from support.clients import aiobotocore_client
from support.codedeploy import OPERATIONS, READ, CodeDeploy
from support.endpoint import Response, error, serve, unanswered
from support.pages import ids

from codedeploy_targets.aio import AsyncDeploymentTargetsClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from support.endpoint import Answer

    Body = Callable[[AsyncDeploymentTargetsClient], Awaitable[None]]

LONG = 60.0  # seconds: a wait that no test may reach
REFUSED = error("InvalidDeploymentIdException")


@pytest.fixture(autouse=True)
def _aiobotocore() -> None:
    pytest.importorskip("aiobotocore")


def run(answer: Answer, body: Body, *, max_concurrency: int = 8) -> None:
    """Run a coroutine in asyncio's debug mode; it must leave no task and no complaint behind."""
    reported: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: reported.append(told))
        async with aiobotocore_client(endpoint.url) as wrapped:
            await body(AsyncDeploymentTargetsClient(wrapped, max_concurrency=max_concurrency))
            assert only_this_task()

    try:
        with serve(answer) as endpoint:
            asyncio.run(main(), debug=True)
    finally:
        assert reported == []


def only_this_task() -> bool:
    return asyncio.all_tasks() == {asyncio.current_task()}


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not come about in 10 seconds")


async def got(targets: AsyncIterator[Any]) -> list[str]:
    return [target.target_id async for target in targets]


def test_a_slow_producer_does_not_hold_back_the_consumer() -> None:
    async def body(client: AsyncDeploymentTargetsClient) -> None:
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

    run(CodeDeploy(), body)


def test_an_async_producer_runs_in_one_context_and_no_faster_than_its_consumer() -> None:
    read, variable = [], ContextVar[str]("variable")

    async def produce() -> AsyncIterator[str]:
        token = variable.set("of the producer")
        for target_id in ids(1_000):
            read.append(target_id)
            yield target_id
            assert variable.get() == "of the producer"
        variable.reset(token)  # raises ValueError in another context
        raise KeyError("of the producer")

    async def body(client: AsyncDeploymentTargetsClient) -> None:
        targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=produce())
        await asyncio.sleep(0.05)
        assert read == []
        first = await anext(targets)
        await until(lambda: len(codedeploy.calls) == 3)
        await asyncio.sleep(0.05)
        assert (len(read), len(codedeploy.calls)) == (75, 3)
        rest = [(await anext(targets)).target_id for _ in range(999)]
        assert [first.target_id, *rest] == ids(1_000)
        with pytest.raises(KeyError, match="of the producer"):
            await anext(targets)
        with pytest.raises(KeyError, match="of the producer"):
            await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=produce())

    codedeploy = CodeDeploy()
    run(codedeploy, body, max_concurrency=3)


@pytest.mark.parametrize("position", [0, 2])
def test_a_failed_batch_raises_promptly_and_ends_the_others(position: int) -> None:
    # The batches before it are answered once it has failed; those after it hang.
    all_sent, failed, release = threading.Barrier(4), threading.Event(), threading.Event()

    def before(_: str, params: dict[str, Any]) -> Response | None:
        own = ids(1000).index(params["targetIds"][0]) // 25
        all_sent.wait(10)
        if own == position:
            return REFUSED
        (failed if own < position else release).wait(10)
        return None

    def after_call(http_response: Any, **_: Any) -> None:
        if http_response.status_code == 400:
            failed.set()

    async def body(client: AsyncDeploymentTargetsClient) -> None:
        client.client.meta.events.register("after-call.codedeploy", after_call)
        with pytest.raises(client.exceptions.InvalidDeploymentIdException):
            await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(1000))
        assert not release.is_set()
        assert len(codedeploy.calls) == 4
        assert only_this_task()
        release.set()

    codedeploy = CodeDeploy(before=before)
    run(codedeploy, body, max_concurrency=4)


async def follow(client: AsyncDeploymentTargetsClient) -> None:
    await got(client.watch_deployment_targets(deploymentId="d-1", delay=LONG))


async def iterate(client: AsyncDeploymentTargetsClient) -> None:
    await got(client.iter_deployment_targets(deploymentId="d-1", targetIds=ids(1000)))


async def call(client: AsyncDeploymentTargetsClient) -> None:
    await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(1000))


@pytest.mark.parametrize(
    ("request_", "operation"), [(call, READ), (iterate, READ), *((follow, o) for o in OPERATIONS)]
)
def test_cancelling_the_caller_during_a_call_leaves_nothing_behind(
    request_: Body, operation: str
) -> None:
    async def body(client: AsyncDeploymentTargetsClient) -> None:
        task = asyncio.create_task(request_(client))
        await asyncio.to_thread(hang.wait_for, 8 if operation == READ else 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert only_this_task()
        hang.let_go()

    codedeploy = CodeDeploy()
    hang = codedeploy.hang(operation)
    run(codedeploy, body)


def test_cancelling_a_watch_that_waits_leaves_nothing_behind() -> None:
    async def body(client: AsyncDeploymentTargetsClient) -> None:
        targets = client.watch_deployment_targets(deploymentId="d-1", delay=LONG)
        assert [(await anext(targets)).target_id for _ in range(2)] == ids(2)
        task = asyncio.ensure_future(anext(targets))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert only_this_task()

    run(CodeDeploy(known=2), body)


@pytest.mark.parametrize("listed", [True, False])
def test_closing_the_iterator_early_leaves_nothing_behind(*, listed: bool) -> None:
    async def produce() -> AsyncIterator[str]:
        for target_id in ids(1000):
            yield target_id

    async def body(client: AsyncDeploymentTargetsClient) -> None:
        target_ids = None if listed else produce()
        targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=target_ids)
        async with aclosing(targets):
            async for _ in targets:
                break
        assert only_this_task()
        assert await got(targets) == []

    run(CodeDeploy(), body)


def test_cancelling_every_other_task_before_it_has_begun_ends_the_caller() -> None:
    async def body(client: AsyncDeploymentTargetsClient) -> None:
        caller = asyncio.create_task(call(client))
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {caller, asyncio.current_task()}:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(caller, 10)

    run(unanswered, body)


def test_an_iterator_that_is_given_up_is_closed_by_the_loop() -> None:
    async def body(client: AsyncDeploymentTargetsClient) -> None:
        async for _ in client.iter_deployment_targets(deploymentId="d-1"):
            break
        await until(only_this_task)

    run(CodeDeploy(), body)


def test_an_iterator_in_a_cycle_is_closed_without_a_word() -> None:
    async def body(client: AsyncDeploymentTargetsClient) -> None:
        cycle: list[Any] = [client.iter_deployment_targets(deploymentId="d-1")]
        cycle.append(cycle)
        await anext(cycle[0])
        del cycle
        gc.collect()
        await until(only_this_task)

    run(CodeDeploy(), body, max_concurrency=1)


@pytest.mark.parametrize("held", ["an iterator", "a watch", "a watch that waits"])
def test_an_iterator_that_is_held_until_the_loop_ends_is_closed_by_it(held: str) -> None:
    held_on_to: list[Any] = []

    async def body(client: AsyncDeploymentTargetsClient) -> None:
        targets: Any = client.watch_deployment_targets(deploymentId="d-1", delay=LONG)
        if held == "an iterator":
            targets = client.iter_deployment_targets(deploymentId="d-1")
        await anext(targets)
        held_on_to.append(targets)
        if held == "a watch that waits":
            held_on_to.append(asyncio.create_task(anext(targets)))
            await asyncio.sleep(0.01)
        raise KeyError("of the consumer")

    with pytest.raises(KeyError, match="of the consumer"):
        run(CodeDeploy(known=1_000 if held == "an iterator" else 1), body)


def test_a_mock_that_runs_dry_is_no_end_of_the_targets() -> None:
    mock = AsyncMock()
    mock.batch_get_deployment_targets.side_effect = [{"deploymentTargets": []}]
    request = call(AsyncDeploymentTargetsClient(mock))
    with pytest.raises(RuntimeError, match="raised StopAsyncIteration"):
        asyncio.run(request)

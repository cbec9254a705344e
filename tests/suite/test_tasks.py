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
from support.clients import aiobotocore_client, each
from support.endpoint import Response, error, serve, unanswered
from support.pages import ids
from support.service import Service, answer_every_id

from codedeploy_targets.aio import AsyncDeploymentTargetsClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from support.endpoint import Answer, Endpoint

    Body = Callable[[AsyncDeploymentTargetsClient, Endpoint], Awaitable[None]]


@pytest.fixture(autouse=True)
def _aiobotocore() -> None:
    pytest.importorskip("aiobotocore")


def run(answer: Answer, body: Body, *, max_concurrency: int = 8, **config: Any) -> Endpoint:
    """Run a coroutine in asyncio's debug mode; it must leave no task behind."""

    async def main() -> None:
        async with aiobotocore_client(endpoint.url, **config) as wrapped:
            client = AsyncDeploymentTargetsClient(wrapped, max_concurrency=max_concurrency)
            await body(client, endpoint)
            assert asyncio.all_tasks() == {asyncio.current_task()}

    with serve(answer) as endpoint:
        asyncio.run(main(), debug=True)
    return endpoint


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not come about in 10 seconds")


async def got(targets: AsyncIterator[Any]) -> list[str]:
    return [target.target_id async for target in targets]


def test_a_slow_consumer_holds_back_an_async_producer() -> None:
    read = []

    async def produce() -> AsyncIterator[str]:
        for number in range(1_000_000):
            read.append(number)
            yield f"i-{number:017x}"

    async def body(client: AsyncDeploymentTargetsClient, endpoint: Endpoint) -> None:
        targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=produce())
        await asyncio.sleep(0.05)
        assert read == []
        assert (await anext(targets)).target_id == ids(1)[0]
        await until(lambda: len(endpoint.calls) == 3)
        await asyncio.sleep(0.05)
        assert len(read) == 75
        assert len(endpoint.calls) == 3
        await targets.aclose()

    run(Service(), body, max_concurrency=3)


def test_a_slow_producer_does_not_hold_back_the_consumer() -> None:
    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        consumed = asyncio.Event()

        async def produce() -> AsyncIterator[str]:
            for target_id in ids(25):
                yield target_id
            await consumed.wait()
            yield ids(26)[-1]

        targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=produce())
        first = [(await anext(targets)).target_id for _ in range(25)]
        assert first == ids(25)
        consumed.set()
        assert await got(targets) == ids(26)[25:]

    run(Service(), body)


@pytest.mark.parametrize("count", [0, 30])
def test_the_error_of_an_async_producer_comes_through(count: int) -> None:
    async def produce() -> AsyncIterator[str]:
        for target_id in ids(count):
            yield target_id
        raise KeyError("of the producer")

    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=produce())
        with pytest.raises(KeyError, match="of the producer"):
            await got(targets)
        with pytest.raises(KeyError, match="of the producer"):
            await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=produce())

    run(Service(), body)


def test_an_async_producer_runs_in_one_context() -> None:
    ended = []
    variable: ContextVar[str] = ContextVar("variable")

    async def produce() -> AsyncIterator[str]:
        token = variable.set("of the producer")
        for target_id in ids(1_000):
            yield target_id
            assert variable.get() == "of the producer"
        variable.reset(token)  # raises ValueError in another context
        ended.append(True)

    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=produce())
        assert await got(targets) == ids(1_000)
        assert ended == [True]

    run(Service(), body)


def test_the_first_failed_batch_raises_promptly_and_cancels_the_rest() -> None:
    all_sent, release, released = threading.Barrier(4), threading.Event(), []

    def answer(operation: str, params: dict[str, Any]) -> Response:
        position = ids(1000).index(params["targetIds"][0]) // 25
        if position < 4:
            all_sent.wait(10)
        if position == 1:
            return error("InvalidDeploymentIdException")
        if position > 1:
            released.append(release.wait(10))
        return answer_every_id(operation, params)

    async def body(client: AsyncDeploymentTargetsClient, endpoint: Endpoint) -> None:
        with pytest.raises(client.exceptions.InvalidDeploymentIdException):
            await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(1000))
        release.set()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert len(endpoint.calls) <= 5

    run(answer, body, max_concurrency=4)
    assert len(released) >= 2
    assert all(released)


def test_after_a_failure_nothing_more_is_sent() -> None:
    refused = threading.Event()

    def answer(operation: str, params: dict[str, Any]) -> Response:
        if params["targetIds"] == ids(75)[50:]:
            return error("InvalidDeploymentIdException")
        refused.wait(10)
        return answer_every_id(operation, params)

    def after_call(http_response: Any, **_: Any) -> None:
        if http_response.status_code == 400:
            refused.set()

    async def body(client: AsyncDeploymentTargetsClient, endpoint: Endpoint) -> None:
        client.client.meta.events.register("after-call.codedeploy", after_call)
        with pytest.raises(client.exceptions.InvalidDeploymentIdException):
            await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(1000))
        assert len(endpoint.calls) == 3

    run(answer, body, max_concurrency=3)


@pytest.mark.parametrize("how", ["call", "iteration"])
def test_cancelling_the_caller_leaves_nothing_behind(how: str) -> None:
    all_sent, release = threading.Barrier(9), threading.Event()

    def answer(*_: object) -> Response:
        all_sent.wait(10)
        release.wait(10)
        return Response(b"{}")

    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        async def iterate() -> None:
            await got(client.iter_deployment_targets(deploymentId="d-1", targetIds=ids(1000)))

        async def call() -> None:
            await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(1000))

        task = asyncio.create_task(call() if how == "call" else iterate())
        await asyncio.to_thread(all_sent.wait, 10)
        assert len(asyncio.all_tasks()) > 8
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}
        release.set()

    run(answer, body)


@pytest.mark.parametrize("listed", [True, False])
def test_closing_the_iterator_early_leaves_nothing_behind(*, listed: bool) -> None:
    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        target_ids = None if listed else each(ids(1000))
        targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=target_ids)
        async with aclosing(targets):
            async for _ in targets:
                break
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await got(targets) == []
        never_begun = client.iter_deployment_targets(deploymentId="d-1")
        await never_begun.aclose()

    run(Service(), body)


def test_cancelling_every_other_task_before_it_has_begun_ends_the_caller() -> None:
    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        call = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(30))
        caller = asyncio.create_task(call)
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {caller, asyncio.current_task()}:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(caller, 10)

    run(unanswered, body)


def test_an_iterator_that_is_given_up_is_closed_by_the_loop() -> None:
    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        async for _ in client.iter_deployment_targets(deploymentId="d-1"):
            break
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})

    run(Service(), body)


def test_an_iterator_in_a_cycle_is_closed_without_a_word() -> None:
    reported: list[dict[str, Any]] = []

    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: reported.append(context)
        )
        cycle: list[Any] = [client.iter_deployment_targets(deploymentId="d-1")]
        cycle.append(cycle)
        await anext(cycle[0])
        del cycle
        gc.collect()
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})

    run(Service(), body, max_concurrency=1)
    assert reported == []


def test_an_iterator_that_is_held_until_the_loop_ends_is_closed_by_it() -> None:
    reported: list[dict[str, Any]] = []

    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: reported.append(context)
        )
        targets = client.iter_deployment_targets(deploymentId="d-1")
        async for _target in targets:
            raise KeyError("of the consumer")

    with pytest.raises(KeyError, match="of the consumer"):
        run(Service(), body)
    assert reported == []


def test_a_mock_that_runs_dry_is_no_end_of_the_targets() -> None:
    mock = AsyncMock()
    mock.batch_get_deployment_targets.side_effect = [{"deploymentTargets": []}]
    client = AsyncDeploymentTargetsClient(mock)
    request = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(60))
    with pytest.raises(RuntimeError, match="raised StopAsyncIteration"):
        asyncio.run(request)

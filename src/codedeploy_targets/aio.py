"""Change the async client here; to drop it, also drop `AsyncOwnCall` (extra `async`).

The sync client in `_client.py` has the same outline.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError
from typing_extensions import Self

from ._botocore import AsyncOwnCall
from ._client import ClientBase
from ._models import BatchGetDeploymentTargetsOutput as Output
from ._models import DeploymentTarget, TargetFilters
from ._requests import Batcher, Params, Steps, check_target_ids, get_targets, list_params, merge
from ._watching import Watch

if TYPE_CHECKING:
    from aiobotocore.client import AioBaseClient

__all__ = ["AsyncDeploymentTargetIterator", "AsyncDeploymentTargetsClient"]


class AsyncDeploymentTargetsClient(ClientBase):
    """`DeploymentTargetsClient` for asyncio: the same methods, parameters, models and errors.

    Tasks may share one client. The wrapped client stays as it was.

    Args:
        client: an aiobotocore client for CodeDeploy; the caller closes it.
        max_concurrency: the maximum of concurrent calls, each in a task of its own.

    Raises:
        TypeError: `client` is a client of another service, or a client of boto3 or botocore.
        ValueError: `max_concurrency` is below 1.
    """

    def __init__(self, client: AioBaseClient, *, max_concurrency: int = 8) -> None:
        super().__init__(client, max_concurrency=max_concurrency, asynchronous=True)

    async def batch_get_deployment_targets(
        self,
        *,
        deploymentId: str,
        targetIds: Iterable[str] | AsyncIterable[str],
        skip_missing: bool = False,
    ) -> Output:
        """Get the targets of a deployment that have the given ids.

        As `DeploymentTargetsClient.batch_get_deployment_targets`; `targetIds` may be an async
        iterable, too. Cancelling the caller cancels the calls that are under way.
        """
        plan = partial(get_targets, deploymentId, skip_missing=skip_missing)
        batches = [batch async for batch in _batches(_target_ids(targetIds), plan)]
        if not batches:
            return Output(deployment_targets=[])
        limit, window = self._max_concurrency, len(batches)
        tasks = _Tasks(self._get, _each(batches), limit=limit, window=window)
        async with tasks as outputs:
            return merge([output async for output in outputs])

    def iter_deployment_targets(
        self,
        *,
        deploymentId: str,
        targetIds: Iterable[str] | AsyncIterable[str] | None = None,
        targetFilters: TargetFilters | None = None,
        skip_missing: bool = False,
    ) -> AsyncDeploymentTargetIterator:
        """Iterate over the targets of a deployment, as they arrive.

        As `DeploymentTargetsClient.iter_deployment_targets`; `targetIds` may be an async
        iterable, too, which is read no faster than the targets are consumed. Closing the
        iterator (`aclose`, or `contextlib.aclosing`) cancels the calls that are under way.
        """
        if targetIds is None:
            target_ids = self._list(list_params(deploymentId, targetFilters))
        else:
            target_ids = _target_ids(targetIds, targetFilters)
        plan = partial(get_targets, deploymentId, skip_missing=skip_missing)
        limit = self._max_concurrency
        tasks = _Tasks(self._get, _batches(target_ids, plan), limit=limit, window=limit)
        return AsyncDeploymentTargetIterator(partial(_flatten, tasks))

    def watch_deployment_targets(
        self, *, deploymentId: str, delay: float = 5.0, timeout: float | None = None
    ) -> AsyncDeploymentTargetIterator:
        """Follow a deployment until it is over.

        As `DeploymentTargetsClient.watch_deployment_targets`. Closing the iterator (`aclose`, or
        `contextlib.aclosing`) cancels the calls that are under way.
        """
        watch = Watch(deploymentId, delay, timeout)
        return AsyncDeploymentTargetIterator(partial(self._watch, watch, deploymentId))

    async def _watch(
        self, watch: Watch, deployment_id: str, missing_target_ids: list[str]
    ) -> AsyncGenerator[DeploymentTarget]:
        begin = time.monotonic()
        while True:
            params = watch.to_list(await self._get_deployment(deployment_id))
            try:
                ids = watch.to_read([each async for each in self._list(params)])
            except self.exceptions.DeploymentNotStartedException:
                ids = []
            output = await self.batch_get_deployment_targets(
                deploymentId=deployment_id, targetIds=ids
            )
            asked_before = [each for each in missing_target_ids if each not in ids]
            missing_target_ids[:] = asked_before + output.missing_target_ids
            for target in watch.changed(output.deployment_targets):
                yield target
            if watch.over:
                return
            await asyncio.sleep(watch.pause(time.monotonic() - begin))

    async def _get_deployment(self, deployment_id: str) -> Any:
        params = {"deploymentId": deployment_id}
        with AsyncOwnCall(self.client, params) as call:
            return await call.client.get_deployment(**params)

    async def _list(self, params: Params) -> AsyncGenerator[str]:
        with AsyncOwnCall(self.client, params) as call:
            paginator = call.client.get_paginator("list_deployment_targets")
            async with aclosing(aiter(paginator.paginate(**params))) as pages:
                async for page in pages:
                    for target_id in page.get("targetIds", []):
                        yield target_id

    async def _get(self, steps: Steps) -> Output:
        answer: Output | ClientError | None = None
        while True:
            try:
                params = steps.send(answer)
            except StopIteration as done:
                return cast("Output", done.value)
            try:
                with AsyncOwnCall(self.client, params) as call:
                    answer = call.read(await call.client.batch_get_deployment_targets(**params))
            except ClientError as error:
                answer = error


class AsyncDeploymentTargetIterator(AsyncIterator[DeploymentTarget]):
    """The targets of a deployment, as they arrive.

    Attributes:
        missing_target_ids: the ids that brought no target so far.
    """

    def __init__(self, begin: Callable[[list[str]], AsyncGenerator[DeploymentTarget]]) -> None:
        self.missing_target_ids: list[str] = []
        self._targets = begin(self.missing_target_ids)

    async def __anext__(self) -> DeploymentTarget:
        return await anext(self._targets)

    async def aclose(self) -> None:
        """Stop: cancel the calls that are under way."""
        await self._targets.aclose()


async def _flatten(
    tasks: _Tasks, missing_target_ids: list[str]
) -> AsyncGenerator[DeploymentTarget]:
    async with tasks as outputs:
        async for output in outputs:
            missing_target_ids += output.missing_target_ids
            for target in output.deployment_targets:
                yield target


def _target_ids(
    target_ids: Iterable[str] | AsyncIterable[str], target_filters: TargetFilters | None = None
) -> AsyncGenerator[str]:
    if isinstance(target_ids, AsyncIterable):
        check_target_ids((), target_filters)
        return _each(target_ids)
    return _each(check_target_ids(target_ids, target_filters))


async def _each(items: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[Any]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


async def _batches(
    target_ids: AsyncGenerator[str], plan: Callable[[list[str]], Steps]
) -> AsyncGenerator[Steps]:
    batcher = Batcher()
    async with aclosing(target_ids):
        async for target_id in target_ids:
            if batch := batcher.add(target_id):
                yield plan(batch)
        if batch := batcher.rest():
            yield plan(batch)


class _Tasks:
    """Gets batches, each in a task of its own; iterates over the outputs in order.

    At most `limit` tasks are under way, and at most `window` results wait to be consumed. After a
    failure no task begins, and after `async with` none is left. Not an async generator: as it ends,
    a loop closes all of them at once, which fails for one that iterates another.
    """

    def __init__(
        self, get: Callable[..., Any], batches: AsyncGenerator[Any], *, limit: int, window: int
    ) -> None:
        self._get = get
        self._batches = batches
        self._slots = asyncio.Semaphore(limit)
        # One place is for the result that the caller holds; `__anext__` frees it.
        self._places = asyncio.Semaphore(window - 1)
        self._in_order: asyncio.Queue[asyncio.Task[Output] | None] = asyncio.Queue()
        self._tasks: set[asyncio.Task[Output]] = set()

    async def __aenter__(self) -> Self:
        # One task reads all the items, so that a user's async iterable runs in one context.
        self._producer = asyncio.create_task(self._produce())
        self._producer.add_done_callback(lambda _: self._in_order.put_nowait(None))
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = (self._producer, *self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Output:
        self._places.release()
        task = await self._in_order.get()
        if task is None:
            await self._producer
            raise StopAsyncIteration
        try:
            result = await task
        except StopAsyncIteration as error:  # of a handler or a mock: it would end this iterator
            raise RuntimeError("a call raised StopAsyncIteration") from error
        self._tasks.remove(task)
        return result

    async def _produce(self) -> None:
        async with aclosing(self._batches):
            await self._places.acquire()
            async for batch in self._batches:
                await self._slots.acquire()
                if any(task.done() and task.exception() for task in self._tasks):
                    return
                task = asyncio.create_task(self._get(batch))
                task.add_done_callback(lambda _: self._slots.release())
                self._tasks.add(task)
                self._in_order.put_nowait(task)
                await self._places.acquire()

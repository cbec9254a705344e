"""Change here: the async client, and how it uses tasks (extra `async`).

The sync client in `_client.py` has the same outline.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from functools import partial
from typing import Any, cast

from aiobotocore.client import AioBaseClient
from botocore.exceptions import ClientError

from ._answers import BatchGetDeploymentTargetsOutput as Output
from ._botocore import AsyncTwin
from ._client import ClientBase
from ._errors import error_code
from ._models import DeploymentTarget, TargetFilters
from ._requests import Batcher, Params, Steps, check_target_ids, get_targets, list_params, merge
from ._watching import Watch

# asyncio itself keeps only weak references to tasks.
_producers: set[asyncio.Task[None]] = set()

__all__ = ["AsyncDeploymentTargetIterator", "AsyncDeploymentTargetsClient"]


class AsyncDeploymentTargetsClient(ClientBase):
    """`DeploymentTargetsClient` for asyncio: the same methods, parameters, models and errors.

    Tasks may share one client. The wrapped client stays as it was.

    Args:
        client: an aiobotocore client for CodeDeploy, kept as `client`; the caller closes it.
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
        ids = _each(check_target_ids(targetIds, None, (Iterable, AsyncIterable)))
        batches = [batch async for batch in _batches(ids, plan)]
        if not batches:
            return Output(deployment_targets=[])
        async with aclosing(self._map(_each(batches), window=len(batches))) as outputs:
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
            ids = self._list(list_params(deploymentId, targetFilters))
        else:
            ids = _each(check_target_ids(targetIds, targetFilters, (Iterable, AsyncIterable)))
        plan = partial(get_targets, deploymentId, skip_missing=skip_missing)
        outputs = self._map(_batches(ids, plan), window=self._max_concurrency)
        return AsyncDeploymentTargetIterator(outputs, [])

    def watch_deployment_targets(
        self, *, deploymentId: str, delay: float = 5.0, timeout: float | None = None
    ) -> AsyncDeploymentTargetIterator:
        """Follow a deployment until it is over.

        As `DeploymentTargetsClient.watch_deployment_targets`. Closing the iterator (`aclose`, or
        `contextlib.aclosing`) cancels the calls that are under way.
        """
        watch = Watch(deploymentId, delay, timeout)
        outputs = self._watch(watch, deploymentId)
        return AsyncDeploymentTargetIterator(outputs, watch.missing_target_ids)

    async def _watch(self, watch: Watch, deployment_id: str) -> AsyncGenerator[Output]:
        begin = time.monotonic()
        while True:
            params = watch.listing_params(await self._get_deployment(deployment_id))
            try:
                ids = watch.ids_to_read([each async for each in self._list(params)])
            except ClientError as error:
                if error_code(error) != "DeploymentNotStartedException":
                    raise
                ids = []
            output = await self.batch_get_deployment_targets(
                deploymentId=deployment_id, targetIds=ids
            )
            yield watch.changed(output)
            if watch.over:
                return
            await asyncio.sleep(watch.pause(time.monotonic() - begin))

    async def _get_deployment(self, deployment_id: str) -> Any:
        params = {"deploymentId": deployment_id}
        with AsyncTwin(self.client, params) as twin:
            return await twin.client.get_deployment(**params)

    async def _list(self, params: Params) -> AsyncGenerator[str]:
        with AsyncTwin(self.client, params) as twin:
            paginator = twin.client.get_paginator("list_deployment_targets")
            async with aclosing(aiter(paginator.paginate(**params))) as pages:
                async for page in pages:
                    for target_id in page.get("targetIds", []):
                        yield target_id

    def _map(self, batches: AsyncGenerator[Steps], *, window: int) -> AsyncGenerator[Output]:
        return _in_tasks(self._get, batches, limit=self._max_concurrency, window=window)

    async def _get(self, steps: Steps) -> Output:
        answer: Output | ClientError | None = None
        while True:
            try:
                params = steps.send(answer)
            except StopIteration as done:
                return cast("Output", done.value)
            try:
                with AsyncTwin(self.client, params) as twin:
                    answer = twin.read(await twin.client.batch_get_deployment_targets(**params))
            except ClientError as error:
                answer = error


class AsyncDeploymentTargetIterator(AsyncIterator[DeploymentTarget]):
    """The targets of a deployment, as they arrive.

    Attributes:
        missing_target_ids: as in DeploymentTargetIterator.
    """

    def __init__(self, outputs: AsyncGenerator[Output], missing_target_ids: list[str]) -> None:
        self.missing_target_ids: list[str] = missing_target_ids
        self._outputs = outputs
        self._targets: deque[DeploymentTarget] = deque()

    async def __anext__(self) -> DeploymentTarget:
        while not self._targets:
            output = await anext(self._outputs)
            self.missing_target_ids += output.missing_target_ids
            self._targets.extend(output.deployment_targets)
        return self._targets.popleft()

    async def aclose(self) -> None:
        """Stop: cancel the calls that are under way."""
        self._targets.clear()
        await self._outputs.aclose()


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
    if batcher.batch:
        yield plan(batcher.batch)


async def _in_tasks(
    get: Callable[..., Any], batches: AsyncGenerator[Steps], *, limit: int, window: int
) -> AsyncGenerator[Output]:
    """Get batches, each in a task of its own; yield the outputs in order.

    At most `limit` tasks are under way, and at most `window` results wait to be consumed or are
    being consumed. After a failure no task begins; at the end, those that are left are cancelled.
    """
    # AsyncDeploymentTargetIterator, which iterates this, is a class: `asyncio.run` closes all async
    # generators at once, and that fails for a generator that is still iterating another one.
    slots, places = asyncio.Semaphore(limit), asyncio.Semaphore(window)
    in_order: asyncio.Queue[asyncio.Task[Output] | None] = asyncio.Queue()
    tasks: set[asyncio.Task[Output]] = set()

    async def produce() -> None:
        async with aclosing(batches):
            # Reserved before a batch is read: ids are read no faster than targets are consumed.
            await places.acquire()
            async for steps in batches:
                await slots.acquire()
                if any(task.done() and task.exception() for task in tasks):
                    return
                task = asyncio.create_task(get(steps))
                task.add_done_callback(lambda _: slots.release())
                tasks.add(task)
                in_order.put_nowait(task)
                await places.acquire()

    # One task reads all the batches, so that a user's async iterable runs in one context.
    producer = asyncio.create_task(produce())
    _producers.add(producer)
    producer.add_done_callback(_producers.discard)
    producer.add_done_callback(lambda _: in_order.put_nowait(None))
    try:
        while task := await in_order.get():
            yield await task
            tasks.remove(task)
            places.release()
        await producer
    finally:
        for each in (producer, *tasks):
            each.cancel()
        await asyncio.gather(producer, *tasks, return_exceptions=True)

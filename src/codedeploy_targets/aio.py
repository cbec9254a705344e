"""The client for asyncio code, over aiobotocore's client for CodeDeploy (extra `async`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from ._base import ClientBase
from ._batching import Batcher, check_target_ids
from ._call import BatchCall, list_params, listed, merge
from ._models import BatchGetDeploymentTargetsOutput
from ._wire import raise_invalid

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

    from aiobotocore.client import AioBaseClient

    from ._models import DeploymentTarget

    T = TypeVar("T")

__all__ = ["AsyncDeploymentTargetsClient"]


class AsyncDeploymentTargetsClient(ClientBase):
    """`DeploymentTargetsClient` for asyncio: the same methods, parameters, models and errors.

    One client may be shared by tasks. Calls that are made on the wrapped client directly stay
    as they were.

    Args:
        client: an aiobotocore client for CodeDeploy; closing it is the caller's business.
        max_concurrency: how many calls may be under way at once, each in a task of its own.

    Raises:
        ValueError: `max_concurrency` is below 1.
    """

    def __init__(self, client: AioBaseClient, *, max_concurrency: int = 8) -> None:
        super().__init__(client, max_concurrency=max_concurrency)

    async def batch_get_deployment_targets(
        self,
        *,
        deploymentId: str,
        targetIds: Iterable[str] | AsyncIterable[str],
        skip_missing: bool = False,
    ) -> BatchGetDeploymentTargetsOutput:
        """Get the targets of a deployment that have the given ids.

        As `DeploymentTargetsClient.batch_get_deployment_targets`; `targetIds` may be an async
        iterable, too. Cancelling the caller cancels the calls that are under way.
        """
        batches = [batch async for batch in _batches(_target_ids(targetIds))]
        if not batches:
            return BatchGetDeploymentTargetsOutput(deployment_targets=[])
        outputs = self._outputs(deploymentId, _each(batches), skip_missing=skip_missing)
        return merge([output async for output in outputs])

    def iter_deployment_targets(
        self,
        *,
        deploymentId: str,
        targetIds: Iterable[str] | AsyncIterable[str] | None = None,
        targetFilters: Mapping[str, Sequence[str]] | None = None,
        skip_missing: bool = False,
    ) -> AsyncGenerator[DeploymentTarget, None]:
        """Iterate over the targets of a deployment, as they arrive.

        As `DeploymentTargetsClient.iter_deployment_targets`; `targetIds` may be an async
        iterable, too, which is read no faster than the targets are consumed. Closing the
        iterator (`aclose`, or `contextlib.aclosing`) cancels the calls that are under way.
        """
        if targetIds is None:
            target_ids = self._list(list_params(deploymentId, targetFilters))
        elif targetFilters is not None:
            raise TypeError("targetFilters choose what is listed, so targetIds cannot go with them")
        else:
            target_ids = _target_ids(targetIds)
        outputs = self._outputs(deploymentId, _batches(target_ids), skip_missing=skip_missing)
        return _targets(outputs)

    async def _list(self, params: dict[str, Any]) -> AsyncGenerator[str, None]:
        pages = self.client.get_paginator("list_deployment_targets").paginate(**params)
        try:
            async with aclosing(aiter(pages)) as pages:
                async for page in pages:
                    for target_id in listed(page):
                        yield target_id
        except ClientError as error:
            raise_invalid(error.response)
            raise

    async def _outputs(
        self, deployment_id: str, batches: AsyncGenerator[list[str], None], *, skip_missing: bool
    ) -> AsyncGenerator[BatchGetDeploymentTargetsOutput, None]:
        tasks: asyncio.Queue[asyncio.Task[BatchGetDeploymentTargetsOutput] | None]
        tasks = asyncio.Queue()
        under_way: set[asyncio.Task[Any]] = set()
        free = asyncio.Semaphore(self._max_concurrency)

        async def produce() -> None:
            # In one task, so that an async iterable of the caller's meets one context.
            try:
                await free.acquire()
                async with aclosing(batches):
                    async for batch in batches:
                        call = BatchCall(deployment_id, batch, skip_missing=skip_missing)
                        task = asyncio.create_task(self._make(call))
                        under_way.add(task)
                        tasks.put_nowait(task)
                        await free.acquire()
                        if any(task.done() and task.exception() for task in under_way):
                            break
            finally:
                tasks.put_nowait(None)

        producer = asyncio.create_task(produce())
        try:
            while task := await tasks.get():
                yield await task
                under_way.remove(task)
                free.release()
            await producer
        finally:
            for task in (producer, *under_way):
                task.cancel()
            await asyncio.gather(producer, *under_way, return_exceptions=True)

    async def _make(self, call: BatchCall) -> BatchGetDeploymentTargetsOutput:
        for params in call:
            try:
                response = await self.client.batch_get_deployment_targets(**params)
            except ClientError as error:
                call.refused(params, error)
            else:
                call.answered(params, response)
        return call.output()


async def _targets(
    outputs: AsyncGenerator[BatchGetDeploymentTargetsOutput, None],
) -> AsyncGenerator[DeploymentTarget, None]:
    async with aclosing(outputs):
        async for output in outputs:
            for target in output.deployment_targets:
                yield target


def _target_ids(
    target_ids: Iterable[str] | AsyncIterable[str],
) -> AsyncGenerator[str, None]:
    if isinstance(target_ids, AsyncIterable):
        return _each_async(target_ids)
    check_target_ids(target_ids)
    return _each(target_ids)


async def _each(items: Iterable[T]) -> AsyncGenerator[T, None]:
    for item in items:
        yield item


async def _each_async(items: AsyncIterable[T]) -> AsyncGenerator[T, None]:
    async for item in items:
        yield item


async def _batches(target_ids: AsyncGenerator[str, None]) -> AsyncGenerator[list[str], None]:
    batcher = Batcher()
    async with aclosing(target_ids):
        async for target_id in target_ids:
            if batch := batcher.add(target_id):
                yield batch
        if batch := batcher.rest():
            yield batch

"""The client for asyncio code, over aiobotocore's client for CodeDeploy (extra `async`)."""

from __future__ import annotations

from collections.abc import AsyncIterable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from ._base import ClientBase
from ._batching import Batcher, check_target_ids
from ._call import BatchCall, list_params, listed, merge
from ._models import BatchGetDeploymentTargetsOutput
from ._tasks import Tasks
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
        outputs = self._outputs(
            deploymentId, _each(batches), skip_missing=skip_missing, window=len(batches)
        )
        async with outputs:
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
        outputs = self._outputs(
            deploymentId,
            _batches(target_ids),
            skip_missing=skip_missing,
            window=self._max_concurrency,
        )
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

    def _outputs(
        self,
        deployment_id: str,
        batches: AsyncGenerator[list[str], None],
        *,
        skip_missing: bool,
        window: int,
    ) -> Tasks[list[str], BatchGetDeploymentTargetsOutput]:
        async def make(batch: list[str]) -> BatchGetDeploymentTargetsOutput:
            call = BatchCall(deployment_id, batch, skip_missing=skip_missing)
            for params in call:
                try:
                    response = await self.client.batch_get_deployment_targets(**params)
                except ClientError as error:
                    call.refused(params, error)
                else:
                    call.answered(params, response)
            return call.output()

        return Tasks(make, batches, limit=self._max_concurrency, window=window)


async def _targets(
    outputs: Tasks[list[str], BatchGetDeploymentTargetsOutput],
) -> AsyncGenerator[DeploymentTarget, None]:
    async with outputs:
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

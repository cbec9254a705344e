"""`DeploymentTargetsClient` for asyncio, over an aiobotocore client (extra `async`).

The sync client in `_client.py` has the same outline.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Sequence,
)
from contextlib import aclosing
from functools import partial

from aiobotocore.client import AioBaseClient
from typing_extensions import Self

from ._answers import BatchGetDeploymentTargetsOutput as Output
from ._client import ClientBase
from ._deployments import DeploymentInfo
from ._models import DeploymentTarget, TargetFilters
from ._requests import Batches, Listing, Request, check_target_ids, get_batch, merge
from ._tasks import Run, each
from ._watching import Watch

__all__ = ["AsyncDeploymentTargetIterator", "AsyncDeploymentTargetsClient", "AsyncDeploymentWatch"]


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

        AWS takes 25 ids a call and refuses more. This method takes any number: it asks for them
        in batches of 25, for each id once. Without ids, it makes no call. Cancelling the caller
        cancels the calls that are under way.

        Args:
            deploymentId: the id of the deployment.
            targetIds: the ids of the targets, in an iterable or an async one. An EC2 or
                on-premises instance has its instance id, a Lambda function its name, an ECS
                service `<cluster name>:<service name>`, a CloudFormation stack its id.
            skip_missing: where the service refuses a batch because a target in it does not
                exist, find that target in further calls, and return the rest.

        Returns:
            The targets in the order of their ids: batch by batch, the service's order within
            one. `missing_target_ids` names the ids that brought no target.

        Raises:
            TypeError: `targetIds` is a `str` or `bytes`, or holds something else than `str`.
            InvalidResponseError: an answer of the service cannot be read.
            botocore.exceptions.ClientError: the service refused a batch; if several, the first
                in the order of the ids. See `exceptions`: a target that does not exist is a
                DeploymentTargetDoesNotExistException or InstanceDoesNotExistException.
            botocore.exceptions.BotoCoreError: botocore could not make the call.
        """
        ids = check_target_ids(targetIds, None, (Iterable, AsyncIterable))
        known = [target_id async for target_id in each(ids)]
        run = self._run()
        calls_for = partial(get_batch, deploymentId, skip_missing=skip_missing)
        batches = Batches(calls_for, known, limit=self._max_concurrency)
        async with aclosing(run.outputs(batches)) as outputs:
            return merge([Output(deployment_targets=[]), *[output async for output in outputs]])

    def iter_deployment_targets(
        self,
        *,
        deploymentId: str,
        targetIds: Iterable[str] | AsyncIterable[str] | None = None,
        targetFilters: TargetFilters | None = None,
        skip_missing: bool = False,
    ) -> AsyncDeploymentTargetIterator:
        """Iterate over the targets of a deployment, as they arrive.

        The first `anext` makes the first call. From then on, at most `max_concurrency` batches
        are under way or waiting to be consumed. Leaving the iterator's `async with`, or
        `aclose()`, cancels the calls that are under way.

        Args:
            deploymentId: the id of the deployment.
            targetIds: the ids of the targets, in an iterable or an async one; by default, those
                that ListDeploymentTargets lists. Lists, tuples, sets and dicts are checked at
                once. Others are checked as they are read: in one task, at most
                `max_concurrency` batches ahead of what is consumed, while targets are yielded.
            targetFilters: which targets ListDeploymentTargets lists, such as
                `{"TargetStatus": ["Failed"]}`.
            skip_missing: as in `batch_get_deployment_targets`.

        Raises:
            TypeError: both `targetIds` and `targetFilters` are given, or `targetIds` is wrong.
            Others: as in `batch_get_deployment_targets`, after the targets of earlier batches.
        """
        known, listing, target_ids = [], None, None
        if targetIds is None:
            listing = Listing(deploymentId, targetFilters)
        else:
            ids = check_target_ids(targetIds, targetFilters, (Iterable, AsyncIterable))
            if isinstance(ids, list):
                known = ids
            else:
                target_ids = each(ids)
        limit = self._max_concurrency
        calls_for = partial(get_batch, deploymentId, skip_missing=skip_missing)
        batches = Batches(calls_for, known, listing=listing, limit=limit, window=limit)
        run = self._run()
        return AsyncDeploymentTargetIterator(run=run, found=run.outputs(batches, target_ids))

    def watch_deployment_targets(
        self,
        *,
        deploymentId: str,
        delay: float = 5.0,
        timeout: float | None = None,
        on_round: Callable[[DeploymentInfo], object] | None = None,
    ) -> AsyncDeploymentWatch:
        """Follow a deployment until it is over.

        Yields every target once, then each again whenever it changed. A deployment is over when
        AWS's GetDeployment says Succeeded, Failed or Stopped; the last state of every target
        is yielded after that. The watch waits for a deployment that has no targets yet. Leaving
        its `async with`, or `aclose()`, cancels the calls that are under way.

        Once a round of calls has succeeded, the watch outlives trouble that ends a later one:
        throttling, a 5xx, a broken connection, an answer that is cut short. It tries again after
        `delay`, which doubles up to 60 seconds, and raises when no round has succeeded for five
        minutes and three have failed.

        Args:
            deploymentId: the id of the deployment.
            delay: the seconds from the end of one round of calls to the next.
            timeout: the seconds after which to give up, counted from the first `anext`, in the
                middle of a call, too; by default never.
            on_round: a function that gets the DeploymentInfo after each round, when its targets
                are consumed, also where nothing changed. What it returns is awaited, if it can
                be. It may close the watch; what it raises is raised.

        Raises:
            TimeoutError: the deployment was not over in time.
            ValueError: `delay` or `timeout` is below 0, or no number.
            Others: as in `batch_get_deployment_targets`.
        """
        run = self._run()
        run.watch = Watch(deploymentId, delay, timeout, time.monotonic)
        run.missing_target_ids = run.watch.missing_target_ids
        return AsyncDeploymentWatch(run=run, found=run.follow(run.watch, on_round))

    async def get_deployment(self, *, deploymentId: str) -> DeploymentInfo:
        """Get how a deployment as a whole stands; AWS's GetDeployment.

        Raises:
            InvalidResponseError: the answer cannot be read.
            botocore.exceptions.ClientError: the service refused, such as with a
                DeploymentDoesNotExistException.
            botocore.exceptions.BotoCoreError: botocore could not make the call.
        """
        request = Request("get_deployment", {"deploymentId": deploymentId})
        deployment: DeploymentInfo = await self._run().call(request)
        return deployment

    def _run(self) -> Run:
        return Run(self.client, self._throttle, self._max_concurrency)


class AsyncDeploymentTargetIterator(AsyncIterator[DeploymentTarget]):
    """The targets of a deployment, as they arrive: an async iterator, and a context manager.

    Args:
        targets: what to yield. For a fake of the client:
            `AsyncDeploymentTargetIterator([target])`.
        missing_target_ids: what the attribute of this name is, in such a fake.
        run, found: what the client follows; not for a fake.
    """

    def __init__(
        self,
        targets: Iterable[DeploymentTarget] = (),
        missing_target_ids: Sequence[str] = (),
        *,
        run: Run | None = None,
        found: AsyncGenerator[Output] | None = None,
    ) -> None:
        self._targets = deque(targets)
        self._missing_target_ids = run.missing_target_ids if run else missing_target_ids
        self._run = run
        self._found = found
        self._is_closed = False

    @property
    def missing_target_ids(self) -> list[str]:
        """The ids that brought no target so far.

        While a deployment is followed, they are those without a target in the last answer to them.
        """
        return [*self._missing_target_ids]

    async def __anext__(self) -> DeploymentTarget:
        while not self._is_closed:
            if self._targets:
                return self._targets.popleft()
            if self._found is None:
                break
            output = await anext(self._found)
            if self._run:
                self._run.missing_target_ids += output.missing_target_ids
            self._targets.extend(output.deployment_targets)
        raise StopAsyncIteration

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop the iteration, from any task: cancel the calls under way; `anext` ends."""
        self._is_closed = True
        if self._run:
            await self._run.close()
        # In `anext`, in another task, it ends by itself.
        if self._found and not getattr(self._found, "ag_running", False):
            await self._found.aclose()


class AsyncDeploymentWatch(AsyncDeploymentTargetIterator):
    """The targets of a deployment that is followed, each again whenever it changed.

    Args:
        targets: as in AsyncDeploymentTargetIterator.
        deployment: what the attribute of this name is, in a fake of the client.
        missing_target_ids: as in AsyncDeploymentTargetIterator.
        run, found: as in AsyncDeploymentTargetIterator.
    """

    def __init__(
        self,
        targets: Iterable[DeploymentTarget] = (),
        deployment: DeploymentInfo | None = None,
        missing_target_ids: Sequence[str] = (),
        *,
        run: Run | None = None,
        found: AsyncGenerator[Output] | None = None,
    ) -> None:
        super().__init__(targets, missing_target_ids, run=run, found=found)
        self._deployment = deployment

    @property
    def deployment(self) -> DeploymentInfo:
        """AWS's newest answer to how the deployment stands; at the end, how it ended.

        Raises:
            RuntimeError: no answer has come yet.
        """
        watch = self._run.watch if self._run else None
        deployment = watch.deployment if watch else self._deployment
        if deployment is None:
            raise RuntimeError("the deployment is not known before the first round")
        return deployment

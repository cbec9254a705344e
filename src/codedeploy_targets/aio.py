"""`DeploymentTargetsClient` for asyncio, over an aiobotocore client (extra `async`).

The same methods, parameters, models, order and errors.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from functools import partial

from aiobotocore.client import AioBaseClient
from typing_extensions import Self

from ._answers import BatchGetDeploymentTargetsOutput
from ._client import ClientBase, IteratorBase, WatchBase
from ._deployments import DeploymentInfo
from ._models import DeploymentTarget
from ._requests import Batches, TargetFilters, checked_ids, get_deployment, merge
from ._tasks import Run, aiter_of
from ._watching import Watch

__all__ = ["AsyncDeploymentTargetIterator", "AsyncDeploymentTargetsClient", "AsyncDeploymentWatch"]


class AsyncDeploymentTargetsClient(ClientBase):
    """`BatchGetDeploymentTargets`, typed, for any number of target ids, with asyncio.

    Tasks may share one client. The wrapped client, the attribute `client`, stays as it was. Where
    the service throttles calls that were under way together, the client lowers their number, and
    makes them again.

    Args:
        client: an aiobotocore client for CodeDeploy; the caller closes it.
        max_concurrency: how many calls of one request may be under way at once, each in a task
            of its own.

    Raises:
        TypeError: `client` is another service's, of boto3 or botocore, or was not entered.
        ValueError: `max_concurrency` is below 1.
    """

    _run_class = Run
    _iterables = (Iterable, AsyncIterable)

    def __init__(self, client: AioBaseClient, *, max_concurrency: int = 8) -> None:
        super().__init__(client, max_concurrency=max_concurrency)

    async def batch_get_deployment_targets(
        self,
        *,
        deploymentId: str,
        targetIds: Iterable[str] | AsyncIterable[str],
        skip_missing: bool = False,
    ) -> BatchGetDeploymentTargetsOutput:
        """Get the targets of a deployment that have the given ids: any number, 25 a call.

        Cancelling the caller cancels the calls.

        Args:
            deploymentId: the id of the deployment.
            targetIds: in an iterable or an async one: an EC2 or on-premises instance has its
                instance id, a Lambda function its name, an ECS service `<cluster name>:<service
                name>`, a CloudFormation stack its id. Each is asked for once; without any, there
                is no call.
            skip_missing: whether to find, in further calls, the targets for which the service
                refuses a batch because they do not exist, and to return the rest.

        Returns:
            The targets in the order of their ids: batch by batch, the service's order within
            one. `missing_target_ids` names the ids that brought no target.

        Raises:
            TypeError: `targetIds` is a `str` or `bytes`, or holds something else than `str`.
            InvalidResponseError: an answer of the service cannot be read.
            ClientError, BotoCoreError: botocore's own, of the first batch that failed; for a
                target that does not exist a DeploymentTargetDoesNotExistException or an
                InstanceDoesNotExistException.
        """
        ids = [each async for each in aiter_of(checked_ids(targetIds, self._iterables))]
        run = self._run(Batches(deploymentId, ids, skip_missing=skip_missing).plan)
        outputs = []
        while output := await run.take():
            outputs.append(output)
        return merge(outputs)

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
        are under way or waiting to be consumed.

        Args:
            deploymentId: the id of the deployment.
            targetIds: the ids, in an iterable or an async one; by default, those that
                ListDeploymentTargets lists. Lists, tuples, sets and dicts are checked at once.
                Other iterables are read in one task, at most `max_concurrency` batches ahead,
                while targets are yielded.
            targetFilters: which targets to list, such as `{"TargetStatus": ["Failed"]}`.
            skip_missing: as in `batch_get_deployment_targets`.

        Raises:
            TypeError: both `targetIds` and `targetFilters` are given, or `targetIds` is wrong.
            Others: as in `batch_get_deployment_targets`, after the targets of earlier batches.
        """
        batches = self._stream(deploymentId, targetIds, targetFilters, skip_missing=skip_missing)
        return AsyncDeploymentTargetIterator(run=self._run(batches.plan), state=batches)

    def watch_deployment_targets(
        self,
        *,
        deploymentId: str,
        delay: float = 5.0,
        timeout: float | None = None,
        on_round: Callable[[DeploymentInfo], object] | None = None,
    ) -> AsyncDeploymentWatch:
        """Follow a deployment until GetDeployment says Succeeded, Failed or Stopped.

        Yields every target once, then each again whenever it changed, its last state included.
        Waits for a deployment that has no targets yet. Once a round of calls has succeeded,
        throttling, a 5xx, a broken connection or a cut answer is tried again after `delay`, which
        doubles up to 60 seconds, until none has succeeded for five minutes and three rounds.

        Args:
            deploymentId: the id of the deployment.
            delay: the seconds from the end of one round of calls to the next.
            timeout: the seconds after which to give up, counted from the first `anext`, in the
                middle of a call, too; by default never.
            on_round: gets the DeploymentInfo after each round, when its targets are consumed,
                also where nothing changed; what it returns is awaited, if it can be, even beyond
                `timeout`. It may close the watch; what it raises is raised.

        Raises:
            TimeoutError: the deployment was not over in time.
            ValueError: `delay` or `timeout` is below 0 or NaN, or `delay` has no end.
            Others: as in `batch_get_deployment_targets`.
        """
        watch = Watch(deploymentId, delay, timeout, on_round)
        return AsyncDeploymentWatch(run=self._run(watch.plan), state=watch)

    async def get_deployment(self, *, deploymentId: str) -> DeploymentInfo:
        """Get how a deployment as a whole stands, by AWS's GetDeployment.

        Raises what `batch_get_deployment_targets` does.
        """
        run = self._run(partial(get_deployment, deploymentId))
        deployment: DeploymentInfo = await run.take()
        return deployment


class AsyncDeploymentTargetIterator(IteratorBase, AsyncIterator[DeploymentTarget]):
    """The targets of a deployment, as they arrive: an async iterator, and a context manager.

    A cancelled `anext` closes it, as it closes an async generator: to wait for a while, give
    `asyncio.wait` a task of it and a timeout, in place of `asyncio.wait_for`.
    A fake of the client makes one by `AsyncDeploymentTargetIterator([target])`.
    """

    async def __anext__(self) -> DeploymentTarget:
        while True:
            for target in self._ready:
                return target
            output = await self._run.take() if self._run else None
            if output is None:
                raise StopAsyncIteration
            self._ready = iter(output.deployment_targets)

    def __del__(self) -> None:
        if run := getattr(self, "_run", None):
            run.give_up()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop the iteration, from any task: cancel the calls under way; `anext` ends."""
        self._ready = iter(())
        if self._run:
            await self._run.close()


class AsyncDeploymentWatch(WatchBase, AsyncDeploymentTargetIterator):
    """The targets of a deployment that is followed, each again whenever it changed.

    A fake of the client makes one by `AsyncDeploymentWatch([target], DeploymentInfo(...))`.
    """

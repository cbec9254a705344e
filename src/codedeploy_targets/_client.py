"""The client for code without asyncio: it calls in the caller's thread, or in short-lived ones."""

from __future__ import annotations

from collections import deque
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ._base import ClientBase
from ._batching import Batcher, check_target_ids
from ._call import BatchCall, list_params, listed, merge
from ._models import BatchGetDeploymentTargetsOutput
from ._wire import raise_invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from botocore.client import BaseClient

    from ._models import DeploymentTarget


class DeploymentTargetsClient(ClientBase):
    """`BatchGetDeploymentTargets`, typed, for any number of target ids.

    One client may be shared by threads. Calls that are made on the wrapped client directly
    stay as they were.

    Args:
        client: a boto3 or botocore client for CodeDeploy; without one, botocore's default
            session creates it.
        max_concurrency: how many calls may be under way at once, in threads that are there
            only while there is a call to make. With 1, the caller's thread makes them all.

    Raises:
        ValueError: `max_concurrency` is below 1.
    """

    def __init__(self, client: BaseClient | None = None, *, max_concurrency: int = 8) -> None:
        super().__init__(client or _default_client(), max_concurrency=max_concurrency)

    def batch_get_deployment_targets(
        self, *, deploymentId: str, targetIds: Iterable[str], skip_missing: bool = False
    ) -> BatchGetDeploymentTargetsOutput:
        """Get the targets of a deployment that have the given ids.

        AWS takes 25 ids a call and refuses more. Here they may be any number: they are asked
        for in batches of 25, each id once. Without ids, no call is made.

        Args:
            deploymentId: the id of the deployment.
            targetIds: the ids of the targets. An EC2 or on-premises instance has its instance
                id, a Lambda function its name, an ECS service `<cluster name>:<service name>`,
                a CloudFormation stack its id.
            skip_missing: where the service refuses a batch because a target in it does not
                exist, find that target in further calls, and return the rest.

        Returns:
            The targets in the order of their ids: batch by batch, the service's order within
            one. `missing_target_ids` names the ids that brought none.

        Raises:
            TypeError: `targetIds` is a `str` or `bytes`, or holds what is no `str`.
            InvalidResponseError: an answer of the service cannot be read.
            botocore.exceptions.ClientError: the service's refusal of the first batch, in
                order, that failed; see `exceptions`.
            botocore.exceptions.BotoCoreError: botocore could not make the call.
        """
        check_target_ids(targetIds)
        batches = list(_batches(targetIds))
        if not batches:
            return BatchGetDeploymentTargetsOutput(deployment_targets=[])
        calls = (BatchCall(deploymentId, batch, skip_missing=skip_missing) for batch in batches)
        return merge(self._outputs(calls, window=len(batches)))

    def iter_deployment_targets(
        self,
        *,
        deploymentId: str,
        targetIds: Iterable[str] | None = None,
        targetFilters: Mapping[str, Sequence[str]] | None = None,
        skip_missing: bool = False,
    ) -> Iterator[DeploymentTarget]:
        """Iterate over the targets of a deployment, as they arrive.

        No call is made before the first `next`; after that, at most `max_concurrency` batches
        are under way or waiting to be consumed.

        Args:
            deploymentId: the id of the deployment.
            targetIds: the ids of the targets; by default, those that ListDeploymentTargets
                lists. An iterator is read, and its ids are checked, as they are needed.
            targetFilters: what ListDeploymentTargets is to list, such as
                `{"TargetStatus": ["Failed"]}`.
            skip_missing: as in `batch_get_deployment_targets`.

        Raises:
            TypeError: both `targetIds` and `targetFilters` are given, or `targetIds` is a `str`
                or `bytes`, or holds what is no `str`.
            InvalidResponseError: an answer of the service cannot be read.
            botocore.exceptions.ClientError: the service's refusal; see `exceptions`.
            botocore.exceptions.BotoCoreError: botocore could not make the call.
        """
        if targetIds is None:
            targetIds = self._list(list_params(deploymentId, targetFilters))
        elif targetFilters is not None:
            raise TypeError("targetFilters choose what is listed, so targetIds cannot go with them")
        check_target_ids(targetIds)
        calls = (
            BatchCall(deploymentId, batch, skip_missing=skip_missing)
            for batch in _batches(targetIds)
        )
        outputs = self._outputs(calls, window=self._max_concurrency)
        return (target for output in outputs for target in output.deployment_targets)

    def _list(self, params: dict[str, Any]) -> Iterator[str]:
        try:
            for page in self.client.get_paginator("list_deployment_targets").paginate(**params):
                yield from listed(page)
        except ClientError as error:
            raise_invalid(error.response)
            raise

    def _outputs(
        self, calls: Iterator[BatchCall], *, window: int
    ) -> Iterator[BatchGetDeploymentTargetsOutput]:
        ended = Event()
        if self._max_concurrency == 1 or window == 1:
            for call in calls:
                yield self._make(call, ended)
            return
        # Imported late: who asks for one batch needs no threads.
        from ._threads import Threads

        threads = Threads(self._max_concurrency)
        futures: deque[Future[BatchGetDeploymentTargetsOutput]] = deque()
        failure: Exception | None = None
        try:
            while not threads.dropped:
                try:
                    upcoming = next(calls, None)
                except Exception as error:  # noqa: BLE001 - raised below, after what came before it
                    failure = error
                    break
                if upcoming is None:
                    break
                futures.append(threads.run(partial(self._make, upcoming, ended)))
                if len(futures) == window or futures[0].done():
                    yield futures.popleft().result()
            while futures:
                yield futures.popleft().result()
            if failure is not None:
                raise failure
        finally:
            threads.drop()
            ended.set()

    def _make(self, call: BatchCall, ended: Event) -> BatchGetDeploymentTargetsOutput:
        for params in call:
            if ended.is_set():
                break
            try:
                response = self.client.batch_get_deployment_targets(**params)
            except ClientError as error:
                call.refused(params, error)
            else:
                call.answered(params, response)
        return call.output()


def _default_client() -> BaseClient:
    # Imported late: who brings a client of boto3's need not pay for it.
    from botocore.session import get_session

    return get_session().create_client("codedeploy")


def _batches(target_ids: Iterable[str]) -> Iterator[list[str]]:
    batcher = Batcher()
    for target_id in target_ids:
        if batch := batcher.add(target_id):
            yield batch
    if batch := batcher.rest():
        yield batch

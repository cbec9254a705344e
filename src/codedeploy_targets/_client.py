"""Change here: the sync client, and how it uses threads.

The async client in `aio.py` has the same outline.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from operator import index
from threading import Semaphore, Thread
from typing import Any, cast

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from ._answers import BatchGetDeploymentTargetsOutput as Output
from ._botocore import Twin, check_client, default_client
from ._errors import Exceptions, error_code
from ._models import DeploymentTarget, TargetFilters
from ._requests import Batcher, Params, Steps, check_target_ids, get_targets, list_params, merge
from ._watching import Watch


class ClientBase:
    """What both clients have: the wrapped client and its exceptions."""

    def __init__(self, client: Any, *, max_concurrency: int, asynchronous: bool) -> None:
        if index(max_concurrency) < 1:  # a TypeError for 1.5
            raise ValueError(f"max_concurrency must be at least 1, not {max_concurrency}")
        check_client(client, asynchronous=asynchronous)
        self.client: Any = client
        self._max_concurrency = max_concurrency

    @property
    def exceptions(self) -> Exceptions:
        """The wrapped client's own, for `except client.exceptions.…Exception`."""
        exceptions: Exceptions = self.client.exceptions
        return exceptions


class DeploymentTargetsClient(ClientBase):
    """`BatchGetDeploymentTargets`, typed, for any number of target ids.

    Threads may share one client. The wrapped client stays as it was.

    Args:
        client: a boto3 or botocore client for CodeDeploy. By default, one of botocore's default
            session is made.
        max_concurrency: the maximum of concurrent calls of each request. Threads exist only
            while calls are pending; 1 uses the caller's thread.

    Attributes:
        client: the wrapped client.

    Raises:
        TypeError: `client` is a client of another service, or an aiobotocore client;
            `max_concurrency` is no integer.
        ValueError: `max_concurrency` is below 1.
    """

    def __init__(self, client: BaseClient | None = None, *, max_concurrency: int = 8) -> None:
        client = default_client() if client is None else client
        super().__init__(client, max_concurrency=max_concurrency, asynchronous=False)

    def batch_get_deployment_targets(
        self, *, deploymentId: str, targetIds: Iterable[str], skip_missing: bool = False
    ) -> Output:
        """Get the targets of a deployment that have the given ids.

        AWS takes 25 ids a call and refuses more. This method takes any number: it asks for them
        in batches of 25, for each id once. Without ids, it makes no call.

        Args:
            deploymentId: the id of the deployment.
            targetIds: the ids of the targets. An EC2 or on-premises instance has its instance
                id, a Lambda function its name, an ECS service `<cluster name>:<service name>`,
                a CloudFormation stack its id.
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
        plan = partial(get_targets, deploymentId, skip_missing=skip_missing)
        batches = list(_batches(check_target_ids(targetIds), plan))
        if not batches:
            return Output(deployment_targets=[])
        return merge(self._map(iter(batches), window=len(batches)))

    def iter_deployment_targets(
        self,
        *,
        deploymentId: str,
        targetIds: Iterable[str] | None = None,
        targetFilters: TargetFilters | None = None,
        skip_missing: bool = False,
    ) -> DeploymentTargetIterator:
        """Iterate over the targets of a deployment, as they arrive.

        The first `next` makes the first call. From then on, at most `max_concurrency` batches
        are under way or waiting to be consumed.

        Args:
            deploymentId: the id of the deployment.
            targetIds: the ids of the targets; by default, those that ListDeploymentTargets
                lists. Lists, tuples, sets and dicts are checked at once, other iterables as
                they are read.
            targetFilters: which targets ListDeploymentTargets lists, such as
                `{"TargetStatus": ["Failed"]}`.
            skip_missing: as in `batch_get_deployment_targets`.

        Raises:
            TypeError: both `targetIds` and `targetFilters` are given, or `targetIds` is wrong.
            Others: as in `batch_get_deployment_targets`, after the targets of earlier batches.
        """
        if targetIds is None:
            ids: Iterable[str] = self._list(list_params(deploymentId, targetFilters))
        else:
            ids = check_target_ids(targetIds, targetFilters)
        plan = partial(get_targets, deploymentId, skip_missing=skip_missing)
        outputs = self._map(_batches(ids, plan), window=self._max_concurrency)
        return DeploymentTargetIterator(outputs, [])

    def watch_deployment_targets(
        self, *, deploymentId: str, delay: float = 5.0, timeout: float | None = None
    ) -> DeploymentTargetIterator:
        """Follow a deployment until it is over.

        Yields every target once, then each again whenever it changed. A deployment is over when
        AWS's GetDeployment says Succeeded, Failed or Stopped; the last state of every target
        is yielded after that. The watch waits for a deployment that has no targets yet.

        Args:
            deploymentId: the id of the deployment.
            delay: the seconds from the end of one round of calls to the next.
            timeout: the seconds after which to give up, counted from the first `next`; by
                default never.

        Raises:
            TimeoutError: the deployment was not over in time, which is looked at after each round.
            ValueError: `delay` or `timeout` is below 0, or no number.
            Others: as in `batch_get_deployment_targets`.
        """
        watch = Watch(deploymentId, delay, timeout)
        return DeploymentTargetIterator(self._watch(watch, deploymentId), watch.missing_target_ids)

    def _watch(self, watch: Watch, deployment_id: str) -> Generator[Output]:
        begin = time.monotonic()
        while True:
            params = watch.listing_params(self._get_deployment(deployment_id))
            try:
                ids = watch.ids_to_read(self._list(params))
            except ClientError as error:
                if error_code(error) != "DeploymentNotStartedException":
                    raise
                ids = []
            output = self.batch_get_deployment_targets(deploymentId=deployment_id, targetIds=ids)
            yield watch.changed(output)
            if watch.over:
                return
            time.sleep(watch.pause(time.monotonic() - begin))

    def _get_deployment(self, deployment_id: str) -> Any:
        params = {"deploymentId": deployment_id}
        with Twin(self.client, params) as twin:
            return twin.client.get_deployment(**params)

    def _list(self, params: Params) -> Iterator[str]:
        with Twin(self.client, params) as twin:
            for page in twin.client.get_paginator("list_deployment_targets").paginate(**params):
                yield from page.get("targetIds", [])

    def _map(self, batches: Iterator[Steps], *, window: int) -> Generator[Output]:
        if self._max_concurrency == 1 or window == 1:
            return (self._get(steps, lambda: False) for steps in batches)
        return _in_threads(self._get, batches, limit=self._max_concurrency, window=window)

    def _get(self, steps: Steps, abandoned: Callable[[], bool]) -> Output:
        answer: Output | ClientError | None = None
        while not abandoned():
            try:
                params = steps.send(answer)
            except StopIteration as done:
                return cast("Output", done.value)
            try:
                with Twin(self.client, params) as twin:
                    answer = twin.read(twin.client.batch_get_deployment_targets(**params))
            except ClientError as error:
                answer = error
        return Output()


class DeploymentTargetIterator(Iterator[DeploymentTarget]):
    """The targets of a deployment, as they arrive.

    Attributes:
        missing_target_ids: the ids that brought no target so far; while a deployment is followed,
            those without one in the last answer to them.
    """

    def __init__(self, outputs: Generator[Output], missing_target_ids: list[str]) -> None:
        self.missing_target_ids: list[str] = missing_target_ids
        self._outputs = outputs
        self._targets: deque[DeploymentTarget] = deque()

    def __next__(self) -> DeploymentTarget:
        while not self._targets:
            output = next(self._outputs)
            self.missing_target_ids += output.missing_target_ids
            self._targets.extend(output.deployment_targets)
        return self._targets.popleft()

    def close(self) -> None:
        """Stop the iteration: no further call starts."""
        self._targets.clear()
        self._outputs.close()


def _batches(target_ids: Iterable[str], plan: Callable[[list[str]], Steps]) -> Iterator[Steps]:
    batcher = Batcher()
    for target_id in target_ids:
        if batch := batcher.add(target_id):
            yield plan(batch)
    if batcher.batch:
        yield plan(batcher.batch)


def _in_threads(
    get: Callable[..., Output], batches: Iterator[Steps], *, limit: int, window: int
) -> Generator[Output]:
    """Get batches, each in a thread of its own; yield the outputs in order.

    At most `limit` threads are under way, and at most `window` results wait to be consumed. After
    a failure no thread starts. `get` also takes a function: whether the iteration was abandoned.
    """
    # Not a ThreadPoolExecutor: it keeps idle threads, and waits for running calls.
    slots = Semaphore(limit)
    results: deque[Future[Output]] = deque()
    # The garbage collector may end this generator in any thread, which may hold a lock: so the
    # end only sets a flag.
    failed = abandoned = False

    def work(steps: Steps, result: Future[Output]) -> None:
        nonlocal failed
        try:
            result.set_result(get(steps, lambda: abandoned))
        except BaseException as error:  # noqa: BLE001 - raised where the result is consumed
            failed = True
            result.set_exception(error)
        finally:
            slots.release()

    try:
        while True:
            slots.acquire()
            if failed:
                break
            result: Future[Output] = Future()
            try:
                steps = next(batches)
            except StopIteration:
                break
            except Exception as error:  # noqa: BLE001 - raised after the results before it
                result.set_exception(error)
                results.append(result)
                break
            results.append(result)
            context = copy_context()
            # A daemon, so that a process can end while a call hangs.
            thread = Thread(target=context.run, args=(work, steps, result), daemon=True)
            with suppress(RuntimeError):  # no more threads can be started
                thread.start()
            if thread.ident is None:
                context.run(work, steps, result)
            if len(results) == window or results[0].done():
                yield results.popleft().result()
        while results:
            yield results.popleft().result()
    finally:
        abandoned = True

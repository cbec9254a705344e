"""Change here: what the sync client takes, returns and promises; `aio.py` is alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from operator import index
from types import SimpleNamespace
from typing import Any, cast

from botocore.client import BaseClient
from typing_extensions import Self

from ._answers import BatchGetDeploymentTargetsOutput
from ._call import Twins, check_client
from ._default_client import default_client
from ._deployments import DeploymentInfo
from ._errors import Exceptions
from ._models import DeploymentTarget
from ._requests import Batches, Listing, TargetFilters, checked_ids, get_deployment, merge
from ._runs import Plan
from ._threads import Run
from ._throttling import Throttle
from ._watching import Watch


class ClientBase:
    """What both clients have: the wrapped client, its exceptions, and the cap on its calls."""

    client: Any = None  # on the class, too, so that create_autospec finds it
    _run_class: Any = Run
    _iterables: tuple[type, ...] = (Iterable,)

    def __init__(self, client: Any, *, max_concurrency: int) -> None:
        if index(max_concurrency) < 1:  # a TypeError for 1.5
            raise ValueError(f"max_concurrency must be at least 1, not {max_concurrency}")
        if isinstance(client, ClientBase):
            raise TypeError("client is a typed client already: use it, or wrap its `client`")
        check_client(client, asynchronous=self._run_class.is_async)
        self.client = client
        self._twins = Twins(client)
        self._max_concurrency = max_concurrency
        self._throttle = Throttle()

    @property
    def exceptions(self) -> Exceptions:
        """The wrapped client's own, for `except client.exceptions.…Exception`."""
        return cast("Exceptions", self.client.exceptions)

    def _run(self, plan: Callable[[Any], Plan], limit: int | None = None) -> Any:
        if self._twins.client is not self.client:  # which a test may have replaced
            self._twins = Twins(self.client)
        return self._run_class(self._twins, self._throttle, limit or self._max_concurrency, plan)

    def _stream(
        self, deployment_id: str, target_ids: Any, target_filters: Any, *, skip_missing: bool
    ) -> Batches:
        if target_ids is None:
            source: Any = Listing(deployment_id, target_filters)
        elif target_filters is not None:
            raise TypeError("targetFilters choose what is listed, so targetIds cannot go with them")
        else:
            source = checked_ids(target_ids, self._iterables)
        window = self._max_concurrency
        return Batches(deployment_id, source, skip_missing=skip_missing, window=window)


class DeploymentTargetsClient(ClientBase):
    """`BatchGetDeploymentTargets`, typed, for any number of target ids.

    Threads may share one client. The wrapped client, the attribute `client`, stays as it was. Where
    the service throttles calls that were under way together, the client lowers their number, and
    makes them again.

    Args:
        client: a boto3 or botocore client for CodeDeploy; by default, one of botocore's default
            session, which `boto3.setup_default_session` does not change.
        max_concurrency: how many calls of one request may be under way at once, each in a
            thread of its own; 1 uses the caller's thread.

    Raises:
        TypeError: `client` is another service's, or of aiobotocore.
        ValueError: `max_concurrency` is below 1.
        BotoCoreError: the default client cannot be made; without a region, a NoRegionError.
    """

    def __init__(self, client: BaseClient | None = None, *, max_concurrency: int = 8) -> None:
        if client is None and index(max_concurrency) >= 1:  # else, the error below is to be told
            client = default_client()
        super().__init__(client, max_concurrency=max_concurrency)

    def batch_get_deployment_targets(
        self, *, deploymentId: str, targetIds: Iterable[str], skip_missing: bool = False
    ) -> BatchGetDeploymentTargetsOutput:
        """Get the targets of a deployment that have the given ids: any number, 25 a call.

        Args:
            deploymentId: the id of the deployment.
            targetIds: an EC2 or on-premises instance has its instance id, a Lambda function its
                name, an ECS service `<cluster name>:<service name>`, a CloudFormation stack its
                id. Each is asked for once; without any, there is no call.
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
        ids = [*checked_ids(targetIds, self._iterables)]
        batches = Batches(deploymentId, ids, skip_missing=skip_missing)
        # A single call is made in the caller's thread.
        limit = min(self._max_concurrency, len(batches.unasked))
        with closing(self._run(batches.plan, limit)) as run:
            return merge(iter(run.take, None))

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
            targetIds: the ids; by default, those that ListDeploymentTargets lists. Lists, tuples,
                sets and dicts are checked at once. Other iterables are read in the caller's
                thread, at most `max_concurrency` batches ahead, and after what is ready was
                yielded; with `max_concurrency=1`, only the 25 of the next batch.
            targetFilters: which targets to list, such as `{"TargetStatus": ["Failed"]}`.
            skip_missing: as in `batch_get_deployment_targets`.

        Raises:
            TypeError: both `targetIds` and `targetFilters` are given, or `targetIds` is wrong.
            Others: as in `batch_get_deployment_targets`, after the targets of earlier batches.
        """
        batches = self._stream(deploymentId, targetIds, targetFilters, skip_missing=skip_missing)
        run = self._run(batches.plan)
        return DeploymentTargetIterator(run.targets(), run=run, state=batches)

    def watch_deployment_targets(
        self,
        *,
        deploymentId: str,
        delay: float = 5.0,
        timeout: float | None = None,
        on_round: Callable[[DeploymentInfo], object] | None = None,
    ) -> DeploymentWatch:
        """Follow a deployment until GetDeployment says Succeeded, Failed or Stopped.

        Yields every target once, then each again whenever it changed, its last state included.
        Waits for a deployment that has no targets yet. Once a round of calls has succeeded,
        throttling, a 5xx, a broken connection or a cut answer is tried again after `delay`, which
        doubles up to 60 seconds, until none has succeeded for five minutes and three rounds.

        Args:
            deploymentId: the id of the deployment.
            delay: the seconds from the end of one round of calls to the next.
            timeout: the seconds after which to give up, counted from the first `next`; by default
                never. A call that hangs is left to its thread, but with `max_concurrency=1` it
                ends by the wrapped client's own timeouts and retries.
            on_round: a function that gets the DeploymentInfo after each round, when its targets
                are consumed, also where nothing changed. It may close the watch; what it raises
                is raised.

        Raises:
            TimeoutError: the deployment was not over in time.
            ValueError: `delay` or `timeout` is below 0 or NaN, or `delay` has no end.
            Others: as in `batch_get_deployment_targets`.
        """
        watch = Watch(deploymentId, delay, timeout, on_round)
        run = self._run(watch.plan)
        return DeploymentWatch(run.targets(), run=run, state=watch)

    def get_deployment(self, *, deploymentId: str) -> DeploymentInfo:
        """Get how a deployment as a whole stands, by AWS's GetDeployment.

        Raises what `batch_get_deployment_targets` does.
        """
        return cast("DeploymentInfo", self._run(partial(get_deployment, deploymentId), 1).take())


class IteratorBase:
    """What the iterators of both clients tell; a user's fake passes the first three parameters."""

    def __init__(
        self,
        targets: Iterable[DeploymentTarget] = (),
        deployment: DeploymentInfo | None = None,
        missing_target_ids: Sequence[str] = (),
        *,
        run: Any = None,
        state: Any = None,  # the Batches or the Watch that `run` follows, for its attributes
    ) -> None:
        self._ready = iter(targets)
        fake = SimpleNamespace(deployment=deployment, missing_target_ids=missing_target_ids)
        self._state = state or fake
        self._run = run

    @property
    def missing_target_ids(self) -> list[str]:
        """The ids that brought no target so far, or, of a watch, in the last answer to them."""
        return [*self._state.missing_target_ids]


class WatchBase(IteratorBase):
    """What the watches of both clients tell."""

    @property
    def deployment(self) -> DeploymentInfo:
        """AWS's newest answer to how the deployment stands; at the end, how it ended.

        Raises RuntimeError before the first one.
        """
        if self._state.deployment is None:
            raise RuntimeError("GetDeployment has not answered yet")
        return cast("DeploymentInfo", self._state.deployment)


class DeploymentTargetIterator(IteratorBase, Iterator[DeploymentTarget]):
    """The targets of a deployment, as they arrive: an iterator, and a context manager.

    A fake of the client makes one by `DeploymentTargetIterator([target])`.
    """

    def __next__(self) -> DeploymentTarget:
        return next(self._ready)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if run := getattr(self, "_run", None):
            run.close()

    def close(self) -> None:
        """Stop the iteration, from any thread: no further call starts, `next` ends."""
        self._ready = iter(())
        if self._run:
            self._run.close()


class DeploymentWatch(WatchBase, DeploymentTargetIterator):
    """The targets of a deployment that is followed, each again whenever it changed.

    A fake of the client makes one by `DeploymentWatch([target], DeploymentInfo(...))`.
    """

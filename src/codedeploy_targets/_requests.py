"""Change here: what is asked of the service: the size of a batch, how a refused one is split.

Builds requests and interprets answers. Performs no I/O.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, NamedTuple

from botocore.exceptions import ClientError, PaginationError

from ._answers import BatchGetDeploymentTargetsOutput as Output
from ._answers import read_metadata
from ._errors import MISSING_CODES, error_code
from ._models import TargetFilters

BATCH_SIZE = 25  # AWS's maximum for `targetIds`
_logger = logging.getLogger("codedeploy_targets")
# If the next page of a listing takes longer than these seconds, the ids that are listed so far are
# asked for in a batch that is not full.
PAGE_PATIENCE = 0.5

Steps = Generator[Any, Any, Any]
"""Yields what a client has to do, such as a Request; is sent what comes of it, or thrown
botocore's error; returns the result. Written once: threads and tasks take the same steps."""


class Request(NamedTuple):
    """A step: make a call, by the client's method of this name, with AWS's parameters."""

    method: str
    params: dict[str, Any]


def one_call(request: Request) -> Steps:
    """Return the steps of one call."""
    return (yield request)


def check_target_ids(
    target_ids: Any, target_filters: object = None, kinds: tuple[type, ...] = (Iterable,)
) -> Any:
    """Return the ids, to be read once; raise TypeError for a wrong type, or id in a container.

    A list is returned for a container, and only for that.
    """
    if target_filters is not None:
        raise TypeError("targetFilters choose what is listed, so targetIds cannot go with them")
    if isinstance(target_ids, (str, bytes)) or not isinstance(target_ids, kinds):
        raise TypeError(f"targetIds must be an iterable of str, not {type(target_ids).__name__}")
    # Not every iterable with a length is a container: tqdm(generator) can be read only once.
    if isinstance(target_ids, (Sequence, AbstractSet, Mapping, ValuesView)):
        copied = [*target_ids]  # the caller may change the list before it is read
        for position, target_id in enumerate(copied):
            _check_target_id(target_id, position)
        return copied
    return target_ids


def _check_target_id(target_id: Any, position: int) -> None:
    if not isinstance(target_id, str):
        raise TypeError(f"targetIds[{position}] must be a str, not {type(target_id).__name__}")


class Listing:
    """The pages of ListDeploymentTargets, one after the other, until `is_done`."""

    def __init__(self, deployment_id: str, target_filters: TargetFilters | None = None) -> None:
        filters = {} if target_filters is None else {"targetFilters": target_filters}
        self._params: dict[str, Any] = {"deploymentId": deployment_id, **filters}
        self.is_done = False

    def next_page(self) -> Steps:
        """Return the ids on the next page."""
        page = yield Request("list_deployment_targets", self._params)
        token = page.get("nextToken")
        if token and token == self._params.get("nextToken"):
            raise PaginationError(message=f"The same next token was received twice: {token}")
        self._params, self.is_done = {**self._params, "nextToken": token}, not token
        return page.get("targetIds") or []


def get_batch(
    deployment_id: str, target_ids: list[str], *, skip_missing: bool, at_fault: bool = False
) -> Generator[Request, Output, Output]:
    """Get one batch: in one call, or in several that find the missing ids.

    `at_fault` says that an id of the batch is known to be missing, so no call asks for it whole. A
    single id is asked for all the same: only its own refusal proves that it is missing.
    """
    refusals = []
    if not at_fault or len(target_ids) == 1:
        params = {"deploymentId": deployment_id, "targetIds": target_ids}
        try:
            answer = yield Request("batch_get_deployment_targets", params)
        except ClientError as error:
            if not skip_missing or error_code(error) not in MISSING_CODES:
                raise
            refusals = [read_metadata(error.response)]
        else:
            returned = {target.target_id for target in answer.deployment_targets}
            missing = [each for each in target_ids if each not in returned]
            request_id = answer.response_metadata[0].request_id
            _logger.debug("request %s: %d targets are missing", request_id, len(missing))
            return answer.model_copy(update={"missing_target_ids": missing})
    refused = Output.model_construct(response_metadata=refusals)
    if len(target_ids) == 1:
        return refused.model_copy(update={"missing_target_ids": [*target_ids]})
    half = len(target_ids) // 2
    get_half = partial(get_batch, deployment_id, skip_missing=True)
    first = yield from get_half(target_ids[:half])
    second = yield from get_half(target_ids[half:], at_fault=not first.missing_target_ids)
    return merge([refused, first, second])


def merge(outputs: Iterable[Output]) -> Output:
    """Put outputs one after another; a field that none of them set stays unset."""
    members: dict[str, Any] = {}
    for output in outputs:
        for name in output.model_fields_set:
            members.setdefault(name, []).extend(getattr(output, name))
    return Output.model_construct(**members)


class Batches:
    """The batches of one request: what may be asked for now, and the outputs in order.

    Knows nothing of threads and tasks: the futures in `calls` are of either kind.

    Args:
        deployment_id: the id of the deployment.
        target_ids: the ids that are known.
        skip_missing: whether to find and leave out the ids that the service does not know.
        listing: where more ids come from.
        limit: how many calls may be under way.
        window: how many outputs may be under way or wait to be consumed; by default, all.
    """

    def __init__(
        self,
        deployment_id: str,
        target_ids: Iterable[str] = (),
        *,
        skip_missing: bool,
        listing: Listing | None = None,
        limit: int,
        window: float = math.inf,
    ) -> None:
        self.calls: deque[Any] = deque()
        self.page: Any = None
        self.ready: deque[list[str]] = deque()
        self._get = partial(get_batch, deployment_id, skip_missing=skip_missing)
        self._listing = listing
        self._limit, self._window = limit, window
        self._batch: list[str] = []
        self._seen: set[str] = set()
        self._count = 0
        for target_id in target_ids:
            self.add(target_id)
        self.flush()

    def add(self, target_id: Any) -> bool:
        """Take one more id, once, at its first place; tell whether it completes a batch."""
        _check_target_id(target_id, self._count)
        self._count += 1
        if target_id not in self._seen:
            self._seen.add(target_id)
            self._batch.append(target_id)
        is_full = len(self._batch) == BATCH_SIZE
        if is_full:
            self.flush()
        return is_full

    def flush(self) -> None:
        """Let the last batch be ready, even if it is not full."""
        if self._batch:
            self.ready.append(self._batch)
            self._batch = []

    def busy(self) -> int:
        """Return how many calls are under way."""
        return sum(not call.done() for call in (*self.calls, self.page) if call)

    def has_room(self) -> bool:
        """Tell whether a further call may begin; none does after a failure."""
        ended = [call for call in self.calls if call.done()]
        failed = any(call.cancelled() or call.exception() for call in ended)
        return not failed and self.busy() < self._limit and len(self.calls) < self._window

    def begin(self, start: Callable[[Steps], Any]) -> bool:
        """Begin a call, if one may begin with the ids that are known."""
        if self.page and self.page.done():
            if self.page.cancelled() or self.page.exception():
                self.calls.append(self.page)  # raised after the outputs before it
                self._listing = None
            else:
                for target_id in self.page.result():
                    self.add(target_id)
            self.page = None
        if self._listing and self._listing.is_done and not self.page:
            self._listing = None
            self.flush()
        if not self.has_room():
            return False
        if self.ready:
            self.calls.append(start(self._get(self.ready.popleft())))
        elif self._listing and not self.page:
            self.page = start(self._listing.next_page())
        else:
            return False
        return True

"""Change here: what is asked of the service: the size of a batch, how a refused one is split.

Builds requests and interprets responses. Performs no I/O.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence, ValuesView
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


class Request(NamedTuple):
    """One call to make: the name of the client's method, and AWS's parameters."""

    method: str
    params: dict[str, Any]


BatchCalls = Generator[Request, Output, Output]
"""The calls for one batch: yields each, is sent its answer (or thrown its error), returns all."""


class Batcher:
    """Turns ids into batches, each id once, at its first place; `ready` are the full batches."""

    def __init__(self, target_ids: Iterable[Any] = ()) -> None:
        self.ready: deque[list[str]] = deque()
        self._batch: list[str] = []
        self._seen: set[str] = set()
        self._count = 0
        for target_id in target_ids:
            self.add(target_id)
        self.flush()

    def add(self, target_id: Any) -> None:
        """Take one more id."""
        _check_target_id(target_id, self._count)
        self._count += 1
        if target_id not in self._seen:
            self._seen.add(target_id)
            self._batch.append(target_id)
        if len(self._batch) == BATCH_SIZE:
            self.flush()

    def fill(self, target_ids: Iterator[Any]) -> bool:
        """Take ids until a batch is ready; return False at their end."""
        for target_id in target_ids:
            self.add(target_id)
            if self.ready:
                return True
        self.flush()
        return False

    def take(self) -> Iterator[list[str]]:
        """Return, one by one, the batches that are ready."""
        while self.ready:
            yield self.ready.popleft()

    def flush(self) -> None:
        """Let a batch that is not full be ready, too."""
        if self._batch:
            self.ready.append(self._batch)
            self._batch = []


def check_target_ids(
    target_ids: Any, target_filters: object = None, kinds: tuple[type, ...] = (Iterable,)
) -> Any:
    """Return the ids, to be read once; raise TypeError for a wrong type, or id in a container."""
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
    """The pages of ListDeploymentTargets: `request` asks for the next one, until `is_done`."""

    def __init__(self, deployment_id: str, target_filters: TargetFilters | None = None) -> None:
        filters = {} if target_filters is None else {"targetFilters": target_filters}
        params = {"deploymentId": deployment_id, **filters}
        self.request = Request("list_deployment_targets", params)
        self.is_done = False

    def take(self, page: Mapping[str, Any]) -> list[str]:
        """Take the answer to `request`, and return the ids on this page."""
        params, token = self.request.params, page.get("nextToken")
        if token and token == params.get("nextToken"):
            raise PaginationError(message=f"The same next token was received twice: {token}")
        self.request = Request(self.request.method, {**params, "nextToken": token})
        self.is_done = not token
        return page.get("targetIds") or []


def get_batch(
    deployment_id: str, target_ids: list[str], *, skip_missing: bool, at_fault: bool = False
) -> BatchCalls:
    """Get one batch: in one call, or in several that find the missing ids.

    `at_fault` says that an id of the batch is known to be missing: no call asks for it whole.
    """
    refusals = []
    if not at_fault or len(target_ids) == 1:
        params = {"deploymentId": deployment_id, "targetIds": target_ids}
        try:
            answer = yield Request("batch_get_deployment_targets", params)
        except ClientError as error:
            if not skip_missing or error_code(error) not in MISSING_CODES:
                raise
            refusals.append(read_metadata(error.response))
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

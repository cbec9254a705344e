"""Change here: what is asked of the service: the size of a batch, how a refused one is split.

Builds requests and interprets responses. Performs no I/O.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

from ._answers import BatchGetDeploymentTargetsOutput as Output
from ._answers import read_metadata
from ._errors import MISSING_CODES, error_code
from ._models import TargetFilters

BATCH_SIZE = 25  # AWS's maximum for `targetIds`
_logger = logging.getLogger("codedeploy_targets")

Params = dict[str, Any]
Steps = Generator[Params, Any, Output]
"""Yields the parameters of each call, and is sent its `Output` or its `ClientError`."""


class Batcher:
    """Turns ids that arrive one by one into batches, each id once; `batch` is unfinished."""

    def __init__(self) -> None:
        self._position = 0
        self._seen: set[str] = set()
        self.batch: list[str] = []

    def add(self, target_id: Any) -> list[str]:
        """Take one more id; return the batch that it completes, or an empty list."""
        _check_target_id(target_id, self._position)
        self._position += 1
        if target_id not in self._seen:
            self._seen.add(target_id)
            self.batch.append(target_id)
        if len(self.batch) < BATCH_SIZE:
            return []
        full, self.batch = self.batch, []
        return full


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


def list_params(deployment_id: str, target_filters: TargetFilters | None) -> Params:
    """Return the parameters of ListDeploymentTargets."""
    filters = {} if target_filters is None else {"targetFilters": target_filters}
    return {"deploymentId": deployment_id, **filters}


def get_targets(
    deployment_id: str, target_ids: list[str], *, skip_missing: bool, at_fault: bool = False
) -> Steps:
    """Get one batch: in one call, or in several that find the missing ids.

    `at_fault` says that an id of the batch is known to be missing: no call asks for it whole.
    """
    calls = []
    if not at_fault:
        answer = yield {"deploymentId": deployment_id, "targetIds": target_ids}
        if isinstance(answer, Output):
            returned = {target.target_id for target in answer.deployment_targets}
            missing = [each for each in target_ids if each not in returned]
            request_id = answer.response_metadata[0].request_id
            _logger.debug("request %s: %d targets are missing", request_id, len(missing))
            return answer.model_copy(update={"missing_target_ids": missing})
        if not skip_missing or error_code(answer) not in MISSING_CODES:
            raise answer
        calls = [read_metadata(answer.response)]
    if len(target_ids) == 1:
        return Output.model_construct(response_metadata=calls, missing_target_ids=target_ids)
    half = len(target_ids) // 2
    find = partial(get_targets, deployment_id, skip_missing=True)
    first = yield from find(target_ids[:half])
    second = yield from find(target_ids[half:], at_fault=not first.missing_target_ids)
    return merge([Output.model_construct(response_metadata=calls), first, second])


def merge(outputs: Iterable[Output]) -> Output:
    """Put outputs one after another; a field that none of them set stays unset."""
    members: dict[str, Any] = {}
    for output in outputs:
        for name in output.model_fields_set:
            members.setdefault(name, []).extend(getattr(output, name))
    return Output.model_construct(**members)

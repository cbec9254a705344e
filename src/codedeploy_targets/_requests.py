"""Change here: what is asked of the service, the size of a batch, how one is split; without I/O."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from copy import deepcopy
from functools import partial
from typing import Any, Literal, cast

from botocore.exceptions import ClientError, PaginationError
from typing_extensions import TypedDict

from ._answers import Output, read_metadata
from ._enums import TargetLabel
from ._enums import TargetStatus as _TargetStatus  # TargetFilters has a key of that name
from ._errors import MISSING_CODES, error_code
from ._runs import JobBase, Plan, RunBase, Work

BATCH_SIZE = 25  # AWS's maximum for `targetIds`
# If the next page takes longer than these seconds, the ids that have come so far are asked for in a
# batch that is not full.
_PATIENCE = 0.5
_logger = logging.getLogger("codedeploy_targets")

_Status = Literal["Failed", "InProgress", "Pending", "Ready", "Skipped", "Succeeded", "Unknown"]


class TargetFilters(TypedDict, total=False):
    """Which targets ListDeploymentTargets lists: those with one of the values, for each name."""

    TargetStatus: Sequence[_Status | _TargetStatus]
    # Of the instances of a blue/green deployment.
    ServerInstanceLabel: Sequence[Literal["Blue", "Green"] | TargetLabel]


# pydantic would drop a filter that is misspelt, and without one a listing has all targets.
cast("Any", TargetFilters).__pydantic_config__ = {"extra": "forbid"}


def checked_ids(target_ids: Any, kinds: tuple[type, ...]) -> Any:
    """Return the ids, those of a container as a list; raise TypeError for what cannot be ids.

    Those of another iterable are checked as they are read, in the async client by `aiter_of`.
    """
    if isinstance(target_ids, (str, bytes)) or not isinstance(target_ids, kinds):
        raise TypeError(f"targetIds must be an iterable of str, not {type(target_ids).__name__}")
    # Not every iterable with a length is a container: tqdm(generator) can be read only once.
    if isinstance(target_ids, (Sequence, AbstractSet, Mapping, ValuesView)):
        return [*check_each(target_ids)]  # a copy, as the caller may change it before it is read
    return check_each(target_ids) if kinds == (Iterable,) else target_ids


def check_each(target_ids: Any) -> Generator[str]:
    for index, target_id in enumerate(target_ids):
        yield check_id(index, target_id)


def check_id(index: int, target_id: Any) -> str:
    if not isinstance(target_id, str):
        raise TypeError(f"targetIds[{index}] must be a str, not {type(target_id).__name__}")
    return target_id


class Listing:
    """The pages of ListDeploymentTargets, one after the other."""

    def __init__(self, deployment_id: str, target_filters: TargetFilters | None = None) -> None:
        filters = {} if target_filters is None else {"targetFilters": target_filters}
        # A copy, as the user may edit the filters before the first page.
        self._params: dict[str, Any] = deepcopy({"deploymentId": deployment_id, **filters})
        self._is_token_repeated = False

    async def next_page(self, job: JobBase) -> tuple[list[str], bool]:
        """Return the ids on the next page, and whether it is the last one."""
        if self._is_token_repeated:  # after that page, as botocore's paginator does
            token = self._params["nextToken"]
            raise PaginationError(message=f"The same next token was received twice: {token}")
        ids, token = await job.call("list_deployment_targets", self._params)
        self._is_token_repeated = token == self._params.get("nextToken")
        self._params = {**self._params, "nextToken": token}
        return ids, not token


async def get_batch(
    job: JobBase,
    deployment_id: str,
    target_ids: list[str],
    *,
    skip_missing: bool,
    at_fault: bool = False,
) -> Output:
    """Get one batch: in one call, or in several that find the missing ids.

    `at_fault` says that an id of the batch is known to be missing, so no call asks for it whole. A
    single id is asked for all the same: only its own refusal proves that it is missing.
    """
    refusals = []
    if not at_fault or len(target_ids) == 1:
        params = {"deploymentId": deployment_id, "targetIds": target_ids}
        try:
            answer: Output = await job.call("batch_get_deployment_targets", params)
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
    if len(target_ids) == 1:
        return Output.model_construct(missing_target_ids=target_ids, response_metadata=refusals)
    half = len(target_ids) // 2
    get_half = partial(get_batch, job, deployment_id, skip_missing=True)
    first = await get_half(target_ids[:half])
    second = await get_half(target_ids[half:], at_fault=not first.missing_target_ids)
    return merge([Output.model_construct(response_metadata=refusals), first, second])


def merge(outputs: Iterable[Output]) -> Output:
    """Put outputs one after another; a field that none of them set stays unset."""
    members: dict[str, Any] = {}
    for output in outputs:
        for name in output.model_fields_set:
            members.setdefault(name, []).extend(getattr(output, name))
    # Where no id was given, no call was made: that is an empty list of targets, not an unset one.
    return Output.model_construct(**members or {"deployment_targets": []})


def ask(run: RunBase, work: Work) -> Plan:
    """Start a job, wait for its end, and return its result."""
    job = run.start(work)
    while not job.done():
        yield math.inf
    return job.result()


def get_deployment(deployment_id: str, run: RunBase) -> Plan:
    """Return the answer of GetDeployment."""
    params = {"deploymentId": deployment_id}
    return (yield from ask(run, lambda job: job.call("get_deployment", params)))


class Batches:
    """The batches of one request.

    `source` holds the ids, or gives them page by page: a list, a Listing, or an iterable. At most
    `window` batches are under way or wait to be consumed.
    """

    def __init__(
        self, deployment_id: str, source: Any, *, skip_missing: bool, window: float = math.inf
    ) -> None:
        self.missing_target_ids: list[str] = []
        self.unasked: deque[list[str]] = deque()  # the batches to ask for
        self._get = partial(get_batch, deployment_id=deployment_id, skip_missing=skip_missing)
        self._source: Any = source
        self._window = window
        self._jobs: deque[Any] = deque()
        self._page: Any = None  # the job that reads the next one
        self._batch: list[str] = []  # the last ids, fewer than a whole batch
        self._seen: set[str] = set()
        self._error: Exception | None = None  # of a page
        self._has_failed = False
        if isinstance(source, list):
            self._add(source, is_last=True)

    def plan(self, run: RunBase, on_output: Callable[[Output], Output] = lambda each: each) -> Plan:
        """Yield `on_output` of each output, in order; raise the first error in its turn."""
        run.is_ready = self._is_ready
        read_seconds = 0.0
        try:
            while True:
                self._proceed(run)
                if isinstance(self._source, Listing) and self._may_read(run):
                    self._page = run.start(self._source.next_page)
                if self._is_ready():
                    output = self._jobs.popleft().result()
                    self.missing_target_ids += output.missing_target_ids
                    yield on_output(output)
                elif self._may_read(run):
                    # The user's ids: reading them may block this thread. So the calls under way
                    # first have as long to end as the last read took.
                    if not (run.running and (yield read_seconds)):
                        begin = time.monotonic()
                        self._page = run.read(self._source, BATCH_SIZE - len(self._batch))
                        read_seconds = time.monotonic() - begin
                # `unasked`, too: a job that has just ended may be in `run.running` for a moment,
                # and keep the last batch from starting.
                elif not (self._jobs or self._page or self.unasked or self._source is not None):
                    break
                elif not (yield _PATIENCE if self._page else math.inf):
                    self._flush()
            if self._error:
                raise self._error
        finally:
            self._source = None  # which ends a generator of the user's
            while self._jobs:  # emptied, as the user may keep an iterator that has ended
                self._jobs.popleft().cancel()

    def _proceed(self, run: RunBase) -> None:
        """Take in a page that has come, then start the batches that may start."""
        if self._page and self._page.done():
            page, self._page = self._page, None
            try:
                target_ids, is_last = page.result()
                self._add(target_ids, is_last=is_last)
            except Exception as error:  # noqa: BLE001 - raised after the outputs before it
                if isinstance(self._source, Listing):
                    self._flush()  # what came before it
                self._source, self._error = None, error
        while self.unasked and self._has_room(run):
            work = partial(self._get_batch, run, self.unasked.popleft())
            self._jobs.append(run.start(work))

    def _is_ready(self) -> bool:
        return bool(self._jobs) and bool(self._jobs[0].done())

    def _may_read(self, run: RunBase) -> bool:
        return self._source is not None and not self._page and self._has_room(run)

    def _has_room(self, run: RunBase) -> bool:
        """Tell whether a further call may begin; none does after a failure."""
        is_free = len(run.running) < run.limit and len(self._jobs) < self._window
        return is_free and not self._has_failed

    async def _get_batch(self, run: RunBase, target_ids: list[str], job: JobBase) -> Output:
        try:
            return await self._get(job, target_ids=target_ids)
        except BaseException:
            self._has_failed = True
            # Nobody gets the batches behind it, so they end now: those before it may take a while.
            # A page that is read meanwhile goes on, as `_proceed` takes in what comes of it.
            started = [*run.running]
            behind = {*started[started.index(job) + 1 :]} - {self._page}
            # Asked last, as a job that was cancelled may end much later: in a watch, `running` has
            # the calls of another round then.
            if not job.is_given_up():
                for each in behind:
                    each.cancel()
            raise

    def _add(self, target_ids: list[str], *, is_last: bool) -> None:
        """Take more ids, each once, at its first place."""
        for target_id in target_ids:
            if target_id not in self._seen:
                self._seen.add(target_id)
                self._batch.append(target_id)
            if len(self._batch) == BATCH_SIZE:
                self._flush()
        if is_last:
            self._source = None
            self._flush()

    def _flush(self) -> None:
        """Let the last batch be asked for, even if it is not full."""
        if self._batch:
            self.unasked.append(self._batch)
            self._batch = []

"""The rule for a service that throttles, against a loop over boto3: `nox -s throttling`.

`python tests/programs/throttling.py SEEDS` runs fewer than 200 seeds. The rule is the library's
own `Throttle`; calls, botocore's retries and the service's token bucket are simulated, on a clock
of their own. Every claim is asserted; the table shows what was seen.

A run is one to four requests at once on one client: ours with its eight calls at a time each, or
as many loops, each in a thread. Its time is that of its last request, where none failed.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
import statistics
import sys
import types
from collections import defaultdict
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from contextvars import Context, copy_context
from functools import partial
from typing import Any, NamedTuple
from unittest.mock import patch

from botocore.exceptions import ClientError
from botocore.retries.quota import RetryQuota
from support.codedeploy import TokenBucket

from codedeploy_targets import _throttling
from codedeploy_targets._throttling import Throttle

# What runs beside others: yields the seconds to sleep, or None to wait until it is woken.
Process = Generator[float | None]

CALL_SECONDS = (0.04, 0.06)
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException"}}, "BatchGetDeploymentTargets")
MOST_CONCURRENCY = 8
MOST_TIMES = 1.3
# A call that is throttled before there is a cap may use up botocore's own pauses.
TAILS = {"standard": 1 + 2, "legacy": 1 + 2 + 4 + 8}


class Retries(NamedTuple):
    """How botocore retries a throttled call; all calls of a client share the tokens."""

    attempts: int
    tokens: int = 1_000_000
    longest_pause: float = 1_000_000


RETRIES = {"standard": Retries(3, tokens=500, longest_pause=20), "legacy": Retries(5)}
COST_OF_A_RETRY = 5


class Cell(NamedTuple):
    retries: str
    rate: int
    burst: int
    batches: int
    requests: int


class Clock:
    """Runs processes, each when it is due."""

    def __init__(self) -> None:
        self.now = 0.0
        self.current: Process | None = None
        self._order = itertools.count()
        self._due: list[tuple[float, int, Process]] = []
        self._waiting: set[Process] = set()
        # As each thread and task has a context of its own.
        self._contexts: defaultdict[Process, Context] = defaultdict(copy_context)

    def monotonic(self) -> float:
        return self.now

    def start(self, process: Process, seconds: float = 0) -> None:
        heapq.heappush(self._due, (self.now + seconds, next(self._order), process))

    def wake(self, process: Process) -> None:
        if process in self._waiting:
            self._waiting.remove(process)
            self.start(process)

    def run(self) -> None:
        while self._due:
            self.now, _, self.current = heapq.heappop(self._due)
            try:
                seconds = self._contexts[self.current].run(next, self.current)
            except StopIteration:
                continue
            if seconds is None:
                self._waiting.add(self.current)
            else:
                self.start(self.current, seconds)
        assert not self._waiting, "a call waits for ever"


class Request:
    def __init__(self, batches: int) -> None:
        self.left = batches
        self.has_failed = False
        self.wakes: list[Callable[[], None]] = []


class Over(Exception):  # noqa: N818 - no error: it ends what a failed request still does
    """The request has failed."""


class Job:
    """One call, as a thread or a task makes it."""

    had_company = False

    def __init__(self, run: Run, request: Request) -> None:
        assert run.clock.current
        self._run, self._request = run, request
        wake = partial(run.clock.wake, run.clock.current)
        self.woken = types.SimpleNamespace(set=wake)

    def is_given_up(self) -> bool:
        return self._request.has_failed

    @types.coroutine
    def wait(self) -> Process:
        yield None
        if self.is_given_up():
            raise Over

    @types.coroutine
    def make(self, *_: object) -> Process:
        has_succeeded = yield from self._run.call()
        if self.is_given_up():
            raise Over
        if not has_succeeded:
            raise THROTTLED


class Run:
    """So many requests at once, on one client, to one service."""

    def __init__(self, cell: Cell, seed: int) -> None:
        self.clock = Clock()
        self._retries = RETRIES[cell.retries]
        self._random = random.Random(seed)  # noqa: S311
        self._quota = RetryQuota(self._retries.tokens)
        self._bucket = TokenBucket(cell.rate, cell.burst, clock=self.clock.monotonic)
        self._throttle = Throttle()
        self._requests = [Request(cell.batches) for _ in range(cell.requests)]

    def with_ours(self) -> tuple[int, float]:
        return self._outcome(self._ask, MOST_CONCURRENCY)

    def with_loops(self) -> tuple[int, float]:
        return self._outcome(self._call_in_loop, 1)

    def _outcome(self, call: Any, concurrency: int) -> tuple[int, float]:
        """Return how many requests failed, and the seconds that they took."""
        for request in self._requests * concurrency:
            self.clock.start(self._work(request, call))
        with patch.object(_throttling, "time", self.clock):
            self.clock.run()
        return sum(request.has_failed for request in self._requests), self.clock.now

    def _work(self, request: Request, call: Any) -> Process:
        while request.left and not request.has_failed:
            request.left -= 1
            yield from call(request)

    def _call_in_loop(self, request: Request) -> Process:
        request.has_failed = not (yield from self.call())

    def _ask(self, request: Request) -> Process:
        job: Any = Job(self, request)
        request.wakes.append(job.woken.set)
        try:
            yield from self._throttle.call(job, "batch_get_deployment_targets", {}).__await__()
        except Over:
            pass
        except ClientError:
            request.has_failed = True
            for wake_another in request.wakes:
                wake_another()

    def call(self) -> Generator[float, None, bool]:
        """Make one call as botocore does; return whether it succeeded."""
        for attempt in range(1, self._retries.attempts + 1):
            allowed = self._bucket.take()
            yield self._random.uniform(*CALL_SECONDS)
            if allowed:
                self._quota.release(1 if attempt == 1 else COST_OF_A_RETRY)
                return True
            if attempt == self._retries.attempts or not self._quota.acquire(COST_OF_A_RETRY):
                break
            yield self._random.random() * min(2 ** (attempt - 1), self._retries.longest_pause)
        return False


def compare(seeds: int, cell: Cell) -> tuple[list[float], list[float]]:
    """Return the share of requests that failed, ours and the loops', and the mean times of both."""
    ours = [Run(cell, seed).with_ours() for seed in range(seeds)]
    loops = [Run(cell, seed).with_loops() for seed in range(seeds)]
    failed = [statistics.fmean(lost / cell.requests for lost, _ in runs) for runs in (ours, loops)]
    times = [[seconds for count, seconds in runs if not count] for runs in (ours, loops)]
    return failed, [statistics.fmean(each) if each else math.nan for each in times]


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(f"{seeds} runs a cell: failed requests, ours / the loops'; time, ours ÷ the loops'")
    counts = [1, 2, 3, 4]
    columns = ["retries", "rate", "burst", "batches", *(f"{count} at once" for count in counts)]
    print("|", " | ".join(columns), "|")
    print("| --- " * len(columns) + "|")
    with ProcessPoolExecutor() as pool:
        rows = [*itertools.product(RETRIES, (2, 4, 6, 10, 20, 50), (1, 10, 50), (40, 400))]
        cells = [Cell(*row, count) for row in rows for count in counts]
        results = zip(cells, pool.map(partial(compare, seeds), cells), strict=True)
        for row in rows:
            texts = []
            for cell, ((ours, loops), (seconds, theirs)) in itertools.islice(results, len(counts)):
                assert ours <= loops, f"{cell}: it fails more often than a loop"
                is_slow = seconds > theirs * MOST_TIMES
                assert not is_slow or seconds - theirs < TAILS[cell.retries], f"{cell}: it is slow"
                ratio = "-" if math.isnan(seconds / theirs) else f"{seconds / theirs:.2f}"
                bold = "**" if is_slow else ""
                texts.append(f"{bold}{ours:.1%} / {loops:.1%}; {ratio}{bold}")
            print("|", " | ".join([*map(str, row), *texts]), "|", flush=True)


if __name__ == "__main__":
    main()

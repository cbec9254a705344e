"""Change here: how many calls of a client are under way at once, where the service throttles them.

botocore retries a throttled call, and gives up after a few attempts. Where this library's own
concurrency may be the cause, the call is made again, under a cap. Any other call is the affair of
the client's retry settings.
"""

from __future__ import annotations

import math
import os
import time
from typing import Any

from botocore.exceptions import ClientError

from ._errors import is_throttled
from ._lock import is_held, locked
from ._runs import JobBase, enclosing_jobs

_SPEED = 0.25  # how fast the cap rises: by this much for each `cap` calls that succeed
# While there is a cap, a call counts as in company for so many seconds after one has succeeded:
# earlier concurrency has used up botocore's retry quota.
_MEMORY_SECONDS = 2.0


class Throttle:
    """A cap on the calls of one client, which is there only after the service throttled some."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._cap = self._cap_ends_at = math.inf
        self._succeeded_at = -math.inf
        self._under_way: list[JobBase] = []
        self._waiting: list[JobBase] = []

    async def call(self, job: JobBase, method: str, params: dict[str, Any]) -> Any:
        """Make a call as soon as the cap allows it; again, if our own concurrency throttled it."""
        # This one must not wait if a handler makes it within another call, which keeps its
        # place until this one ends, or a signal's handler in a thread that waits or has the lock.
        entered = [*self._under_way, *self._waiting]
        if is_held() or any(each in entered for each in enclosing_jobs.get()):
            return await job.make(method, params)
        while True:
            try:
                while not self._enter(job):
                    await job.wait()
                answer = await job.make(method, params)
            except ClientError as error:
                if not (job.had_company and is_throttled(error)):
                    raise
                self._halve_cap()
            else:
                self._raise_cap()
                return answer
            finally:
                self._leave(job)

    @locked
    def _enter(self, job: JobBase) -> bool:
        """Let a call begin, or make it wait to be woken; the first to come is the first to go."""
        if self._process != os.getpid():  # a fork: the calls under way are the parent's
            self._begin()
        self._waiting = [each for each in self._waiting if not each.is_given_up()]
        if job not in self._waiting:
            self._waiting.append(job)
        # Only now: a thread that gives a place up meanwhile wakes those that wait.
        self._under_way = [each for each in self._under_way if not each.is_given_up()]
        if self._waiting[0] is not job or len(self._under_way) + 1 > self._cap:
            return False
        self._waiting.pop(0)
        is_recent = time.monotonic() - self._succeeded_at < _MEMORY_SECONDS
        job.had_company = bool(self._under_way) or (self._cap < math.inf and is_recent)
        for each in self._under_way:
            each.had_company = True
        self._under_way.append(job)
        self.wake()  # as there may be room for the next one, too
        return True

    @locked
    def _halve_cap(self) -> None:
        if self._cap == math.inf:
            self._cap_ends_at = max(len(self._under_way), 2)
        self._cap = max(min(self._cap, len(self._under_way)) / 2, 1)

    @locked
    def _raise_cap(self) -> None:
        self._succeeded_at = time.monotonic()
        self._cap += _SPEED / self._cap
        if self._cap >= self._cap_ends_at:
            self._cap = self._cap_ends_at = math.inf

    @locked
    def _leave(self, job: JobBase) -> None:
        """End a call, or the wait for one."""
        for jobs in self._under_way, self._waiting:
            if job in jobs:
                jobs.remove(job)
        self.wake()

    def wake(self) -> None:
        """Let all calls that wait try again. Takes no lock, so any thread may do it at any time."""
        for job in self._waiting.copy():
            job.woken.set()

"""Change here: what the runs of both clients have in common: a user's request while it runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar
from typing import Any

Plan = Generator[Any, Any, Any]
"""What a user's request does next. It yields the seconds to wait for a job to end, a float, and is
sent True if one ended in that time; or it yields an output for the user; or, in the async client,
what `on_round` returned, to be awaited."""

Work = Callable[[Any], Coroutine[Any, Any, Any]]
"""What a job does. It makes calls by the job's `call`: in a task, or in a thread, where they block
and never suspend it."""


class RunBase:
    """One request of a user, while it runs: it does jobs, in threads or in tasks."""

    is_async = False

    def __init__(self, twins: Any, throttle: Any, limit: int, plan: Callable[[Any], Plan]) -> None:
        self.twins, self.throttle = twins, throttle
        self.limit = limit  # of jobs at once
        self.running: dict[Any, None] = {}  # in the order in which they were started
        self.is_closed = False
        # In seconds, until a watch's timeout. Then raises TimeoutError: no wait and no call begins.
        self.time_left: Callable[[], float] = lambda: math.inf
        # Whether a thread has to yield something before it reads more of the user's ids.
        self.is_ready: Callable[[], bool] = lambda: False
        self._plan = plan(self)

    def start(self, work: Work) -> Any: ...
    def read(self, ids: Any, count: int) -> Any: ...


# The jobs within whose work this code runs: in a handler of their call, or in a task that was
# started there. They may wait for this code, so it must not wait for them.
enclosing_jobs: ContextVar[tuple[JobBase, ...]] = ContextVar("codedeploy_targets_jobs", default=())


class JobBase:
    """A job in a thread or a task, which makes one call at a time."""

    had_company = False  # whether other calls of the client were under way beside its own
    outcome: Any = None  # what the work returned, and what it raised, once it is done
    _caught: type[BaseException] = Exception  # what `keep` keeps of what the work raises
    woken: Any  # an event: there may be room under the cap

    def __init__(self, run: RunBase) -> None:
        self._run = run
        self._is_cancelled = False

    async def keep(self, work: Work) -> None:
        """Do some work, and keep what comes of it as the outcome."""
        outer = enclosing_jobs.get()
        try:
            enclosing_jobs.set((*outer, self))
            self.outcome = await work(self), None
        except self._caught as error:
            self.outcome = None, error
        finally:  # else, the task's context would keep the job, and the job the task: a cycle
            enclosing_jobs.set(outer)

    async def call(self, method: str, params: dict[str, Any]) -> Any:
        """Call the client's method of this name, with AWS's parameters, when the cap allows it."""
        return await self._run.throttle.call(self, method, params)

    def is_given_up(self) -> bool:
        """Tell whether nobody waits for it any more, though its call may hang."""
        return self._run.is_closed or self._is_cancelled

    def result(self) -> Any:
        returned, error = self.outcome
        if error is not None:
            raise error
        return returned

    async def wait(self) -> None: ...
    async def make(self, method: str, params: dict[str, Any]) -> Any: ...

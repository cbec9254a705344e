"""Change here: how the sync client uses threads, and how a request of it is closed.

The async client's `_tasks.py` has the same outline.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from itertools import islice
from threading import Thread
from typing import Any

from ._call import Call
from ._models import DeploymentTarget
from ._requests import Plan, Steps, Work
from ._throttling import Throttle

# Python notices a signal that comes just before a wait only when the wait ends; on Windows, any
# signal. So that Ctrl-C is never lost for long, no wait is longer than these seconds.
_LONGEST_WAIT = 1.0


class Closed(Exception):  # noqa: N818 - no error: it ends what a closed request still does
    """The request was closed."""


class Job:
    """What one thread does. Takes no lock, unlike a Future, so any thread may cancel it."""

    def __init__(self, on_cancel: Callable[[], None]) -> None:
        self.is_cancelled = False
        self.outcome: tuple[Any, BaseException | None] | None = None
        self.woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._on_cancel = on_cancel

    def cancel(self) -> None:
        self.is_cancelled = True
        self.woken.put(None)
        self._on_cancel()

    def done(self) -> bool:
        return self.outcome is not None

    def result(self) -> Any:
        result, error = self.outcome or (None, None)
        if error:
            raise error
        return result

    def keep(self, function: Callable[[], Any]) -> None:
        """Call a function, and keep what comes of it as the outcome."""
        try:
            self.outcome = function(), None
        except BaseException as error:  # noqa: BLE001 - raised where the result is consumed
            self.outcome = None, error


class Run:
    """One request of a user, while it runs.

    Any thread may close it at any time, the garbage collector in a thread that holds a lock
    included. So `close` takes no lock: `SimpleQueue.put` may interrupt even itself.
    """

    is_async = False

    def __init__(
        self, client: Any, throttle: Throttle, limit: int, plan: Callable[[Run], Plan]
    ) -> None:
        self.limit = limit
        self.running: set[Job] = set()
        self._client = client
        self._throttle = throttle
        self._plan = plan(self)
        self._is_closed = False
        self._ids: Iterator[Any] | None = None
        # Not imported by name: gevent may take its place after this import.
        self._events: queue.SimpleQueue[None] = queue.SimpleQueue()

    def take(self) -> Any:
        """Go on with the plan to what it yields for the user; return None at the end."""
        happened: bool | None = None
        try:
            while not self._is_closed:
                step = self._plan.send(happened)
                if isinstance(step, float):
                    happened = self._wait(step)
                elif not self._is_closed:  # the user's iterable may close it
                    return step
        except (StopIteration, Closed):
            pass
        except BaseException:
            self.close()
            raise
        self.close()
        return None

    def targets(self) -> Generator[DeploymentTarget]:
        """Yield the targets of all outputs. As a generator, it refuses a second thread in it."""
        for output in iter(self.take, None):
            yield from output.deployment_targets

    def close(self) -> None:
        self._is_closed = True
        self._ids = iter(())  # which ends a generator of the user's
        self._events.put(None)
        for job in self.running.copy():
            job.cancel()
        with suppress(ValueError):  # another thread takes a step of the plan, its last one
            self._plan.close()

    def start(self, work: Work) -> Job:
        """Do a job in a thread of its own; here, if the limit is 1 or none can be started."""
        # A call that hangs gives its place under the cap to those who wait for one.
        job = Job(self._throttle.wake)
        self.running.add(job)
        is_over, wake = partial(self._is_over, job), partial(job.woken.put, None)
        steps = work(partial(self._throttle.call, is_over, wake))
        do = partial(self._do, job, steps)
        if self.limit > 1:
            do_in_context = partial(_in_context, copy_context(), do)
            # A daemon, so that a process can end while a call hangs.
            thread = Thread(target=do_in_context, name="codedeploy-targets", daemon=True)
            with suppress(RuntimeError):  # no more threads can be started
                thread.start()
                return job
        do()
        return job

    def read(self, ids: Iterable[Any], count: int) -> Job:
        """Read so many of the user's ids, in the user's thread."""
        job = Job(self._throttle.wake)
        job.keep(lambda: self._read(ids, count))
        return job

    def _read(self, ids: Iterable[Any], count: int) -> tuple[list[Any], bool]:
        if self._ids is None:
            self._ids = iter(ids)
        found = []
        for each in islice(self._ids, count):
            found.append(each)
            if not isinstance(each, str):
                break  # it is refused before more is read, which may take long
        return found, len(found) < count

    def _is_over(self, job: Job) -> bool:
        return self._is_closed or job.is_cancelled

    def _do(self, job: Job, steps: Steps) -> None:
        job.keep(lambda: self._take_steps(job, steps))
        self.running.discard(job)
        self._events.put(None)

    def _take_steps(self, job: Job, steps: Steps) -> Any:
        resume: Callable[[Any], Any] = steps.send
        value: Any = None
        while True:
            try:
                request = resume(value)
            except StopIteration as done:
                return done.value
            resume, value = steps.send, None
            try:
                if request is None:
                    job.woken.get()
                elif not self._is_over(job):
                    value = Call(self._client, request).make()
                if self._is_over(job):
                    raise Closed  # noqa: TRY301 - thrown into the steps, which give the place back
            except BaseException as error:  # noqa: BLE001 - thrown where the request was made
                resume, value = steps.throw, error

    def _wait(self, seconds: float) -> bool:
        """Wait until a job ends, or the run is closed; tell whether that came in time."""
        while True:
            try:
                self._events.get(timeout=min(seconds, _LONGEST_WAIT))
            except queue.Empty:
                seconds -= _LONGEST_WAIT
                if seconds <= 0:
                    return False
            else:
                return True


def _in_context(context: Context, work: Callable[[], None]) -> None:
    # Not `context.run(work)`: that would hide what a tracer has set in the new thread already.
    own = copy_context()
    for variable, value in context.items():
        if variable not in own:
            variable.set(value)
    work()

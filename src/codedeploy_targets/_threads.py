"""Change here: how the sync client uses threads, and is closed; `_tasks.py` is alike."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from itertools import islice
from typing import Any

from ._call import Call
from ._lock import is_held
from ._models import DeploymentTarget
from ._runs import JobBase, RunBase, Work

# Python notices a signal that comes just before a wait only when the wait ends; on Windows, any
# signal. So that Ctrl-C is never lost for long, no wait is longer than these seconds.
_LONGEST_WAIT = 1.0


class Closed(Exception):  # noqa: N818 - no error: it ends what a closed request still does
    """The request was closed."""


class _Event:
    """An event that any thread may set at any time, even while it sets or waits for it already.

    `threading.Event` would block there. Below Python 3.13, `SimpleQueue.get` blocks for ever if a
    signal's handler still runs when the time is up.
    """

    def __init__(self) -> None:
        # Not imported by name: gevent may take its place after this import.
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        with suppress(RuntimeError):  # it is set already
            self._lock.release()

    def wait(self, seconds: float) -> bool:
        """Wait until it is set, and clear it; tell whether it was set in time."""
        return self._lock.acquire(timeout=seconds)


class Job(JobBase):
    """What one thread does. Waits for no lock, unlike a Future: any thread may cancel it."""

    thread: threading.Thread | None = None  # None is the caller's
    _caught = BaseException  # else, a thread would end without an outcome

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.woken = _Event()

    def cancel(self) -> None:
        self._is_cancelled = True
        self.woken.set()
        # A call that hangs gives its place under the cap to those who wait for one.
        self._run.throttle.wake()

    def done(self) -> bool:
        return self.outcome is not None

    def do(self, work: Work) -> None:
        """Do some work, which blocks and never suspends."""
        with suppress(StopIteration):  # the end of a coroutine
            self.keep(work).send(None)

    async def wait(self) -> None:
        # Never for longer, as in the caller's thread nobody else looks at the time.
        self.woken.wait(min(self._time_left(), _LONGEST_WAIT))

    async def make(self, method: str, params: dict[str, Any]) -> Any:
        self._time_left()
        try:
            return await Call(self._run.twins, method, params).make()
        except Exception:
            if self.is_given_up():  # in the caller's thread, this would be raised from `next`
                raise Closed from None
            raise

    def _time_left(self) -> float:
        if self.is_given_up():
            raise Closed
        return self._run.time_left()  # raises TimeoutError if there is none


class Run(RunBase):
    """One request of a user, while it runs. Any thread may close it at any time."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._threads: set[threading.Thread] = set()  # those that may still run
        self._event = _Event()  # set when a job ends, or the run is closed

    def take(self) -> Any:
        """Go on with the plan to what it yields for the user, or to what it returns at the end."""
        returned, job_ended = None, None
        try:
            while not self.is_closed:
                step = self._plan.send(job_ended)
                if isinstance(step, float):
                    job_ended = self._wait(min(step, self.time_left()))
                elif not self.is_closed:  # the user's iterable may close it
                    return step
        except StopIteration as end:
            returned = end.value
            # A job that is not done is of a failed round of a watch, and may hang, so its thread is
            # not waited for. The others are about to end.
            hanging = {job.thread for job in [*self.running] if not job.done()}
            for thread in self._threads - hanging:
                thread.join()
        except Closed:
            pass
        except BaseException:
            self.close()
            raise
        self.close()
        return returned

    def targets(self) -> Generator[DeploymentTarget]:
        """Yield the targets of all outputs. As a generator, it refuses a second thread in it."""
        for output in iter(self.take, None):
            yield from output.deployment_targets

    # Waits for no lock, as the garbage collector may close it in a thread that holds one.
    def close(self) -> None:
        self.is_closed = True
        self._event.set()
        for job in [*self.running]:
            job.cancel()
        with suppress(ValueError):  # another thread takes a step of the plan, its last one
            self._plan.close()

    def start(self, work: Work) -> Job:
        """Do a job in its own thread; in the caller's, if the limit is 1 or none can be started."""
        job = Job(self)
        self.running[job] = None
        do = partial(self._do, job, work, copy_context())
        # Below Python 3.12, the start of a thread never ends while Python finalizes. And a thread
        # that a signal's handler starts could not read what comes, if this one holds the lock.
        if self.limit > 1 and not sys.is_finalizing() and not is_held():
            # A daemon, so that a process can end while a call hangs.
            thread = threading.Thread(target=do, name="codedeploy-targets", daemon=True)
            with suppress(RuntimeError):  # no more threads can be started
                thread.start()
                job.thread = thread
                self._threads = {*filter(threading.Thread.is_alive, self._threads), thread}
                return job
        do()
        return job

    def read(self, ids: Iterator[Any], count: int) -> Job:
        """Read so many of the user's ids, or until something is ready, in the user's thread."""
        job = Job(self)
        job.do(lambda _: self._read(ids, count))
        return job

    async def _read(self, ids: Iterator[Any], count: int) -> tuple[list[Any], bool]:
        found = []
        for each in islice(ids, count):
            found.append(each)
            if self.is_closed or self.is_ready():
                return found, self.is_closed
        return found, len(found) < count

    def _do(self, job: Job, work: Work, context: Context) -> None:
        # Not `context.run(…)`: that would hide what a tracer has set in a new thread already.
        own = copy_context()
        for variable, value in context.items():
            if variable not in own:
                variable.set(value)
        job.do(work)
        self.running.pop(job)
        self._event.set()

    def _wait(self, seconds: float) -> bool:
        """Wait until a job ends, or the run is closed; tell whether that came in time."""
        while not self._event.wait(min(seconds, _LONGEST_WAIT)):
            seconds -= _LONGEST_WAIT
            if seconds <= 0:
                return False
        return True

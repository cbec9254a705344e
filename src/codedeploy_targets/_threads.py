"""Change here: how the sync client uses threads, and how a request of it is closed.

The async client's `_tasks.py` has the same outline.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ._answers import BatchGetDeploymentTargetsOutput as Output
from ._call import Call
from ._deployments import DeploymentInfo
from ._errors import is_throttled
from ._models import DeploymentTarget
from ._requests import PAGE_PATIENCE, Batches, Request, Steps, merge, one_call
from ._throttling import Place, Throttle
from ._watching import GetTargets, Pause, Watch


class Closed(Exception):  # noqa: N818 - no error: it ends what a closed request still does
    """The request was closed."""


class Run:
    """One request of a user, while it runs.

    Any thread may close it at any time, the garbage collector in a thread that holds a lock
    included. So `close` takes no lock: `SimpleQueue.put` may interrupt even itself.
    """

    def __init__(self, client: Any, throttle: Throttle, limit: int) -> None:
        self.is_closed = False
        self.missing_target_ids: list[str] = []
        self.watch: Watch | None = None
        self._client = client
        self._throttle = throttle
        self._limit = limit
        self._events: SimpleQueue[None] = SimpleQueue()
        self._part: Run | None = None  # the reading of one round of a watch
        self._left_over: list[Future[Any]] = []  # calls of a round that failed

    def close(self) -> None:
        self.is_closed = True
        if self._part:
            self._part.is_closed = True
        self._events.put(None)
        self._throttle.wake()

    def iterate(
        self, batches: Batches, target_ids: Iterable[str] | None
    ) -> Generator[DeploymentTarget]:
        """Yield the targets of the batches, and note which ids brought none."""
        try:
            ids = None if target_ids is None else iter(target_ids)
            for output in self.outputs(batches, ids):
                self.missing_target_ids += output.missing_target_ids
                yield from output.deployment_targets
        finally:
            self.close()

    def follow(
        self, watch: Watch, on_round: Callable[[DeploymentInfo], object] | None
    ) -> Generator[DeploymentTarget]:
        """Yield the targets of a watch that are new or have changed."""
        self.missing_target_ids = watch.missing_target_ids
        try:
            watch.begin()
            while not watch.is_over:
                yield from self._drive(watch.next_round(), self._perform)
                if on_round is not None and watch.deployment:
                    on_round(watch.deployment)
        finally:
            self.close()

    def outputs(
        self, batches: Batches, target_ids: Iterator[str] | None = None
    ) -> Generator[Output]:
        """Yield the outputs of the batches in order; raise the first error in this order.

        The user's ids are read here, in the user's thread. What is ready is yielded before more
        are read; where reading takes longer than getting, none is read ahead.
        """
        seconds = 0.0  # that the last read took
        while not self.is_closed:
            if batches.begin(self.start):
                continue
            if batches.calls and batches.calls[0].done():
                yield batches.calls.popleft().result()
            elif target_ids is not None and batches.has_room():
                # Reading blocks this thread. So the calls under way first have as long to end as
                # the last read took.
                if not (batches.busy() and self._wait(seconds)):
                    begin = time.monotonic()
                    if not _fill_batch(target_ids, batches):
                        target_ids = None
                    seconds = time.monotonic() - begin
            elif not batches.busy():
                return
            elif not self._wait(PAGE_PATIENCE if batches.page else None):
                batches.flush()

    def start(self, steps: Steps) -> Future[Any]:
        """Take the steps in a thread of their own, or here if there is none to be had."""
        future: Future[Any] = Future()
        work = partial(self._work, future, steps)
        # A daemon, so that a process can end while a call hangs.
        thread = Thread(target=_in_context, args=(copy_context(), work), daemon=True)
        if self._limit > 1:
            with suppress(RuntimeError):  # no more threads can be started
                thread.start()
        if thread.ident is None:  # it was not started
            work()
        return future

    def _work(self, future: Future[Any], steps: Steps) -> None:
        try:
            future.set_result(self._drive(steps, self.call))
        except BaseException as error:  # noqa: BLE001 - raised where the result is consumed
            future.set_exception(error)
        self._events.put(None)

    def _drive(self, steps: Steps, take: Callable[[Any], Any]) -> Any:
        resume: Callable[[Any], Any] = steps.send
        value: Any = None
        while True:
            try:
                step = resume(value)
            except StopIteration as done:
                return done.value
            try:
                resume, value = steps.send, take(step)
            except (ClientError, BotoCoreError) as error:
                resume, value = steps.throw, error

    def _perform(self, step: Request | GetTargets | Pause) -> Any:
        """Take one step of a watch, in the user's thread."""
        answer: Any = None
        if isinstance(step, Request):
            call = self.start(one_call(step))
            while not (call.done() or self.is_closed):
                self._wait()
            answer = None if self.is_closed else call.result()
        elif isinstance(step, GetTargets):
            answer = self._get(step)
        else:
            end = time.monotonic() + step.seconds
            while not self.is_closed and (left := end - time.monotonic()) > 0:
                self._wait(left)
        if self.is_closed:
            raise Closed
        return answer

    def _get(self, step: GetTargets) -> Output:
        """Get the targets of one round, and leave nothing to do to the calls of a failed one."""
        part = self._part = Run(self._client, self._throttle, self._limit)
        part._events = self._events
        found, limit = [], 0
        while limit < 1 and not self.is_closed:
            self._left_over = [call for call in self._left_over if not call.done()]
            limit = self._limit - len(self._left_over)
            if limit < 1 and self.watch:
                self.watch.check_time()
                self._wait(1.0)
        # In the user's own thread, a batch is got and its output taken before the next one.
        window = 1 if self._limit == 1 else math.inf
        batches = Batches(*step, skip_missing=True, limit=limit, window=window)
        try:
            for output in part.outputs(batches):
                found.append(output)
                if self.watch and self.watch.time_left() <= 0:
                    break  # what was read is yielded before the TimeoutError
        finally:
            self._left_over += batches.calls
            part.close()
        return merge(found)

    def _wait(self, seconds: float | None = None) -> bool:
        """Wait until a call ends, or the run is closed; return False after the time."""
        try:
            self._events.get(timeout=seconds)
        except Empty:
            return False
        return True

    def call(self, request: Request) -> Any:
        while True:
            woken: SimpleQueue[None] = SimpleQueue()
            place = Place(lambda: self.is_closed, partial(woken.put, None))
            throttled = succeeded = False
            try:
                while not (self.is_closed or self._throttle.enter(place)):
                    woken.get()
                if self.is_closed:
                    raise Closed
                answer = Call(self._client, request).make()
            except ClientError as error:
                throttled = is_throttled(error)
                if not (throttled and place.had_company):
                    raise
            else:
                succeeded = True
                return answer
            finally:
                self._throttle.leave(place, throttled=throttled, succeeded=succeeded)


def _fill_batch(target_ids: Iterator[str], batches: Batches) -> bool:
    """Read the user's ids until a batch is ready; return False at their end."""
    try:
        for target_id in target_ids:
            if batches.add(target_id):
                return True
    except Exception as error:  # noqa: BLE001 - raised after the outputs before it
        batches.calls.append(Future())
        batches.calls[-1].set_exception(error)
    else:
        batches.flush()
    return False


def _in_context(context: Context, work: Callable[[], None]) -> None:
    # Not `context.run(work)`: that would hide what a tracer has set in the new thread already.
    own = copy_context()
    for variable, value in context.items():
        if variable not in own:
            variable.set(value)
    work()

"""Change here: how the sync client uses threads, and how a request of it is closed.

The async client's `_tasks.py` has the same outline.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ._answers import BatchGetDeploymentTargetsOutput as Output
from ._call import Call
from ._deployments import DeploymentInfo
from ._errors import is_throttled
from ._models import DeploymentTarget
from ._requests import BatchCalls, Batcher, Listing, Request, merge
from ._throttling import Place, Throttle
from ._watching import Read, RoundEnd, Watch

_T = TypeVar("_T")
# A page of a listing that takes longer than these seconds holds no listed id back.
_PAGE_PATIENCE = 0.5


class Closed(Exception):  # noqa: N818 - no error: it ends what a closed request still does
    """The request was closed."""


class Run:
    """One request of a user, while it runs: its calls, its threads, its end.

    Any thread may close it at any time, the garbage collector in a thread that holds a lock
    included. So `close` takes no lock: `SimpleQueue.put` may interrupt even itself.
    """

    def __init__(self, client: Any, throttle: Throttle, limit: int) -> None:
        self.limit = limit  # of calls under way; 1 means in the caller's thread
        self._client = client
        self._throttle = throttle
        self._events: SimpleQueue[None] = SimpleQueue()
        self._places: set[Place] = set()
        self._parent: Run | None = None
        self._is_closed = False
        # What the user's iterator tells of the request.
        self.missing_target_ids: list[str] = []
        self.deployment: DeploymentInfo | None = None

    def part(self) -> Run:
        """Return a part of this run, which may end before it, and ends with it."""
        part = Run(self._client, self._throttle, self.limit)
        part._events, part._places, part._parent = self._events, self._places, self
        return part

    def is_closed(self) -> bool:
        return self._is_closed or (self._parent is not None and self._parent.is_closed())

    def close(self) -> None:
        self._is_closed = True
        self._notify()
        for place in self._places.copy():
            place.wake()
        self._throttle.wake_next()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until something ends, in a thread or the run itself; return False after a time."""
        try:
            self._events.get(timeout=seconds)
        except Empty:
            return False
        return True

    def sleep(self, seconds: float) -> None:
        """Wait for a time, or until the run is closed."""
        end = time.monotonic() + seconds
        while not self.is_closed() and (left := end - time.monotonic()) > 0:
            self.wait(left)

    def start(self, function: Callable[..., _T], *args: Any) -> Future[_T]:
        """Call a function in a thread of its own, or at once if there is none to be had."""
        future: Future[_T] = Future()
        future.add_done_callback(self._notify)
        # A daemon, so that a process can end while a call hangs.
        work = partial(_work, future, function, *args)
        thread = Thread(target=_in_context, args=(copy_context(), work), daemon=True)
        if self.limit > 1:
            with suppress(RuntimeError):  # no more threads can be started
                thread.start()
        if thread.ident is None:  # it was not started
            work()
        return future

    def ask(self, request: Request) -> Any:
        """Make one call, as soon as the service's throttling allows it.

        Raises:
            Closed: the run was closed before the call began.
            Others: as in `Call.make`.
        """
        while True:
            woken: SimpleQueue[None] = SimpleQueue()
            place = Place(self.is_closed, partial(woken.put, None))
            self._places.add(place)
            throttled = succeeded = False
            try:
                while not (self.is_closed() or self._throttle.enter(place)):
                    woken.get()
                if self.is_closed():
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
                self._places.discard(place)
                self._throttle.leave(place, throttled=throttled, succeeded=succeeded)

    def result(self, future: Future[_T]) -> _T:
        """Wait for what was started; raise Closed where the run is closed before."""
        while not future.done():
            if self.is_closed():
                raise Closed
            self.wait()
        return future.result()

    def get(self, calls: BatchCalls) -> Output:
        """Make the calls for one batch."""
        answer: Any = None
        error: ClientError | None = None
        while True:
            try:
                request = calls.throw(error) if error else calls.send(answer)
            except StopIteration as done:
                output: Output = done.value
                return output
            answer, error = None, None
            try:
                answer = self.ask(request)
            except ClientError as refused:
                error = refused

    def _notify(self, _: object = None) -> None:
        self._events.put(None)


class Batches:
    """Gets batches, at most `run.limit` at a time, and yields their outputs in order.

    Args:
        run: the request that the calls are made for.
        calls_for: returns the calls for a batch.
        batcher: has the batches that are known.
        target_ids: the user's ids, read in the caller's thread.
        listing: the pages that the ids come from, got beside the batches.
        window: how many outputs may be under way or wait to be consumed.
    """

    def __init__(
        self,
        run: Run,
        calls_for: Callable[[list[str]], BatchCalls],
        batcher: Batcher,
        *,
        target_ids: Iterator[str] | None = None,
        listing: Listing | None = None,
        window: int,
    ) -> None:
        self._run = run
        self._calls_for = calls_for
        self._batcher = batcher
        self._target_ids = target_ids
        self._listing = listing
        self._window = window
        self._calls: deque[Future[Any]] = deque()
        self._page: Future[list[str]] | None = None
        self._read_seconds = 0.0

    def outputs(self) -> Generator[Output]:
        """Yield the outputs; raise the first error in the order of the batches."""
        try:
            while not self._run.is_closed():
                if self._begin_call():
                    continue
                if self._calls and self._calls[0].done():
                    yield self._calls.popleft().result()
                elif not self._read_or_wait():
                    return
        except Closed:
            return
        finally:
            self._run.close()

    def _begin_call(self) -> bool:
        """Begin a call, if one may begin for which no id of the user's has to be read."""
        self._take_page()
        if not self._may_begin():
            return False
        if self._batcher.ready:
            calls = self._calls_for(self._batcher.ready.popleft())
            self._calls.append(self._run.start(self._run.get, calls))
            return True
        if self._listing and not self._page:
            self._page = self._run.start(self._next_page, self._listing)
            return True
        return False

    def _read_or_wait(self) -> bool:
        """Read ids, or wait until a call ends; return False at the end of all."""
        busy = self._busy()
        if self._target_ids and self._may_begin():
            # Where reading takes longer than getting, an output is worth as long a wait.
            if not (busy and self._run.wait(self._read_seconds)):
                self._read(self._target_ids)
            return True
        if busy and not self._run.wait(_PAGE_PATIENCE if self._page else None):
            self._batcher.flush()
        return busy > 0

    def _may_begin(self) -> bool:
        failed = any(call.done() and call.exception() for call in self._calls)
        has_room = self._busy() < self._run.limit and len(self._calls) < self._window
        return has_room and not failed

    def _busy(self) -> int:
        return sum(not call.done() for call in (*self._calls, self._page) if call)

    def _next_page(self, listing: Listing) -> list[str]:
        return listing.take(self._run.ask(listing.request))

    def _take_page(self) -> None:
        if self._page and self._page.done():
            if self._page.exception():
                self._calls.append(self._page)  # raised after the outputs before it
                self._listing = None
            else:
                for target_id in self._page.result():
                    self._batcher.add(target_id)
            self._page = None
            if self._listing and self._listing.is_done:
                self._batcher.flush()
                self._listing = None

    def _read(self, target_ids: Iterator[str]) -> None:
        begin = time.monotonic()
        try:
            has_more = self._batcher.fill(target_ids)
        except Exception as error:  # noqa: BLE001 - raised after the outputs before it
            has_more = False
            self._calls.append(Future())
            self._calls[-1].set_exception(error)
        if not has_more:
            self._target_ids = None
        self._read_seconds = time.monotonic() - begin


def targets_of(found: Generator[Output], run: Run) -> Generator[DeploymentTarget]:
    """Yield the targets of the outputs, and note which ids brought none."""
    for output in found:
        run.missing_target_ids += output.missing_target_ids
        yield from output.deployment_targets


def follow(
    run: Run, watch: Watch, on_round: Callable[[DeploymentInfo], object] | None
) -> Generator[DeploymentTarget]:
    """Take the steps of a watch, and yield the targets that are new or have changed."""
    steps, answer, error = watch.steps(), None, None
    run.missing_target_ids = watch.missing_target_ids
    try:
        while not run.is_closed():
            try:
                step = steps.throw(error) if error else steps.send(answer)
            except StopIteration:
                return
            run.deployment, answer, error = watch.deployment, None, None
            if isinstance(step, RoundEnd):
                yield from step.changed
                if on_round:
                    on_round(step.deployment)
                continue
            try:
                if isinstance(step, Request):
                    answer = run.result(run.start(run.ask, step))
                elif isinstance(step, Read):
                    batcher = Batcher(step.target_ids)
                    window = len(batcher.ready)
                    batches = Batches(run.part(), step.calls_for, batcher, window=window)
                    answer = merge(batches.outputs())
                else:
                    run.sleep(step.seconds)
            except (ClientError, BotoCoreError) as trouble:
                error = trouble
    except Closed:
        return
    finally:
        run.close()


def _work(future: Future[_T], function: Callable[..., _T], *args: Any) -> None:
    try:
        future.set_result(function(*args))
    except BaseException as error:  # noqa: BLE001 - raised where the result is consumed
        future.set_exception(error)


def _in_context(context: Context, work: Callable[[], None]) -> None:
    """Work with the caller's context variables, but for those that this thread has already.

    A tracer that makes a context of its own for each thread keeps it.
    """
    own = copy_context()
    for variable, value in context.items():
        if variable not in own:
            variable.set(value)
    work()

"""Threads that are there only while there is something to call."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from contextvars import copy_context
from threading import RLock, Thread, current_thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")


class Threads:
    """Runs functions in the order in which they come, at most `limit` of them at once.

    After one has failed, or after `drop`, those that have not begun never will.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # The garbage collector closes a forgotten iterator, which drops, in any thread and at any
        # time: in one of these as well, when it has the lock already.
        self._lock = RLock()
        self._waiting: deque[Callable[[], None]] = deque()
        self._threads: set[Thread] = set()
        self.dropped = False

    def run(self, function: Callable[[], T]) -> Future[T]:
        """Have a function called in a thread, and in the `contextvars` context of this one."""
        future: Future[T] = Future()
        context = copy_context()

        def call() -> None:
            try:
                future.set_result(context.run(function))
            except BaseException as error:  # noqa: BLE001 - whoever waits for the result gets it
                self.drop()
                future.set_exception(error)

        with self._lock:
            if not self.dropped:
                self._waiting.append(call)
                if len(self._threads) < self._limit:
                    # A daemon, so that a process can end while a call that nobody waits for hangs.
                    thread = Thread(target=self._work, daemon=True)
                    self._threads.add(thread)
                    thread.start()
        return future

    def drop(self) -> None:
        """Forget the functions that have not begun."""
        with self._lock:
            self.dropped = True
            self._waiting.clear()

    def _work(self) -> None:
        while True:
            with self._lock:
                try:
                    call = self._waiting.popleft()
                except IndexError:
                    self._threads.remove(current_thread())
                    return
            call()

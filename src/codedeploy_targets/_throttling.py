"""Change here: how many calls of a client are under way at once, where the service throttles them.

botocore retries a throttled call, and gives up after a few attempts. If other calls of the client
were under way meanwhile, this library's own concurrency may be the cause: such a call is made
again, under a cap. A call that was alone is the affair of the client's retry settings.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable
from threading import Lock

_SPEED = 0.25  # how fast the cap rises: by this much for each `cap` calls that succeed


class Place:
    """The place of one call among those of its client.

    `is_over` tells whether the user's request has ended, `wake` is called when the call may try
    again to enter.
    """

    def __init__(self, is_over: Callable[[], bool], wake: Callable[[], object]) -> None:
        self.is_over = is_over
        self.wake = wake
        self.had_company = False


class Throttle:
    """A cap on the calls of one client, which is there only after the service throttled some.

    Each throttled call halves the cap, each that succeeds raises it a little; once it is at the
    level that it began from, it goes.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        # What ends a request may be the garbage collector, in a thread that holds this lock: so
        # the end takes no lock, and `is_over` is looked at in `enter`.
        self._lock = Lock()
        self._cap = self._level = math.inf
        self._under_way: list[Place] = []
        self._waiting: deque[Place] = deque()

    def enter(self, place: Place) -> bool:
        """Let a call begin, or make it wait to be woken; the first to come is the first to go."""
        if self._process != os.getpid():  # a fork: the calls under way are the parent's
            self._begin()
        with self._lock:
            if place not in self._waiting:
                self._waiting.append(place)
            while self._waiting[0].is_over() and self._waiting[0] is not place:
                self._waiting.popleft()
            self._under_way = [each for each in self._under_way if not each.is_over()]
            if self._waiting[0] is not place or len(self._under_way) + 1 > max(self._cap, 1):
                return False
            self._waiting.popleft()
            place.had_company = bool(self._under_way)
            for each in self._under_way:
                each.had_company = True
            self._under_way.append(place)
        self.wake()
        return True

    def leave(self, place: Place, *, throttled: bool = False, succeeded: bool = False) -> None:
        """End a call, or the wait for one."""
        with self._lock:
            if throttled and place.had_company:
                if self._cap == math.inf:
                    self._level = max(len(self._under_way), 2)
                self._cap = max(min(self._cap, len(self._under_way)) / 2, 1)
            elif succeeded:
                self._cap += _SPEED / self._cap
                if self._cap >= self._level:
                    self._cap = self._level = math.inf
            for places in (self._under_way, self._waiting):
                if place in places:
                    places.remove(place)
        self.wake()

    def wake(self) -> None:
        """Let all calls that wait try again. Takes no lock, so any thread may do it at any time."""
        for place in self._waiting.copy():
            place.wake()

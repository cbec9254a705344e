"""A clock that a test sets forward: where the library waits, nothing has to."""

from __future__ import annotations

import time

_monotonic = time.monotonic


class Clock:
    """Runs like the machine's own, and is set forward by each pause.

    Attributes:
        pauses: the seconds of each pause so far.
        interrupts: a pause raises KeyboardInterrupt, as if Ctrl-C was pressed in it.
    """

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.interrupts = False
        self._ahead = 0.0

    def monotonic(self) -> float:
        return _monotonic() + self._ahead

    def set_forward(self, seconds: float) -> None:
        self._ahead += seconds

    def pause(self, seconds: float) -> None:
        if self.interrupts:
            raise KeyboardInterrupt
        self.pauses.append(seconds)
        self.set_forward(seconds)

    async def pause_task(self, seconds: float) -> None:
        self.pause(seconds)

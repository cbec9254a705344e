"""A clock that a test sets forward, so that the library's waits take no time."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

_monotonic, _sleep = time.monotonic, asyncio.sleep
_allocate_lock = threading.Lock


class Clock:
    """Stands still, however busy the machine is; each pause sets it forward."""

    def __init__(self) -> None:
        self._time = _monotonic()
        self.forget()

    @property
    def pauses(self) -> list[int]:
        """Each pause so far, in whole seconds."""
        return [round(seconds) for seconds in self._pauses if round(seconds)]

    def forget(self) -> None:
        self._pauses = [0.0]

    def monotonic(self) -> float:
        return self._time

    def set_forward(self, seconds: float) -> None:
        self._time += seconds

    def pause(self, seconds: float) -> None:
        """Set it forward. Calls with no `end_pause` between them are parts of one pause."""
        self.set_forward(seconds)
        self._pauses[-1] += seconds

    def end_pause(self) -> None:
        self._pauses.append(0.0)

    def sleep(self, seconds: float) -> None:
        self.pause(seconds)
        self.end_pause()

    async def sleep_in_task(self, seconds: float) -> None:
        self.sleep(seconds)
        await _sleep(0)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the library tell the time by this clock, and wait by it."""
        monkeypatch.setattr("time.monotonic", self.monotonic)
        monkeypatch.setattr("time.sleep", self.sleep)
        monkeypatch.setattr("asyncio.sleep", self.sleep_in_task)
        clock = self

        class Lock:
            """Sets the clock forward in place of waiting, unless a thread of the library runs."""

            def __init__(self) -> None:
                self._own = _allocate_lock()
                self.release, self.locked = self._own.release, self._own.locked

            def __enter__(self) -> bool:
                return self._own.__enter__()

            def __exit__(self, *_: object) -> None:
                self._own.release()

            def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002
                if timeout < 0:
                    return self._own.acquire(blocking)
                while True:
                    names = {each.name for each in threading.enumerate()}
                    is_idle = "codedeploy-targets" not in names
                    if self._own.acquire(timeout=0 if is_idle else 0.01):
                        clock.end_pause()
                        return True
                    if is_idle:
                        clock.pause(timeout)
                        return False

        monkeypatch.setattr("threading.Lock", Lock)

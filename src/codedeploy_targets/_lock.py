"""Change here: the lock for what one thread of a process may do at a time, such as reading."""

from __future__ import annotations

import atexit
import os
from contextlib import suppress
from threading import RLock
from typing import Any

_locks: dict[int, Any] = {}


def lock() -> Any:
    """Return this process's lock: nobody would release one that was held when a fork copied it."""
    return _locks.setdefault(os.getpid(), RLock())


@atexit.register
def _wait_for_readers() -> None:
    # Before Python 3.14, a process that ends while a daemon thread is in Python code that pydantic
    # calls, such as that of an open enum, is aborted.
    lock().acquire(timeout=2)
    with suppress(RuntimeError):  # another thread holds it still
        lock().release()

"""Change here: the lock for what one thread of a process may do at a time, such as reading."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from threading import RLock
from typing import Any, ParamSpec, TypeVar

_Params = ParamSpec("_Params")
_Returned = TypeVar("_Returned")

_locks: dict[int, Any] = {}


def lock() -> Any:
    """Return the lock of this process. A forked child has its own: nobody would release a copy."""
    return _locks.setdefault(os.getpid(), RLock())


def is_held() -> bool:
    """Tell whether this thread holds the lock: a signal may come while it reads an answer."""
    return bool(lock()._is_owned())  # noqa: SLF001 - as `threading.Condition` asks


def locked(function: Callable[_Params, _Returned]) -> Callable[_Params, _Returned]:
    """Let only one thread at a time run any of the functions that this decorates."""

    # In Python 3.13 and 3.14, Ctrl-C may leave the lock of a `with` locked, or that of a `try` with
    # a loop in it. So this `try` only acquires and calls; its `finally` begins with the release.
    @wraps(function)
    def call(*args: _Params.args, **kwargs: _Params.kwargs) -> _Returned:
        held = lock()
        try:
            held.acquire()
            return function(*args, **kwargs)
        finally:
            try:  # noqa: SIM105 - `suppress` would be a `with`
                held.release()
            except RuntimeError:  # Ctrl-C came before it was acquired
                pass

    return call


@atexit.register
def _wait_for_readers() -> None:
    # Before Python 3.14, a process that ends while a daemon thread is in Python code that pydantic
    # calls, such as that of an open enum, is aborted.
    lock().acquire(timeout=2)
    with suppress(RuntimeError):  # another thread holds it still
        lock().release()

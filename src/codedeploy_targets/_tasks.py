"""Tasks that do a piece of work each, a window of them at a time."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from typing_extensions import Self

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

T = TypeVar("T")
R = TypeVar("R")


class Tasks(Generic[T, R]):
    """Applies a function to items, and iterates over the results in the order of the items.

    At most `limit` tasks are under way; at most `window` items have been taken whose results
    have not been consumed. After one has failed no more begin, and after `async with` none is left.
    """

    # An iterator, and no generator: a loop that ends closes all its async generators at the same
    # time, and one that is inside another does not survive that.

    def __init__(
        self,
        function: Callable[[T], Coroutine[Any, Any, R]],
        items: AsyncGenerator[T, None],
        *,
        limit: int,
        window: int,
    ) -> None:
        self._function = function
        self._items = items
        self._free = asyncio.Semaphore(limit)
        # What is being consumed is in the window, so whoever asks for the next one makes room.
        self._room = asyncio.Semaphore(window - 1)
        self._in_order: asyncio.Queue[asyncio.Task[R] | None] = asyncio.Queue()
        self._tasks: set[asyncio.Task[R]] = set()

    async def __aenter__(self) -> Self:
        # One task takes all the items, so that an async iterable of a user's meets one context.
        self._producer = asyncio.create_task(self._produce())
        self._producer.add_done_callback(lambda _: self._in_order.put_nowait(None))
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = (self._producer, *self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> R:
        self._room.release()
        task = await self._in_order.get()
        if task is None:
            await self._producer
            raise StopAsyncIteration
        result = await task
        self._tasks.remove(task)
        return result

    async def _produce(self) -> None:
        async with aclosing(self._items):
            await self._room.acquire()
            async for item in self._items:
                await self._free.acquire()
                if any(task.done() and task.exception() for task in self._tasks):
                    return
                task = asyncio.create_task(self._function(item))
                task.add_done_callback(lambda _: self._free.release())
                self._tasks.add(task)
                self._in_order.put_nowait(task)
                await self._room.acquire()

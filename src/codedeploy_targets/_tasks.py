"""Change here: how the async client uses tasks, and how a request of it is closed.

The sync client's `_threads.py` has the same outline.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import aclosing, suppress
from functools import partial
from inspect import isawaitable
from typing import Any

from ._call import AsyncCall
from ._requests import Plan, Work
from ._throttling import Throttle


class Run:
    """One request of a user, while it runs. Any task may close it."""

    is_async = True

    def __init__(
        self, client: Any, throttle: Throttle, limit: int, plan: Callable[[Run], Plan]
    ) -> None:
        self.limit = limit
        self.running: set[asyncio.Future[Any]] = set()
        self._client = client
        self._throttle = throttle
        self._plan = plan(self)
        self._is_closed = False
        self._is_taken = False  # by a task that waits in `take`
        self._readers: list[asyncio.Task[None]] = []  # one, if the user's ids are read
        self._cancelled: set[asyncio.Future[Any]] = set()
        self._wanted: asyncio.Queue[tuple[int, asyncio.Future[Any]]] = asyncio.Queue()

    async def take(self) -> Any:
        """Go on with the plan to what it yields for the user; return None at the end."""
        if self._is_taken:
            raise RuntimeError("another task waits for the next target already")
        self._is_taken = True
        happened: bool | None = None
        try:
            while not self._is_closed:
                step = self._plan.send(happened)
                happened = None
                if isawaitable(step):
                    await step
                elif not isinstance(step, float):
                    return step
                else:
                    happened = await self._wait(step)
        except StopIteration:
            pass
        except StopAsyncIteration as error:  # of a mock that runs dry: no end of the targets
            await self.close()
            raise RuntimeError("a call raised StopAsyncIteration") from error
        except BaseException:
            await self.close()
            raise
        finally:
            self._is_taken = False
        await self.close()
        return None

    async def close(self) -> None:
        """Cancel all tasks but the one that asks for it, and wait for their end."""
        self._is_closed = True
        with suppress(ValueError):  # a step of the plan asks for it, its last one
            self._plan.close()
        others = {*self.running, *self._readers} - {asyncio.current_task()}
        for each in others:
            self._cancel(each)
        error = None
        while pending := {each for each in others if not each.done()}:
            try:
                await asyncio.wait(pending)
            except asyncio.CancelledError as caught:  # once more: that leaves no task behind, too
                error = caught
        if error:
            raise error

    def give_up(self) -> None:
        """Cancel all tasks, from any thread."""
        self._is_closed = True
        for each in (*self.running.copy(), *self._readers):
            with suppress(RuntimeError):  # the loop has ended, and has cancelled them
                each.get_loop().call_soon_threadsafe(self._cancel, each)

    def _cancel(self, each: asyncio.Future[Any]) -> None:
        # Once, whoever cancels it: a second time would cut its cleanup short and, before Python
        # 3.12, may block a lock for ever that aiobotocore uses in `adaptive` mode.
        if each not in self._cancelled and not getattr(each, "cancelling", int)():
            each.cancel()
        self._cancelled.add(each)
        self._throttle.wake()  # a call that still hangs gives its place to those who wait for one

    def start(self, work: Work) -> asyncio.Task[Any]:
        """Do a job in a task of its own."""
        task = asyncio.create_task(self._take_steps(work))
        self._note(task)
        return task

    def read(self, ids: Iterable[Any] | AsyncIterable[Any], count: int) -> asyncio.Future[Any]:
        """Read so many of the user's ids, in the one task that reads them."""
        page = asyncio.get_running_loop().create_future()
        self._note(page)
        self._wanted.put_nowait((count, page))
        if not self._readers:
            self._readers.append(asyncio.create_task(self._read(ids)))
        return page

    async def _read(self, ids: Iterable[Any] | AsyncIterable[Any]) -> None:
        found: list[Any] = []
        count, page = await self._wanted.get()
        try:
            async with aclosing(aiter_of(ids)) as items:
                async for each in items:
                    found.append(each)
                    if len(found) == count or not isinstance(each, str):
                        page.set_result((found, False))
                        found = []
                        count, page = await self._wanted.get()
            page.set_result((found, True))
        except asyncio.CancelledError:
            page.cancel()
        except BaseException as error:  # noqa: BLE001 - raised where the page is taken
            with suppress(asyncio.InvalidStateError):  # the iterable itself has closed the run
                page.set_exception(error)

    async def _take_steps(self, work: Work) -> Any:
        woken = asyncio.Event()
        steps = work(partial(self._throttle.call, lambda: self._is_closed, woken.set))
        resume: Callable[[Any], Any] = steps.send
        value: Any = None
        while True:
            try:
                request = resume(value)
            except StopIteration as done:
                return done.value
            resume, value = steps.send, None
            try:
                if request is None:
                    await woken.wait()
                    woken.clear()
                else:
                    value = await AsyncCall(self._client, request).make()
            except BaseException as error:  # noqa: BLE001 - thrown where the request was made
                resume, value = steps.throw, error

    async def _wait(self, seconds: float) -> bool:
        """Wait until a job ends; tell whether one did in time."""
        is_pause = not self.running
        if is_pause:  # as a task, so that closing the run ends it as it ends a call
            self._note(asyncio.create_task(asyncio.sleep(seconds)))
        timeout = None if is_pause or seconds == math.inf else seconds
        done, _ = await asyncio.wait(
            self.running.copy(), timeout=timeout, return_when=asyncio.FIRST_COMPLETED
        )
        return bool(done) and not is_pause

    def _note(self, job: asyncio.Future[Any]) -> None:
        self.running.add(job)
        job.add_done_callback(self._forget)

    def _forget(self, job: asyncio.Future[Any]) -> None:
        self.running.discard(job)
        if not job.cancelled():
            job.exception()  # otherwise, asyncio may report that nobody looked at it


async def aiter_of(items: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[Any]:
    """Yield the items of either kind of iterable, and close an async generator at the end."""
    if isinstance(items, Iterable):
        for item in items:
            yield item
        return
    iterator = aiter(items)
    try:
        async for item in iterator:
            yield item
    finally:
        if isinstance(iterator, AsyncGenerator):  # else asyncio closes it, in a task of its own
            await iterator.aclose()

"""Change here: how the async client uses tasks, and how a request of it is closed.

The sync client's `_threads.py` has the same outline.
"""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Iterable
from contextlib import aclosing
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ._answers import BatchGetDeploymentTargetsOutput as Output
from ._call import AsyncCall
from ._deployments import DeploymentInfo
from ._errors import is_throttled
from ._requests import PAGE_PATIENCE, Batches, Request, Steps, merge
from ._throttling import Place, Throttle
from ._watching import GetTargets, Pause, Watch

# asyncio itself keeps only weak references to tasks.
_kept_alive: set[asyncio.Task[Any]] = set()


class Run:
    """One request of a user, while it runs. Any task may close it."""

    def __init__(self, client: Any, throttle: Throttle, limit: int) -> None:
        self.is_closed = False
        self.missing_target_ids: list[str] = []
        self.watch: Watch | None = None
        self._client = client
        self._throttle = throttle
        self._limit = limit
        self._tasks: set[asyncio.Task[Any]] = set()
        self._event = asyncio.Event()
        self._batches: Batches | None = None  # those that are being got

    async def close(self) -> None:
        self.is_closed = True
        await self._cancel()

    async def follow(
        self, watch: Watch, on_round: Callable[[DeploymentInfo], object] | None
    ) -> AsyncGenerator[Output]:
        """Yield an Output a round: the targets of a watch that are new or have changed."""
        self.missing_target_ids = watch.missing_target_ids
        try:
            watch.begin()
            while not watch.is_over:
                task = self._spawn(self._drive(watch.next_round(), self._perform))
                while not task.done():
                    left = watch.time_left()
                    await asyncio.wait({task}, timeout=None if left == math.inf else left)
                    if self.is_closed:
                        return
                    if not task.done():
                        watch.check_time()
                yield Output.model_construct(deployment_targets=task.result())
                result: object = None
                if on_round is not None and watch.deployment:
                    result = on_round(watch.deployment)
                if inspect.isawaitable(result):
                    await result
                if self.is_closed:
                    return
        finally:
            await self._cancel()

    # What iterates this is a class: `asyncio.run` closes all async generators at once, and that
    # fails for a generator that is still iterating another one.
    async def outputs(
        self, batches: Batches, target_ids: Iterable[Any] | AsyncIterable[Any] | None = None
    ) -> AsyncGenerator[Output]:
        """Yield the outputs of the batches in order; raise the first error in this order.

        The user's ids are read in one task, no faster than the targets are consumed.
        """
        self._batches = batches
        places = asyncio.Semaphore(self._limit)
        reader = None
        if target_ids is not None:
            reader = self._spawn(self._read(target_ids, batches, places))
        try:
            while not self.is_closed:
                self._begin_calls()
                if batches.calls and batches.calls[0].done():
                    yield batches.calls[0].result()
                    batches.calls.popleft()  # only now, as it counts until it is consumed
                    places.release()
                elif batches.busy() or (reader and not reader.done()):
                    if not await self._wait(PAGE_PATIENCE if batches.page else None):
                        batches.flush()
                else:
                    if reader:
                        await reader  # raises what the user's iterable raised
                    return
        finally:
            self._batches = None
            await self._cancel()

    def _begin_calls(self) -> None:
        while self._batches and not self.is_closed and self._batches.begin(self.start):
            pass

    def start(self, steps: Steps) -> asyncio.Task[Any]:
        """Take the steps in a task of their own."""
        return self._spawn(self._drive(steps, self.call))

    async def _drive(self, steps: Steps, take: Callable[[Any], Any]) -> Any:
        resume: Callable[[Any], Any] = steps.send
        value: Any = None
        while True:
            try:
                step = resume(value)
            except StopIteration as done:
                return done.value
            try:
                resume, value = steps.send, await take(step)
            except (ClientError, BotoCoreError) as error:
                resume, value = steps.throw, error

    async def _perform(self, step: Request | GetTargets | Pause) -> Any:
        """Take one step of a watch."""
        if isinstance(step, Request):
            return await self.call(step)
        if isinstance(step, Pause):
            return await asyncio.sleep(step.seconds)
        batches = Batches(*step, skip_missing=True, limit=self._limit)
        async with aclosing(self.outputs(batches)) as outputs:
            return merge([output async for output in outputs])

    async def call(self, request: Request) -> Any:
        """Make a call, as soon as the cap allows it; again, if our own concurrency throttled it."""
        while True:
            woken = asyncio.Event()
            place = Place(lambda: self.is_closed, woken.set)
            throttled = succeeded = False
            try:
                while not self._throttle.enter(place):
                    await woken.wait()
                    woken.clear()
                answer = await AsyncCall(self._client, request).make()
            except ClientError as error:
                throttled = is_throttled(error)
                if not (throttled and place.had_company):
                    raise
            else:
                succeeded = True
                return answer
            finally:
                self._throttle.leave(place, throttled=throttled, succeeded=succeeded)

    async def _read(
        self,
        target_ids: Iterable[Any] | AsyncIterable[Any],
        batches: Batches,
        places: asyncio.Semaphore,
    ) -> None:
        async with aclosing(aiter_of(target_ids)) as ids:
            # Reserved before a batch is read: ids are read no faster than targets are consumed.
            await places.acquire()
            async for target_id in ids:
                if batches.add(target_id):
                    self._begin_calls()
                    await places.acquire()
        batches.flush()

    async def _wait(self, seconds: float | None) -> bool:
        """Wait until a call ends or a batch is read; return False after the time."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except asyncio.TimeoutError:
            return False
        self._event.clear()
        return True

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._on_done)
        for tasks in (self._tasks, _kept_alive):
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        return task

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            task.exception()  # otherwise, asyncio may report that nobody looked at it
        self._begin_calls()
        self._event.set()

    async def _cancel(self) -> None:
        """Cancel all tasks but the one that asks for it, and wait for their end."""
        others = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


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

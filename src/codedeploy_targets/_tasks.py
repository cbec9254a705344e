"""Change here: how the async client uses tasks, and how a request of it is closed.

The sync client's `_threads.py` has the same outline.
"""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Callable,
    Coroutine,
    Iterable,
)
from contextlib import aclosing
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ._answers import BatchGetDeploymentTargetsOutput as Output
from ._call import AsyncCall
from ._deployments import DeploymentInfo
from ._errors import is_throttled
from ._requests import BatchCalls, Batcher, Listing, Request, merge
from ._throttling import Place, Throttle
from ._watching import Pause, Read, RoundEnd, Watch

_T = TypeVar("_T")
# A page of a listing that takes longer than these seconds holds no listed id back.
_PAGE_PATIENCE = 0.5
# asyncio itself keeps only weak references to tasks.
_tasks: set[asyncio.Task[Any]] = set()


class Run:
    """One request of a user, while it runs: its calls, its tasks, its end."""

    def __init__(self, client: Any, throttle: Throttle, limit: int) -> None:
        self._client = client
        self._throttle = throttle
        self._tasks: set[asyncio.Task[Any]] = set()
        self.slots = asyncio.Semaphore(limit)
        self._is_closed = False
        # What the user's iterator tells of the request.
        self.missing_target_ids: list[str] = []
        self.deployment: DeploymentInfo | None = None

    def is_closed(self) -> bool:
        return self._is_closed

    async def close(self) -> None:
        self._is_closed = True
        await self.cancel(*self._tasks)

    async def cancel(self, *tasks: asyncio.Task[Any]) -> None:
        """Cancel tasks, and wait for their end; but for the one that asks for it."""
        others = [task for task in tasks if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def start(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.create_task(work)
        for tasks in (self._tasks, _tasks):
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        return task

    async def ask(self, request: Request) -> Any:
        """Make one call, as soon as the service's throttling allows it."""
        while True:
            woken = asyncio.Event()
            place = Place(lambda: False, woken.set)
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

    async def ask_in_turn(self, request: Request) -> Any:
        """Make one call, when fewer than `limit` of this request are under way."""
        async with self.slots:
            return await self.ask(request)

    async def get(self, calls: BatchCalls) -> Output:
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
                answer = await self.ask(request)
            except ClientError as refused:
                error = refused


async def each(items: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[Any]:
    """Yield the items of either kind of iterable."""
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


async def batches_of(target_ids: AsyncGenerator[str]) -> AsyncGenerator[list[str]]:
    """Yield the batches of the user's ids."""
    batcher = Batcher()
    async with aclosing(target_ids):
        async for target_id in target_ids:
            batcher.add(target_id)
            for batch in batcher.take():
                yield batch
    batcher.flush()
    for batch in batcher.take():
        yield batch


async def batches_listed(run: Run, listing: Listing) -> AsyncGenerator[list[str]]:
    """Yield the batches of a listing, page by page."""
    batcher = Batcher()
    while not listing.is_done:
        page = run.start(run.ask_in_turn(listing.request))
        done, _ = await asyncio.wait({page}, timeout=_PAGE_PATIENCE)
        if not done:
            batcher.flush()
            for batch in batcher.take():
                yield batch
        for target_id in listing.take(await page):
            batcher.add(target_id)
        for batch in batcher.take():
            yield batch
    batcher.flush()
    for batch in batcher.take():
        yield batch


async def outputs(
    run: Run,
    batches: AsyncGenerator[list[str]],
    calls_for: Callable[[list[str]], BatchCalls],
    *,
    window: int,
) -> AsyncGenerator[Output]:
    """Get batches, as many at a time as `run.slots` has, and yield their outputs in order.

    At most `window` outputs are under way, wait to be consumed, or are being consumed. After a
    failure no call begins; at the end, the tasks that are left are cancelled.
    """
    # What iterates this is a class: `asyncio.run` closes all async generators at once, and that
    # fails for a generator that is still iterating another one.
    places = asyncio.Semaphore(window)
    in_order: asyncio.Queue[asyncio.Task[Output] | None] = asyncio.Queue()
    tasks: set[asyncio.Task[Output]] = set()

    async def produce() -> None:
        async with aclosing(batches):
            # Reserved before a batch is read: ids are read no faster than targets are consumed.
            await places.acquire()
            async for batch in batches:
                await run.slots.acquire()
                if any(task.done() and task.exception() for task in tasks):
                    return
                task = run.start(run.get(calls_for(batch)))
                task.add_done_callback(lambda _: run.slots.release())
                tasks.add(task)
                in_order.put_nowait(task)
                await places.acquire()

    # One task reads all the batches, so that a user's async iterable runs in one context.
    producer = run.start(produce())
    producer.add_done_callback(lambda _: in_order.put_nowait(None))
    try:
        while task := await in_order.get():
            await asyncio.wait({task})  # `close` may cancel it, which is no cancellation of this
            if run.is_closed():
                return
            yield task.result()
            tasks.remove(task)
            places.release()
        if not run.is_closed():
            await producer
    finally:
        await run.cancel(producer, *tasks)


async def follow(
    run: Run, watch: Watch, on_round: Callable[[DeploymentInfo], object] | None
) -> AsyncGenerator[Output]:
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
                yield Output.model_construct(deployment_targets=step.changed)
                result = on_round(step.deployment) if on_round else None
                if inspect.isawaitable(result):
                    await result
                continue
            task = run.start(_take(run, step))
            while not task.done():
                left = watch.time_left()
                await asyncio.wait({task}, timeout=None if left == math.inf else left)
                if run.is_closed():
                    return
                if not task.done():
                    watch.check_time()
            try:
                answer = task.result()
            except (ClientError, BotoCoreError) as trouble:
                error = trouble
    finally:
        await run.close()


async def _take(run: Run, step: Request | Read | Pause) -> Any:
    if isinstance(step, Request):
        return await run.ask(step)
    if isinstance(step, Pause):
        return await asyncio.sleep(step.seconds)
    batcher = Batcher(step.target_ids)
    window = max(len(batcher.ready), 1)
    async with aclosing(outputs(run, each(batcher.take()), step.calls_for, window=window)) as found:
        return merge([output async for output in found])

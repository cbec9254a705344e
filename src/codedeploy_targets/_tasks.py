"""Change here: how the async client uses tasks, and is closed; `_threads.py` is alike."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from contextlib import aclosing, suppress
from inspect import isawaitable
from typing import Any

from ._call import AsyncCall
from ._requests import check_each, check_id
from ._runs import JobBase, RunBase, Work, enclosing_jobs

# While somebody else cancels a task: after how many seconds, and how often at most, to see whether
# that was taken back.
_LOOK_AGAIN, _LOOKS = 0.1, 20
# asyncio refers to tasks weakly: the garbage collector would destroy one before it has cleaned up.
_tasks: set[asyncio.Task[None]] = set()


class Job(JobBase):
    """What one task does. The task keeps an error, as Sentry reports each one that raises."""

    def __init__(self, run: Run, work: Work) -> None:
        super().__init__(run)
        self.woken = asyncio.Event()
        self.task = asyncio.create_task(self.keep(work))
        _tasks.add(self.task)
        self.task.add_done_callback(_tasks.discard)

    def cancel(self, looks: int = _LOOKS) -> None:
        # Once, whoever does it: a second time would cut its cleanup short and, before Python
        # 3.12, may block a lock for ever that aiobotocore uses in `adaptive` mode.
        if not (self._is_cancelled or self.task.done()):
            if looks and getattr(self.task, "cancelling", int)():  # new in Python 3.11
                # By somebody else, who may take it back, as a timeout in the user's iterable does.
                # Or it is over, and code older than `Task.uncancel` has not taken it back.
                self.task.get_loop().call_later(_LOOK_AGAIN, self.cancel, looks - 1)
            else:
                self._is_cancelled = True
                self.task.cancel()
        # A call that hangs gives its place under the cap to those who wait for one.
        self._run.throttle.wake()

    def done(self) -> bool:
        return self.task.done()

    def result(self) -> Any:
        self.task.result()  # raises if the task was cancelled
        return super().result()

    async def wait(self) -> None:
        await self.woken.wait()
        self.woken.clear()

    async def make(self, method: str, params: dict[str, Any]) -> Any:
        return await AsyncCall(self._run.twins, method, params).make()


class Run(RunBase):
    """One request of a user, while it runs. Any task may close it."""

    is_async = True
    _is_taken = False  # by a task that waits in `take`
    _reader: Any = None  # a Job, if the user's ids are read

    async def take(self) -> Any:
        """Go on with the plan to what it yields for the user, or to what it returns at the end."""
        if self._is_taken:
            raise RuntimeError("another task waits for the next target already")
        self._is_taken = True
        returned, job_ended = None, None
        try:
            while not self.is_closed:
                step = self._plan.send(job_ended)
                if isawaitable(step):
                    await step
                elif not isinstance(step, float):
                    return step
                elif not self.is_closed:  # as by a task of `on_round` that begins at once
                    job_ended = await self._wait(min(step, self.time_left()))
        except StopIteration as end:
            returned = end.value
        except StopAsyncIteration as error:  # of a mock that runs dry: no end of the targets
            await self.close()
            raise RuntimeError("a call raised StopAsyncIteration") from error
        except BaseException:
            await self.close()
            raise
        finally:
            self._is_taken = False
        await self.close()
        return returned

    async def close(self) -> None:
        """Cancel all tasks but the one that asks, and wait for those that do not wait for it."""
        self.is_closed = True
        with suppress(ValueError):  # a step of the plan asks for it, its last one
            self._plan.close()
        others = [job for job in self._jobs() if job.task is not asyncio.current_task()]
        for job in others:
            job.cancel()
        error = None
        waited_for = [job for job in others if job not in enclosing_jobs.get()]
        while pending := [job.task for job in waited_for if not job.done()]:
            try:
                await asyncio.wait(pending)
            except asyncio.CancelledError as caught:  # again: no task is left behind then, either
                error = caught
        if error:
            raise error

    def give_up(self) -> None:
        """Cancel all tasks, from any thread."""
        self.is_closed = True
        for job in self._jobs():
            with suppress(RuntimeError):  # the loop has ended, and has cancelled them
                job.task.get_loop().call_soon_threadsafe(job.cancel)

    def _jobs(self) -> list[Job]:
        return [*self.running, *filter(None, [self._reader])]

    def start(self, work: Work) -> Job:
        """Do a job in a task of its own."""
        job = Job(self, work)
        self.running[job] = None
        job.task.add_done_callback(lambda _: self.running.pop(job))
        return job

    def read(self, ids: Iterable[Any] | AsyncIterable[Any], count: int) -> Job:
        """Read so many of the user's ids, in the one task that reads them."""
        if self._reader is None:
            self._wanted: asyncio.Queue[tuple[int, asyncio.Future[Any]]] = asyncio.Queue()
            self._reader = Job(self, lambda _: self._read(ids))
        return self.start(lambda _: self._next_page(count))

    async def _next_page(self, count: int) -> Any:
        page, reader = asyncio.get_running_loop().create_future(), self._reader
        self._wanted.put_nowait((count, page))
        try:
            await asyncio.wait({page, reader.task}, return_when=asyncio.FIRST_COMPLETED)
            return page.result() if page.done() else reader.result()
        finally:
            page.cancel()  # so that `set_result` raises in a reader whose ids have closed the run

    async def _read(self, ids: Iterable[Any] | AsyncIterable[Any]) -> None:
        found: list[Any] = []
        count, page = await self._wanted.get()
        async with aclosing(aiter_of(ids)) as items:
            async for each in items:
                found.append(each)
                if len(found) == count:
                    page.set_result((found, False))
                    found = []
                    try:
                        count, page = await self._wanted.get()
                    except asyncio.CancelledError:
                        if self.is_closed:
                            return
                        # asyncio.timeout and task groups cancel the task that entered them.
                        text = "targetIds cancelled the task that reads it, between two ids"
                        raise RuntimeError(text) from None
        page.set_result((found, True))

    async def _wait(self, seconds: float) -> bool:
        """Wait until a job ends; tell whether one did in time."""
        is_pause = not self.running  # of a watch
        if is_pause:  # as a job, so that closing the run ends it as it ends a call
            self.start(lambda _: asyncio.sleep(seconds))
        timeout = None if is_pause or seconds == math.inf else seconds
        tasks = [job.task for job in self.running]
        done, _ = await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        return bool(done) and not is_pause


async def aiter_of(target_ids: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[str]:
    """Yield and check the ids of either kind of iterable, and close an async one."""
    # What is both is read as an async one: Django's QuerySet has to be.
    if not isinstance(target_ids, AsyncIterable):
        for target_id in check_each(target_ids):
            yield target_id
        return
    iterator, indexes = aiter(target_ids), itertools.count()
    try:
        async for target_id in iterator:
            yield check_id(next(indexes), target_id)
    finally:
        if isinstance(iterator, AsyncGenerator):  # else asyncio closes it, in a task of its own
            await iterator.aclose()

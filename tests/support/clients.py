"""Both clients behind one blocking interface, so that a test of one is a test of the other."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import cache
from queue import SimpleQueue
from typing import Any
from unittest.mock import MagicMock

from botocore.stub import Stubber
from support import endpoint
from support.codedeploy import GET, LIST, PATIENCE, READ, CodeDeploy, Gate, wait_until
from support.endpoint import Answer, Endpoint, ReadRequest, Response, read_json_request, serve
from support.pages import ids
from typing_extensions import Self

import codedeploy_targets as ct


class Client:
    """A typed client of either kind.

    Attributes:
        typed: the client itself.
        wrapped: the client of botocore or aiobotocore that it wraps.
    """

    def __init__(self, clients: Clients, typed: Any) -> None:
        self._clients = clients
        self.typed = typed
        self.wrapped = typed.client
        self.exceptions = typed.exceptions

    def batch_get(
        self, target_ids: Any, *, deployment_id: str = "d-1", **options: Any
    ) -> ct.BatchGetDeploymentTargetsOutput:
        get = self.typed.batch_get_deployment_targets
        params = {"deploymentId": deployment_id, "targetIds": target_ids, **options}
        output: ct.BatchGetDeploymentTargetsOutput = self._clients.finish_cleanly(get(**params))
        return output

    def iterate(self, target_ids: Any = None, *, deployment_id: str = "d-1", **options: Any) -> Any:
        """Return what `iter_deployment_targets` returns, as an iterator that blocks."""
        params = {"deploymentId": deployment_id, "targetIds": target_ids, **options}
        return self._clients.iterator(self.typed.iter_deployment_targets(**params))

    def watch(self, *, delay: float = 0, **options: Any) -> Any:
        """Return what `watch_deployment_targets` returns, as an iterator that blocks."""
        watch = self.typed.watch_deployment_targets
        return self._clients.iterator(watch(deploymentId="d-1", delay=delay, **options))

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        """Call an operation on the wrapped client, and return boto3's dict."""
        response: dict[str, Any] = self._clients.finish(getattr(self.wrapped, operation)(**params))
        return response

    def on(self, event: str, handler: Callable[..., Any], *, first: bool = False) -> None:
        """Register a handler for an event of the wrapped client, as its user may."""
        events = self.wrapped.meta.events
        register = events.register_first if first else events.register
        register(f"{event}.codedeploy", handler)


MakeClient = Callable[..., Client]


class Clients:
    """Makes sync clients, and closes at the end what they leave open."""

    cls: Callable[..., Any] = ct.DeploymentTargetsClient

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._threads = set(threading.enumerate())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            self.no_thread_is_left()

    def canned(
        self,
        answer: Answer,
        *,
        max_concurrency: int = 8,
        read: ReadRequest = read_json_request,
        **config: Any,
    ) -> Client:
        """Return a client whose calls are answered in process; an async client's, one by one."""
        wrapped = self.answered(answer, read, **config)
        return self.wrap(wrapped, max_concurrency=max_concurrency)

    def answered(self, answer: Answer, read: ReadRequest = read_json_request, **config: Any) -> Any:
        """Return such a client of botocore or aiobotocore, which nothing has wrapped yet."""
        wrapped = self.unwrapped("http://localhost", **config)
        endpoint.intercept(wrapped, answer, self.respond, read)
        return wrapped

    def served(self, answer: Answer, *, max_concurrency: int = 8, **config: Any) -> Client:
        """Return a client whose calls are answered over HTTP, so that an answer may take time."""
        wrapped = self.unwrapped(self.serve(answer).url, **config)
        return self.wrap(wrapped, max_concurrency=max_concurrency)

    def capped(self, **options: Any) -> tuple[CodeDeploy, Client]:
        """Return a service, and a client that makes one call at a time, since it was throttled.

        The options are those of the service.
        """
        gate = Gate()
        codedeploy = CodeDeploy(throttle=gate, **options)
        client = self.served(codedeploy, retries={"total_max_attempts": 1})
        codedeploy.gather(4)
        with suppress(client.exceptions.ClientError):
            client.batch_get(ids(100))
        self.no_thread_is_left()
        self.pause(0.05)  # a cancelled call may be on its way; nothing tells when it arrives
        gate.is_open = True
        codedeploy.calls.clear()
        return codedeploy, client

    def serve(self, answer: Answer) -> Endpoint:
        return self._stack.enter_context(serve(answer))

    def wrap(self, wrapped: Any, **options: Any) -> Client:
        return Client(self, self.cls(wrapped, **options))

    def mocked(self, codedeploy: CodeDeploy, mock: Any = None) -> Any:
        """Return a mock, or the client that is given, with methods that a CodeDeploy answers."""
        mock = MagicMock() if mock is None else mock
        mock.get_deployment = self.method(codedeploy.method(GET))
        mock.list_deployment_targets = self.method(codedeploy.method(LIST))
        mock.batch_get_deployment_targets = self.method(codedeploy.method(READ))
        return mock

    def wait_until(self, condition: Callable[[], bool]) -> None:
        wait_until(condition, self.pause)

    def no_thread_is_left(self) -> None:
        """Assert that the threads of the calls end, once their last call has."""
        self.wait_until(lambda: not Clients.under_way(self))

    # What differs between the two kinds.

    def unwrapped(self, url: str, *, data_path: str | None = None, **config: Any) -> Any:
        """Return a client of botocore or aiobotocore; `data_path` holds service models."""
        client = endpoint.boto3_client(url, data_path=data_path, **config)
        self._stack.callback(client.close)
        return client

    def respond(self, url: str, response: Response) -> Any:
        """Return an HTTP response as the client's `before-send` handlers may."""
        return endpoint.aws_response(url, response)

    def finish(self, call: Any) -> Any:
        """Return the result of a call on a client."""
        return call

    def finish_cleanly(self, call: Any) -> Any:
        """Do the same, and assert that the call leaves no task behind."""
        return call

    def under_way(self) -> int:
        """Return the number of threads or tasks at work; any thread may ask."""
        # The endpoint's threads are named after their functions, those of asyncio are `asyncio_…`.
        theirs = ("process_request_thread", "serve_forever", "asyncio_")
        threads = set(threading.enumerate()) - self._threads
        return sum(not any(name in thread.name for name in theirs) for thread in threads)

    def end_of_job(self) -> Callable[[], bool]:
        """Return what tells, in any thread, whether the caller's own thread or task has ended."""
        thread = threading.current_thread()
        return lambda: not thread.is_alive()

    def at_once(self, functions: list[Callable[[], Any]]) -> list[Any]:
        """Return the results of functions that make a call each, in threads or tasks."""
        with ThreadPoolExecutor(8) as pool:
            return [*pool.map(lambda function: function(), functions)]

    def pause(self, seconds: float) -> None:
        """Sleep, and let the calls that are under way go on."""
        time.sleep(seconds)

    def iterator(self, targets: Any) -> Any:
        """Return an iterator of the client's as one that is not async."""
        return targets

    def collect(self, targets: Any) -> Any:
        """Return a call, for `at_once`, that consumes an iterator of the typed client."""
        return [*targets]

    def start_next(self, targets: Any) -> Callable[[], Any]:
        """Call `next` in a thread or task of its own; return what waits for its result.

        The result is None at the end of the iterator.
        """
        results: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=lambda: results.put(next(targets, None))).start()
        return lambda: results.get(timeout=PATIENCE)

    def close(self, targets: Any) -> None:
        """Close an iterator that another thread or task may be in."""
        targets.close()

    def each(self, items: Iterable[Any]) -> Any:
        """Return an iterator over items: an async one, for the async client."""
        return iter(items)

    def iterables(self, items: list[Any]) -> Iterator[Any]:
        """Yield the items in each kind of iterable that the client takes."""
        yield from (items, tuple(items), iter(items), dict.fromkeys(items), OnceOnly(items))

    def method(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function as a client's method is: one to await, for the async client."""
        return function

    def handler(self, function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        """Turn a coroutine function, which awaits its calls as `result(call)`, into a handler."""

        def handle(*args: Any, **kwargs: Any) -> Any:
            try:
                function(*args, **kwargs).send(None)
            except StopIteration as done:
                return done.value

        return handle

    async def result(self, call: Any) -> Any:
        return call

    def stubber(self, wrapped: Any) -> Stubber:
        return Stubber(wrapped)


class AsyncClients(Clients):
    """Makes async clients, and asserts that nothing that they do leaves a task behind."""

    def __init__(self) -> None:
        from codedeploy_targets.aio import AsyncDeploymentTargetsClient

        super().__init__()
        self.cls = AsyncDeploymentTargetsClient
        self.loop = asyncio.new_event_loop()
        self.loop.set_debug(True)
        self._reported: list[dict[str, Any]] = []
        self.loop.set_exception_handler(lambda _, told: self._reported.append(told))
        self._stack.callback(self.loop.close)

    def __exit__(self, *_: object) -> None:
        # The loop closes the iterators that a test gave up. None of their tasks may remain.
        self.wait_until(lambda: not self.tasks())
        self.finish(self.loop.shutdown_asyncgens())
        super().__exit__()
        assert self._reported == []

    def tasks(self) -> set[Any]:
        return asyncio.all_tasks(self.loop)

    def unwrapped(self, url: str, *, data_path: str | None = None, **config: Any) -> Any:
        context = aiobotocore_client(url, data_path=data_path, **config)
        client = self.finish(context.__aenter__())
        self._stack.callback(lambda: self.finish(context.__aexit__(None, None, None)))
        return client

    def respond(self, url: str, response: Response) -> Any:
        from aiobotocore.awsrequest import AioAWSResponse

        return AioAWSResponse(url, response.status, response.headers, _AsyncRaw(response))

    def finish(self, call: Any) -> Any:
        async def main() -> Any:
            return await call

        return self.loop.run_until_complete(main())

    def finish_cleanly(self, call: Any) -> Any:
        before = self.tasks()
        try:
            return self.finish(call)
        finally:
            assert self.tasks() <= before

    def under_way(self) -> int:
        return len(self.tasks())

    def end_of_job(self) -> Callable[[], bool]:
        task: Any = asyncio.current_task()
        done: Callable[[], bool] = task.done
        return done

    def at_once(self, functions: list[Callable[[], Any]]) -> list[Any]:
        async def gather() -> list[Any]:
            return await asyncio.gather(*(function() for function in functions))

        results: list[Any] = self.finish_cleanly(gather())
        return results

    def pause(self, seconds: float) -> None:
        self.finish(asyncio.sleep(seconds))

    def iterator(self, targets: Any) -> Any:
        return _BlockingIterator(self, targets)

    async def collect(self, targets: Any) -> Any:
        return [target async for target in targets]

    def start_next(self, targets: Any) -> Callable[[], Any]:
        async def following() -> Any:
            return await anext(aiter(targets.unblocked), None)

        task = self.loop.create_task(following())
        return lambda: self.finish(asyncio.wait_for(task, PATIENCE))

    def close(self, targets: Any) -> None:
        self.finish(asyncio.wait_for(targets.aclose(), PATIENCE))

    async def each(self, items: Iterable[Any]) -> Any:
        for item in items:
            yield item

    def iterables(self, items: list[Any]) -> Iterator[Any]:
        yield from super().iterables(items)
        generator = self.each(items)
        yield generator
        # Else asyncio closes it when the garbage collector runs, in a task of its own.
        self.finish(generator.aclose())

    def method(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return call

    def handler(self, function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        return function

    async def result(self, call: Any) -> Any:
        return await call

    def stubber(self, wrapped: Any) -> Stubber:
        try:
            from aiobotocore.stub import AioStubber
        except ImportError:  # aiobotocore below 2.16 has none, and botocore's own will do
            return Stubber(wrapped)
        return AioStubber(wrapped)


class _BlockingIterator:
    """Blocks on an async iterator, and asserts that it leaves no task behind when it ends."""

    def __init__(self, clients: AsyncClients, targets: Any) -> None:
        self._clients = clients
        self.unblocked = targets
        self._before = clients.tasks()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unblocked, name)

    def __enter__(self) -> Self:
        self._clients.finish(self.unblocked.__aenter__())
        return self

    def __exit__(self, *raised: object) -> None:
        self._clients.finish_cleanly(self.unblocked.__aexit__(*raised))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ct.DeploymentTarget:
        try:
            target: ct.DeploymentTarget = self._clients.finish(anext(self.unblocked))
        except BaseException as error:
            assert self._clients.tasks() <= self._before
            if isinstance(error, StopAsyncIteration):
                raise StopIteration from None
            raise
        return target

    def close(self) -> None:
        self._clients.finish(self.unblocked.aclose())
        assert self._clients.tasks() <= self._before


class OnceOnly:
    """Like `tqdm(generator, total=n)`: it has a length, and can be read only once."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = [*items]
        self._generator = (item for item in self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __iter__(self) -> Iterator[Any]:
        return self._generator


class _AsyncRaw:
    def __init__(self, response: Response) -> None:
        self._body = response.body
        # The first versions of aiobotocore read the headers from here.
        self.raw_headers = [(k.encode(), v.encode()) for k, v in response.headers.items()]

    async def read(self) -> bytes:
        return self._body


def aiobotocore_client(url: str, *, data_path: str | None = None, **config: Any) -> Any:
    """Return an async context manager that yields an aiobotocore client."""
    from aiobotocore.config import AioConfig

    return _aiobotocore_session(data_path).create_client(
        "codedeploy", **endpoint.connection(url), config=AioConfig(**config)
    )


@cache
def _aiobotocore_session(data_path: str | None) -> Any:
    # One session keeps the service model for all clients.
    from aiobotocore.session import get_session

    session = get_session()
    session.set_config_variable("data_path", data_path)
    return session


def base_of(wrapped: Any) -> Any:
    """Return botocore's class of clients, or aiobotocore's."""
    return type(wrapped).__mro__[1]


def subclass(wrapped: Any, methods: Mapping[str, Any] = {}, *bases: type, **options: Any) -> Any:
    """Return a copy of a client, of a class that overrides some of its methods."""
    own: Any = object.__new__(type("Mine", (*bases, type(wrapped)), {**methods}, **options))
    vars(own).update(vars(wrapped))
    return own


def got(targets: Iterable[ct.DeploymentTarget]) -> list[str | None]:
    return [target.target_id for target in targets]

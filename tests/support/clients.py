"""Both clients behind one blocking interface, so that a test of one is a test of the other."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Protocol
from unittest.mock import AsyncMock, MagicMock

from botocore.stub import Stubber
from support.codedeploy import GET, LIST, PATIENCE, READ
from support.endpoint import (
    aws_response,
    boto3_client,
    connection,
    intercept,
    read_json_request,
    serve,
)
from typing_extensions import Self

from codedeploy_targets import DeploymentTargetsClient
from codedeploy_targets.aio import AsyncDeploymentTargetsClient

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from support.codedeploy import CodeDeploy
    from support.endpoint import Answer, Endpoint, ReadRequest, Response

    from codedeploy_targets import BatchGetDeploymentTargetsOutput, DeploymentTarget
    from codedeploy_targets.aio import AsyncDeploymentTargetIterator

    Steps = Callable[..., Generator[Any, Any, None]]


class Targets(Protocol):
    """What both clients return from `iter_deployment_targets`, closed by `close()`."""

    @property
    def missing_target_ids(self) -> list[str]: ...
    def __iter__(self) -> Iterator[DeploymentTarget]: ...
    def __next__(self) -> DeploymentTarget: ...
    def close(self) -> None: ...


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
    ) -> BatchGetDeploymentTargetsOutput:
        get = self.typed.batch_get_deployment_targets
        params = {"deploymentId": deployment_id, "targetIds": target_ids, **options}
        output: BatchGetDeploymentTargetsOutput = self._clients.finish_alone(get(**params))
        return output

    def iterate(
        self, target_ids: Any = None, *, deployment_id: str = "d-1", **options: Any
    ) -> Targets:
        params = {"deploymentId": deployment_id, "targetIds": target_ids, **options}
        return self._clients.iterator(self.typed.iter_deployment_targets(**params))

    def watch(self, *, delay: float = 0, **options: Any) -> Targets:
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


class Clients(ABC):
    """Makes clients of one kind, and closes at the end what they leave open."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def canned(
        self,
        answer: Answer,
        *,
        max_concurrency: int = 8,
        read: ReadRequest = read_json_request,
        **config: Any,
    ) -> Client:
        """Return a client whose calls are answered in process, one after the other."""
        wrapped = self.answered(answer, read, **config)
        return self.wrap(wrapped, max_concurrency=max_concurrency)

    def answered(self, answer: Answer, read: ReadRequest = read_json_request, **config: Any) -> Any:
        """Return such a client of botocore or aiobotocore, which nothing has wrapped yet."""
        wrapped = self.unwrapped("http://localhost", **config)
        intercept(wrapped, answer, self.respond, read)
        return wrapped

    def served(self, answer: Answer, *, max_concurrency: int = 8, **config: Any) -> Client:
        """Return a client whose calls are answered over HTTP, so that an answer may take time."""
        wrapped = self.unwrapped(self.serve(answer).url, **config)
        return self.wrap(wrapped, max_concurrency=max_concurrency)

    def serve(self, answer: Answer) -> Endpoint:
        return self._stack.enter_context(serve(answer))

    def wrap(self, wrapped: Any, **options: Any) -> Client:
        return Client(self, self.cls(wrapped, **options))

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"it did not come about in {PATIENCE} seconds"
            self.pause(0.005)

    # What differs between the two kinds.
    cls: Callable[..., Any]

    @abstractmethod
    def unwrapped(self, url: str, *, data_path: str | None = None, **config: Any) -> Any:
        """Return a client of botocore or aiobotocore; `data_path` holds service models."""

    @abstractmethod
    def respond(self, url: str, response: Response) -> Any:
        """Return an HTTP response as the client's `before-send` handlers may."""

    @abstractmethod
    def finish(self, call: Any) -> Any:
        """Return the result of a call on a client."""

    @abstractmethod
    def finish_alone(self, call: Any) -> Any:
        """Do the same, and assert that the call leaves no task behind."""

    @abstractmethod
    def pause(self, seconds: float) -> None:
        """Sleep, and let the calls that are under way go on."""

    @abstractmethod
    def iterator(self, targets: Any) -> Targets:
        """Return an iterator of the client's as one that is not async."""

    @abstractmethod
    def iterables(self, items: list[Any]) -> Iterator[Any]:
        """Yield the items in each kind of iterable that the client takes."""

    @abstractmethod
    def handler(self, steps: Steps) -> Callable[..., None]:
        """Return an event handler that makes the calls which a generator yields."""

    @abstractmethod
    def method(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function as a client's method is: one to await, for the async client."""

    def answering(self, mock: Any, codedeploy: CodeDeploy) -> Any:
        """Let the three methods of a mock, or of any other object, answer as a CodeDeploy does."""
        mock.get_deployment = self.method(codedeploy.method(GET))
        mock.list_deployment_targets = self.method(codedeploy.method(LIST))
        mock.batch_get_deployment_targets = self.method(codedeploy.method(READ))
        return mock

    @abstractmethod
    def mock(self, *, listed: Iterable[Any] = ()) -> MagicMock:
        """Return a mock of the wrapped client; `listed` are the pages of its paginator."""

    @abstractmethod
    def stubber(self, wrapped: Any) -> Stubber: ...


class SyncClients(Clients):
    cls = DeploymentTargetsClient

    def unwrapped(self, url: str, *, data_path: str | None = None, **config: Any) -> Any:
        client = boto3_client(url, data_path=data_path, **config)
        self._stack.callback(client.close)
        return client

    def respond(self, url: str, response: Response) -> Any:
        return aws_response(url, response)

    def finish(self, call: Any) -> Any:
        return call

    finish_alone = finish

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def iterator(self, targets: Any) -> Targets:
        iterator: Targets = targets
        return iterator

    def iterables(self, items: list[Any]) -> Iterator[Any]:
        yield from (items, tuple(items), iter(items), dict.fromkeys(items), OnceOnly(items))

    def handler(self, steps: Steps) -> Callable[..., None]:
        def handle(**kwargs: Any) -> None:
            generator, result = steps(**kwargs), None
            try:
                while True:
                    result = generator.send(result)
            except StopIteration:
                pass

        return handle

    def method(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function

    def mock(self, *, listed: Iterable[Any] = ()) -> MagicMock:
        mock = MagicMock()
        mock.get_paginator.return_value.paginate.return_value = listed
        return mock

    def stubber(self, wrapped: Any) -> Stubber:
        return Stubber(wrapped)


class AsyncClients(Clients):
    cls = AsyncDeploymentTargetsClient

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.loop.set_debug(True)
        self.open_iterators = 0
        self._stack.callback(self.loop.close)

    def __exit__(self, *_: object) -> None:
        with self._stack:
            # The loop closes the iterators that a test gave up. None of their tasks may remain.
            self.wait_until(lambda: not asyncio.all_tasks(self.loop))
            self.finish(self.loop.shutdown_asyncgens())

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

    def finish_alone(self, call: Any) -> Any:
        try:
            return self.finish(call)
        finally:
            if not self.open_iterators:
                assert not asyncio.all_tasks(self.loop)

    def pause(self, seconds: float) -> None:
        self.finish(asyncio.sleep(seconds))

    def iterator(self, targets: Any) -> Targets:
        return _BlockingIterator(self, targets)

    def iterables(self, items: list[Any]) -> Iterator[Any]:
        yield from SyncClients().iterables(items)
        generator = each(items)
        yield generator
        # Else asyncio closes it when the garbage collector runs, in a task of its own.
        self.finish(generator.aclose())

    def handler(self, steps: Steps) -> Callable[..., Any]:
        async def handle(**kwargs: Any) -> None:
            generator = steps(**kwargs)
            advance: Callable[[], Any] = partial(next, generator)
            while True:
                try:
                    call = advance()
                except StopIteration:
                    return
                try:
                    advance = partial(generator.send, await call)
                except Exception as error:  # noqa: BLE001 - the generator decides
                    advance = partial(generator.throw, error)

        return handle

    def method(self, function: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return call

    def mock(self, *, listed: Iterable[Any] = ()) -> MagicMock:
        mock = MagicMock()
        mock.batch_get_deployment_targets = AsyncMock()
        mock.get_paginator.return_value.paginate.return_value = each(listed)
        return mock

    def stubber(self, wrapped: Any) -> Stubber:
        try:
            from aiobotocore.stub import AioStubber
        except ImportError:  # aiobotocore below 2.16 has none, and botocore's own will do
            return Stubber(wrapped)
        return AioStubber(wrapped)


class _BlockingIterator:
    def __init__(self, clients: AsyncClients, targets: AsyncDeploymentTargetIterator) -> None:
        self._clients = clients
        self._targets = targets
        self._is_open = False

    @property
    def missing_target_ids(self) -> list[str]:
        return self._targets.missing_target_ids

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> DeploymentTarget:
        if not self._is_open:
            self._is_open = True
            self._clients.open_iterators += 1
        try:
            target: DeploymentTarget = self._clients.finish(anext(self._targets))
        except StopAsyncIteration:
            self._ended()
            raise StopIteration from None
        except BaseException:
            self._ended()
            raise
        return target

    def close(self) -> None:
        self._clients.finish(self._targets.aclose())
        self._ended()

    def _ended(self) -> None:
        if self._is_open:
            self._is_open = False
            self._clients.open_iterators -= 1
        if not self._clients.open_iterators:
            assert not asyncio.all_tasks(self._clients.loop)


class OnceOnly:
    """Like `tqdm(generator, total=n)`: it has a length, and can be read only once."""

    def __init__(self, items: Iterable[Any]) -> None:
        self._items = [*items]
        self._generator = (item for item in self._items)
        self.times_read = 0

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __iter__(self) -> Iterator[Any]:
        self.times_read += 1
        yield from self._generator


class _AsyncRaw:
    def __init__(self, response: Response) -> None:
        self._body = response.body
        # The first versions of aiobotocore read the headers from here.
        self.raw_headers = [(k.encode(), v.encode()) for k, v in response.headers.items()]

    async def read(self) -> bytes:
        return self._body


async def each(items: Iterable[Any]) -> Any:
    for item in items:
        yield item


def aiobotocore_client(url: str, *, data_path: str | None = None, **config: Any) -> Any:
    """Return an async context manager that yields an aiobotocore client."""
    from aiobotocore.config import AioConfig

    return _aiobotocore_session(data_path).create_client(
        "codedeploy", **connection(url), config=AioConfig(**config)
    )


@cache
def _aiobotocore_session(data_path: str | None) -> Any:
    # One session keeps the service model for all clients.
    from aiobotocore.session import get_session

    session = get_session()
    session.set_config_variable("data_path", data_path)
    return session


def got(targets: Iterable[DeploymentTarget]) -> list[str | None]:
    return [target.target_id for target in targets]

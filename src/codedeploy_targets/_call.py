"""Change here: how one call is made, and how its answer is read or retried.

pydantic reads a body of BatchGetDeploymentTargets, and botocore's parser gets an empty one. What
is not JSON gets the status 500, so that the client's retry settings apply, as botocore does for S3.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from inspect import isawaitable
from typing import Any

from botocore.client import BaseClient
from botocore.endpoint import Endpoint
from botocore.exceptions import ClientError

from ._answers import Output, read_listing, read_metadata, read_targets
from ._deployments import read_deployment
from ._errors import InvalidResponseError
from ._json import NotJSONError, UnreadableError, load
from ._lock import locked
from ._observers import take_body

# Of each operation, the member that is its answer, and what reads the bytes that the service sent,
# or boto3's dict.
_ANSWERS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "batch_get_deployment_targets": ("deploymentTargets", read_targets),
    "list_deployment_targets": ("targetIds", read_listing),
    "get_deployment": ("deploymentInfo", read_deployment),
}
_UNREADABLE = HTTPStatus.INTERNAL_SERVER_ERROR.value  # the status of an unreadable body


def check_client(client: Any, *, asynchronous: bool) -> None:
    """Raise TypeError for another service's client, or a sync one for an async one; mocks pass."""
    cls = type(client)
    if not hasattr(client, "batch_get_deployment_targets"):
        hint = "session.client('codedeploy')"
        if hasattr(client, "__aenter__"):
            hint = f"for aio.AsyncDeploymentTargetsClient, enter it: async with {hint} as client"
        raise TypeError(f"client must be a CodeDeploy client ({hint}), not {cls.__name__}")
    # By name, as aiobotocore need not be installed; by `type`, as a mock may claim another class.
    is_async = any(base.__module__.startswith("aiobotocore.") for base in cls.__mro__)
    if issubclass(cls, BaseClient) and is_async != asynchronous:
        ours = "aio.AsyncDeploymentTargetsClient" if is_async else "DeploymentTargetsClient"
        raise TypeError(f"client is of {cls.__bases__[0].__module__}: give it to {ours}")


class Twins:
    """Makes twins of a client, one for each call, whose endpoint emits its events through the call.

    A twin has the client's own attributes, so what a subclass of the user's sets on itself is set
    on the client, and it equals the client. A client that hides its endpoint, as a mock or a proxy
    does, has none.
    """

    def __init__(self, client: Any) -> None:
        self.client, cls = client, type(client)
        self._cls: Any = None
        if issubclass(cls, BaseClient):
            members = {
                "__slots__": ("_endpoint",),
                "__module__": cls.__module__,
                "__eq__": lambda twin, other: vars(twin) is getattr(other, "__dict__", None),
                "__hash__": lambda _: hash(client),
            }
            with suppress(TypeError):  # of a class that refuses subclasses
                self._cls = type(cls.__name__, (cls,), members)

    def twin(self, call: Call) -> Any:
        """Return a twin for a call, or else the client itself."""
        endpoint = self._cls and vars(self.client).get("_endpoint")
        # A proxy or a mock of an endpoint cannot be copied.
        if not (issubclass(type(endpoint), Endpoint) and hasattr(endpoint, "_event_emitter")):
            return self.client
        call.emitter = vars(endpoint)["_event_emitter"]
        twin = object.__new__(self._cls)
        object.__setattr__(twin, "__dict__", vars(self.client))
        object.__setattr__(twin, "_endpoint", _copy(endpoint, _event_emitter=call))
        return twin


class Call:
    """One call, by a twin of the client, if it has one: so this sees the body before the parser."""

    _is_async = False

    def __init__(self, twins: Twins, method: str, params: dict[str, Any]) -> None:
        self._twins, self._client, self._method, self._params = twins, twins.client, method, params
        self._operation = method.title().replace("_", "")  # as AWS names it
        self.emitter: Any = None  # the user's
        self._body: bytes | None = None  # the last one that was seen
        self._error: UnreadableError | None = None
        # Reads the body. `_read_body` then puts in its place what reads botocore's dict.
        self._member, self._reader = _ANSWERS[method]

    async def make(self) -> Any:
        """Return an Output, ids and the next token, or a DeploymentInfo."""
        # A copy, as a user's handlers may edit what they see.
        params, twin = copy.deepcopy(self._params), self._twins.twin(self)
        try:
            response = getattr(twin, self._method)(**params)
            # A mock of an aiobotocore client's class gives a dict, as botocore's methods are plain.
            must_wait = self._is_async and isawaitable(response)
            return self._read(await response if must_wait else response)
        except ClientError as error:
            # botocore's own, of the status that `_read_body` set; a wrapper may raise another one.
            if self._error and read_metadata(error.response).http_status_code == _UNREADABLE:
                self._read(error.response)  # raises InvalidResponseError
            raise

    def _read(self, response: Any) -> Any:
        metadata = read_metadata(response)
        try:
            answer = self._read_whole(response, metadata.http_headers.get("content-length", ""))
        except UnreadableError as error:
            raise InvalidResponseError(
                operation=self._operation,
                reason=str(error),
                # botocore names no request where the status is 500 and the body empty.
                request_id=metadata.request_id or metadata.http_headers.get("x-amzn-requestid"),
                deployment_id=str(self._params["deploymentId"]),
                target_ids=[*self._params.get("targetIds", [])],
                body=self._body or b"",
                is_cut_short=isinstance(error, NotJSONError),
            ) from None
        update = {"response_metadata": [metadata]}
        return answer.model_copy(update=update) if isinstance(answer, Output) else answer

    def _read_whole(self, response: Any, content_length: str) -> Any:
        # A wrapper may put an answer of its own in the place of one that is unreadable. An empty
        # list is no answer: a wrapper that fills in absent members makes one.
        answers = isinstance(response, Mapping) and response.get(self._member)
        if self._error and not answers:
            raise self._error
        # Of a client that hides its endpoint, an empty dict is a cut answer, unless `{}` came.
        is_other = content_length.isdecimal() and int(content_length) != len("{}")
        if self._body is None and is_other and response.keys() == {"ResponseMetadata"}:
            raise NotJSONError(f"it is empty, though {content_length} bytes came")
        return locked(self._reader)(response)

    def emit(self, event_name: str, **kwargs: Any) -> Any:
        with self._around(event_name, **kwargs):
            return self.emitter.emit(event_name, **kwargs)

    @contextmanager
    def _around(self, event_name: str, **kwargs: Any) -> Iterator[None]:
        # A wrapper may call other operations by the twin: such an event keeps its suffix, and is
        # none of those below.
        event = event_name.removesuffix(f".codedeploy.{self._operation}")
        if event == "request-created":  # the next attempt
            self._error, (_, self._reader) = None, _ANSWERS[self._method]
        elif event == "needs-retry" and isinstance(self._error, NotJSONError):
            # The retry handlers look at the HTTP response, not at what was parsed of it.
            http_response, _ = kwargs["response"]
            http_response.status_code = _UNREADABLE
        yield  # to the user's handlers: so they see the body, and may change it, before the library
        if event == "before-parse":
            self._before_parse(kwargs["response_dict"], kwargs["customized_response_dict"])

    @locked
    def _before_parse(self, response: dict[str, Any], customized: dict[str, Any]) -> None:
        self._read_body(response, customized)
        if response["status_code"] >= HTTPStatus.MULTIPLE_CHOICES:
            # botocore makes the classes of the exceptions on first use, without a lock: two threads
            # could get two of one name; `client.exceptions` has only one of them. So they are made
            # here; by a copy, as `exceptions` sets an attribute of the client.
            _ = _copy(self._client).exceptions

    def _read_body(self, response: dict[str, Any], customized: dict[str, Any]) -> None:
        body = self._body = response["body"]
        # Older versions of botocore have no `resolved_protocol`; they speak JSON to CodeDeploy.
        protocol = getattr(self._client.meta.service_model, "resolved_protocol", "json")
        if protocol != "json":
            return
        # botocore fails for bytes that are not UTF-8.
        response["body"] = body.decode(errors="replace").encode()
        if response["status_code"] >= HTTPStatus.MULTIPLE_CHOICES:
            # It fails for the error of a proxy, too, that is JSON but no object.
            with suppress(UnreadableError):
                if not isinstance(load(body), dict):
                    response["body"] = b"{}"
            return
        if self._member in customized:  # a handler of the user's has read it
            return
        try:
            answer = self._reader(body)
            # The other answers are only checked: botocore would read a cut answer as an empty one.
            if isinstance(answer, Output):
                self._reader = take_body(answer, self._client, response, customized)
        except UnreadableError as error:
            self._error = error
            response["body"] = b""
            if isinstance(error, NotJSONError):
                response["status_code"] = _UNREADABLE


class AsyncCall(Call):
    """One call by the twin of an aiobotocore client, whose endpoint awaits its emitter."""

    _is_async = True

    async def emit(self, event_name: str, **kwargs: Any) -> Any:
        with self._around(event_name, **kwargs):
            return await self.emitter.emit(event_name, **kwargs)


def _copy(original: Any, **changes: Any) -> Any:
    # copy.copy would recurse: botocore's `__getattr__` needs attributes of the new copy.
    copied = object.__new__(type(original))
    vars(copied).update(vars(original), **changes)
    return copied

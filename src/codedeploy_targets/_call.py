"""Change here: how one call is made, and how its answer is read or retried.

pydantic reads the body of the library's own calls, and botocore's parser gets an empty one. What
is not JSON gets the status 500, so that the client's retry settings apply, as botocore does for S3.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from ._answers import Output, read_body, read_dict, read_listing, read_metadata
from ._deployments import read_deployment
from ._errors import InvalidResponseError
from ._json import NotJSONError, UnreadableError, load
from ._lock import lock
from ._observers import has_own_parser, show
from ._requests import Request

_READERS: dict[str, Callable[[Any], Any]] = {
    "batch_get_deployment_targets": read_dict,
    "list_deployment_targets": read_listing,
    "get_deployment": read_deployment,
}


def check_client(client: Any, *, asynchronous: bool) -> None:
    """Raise TypeError for another service's client, or a sync one for an async one; mocks pass."""
    cls = type(client)
    if not hasattr(client, "batch_get_deployment_targets"):
        hint = "session.client('codedeploy')"
        hint = f"enter it: async with {hint} as client" if hasattr(client, "__aenter__") else hint
        raise TypeError(f"client must be a CodeDeploy client ({hint}), not {cls.__name__}")
    # By name, as aiobotocore need not be installed; by `type`, as a mock may claim another class.
    is_async = any(base.__module__.startswith("aiobotocore.") for base in cls.__mro__)
    if issubclass(cls, BaseClient) and is_async != asynchronous:
        ours = "aio.AsyncDeploymentTargetsClient" if is_async else "DeploymentTargetsClient"
        raise TypeError(f"client is of {cls.__bases__[0].__module__}: give it to {ours}")


class Call:
    """One call, made on a copy of the client, so that the user's client stays as it is.

    The endpoint of the copy emits its events through this object, which reads the body before
    botocore does. A client that hides its endpoint, as a mock or a proxy does, is called itself.
    """

    _is_async = False

    def __init__(self, client: Any, request: Request) -> None:
        self._client, self._request = client, request
        self._operation = request.method.title().replace("_", "")  # as AWS names it
        self._body: bytes | None = None  # the last one that was seen
        self._error: UnreadableError | None = None
        # Reads the answer from the dict that botocore returns.
        self._reader = _READERS[request.method]

    async def make(self) -> Any:
        """Return an Output, a page of ids as boto3's dict, or a DeploymentInfo."""
        try:
            response = self._start()
            return self._read(await response if self._is_async else response)
        except ClientError as error:
            if self._error:  # botocore made a ClientError of the status that `_read_body` set
                self._read(error.response)  # raises InvalidResponseError
            raise

    def _start(self) -> Any:
        client = self._client
        endpoint = vars(client).get("_endpoint") if issubclass(type(client), BaseClient) else None
        self._emitter: Any = getattr(endpoint, "_event_emitter", None)
        if self._emitter is not None:
            client = _copy(client, _endpoint=_copy(endpoint, _event_emitter=self))
        # A copy, as a user's handlers may edit what they see.
        return getattr(client, self._request.method)(**copy.deepcopy(self._request.params))

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
                deployment_id=str(self._request.params["deploymentId"]),
                target_ids=[*self._request.params.get("targetIds", [])],
                body=self._body or b"",
                is_cut_short=isinstance(error, NotJSONError),
            ) from None
        update = {"response_metadata": [metadata]}
        return answer.model_copy(update=update) if isinstance(answer, Output) else answer

    def _read_whole(self, response: Any, content_length: str) -> Any:
        if self._error:
            raise self._error
        # Of a client that hides its endpoint, an empty dict is a cut answer if more came than `{}`.
        is_longer = content_length.isdecimal() and int(content_length) > len("{}")
        if self._body is None and is_longer and response.keys() == {"ResponseMetadata"}:
            raise NotJSONError("it is empty, though more was sent")
        with lock():
            return self._reader(response)

    def emit(self, event_name: str, **kwargs: Any) -> Any:
        with self._around(event_name, **kwargs):
            return self._emitter.emit(event_name, **kwargs)

    @contextmanager
    def _around(self, event_name: str, **kwargs: Any) -> Iterator[None]:
        # A wrapper may call other operations on this copy of the client: such an event keeps its
        # suffix, and is none of those below.
        event = event_name.removesuffix(f".codedeploy.{self._operation}")
        if event == "request-created":  # the next attempt
            self._error = None
        elif event == "needs-retry" and self._error:
            # The retry handlers look at the HTTP response, not at what was parsed of it.
            http_response, parsed = kwargs["response"]
            http_response.status_code = parsed["ResponseMetadata"]["HTTPStatusCode"]
        yield  # to the user's handlers, which see the body, and may change it
        if event == "before-parse":
            response = kwargs["response_dict"]
            with lock():
                self._read_body(response, kwargs["customized_response_dict"])
                if response["status_code"] >= HTTPStatus.MULTIPLE_CHOICES:
                    # botocore makes the classes of the exceptions on first use, without a lock: two
                    # threads could get two of one name; `client.exceptions` has only one of them.
                    _ = _copy(self._client).exceptions

    def _read_body(self, response: dict[str, Any], customized: dict[str, Any]) -> None:
        read = self._reader = _READERS[self._request.method]
        if has_own_parser(self._client):  # its dict is all there is, as if the client were hidden
            return
        body = self._body = response["body"]
        # Older versions of botocore have no `resolved_protocol`; they speak JSON to CodeDeploy.
        protocol = getattr(self._client.meta.service_model, "resolved_protocol", "json")
        if protocol != "json":
            return
        if response["status_code"] >= HTTPStatus.MULTIPLE_CHOICES:
            # botocore fails where the error of a proxy is not UTF-8, or is JSON but no object.
            response["body"] = body.decode(errors="replace").encode()
            with suppress(UnreadableError):
                if not isinstance(load(body), dict):
                    response["body"] = b"{}"
            return
        response["body"] = b""
        try:
            if read is read_dict:
                output = read_body(body)
                # botocore logs what it parses.
                logging.getLogger("botocore.parsers").debug("Response body:\n%r", body)
                # Else, a user's handler has put its own there.
                if "deploymentTargets" not in customized:
                    self._reader = show(output, self._client, customized)
            else:
                # A check alone: botocore would read a cut answer as an empty one, and fail for
                # bytes that are not UTF-8. A text has U+FFFD for them, but no id is changed.
                read(load(body, errors="strict" if read is read_listing else "replace"))
                response["body"] = body.decode(errors="replace").encode()
        except UnreadableError as error:
            self._error = error
            if isinstance(error, NotJSONError):
                response["status_code"] = HTTPStatus.INTERNAL_SERVER_ERROR.value


class AsyncCall(Call):
    """One call, made on a copy of an aiobotocore client, whose endpoint awaits its emitter."""

    _is_async = True

    async def emit(self, event_name: str, **kwargs: Any) -> Any:
        with self._around(event_name, **kwargs):
            return await self._emitter.emit(event_name, **kwargs)


def _copy(original: Any, **changes: Any) -> Any:
    # copy.copy would recurse: botocore's `__getattr__` needs attributes of the new copy.
    copied = object.__new__(type(original))
    vars(copied).update(vars(original), **changes)
    return copied

"""Change here: how one call is made, what its observers see, how an answer is read or retried.

The only module that touches botocore's inside. botocore spends most of a call on walking the
service model over the parsed JSON. For the library's own calls, pydantic reads the body first, and
botocore's parser gets an empty one. A body that is not JSON (`_json.py` decides) gets the status
500, so that the client's own retry settings apply; botocore does the same for S3.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from threading import RLock
from types import FunctionType, MethodType
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError
from botocore.history import get_global_history_recorder

from ._answers import BatchGetDeploymentTargetsOutput as Output
from ._answers import read_body, read_dict, read_listing, read_metadata
from ._deployments import read_deployment
from ._errors import InvalidResponseError
from ._json import NotJSONError, UnreadableError, load
from ._models import UnknownTarget
from ._requests import Request

_READERS: dict[str, Callable[[Any], Any]] = {
    "batch_get_deployment_targets": read_dict,
    "list_deployment_targets": read_listing,
    "get_deployment": read_deployment,
}
# Where somebody may look at what botocore parsed: the events that show it, and the methods that
# tracers, caches and subclasses wrap.
_OBSERVED_EVENTS = ("response-received", "needs-retry", "after-call")
_CLIENT_METHODS = ("_make_api_call", "_make_request")
_ENDPOINT_METHODS = ("make_request", "_send_request")
_exceptions_lock = RLock()
_parsers_logger = logging.getLogger("botocore.parsers")


def check_client(client: Any, *, asynchronous: bool) -> None:
    """Raise TypeError for another service's client, or a sync one for an async one; mocks pass."""
    cls = type(client)
    if not hasattr(client, "batch_get_deployment_targets"):
        hint = "session.client('codedeploy')"
        if hasattr(client, "__aenter__"):
            hint = f"enter it: async with {hint} as client"
        raise TypeError(f"client must be a CodeDeploy client ({hint}), not {cls.__name__}")
    # By name, as aiobotocore need not be installed; by `type`, as a mock may claim another class.
    is_async = any(base.__module__.startswith("aiobotocore.") for base in cls.__mro__)
    if issubclass(cls, BaseClient) and is_async != asynchronous:
        ours = "aio.AsyncDeploymentTargetsClient" if is_async else "DeploymentTargetsClient"
        raise TypeError(f"client is of {cls.__bases__[0].__module__}: give it to {ours}")


class Call:
    """One call, made on a copy of the client.

    The copy shares all that the user's client has, but its endpoint emits its events through this
    object, which reads the body before botocore does; the user's client stays as it is. A client
    that hides its endpoint, as a mock or a proxy does, is called itself.
    """

    def __init__(self, client: Any, request: Request) -> None:
        self._request = request
        self._operation = request.method.title().replace("_", "")  # as AWS names it
        self._client: Any = client
        self._saw_body = False
        self._output: Output | None = None
        # What observers see of the output: boto3's dicts, which they may edit.
        self._shown: list[Any] | None = None
        self._error: InvalidResponseError | None = None
        endpoint = vars(client).get("_endpoint") if issubclass(type(client), BaseClient) else None
        self._emitter: Any = getattr(endpoint, "_event_emitter", None)
        if self._emitter is not None:
            # copy.copy would recurse: botocore's `__getattr__` needs attributes of the new copy.
            self._client = object.__new__(type(client))
            vars(self._client).update(vars(client), _endpoint=copy.copy(endpoint))
            vars(self._client._endpoint).update(_event_emitter=self)  # noqa: SLF001

    def make(self) -> Any:
        """Return an Output, a page of ids as boto3's dict, or a DeploymentInfo.

        Raises:
            InvalidResponseError: the answer cannot be read.
            ClientError, BotoCoreError: botocore's own.
        """
        with self._one_error():
            # A copy, as a user's handlers may edit what they see.
            params = copy.deepcopy(self._request.params)
            return self._read(getattr(self._client, self._request.method)(**params))

    @contextmanager
    def _one_error(self) -> Iterator[None]:
        try:
            yield
        except ClientError:
            if self._error:  # botocore made a ClientError of the status that `_read_body` set
                raise self._error from None
            raise
        finally:
            # The copy's endpoint points back here: with this cycle, the answer would stay in
            # memory until the garbage collector runs.
            self._client = None

    def _read(self, response: Any) -> Any:
        if self._error:
            raise self._error
        metadata = read_metadata(response)
        try:
            if not self._saw_body:  # the client hides its endpoint
                _check_whole(response, metadata.http_headers.get("content-length", ""))
            if self._output is None or self._shown is not None:
                answer = _READERS[self._request.method](response)
                if self._shown is not None:
                    answer = self._with_payloads(answer, response.get("deploymentTargets") or [])
            else:
                answer = self._output
        except UnreadableError as error:
            raise self._invalid(error, metadata.request_id, b"") from None
        if isinstance(answer, Output):
            return answer.model_copy(update={"response_metadata": [metadata]})
        return answer

    def emit(self, event_name: str, **kwargs: Any) -> Any:
        self._before(event_name, **kwargs)
        responses = self._emitter.emit(event_name, **kwargs)
        self._after(event_name, **kwargs)
        return responses

    def _before(self, event_name: str, *, response: Any = None, **_: Any) -> None:
        # A wrapper of the call may make others on this copy of the client.
        if not event_name.endswith(f".{self._operation}"):
            return
        if event_name.startswith("request-created."):  # the next attempt
            self._output = self._shown = self._error = None
            self._saw_body = False
        elif event_name.startswith("needs-retry.") and self._error and response:
            # The retry handlers look at the HTTP response, not at what was parsed of it.
            http_response, parsed = response
            http_response.status_code = parsed["ResponseMetadata"]["HTTPStatusCode"]

    def _after(self, event_name: str, **kwargs: Any) -> None:
        # After the user's handlers, so that they see the body, and may change it.
        if event_name.startswith("before-parse.") and event_name.endswith(f".{self._operation}"):
            response, customized = kwargs["response_dict"], kwargs["customized_response_dict"]
            self._saw_body = True
            self._read_body(kwargs["operation_model"], response)
            if "deploymentTargets" in customized:  # by a handler of the user's: it counts
                self._output = None
            if self._output is not None and self._is_observed():
                shown = self._output.to_boto3()
                self._shown = [*shown.get("deploymentTargets", [])]
                customized.update(shown)
            if response["status_code"] >= HTTPStatus.MULTIPLE_CHOICES:
                # botocore makes the classes of the exceptions on first use, without a lock: two
                # threads could get two of one name, and `client.exceptions` has only one of them.
                with _exceptions_lock:
                    _ = self._client.exceptions

    def _read_body(self, operation: Any, response: dict[str, Any]) -> None:
        # Older versions of botocore have no `resolved_protocol`; they speak JSON to CodeDeploy.
        protocol = getattr(operation.service_model, "resolved_protocol", "json")
        if protocol != "json" or response["status_code"] >= HTTPStatus.MULTIPLE_CHOICES:
            return
        body = response["body"]
        try:
            if self._request.method == "batch_get_deployment_targets":
                self._output = read_body(body)
                response["body"] = b""
                _parsers_logger.debug("Response body:\n%r", body)  # botocore logs what it parses
            elif self._request.method == "get_deployment":
                response["body"] = body.decode(errors="replace").encode()
                read_deployment(load(body))
            else:
                # botocore would read an answer that is cut short as an empty one. It decodes these
                # bytes next, strictly.
                _READERS[self._request.method](load(body, errors="strict"))
        except UnreadableError as error:
            request_id = response["headers"].get("x-amzn-requestid")
            self._error = self._invalid(error, request_id, body)
            response["body"] = b""
            if isinstance(error, NotJSONError):
                response["status_code"] = HTTPStatus.INTERNAL_SERVER_ERROR.value

    def _is_observed(self) -> bool:
        """Tell whether somebody looks at what botocore parses. Nobody does for most calls."""
        client, endpoint = self._client, self._client._endpoint  # noqa: SLF001
        wrapped = [
            getattr(type(client), name, None) for name in (*_CLIENT_METHODS, self._request.method)
        ]
        wrapped += [getattr(type(endpoint), name, None) for name in _ENDPOINT_METHODS]
        if not all(map(_is_botocores, wrapped)):
            return True
        trie = getattr(getattr(client.meta.events, "_emitter", None), "_handlers", None)
        events = [f"{event}.codedeploy.{self._operation}" for event in _OBSERVED_EVENTS]
        # If one cannot tell, somebody looks.
        handlers = (
            [each for event in events for each in trie.prefix_search(event)] if trie else [None]
        )
        recorder = get_global_history_recorder()
        return not all(map(_is_botocores, handlers)) or getattr(recorder, "_enabled", True)

    def _with_payloads(self, output: Output, envelopes: list[Any]) -> Output:
        """Give unknown targets back their payload, for which boto3's dict has no place.

        In boto3's dict all unknown targets of a type look alike: the identity of an envelope tells
        which one it was, else its position, if there are as many. An edited one stays as it is.
        """
        ours = self._output.deployment_targets if self._output else []
        shown = dict(zip(map(id, self._shown or []), ours, strict=False))
        targets = []
        for position, (envelope, target) in enumerate(
            zip(envelopes, output.deployment_targets, strict=False)
        ):
            at_same_index = ours[position] if len(ours) == len(envelopes) else None
            original = shown.get(id(envelope), at_same_index)
            unedited = isinstance(original, UnknownTarget) and original.to_boto3() == envelope
            targets.append(original if unedited else target)
        return output.model_copy(update={"deployment_targets": targets})

    def _invalid(
        self, error: UnreadableError, request_id: Any, body: bytes
    ) -> InvalidResponseError:
        return InvalidResponseError(
            operation=self._operation,
            reason=str(error),
            request_id=request_id,
            deployment_id=str(self._request.params["deploymentId"]),
            target_ids=[*self._request.params.get("targetIds", [])],
            body=body,
            is_cut_short=isinstance(error, NotJSONError),
        )


class AsyncCall(Call):
    """One call, made on a copy of an aiobotocore client, whose endpoint awaits its emitter."""

    async def make(self) -> Any:
        with self._one_error():
            params = copy.deepcopy(self._request.params)
            return self._read(await getattr(self._client, self._request.method)(**params))

    async def emit(self, event_name: str, **kwargs: Any) -> Any:
        self._before(event_name, **kwargs)
        responses = await self._emitter.emit(event_name, **kwargs)
        self._after(event_name, **kwargs)
        return responses


def _check_whole(response: Any, content_length: str) -> None:
    """Refuse an empty dict where more than `{}` was sent: the answer was cut short."""
    is_empty = isinstance(response, dict) and not response.keys() - {"ResponseMetadata"}
    if is_empty and content_length.isdecimal() and int(content_length) > len("{}"):
        raise NotJSONError("it is empty, though more was sent")


def _is_botocores(function: Any) -> bool:
    if type(function) is MethodType:
        function = function.__func__
    if type(function) is FunctionType:
        module = function.__globals__["__name__"]  # `__module__` of a decorator's may be copied
    else:
        module = type(function).__module__
    return str(module).startswith(("botocore.", "aiobotocore."))

"""Change here: how bad bodies are retried, and how the default client is made.

The only module that touches botocore's inside. botocore spends most of a call on walking the
service model over the parsed JSON. For the library's own calls, pydantic reads the body first, and
botocore's parser gets an empty one. A body that is not JSON (`_parsing.py` decides) gets the status
500, so that the client's own retry settings apply; botocore does the same for S3.
"""

from __future__ import annotations

import copy
import gzip
import os
from http import HTTPStatus
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError
from botocore.loaders import JSONFileLoader, Loader
from pydantic_core import from_json

from ._answers import (
    NotJSONError,
    check_deployment,
    check_listing,
    read_body,
    read_dict,
    read_metadata,
)
from ._errors import InvalidResponseError
from ._shapes import UnreadableError

if TYPE_CHECKING:
    from typing_extensions import Self

    from ._answers import BatchGetDeploymentTargetsOutput as Output

_exceptions_lock = RLock()


def check_client(client: Any, *, asynchronous: bool) -> None:
    """Raise TypeError for another service's client, or a sync one for an async one; mocks pass."""
    cls = type(client)
    if not hasattr(client, "batch_get_deployment_targets"):
        raise TypeError(
            f"client must be a CodeDeploy client (session.client('codedeploy')), not {cls.__name__}"
        )
    # By name, as aiobotocore need not be installed; by `type`, as a mock may claim another class.
    is_async = any(base.__module__.startswith("aiobotocore.") for base in cls.__mro__)
    if issubclass(cls, BaseClient) and is_async != asynchronous:
        ours = "aio.AsyncDeploymentTargetsClient" if is_async else "DeploymentTargetsClient"
        raise TypeError(f"client is of {cls.__bases__[0].__module__}: give it to {ours}")


class Twin:
    """A twin of the user's client, for one call or one listing: `with Twin(client, params)`.

    `client` is to make the call on. It shares all that the user's client has, but its endpoint
    emits its events through this object, which reads the body before botocore does; the user's
    client stays as it is. A mock, which has no endpoint, is its own twin.

    InvalidResponseError is raised as the `with` block ends.
    """

    def __init__(self, client: Any, params: dict[str, Any]) -> None:
        self.client: Any = client
        self._params = params
        self._output: Output | None = None
        self._error: InvalidResponseError | None = None
        endpoint = vars(client).get("_endpoint") if issubclass(type(client), BaseClient) else None
        self._emitter: Any = getattr(endpoint, "_event_emitter", None)
        if self._emitter is not None:
            # copy.copy would recurse: botocore's `__getattr__` needs attributes of the new copy.
            self.client = object.__new__(type(client))
            vars(self.client).update(vars(client), _endpoint=copy.copy(endpoint))
            vars(self.client._endpoint).update(_event_emitter=self)  # noqa: SLF001

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        # The twin's endpoint points back here: with this cycle, the answer would stay in memory
        # until the garbage collector runs.
        self.client = None
        # botocore makes a ClientError of the status 500, which the service never sent.
        if self._error and (error is None or isinstance(error, ClientError)):
            raise self._error from None

    def read(self, response: Any) -> Output:
        """Return the targets in botocore's response, and what it tells of the call."""
        call = read_metadata(response)
        try:
            output = self._output or read_dict(response)
        except UnreadableError as error:
            raise self._invalid("BatchGetDeploymentTargets", error, call.request_id, b"") from None
        return output.model_copy(update={"response_metadata": [call]})

    def emit(self, event_name: str, **kwargs: Any) -> Any:
        self._before(event_name, **kwargs)
        responses = self._emitter.emit(event_name, **kwargs)
        self._after(event_name, **kwargs)
        return responses

    def _before(self, event_name: str, *, response: Any = None, **_: Any) -> None:
        if event_name.startswith("request-created."):  # the next attempt
            self._output = self._error = None
        elif event_name.startswith("needs-retry.") and self._error and response:
            # The retry handlers look at the HTTP response, not at what was parsed of it.
            http_response, parsed = response
            http_response.status_code = parsed["ResponseMetadata"]["HTTPStatusCode"]

    def _after(self, event_name: str, **kwargs: Any) -> None:
        # After the user's handlers, so that they see the body, and may change it.
        if event_name.startswith("before-parse."):
            response = kwargs["response_dict"]
            self._read_body(kwargs["operation_model"], response)
            if response["status_code"] >= HTTPStatus.MULTIPLE_CHOICES:
                # botocore makes the classes of the exceptions on first use, without a lock: two
                # threads could get two of one name, and `client.exceptions` has only one of them.
                with _exceptions_lock:
                    _ = self.client.exceptions

    def _read_body(self, operation: Any, response: dict[str, Any]) -> None:
        # Older versions of botocore have no `resolved_protocol`; they speak JSON to CodeDeploy.
        protocol = getattr(operation.service_model, "resolved_protocol", "json")
        if protocol != "json" or response["status_code"] >= HTTPStatus.MULTIPLE_CHOICES:
            return
        body = response["body"]
        try:
            if operation.name == "BatchGetDeploymentTargets":
                self._output = read_body(body)
                response["body"] = b""
            elif operation.name == "GetDeployment":
                check_deployment(body)
            else:
                check_listing(body)
        except UnreadableError as error:
            request_id = response["headers"].get("x-amzn-requestid")
            self._error = self._invalid(operation.name, error, request_id, body)
            response["body"] = b""
            if isinstance(error, NotJSONError):
                response["status_code"] = HTTPStatus.INTERNAL_SERVER_ERROR.value

    def _invalid(
        self, operation: str, error: UnreadableError, request_id: Any, body: bytes
    ) -> InvalidResponseError:
        return InvalidResponseError(
            operation=operation,
            reason=str(error),
            request_id=request_id,
            deployment_id=str(self._params["deploymentId"]),
            target_ids=list(self._params.get("targetIds", [])),
            body=body,
        )


class AsyncTwin(Twin):
    """A twin of an aiobotocore client, whose endpoint awaits its emitter."""

    async def emit(self, event_name: str, **kwargs: Any) -> Any:
        self._before(event_name, **kwargs)
        responses = await self._emitter.emit(event_name, **kwargs)
        self._after(event_name, **kwargs)
        return responses


def default_client(*, profile: str | None = None, region: str | None = None) -> Any:
    """Return a client of botocore's default session, made with a quicker loader.

    A process that wants one result spends most of its time on finding and parsing the files
    that describe AWS. The session looks for the same files in the same places as ever.
    """
    # Imported late: users who bring a client of boto3's need not pay for it.
    from botocore.session import Session

    session = Session(profile=profile)
    paths = session.get_component("data_loader").search_paths
    loader = _QuickLoader(paths, _QuickFiles(), include_default_search_paths=False)
    session.register_component("data_loader", loader)
    return session.create_client("codedeploy", region_name=region)


class _QuickLoader(Loader):
    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002
        # botocore looks into the folders of all services to find out whether one is there.
        # Path.is_dir fails where the user may not enter the folder, as ~/.aws of another user.
        paths = [Path(path) for path in self.search_paths if os.path.isdir(path)]  # noqa: PTH112
        return sorted({folder.name for path in paths for folder in path.iterdir()})


class _QuickFiles(JSONFileLoader):
    def load_file(self, file_path: str) -> Any:
        for ending, unpack in ((".json", bytes), (".json.gz", gzip.decompress)):
            path = Path(f"{file_path}{ending}")
            if path.is_file():
                return from_json(unpack(path.read_bytes()))
        return None

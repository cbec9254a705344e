"""The responses to the library's own calls are read here; a user's calls are left alone.

botocore spends most of a call on walking the service model over the parsed JSON. It
offers the body to its `before-parse` handlers first: one of them reads it here,
and leaves nothing to walk. An answer that is not JSON gets the status 500, so that the
client's own retry settings apply; botocore does the same for S3.
"""

from __future__ import annotations

from contextvars import ContextVar
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ._exceptions import InvalidResponseError
from ._reading import NotJSONError, UnreadableError, check_listing, read_body, read_parsed

if TYPE_CHECKING:
    from ._models import BatchGetDeploymentTargetsOutput

_KEY = "codedeploy_targets"  # in botocore's request context, and in the dict that it returns
_BEFORE = "codedeploy_targets.before"  # what the attempt found there
_own_params: ContextVar[dict[str, Any] | None] = ContextVar("own_params", default=None)


class _OwnDeploymentId(str):
    __slots__ = ()


def own_deployment_id(deployment_id: Any) -> Any:
    """Mark a `deploymentId`, so that the calls with it are known as the library's own.

    What is no text stays as it is: botocore's error names the parameter.
    """
    if not isinstance(deployment_id, str):
        return deployment_id
    return _OwnDeploymentId(str.__str__(deployment_id))


def connect(client: Any) -> None:
    """Register the handlers; a client that has them already stays as it is."""
    if not hasattr(client, "batch_get_deployment_targets"):
        raise TypeError(f"client must be a CodeDeploy client, not {type(client).__name__}")
    events = client.meta.events
    for event, register, handler in (
        ("provide-client-params", events.register_first, _mark_call),
        ("request-created", events.register_first, _mark_attempt),
        ("before-parse", events.register_last, _read),
        ("needs-retry", events.register_first, _end_attempt),
        ("after-call-error", events.register_first, _restore),
    ):
        for operation in ("BatchGetDeploymentTargets", "ListDeploymentTargets"):
            name = f"{event}.codedeploy.{operation}"
            register(name, handler, unique_id=f"codedeploy-targets-{name}")


def read_response(
    response: dict[str, Any], params: dict[str, Any]
) -> BatchGetDeploymentTargetsOutput:
    """Return what was read of a response; one that never was on the wire (a stub's) is read now."""
    raise_invalid(response)
    if _KEY in response:
        output: BatchGetDeploymentTargetsOutput = response[_KEY]
        return output
    try:
        return read_parsed({key: response[key] for key in response.keys() - {"ResponseMetadata"}})
    except UnreadableError as error:
        request_id = response.get("ResponseMetadata", {}).get("RequestId")
        raise _invalid("BatchGetDeploymentTargets", params, error, request_id=request_id) from None


def raise_invalid(response: Any) -> None:
    """Raise the `InvalidResponseError` that a response stands for, if it does."""
    error = response.get(_KEY)
    if isinstance(error, InvalidResponseError):
        raise error


def _mark_call(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    if isinstance(params.get("deploymentId"), _OwnDeploymentId):
        # The user's handlers see it, too, and what they call with it is no call of the library's.
        params["deploymentId"] = str(params["deploymentId"])
        context[_KEY] = params


def _mark_attempt(request: Any, **_: Any) -> None:
    # `before-parse` is told nothing of the request, so each attempt notes here whose it is. So does
    # a user's call from an event handler, in the middle of one of the library's: until it ends.
    request.context[_BEFORE] = _own_params.get()
    _own_params.set(request.context.get(_KEY))


def _read(
    operation_model: Any,
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    **_: Any,
) -> None:
    params = _own_params.get()
    if params is None or response_dict["status_code"] != HTTPStatus.OK:
        return
    body = response_dict["body"]
    try:
        if operation_model.name == "ListDeploymentTargets":
            check_listing(body)
            return
        customized_response_dict[_KEY] = read_body(body)
    except UnreadableError as error:
        request_id = response_dict["headers"].get("x-amzn-requestid")
        customized_response_dict[_KEY] = _invalid(
            operation_model.name, params, error, request_id=request_id, body=body
        )
        if isinstance(error, NotJSONError):
            response_dict["status_code"] = HTTPStatus.INTERNAL_SERVER_ERROR.value
    response_dict["body"] = b""


def _end_attempt(response: Any, request_dict: dict[str, Any], **_: Any) -> None:
    _restore(request_dict["context"])
    # The retry handlers look at the HTTP response, not at what was parsed of it.
    if response is not None and _KEY in response[1]:
        http_response, parsed = response
        http_response.status_code = parsed["ResponseMetadata"]["HTTPStatusCode"]


def _restore(context: dict[str, Any], **_: Any) -> None:
    # An attempt that cannot be signed never gets to `needs-retry`, but ends its call.
    if _BEFORE in context:
        _own_params.set(context.pop(_BEFORE))


def _invalid(
    operation: str,
    params: dict[str, Any],
    error: UnreadableError,
    *,
    request_id: str | None,
    body: bytes = b"",
) -> InvalidResponseError:
    return InvalidResponseError(
        operation=operation,
        reason=str(error),
        request_id=request_id,
        deployment_id=str(params["deploymentId"]),
        target_ids=list(params.get("targetIds", [])),
        body=body,
    )

"""Change here: which codes mean "missing" or "throttled", and the library's own error."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Protocol

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

# With one of these codes the service refuses a whole batch because a target in it does not exist.
MISSING_CODES = {"DeploymentTargetDoesNotExistException", "InstanceDoesNotExistException"}


def error_code(error: BaseException) -> str | None:
    """Return AWS's code of an error that the service sent; `None` for any other error."""
    return error.response.get("Error", {}).get("Code") if isinstance(error, ClientError) else None


def is_throttled(error: ClientError) -> bool:
    """Tell whether a call was refused for its rate, by the codes that botocore knows, or by 429."""
    # Imported late: few calls fail.
    from botocore.retries.standard import RetryContext, ThrottledRetryableChecker

    context = RetryContext(attempt_number=1, parsed_response=error.response)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    too_many = status == HTTPStatus.TOO_MANY_REQUESTS  # as a proxy's, with a code of its own
    return too_many or bool(ThrottledRetryableChecker().is_retryable(context))


class InvalidResponseError(BotoCoreError):
    """The service answered HTTP 200 with a body that does not answer the operation.

    The body is JSON of another shape, or it is not JSON or cut short, in all the attempts that the
    client's retry settings allow. It may hold lines of a log: the error's text never shows it.

    Attributes:
        request_id: AWS's id of the request, where it is known.
        deployment_id: the deployment of the request.
        target_ids: the target ids of the request, if it was a BatchGetDeploymentTargets.
        body: the bytes that the service sent; empty where they are not known, as of a mock.
        is_cut_short: whether the body is not JSON or is cut short; another call may succeed.
    """

    fmt = (
        "The response to {operation} cannot be read: {reason} "
        "(deployment {deployment_id}, request {request_id})"
    )

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"request_id": None, **kwargs})
        self.request_id: str | None = kwargs.get("request_id")
        self.deployment_id: str = kwargs["deployment_id"]
        self.target_ids: list[str] = kwargs.get("target_ids", [])
        self.body: bytes = kwargs.get("body", b"")
        self.is_cut_short: bool = kwargs.get("is_cut_short", False)  # a pickle of 0.1.0 has none


class Exceptions(Protocol):
    """For type checkers: the nine errors of BatchGetDeploymentTargets, and botocore's base."""

    ClientError: type[exceptions.ClientError]
    InvalidDeploymentIdException: type[exceptions.ClientError]
    DeploymentIdRequiredException: type[exceptions.ClientError]
    DeploymentDoesNotExistException: type[exceptions.ClientError]
    DeploymentNotStartedException: type[exceptions.ClientError]
    DeploymentTargetIdRequiredException: type[exceptions.ClientError]
    InvalidDeploymentTargetIdException: type[exceptions.ClientError]
    DeploymentTargetDoesNotExistException: type[exceptions.ClientError]
    DeploymentTargetListSizeExceededException: type[exceptions.ClientError]
    InstanceDoesNotExistException: type[exceptions.ClientError]

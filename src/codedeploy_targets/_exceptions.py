"""The one error that is the library's own."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError


class InvalidResponseError(BotoCoreError):
    """The service answered HTTP 200 with what is no answer to the operation.

    Either the body is not JSON or is cut short, and stayed so through all the
    attempts that the client's retry settings allow, or it is JSON of another shape.
    The text of the error never shows the body, which may hold lines of a log.

    Attributes:
        request_id: AWS's id of the request, where the response has one.
        deployment_id: the deployment asked for.
        target_ids: the target ids of the call, 25 at most; none where they were being listed.
        body: what the service sent.
    """

    fmt = (
        "The response to {operation} cannot be read: {reason} "
        "(deployment {deployment_id}, request {request_id})"
    )

    def __init__(
        self,
        *,
        operation: str,
        reason: str,
        request_id: str | None,
        deployment_id: str,
        target_ids: list[str],
        body: bytes,
    ) -> None:
        super().__init__(
            operation=operation,
            reason=reason,
            request_id=request_id,
            deployment_id=deployment_id,
            target_ids=target_ids,
            body=body,
        )
        self.request_id = request_id
        self.deployment_id = deployment_id
        self.target_ids = target_ids
        self.body = body

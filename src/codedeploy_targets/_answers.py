"""Change here: how lenient the library is with the service's answers, bytes or dicts to models.

Almost every answer takes the fast pass: pydantic_core reads it in one go. An answer that the fast
pass refuses, or that has a target without an id, takes the lenient pass, in Python. Only what is
not JSON (NotJSONError) is worth another attempt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import SchemaValidator, core_schema

from ._json import UnreadableError, drop_nulls, load, load_answer, mend
from ._models import ENVELOPE_SCHEMA, DeploymentTarget, read_envelope
from ._shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Callable

_ENVELOPES = SchemaValidator(
    core_schema.typed_dict_schema(
        {
            "deploymentTargets": core_schema.typed_dict_field(
                core_schema.list_schema(ENVELOPE_SCHEMA, strict=True)
            )
        }
    )
)


class ResponseMetadata(Shape, frozen=True):
    """What botocore tells of one call; `retry_attempts` does not count the first attempt."""

    request_id: str | None = None
    http_status_code: int | None = None
    http_headers: dict[str, str] = {}
    retry_attempts: int = 0


class BatchGetDeploymentTargetsOutput(Shape, frozen=True):
    """The answers of all the calls that one request took.

    `deployment_targets` are in the order of the ids. `missing_target_ids` were asked for and not
    returned. `response_metadata` has one entry a call.
    """

    deployment_targets: list[DeploymentTarget] = []
    missing_target_ids: list[str] = []
    response_metadata: list[ResponseMetadata] = []

    @staticmethod
    def from_boto3(answer: Any) -> BatchGetDeploymentTargetsOutput:
        """Read an answer to BatchGetDeploymentTargets, as leniently as the service's own.

        It is boto3's dict, with or without `ResponseMetadata`, or the text (`str` or `bytes`)
        that `aws deploy batch-get-deployment-targets` prints.

        Raises:
            ValueError: it is no such answer; the message tells where, and shows no value.
        """
        answer = load_answer(answer)
        if not isinstance(answer, dict) or answer.get("deploymentTargets") is None:
            raise UnreadableError(
                "expected boto3's dict, or the CLI's JSON, with deploymentTargets"
            )
        output = read_dict(answer)
        calls = [read_metadata(answer)] if "ResponseMetadata" in answer else []
        return output.model_copy(update={"response_metadata": calls})

    def to_boto3(self) -> dict[str, Any]:
        """Return the dict that boto3 returns, without `ResponseMetadata`."""
        if "deployment_targets" not in self.model_fields_set:
            return {}
        return {"deploymentTargets": [target.to_boto3() for target in self.deployment_targets]}


def read_body(body: bytes) -> BatchGetDeploymentTargetsOutput:
    """Read the body of a response in AWS JSON."""
    return _read_fast(_ENVELOPES.validate_json, body) or _read_leniently(load(body))


def read_dict(response: Any) -> BatchGetDeploymentTargetsOutput:
    """Read the dict that botocore made of a response, or that a stub or a mock made up."""
    return _read_fast(_ENVELOPES.validate_python, response) or _read_leniently(mend(response))


def read_metadata(response: Any) -> ResponseMetadata:
    """Read botocore's ResponseMetadata; of a stub or a mock, values of a wrong type are dropped."""
    told = response.get("ResponseMetadata") if isinstance(response, dict) else None
    told = told if isinstance(told, dict) else {}
    headers, request_id = told.get("HTTPHeaders"), told.get("RequestId")
    status, retries = told.get("HTTPStatusCode"), told.get("RetryAttempts")
    headers = headers if isinstance(headers, dict) else {}
    return ResponseMetadata(
        request_id=None if request_id is None else str(request_id),
        http_status_code=status if type(status) is int else None,
        http_headers={str(name): str(value) for name, value in headers.items()},
        retry_attempts=retries if type(retries) is int else 0,
    )


def read_listing(page: Any) -> dict[str, Any]:
    """Check a page of ListDeploymentTargets, and return it; raise UnreadableError."""
    page = mend(page)
    if not isinstance(page, dict):
        raise UnreadableError("it is no object")
    _check_known(page, "targetIds", "nextToken")
    given = drop_nulls(page)
    ids, token = given.get("targetIds", []), given.get("nextToken", "")
    if not isinstance(ids, list) or not all(isinstance(text, str) for text in [*ids, token]):
        raise UnreadableError("it is no list of target ids")
    return page


def _read_fast(
    validate: Callable[[Any], Any], answer: Any
) -> BatchGetDeploymentTargetsOutput | None:
    try:
        targets = validate(answer)["deploymentTargets"]
    except ValidationError:
        return None
    # Without an id, the payload may be absent, or of another shape: the lenient pass can tell.
    if any(target.target_id is None for target in targets):
        return None
    return BatchGetDeploymentTargetsOutput.model_construct(deployment_targets=targets)


def _check_known(answer: dict[str, Any], *known: str) -> None:
    """Refuse what is none of the operation's answers, such as an error with a status of success."""
    if drop_nulls(answer).keys() - {"ResponseMetadata"} and not answer.keys() & {*known}:
        raise UnreadableError(f"it has members, but no {known[0]}")


def _read_leniently(response: Any) -> BatchGetDeploymentTargetsOutput:
    if not isinstance(response, dict):
        raise UnreadableError("it is no object")
    envelopes = response.get("deploymentTargets")
    if envelopes is None:
        _check_known(response, "deploymentTargets")
        return BatchGetDeploymentTargetsOutput()
    if not isinstance(envelopes, list):
        raise UnreadableError("deploymentTargets is no list")
    targets = [
        read_envelope(item, f"deploymentTargets[{index}]") for index, item in enumerate(envelopes)
    ]
    return BatchGetDeploymentTargetsOutput.model_construct(deployment_targets=targets)

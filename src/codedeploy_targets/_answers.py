"""Change here: how the service's answers become models, in one fast pass or a lenient one."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pydantic import ValidationError
from typing_extensions import Self

from ._json import NotJSONError, UnreadableError, check_members, drop_nulls, load, load_cli, mend
from ._models import PAGE, DeploymentTarget, read_envelope
from ._shapes import Shape


class ResponseMetadata(Shape, frozen=True):
    """What botocore tells of one call; `retry_attempts` does not count the first attempt."""

    request_id: str | None = None
    http_status_code: int | None = None
    http_headers: dict[str, str] = {}
    retry_attempts: int = 0


class BatchGetDeploymentTargetsOutput(Shape, frozen=True):
    """The targets in the order of the ids, the ids that brought none, the metadata of each call."""

    deployment_targets: list[DeploymentTarget] = []
    missing_target_ids: list[str] = []
    response_metadata: list[ResponseMetadata] = []

    @classmethod
    def from_boto3(cls, answer: Any) -> Self:
        """Read boto3's dict, or the text that AWS's CLI prints.

        Raises ValueError for anything else; its text tells where, and shows no data.
        """
        answer = load_cli(answer)
        if not isinstance(answer, dict) or answer.get("deploymentTargets") is None:
            raise UnreadableError("expected boto3's dict or the CLI's JSON, with deploymentTargets")
        calls = [read_metadata(answer)] if "ResponseMetadata" in answer else []
        output = read_targets(answer).model_copy(update={"response_metadata": calls})
        return cls._as_own(output)

    def to_boto3(self) -> dict[str, Any]:
        """Return the dict that boto3 returns, without `ResponseMetadata`."""
        if "deployment_targets" not in self.model_fields_set:
            return {}
        return {"deploymentTargets": [target.to_boto3() for target in self.deployment_targets]}


Output = BatchGetDeploymentTargetsOutput


def read_targets(answer: Any) -> Output:
    """Read the bytes that the service sent, or boto3's dict, or raise UnreadableError."""
    validate: Any = PAGE.validate_json if isinstance(answer, bytes) else PAGE.validate_python
    with suppress(ValidationError):  # the fast pass
        return Output.model_construct(deployment_targets=validate(answer)["deploymentTargets"])
    answer = mend(load(answer))
    check_members(answer, "it", ["deploymentTargets"], "members, but no deploymentTargets")
    envelopes = answer.get("deploymentTargets")
    if envelopes is None:
        return Output()
    if not isinstance(envelopes, list):
        raise UnreadableError("deploymentTargets is no list")
    targets = [read_envelope(each, f"deploymentTargets[{i}]") for i, each in enumerate(envelopes)]
    return Output.model_construct(deployment_targets=targets)


def read_metadata(response: Any) -> ResponseMetadata:
    """Read botocore's ResponseMetadata; of a stub or a mock, values of a wrong type are dropped."""
    metadata = response.get("ResponseMetadata") if isinstance(response, Mapping) else None
    metadata = metadata if isinstance(metadata, Mapping) else {}
    headers, request_id = metadata.get("HTTPHeaders"), metadata.get("RequestId")
    headers = headers.items() if isinstance(headers, Mapping) else ()
    numbers = {name: int(each) for name, each in metadata.items() if isinstance(each, int)}
    # Not validated, as that would make each process's first call complete the class, for which
    # pydantic looks for plugins among all that is installed.
    return ResponseMetadata.model_construct(
        request_id=None if request_id is None else str(request_id),
        http_status_code=numbers.get("HTTPStatusCode"),
        http_headers={str(name): str(value) for name, value in headers},
        retry_attempts=numbers.get("RetryAttempts", 0),
    )


def read_listing(page: Any) -> tuple[list[str], str]:
    """Read a page of ListDeploymentTargets, bytes or a dict: its ids, and the next token."""
    page = mend(load(page))
    check_members(page, "it", ["targetIds", "nextToken"], "members, but no targetIds")
    given = drop_nulls(page)
    ids, token = given.get("targetIds", []), given.get("nextToken", "")
    if not isinstance(ids, list) or not all(isinstance(text, str) for text in [*ids, token]):
        raise UnreadableError("it is no list of target ids")
    if "\ufffd" in "".join([*ids, token]):
        raise NotJSONError("an id is not UTF-8")  # so that botocore makes another attempt
    return ids, token

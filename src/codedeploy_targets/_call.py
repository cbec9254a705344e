"""What to ask of the service, and what to make of its answers.

Who asks, and how they wait for an answer, is not known here.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ._models import BatchGetDeploymentTargetsOutput, ResponseMetadata
from ._wire import own_deployment_id, raise_invalid, read_response

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from botocore.exceptions import ClientError

_MISSING = {"DeploymentTargetDoesNotExistException", "InstanceDoesNotExistException"}
_logger = logging.getLogger("codedeploy_targets")


def list_params(
    deployment_id: str, target_filters: Mapping[str, Sequence[str]] | None
) -> dict[str, Any]:
    """Return the parameters of ListDeploymentTargets."""
    params: dict[str, Any] = {"deploymentId": own_deployment_id(deployment_id)}
    return params if target_filters is None else {**params, "targetFilters": target_filters}


def listed(page: dict[str, Any]) -> list[str]:
    """Return the target ids in an answer to ListDeploymentTargets."""
    raise_invalid(page)
    target_ids: list[str] = page.get("targetIds", [])
    return target_ids


class BatchCall:
    """One batch, until each of its ids was answered or found to be missing.

    That takes one call, or several where missing ids have to be found.

    Iterating gives the parameters of one call after another; what comes of a call is handed
    to `answered` or `refused` before the next.
    """

    def __init__(self, deployment_id: str, batch: list[str], *, skip_missing: bool) -> None:
        self._deployment_id = own_deployment_id(deployment_id)
        self._pending = [batch]
        self._skip_missing = skip_missing
        self._outputs: list[BatchGetDeploymentTargetsOutput] = []

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while self._pending:
            yield {"deploymentId": self._deployment_id, "targetIds": self._pending.pop(0)}

    def answered(self, params: dict[str, Any], response: dict[str, Any]) -> None:
        """Take the service's answer."""
        output = read_response(response, params)
        returned = {target.target_id for target in output.deployment_targets}
        missing = [target_id for target_id in params["targetIds"] if target_id not in returned]
        self._outputs.append(output)
        self._note(response, missing)

    def refused(self, params: dict[str, Any], error: ClientError) -> None:
        """Take the service's refusal: raise it, or split the batch to find the missing ids."""
        raise_invalid(error.response)
        if not self._skip_missing or error.response.get("Error", {}).get("Code") not in _MISSING:
            raise error
        batch = params["targetIds"]
        half = len(batch) // 2
        if half:
            self._pending[:0] = [batch[:half], batch[half:]]
        self._note(error.response, [] if half else batch)

    def output(self) -> BatchGetDeploymentTargetsOutput:
        """Return what all the calls brought."""
        return merge(self._outputs)

    def _note(self, response: Any, missing: list[str]) -> None:
        metadata = ResponseMetadata.model_validate(response.get("ResponseMetadata", {}))
        _logger.debug("request %s: %d targets are missing", metadata.request_id, len(missing))
        self._outputs.append(
            BatchGetDeploymentTargetsOutput.model_construct(
                missing_target_ids=missing, response_metadata=[metadata]
            )
        )


def merge(outputs: Iterable[BatchGetDeploymentTargetsOutput]) -> BatchGetDeploymentTargetsOutput:
    """Put outputs one after another; a member that none of them has stays absent."""
    members: dict[str, Any] = {}
    for output in outputs:
        for name in output.model_fields_set:
            members.setdefault(name, []).extend(getattr(output, name))
    return BatchGetDeploymentTargetsOutput.model_construct(**members)

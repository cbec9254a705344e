"""Change here: the operations that moto lacks (extra `testing`).

They are ListDeploymentTargets and BatchGetDeploymentTargets.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from unittest.mock import patch

from moto.codedeploy.exceptions import CodeDeployException
from moto.codedeploy.models import codedeploy_backends
from moto.codedeploy.responses import CodeDeployResponse

from ._enums import TargetLabel, TargetStatus
from ._models import DeploymentTarget, UnknownTarget
from ._requests import BATCH_SIZE

__all__ = ["MockDeploymentTargets", "mock_deployment_targets"]

_ATTRIBUTE = "codedeploy_targets"  # of moto's deployment objects: moto's reset drops both
_PAGE_SIZE = 100
_FILTERS = {
    "TargetStatus": ("status", TargetStatus, "InvalidInstanceStatusException"),
    "ServerInstanceLabel": ("instance_label", TargetLabel, "InvalidInstanceTypeException"),
}


@contextmanager
def mock_deployment_targets() -> Iterator[MockDeploymentTargets]:
    """Add the two operations to moto, under `mock_aws` and in its server in this process.

    Yields:
        The handle that takes the targets of deployments. Until a deployment has some, the
        operations answer that it has not started.
    """
    with patch.multiple(
        CodeDeployResponse,
        create=True,
        list_deployment_targets=_list_deployment_targets,
        batch_get_deployment_targets=_batch_get_deployment_targets,
    ):
        yield MockDeploymentTargets()


class MockDeploymentTargets:
    """Sets what moto answers for deployments that its own CreateDeployment made.

    A deployment may be of any account and region. Each method raises LookupError if moto has
    no such deployment.
    """

    def put(self, deployment_id: str, targets: Iterable[DeploymentTarget]) -> None:
        """Give a deployment its targets, instead of those that it may have.

        Args:
            deployment_id: what CreateDeployment returned.
            targets: typed models, in the order in which they are to be listed. One without
                a `deployment_id` gets it here; of an `UnknownTarget`, its `raw` is sent.

        Raises:
            ValueError: a target has no `target_id`, or that of another.
        """
        by_id: dict[str, DeploymentTarget] = {}
        for target in targets:
            if not target.target_id or target.target_id in by_id:
                raise ValueError(f"each target needs a target_id of its own: {target.target_id!r}")
            own = target.deployment_id or deployment_id
            by_id[target.target_id] = target.model_copy(update={"deployment_id": own})
        setattr(_deployment(deployment_id), _ATTRIBUTE, by_id)

    def set_status(self, deployment_id: str, status: str) -> None:
        """Set the status that GetDeployment answers, such as `"Succeeded"`."""
        _deployment(deployment_id).status = status


def _deployment(deployment_id: str) -> Any:
    for account in codedeploy_backends.values():
        for backend in account.values():
            if deployment_id in backend.deployments:
                return backend.deployments[deployment_id]
    raise LookupError(f"moto has no deployment {deployment_id!r}: call create_deployment first")


def _list_deployment_targets(response: CodeDeployResponse) -> str:
    request, by_id = _read_request(response)
    targets = list(by_id.values())
    for name, values in (request.get("targetFilters") or {}).items():
        if name not in _FILTERS:
            message = f"{name} is not a target filter."
            raise CodeDeployException("InvalidTargetFilterNameException", message)
        attribute, allowed, code = _FILTERS[name]
        for value in values:
            if value not in list(allowed):  # an open enum itself contains each string
                raise CodeDeployException(code, f"{value} is not a value of {name}.")
        targets = [target for target in targets if getattr(target, attribute, None) in values]
    ids = [target.target_id for target in targets]

    # The token is the id that the page begins with: it needs no bookkeeping.
    token = request.get("nextToken")
    if token is not None and token not in ids:
        raise CodeDeployException("InvalidNextTokenException", "The next token is not valid.")
    start = 0 if token is None else ids.index(token)
    end = start + _PAGE_SIZE
    more = {"nextToken": ids[end]} if end < len(ids) else {}
    return json.dumps({"targetIds": ids[start:end], **more})


def _batch_get_deployment_targets(response: CodeDeployResponse) -> str:
    request, by_id = _read_request(response)
    ids = request.get("targetIds")
    if not ids:
        raise CodeDeployException("DeploymentTargetIdRequiredException", "A target id is required.")
    if len(ids) > BATCH_SIZE:
        message = f"{len(ids)} target ids were given; at most {BATCH_SIZE} are allowed."
        raise CodeDeployException("DeploymentTargetListSizeExceededException", message)
    for target_id in ids:
        if not target_id:
            raise CodeDeployException("InvalidDeploymentTargetIdException", "A target id is empty.")
        if target_id not in by_id:
            message = f"The deployment has no target {target_id}."
            raise CodeDeployException("DeploymentTargetDoesNotExistException", message)
    targets = [by_id[target_id] for target_id in ids]
    # `to_boto3` of an unknown target lacks its payload, which the service sends.
    envelopes = [t.raw if isinstance(t, UnknownTarget) else t.to_boto3() for t in targets]
    # The protocol, AWS JSON 1.1, has times as seconds since the epoch.
    return json.dumps({"deploymentTargets": envelopes}, default=datetime.timestamp)


def _read_request(response: CodeDeployResponse) -> tuple[Any, dict[str, DeploymentTarget]]:
    request = json.loads(response.body)
    deployment_id = request.get("deploymentId")
    if not deployment_id:
        raise CodeDeployException("DeploymentIdRequiredException", "A deployment id is required.")
    if not re.fullmatch(r"[A-Za-z0-9-]+", deployment_id):
        raise CodeDeployException("InvalidDeploymentIdException", "The deployment id is not valid.")
    deployment = response.codedeploy_backend.get_deployment(deployment_id)
    by_id = getattr(deployment, _ATTRIBUTE, None)
    if by_id is None:
        message = f"The deployment {deployment_id} has no targets yet."
        raise CodeDeployException("DeploymentNotStartedException", message)
    return request, by_id

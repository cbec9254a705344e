"""What moto lacks (extra `testing`): two operations, and the course of a deployment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from moto.codedeploy.exceptions import CodeDeployException
from moto.codedeploy.models import codedeploy_backends
from moto.codedeploy.responses import CodeDeployResponse

from ._deployments import DeploymentInfo, write_deployment
from ._enums import TargetLabel, TargetStatus
from ._lock import locked
from ._models import DeploymentTarget, UnknownTarget
from ._requests import BATCH_SIZE

__all__ = ["MockDeploymentTargets", "mock_deployment_targets"]

_Round = tuple[str | DeploymentInfo, Iterable[DeploymentTarget] | None]

_PAGE_SIZE = 100
_FILTERS = {
    "TargetStatus": ("status", TargetStatus, "InvalidInstanceStatus"),
    "ServerInstanceLabel": ("instance_label", TargetLabel, "InvalidInstanceType"),
}
_in_use: list[MockDeploymentTargets] = []
_patches = ExitStack()  # not `_patch.start()`, which a user's `patch.stopall()` would end


@contextmanager
def mock_deployment_targets() -> Iterator[MockDeploymentTargets]:
    """Add the two operations to moto, under `mock_aws` and in its server in this process."""
    if not _in_use:
        _patches.enter_context(_patch)
    _in_use.append(handle := MockDeploymentTargets())
    try:
        yield handle
    finally:
        # The last to leave, which need not be the first that entered, restores moto.
        _in_use.remove(handle)
        if not _in_use:
            _patches.close()


class MockDeploymentTargets:
    """Sets what moto answers for deployments that its own CreateDeployment made, in any account.

    Its methods raise LookupError for any other. One has not started until it is given targets.
    """

    def put(self, deployment_id: str, targets: Iterable[DeploymentTarget]) -> None:
        """Give a deployment its targets, instead of those that it may have, in this order.

        The next round of a play replaces them. A target without a `deployment_id` gets it here. Of
        an `UnknownTarget`, its `raw` is sent. Raises ValueError for a target without a `target_id`,
        or with that of another.
        """
        _state(deployment_id).targets = _by_id(deployment_id, targets)

    def set_status(self, deployment_id: str, status: str) -> None:
        """Set the status that GetDeployment answers, such as `"Succeeded"`. Ends a play."""
        self.play(deployment_id, [])
        _set_answer(_state(deployment_id), status)

    def set_deployment(self, deployment_id: str, deployment: DeploymentInfo) -> None:
        """Set what GetDeployment answers; what the model leaves open is moto's own. Ends a play."""
        self.play(deployment_id, [])
        _set_answer(_state(deployment_id), deployment)

    def play(self, deployment_id: str, rounds: Iterable[_Round]) -> None:
        """Let each GetDeployment from now on find the next of these rounds; the last one stays.

        All are read at once. A round is a status or a DeploymentInfo, which replaces that of the
        round before, and the deployment's targets: `None` if it has not started.
        """
        state = _state(deployment_id)
        state.rounds = [(new, _by_id(deployment_id, targets)) for new, targets in rounds]


def _state(deployment_id: str) -> Any:
    # Copies, as the server's threads may add accounts and regions.
    for account in [*codedeploy_backends.values()]:
        for backend in [*account.values()]:
            if deployment := backend.deployments.get(deployment_id):
                new = SimpleNamespace(deployment=deployment, targets=None, info={}, rounds=[])
                # An attribute of moto's own object, so moto's reset drops both.
                return vars(deployment).setdefault("codedeploy_targets", new)
    raise LookupError(f"moto has no deployment {deployment_id!r}: call create_deployment first")


def _set_answer(state: Any, new: str | DeploymentInfo) -> None:
    state.info = {**state.info, "status": new} if isinstance(new, str) else write_deployment(new)
    state.deployment.status = state.info.get("status", state.deployment.status)


def _by_id(deployment_id: str, targets: Iterable[DeploymentTarget] | None) -> Any:
    by_id: dict[str, DeploymentTarget] = {}
    for target in targets or ():
        if not target.target_id or target.target_id in by_id:
            raise ValueError(f"each target needs a target_id of its own: {target.target_id!r}")
        own = target.deployment_id or deployment_id
        by_id[target.target_id] = target.model_copy(update={"deployment_id": own})
    return None if targets is None else by_id


@locked  # else a thread that took an earlier round of a play could set it after a later one
def _get_deployment(response: CodeDeployResponse) -> str:
    _, state = _read_request(response)
    if state.rounds:
        new, state.targets = state.rounds.pop(0)
        state.info = {}  # that of the round before
        _set_answer(state, new)
    # JSON in moto's first versions; later, what moto would write as JSON.
    answer: Any = _moto_get_deployment(response)
    own = json.loads(answer) if isinstance(answer, str) else answer.result
    statuses = [target.status for target in (state.targets or {}).values()]
    overview = {each: statuses.count(each) for each in state.deployment.deployment_overview}
    info = {**own["deploymentInfo"], "deploymentOverview": overview, **state.info}
    # moto has empty structures where the service has none.
    info = {name: value for name, value in info.items() if value != {}}
    return json.dumps({"deploymentInfo": info}, default=_seconds)


def _list_deployment_targets(response: CodeDeployResponse) -> str:
    request, by_id = _request_and_targets(response)
    targets = list(by_id.values())
    for name, values in (request.get("targetFilters") or {}).items():
        _check(name in _FILTERS, "InvalidTargetFilterName", f"{name} is not a target filter.")
        attribute, allowed, code = _FILTERS[name]
        for value in values:
            # An open enum itself contains each string.
            _check(value in list(allowed), code, f"{value} is not a value of {name}.")
        targets = [target for target in targets if getattr(target, attribute, None) in values]
    # The token is a position, which stays valid when targets are put between two pages.
    token = request.get("nextToken", "0")
    _check(re.fullmatch("[0-9]+", token), "InvalidNextToken", "The next token is not valid.")
    start, end = int(token), int(token) + _PAGE_SIZE
    more = {"nextToken": str(end)} if end < len(targets) else {}
    return json.dumps({"targetIds": [each.target_id for each in targets[start:end]], **more})


def _batch_get_deployment_targets(response: CodeDeployResponse) -> str:
    request, by_id = _request_and_targets(response)
    ids = request.get("targetIds")
    _check(ids, "DeploymentTargetIdRequired", "A target id is required.")
    _check(len(ids) <= BATCH_SIZE, "DeploymentTargetListSizeExceeded", f"{len(ids)} are too many.")
    for each in ids:
        _check(each, "InvalidDeploymentTargetId", "A target id is empty.")
        _check(each in by_id, "DeploymentTargetDoesNotExist", f"There is no target {each}.")
    targets = (by_id[each] for each in ids)
    # `to_boto3` of an unknown target lacks its payload, which the service sends.
    sent = [each.raw if isinstance(each, UnknownTarget) else each.to_boto3() for each in targets]
    return json.dumps({"deploymentTargets": sent}, default=_seconds)


def _read_request(response: CodeDeployResponse) -> tuple[Any, Any]:
    request = json.loads(response.body)
    own = request.get("deploymentId")
    _check(own, "DeploymentIdRequired", "A deployment id is required.")
    _check(re.fullmatch("[A-Za-z0-9-]+", own), "InvalidDeploymentId", f"{own} is no deployment id.")
    response.codedeploy_backend.get_deployment(own)  # raises if this account and region lack it
    return request, _state(own)


def _request_and_targets(response: CodeDeployResponse) -> tuple[Any, dict[str, DeploymentTarget]]:
    request, state = _read_request(response)
    name, by_id = request["deploymentId"], state.targets
    _check(by_id is not None, "DeploymentNotStarted", f"The deployment {name} has no targets yet.")
    return request, by_id


def _seconds(time: datetime) -> float:
    # AWS JSON 1.1 has times as seconds since the epoch. Those of moto are naive, and in UTC.
    return (time if time.tzinfo else time.replace(tzinfo=timezone.utc)).timestamp()


def _check(holds: object, error: str, message: str) -> None:
    if not holds:
        raise CodeDeployException(f"{error}Exception", message)


_moto_get_deployment = CodeDeployResponse.get_deployment
_patch: Any = patch.multiple(
    CodeDeployResponse,
    create=True,
    get_deployment=_get_deployment,
    list_deployment_targets=_list_deployment_targets,
    batch_get_deployment_targets=_batch_get_deployment_targets,
)

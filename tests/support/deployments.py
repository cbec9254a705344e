"""A CodeDeploy in which deployments happen as a test has written them, one step after another."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from support.endpoint import Response, error

from codedeploy_targets import InstanceTarget, LifecycleEvent, LifecycleEventStatus, TargetStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from support.clients import Client, Clients, Targets

    from codedeploy_targets import DeploymentTarget

BUSY = {"TargetStatus": ["Pending", "InProgress", "Ready", "Unknown"]}
OPERATIONS = ("GetDeployment", "ListDeploymentTargets", "BatchGetDeploymentTargets")
GET_DEPLOYMENT, LIST, READ = OPERATIONS
CUT_SHORT = Response(b'{"deploymentInfo": {"status": "Succ')


@dataclass(frozen=True)
class Step:
    """How the deployment stands from one GetDeployment to the next.

    Attributes:
        status: what GetDeployment answers.
        targets: those that the deployment has; `None` if it has not started.
        left_out: ids that are listed, and never answered.
    """

    status: str
    targets: Iterable[DeploymentTarget] | None = None
    left_out: frozenset[str] = frozenset()


@dataclass
class ScriptedService:
    """Goes one step further each time that it answers GetDeployment; the last step stays.

    Attributes:
        steps: the deployment's script.
        instead: by operation and the number of its call, from 1: what is answered in its place.
        calls: what was asked.
    """

    steps: list[Step]
    instead: Mapping[tuple[str, int], Response] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _position: int = -1

    def __call__(self, operation: str, params: dict[str, Any]) -> Response:
        assert params["deploymentId"] == "d-1"
        self.calls.append((operation, params))
        number = len(self.asked(operation))
        if (operation, number) in self.instead:
            return self.instead[operation, number]
        if operation == GET_DEPLOYMENT:
            self._position = min(self._position + 1, len(self.steps) - 1)
            info = {"deploymentId": "d-1", "status": self.steps[self._position].status}
            return _response({"deploymentInfo": info})
        step = self.steps[self._position]
        if step.targets is None:
            return error("DeploymentNotStartedException")
        targets = {str(target.target_id): target for target in step.targets}
        return _list(targets, params) if operation == LIST else _read(targets, params, step)

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """Return the parameters of each call of an operation."""
        return [params for name, params in self.calls if name == operation]

    def rounds(self) -> list[list[tuple[str, dict[str, Any]]]]:
        """Return the calls that each round consists of."""
        rounds: list[list[tuple[str, dict[str, Any]]]] = []
        for operation, params in self.calls:
            if operation == GET_DEPLOYMENT:
                rounds.append([])
            rounds[-1].append((operation, params))
        return rounds

    def read_ids(self) -> list[list[str]]:
        """Return, in order, the ids that each round reads."""
        return [
            sorted(each for operation, p in calls if operation == READ for each in p["targetIds"])
            for calls in self.rounds()
        ]


def _list(targets: dict[str, DeploymentTarget], params: dict[str, Any]) -> Response:
    allowed = params.get("targetFilters", {}).get("TargetStatus")
    ids = [each for each, target in targets.items() if allowed is None or target.status in allowed]
    start = int(params.get("nextToken", 0))
    more = {"nextToken": str(start + 100)} if start + 100 < len(ids) else {}
    return _response({"targetIds": ids[start : start + 100], **more})


def _read(targets: dict[str, DeploymentTarget], params: dict[str, Any], step: Step) -> Response:
    assert 1 <= len(params["targetIds"]) <= 25
    if not targets.keys() >= set(params["targetIds"]):
        return error("DeploymentTargetDoesNotExistException")
    answered = [each for each in params["targetIds"] if each not in step.left_out]
    return _response({"deploymentTargets": [targets[each].to_boto3() for each in answered]})


def _response(answer: Any) -> Response:
    return Response(json.dumps(answer, default=datetime.timestamp).encode())


def target(target_id: str, status: str, event: str | None = None) -> InstanceTarget:
    """Return an instance; `event` names the lifecycle event that it is in."""
    events = []
    if event is not None:
        events = [
            LifecycleEvent(
                lifecycle_event_name=event, status=LifecycleEventStatus(status), diagnostics=None
            )
        ]
    return InstanceTarget(
        target_id=target_id,
        deployment_id="d-1",
        status=TargetStatus(status),
        lifecycle_events=events,
    )


def fleet(**statuses: str) -> list[InstanceTarget]:
    """Return one instance for each id and status."""
    return [target(target_id, status) for target_id, status in statuses.items()]


def watch(clients: Clients, client: Client, *, delay: float = 0, **options: Any) -> Targets:
    """Return what the client's `watch_deployment_targets` returns, as an iterator that blocks."""
    watch = client.typed.watch_deployment_targets
    return clients.iterator(watch(deploymentId="d-1", delay=delay, **options))


def told(targets: Iterable[DeploymentTarget], service: ScriptedService) -> list[dict[str, str]]:
    """Follow a deployment to its end; return the id and status of what each round yields.

    The order within a round is not promised.
    """
    rounds: list[dict[str, str]] = []
    for each in targets:
        rounds += ({} for _ in service.rounds()[len(rounds) :])
        assert str(each.target_id) not in rounds[-1]
        event = each.current_event
        rounds[-1][str(each.target_id)] = (
            f"{each.status}: {event.lifecycle_event_name}" if event else f"{each.status}"
        )
    return rounds + [{} for _ in service.rounds()[len(rounds) :]]

"""Change here: which failures count as the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ._models import DeploymentTarget, Diagnostics, LifecycleEvent


@dataclass(frozen=True)
class FailureGroup:
    """Targets that failed for the same reason.

    Attributes:
        lifecycle_event_name: the event that failed, `None` if no event did.
        diagnostics: those of the group's first target; the log differs from target to target.
        targets: the targets, in the order in which they came.
    """

    lifecycle_event_name: str | None
    diagnostics: Diagnostics | None
    targets: list[DeploymentTarget]


def group_failures(targets: Iterable[DeploymentTarget]) -> list[FailureGroup]:
    """Group the targets that failed by lifecycle event, error code, script and message.

    Args:
        targets: any iterable of targets, also a stream. Of a target that comes more than once,
            as it does while a deployment is followed, the last state counts.

    Returns:
        The groups, the largest first. Only the targets that failed are kept in memory.
    """
    failed: dict[object, DeploymentTarget] = {}
    for target in targets:
        # A target without an id replaces no other.
        key = (target.deployment_id, target.target_id) if target.target_id else object()
        failed.pop(key, None)
        if target.status == "Failed":
            failed[key] = target
    groups: dict[object, FailureGroup] = {}
    for target in failed.values():
        event = target.failed_event or LifecycleEvent()
        name, why = event.lifecycle_event_name, event.diagnostics or Diagnostics()
        cause = (name, why.error_code, why.script_name, why.message)
        groups.setdefault(cause, FailureGroup(name, event.diagnostics, [])).targets.append(target)
    return sorted(groups.values(), key=lambda group: len(group.targets), reverse=True)

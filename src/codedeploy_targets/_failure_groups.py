"""Change here: which failures count as the same."""

from collections.abc import Callable, Hashable, Iterable

from ._models import DeploymentTarget, Diagnostics, telling_event
from ._shapes import Shape


class FailureGroup(Shape, frozen=True):
    """Targets that failed for the same reason, with the event and diagnostics of the first."""

    lifecycle_event_name: str | None = None
    diagnostics: Diagnostics | None = None
    targets: list[DeploymentTarget] = []


def group_failures(
    targets: Iterable[DeploymentTarget], key: Callable[[DeploymentTarget], Hashable] | None = None
) -> list[FailureGroup]:
    """Group the targets that failed by what went wrong, the largest group first.

    Args:
        targets: any iterable of targets, also a stream or a watch. Of a target that comes more
            than once (its deployment, id and label are the same), the last state counts. Only
            those that failed are kept in memory.
        key: returns what the targets of one group have in common; by default, the lifecycle
            event and the error code, script and message of `diagnostics`.
    """
    failed: dict[object, DeploymentTarget] = {}
    for target in targets:
        label = getattr(target, "instance_label", None)
        # A target without an id replaces no other.
        identity = (target.deployment_id, target.target_id, label) if target.target_id else object()
        failed.pop(identity, None)
        if target.status == "Failed":
            failed[identity] = target
    groups: dict[Hashable, list[DeploymentTarget]] = {}
    for target in failed.values():
        groups.setdefault((key or _cause)(target), []).append(target)
    return [_group(each) for each in sorted(groups.values(), key=len, reverse=True)]


def _group(targets: list[DeploymentTarget]) -> FailureGroup:
    event = telling_event(targets[0])
    name, why = event.lifecycle_event_name, event.diagnostics
    return FailureGroup(lifecycle_event_name=name, diagnostics=why, targets=targets)


def _cause(target: DeploymentTarget) -> tuple[str | None, ...]:
    event = telling_event(target)
    why = event.diagnostics or Diagnostics()
    return event.lifecycle_event_name, why.error_code, why.script_name, why.message

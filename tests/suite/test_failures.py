"""`group_failures`: why a deployment failed, each cause once."""

from __future__ import annotations

import gc
import pickle
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from codedeploy_targets import (
    CloudFormationTarget,
    Diagnostics,
    ECSTarget,
    FailureGroup,
    InstanceTarget,
    LambdaTarget,
    LifecycleEvent,
    LifecycleEventStatus,
    TargetStatus,
    UnknownTarget,
    group_failures,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codedeploy_targets import DeploymentTarget

CAUSE: dict[str, Any] = {
    "error_code": "ScriptFailed",
    "script_name": "install.sh",
    "message": "exit code 1",
}
FAILED = LifecycleEventStatus.FAILED


def event(name: str | None = "Install", **diagnostics: Any) -> LifecycleEvent:
    return LifecycleEvent(
        lifecycle_event_name=name,
        status=FAILED,
        diagnostics=Diagnostics(**{**CAUSE, **diagnostics}),
    )


def failed(target_id: str | None, *events: LifecycleEvent, **members: Any) -> InstanceTarget:
    events = events or (event(),)
    return InstanceTarget(
        target_id=target_id, status=TargetStatus.FAILED, lifecycle_events=[*events], **members
    )


def grouped_ids(targets: Any) -> list[list[str | None]]:
    return [[target.target_id for target in group.targets] for group in group_failures(targets)]


def test_without_failures_there_are_no_groups() -> None:
    assert group_failures([]) == []
    # The status of the target counts, not that of an event.
    statuses = [status for status in TargetStatus if status != "Failed"]
    for status in [*statuses, TargetStatus("Paused"), TargetStatus("failed"), None]:
        target = InstanceTarget(target_id="a", status=status, lifecycle_events=[event()])
        assert group_failures([target]) == []


def test_a_group_has_its_event_its_targets_and_the_diagnostics_of_the_first() -> None:
    targets: list[DeploymentTarget] = [
        failed("a", event(log_tail="log of a")),
        failed("b", event(log_tail="log of b")),
    ]
    [group] = group_failures(targets)
    assert group == FailureGroup("Install", Diagnostics(**CAUSE, log_tail="log of a"), targets)
    assert group.diagnostics is targets[0].lifecycle_events[0].diagnostics
    assert group.targets[1] is targets[1]


@pytest.mark.parametrize(
    "other",
    [
        event("BeforeInstall"),
        event(None),
        event(error_code="ScriptTimedOut"),
        event(error_code="OfTheFuture"),
        event(error_code=None),
        event(script_name="start.sh"),
        event(script_name=None),
        event(message="exit code 2"),
        event(message=None),
        LifecycleEvent(lifecycle_event_name="Install", status=FAILED),
    ],
)
def test_what_makes_another_cause(other: LifecycleEvent) -> None:
    assert grouped_ids([failed("a"), failed("b", other), failed("c")]) == [["a", "c"], ["b"]]
    assert grouped_ids([failed("a", other), failed("b", other)]) == [["a", "b"]]


def test_log_times_and_other_events_make_no_other_cause() -> None:
    stopped = LifecycleEvent(
        lifecycle_event_name="ApplicationStop", status=LifecycleEventStatus.SUCCEEDED
    )
    targets = [
        failed("a"),
        failed("b", event(log_tail="[stderr]no")),
        failed("c", stopped, event(), event("ValidateService")),
        failed("d", deployment_id="d-1", target_arn="arn", last_updated_at="2026-01-02T03:04:05Z"),
    ]
    assert grouped_ids(targets) == [["a", "b", "c", "d"]]


def test_the_largest_group_is_first_and_equals_keep_their_order() -> None:
    causes = {"1": "ab", "2": "c", "3": "def", "4": "gh", "5": "i"}
    targets = [failed(each, event(cause)) for cause, ids in causes.items() for each in ids]
    groups = group_failures(targets)
    assert [group.lifecycle_event_name for group in groups] == ["3", "1", "4", "2", "5"]
    # Between those of others, too, the targets keep their order.
    mixed = sorted(targets, key=lambda target: str(target.target_id), reverse=True)
    assert grouped_ids(mixed) == [["f", "e", "d"], ["h", "g"], ["b", "a"], ["i"], ["c"]]


def test_diagnostics_that_tell_nothing_are_as_good_as_none() -> None:
    without = LifecycleEvent(lifecycle_event_name="Install", status=FAILED)
    empty = without.model_copy(update={"diagnostics": Diagnostics(log_tail="line 1")})
    assert grouped_ids([failed("a", without), failed("b", empty)]) == [["a", "b"]]


def test_targets_that_tell_of_no_failed_event_are_one_group() -> None:
    pending = LifecycleEvent(lifecycle_event_name="Install", status=LifecycleEventStatus.PENDING)
    of_install = failed("a")
    targets: list[DeploymentTarget] = [
        of_install,
        InstanceTarget(target_id="b", status=TargetStatus.FAILED),
        failed("c", pending),
    ]
    assert group_failures(targets) == [
        FailureGroup(None, None, targets[1:]),
        FailureGroup("Install", of_install.lifecycle_events[0].diagnostics, targets[:1]),
    ]


def test_targets_of_every_type_are_grouped() -> None:
    members: Any = {"status": TargetStatus.FAILED, "lifecycle_events": [event()]}
    of_the_future = {
        "deploymentTargetType": "MarsTarget",
        "marsTarget": {
            "targetId": "mars",
            "status": "Failed",
            "lifecycleEvents": [
                {
                    "lifecycleEventName": "Install",
                    "status": "Failed",
                    "diagnostics": {
                        "errorCode": "ScriptFailed",
                        "scriptName": "install.sh",
                        "message": "exit code 1",
                    },
                }
            ],
        },
    }
    targets: list[DeploymentTarget] = [
        InstanceTarget(target_id="i", **members),
        LambdaTarget(target_id="lambda", **members),
        ECSTarget(target_id="ecs", **members),
        CloudFormationTarget(target_id="stack", **members),
        UnknownTarget(raw=of_the_future),
        UnknownTarget(raw={"deploymentTargetType": "MarsTarget"}),
    ]
    assert group_failures(targets) == [FailureGroup("Install", Diagnostics(**CAUSE), targets[:5])]


def test_any_iterable_is_read_once() -> None:
    targets = [failed("a"), failed("b")]
    by_id = {target.target_id: target for target in targets}
    iterables: list[Any] = [targets, (*targets,), iter(targets), (t for t in targets)]
    for iterable in [*iterables, by_id.values(), map(by_id.get, "ab")]:
        assert grouped_ids(iterable) == [["a", "b"]]


def test_the_last_state_of_a_target_counts() -> None:
    def state(target_id: str, status: str) -> InstanceTarget:
        return InstanceTarget(target_id=target_id, status=TargetStatus(status))

    changed = failed("a", event(message="exit code 2"))
    stream = [
        state("a", "InProgress"),
        state("b", "InProgress"),
        failed("a"),
        failed("c"),
        failed("b"),
        changed,
        state("b", "Succeeded"),
        failed("d"),
        failed("d"),
    ]
    first, second = group_failures(stream)
    assert grouped_ids(stream) == [["c", "d"], ["a"]]
    assert second == FailureGroup("Install", changed.lifecycle_events[0].diagnostics, [changed])
    assert first.targets == [failed("c"), failed("d")]


def test_one_target_in_two_deployments_counts_twice() -> None:
    targets = [failed("a", deployment_id=deployment) for deployment in ("d-1", "d-2")]
    succeeded = InstanceTarget(target_id="a", deployment_id="d-1", status=TargetStatus.SUCCEEDED)
    assert grouped_ids(targets) == [["a", "a"]]
    [group] = group_failures([*targets, succeeded])
    assert group.targets == targets[1:]


@pytest.mark.parametrize("no_id", [None, ""])
def test_targets_without_an_id_all_count(no_id: str | None) -> None:
    assert grouped_ids([failed(no_id), failed("a"), failed(no_id)]) == [[no_id, "a", no_id]]


def test_a_group_pickles_and_is_frozen() -> None:
    [group] = group_failures([failed("a"), failed("b")])
    assert pickle.loads(pickle.dumps(group)) == group
    with pytest.raises(AttributeError):
        group.targets = []  # type: ignore[misc]


def test_only_the_failures_of_a_stream_are_kept() -> None:
    succeeded = InstanceTarget(target_id="a", status=TargetStatus.SUCCEEDED)

    def stream(length: int) -> Iterator[DeploymentTarget]:
        for number in range(length):
            if number % 10_000 == 0:
                yield failed(f"i-{number}")
            yield succeeded.model_copy(update={"target_id": f"i-{number}"})
            if number % 10_000 == 1:
                yield failed(f"i-{number}")

    group_failures(stream(10))  # fills the caches
    gc.collect()
    tracemalloc.start()
    try:
        [group] = group_failures(stream(100_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(group.targets) == 10
    assert peak < 200_000

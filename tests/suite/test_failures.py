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
PENDING = LifecycleEvent(lifecycle_event_name="Stop", status=LifecycleEventStatus.PENDING)
WITHOUT_DIAGNOSTICS = LifecycleEvent(lifecycle_event_name="Install", status=FAILED)


def event(name: str | None = "Install", **diagnostics: Any) -> LifecycleEvent:
    why = Diagnostics(**{**CAUSE, **diagnostics})
    return LifecycleEvent(lifecycle_event_name=name, status=FAILED, diagnostics=why)


def failed(target_id: str | None, *events: LifecycleEvent, **members: Any) -> InstanceTarget:
    events = events or (event(),)
    return InstanceTarget(
        target_id=target_id, status=TargetStatus.FAILED, lifecycle_events=[*events], **members
    )


def state(target_id: str, status: str, **members: Any) -> InstanceTarget:
    return InstanceTarget(target_id=target_id, status=TargetStatus(status), **members)


def grouped_ids(targets: Any) -> list[list[str | None]]:
    return [[target.target_id for target in group.targets] for group in group_failures(targets)]


def test_without_failures_there_are_no_groups() -> None:
    assert group_failures([]) == []
    # The status of the target counts, not that of an event.
    for status in [each for each in TargetStatus if each != "Failed"] + ["Paused", "failed"]:
        assert group_failures([state("a", status, lifecycle_events=[event()])]) == []
    assert group_failures([InstanceTarget(target_id="a", lifecycle_events=[event()])]) == []


def test_a_group_has_its_event_its_targets_and_the_diagnostics_of_the_first() -> None:
    targets: list[DeploymentTarget] = [
        failed("a", event(log_tail="log of a")),
        failed("b", event(log_tail="log of b")),
    ]
    [group] = group_failures(targets)
    assert group == FailureGroup("Install", Diagnostics(**CAUSE, log_tail="log of a"), targets)
    assert group.diagnostics is targets[0].lifecycle_events[0].diagnostics
    assert group.targets[1] is targets[1]
    assert pickle.loads(pickle.dumps(group)) == group
    with pytest.raises(AttributeError):
        group.targets = []  # type: ignore[misc]


@pytest.mark.parametrize("other", [
    event("BeforeInstall"), event(None), WITHOUT_DIAGNOSTICS,
    event(error_code="ScriptTimedOut"), event(error_code="OfTheFuture"), event(error_code=None),
    event(script_name="start.sh"), event(script_name=None),
    event(message="exit code 2"), event(message=None),
])  # fmt: skip
def test_what_makes_another_cause(other: LifecycleEvent) -> None:
    assert grouped_ids([failed("a"), failed("b", other), failed("c")]) == [["a", "c"], ["b"]]
    assert grouped_ids([failed("a", other), failed("b", other)]) == [["a", "b"]]


def test_log_times_and_other_events_make_no_other_cause() -> None:
    targets = [
        failed("a"),
        failed("b", event(log_tail="[stderr]no")),
        failed("c", PENDING, event(), event("ValidateService")),
        failed("d", deployment_id="d-1", target_arn="arn", last_updated_at="2026-01-02T03:04:05Z"),
    ]
    assert grouped_ids(targets) == [["a", "b", "c", "d"]]
    # Diagnostics that tell nothing are as good as none.
    log = WITHOUT_DIAGNOSTICS.model_copy(update={"diagnostics": Diagnostics(log_tail="line 1")})
    assert grouped_ids([failed("a", WITHOUT_DIAGNOSTICS), failed("b", log)]) == [["a", "b"]]


def test_the_largest_group_is_first_and_equals_keep_their_order() -> None:
    causes = {"1": "ab", "2": "c", "3": "def", "4": "gh", "5": "i"}
    targets = [failed(each, event(cause)) for cause, ids in causes.items() for each in ids]
    groups = group_failures(targets)
    assert [group.lifecycle_event_name for group in groups] == ["3", "1", "4", "2", "5"]
    # Between those of others, too, the targets keep their order.
    mixed = sorted(targets, key=lambda target: str(target.target_id), reverse=True)
    assert grouped_ids(mixed) == [["f", "e", "d"], ["h", "g"], ["b", "a"], ["i"], ["c"]]


def test_targets_that_tell_of_no_failed_event_are_one_group() -> None:
    of_install = failed("a")
    targets: list[DeploymentTarget] = [of_install, state("b", "Failed"), failed("c", PENDING)]
    assert group_failures(targets) == [
        FailureGroup(None, None, targets[1:]),
        FailureGroup("Install", of_install.lifecycle_events[0].diagnostics, targets[:1]),
    ]


def test_targets_of_every_type_are_grouped() -> None:
    members: Any = {"status": TargetStatus.FAILED, "lifecycle_events": [event()]}
    in_aws_shape = failed("mars").to_boto3()["instanceTarget"]
    targets: list[DeploymentTarget] = [
        *(cls(target_id=cls.__name__, **members)
          for cls in (InstanceTarget, LambdaTarget, ECSTarget, CloudFormationTarget)),
        UnknownTarget(raw={"deploymentTargetType": "MarsTarget", "marsTarget": in_aws_shape}),
        UnknownTarget(raw={"deploymentTargetType": "MarsTarget"}),
    ]  # fmt: skip
    assert group_failures(targets) == [FailureGroup("Install", Diagnostics(**CAUSE), targets[:5])]


def test_any_iterable_is_read_once() -> None:
    targets = [failed("a"), failed("b")]
    iterables: list[Any] = [targets, (*targets,), iter(targets), (each for each in targets)]
    for iterable in [*iterables, dict(enumerate(targets)).values(), map(failed, "ab")]:
        assert grouped_ids(iterable) == [["a", "b"]]


def test_the_last_state_of_a_target_counts() -> None:
    changed = failed("a", event(message="exit code 2"))
    begun = [state("a", "InProgress"), state("b", "InProgress")]
    stream = [*begun, *map(failed, "acb"), changed, state("b", "Succeeded"), *map(failed, "dd")]
    first, second = group_failures(stream)
    assert second == FailureGroup("Install", changed.lifecycle_events[0].diagnostics, [changed])
    assert first.targets == [failed("c"), failed("d")]


def test_one_target_in_two_deployments_counts_twice() -> None:
    targets = [failed("a", deployment_id=deployment) for deployment in ("d-1", "d-2")]
    assert grouped_ids(targets) == [["a", "a"]]
    [group] = group_failures([*targets, state("a", "Succeeded", deployment_id="d-1")])
    assert group.targets == targets[1:]


@pytest.mark.parametrize("no_id", [None, ""])
def test_targets_without_an_id_all_count(no_id: str | None) -> None:
    assert grouped_ids([failed(no_id), failed("a"), failed(no_id)]) == [[no_id, "a", no_id]]


def test_only_the_failures_of_a_stream_are_kept() -> None:
    succeeded = state("a", "Succeeded")

    def stream(length: int) -> Iterator[DeploymentTarget]:
        for number in range(length):
            if number % 2_000 == 0:
                yield failed(f"i-{number}")
            yield succeeded.model_copy(update={"target_id": f"i-{number}"})
            if number % 2_000 == 1:
                yield failed(f"i-{number}")

    group_failures(stream(10))  # fills the caches
    gc.collect()
    tracemalloc.start()
    try:
        [group] = group_failures(stream(20_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(group.targets) == 10
    assert peak < 200_000

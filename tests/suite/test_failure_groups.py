"""`target.diagnostics` and `group_failures`: why a deployment failed, each cause once."""

from __future__ import annotations

import gc
import pickle
import re
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError
from support.models import ONE_OF_EACH

import codedeploy_targets as ct

CAUSE: dict[str, Any] = {
    "error_code": "ScriptFailed", "script_name": "install.sh", "message": "exit code 1"
}  # fmt: skip


def event(name: str | None = "Install", status: str = "Failed", **why: Any) -> ct.LifecycleEvent:
    members = {"lifecycle_event_name": name, "status": status, "diagnostics": why or None}
    return ct.LifecycleEvent.model_validate(members)


def failed(target_id: str | None, *events: ct.LifecycleEvent, **members: Any) -> ct.InstanceTarget:
    given = {"status": "Failed", "lifecycle_events": [*events] or [event(**CAUSE)], **members}
    return ct.InstanceTarget(target_id=target_id, **given)


def grouped_ids(targets: Any, key: Any = None) -> list[list[str | None]]:
    groups = ct.group_failures(targets, key)
    return [[target.target_id for target in group.targets] for group in groups]


BARE, PENDING, LOG = event(), event("Stop", "Pending"), event(log_tail="line 1")
LOST, SILENT = event("Start", "Unknown", message="the agent was lost"), event("Start", "Unknown")
FINE = event("End", "Succeeded", error_code="Success", message="Succeeded")
TIMED_OUT = event("Stop", "TimedOut", error_code="OfTheFuture")


@pytest.mark.parametrize("status", [*ct.TargetStatus, "Paused", "failed", None])
def test_the_status_of_the_target_counts_not_that_of_an_event(status: Any) -> None:
    assert grouped_ids([failed("a", status=status)]) == ([["a"]] if status == "Failed" else [])


def test_a_group_is_a_model_of_its_event_its_targets_and_the_diagnostics_of_the_first() -> None:
    targets = [failed(each, event(**CAUSE, log_tail=f"log of {each}")) for each in "ab"]
    [group] = ct.group_failures(targets)
    why = ct.Diagnostics.model_validate({**CAUSE, "log_tail": "log of a"})
    members: Any = {"lifecycle_event_name": "Install", "diagnostics": why, "targets": targets}
    assert group == ct.FailureGroup(**members)
    assert group.targets[1] is targets[1]
    assert pickle.loads(pickle.dumps(group)) == group
    assert ct.FailureGroup.model_validate(group.model_dump()) == group
    assert ct.FailureGroup.model_validate_json(group.model_dump_json()) == group
    with pytest.raises(ValidationError):
        group.targets = []  # type: ignore[misc]


@pytest.mark.parametrize(("events", "telling"), [
    ([TIMED_OUT, event(**CAUSE), LOST], 1), ([LOG, event("Stop", **CAUSE)], 0),
    ([LOST, FINE, SILENT], 0), ([LOST, TIMED_OUT, PENDING, FINE], 1), ([BARE, LOST, FINE], 1),
    ([FINE, BARE], None), ([FINE, SILENT, PENDING], None), ([PENDING], None),
])  # fmt: skip
def test_the_failed_event_tells_why_else_the_last_one_that_reports_an_error(
    events: list[ct.LifecycleEvent], telling: int | None
) -> None:
    target = failed("a", *events)
    assert target.diagnostics is (None if telling is None else events[telling].diagnostics)
    [group] = ct.group_failures([target])
    assert group.diagnostics is target.diagnostics
    source = target.failed_event if telling is None else events[telling]
    assert group.lifecycle_event_name == (source.lifecycle_event_name if source else None)


@pytest.mark.parametrize("other", [
    event("Stop", **CAUSE), event(None, **CAUSE), BARE, LOST, PENDING,
    *(event(**{**CAUSE, name: value}) for name in CAUSE for value in ("OfTheFuture", None)),
])  # fmt: skip
def test_another_event_code_script_or_message_is_another_cause(other: ct.LifecycleEvent) -> None:
    assert grouped_ids([failed("a"), failed("b", other), failed("c")]) == [["a", "c"], ["b"]]
    assert grouped_ids([failed("a", other), failed("b", other)]) == [["a", "b"]]


def test_neither_the_log_nor_times_nor_other_events_make_another_cause() -> None:
    targets = [
        failed("a"),
        failed("b", event(**CAUSE, log_tail="[stderr]no")),
        failed("c", PENDING, event(**CAUSE), event("ValidateService", message="no")),
        failed("d", deployment_id="d-1", target_arn="arn", last_updated_at="2026-01-02T03:04:05Z"),
    ]
    assert grouped_ids(targets) == [["a", "b", "c", "d"]]
    # Diagnostics that tell nothing are as good as none.
    targets = [failed("a", BARE), failed("b", LOG), failed("c", BARE, LOST)]
    assert grouped_ids(targets) == [["a", "b"], ["c"]]


def test_a_key_of_the_users_groups_instead() -> None:
    messages = {"a": "no disk", "b": "exit 1", "c": "exit 37"}
    targets = [failed(each, event(message=message)) for each, message in messages.items()]

    def without_numbers(target: ct.DeploymentTarget) -> str:
        assert target.diagnostics is not None
        return re.sub("[0-9]+", "N", target.diagnostics.message or "")

    targets += [failed("d", event("Stop", message="exit 9")), failed("e", BARE, status="Ready")]
    assert grouped_ids(targets, without_numbers) == [["b", "c", "d"], ["a"]]
    first = ct.group_failures(targets, key=without_numbers)[0]
    assert (first.lifecycle_event_name, first.diagnostics) == ("Install", targets[1].diagnostics)


def test_the_largest_group_is_first_and_equals_keep_their_order() -> None:
    causes = {"4": "ab", "2": "c", "3": "def", "1": "gh", "5": "i"}
    targets = [failed(each, event(cause)) for cause, ids in causes.items() for each in ids]
    assert grouped_ids(iter(targets)) == [["d", "e", "f"], ["a", "b"], ["g", "h"], ["c"], ["i"]]


def test_targets_of_every_type_are_grouped() -> None:
    assert [group.targets for group in ct.group_failures(ONE_OF_EACH)] == [ONE_OF_EACH]


def test_the_last_state_of_a_target_counts() -> None:
    begun = [failed(each, status="InProgress") for each in "ab"]
    changed = [failed("a", BARE), failed("b", status="InProgress"), failed("e", status="Succeeded")]
    states = [*begun, *map(failed, "acbe"), *changed, *map(failed, "dd")]
    assert grouped_ids(states) == [["c", "d"], ["a"]]


@pytest.mark.parametrize(("name", "values"), [
    ("deployment_id", ["d-1", "d-2"]), ("instance_label", ["Blue", "Green"]),
])  # fmt: skip
def test_an_id_in_two_deployments_or_under_two_labels_counts_twice(name: str, values: Any) -> None:
    targets = [failed("a", **{name: value}) for value in values]
    [group] = ct.group_failures([*targets, failed("a", status="Succeeded", **{name: values[0]})])
    assert group.targets == targets[1:]


@pytest.mark.parametrize("no_id", [None, ""])
def test_targets_without_an_id_all_count(no_id: str | None) -> None:
    assert grouped_ids([failed(no_id), failed("a"), failed(no_id)]) == [[no_id, "a", no_id]]


def test_only_the_failures_of_a_stream_are_kept() -> None:
    def stream(length: int) -> Iterator[ct.DeploymentTarget]:
        for number in range(length):
            yield failed(f"i-{number}", status="Succeeded" if number % 2_000 else "Failed")

    ct.group_failures(stream(10))  # fills the caches
    gc.collect()
    tracemalloc.start()
    try:
        [group] = ct.group_failures(stream(20_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(group.targets) == 10
    assert peak < 200_000

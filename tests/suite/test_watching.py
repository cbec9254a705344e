"""Following a deployment: what a round asks, what is yielded, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from support.clients import aiobotocore_client
from support.deployments import (
    BUSY,
    CUT_SHORT,
    LIST,
    OPERATIONS,
    READ,
    ScriptedService,
    Step,
    fleet,
    target,
    told,
    watch,
)
from support.endpoint import Response, error, serve, unanswered

from codedeploy_targets import BatchGetDeploymentTargetsOutput as Output
from codedeploy_targets import InvalidResponseError
from codedeploy_targets._watching import Watch
from codedeploy_targets.aio import AsyncDeploymentTargetsClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.clients import Clients

    from codedeploy_targets import DeploymentTarget

LONG = 60.0  # seconds: a wait that no test may reach
SHORT = 10.0  # seconds: enough for what takes no time, on a slow machine too
TERMINAL = ["Succeeded", "Failed", "Skipped"]
RETRIES = {"total_max_attempts": 3}
THROTTLED = error("ThrottlingException")
RUNNING = fleet(a="InProgress", b="Pending")
ENDED = fleet(a="Succeeded", b="Succeeded")
NOT_OVER, SUCCEEDED = Step("InProgress", RUNNING), Step("Succeeded", ENDED)


@pytest.fixture
def nothing_is_left(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Assert that no thread is left, and that nothing was logged: asyncio logs what it finds."""
    before = set(threading.enumerate())
    yield
    gc.collect()
    deadline = time.monotonic() + SHORT
    while not set(threading.enumerate()) <= before:
        assert time.monotonic() < deadline, "a thread is left behind"
        time.sleep(0.005)
    # What asyncio's debug mode logs on a busy machine, of a step that took long, is no fault.
    logged = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert [each for each in logged if not each.startswith("Executing ")] == []


# The core, which performs no I/O and knows no clock.


@dataclass(frozen=True)
class Script:
    """A deployment as it is drawn.

    Attributes:
        statuses: what GetDeployment answers, round by round.
        timelines: the states of each target: two a round, as it is listed and as it is read.
        left_out: the rounds and ids of targets that a read leaves out.
        starts: the first round in which the service does not answer that it has not started.
    """

    statuses: list[str | None]
    timelines: dict[str, list[DeploymentTarget | None]]
    left_out: set[tuple[int, str]]
    starts: int

    def listed(self, number: int, filters: Any) -> list[str]:
        states = {target_id: states[2 * number] for target_id, states in self.timelines.items()}
        return [
            target_id
            for target_id, state in states.items()
            if state and (filters is None or state.status in filters["TargetStatus"])
        ]


@st.composite
def timelines(draw: st.DrawFn, target_id: str, rounds: int) -> list[DeploymentTarget | None]:
    """Draw the states of a target that appears, is busy, and may come to its end."""
    moments = 2 * rounds
    # What appears after the last listing is not seen; most often, a target is there at once.
    appears = draw(st.just(0) | st.integers(0, moments - 2))
    states: list[DeploymentTarget | None] = [None] * appears
    while len(states) < moments:
        status = draw(st.sampled_from([*BUSY["TargetStatus"], "Paused", *TERMINAL]))
        state = target(target_id, status, draw(st.sampled_from([None, "Install", "Start"])))
        # A terminal state stays for ever, any other for a while.
        length = moments if state.is_terminal else draw(st.integers(1, 5))
        states += [state] * length
    return states[:moments]


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    rounds = draw(st.sampled_from([4, 2, 1, 3, 6]))
    statuses = st.sampled_from([None, "Created", "Queued", "InProgress", "Baking", "Ready", "New"])
    before = draw(st.lists(statuses, min_size=rounds - 1, max_size=rounds - 1))
    ids = [f"i-{number}" for number in range(draw(st.sampled_from([2, 4, 1, 0])))]
    drawn = {target_id: draw(timelines(target_id, rounds)) for target_id in ids}
    firsts = [moment for states in drawn.values() for moment, state in enumerate(states) if state]
    return Script(
        statuses=[*before, draw(st.sampled_from(["Succeeded", "Failed", "Stopped"]))],
        timelines=drawn,
        left_out=draw(st.sets(st.tuples(st.integers(0, rounds - 2), st.sampled_from(ids))))
        if ids and rounds > 1
        else set(),
        starts=draw(st.integers(0, min(firsts, default=2 * rounds) // 2)),
    )


@given(scripts())
def test_the_core_tells_of_every_change_and_of_the_end(script: Script) -> None:
    core = Watch("d-1", 0, None)
    yielded: dict[str, list[DeploymentTarget]] = {}
    seen: dict[str, DeploymentTarget] = {}  # as it was last read
    begun = False
    for number, status in enumerate(script.statuses):
        params = core.listing_params({"deploymentInfo": {"status": status}})
        assert core.over == (number == len(script.statuses) - 1)
        # Targets are listed without a filter until there are some, and in the last round.
        filters = BUSY if begun and not core.over else None
        assert params == {"deploymentId": "d-1", **({"targetFilters": filters} if filters else {})}
        if number < script.starts:  # DeploymentNotStartedException
            assert core.changed(Output()).deployment_targets == []
            continue
        listed = script.listed(number, filters)
        asked = core.ids_to_read(iter(listed))

        # Whatever is busy is read again, with what is new; what has come to its end is not.
        busy = {target_id for target_id, state in seen.items() if not state.is_terminal}
        ended = seen.keys() - busy
        assert len(asked) == len(set(asked))
        assert set(asked) == (set(listed) | busy) - ended

        read: dict[str, DeploymentTarget] = {}
        for target_id in asked:
            state = script.timelines[target_id][2 * number + 1]
            assert state is not None
            if (number, target_id) not in script.left_out:
                read[target_id] = state
        changed = core.changed(Output(deployment_targets=[*read.values()])).deployment_targets
        # A target is yielded if and only if it is new or differs from what was yielded last.
        assert changed == [state for each, state in read.items() if state != seen.get(each)]
        seen |= read
        begun = bool(seen)
        for each in changed:
            yielded.setdefault(str(each.target_id), []).append(each)

    # The last word on every target comes last.
    last = {target_id: states[-1] for target_id, states in script.timelines.items()}
    assert {target_id: states[-1] for target_id, states in yielded.items()} == last


@pytest.mark.parametrize(
    ("status", "over"),
    [
        (None, False),
        ("Created", False),
        ("InProgress", False),
        ("Ready", False),
        ("Baking", False),
        ("Paused", False),
        ("Succeeded", True),
        ("Failed", True),
        ("Stopped", True),
    ],
)
def test_the_core_knows_when_a_deployment_is_over(*, status: str | None, over: bool) -> None:
    core = Watch("d-1", 5, None)
    assert not core.over
    core.listing_params({"deploymentInfo": {"status": status}})
    assert core.over == over


@pytest.mark.parametrize(
    ("delay", "timeout", "elapsed", "pause"),
    [
        (5, None, 1e9, 5),
        (0, None, 0, 0),
        (5, 60, 0, 5),
        (5, 60, 54.5, 5),
        (5, 60, 58.5, 1.5),
        (60, 5, 0, 5),
        (0, 60, 59, 0),
    ],
)
def test_a_pause_is_the_delay_and_goes_no_further_than_the_timeout(
    delay: float, timeout: float | None, elapsed: float, pause: float
) -> None:
    assert Watch("d-1", delay, timeout).pause(elapsed) == pause


@pytest.mark.parametrize("elapsed", [60, 60.5, 1e9])
def test_no_pause_begins_after_the_timeout(elapsed: float) -> None:
    with pytest.raises(TimeoutError, match=r"^d-1 is not over after 60 seconds$"):
        Watch("d-1", 5, 60).pause(elapsed)


# Both clients, against a CodeDeploy that follows a script.


def test_a_deployment_is_told_as_it_happens(clients: Clients) -> None:
    service = ScriptedService(
        [
            Step("Created"),
            Step("InProgress", []),
            Step("InProgress", fleet(a="Pending", b="Pending")),
            Step("InProgress", [target("a", "InProgress", "BeforeInstall"), *fleet(b="Pending")]),
            Step("InProgress", [target("a", "InProgress", "AfterInstall"), *fleet(b="Pending")]),
            Step("InProgress", fleet(a="Succeeded", b="InProgress")),
            Step("Succeeded", fleet(a="Succeeded", b="Succeeded")),
        ]
    )
    targets = watch(clients, clients.canned(service))

    assert told(targets, service) == [
        {},
        {},
        {"a": "Pending", "b": "Pending"},
        {"a": "InProgress: BeforeInstall"},
        {"a": "InProgress: AfterInstall"},
        {"a": "Succeeded", "b": "InProgress"},
        {"b": "Succeeded"},
    ]
    assert targets.missing_target_ids == []
    assert list(targets) == []
    assert len(service.rounds()) == 7


def test_a_deployment_that_is_over_is_told_in_one_round(clients: Clients) -> None:
    service = ScriptedService([Step("Failed", fleet(a="Succeeded", b="Failed", c="Pending"))])
    targets = watch(clients, clients.canned(service), delay=LONG, timeout=0)
    assert list(targets) == fleet(a="Succeeded", b="Failed", c="Pending")
    assert [operation for operation, _ in service.calls] == list(OPERATIONS)


def test_targets_that_appear_late_are_found_while_it_runs(clients: Clients) -> None:
    service = ScriptedService(
        [
            Step("InProgress", fleet(a="InProgress")),
            Step("InProgress", fleet(a="InProgress", b="Pending")),
            Step("InProgress", fleet(a="Succeeded", b="InProgress", c="Succeeded")),
            Step("Succeeded", fleet(a="Succeeded", b="Succeeded", c="Succeeded", d="Skipped")),
        ]
    )
    targets = watch(clients, clients.canned(service))
    assert told(targets, service) == [
        {"a": "InProgress"},
        {"b": "Pending"},
        {"a": "Succeeded", "b": "InProgress"},
        # The service listed `c` and `d` in no filtered listing: the last round finds them.
        {"b": "Succeeded", "c": "Succeeded", "d": "Skipped"},
    ]
    assert service.read_ids() == [["a"], ["a", "b"], ["a", "b"], ["b", "c", "d"]]


def test_a_target_that_ends_between_two_rounds_is_read_although_none_lists_it(
    clients: Clients,
) -> None:
    service = ScriptedService(
        [
            Step("InProgress", fleet(a="InProgress", b="InProgress")),
            Step("InProgress", fleet(a="Failed", b="InProgress")),
            Step("InProgress", fleet(a="Failed", b="Ready")),
            Step("Failed", fleet(a="Failed", b="Skipped")),
        ]
    )
    targets = watch(clients, clients.canned(service))
    assert told(targets, service) == [
        {"a": "InProgress", "b": "InProgress"},
        {"a": "Failed"},
        {"b": "Ready"},
        {"b": "Skipped"},
    ]
    # What has come to its end is not read again.
    assert service.read_ids() == [["a", "b"], ["a", "b"], ["b"], ["b"]]


def test_a_stop_tells_how_each_target_was_left(clients: Clients) -> None:
    service = ScriptedService(
        [
            Step("InProgress", fleet(a="Succeeded", b="InProgress", c="Pending", d="Pending")),
            Step("Stopped", fleet(a="Succeeded", b="Failed", c="Skipped", d="Pending")),
        ]
    )
    targets = watch(clients, clients.canned(service))
    assert told(targets, service)[1:] == [{"b": "Failed", "c": "Skipped"}]
    assert service.read_ids()[1:] == [["b", "c", "d"]]


@pytest.mark.parametrize("nothing", [None, []])
def test_a_deployment_may_end_without_ever_having_a_target(
    clients: Clients, nothing: list[Any] | None
) -> None:
    service = ScriptedService([Step("Created", nothing), Step("Stopped", nothing)])
    targets = watch(clients, clients.canned(service))
    assert list(targets) == []
    assert targets.missing_target_ids == []
    assert service.asked(READ) == []
    assert len(service.calls) == 4


def test_a_status_from_the_future_is_followed_like_any_other(clients: Clients) -> None:
    service = ScriptedService(
        [
            Step("Created", fleet(a="InProgress", b="Paused")),
            Step("Resting", fleet(a="Paused", b="Paused")),
            Step("Resting", fleet(a="Paused", b="InProgress")),
            Step("Succeeded", fleet(a="Succeeded", b="Paused")),
        ]
    )
    targets = watch(clients, clients.canned(service))
    assert told(targets, service) == [
        {"a": "InProgress", "b": "Paused"},
        {"a": "Paused"},
        {"b": "InProgress"},
        {"a": "Succeeded", "b": "Paused"},
    ]
    # No filter names that status; both were read in each round all the same.
    assert service.read_ids() == [["a", "b"]] * 4


def test_a_target_that_is_busy_again_is_told_again(clients: Clients) -> None:
    service = ScriptedService(
        [
            Step("InProgress", fleet(a="Failed", b="Pending")),
            Step("InProgress", fleet(a="InProgress", b="Pending")),
            Step("InProgress", fleet(a="Succeeded", b="Pending")),
            Step("Succeeded", fleet(a="Succeeded", b="Succeeded")),
        ]
    )
    targets = watch(clients, clients.canned(service))
    assert told(targets, service) == [
        {"a": "Failed", "b": "Pending"},
        {"a": "InProgress"},
        {"a": "Succeeded"},
        {"b": "Succeeded"},
    ]
    assert service.read_ids() == [["a", "b"], ["a", "b"], ["a", "b"], ["b"]]


def test_a_round_costs_the_busy_targets_only(clients: Clients) -> None:
    many = {f"i-{number:04}": "Succeeded" for number in range(1000)}
    busy = list(many)[::34]  # 30 of them, all over the pages
    in_progress = Step("InProgress", fleet(**many | dict.fromkeys(busy, "InProgress")))
    service = ScriptedService([*[in_progress] * 4, Step("Succeeded", fleet(**many))])
    targets = watch(clients, clients.canned(service))

    assert len(list(targets)) == 1030
    first, *middle, last = [
        [sum(name == operation for name, _ in calls) for operation in OPERATIONS]
        for calls in service.rounds()
    ]
    assert first == [1, 10, 40]
    assert middle == [[1, 1, 2]] * 3
    assert last == [1, 10, 2]
    assert service.read_ids()[1:] == [busy] * 4
    filters = [params.get("targetFilters") for params in service.asked(LIST)]
    assert filters == [None] * 10 + [BUSY] * 3 + [None] * 10


def test_watching_calls_nothing_before_the_first_next(clients: Clients) -> None:
    client = clients.canned(unanswered)
    never_begun = watch(clients, client)
    clients.pause(0.02)
    assert never_begun.missing_target_ids == []
    never_begun.close()
    assert list(never_begun) == []


def test_ids_that_are_listed_and_never_answered_are_named(clients: Clients) -> None:
    lost = frozenset({"b", "d"})
    service = ScriptedService(
        [
            Step("InProgress", fleet(a="InProgress", b="Succeeded", c="Pending"), lost),
            Step("Succeeded", fleet(a="Succeeded", b="Succeeded", c="Failed", d="Failed"), lost),
        ]
    )
    targets = watch(clients, clients.canned(service))
    assert told(targets, service) == [
        {"a": "InProgress", "c": "Pending"},
        {"a": "Succeeded", "c": "Failed"},
    ]
    assert sorted(targets.missing_target_ids) == ["b", "d"]


# Trouble with the service.


@pytest.mark.usefixtures("retry_at_once")
@pytest.mark.parametrize("mode", ["legacy", "standard"])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("trouble", [THROTTLED, CUT_SHORT], ids=["throttled", "cut short"])
def test_trouble_that_passes_is_not_noticed(
    clients: Clients, trouble: Response, operation: str, mode: str
) -> None:
    steps = [NOT_OVER, NOT_OVER, SUCCEEDED]
    service = ScriptedService(steps, {(operation, 2): trouble, (operation, 3): trouble})
    client = clients.canned(service, retries={**RETRIES, "mode": mode})
    assert list(watch(clients, client)) == [*RUNNING, *ENDED]
    assert [len(service.asked(each)) for each in OPERATIONS] == [
        3 + 2 * (each == operation) for each in OPERATIONS
    ]


@pytest.mark.usefixtures("retry_at_once")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_throttling_that_stays_is_raised_as_it_is(clients: Clients, operation: str) -> None:
    instead = {(operation, number): THROTTLED for number in range(2, 5)}
    service = ScriptedService([NOT_OVER], instead)
    targets = watch(clients, clients.canned(service, retries=RETRIES))
    assert [next(targets), next(targets)] == RUNNING
    with pytest.raises(ClientError) as caught:
        next(targets)
    assert type(caught.value).__name__ in {"ClientError", "ThrottlingException"}
    assert caught.value.response["Error"]["Code"] == "ThrottlingException"
    assert caught.value.operation_name == operation
    assert len(service.asked(operation)) == 4
    assert list(targets) == []


@pytest.mark.usefixtures("retry_at_once")
@pytest.mark.parametrize("operation", OPERATIONS)
def test_answers_that_stay_cut_short_are_no_silent_end(clients: Clients, operation: str) -> None:
    instead = {(operation, number): CUT_SHORT for number in range(2, 5)}
    service = ScriptedService([NOT_OVER], instead)
    targets = watch(clients, clients.canned(service, retries=RETRIES))
    assert [next(targets), next(targets)] == RUNNING
    with pytest.raises(InvalidResponseError, match=f"to {operation} .* cut short") as caught:
        next(targets)
    assert caught.value.deployment_id == "d-1"
    assert caught.value.target_ids == (["a", "b"] if operation == READ else [])
    assert caught.value.body == CUT_SHORT.body
    assert len(service.asked(operation)) == 4
    assert list(targets) == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_answer_of_another_shape_is_raised_at_once(clients: Clients, operation: str) -> None:
    service = ScriptedService([NOT_OVER], {(operation, 1): Response(b"[]")})
    targets = watch(clients, clients.canned(service, retries=RETRIES))
    with pytest.raises(InvalidResponseError, match=f"to {operation} .* no object"):
        next(targets)
    assert len(service.asked(operation)) == 1


@pytest.mark.parametrize("answer", [
    b"{}", b"[]", b'{"deploymentInfo": []}', b'{"deploymentInfo": {}}',
    b'{"deploymentInfo": {"status": 5}}', b'{"deploymentInfo": {"status": null}}',
])  # fmt: skip
def test_a_deployment_without_a_status_is_raised_at_once(clients: Clients, answer: bytes) -> None:
    service = ScriptedService([Step("InProgress", [])], {("GetDeployment", 1): Response(answer)})
    with pytest.raises(InvalidResponseError, match="GetDeployment cannot be read"):
        list(watch(clients, clients.canned(service)))
    assert len(service.calls) == 1


def test_a_target_of_a_future_type_without_an_id_is_yielded_once(clients: Clients) -> None:
    def mars(status: str) -> dict[str, object]:
        return {"deploymentTargetType": "Mars", "mars": {"name": "rover", "status": status}}

    statuses = iter(["InProgress", "InProgress", "Succeeded", "Succeeded"])
    deployment = iter(["InProgress", "InProgress", "InProgress", "Succeeded"])

    def answer(operation: str, _: object) -> Response:
        if operation == "GetDeployment":
            return Response(json.dumps({"deploymentInfo": {"status": next(deployment)}}).encode())
        if operation == "ListDeploymentTargets":
            return Response(b'{"targetIds": ["rover"]}')
        return Response(json.dumps({"deploymentTargets": [mars(next(statuses))]}).encode())

    targets = watch(clients, clients.canned(answer))
    assert [target.status for target in targets] == ["InProgress", "Succeeded"]


def test_an_id_is_missing_until_it_is_answered(clients: Clients) -> None:
    busy = fleet(a="InProgress", b="InProgress")
    steps = [
        Step("InProgress", busy, left_out=frozenset("b")),
        Step("InProgress", busy),
        Step("Succeeded", fleet(a="Succeeded", b="Succeeded"), left_out=frozenset("a")),
    ]
    targets = watch(clients, clients.canned(ScriptedService(steps)))
    missing = [list(targets.missing_target_ids) for _ in targets]
    assert missing == [["b"], [], ["a"]]
    assert targets.missing_target_ids == ["a"]


def test_a_target_that_is_busy_again_and_left_out_is_read_at_the_end(clients: Clients) -> None:
    steps = [
        Step("InProgress", fleet(a="Failed", b="Pending")),
        Step("InProgress", fleet(a="InProgress", b="Pending"), left_out=frozenset("a")),
        Step("Succeeded", fleet(a="Succeeded", b="Succeeded")),
    ]
    service = ScriptedService(steps)
    targets = watch(clients, clients.canned(service))
    assert told(targets, service)[1:] == [{}, {"a": "Succeeded", "b": "Succeeded"}]
    assert targets.missing_target_ids == []


def test_a_listing_cut_short_on_a_later_page_loses_no_target(clients: Clients) -> None:
    many = fleet(**{f"i-{number:03}": "Succeeded" for number in range(250)})
    service = ScriptedService([Step("Succeeded", many)], {(LIST, 2): CUT_SHORT})
    client = clients.canned(service, retries={"total_max_attempts": 1})
    with pytest.raises(InvalidResponseError):
        list(watch(clients, client))
    assert service.asked(READ) == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_error_of_the_service_is_raised_as_it_is(clients: Clients, operation: str) -> None:
    refusal = error("DeploymentDoesNotExistException")
    service = ScriptedService([NOT_OVER], {(operation, 1): refusal})
    client = clients.canned(service)
    with pytest.raises(client.exceptions.DeploymentDoesNotExistException):
        next(watch(clients, client))
    assert len(service.asked(operation)) == 1


def test_an_error_that_a_mock_raises_is_raised_as_it_is(clients: Clients) -> None:
    denied = ClientError({"Error": {"Code": "AccessDeniedException"}}, "ListDeploymentTargets")
    mock = clients.mock()
    mock.get_deployment = clients.method(lambda **_: {"deploymentInfo": {"status": "Succeeded"}})
    mock.get_paginator.return_value.paginate.side_effect = denied
    with pytest.raises(ClientError) as caught:
        next(watch(clients, clients.wrap(mock)))
    assert caught.value is denied


def test_a_target_that_is_gone_is_an_error_of_the_service(clients: Clients) -> None:
    steps = [NOT_OVER, Step("InProgress", fleet(a="InProgress"))]
    client = clients.canned(ScriptedService(steps))
    targets = watch(clients, client)
    assert [next(targets), next(targets)] == RUNNING
    with pytest.raises(client.exceptions.DeploymentTargetDoesNotExistException):
        next(targets)


# Waiting.


NO_TIMES = [
    {"delay": float("nan")},
    {"delay": threading.TIMEOUT_MAX},
    {"timeout": -1},
    {"timeout": float("nan")},
]


@pytest.mark.parametrize("wrong", NO_TIMES)
def test_a_time_that_is_none_is_refused_at_once(clients: Clients, wrong: dict[str, float]) -> None:
    client = clients.canned(unanswered)
    with pytest.raises(ValueError, match=r"must be (0 to \d+|at least 0) seconds, not "):
        client.typed.watch_deployment_targets(deploymentId="d-1", **wrong)


@pytest.mark.parametrize("delay", [0, 0.01, LONG])
@pytest.mark.parametrize("stuck", [NOT_OVER, Step("Created"), Step("Created", [])])
def test_a_deployment_that_is_stuck_ends_in_a_timeout(
    clients: Clients, stuck: Step, delay: float
) -> None:
    service = ScriptedService([stuck])
    targets = watch(clients, clients.canned(service), delay=delay, timeout=0.05)
    begin = time.monotonic()
    with pytest.raises(TimeoutError, match=r"^d-1 is not over after 0\.05 seconds$"):
        list(targets)
    assert 0.04 < time.monotonic() - begin < SHORT
    assert service.rounds()
    assert list(targets) == []


def test_what_came_before_the_timeout_is_yielded(clients: Clients) -> None:
    targets = watch(clients, clients.canned(ScriptedService([NOT_OVER])), timeout=0.02)
    assert [next(targets), next(targets)] == RUNNING
    with pytest.raises(TimeoutError):
        next(targets)


def test_the_timeout_begins_with_the_first_next(clients: Clients) -> None:
    service = ScriptedService([NOT_OVER, SUCCEEDED])
    targets = watch(clients, clients.canned(service), timeout=SHORT)
    time_of_its_own = time.monotonic
    with pytest.MonkeyPatch.context() as patch:
        # Between making the iterator and the first `next`, an hour goes by.
        patch.setattr("time.monotonic", lambda: time_of_its_own() + 3600)
        assert len(list(targets)) == 4


def test_timeout_0_makes_one_round(clients: Clients) -> None:
    service = ScriptedService([NOT_OVER])
    targets = watch(clients, clients.canned(service), delay=LONG, timeout=0)
    assert [next(targets), next(targets)] == RUNNING
    with pytest.raises(TimeoutError, match="after 0 seconds"):
        next(targets)
    assert len(service.rounds()) == 1


@pytest.mark.parametrize("delay", [-1, -0.001, float("-inf")])
def test_a_delay_below_0_is_refused_at_once(clients: Clients, delay: float) -> None:
    client = clients.canned(unanswered)
    with pytest.raises(ValueError, match=rf"^delay must be 0 to \d+ seconds, not {delay}$"):
        watch(clients, client, delay=delay)


def test_the_delay_lies_between_two_rounds(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    monkeypatch.setattr("asyncio.sleep", clients.method(pauses.append))
    service = ScriptedService([Step("Created"), NOT_OVER, SUCCEEDED])
    client = clients.canned(service)
    targets = clients.iterator(client.typed.watch_deployment_targets(deploymentId="d-1"))
    assert len(list(targets)) == 4
    assert pauses == [5.0, 5.0]  # five seconds are the default; none after the last round


# Nothing is left behind. For the async client, the iterator asserts that no task is left.


@pytest.mark.usefixtures("nothing_is_left")
def test_closing_the_iterator_ends_the_watch(clients: Clients) -> None:
    many = fleet(**{f"i-{number}": "InProgress" for number in range(60)})
    service = ScriptedService([Step("InProgress", many)])
    targets = watch(clients, clients.canned(service))
    next(targets)
    targets.close()
    targets.close()
    assert list(targets) == []
    assert len(service.rounds()) == 1


@pytest.mark.usefixtures("nothing_is_left")
def test_a_keyboard_interrupt_while_waiting_ends_the_watch(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    service = ScriptedService([NOT_OVER])
    targets = watch(clients, clients.canned(service), delay=LONG)
    assert [next(targets), next(targets)] == RUNNING
    with monkeypatch.context() as patch:
        patch.setattr("time.sleep", interrupt)
        patch.setattr("asyncio.sleep", clients.method(interrupt))
        with pytest.raises(KeyboardInterrupt):
            next(targets)
    assert list(targets) == []
    assert len(service.rounds()) == 1


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("during", [*OPERATIONS, "the pause"])
def test_cancelling_the_task_leaves_nothing_behind(during: str) -> None:
    pytest.importorskip("aiobotocore")
    many = fleet(**{f"i-{number}": "InProgress" for number in range(60)})
    service = ScriptedService([Step("InProgress", many)])
    arrived, release = threading.Event(), threading.Event()

    def answer(operation: str, params: dict[str, Any]) -> Response:
        if operation == during:
            arrived.set()
            release.wait(SHORT)
        return service(operation, params)

    async def main() -> None:
        async with aiobotocore_client(endpoint.url) as wrapped:
            client = AsyncDeploymentTargetsClient(wrapped)
            yielded = []

            async def consume() -> None:
                targets = client.watch_deployment_targets(deploymentId="d-1", delay=LONG)
                async for each in targets:
                    yielded.append(each)
                    if len(yielded) == 60:
                        arrived.set()

            task = asyncio.create_task(consume())
            await asyncio.to_thread(arrived.wait, SHORT)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert len(yielded) == (60 if during == "the pause" else 0)
            release.set()

    with serve(answer) as endpoint:
        asyncio.run(main(), debug=True)


@pytest.mark.usefixtures("nothing_is_left")
@pytest.mark.parametrize("held", ["by the consumer", "by a task that waits"])
def test_a_loop_that_ends_closes_the_iterators_that_are_held(held: str) -> None:
    pytest.importorskip("aiobotocore")
    reported: list[dict[str, Any]] = []
    held_on_to: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: reported.append(told))
        async with aiobotocore_client(endpoint.url) as wrapped:
            client = AsyncDeploymentTargetsClient(wrapped)
            targets = client.watch_deployment_targets(deploymentId="d-1", delay=LONG)
            held_on_to.append(targets)
            assert await anext(targets) == target("a", "InProgress")
            if held == "by a task that waits":
                await anext(targets)
                waits = asyncio.create_task(anext(targets))
                held_on_to.append(waits)
                await asyncio.sleep(0.01)

    with serve(ScriptedService([NOT_OVER])) as endpoint:
        asyncio.run(main(), debug=True)
    assert reported == []


BEGIN = {
    "sync": """
import threading
from support.endpoint import boto3_client
from codedeploy_targets import DeploymentTargetsClient

def follow(then):
    with contextlib.closing(boto3_client(sys.argv[1])) as wrapped:
        client = DeploymentTargetsClient(wrapped)
        targets = client.watch_deployment_targets(deploymentId="d-1", delay=60)
        next(targets), next(targets)
        then()
        next(targets)
""",
    "async": """
import asyncio
from support.clients import aiobotocore_client
from codedeploy_targets.aio import AsyncDeploymentTargetsClient

async def main(then):
    # What takes long on a busy machine is no fault, so asyncio need not tell.
    asyncio.get_running_loop().slow_callback_duration = 60
    async with aiobotocore_client(sys.argv[1]) as wrapped:
        client = AsyncDeploymentTargetsClient(wrapped)
        targets = client.watch_deployment_targets(deploymentId="d-1", delay=60)
        await anext(targets), await anext(targets)
        then()
        await anext(targets)

def follow(then):
    asyncio.run(main(then))
""",
}


@contextmanager
def program(text: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program in a process of its own, in Python's development mode.

    The deployment that it follows is never over.
    """
    with serve(ScriptedService([NOT_OVER])) as endpoint:
        text = f"import contextlib, sys\n{text}"
        with subprocess.Popen(  # noqa: S603
            [sys.executable, "-X", "dev", "-W", "error", "-c", text, endpoint.url],
            env={"PYTHONPATH": ":".join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


@pytest.mark.usefixtures("nothing_is_left", "interruptible")
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_ctrl_c_while_a_process_waits_ends_it_without_a_word(kind: str) -> None:
    if kind == "async":
        pytest.importorskip("aiobotocore")
    text = f"""{BEGIN[kind]}
try:
    follow(lambda: print("waits", flush=True))
except KeyboardInterrupt:
    print("interrupted")
"""
    with program(text) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=SHORT)
    assert (first, rest, errors, process.returncode) == ("waits\n", "interrupted\n", "", 0)


@pytest.mark.usefixtures("nothing_is_left")
def test_a_process_ends_while_a_thread_of_it_waits() -> None:
    text = f"""{BEGIN["sync"]}
waits = threading.Event()
threading.Thread(target=follow, args=(waits.set,), daemon=True).start()
waits.wait({SHORT})
print("ends")
"""
    with program(text) as process:
        output, errors = process.communicate(timeout=2 * SHORT)
    assert (output, errors, process.returncode) == ("ends\n", "", 0)

"""Following a deployment: what a round asks, and what it yields."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError
from hypothesis import given
from hypothesis import strategies as st
from support.clients import AsyncClients, Clients
from support.clock import Clock
from support.codedeploy import BUSY, LIST, OPERATIONS, READ, CodeDeploy, Step
from support.doors import MARS
from support.endpoint import Response, error
from support.models import MOMENT
from support.pages import fleet, ids, page, target

from codedeploy_targets import DeploymentInfo, DeploymentTarget, InvalidResponseError

TERMINAL = ["Succeeded", "Failed", "Skipped"]
DONE = {"Succeeded", "Skipped"}
FAILED = {"TargetStatus": ["Failed"]}
RUNNING, ENDED = fleet(a="InProgress", b="Pending"), fleet(a="Succeeded", b="Succeeded")


def told(codedeploy: CodeDeploy, watch: Any) -> list[dict[str, str]]:
    """Follow a deployment to its end; return the id and status of what each round yields."""
    return [
        {
            target_id: f"{each.status}: {event.lifecycle_event_name}" if event else str(each.status)
            for target_id, each in yielded.items()
            for event in [each.current_event]
        }
        for yielded in codedeploy.yielded(watch)
    ]


def test_a_deployment_is_told_as_it_happens(clients: Clients) -> None:
    codedeploy = CodeDeploy(
        Step("Created"),
        Step("InProgress", []),
        Step("InProgress", fleet(a="Pending", b="Pending")),
        Step("InProgress", [target("a", "InProgress", "BeforeInstall"), *fleet(b="Pending")]),
        Step("InProgress", [target("a", "InProgress", "AfterInstall"), *fleet(b="Pending")]),
        Step("Resting", fleet(a="Succeeded", b="Paused")),
        Step("Succeeded", fleet(a="Succeeded", b="Succeeded", c="Skipped")),
    )
    watch = clients.canned(codedeploy).watch()
    assert told(codedeploy, watch) == [
        {},
        {},
        {"a": "Pending", "b": "Pending"},
        {"a": "InProgress: BeforeInstall"},
        {"a": "InProgress: AfterInstall"},
        {"a": "Succeeded", "b": "Paused"},
        {"b": "Succeeded", "c": "Skipped"},
    ]
    assert watch.missing_target_ids == []
    assert list(watch) == []
    assert len(codedeploy.rounds()) == 7


@st.composite
def timelines(draw: st.DrawFn, target_id: str, moments: int) -> list[DeploymentTarget | None]:
    """Draw the states of a target that appears, is busy, and may come to its end."""
    # What appears after the last listing is not seen; most often, a target is there at once.
    states: list[Any] = [None] * draw(st.just(0) | st.integers(0, moments - 2))
    while len(states) < moments:
        status = draw(st.sampled_from([*BUSY["TargetStatus"], "Paused", *TERMINAL]))
        state = target(target_id, status, draw(st.sampled_from([None, "Install", "Start"])))
        # A terminal state stays for ever, any other for a while.
        states += [state] * (moments if state.is_terminal else draw(st.integers(1, 5)))
    return states[:moments]


@st.composite
def scripts(draw: st.DrawFn) -> list[Step]:
    """Draw a deployment, with two states of each target a round: as listed, and as read."""
    rounds = draw(st.sampled_from([4, 2, 1, 3, 6]))
    ids = [f"i-{number}" for number in range(draw(st.sampled_from([2, 4, 1, 0])))]
    drawn = [draw(timelines(target_id, 2 * rounds)) for target_id in ids]
    moments = [[state for state in states if state] for states in zip(*drawn, strict=True)]
    moments = moments or [[]] * 2 * rounds
    appears = next((moment for moment, states in enumerate(moments) if states), 2 * rounds)
    starts = draw(st.integers(0, appears // 2))
    running = st.sampled_from(["Created", "Queued", "InProgress", "Baking", "Ready", "New"])
    left_out = st.frozensets(st.sampled_from(ids)) if ids else st.just(frozenset[str]())
    both = zip(moments[::2], moments[1::2], strict=True)
    steps = [
        Step(draw(running), listed if n >= starts else None, left_out=draw(left_out), read=read)
        for n, (listed, read) in enumerate(both)
    ]
    over = draw(st.sampled_from(["Succeeded", "Failed", "Stopped"]))
    return [*steps[:-1], replace(steps[-1], status=over, left_out=frozenset())]


def test_every_change_and_the_end_are_told(clients: Clients) -> None:
    @given(scripts())
    def check(steps: list[Step]) -> None:
        codedeploy = CodeDeploy(*steps)
        watch = clients.wrap(clients.mocked(codedeploy)).watch()  # quicker than a client
        rounds = codedeploy.yielded(watch)
        assert len(rounds) == len(steps)
        seen: dict[str, DeploymentTarget] = {}  # as it was last read
        vanished: set[str] = set()
        for step, yielded, calls, asked in zip(
            steps, rounds, codedeploy.rounds(), codedeploy.read_ids(), strict=True
        ):
            known = {each: seen[each].status for each in seen.keys() - vanished}
            first, last = not seen, step is steps[-1]
            # All are listed until there are some, and in the last round; else the busy and failed.
            filters = [None] if first or last or step.targets is None else [BUSY, FAILED]
            told = [params.get("targetFilters") for name, params in calls if name == LIST]
            assert told == (filters if first or last or step.targets else [BUSY])
            listed = by_id(step.targets)
            if first or last:
                ids = {each for each in [*listed, *known] if known.get(each) not in DONE}
            else:
                ids = {each for each, target in listed.items() if is_busy(target.status)}
                # The second listing finds the targets as they are read.
                failed = {i for i, each in by_id(step.read).items() if each.status == "Failed"}
                ids |= {each for each in failed if known.get(each) != "Failed"}
                ids |= {i for i, status in known.items() if status not in {*DONE, "Failed"}}
            assert asked == sorted(ids)
            found = by_id(step.read)
            read = {i: found[i] for i in asked if i in found and i not in step.left_out}
            # A target is yielded if and only if it is new or differs from what was yielded last.
            assert yielded == {i: state for i, state in read.items() if state != seen.get(i)}
            seen |= read
            vanished = (vanished | {*asked}) - read.keys()
        # The last word on every target comes last.
        assert seen == by_id(steps[-1].read)
        assert watch.missing_target_ids == []

    def by_id(targets: Any) -> dict[str, DeploymentTarget]:
        return {str(each.target_id): each for each in targets or ()}

    def is_busy(status: Any) -> bool:
        return status in BUSY["TargetStatus"]

    check()


def test_a_target_may_be_busy_after_its_failure_and_fail_again(clients: Clients) -> None:
    codedeploy = CodeDeploy(
        Step("InProgress", fleet(a="Failed", b="Pending")),
        Step("InProgress", fleet(a="InProgress", b="Pending")),
        Step("InProgress", fleet(a="Failed", b="Pending")),
        Step("InProgress", fleet(a="Failed", b="Pending", c="Failed")),
        Step("Succeeded", fleet(a="Succeeded", b="Succeeded", c="Failed")),
    )
    assert told(codedeploy, clients.canned(codedeploy).watch()) == [
        {"a": "Failed", "b": "Pending"},
        {"a": "InProgress"},
        {"a": "Failed"},
        {"c": "Failed"},  # it came and failed within one delay
        {"a": "Succeeded", "b": "Succeeded"},
    ]


def test_diagnostics_that_come_late_are_in_the_last_word(clients: Clients) -> None:
    bare, whole = (target("a", "Failed", "Install", message=text) for text in (None, "no disk"))
    for late in (whole, bare.model_copy(update={"last_updated_at": MOMENT})):
        steps = [Step("InProgress", [bare]), Step("InProgress", [bare]), Step("Failed", [late])]
        assert list(clients.canned(CodeDeploy(*steps)).watch()) == [bare, late]


def test_a_round_costs_the_busy_targets_only(clients: Clients) -> None:
    many = {f"i-{number:04}": "Succeeded" for number in range(1000)}
    busy = list(many)[::34]  # 30 of them, all over the pages
    failed = dict.fromkeys(list(many)[5:600:60], "Failed")
    in_progress = Step("InProgress", fleet(**many | failed | dict.fromkeys(busy, "InProgress")))
    codedeploy = CodeDeploy(*[in_progress] * 4, Step("Failed", fleet(**many | failed)))

    assert len(list(clients.canned(codedeploy).watch())) == 1030
    counts = [
        [sum(name == operation for name, _ in calls) for operation in OPERATIONS]
        for calls in codedeploy.rounds()
    ]
    assert counts == [[1, 10, 40], *[[1, 2, 2]] * 3, [1, 10, 2]]
    assert codedeploy.read_ids()[1:4] == [busy] * 3


def test_a_target_that_vanishes_is_missing_and_ends_nothing(clients: Clients) -> None:
    both = fleet(a="InProgress", b="InProgress")
    codedeploy = CodeDeploy(
        Step("InProgress", both),
        *[Step("InProgress", both[:1])] * 3,  # the service refuses the whole batch for b
        *[Step("InProgress", both, left_out=frozenset("a"))] * 2,
        Step("InProgress", both),
        Step("Succeeded", fleet(a="Succeeded")),
    )
    missing: list[list[str]] = []
    watch: Any = clients.canned(codedeploy).watch(
        on_round=lambda _: missing.append(watch.missing_target_ids)
    )
    assert told(codedeploy, watch) == [
        {"a": "InProgress", "b": "InProgress"}, {}, {}, {}, {}, {}, {}, {"a": "Succeeded"}
    ]  # fmt: skip
    assert missing == [[], ["b"], ["b"], ["b"], ["a"], ["a"], [], ["b"]]
    assert codedeploy.read_ids()[2:] == [["a"]] * 2 + [["a", "b"]] * 3 + [["a", "a", "b", "b"]]


@pytest.mark.parametrize("operation", [LIST, READ])
def test_a_deployment_that_has_not_started_is_waited_for(clients: Clients, operation: str) -> None:
    early = error("DeploymentNotStartedException")
    steps = [Step("Created", RUNNING)] * 3 + [Step("Succeeded", ENDED)]
    watch = clients.canned(CodeDeploy(*steps, instead={operation: [early, early]})).watch()
    assert list(watch) == [*RUNNING, *ENDED]


@pytest.mark.parametrize("status", ["Failed", "Stopped", "Succeeded"])
@pytest.mark.parametrize("targets", [None, []])
def test_a_deployment_may_end_without_targets(clients: Clients, status: str, targets: Any) -> None:
    steps = [Step("Queued"), Step(status, targets)]
    watch = clients.canned(CodeDeploy(*steps)).watch()
    assert (list(watch), watch.deployment.status) == ([], status)


def test_targets_that_are_gone_at_the_end_are_missing(clients: Clients) -> None:
    seen = fleet(a="Succeeded", b="InProgress", c="Failed", d="InProgress")
    steps = [Step("InProgress", seen), Step("InProgress", seen[:-1]), Step("Failed")]
    watch = clients.canned(CodeDeploy(*steps)).watch()
    assert (list(watch), watch.missing_target_ids) == (seen, ["d", "b", "c"])
    running, ended = (fleet(**dict.fromkeys(ids(30), each)) for each in ("InProgress", "Failed"))
    gone: Any = {READ: [None, None, None, error("DeploymentNotStartedException")]}
    codedeploy = CodeDeploy(Step("InProgress", running), Step("Failed", ended), instead=gone)
    watch = clients.canned(codedeploy, max_concurrency=1).watch()
    assert list(watch) == running + ended[:25]  # what the last round has read is there
    assert watch.missing_target_ids == ids(30)[25:]


def test_a_deployment_without_a_status_is_no_answer_to_a_watch(clients: Clients) -> None:
    steps = [Step("InProgress", RUNNING), Step("InProgress", info={"status": None})]
    watch = clients.canned(CodeDeploy(*steps)).watch()
    assert list(itertools.islice(watch, len(RUNNING))) == RUNNING
    told = "GetDeployment cannot be read: it tells no"
    with pytest.raises(InvalidResponseError, match=told) as no:
        next(watch)
    assert (watch.deployment.status, no.value.target_ids, no.value.body) == ("InProgress", [], b"")


def test_what_a_user_does_to_a_target_changes_nothing_in_the_watch(clients: Clients) -> None:
    steps = [Step("InProgress", [target("a", "InProgress", "Install")])] * 3
    watch = clients.canned(CodeDeploy(*steps, Step("Succeeded", ENDED))).watch()
    next(watch).lifecycle_events.clear()
    assert list(watch) == ENDED


def test_each_round_is_told_with_how_the_deployment_stands(clients: Clients) -> None:
    steps = [Step("Created"), *[Step("InProgress", RUNNING)] * 2, Step("Succeeded", ENDED)]
    heard: list[Any] = []
    watch: Any = clients.canned(CodeDeploy(*steps)).watch(
        on_round=lambda told: heard.append((told.status, watch.deployment is told))
    )
    with pytest.raises(RuntimeError, match="has not answered yet"):
        _ = watch.deployment
    statuses = []
    for each in watch:
        heard.append(each.target_id)
        statuses.append(watch.deployment.status)
    assert heard == [
        ("Created", True), "a", "b", ("InProgress", True), ("InProgress", True),
        "a", "b", ("Succeeded", True),
    ]  # fmt: skip
    assert statuses == ["InProgress"] * 2 + ["Succeeded"] * 2


def test_on_round_may_be_falsy_and_return_what_the_async_client_awaits(clients: Clients) -> None:
    class Told(list[Any]):
        awaited = False

        def __call__(self, deployment: DeploymentInfo) -> Any:
            self.append(deployment.status)
            return self

        def __await__(self) -> Iterator[None]:
            self.awaited = True
            yield

    told = Told()
    steps = [Step(status, fleet(a=status)) for status in ("InProgress", "Succeeded")]
    assert len(list(clients.canned(CodeDeploy(*steps)).watch(on_round=told))) == 2
    assert told == ["InProgress", "Succeeded"]
    assert told.awaited is isinstance(clients, AsyncClients)


def test_on_round_may_close_the_watch_or_raise(clients: Clients, clock: Clock) -> None:
    ready = [Step("InProgress", RUNNING), Step("Ready", RUNNING), Step("Succeeded", ENDED)]

    def close(told: DeploymentInfo) -> Any:
        if told.status != "Ready":
            return None
        clock.set_forward(90)  # the time is up, which does not matter any more
        return getattr(watch, "aclose", watch.close)()  # what the async client's returns is awaited

    def fail(told: DeploymentInfo) -> None:
        if told.status == "Ready":  # in the second round, whose trouble is outlived
            raise ConnectionClosedError(endpoint_url=str(told.status))

    codedeploy = CodeDeploy(*ready)
    watch = clients.canned(codedeploy).watch(on_round=close, timeout=60)
    assert (list(watch), watch.deployment.status) == (RUNNING, "Ready")
    assert len(codedeploy.rounds()) == 2
    # It is the user's error, and no trouble, though botocore's class may say so.
    watch = clients.canned(CodeDeploy(*ready)).watch(on_round=fail)
    assert [next(watch), next(watch)] == RUNNING
    with pytest.raises(ConnectionClosedError, match="Ready"):
        next(watch)
    assert list(watch) == []


def test_targets_of_a_future_type_without_an_id_are_yielded_once(clients: Clients) -> None:
    def mars(status: str) -> Response:
        payloads = ({"name": "rover", "status": status}, {"name": "probe", "status": "Ready"})
        return Response(page([{**MARS, "marsTarget": payload} for payload in payloads]))

    statuses = ["InProgress", "InProgress", "Succeeded", "Succeeded"]
    codedeploy = CodeDeploy(
        *[Step("InProgress", fleet(rover="InProgress"))] * 3,
        Step("Succeeded", fleet(rover="Succeeded")),
        instead={READ: map(mars, statuses)},
    )
    watch = clients.canned(codedeploy).watch()
    assert [each.status for each in watch] == ["InProgress", "Ready", "Succeeded"]


def test_a_sync_watch_goes_on_where_the_clock_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    with Clients() as clients:
        codedeploy = CodeDeploy(Step("InProgress", fleet(a="Pending")), Step("Succeeded"))
        watch = clients.canned(codedeploy).watch(delay=0.02)
        with monkeypatch.context() as patch:
            patch.setattr("time.monotonic", lambda: 1e6)  # as freezegun does
            assert [target.target_id for target in watch] == ["a"]


def test_a_handler_of_a_signal_may_take_longer_than_a_wait() -> None:
    def handle(*_: Any) -> None:
        time.sleep(0.3)
        handled.append(True)

    handled = list[bool]()
    before = signal.signal(signal.SIGALRM, handle)
    try:
        with Clients() as clients:
            codedeploy = CodeDeploy(Step("InProgress", RUNNING), Step("Succeeded", ENDED))
            watch = clients.canned(codedeploy).watch(delay=0.3)
            got = [next(watch) for _ in RUNNING]
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            assert [*got, *watch] == [*RUNNING, *ENDED]
    finally:
        signal.signal(signal.SIGALRM, before)
    assert handled


def test_a_slow_consumer_of_a_watch_holds_back_calls(clients: Clients) -> None:
    codedeploy = CodeDeploy(Step("InProgress", fleet(**dict.fromkeys(ids(250), "Pending"))))
    with clients.served(codedeploy, max_concurrency=2).watch() as watch:
        for _ in range(3):
            assert len([*itertools.islice(watch, 25)]) == 25
            clients.pause(0.1)
        assert len(codedeploy.batches) <= 4


@pytest.mark.parametrize("blue", ["Succeeded", "Failed"])
def test_a_blue_and_a_green_target_of_one_id_are_both_followed(clients: Clients, blue: str) -> None:
    def states(green: str) -> list[DeploymentTarget]:
        labels = {"Green": green, "Blue": blue}
        return [
            target("i-1", status).model_copy(update={"instance_label": label})
            for label, status in labels.items()
        ]

    first, last = states("InProgress"), states("Succeeded")
    reads = [page([each.to_boto3() for each in read]) for read in (first, first, last, last)]
    steps = [*[Step("InProgress", fleet(**{"i-1": "Succeeded"}))] * 3, Step("Succeeded", last)]
    codedeploy = CodeDeploy(*steps, instead={READ: map(Response, reads)})
    assert list(clients.canned(codedeploy).watch()) == [*first, last[0]]
    assert codedeploy.read_ids() == [["i-1"]] * 3 + [["i-1"] if blue == "Failed" else []]

"""Following a deployment: what a round asks, and what it yields."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from support.codedeploy import BUSY, LIST, OPERATIONS, READ, CodeDeploy, Step
from support.endpoint import Response
from support.pages import fleet, page, target

if TYPE_CHECKING:
    from support.clients import Clients

    from codedeploy_targets import DeploymentTarget

TERMINAL = ["Succeeded", "Failed", "Skipped"]


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


def test_a_deployment_that_is_over_is_told_in_one_round(clients: Clients) -> None:
    targets = fleet(a="Succeeded", b="Failed", c="Pending")
    codedeploy = CodeDeploy(Step("Failed", targets))
    assert list(clients.canned(codedeploy).watch(delay=60, timeout=0)) == targets
    assert [operation for operation, _ in codedeploy.calls] == list(OPERATIONS)


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
    steps = [
        Step(
            draw(running),
            moments[2 * number] if number >= starts else None,
            left_out=draw(left_out),
            read=moments[2 * number + 1],
        )
        for number in range(rounds)
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
        for step, yielded, listing, asked in zip(
            steps, rounds, codedeploy.asked(LIST), codedeploy.read_ids(), strict=True
        ):
            # Targets are listed without a filter until there are some, and in the last round.
            filters = BUSY if seen and step is not steps[-1] else None
            assert listing.get("targetFilters") == filters
            # Whatever is busy is read again, with what is new; what has come to its end is not.
            listed = {
                target_id
                for target_id, state in by_id(step.targets).items()
                if filters is None or state.status in filters["TargetStatus"]
            }
            busy = {target_id for target_id, state in seen.items() if not state.is_terminal}
            assert asked == sorted((listed | busy) - (seen.keys() - busy))
            read = {
                target_id: state
                for target_id, state in by_id(step.read).items()
                if target_id in asked and target_id not in step.left_out
            }
            # A target is yielded if and only if it is new or differs from what was yielded last.
            assert yielded == {i: state for i, state in read.items() if state != seen.get(i)}
            seen |= read
        # The last word on every target comes last.
        assert seen == by_id(steps[-1].read)
        assert watch.missing_target_ids == []

    def by_id(targets: Any) -> dict[str, DeploymentTarget]:
        return {str(each.target_id): each for each in targets or ()}

    check()


def test_a_target_that_is_busy_again_is_told_again(clients: Clients) -> None:
    codedeploy = CodeDeploy(
        Step("InProgress", fleet(a="Failed", b="Pending")),
        Step("InProgress", fleet(a="InProgress", b="Pending")),
        Step("InProgress", fleet(a="Failed", b="Pending")),
        Step("InProgress", fleet(a="InProgress", b="Pending"), left_out=frozenset("a")),
        Step("Succeeded", fleet(a="Succeeded", b="Succeeded")),
    )
    watch = clients.canned(codedeploy).watch()
    assert told(codedeploy, watch) == [
        {"a": "Failed", "b": "Pending"},
        {"a": "InProgress"},
        {"a": "Failed"},
        {},
        {"a": "Succeeded", "b": "Succeeded"},
    ]
    assert watch.missing_target_ids == []


def test_a_round_costs_the_busy_targets_only(clients: Clients) -> None:
    many = {f"i-{number:04}": "Succeeded" for number in range(1000)}
    busy = list(many)[::34]  # 30 of them, all over the pages
    in_progress = Step("InProgress", fleet(**many | dict.fromkeys(busy, "InProgress")))
    codedeploy = CodeDeploy(*[in_progress] * 4, Step("Succeeded", fleet(**many)))

    assert len(list(clients.canned(codedeploy).watch())) == 1030
    counts = [
        [sum(name == operation for name, _ in calls) for operation in OPERATIONS]
        for calls in codedeploy.rounds()
    ]
    assert counts == [[1, 10, 40], *[[1, 1, 2]] * 3, [1, 10, 2]]
    assert codedeploy.read_ids()[1:] == [busy] * 4
    filters = [params.get("targetFilters") for params in codedeploy.asked(LIST)]
    assert filters == [None] * 10 + [BUSY] * 3 + [None] * 10


def test_an_id_is_missing_until_it_is_answered(clients: Clients) -> None:
    busy = fleet(a="InProgress", b="InProgress")
    ended = fleet(a="Succeeded", b="Succeeded", c="Succeeded")
    codedeploy = CodeDeploy(
        Step("InProgress", busy, left_out=frozenset("b")),
        Step("InProgress", busy),
        Step("Succeeded", ended, left_out=frozenset("ac")),
    )
    watch = clients.canned(codedeploy).watch()
    assert [list(watch.missing_target_ids) for _ in watch] == [["b"], [], ["a", "c"]]
    assert watch.missing_target_ids == ["a", "c"]


def test_targets_of_a_future_type_without_an_id_are_yielded_once(clients: Clients) -> None:
    def mars(status: str) -> Response:
        payloads = ({"name": "rover", "status": status}, {"name": "probe", "status": "Ready"})
        return Response(
            page(
                [
                    {"deploymentTargetType": "MarsTarget", "marsTarget": payload}
                    for payload in payloads
                ]
            )
        )

    statuses = ["InProgress", "InProgress", "Succeeded", "Succeeded"]
    codedeploy = CodeDeploy(
        *[Step("InProgress", fleet(rover="InProgress"))] * 3,
        Step("Succeeded", fleet(rover="Succeeded")),
        instead={READ: map(mars, statuses)},
    )
    watch = clients.canned(codedeploy).watch()
    assert [each.status for each in watch] == ["InProgress", "Ready", "Succeeded"]

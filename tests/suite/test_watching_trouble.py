"""Following a deployment while the service, or the way to it, is in trouble.

`test_cut_bodies.py` shows what comes of one call that is cut short or throttled.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from botocore import exceptions
from support.clients import Clients, got
from support.clock import Clock
from support.codedeploy import GET, MISSING, PATIENCE, READ, THROTTLED, CodeDeploy, Hang, Step
from support.endpoint import Response, error
from support.pages import fleet, ids, target

URL: Any = {"endpoint_url": "http://localhost"}
TROUBLE: dict[str, Response | Exception] = {
    "throttled": THROTTLED,
    "500": Response(b"", 500),
    "503": Response(b"<html>busy</html>", 503),
    "a proxy's page": Response("<!DOCTYPE html>vorübergehend gestört".encode("latin-1"), 503),
    "a proxy's text": Response(b'"busy"', 502),
    "429": error("CodeFromTheFuture", 429),
    "408": error("CodeFromTheFuture", 408),
    "late": error("RequestTimeoutException"),
    "cut short": Response(b'{"deploymentInfo": {"status": "Succ'),
    "no connection": exceptions.EndpointConnectionError(**URL),
    "broken connection": exceptions.ConnectionClosedError(**URL),
    "timed out": exceptions.ReadTimeoutError(**URL),
    "half an answer": exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2),
}
OTHER: dict[str, Response | Exception] = {
    "denied": error("AccessDeniedException"),
    "expired": error("ExpiredTokenException"),
    "unknown deployment": error("DeploymentDoesNotExistException"),
    "another shape": Response(b'{"error": "blocked"}'),
    "no credentials": exceptions.NoCredentialsError(),
    "of a wrapper": exceptions.ClientError({}, READ),
    "without a status": exceptions.ClientError(cast("Any", {"ResponseMetadata": {}}), READ),
    "a closed client of aiobotocore's": exceptions.HTTPClientError(
        error=AttributeError("'NoneType' …")
    ),
}
ENDED = fleet(a="Succeeded", b="Failed", c="Skipped")
STEPS = [
    Step("InProgress", fleet(a="InProgress", b="Pending")),
    Step("InProgress", fleet(a="Failed", b="InProgress")),
    Step("InProgress", fleet(a="Failed", b="InProgress", c="Pending")),
    Step("Succeeded", ENDED),
]
RAISED = (exceptions.ClientError, exceptions.BotoCoreError)
NO_RETRY: Any = {"retries": {"total_max_attempts": 1}}
FIRST_ROUND = 3  # calls: GetDeployment, a listing, a read


def from_call(first: int, trouble: Response | Exception, count: int = 10**6) -> Callable[..., Any]:
    """Return a hook that lets so many calls, from one on, get into trouble."""
    calls = iter(range(10**6))

    def before(*_: object) -> Response | None:
        if next(calls) not in range(first, first + count):
            return None
        if isinstance(trouble, Response):
            return trouble
        raise trouble

    return before


@pytest.mark.parametrize("kind", TROUBLE)
def test_trouble_at_any_call_after_the_first_round_is_outlived(
    clients: Clients, clock: Clock, kind: str
) -> None:
    undisturbed = CodeDeploy(*STEPS)
    list(clients.canned(undisturbed).watch())
    # Each kind meets every third call, and each call at least three kinds.
    first = FIRST_ROUND + [*TROUBLE].index(kind) % 3
    for number in range(first, len(undisturbed.calls), 3):
        clock.forget()
        codedeploy = CodeDeploy(*STEPS, before=from_call(number, TROUBLE[kind], 2))
        watch = clients.canned(codedeploy, **NO_RETRY).watch(delay=10)
        yielded = list(watch)
        # What was yielded is not yielded again, and the last word is as ever.
        assert all(target not in yielded[:n] for n, target in enumerate(yielded))
        last = {target.target_id: target for target in yielded}
        assert sorted(last.values(), key=lambda target: str(target.target_id)) == ENDED
        assert (watch.deployment.status, watch.missing_target_ids) == ("Succeeded", [])
        # The second time, the delay doubles; after a success, it falls back.
        assert (clock.pauses.count(20), {*clock.pauses}) == (1, {10, 20})


def test_a_read_that_hangs_in_a_failed_round_ends_no_call_of_a_later_one(clients: Clients) -> None:
    def before(operation: str, params: Any) -> Response | None:
        number = len(codedeploy.rounds())
        if operation == READ and number == 2:
            if params["targetIds"][0] == ids(1)[0]:
                hang.wait_for()
            else:
                hang()
        elif operation == GET and number == 3:
            hang.let_go()
            time.sleep(0.2)  # until it has ended
        else:
            return None
        return Response(b"", 503)

    busy = Step("InProgress", [target(each, "InProgress") for each in ids(50)])
    hang, codedeploy = Hang(), CodeDeploy(busy, busy, STEPS[-1], before=before)
    watch = clients.served(codedeploy, **NO_RETRY).watch(delay=0.02)
    assert got(watch)[-3:] == ["a", "b", "c"]
    assert watch.deployment.status == "Succeeded"


@pytest.mark.usefixtures("clock")
def test_trouble_in_the_round_that_first_finds_targets_loses_none(clients: Clients) -> None:
    found = [target(each) for each in ids(60)]
    step = Step("InProgress", [*found, target("i-busy", "InProgress")])
    codedeploy = CodeDeploy(
        Step("Created"), *[step] * 2, STEPS[-1], instead={READ: [None, THROTTLED]}
    )
    yielded = codedeploy.yielded(clients.canned(codedeploy, max_concurrency=1, **NO_RETRY).watch())
    assert [len(each) for each in yielded] == [0, 25, 36, 3]


@pytest.mark.parametrize("kind", TROUBLE)
def test_trouble_in_round_one_is_raised_at_once(clients: Clients, clock: Clock, kind: str) -> None:
    for number in range(FIRST_ROUND):
        codedeploy = CodeDeploy(*STEPS, before=from_call(number, TROUBLE[kind]))
        with pytest.raises(RAISED):
            next(clients.canned(codedeploy, **NO_RETRY).watch(delay=10))
        assert len(codedeploy.calls) == number + 1
    assert clock.pauses == []


@pytest.mark.parametrize("kind", OTHER)
def test_another_error_is_raised_at_once_as_is(clients: Clients, clock: Clock, kind: str) -> None:
    codedeploy = CodeDeploy(*STEPS, before=from_call(FIRST_ROUND, OTHER[kind]))
    watch = clients.canned(codedeploy, **NO_RETRY).watch(delay=10)
    assert [next(watch), next(watch)] == STEPS[0].targets
    with pytest.raises(RAISED):
        next(watch)
    assert (list(watch), clock.pauses, len(codedeploy.calls)) == ([], [10], FIRST_ROUND + 1)


@pytest.mark.parametrize(("delay", "timeout", "pauses"), [
    (5, None, [5, 5, 10, 20, 40, 60, 60, 60, 60]),
    (10, None, [10, 10, 20, 40, 60, 60, 60, 60]),
    (400, None, [400, 400, 400]),
    (10, 100, [10, 10, 20, 40, 20]),
])  # fmt: skip
def test_trouble_that_stays_is_raised_after_five_minutes_and_three_rounds_or_at_the_timeout(
    clients: Clients, clock: Clock, delay: float, timeout: float | None, pauses: list[int]
) -> None:
    codedeploy = CodeDeploy(*STEPS, before=from_call(FIRST_ROUND, THROTTLED))
    watch = clients.canned(codedeploy, **NO_RETRY).watch(delay=delay, timeout=timeout)
    first = next(watch)
    clock.set_forward(0 if timeout else 600)  # the five minutes count from the round's success
    assert [first, next(watch)] == STEPS[0].targets
    with pytest.raises(TimeoutError if timeout else exceptions.ClientError):
        next(watch)
    assert clock.pauses == pauses
    assert list(watch) == []


def test_the_calls_of_a_round_that_failed_do_not_go_on() -> None:
    def before(operation: str, params: Any) -> Response | None:
        number = len(codedeploy.rounds())
        if operation == READ and number == 2:
            if params["targetIds"] != ids(25):
                slow.set()
                assert next_round.wait(PATIENCE)
                return error(MISSING)  # which would be split
            assert slow.wait(PATIENCE)
            raise exceptions.ReadTimeoutError(**URL)
        if operation == READ and number == 3:
            next_round.set()
            time.sleep(0.1)  # a call that went on would be there before the watch ends
        return None

    slow, next_round = threading.Event(), threading.Event()
    busy, over = ([target(each, status) for each in ids(50)] for status in ("InProgress", "Failed"))
    steps = [*[Step("InProgress", busy)] * 3, Step("Failed", over)]
    codedeploy = CodeDeploy(*steps, before=before)
    with Clients() as clients:
        client = clients.canned(codedeploy, max_concurrency=2, **NO_RETRY)
        assert list(client.watch()) == [*busy, *over]
    # All threads have ended.
    assert [len(batch) for batch in codedeploy.batches] == [25] * 8
    assert codedeploy.most_at_once == 2


def test_the_end_waits_for_no_call_of_a_round_that_failed(clients: Clients) -> None:
    def before(operation: str, params: Any) -> Response | None:
        if operation == READ and len(codedeploy.rounds()) == 2:
            if params["targetIds"] == ids(25):
                hang.wait_for()
                return Response(b"", 503)
            hang()
        return None

    busy, over = ([target(each, status) for each in ids(50)] for status in ("InProgress", "Failed"))
    codedeploy = CodeDeploy(*[Step("InProgress", busy)] * 2, Step("Failed", over), before=before)
    hang = Hang()
    assert list(clients.served(codedeploy, **NO_RETRY).watch(delay=0)) == [*busy, *over]
    hang.let_go()


@pytest.mark.usefixtures("clock")
def test_get_deployment_is_not_called_again_once_the_deployment_is_over(clients: Clients) -> None:
    end = [Step("InProgress", STEPS[0].targets), Step("Failed", ENDED), Step("InProgress", [])]
    codedeploy = CodeDeploy(*end, before=from_call(FIRST_ROUND + 1, THROTTLED, 3))
    watch = clients.canned(codedeploy, **NO_RETRY).watch()
    assert list(watch)[2:] == ENDED
    assert (watch.deployment.status, len(codedeploy.rounds())) == ("Failed", 2)

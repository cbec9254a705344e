"""Targets that do not exist: skipped and named, or an error of the service."""

from __future__ import annotations

import threading
from itertools import repeat
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from support.clients import Client, Clients, MakeClient, got
from support.codedeploy import MISSING, PATIENCE, READ, CodeDeploy, wait_until
from support.endpoint import Response, error
from support.pages import ids, instance, page

CODES = [MISSING, "InstanceDoesNotExistException"]


@pytest.mark.parametrize("code", CODES)
def test_skip_missing_skips_the_missing_targets(make_client: MakeClient, code: str) -> None:
    def recode(response: Response) -> Response:
        return response if response.status == 200 else error(code)

    missing = ["i-gone", "i-lost"]
    wanted = [*ids(40), missing[0], *ids(60)[40:], missing[1]]
    codedeploy = CodeDeploy(known=60, instead={READ: repeat(recode)})
    client = make_client(codedeploy)
    output = client.batch_get(wanted, skip_missing=True)
    assert got(output.deployment_targets) == ids(60)
    assert output.missing_target_ids == missing
    statuses = [metadata.http_status_code for metadata in output.response_metadata]
    assert (len(statuses), set(statuses)) == (len(codedeploy.batches), {200, 400})
    targets = client.iterate(wanted, skip_missing=True)
    assert got(targets) == ids(60)
    assert targets.missing_target_ids == missing
    with pytest.raises(getattr(client.exceptions, code)):
        client.batch_get(wanted)
    with pytest.raises(getattr(client.exceptions, code)):
        list(client.iterate(wanted))
    left_out = make_client(lambda *_: Response(page([instance("i-2")])))
    assert left_out.batch_get(["i-3", "i-2", "i-1"]).missing_target_ids == ["i-3", "i-1"]


def test_no_batch_is_split_after_one_before_it_failed(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(thread: threading.Thread) -> None:
        own_start(thread)
        if thread.name == "codedeploy-targets":
            started.append(thread)
            if len(started) == len(batches):  # a caller that is slow to go on
                wait_until(lambda: bool(at_work) and clients.under_way() <= at_work[0] - 2)

    own_start, started = threading.Thread.start, list[threading.Thread]()
    monkeypatch.setattr(threading.Thread, "start", start)
    at_work = list[int]()
    arrived = threading.Barrier(3, action=lambda: at_work.append(clients.under_way()))

    def before(_: str, params: Any) -> Response | None:
        if params["targetIds"] not in batches:
            return None
        arrived.wait(PATIENCE)
        # The second batch fails, then the third is refused, and the first comes last of all.
        number = batches.index(params["targetIds"])
        over = (2, 0, 1)[number]
        wait_until(lambda: clients.under_way() <= at_work[0] - over)
        return error("AccessDeniedException") if number == 1 else None

    wanted = [*ids(74), "i-gone"]
    batches = [wanted[:25], wanted[25:50], wanted[50:]]
    codedeploy = CodeDeploy(before=before)
    client = clients.served(codedeploy)
    with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
        client.batch_get(wanted, skip_missing=True)
    clients.no_thread_is_left()
    assert len(codedeploy.batches) == 3


def test_skip_missing_may_leave_nothing(clients: Clients) -> None:
    client = clients.canned(CodeDeploy(known=0))
    output = client.batch_get(ids(3), skip_missing=True)
    assert (output.deployment_targets, output.missing_target_ids) == ([], ids(3))
    targets = client.iterate(ids(60), skip_missing=True)
    assert list(targets) == []
    assert targets.missing_target_ids == ids(60)


@pytest.mark.parametrize("first", [[], [error(MISSING)]])
def test_skip_missing_skips_no_other_error(clients: Clients, first: list[Any]) -> None:
    # Neither of a whole batch nor of a half.
    answers = [*first, *[error("DeploymentDoesNotExistException")] * 25]
    client = clients.canned(CodeDeploy(instead={READ: answers}))
    with pytest.raises(client.exceptions.DeploymentDoesNotExistException):
        client.batch_get(ids(25), skip_missing=True)


@pytest.mark.parametrize("response", [{}, {"Error": {}}])
def test_skip_missing_skips_no_error_without_a_code(clients: Clients, response: Any) -> None:
    raised = ClientError(response, READ)
    with pytest.raises(ClientError) as caught:
        clients.canned(CodeDeploy(instead={READ: [raised]})).batch_get(ids(3), skip_missing=True)
    assert caught.value is raised


class Searching:
    """Looks for missing ids with a client, and checks what it asks for."""

    def __init__(self, clients: Clients) -> None:
        self.missing: set[str] = set()
        self.codedeploy = CodeDeploy(known=60, before=self._refuse)
        # A mock is quicker than a client.
        self.client: Client = clients.wrap(clients.mocked(self.codedeploy))

    def _refuse(self, _: str, params: dict[str, Any]) -> Response | None:
        return error(MISSING) if self.missing & set(params["targetIds"]) else None

    def check(self, wanted: list[str], missing: set[str]) -> None:
        self.codedeploy.calls.clear()
        self.missing = missing
        output = self.client.batch_get(wanted, skip_missing=True)
        assert got(output.deployment_targets) == [each for each in wanted if each not in missing]
        assert output.missing_target_ids == [each for each in wanted if each in missing]
        asked = self.codedeploy.batches
        assert len(output.response_metadata) == len(asked)
        batches = [wanted[start : start + 25] for start in range(0, len(wanted), 25)]
        assert len(asked) <= sum(calls_by_halving(batch, missing) for batch in batches)
        # No call asks for several ids of which one is known to be missing. But an id counts as
        # missing only once it was refused alone.
        assert all([each] in asked for each in output.missing_target_ids)
        refused: list[set[str]] = []
        returned: set[str] = set()
        for batch in map(set, asked):
            known = any(earlier - returned <= batch for earlier in refused)
            assert not known or len(batch) == 1
            if missing & batch:
                refused.append(batch)
            else:
                returned |= batch


def calls_by_halving(batch: list[str], missing: set[str]) -> int:
    """Return how many calls it takes to ask for each half of a refused batch."""
    if len(batch) == 1 or not missing & set(batch):
        return 1
    half = len(batch) // 2
    return 1 + calls_by_halving(batch[:half], missing) + calls_by_halving(batch[half:], missing)


def test_one_missing_id_is_found_wherever_it_is(clients: Clients) -> None:
    searching = Searching(clients)
    for count in range(1, 26):
        for position in range(count):
            searching.check(ids(count), {ids(count)[position]})
    # The missing id is the last of 25, which are refused. Then the first half of the rest comes
    # back whole, five times. So the other half is at fault, and not asked for until it is one id.
    assert list(map(len, searching.codedeploy.batches)) == [25, 12, 6, 3, 2, 1, 1]


def test_an_id_that_exists_a_moment_later_is_not_missing(clients: Clients) -> None:
    client = clients.canned(CodeDeploy(known=60, instead={READ: [error(MISSING)]}))
    output = client.batch_get(ids(25), skip_missing=True)
    assert (got(output.deployment_targets), output.missing_target_ids) == (ids(25), [])


def test_any_missing_ids_are_found(clients: Clients) -> None:
    searching = Searching(clients)

    @given(st.integers(1, 60), st.sets(st.sampled_from(ids(60))))
    def check(count: int, missing: set[str]) -> None:
        searching.check(ids(count), missing)

    check()

"""Targets that do not exist: refused, skipped, or left out by the service without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from support.clients import got
from support.endpoint import Response, error
from support.pages import ids, instance, page
from support.service import Service

from codedeploy_targets import InstanceTarget

if TYPE_CHECKING:
    from support.clients import Client, Clients

CODES = ["DeploymentTargetDoesNotExistException", "InstanceDoesNotExistException"]


@pytest.mark.parametrize("code", CODES)
def test_skip_missing_skips_the_missing_targets(clients: Clients, code: str) -> None:
    service = Service(60)
    missing = ["i-gone", "i-lost"]
    wanted = [*ids(40), missing[0], *ids(60)[40:], missing[1]]

    def answer(operation: str, params: dict[str, Any]) -> Response:
        response = service(operation, params)
        return response if response.status == 200 else error(code)

    client = clients.canned(answer)
    output = client.batch_get(wanted, skip_missing=True)
    assert got(output.deployment_targets) == ids(60)
    assert output.missing_target_ids == missing
    statuses = [metadata.http_status_code for metadata in output.response_metadata]
    assert len(statuses) == len(service.batches)
    assert set(statuses) == {200, 400}
    targets = client.iterate(wanted, skip_missing=True)
    assert got(targets) == ids(60)
    assert targets.missing_target_ids == missing
    with pytest.raises(getattr(client.exceptions, code)):
        client.batch_get(wanted)
    with pytest.raises(getattr(client.exceptions, code)):
        list(client.iterate(wanted))


def test_missing_targets_are_refused_by_default(clients: Clients) -> None:
    client = clients.canned(Service(0))
    with pytest.raises(client.exceptions.DeploymentTargetDoesNotExistException):
        client.batch_get(ids(3))
    with pytest.raises(client.exceptions.DeploymentTargetDoesNotExistException):
        next(client.iterate(ids(3)))


def test_skip_missing_may_leave_nothing(clients: Clients) -> None:
    client = clients.canned(Service(0))
    output = client.batch_get(ids(3), skip_missing=True)
    assert (output.deployment_targets, output.missing_target_ids) == ([], ids(3))
    targets = client.iterate(ids(60), skip_missing=True)
    assert list(targets) == []
    assert targets.missing_target_ids == ids(60)


def test_skip_missing_skips_no_other_error(clients: Clients) -> None:
    client = clients.canned(lambda *_: error("DeploymentNotStartedException"))
    with pytest.raises(client.exceptions.DeploymentNotStartedException):
        client.batch_get(ids(3), skip_missing=True)


def test_skip_missing_skips_no_error_of_a_half_batch(clients: Clients) -> None:
    def answer(_: str, params: dict[str, Any]) -> Response:
        whole = len(params["targetIds"]) == 25
        return error(CODES[0] if whole else "DeploymentDoesNotExistException")

    client = clients.canned(answer)
    with pytest.raises(client.exceptions.DeploymentDoesNotExistException):
        client.batch_get(ids(25), skip_missing=True)


@pytest.mark.parametrize("response", [{}, {"Error": {}}])
def test_skip_missing_skips_no_error_without_a_code(
    clients: Clients, response: dict[str, Any]
) -> None:
    told: Any = response
    raised = ClientError(told, "BatchGetDeploymentTargets")

    def answer(*_: object) -> Response:
        raise raised

    with pytest.raises(ClientError) as caught:
        clients.canned(answer).batch_get(ids(3), skip_missing=True)
    assert caught.value is raised


def test_ids_that_are_left_out_without_a_word_are_named(clients: Clients) -> None:
    def answer(_: str, params: dict[str, Any]) -> Response:
        return Response(page([instance(target_id) for target_id in params["targetIds"][::2]]))

    client = clients.canned(answer)
    missing = [*ids(25)[1::2], *ids(30)[26::2]]
    assert client.batch_get(ids(30)).missing_target_ids == missing
    targets = client.iterate(ids(30))
    list(targets)
    assert targets.missing_target_ids == missing


def test_one_missing_id_at_the_end_of_25_takes_6_calls(clients: Clients) -> None:
    service = Service(24)
    output = clients.canned(service).batch_get([*ids(24), "i-gone"], skip_missing=True)
    assert got(output.deployment_targets) == ids(24)
    assert output.missing_target_ids == ["i-gone"]
    assert len(service.batches) == len(output.response_metadata) == 6
    # The 25 are refused. Then the first half of the rest comes back whole, five times.
    assert list(map(len, service.batches)) == [25, 12, 6, 3, 2, 1]
    assert ["i-gone"] not in service.batches


class Calls:
    """Makes the wrapped client's answers up, which is quicker than HTTP, and counts them."""

    def __init__(self, clients: Clients) -> None:
        self.missing: set[str] = set()
        self.asked: list[list[str]] = []
        mock = clients.mock()
        mock.batch_get_deployment_targets.side_effect = self._answer
        self.client: Client = clients.wrap(mock)

    def _answer(self, *, deploymentId: str, targetIds: list[str]) -> dict[str, Any]:  # noqa: N803
        assert deploymentId == "d-1"
        self.asked.append(targetIds)
        if self.missing & set(targetIds):
            raise ClientError({"Error": {"Code": CODES[0]}}, "BatchGetDeploymentTargets")
        return {"deploymentTargets": [InstanceTarget(target_id=i).to_boto3() for i in targetIds]}

    def check(self, wanted: list[str], missing: set[str]) -> None:
        self.asked.clear()
        self.missing = missing
        output = self.client.batch_get(wanted, skip_missing=True)
        assert got(output.deployment_targets) == [each for each in wanted if each not in missing]
        assert output.missing_target_ids == [each for each in wanted if each in missing]
        assert len(output.response_metadata) == len(self.asked)
        batches = [wanted[start : start + 25] for start in range(0, len(wanted), 25)]
        assert len(self.asked) <= sum(calls_of_0_1_0(batch, missing) for batch in batches)
        self._check_that_no_call_is_in_vain()

    def _check_that_no_call_is_in_vain(self) -> None:
        refused: list[set[str]] = []
        returned: set[str] = set()
        for batch in map(set, self.asked):
            # No call asks for ids of which one is known to be missing.
            assert not any(earlier - returned <= batch for earlier in refused)
            if self.missing & batch:
                refused.append(batch)
            else:
                returned |= batch


def calls_of_0_1_0(batch: list[str], missing: set[str]) -> int:
    """Return how many calls version 0.1.0 took, which asked for each half of a refused batch."""
    if len(batch) == 1 or not missing & set(batch):
        return 1
    half = len(batch) // 2
    return 1 + calls_of_0_1_0(batch[:half], missing) + calls_of_0_1_0(batch[half:], missing)


def test_one_missing_id_is_found_wherever_it_is(clients: Clients) -> None:
    calls = Calls(clients)
    for count in range(1, 26):
        for position in range(count):
            calls.check(ids(count), {ids(count)[position]})
    # A half that has to be at fault, as the other came back whole, is not asked for whole.
    assert len(calls.asked) == 6


def test_any_missing_ids_are_found(clients: Clients) -> None:
    calls = Calls(clients)

    @given(st.integers(1, 60), st.sets(st.integers(0, 59)))
    def check(count: int, missing: set[int]) -> None:
        calls.check(ids(count), {ids(60)[position] for position in missing})

    check()

"""Targets as they arrive: what both clients promise of `iter_deployment_targets`."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support.clients import got
from support.endpoint import Response, error, unanswered
from support.pages import ids, instance, page
from support.service import Service, answer_every_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.clients import Clients


@pytest.fixture
def service() -> Service:
    return Service()


def test_a_whole_deployment_is_listed_and_got(clients: Clients) -> None:
    service = Service(130)
    client = clients.canned(service)
    filters = {"TargetStatus": ["Failed"]}
    assert got(client.iterate(targetFilters=filters)) == ids(130)
    assert [params["targetFilters"] for params in service.listed] == [filters] * 4
    assert sorted(map(len, service.batches)) == [5, 25, 25, 25, 25, 25]
    assert got(client.iterate()) == ids(130)
    assert "targetFilters" not in service.listed[-1]


def test_a_deployment_without_targets_brings_none(clients: Clients) -> None:
    assert list(clients.canned(lambda *_: Response(b"{}")).iterate()) == []


def test_filters_cannot_go_with_ids(clients: Clients) -> None:
    client = clients.canned(unanswered)
    either: list[Any] = [{"TargetStatus": ["Failed"]}, {"TargetStatus": []}]
    for filters in either:
        with pytest.raises(TypeError, match=r"^targetFilters .* cannot go with them$"):
            client.iterate([], targetFilters=filters)


def test_nothing_is_read_or_called_before_the_first_next(
    clients: Clients, service: Service
) -> None:
    client = clients.canned(service)
    read = iter(ids(60))
    targets = [client.iterate(read), client.iterate()]
    clients.pause(0.05)
    assert next(read) == ids(1)[0]
    assert (service.batches, service.listed) == ([], [])
    # One that was never begun can be closed, too.
    for iterator in targets:
        iterator.close()
        assert list(iterator) == []
    assert (service.batches, service.listed) == ([], [])


def test_a_slow_consumer_holds_back_calls_and_ids(clients: Clients, service: Service) -> None:
    all_three = threading.Barrier(3)
    read = []

    def answer(operation: str, params: dict[str, Any]) -> Response:
        if params["targetIds"][0] in ids(75):
            all_three.wait(10)
        return service(operation, params)

    def produce() -> Iterator[str]:
        for number in itertools.count():
            read.append(number)
            yield f"i-{number:017x}"

    targets = clients.served(answer, max_concurrency=3).iterate(produce())
    assert next(targets).target_id == ids(1)[0]
    clients.pause(0.1)
    assert len(service.batches) == 3
    assert len(read) == 75
    assert got(itertools.islice(targets, 25)) == ids(26)[1:]
    clients.wait_until(lambda: len(service.batches) == 4)
    clients.pause(0.1)
    assert len(service.batches) == 4
    assert len(read) == 100
    targets.close()


def test_the_listing_goes_no_further_than_the_calls_need(
    clients: Clients, service: Service
) -> None:
    all_three = threading.Barrier(3)

    def answer(operation: str, params: dict[str, Any]) -> Response:
        if operation == "BatchGetDeploymentTargets":
            all_three.wait(10)
        return service(operation, params)

    targets = clients.served(answer, max_concurrency=3).iterate()
    assert next(targets).target_id == ids(1)[0]
    clients.pause(0.05)
    assert len(service.batches) == 3
    assert len(service.listed) == 2  # 80 ids are enough for three batches
    targets.close()


@pytest.mark.parametrize("listed", [True, False])
def test_closing_the_iterator_ends_it(clients: Clients, service: Service, *, listed: bool) -> None:
    client = clients.canned(service)
    targets = client.iterate(None if listed else ids(1000))
    next(targets)
    targets.close()  # for the async client, this asserts that no task is left
    assert list(targets) == []
    clients.pause(0.05)
    assert 1 <= len(service.batches) <= 8


def test_the_targets_before_a_failed_batch_come_first(clients: Clients) -> None:
    later_one_failed = threading.Event()

    def answer(operation: str, params: dict[str, Any]) -> Response:
        position = ids(200).index(params["targetIds"][0]) // 25
        if position == 2:
            later_one_failed.wait(10)
            return error("DeploymentDoesNotExistException")
        if position == 3:
            later_one_failed.set()
            return error("DeploymentNotStartedException")
        return answer_every_id(operation, params)

    client = clients.served(answer)
    with pytest.raises(client.exceptions.DeploymentDoesNotExistException):
        client.batch_get(ids(200))
    targets = client.iterate(ids(200))
    assert got(itertools.islice(targets, 50)) == ids(50)
    with pytest.raises(client.exceptions.DeploymentDoesNotExistException):
        next(targets)
    with pytest.raises(StopIteration):
        next(targets)


@pytest.mark.parametrize("max_concurrency", [1, 2, 8])
def test_the_error_of_the_ids_comes_after_the_targets_before_it(
    clients: Clients, service: Service, max_concurrency: int
) -> None:
    def produce() -> Iterator[str]:
        yield from ids(100)
        raise KeyError("of the producer")

    client = clients.served(service, max_concurrency=max_concurrency)
    targets = client.iterate(produce())
    assert got(itertools.islice(targets, 100)) == ids(100)
    with pytest.raises(KeyError, match="of the producer"):
        next(targets)
    assert list(targets) == []
    with pytest.raises(KeyError, match="of the producer"):
        client.batch_get(produce())


def test_missing_target_ids_grows_as_the_targets_arrive(clients: Clients) -> None:
    missing = {ids(100)[position] for position in (3, 24, 25, 60, 99)}

    def answer(_: str, params: dict[str, Any]) -> Response:
        present = [target_id for target_id in params["targetIds"] if target_id not in missing]
        return Response(page([instance(target_id) for target_id in present]))

    targets = clients.canned(answer).iterate(ids(100))
    assert targets.missing_target_ids == []
    seen = []
    for target in targets:
        assert target.target_id is not None
        batch = ids(100).index(target.target_id) // 25
        so_far = [each for each in ids(100)[: (batch + 1) * 25] if each in missing]
        assert targets.missing_target_ids == so_far
        seen.append(target.target_id)
    assert targets.missing_target_ids == sorted(missing)
    assert seen == [target_id for target_id in ids(100) if target_id not in missing]


def test_missing_target_ids_stays_after_a_failure(clients: Clients) -> None:
    def answer(_: str, params: dict[str, Any]) -> Response:
        if params["targetIds"][0] == ids(26)[25]:
            return error("DeploymentDoesNotExistException")
        return Response(page([instance(target_id) for target_id in params["targetIds"][1:]]))

    client = clients.canned(answer, max_concurrency=1)
    targets = client.iterate(ids(50))
    assert got(itertools.islice(targets, 24)) == ids(25)[1:]
    with pytest.raises(client.exceptions.DeploymentDoesNotExistException):
        next(targets)
    assert targets.missing_target_ids == ids(1)
    targets.close()
    assert targets.missing_target_ids == ids(1)

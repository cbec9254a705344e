"""Batches of 25, in order: what both clients promise of `batch_get_deployment_targets`."""

from __future__ import annotations

import enum
import itertools
import logging
import threading
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ParamValidationError
from support.clients import OnceOnly, got
from support.endpoint import Response, unanswered
from support.pages import ids, instance, page
from support.service import Service, answer_every_id

if TYPE_CHECKING:
    from support.clients import Clients


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.mark.parametrize("count", [1, 24, 25, 26, 50, 51, 400])
@pytest.mark.parametrize("max_concurrency", [1, 2, 8])
def test_any_number_of_ids(
    clients: Clients, service: Service, count: int, max_concurrency: int
) -> None:
    client = clients.canned(service, max_concurrency=max_concurrency)
    output = client.batch_get(ids(count))
    assert got(output.deployment_targets) == ids(count)
    assert sorted(map(len, service.batches), reverse=True)[:-1] == [25] * ((count - 1) // 25)
    assert len(output.response_metadata) == len(service.batches) == (count + 24) // 25
    assert output.missing_target_ids == []
    assert got(client.iterate(ids(count))) == ids(count)


@pytest.mark.parametrize("count", [1, 25, 26, 100])
@pytest.mark.parametrize("max_concurrency", [1, 8])
def test_ids_in_any_iterable(
    clients: Clients, service: Service, count: int, max_concurrency: int
) -> None:
    client = clients.canned(service, max_concurrency=max_concurrency)
    for target_ids in clients.iterables(ids(count)):
        output = client.batch_get(target_ids)
        assert got(output.deployment_targets) == ids(count)
        assert len(output.response_metadata) == (count + 24) // 25
        assert output.missing_target_ids == []
    for target_ids in clients.iterables(ids(count)):
        assert got(client.iterate(target_ids)) == ids(count)


def test_the_output_has_what_boto3_tells_of_a_call(clients: Clients, service: Service) -> None:
    (metadata,) = clients.canned(service).batch_get(ids(1)).response_metadata
    assert metadata.request_id == "request-1"
    assert metadata.http_status_code == 200
    assert metadata.http_headers["x-amzn-requestid"] == "request-1"
    assert metadata.http_headers["content-length"].isdecimal()
    assert metadata.retry_attempts == 0


def test_without_ids_there_is_no_call(clients: Clients) -> None:
    client = clients.canned(unanswered)
    for empty in itertools.chain(clients.iterables([]), [set()]):
        output = client.batch_get(empty)
        assert output.model_dump() == {
            "deployment_targets": [],
            "missing_target_ids": [],
            "response_metadata": [],
        }
        assert output.to_boto3() == {"deploymentTargets": []}
    for empty in itertools.chain(clients.iterables([]), [set()]):
        assert list(client.iterate(empty)) == []


def test_an_id_is_asked_for_once_at_its_first_place(clients: Clients, service: Service) -> None:
    client = clients.canned(service)
    wanted = [*ids(30)[::-1], *ids(40)]
    for target_ids in clients.iterables(wanted):
        service.batches.clear()
        output = client.batch_get(target_ids)
        assert got(output.deployment_targets) == list(dict.fromkeys(wanted))
        assert sorted(map(len, service.batches)) == [15, 25]


def test_an_iterable_with_a_length_is_read_only_once(clients: Clients, service: Service) -> None:
    # tqdm(generator, total=60) is such an iterable.
    client = clients.canned(service)
    progress = OnceOnly(ids(60))
    assert got(client.batch_get(progress).deployment_targets) == ids(60)
    assert progress.times_read == 1
    progress = OnceOnly(ids(60))
    assert got(client.iterate(progress)) == ids(60)
    assert progress.times_read == 1


def test_the_order_is_that_of_the_ids_however_the_calls_end(
    clients: Clients, service: Service
) -> None:
    answered = [threading.Event() for _ in range(8)]

    def answer(operation: str, params: dict[str, Any]) -> Response:
        position = ids(200).index(params["targetIds"][0]) // 25
        assert all(event.wait(10) for event in answered[position + 1 :])
        response = service(operation, params)
        answered[position].set()
        return response

    output = clients.served(answer).batch_get(ids(200))
    assert got(output.deployment_targets) == ids(200)
    # The client asked for the later batches while the call for the first was under way.
    assert service.batches[-1] == ids(25)


def test_the_order_within_a_batch_is_that_of_the_service(clients: Clients) -> None:
    def answer(_: str, params: dict[str, Any]) -> Response:
        return Response(page([instance(target_id) for target_id in params["targetIds"][::-1]]))

    output = clients.canned(answer).batch_get(ids(30))
    assert got(output.deployment_targets) == [*ids(25)[::-1], *ids(30)[:24:-1]]


@pytest.mark.parametrize("most", [3, 8])
def test_at_most_max_concurrency_calls_are_under_way(clients: Clients, most: int) -> None:
    all_under_way, under_way, seen = threading.Barrier(most), set(), []

    def answer(operation: str, params: dict[str, Any]) -> Response:
        under_way.add(threading.get_ident())
        seen.append(len(under_way))
        all_under_way.wait(10)
        time.sleep(0.01)
        under_way.discard(threading.get_ident())
        return answer_every_id(operation, params)

    wrapped = clients.served(answer).wrapped
    # Eight is the default.
    client = clients.wrap(wrapped, **({} if most == 8 else {"max_concurrency": most}))
    client.batch_get(ids(most * 2 * 25))
    assert max(seen) == most
    assert len(seen) == most * 2


def test_a_slow_batch_does_not_hold_back_the_others(clients: Clients) -> None:
    others = threading.Event()

    def answer(operation: str, params: dict[str, Any]) -> Response:
        if params["targetIds"][0] == ids(1)[0]:
            assert others.wait(10)
        if params["targetIds"][-1] == ids(200)[-1]:
            others.set()
        return answer_every_id(operation, params)

    output = clients.served(answer, max_concurrency=2).batch_get(ids(200))
    assert got(output.deployment_targets) == ids(200)


@pytest.mark.parametrize("max_concurrency", [0, -1])
def test_a_max_concurrency_below_1_is_refused(clients: Clients, max_concurrency: int) -> None:
    with pytest.raises(ValueError, match="max_concurrency must be at least 1"):
        clients.canned(unanswered, max_concurrency=max_concurrency)


def test_a_max_concurrency_is_an_integer(clients: Clients) -> None:
    wrong: Any = 1.5
    with pytest.raises(TypeError, match="integer"):
        clients.canned(unanswered, max_concurrency=wrong)


WRONG_IDS: list[Any] = ["i-1", b"i-1", ["i-1", 5], ("i-1", None), ["i-1", b"i-2"], {"i-1": 1, 2: 2}]


@pytest.mark.parametrize("wrong", WRONG_IDS)
def test_wrong_ids_are_refused_before_any_call(clients: Clients, wrong: Any) -> None:
    client = clients.canned(unanswered)
    where = r"targetIds\[1\]" if len(wrong) == 2 else "targetIds must be an iterable"
    with pytest.raises(TypeError, match=where):
        client.batch_get(wrong)
    with pytest.raises(TypeError, match=where):
        client.iterate(wrong)


def test_wrong_ids_of_an_iterator_are_refused_where_they_are_read(clients: Clients) -> None:
    client = clients.canned(unanswered)
    with pytest.raises(TypeError, match=r"targetIds\[2\] must be a str, not int"):
        client.batch_get(iter(["i-1", "i-1", 5]))
    for target_ids in clients.iterables(["i-1", 5]):
        with pytest.raises(TypeError, match=r"targetIds\[1\] must be a str, not int"):
            client.batch_get(target_ids)
    for target_ids in clients.iterables(["i-1", 5]):
        with pytest.raises(TypeError, match=r"targetIds\[1\] must be a str, not int"):
            list(client.iterate(target_ids))


@pytest.mark.parametrize("wrong", [None, 5])
def test_what_is_no_iterable_is_refused(clients: Clients, wrong: Any) -> None:
    client = clients.canned(unanswered)
    with pytest.raises(TypeError, match="targetIds must be an iterable"):
        client.batch_get(wrong)
    if wrong is not None:
        with pytest.raises(TypeError, match="targetIds must be an iterable"):
            client.iterate(wrong)


def test_a_wrong_deployment_id_is_refused_as_by_boto3(clients: Clients) -> None:
    client = clients.canned(unanswered)
    wrong: Any = 5
    with pytest.raises(ParamValidationError, match="deploymentId"):
        client.batch_get(ids(60), deployment_id=wrong)
    with pytest.raises(ParamValidationError, match="deploymentId"):
        list(client.iterate(deployment_id=wrong))


def test_ids_may_be_of_a_subclass_of_str(clients: Clients, service: Service) -> None:
    class Id(str, enum.Enum):
        DEPLOYMENT = "d-1"
        TARGET = ids(1)[0]

    sent = []

    def answer(operation: str, params: dict[str, Any]) -> Response:
        sent.append(params)
        return service(operation, params)

    output = clients.canned(answer).batch_get([Id.TARGET], deployment_id=Id.DEPLOYMENT)
    assert sent == [{"deploymentId": "d-1", "targetIds": ids(1)}]
    assert output.missing_target_ids == []


def test_the_caller_s_context_reaches_every_call(clients: Clients, service: Service) -> None:
    span: ContextVar[str] = ContextVar("span")
    spans = []
    client = clients.canned(service)
    client.on("before-send", lambda **_: spans.append(span.get()), first=True)
    span.set("parent")
    client.batch_get(ids(100))
    list(client.iterate(ids(100)))
    assert spans == ["parent"] * 8


def test_the_log_is_at_debug_level_only(
    clients: Clients, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "codedeploy_targets"):
        clients.canned(service).batch_get(ids(60))
    records = [record for record in caplog.records if record.name == "codedeploy_targets"]
    assert [record.getMessage() for record in records] == [
        "request request-1: 0 targets are missing"
    ] * 3
    assert {record.levelno for record in records} == {logging.DEBUG}

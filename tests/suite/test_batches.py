"""Batches of 25, in order: what both clients promise of `batch_get_deployment_targets`."""

from __future__ import annotations

import enum
import itertools
import logging
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from botocore.exceptions import ParamValidationError
from support.clients import Clients, MakeClient, got
from support.codedeploy import PATIENCE, READ, CodeDeploy
from support.endpoint import unanswered
from support.pages import ids, instance

from codedeploy_targets import InstanceTarget


@pytest.mark.parametrize("count", [1, 24, 25, 26, 50, 51, 201])
@pytest.mark.parametrize("max_concurrency", [1, 2, 8])
def test_any_number_of_ids_in_any_iterable(
    make_client: MakeClient, clients: Clients, count: int, max_concurrency: int
) -> None:
    codedeploy = CodeDeploy()
    client = make_client(codedeploy, max_concurrency=max_concurrency)
    for target_ids in clients.iterables(ids(count)):
        codedeploy.calls.clear()
        output = client.batch_get(target_ids)
        assert got(output.deployment_targets) == ids(count)
        assert output.missing_target_ids == []
        sizes = sorted(map(len, codedeploy.batches), reverse=True)
        assert sizes == [25] * (count // 25) + [count % 25] * (count % 25 > 0)
        told = [(call.request_id, call.http_status_code) for call in output.response_metadata]
        assert told == [("request-1", 200)] * len(sizes)
        first = InstanceTarget.from_boto3(instance(ids(1)[0], events=1))
        assert output.deployment_targets[0] == first
    for target_ids in clients.iterables(ids(count)):
        assert got(client.iterate(target_ids)) == ids(count)


def test_the_output_has_what_boto3_tells_of_a_call(clients: Clients) -> None:
    client = clients.canned(CodeDeploy())
    plain = client.call("batch_get_deployment_targets", deploymentId="d-1", targetIds=ids(1))
    (metadata,) = client.batch_get(ids(1)).response_metadata
    told = plain["ResponseMetadata"]
    assert (metadata.request_id, metadata.http_status_code) == (told["RequestId"], 200)
    assert (metadata.http_headers, metadata.retry_attempts) == (told["HTTPHeaders"], 0)


def test_without_ids_there_is_no_call(clients: Clients) -> None:
    client = clients.canned(unanswered)
    for empty in [*clients.iterables([]), set()]:
        output = client.batch_get(empty)
        names = ("deployment_targets", "missing_target_ids", "response_metadata")
        assert output.model_dump() == {name: [] for name in names}
        assert output.to_boto3() == {"deploymentTargets": []}
    for empty in [*clients.iterables([]), set()]:
        assert list(client.iterate(empty)) == []


def test_an_id_is_asked_for_once_at_its_first_place(clients: Clients) -> None:
    codedeploy = CodeDeploy()
    client = clients.canned(codedeploy)
    wanted = [*ids(30)[::-1], *ids(40)]
    for target_ids in clients.iterables(wanted):
        codedeploy.calls.clear()
        output = client.batch_get(target_ids)
        assert got(output.deployment_targets) == list(dict.fromkeys(wanted))
        assert sorted(map(len, codedeploy.batches)) == [15, 25]


def test_the_order_is_that_of_the_ids_however_the_calls_end(clients: Clients) -> None:
    arrived = [threading.Event() for _ in range(8)]

    def wait_for_later_ones(_: str, params: dict[str, Any]) -> None:
        position = ids(200).index(params["targetIds"][0]) // 25
        assert all(event.wait(PATIENCE) for event in arrived[position + 1 :])
        arrived[position].set()

    output = clients.served(CodeDeploy(before=wait_for_later_ones)).batch_get(ids(200))
    assert got(output.deployment_targets) == ids(200)


def test_the_order_within_a_batch_is_that_of_the_service(clients: Clients) -> None:
    def reverse(_: str, params: dict[str, Any]) -> None:
        params["targetIds"].reverse()

    output = clients.canned(CodeDeploy(before=reverse)).batch_get(ids(30))
    assert got(output.deployment_targets) == [*ids(25)[::-1], *ids(30)[:24:-1]]


@pytest.mark.parametrize("most", [3, 8])
def test_at_most_max_concurrency_calls_are_under_way(clients: Clients, most: int) -> None:
    all_under_way = threading.Barrier(most)
    codedeploy = CodeDeploy(before=lambda *_: all_under_way.wait(PATIENCE), delay=0.01)
    wrapped = clients.served(codedeploy).wrapped
    # Eight is the default.
    client = clients.wrap(wrapped, **({} if most == 8 else {"max_concurrency": most}))
    client.batch_get(ids(most * 2 * 25))
    assert codedeploy.most_at_once == most
    assert len(codedeploy.batches) == most * 2


def test_a_slow_batch_does_not_hold_back_the_others(clients: Clients) -> None:
    def let_go(_: str, params: dict[str, Any]) -> None:
        if params["targetIds"][-1] == ids(200)[-1]:
            hang.let_go()

    codedeploy = CodeDeploy(before=let_go)
    hang = codedeploy.hang(READ, ids(1)[0])
    output = clients.served(codedeploy, max_concurrency=2).batch_get(ids(200))
    assert got(output.deployment_targets) == ids(200)


@pytest.mark.parametrize(("wrong", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError)])
def test_a_max_concurrency_is_an_integer_of_at_least_1(
    clients: Clients, wrong: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"max_concurrency must be at least 1|integer"):
        clients.canned(unanswered, max_concurrency=wrong)


WRONG_IDS: list[Any] = [
    "i-1", b"i-1", 5, ["i-1", 5], ("i-1", None), ["i-1", b"i-2"], {"i-1": 1, 2: 2}, {5}
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_IDS)
def test_wrong_ids_are_refused_before_any_call(clients: Clients, wrong: Any) -> None:
    client = clients.canned(unanswered)
    where = (
        r"targetIds(\[[01]\] must be a str, not | must be an iterable of str, not (str|bytes|int)$)"
    )
    with pytest.raises(TypeError, match=where):
        client.batch_get(wrong)
    with pytest.raises(TypeError, match=where):
        client.iterate(wrong)


def test_wrong_ids_of_an_iterator_are_refused_before_more_is_read(clients: Clients) -> None:
    def produce() -> Iterator[Any]:
        yield from wrong
        raise AssertionError("it was read on")

    client, wrong = clients.canned(unanswered), ["i-1", "i-1", 5]
    for read in (client.batch_get, lambda target_ids: list(client.iterate(target_ids))):
        read_on = [produce(), clients.each(produce())]
        for target_ids in itertools.chain(clients.iterables(wrong), read_on):
            place = 1 if isinstance(target_ids, dict) else 2
            with pytest.raises(TypeError, match=rf"targetIds\[{place}\] must be a str, not int"):
                read(target_ids)
    with pytest.raises(TypeError, match="targetIds must be an iterable of str, not NoneType"):
        client.batch_get(None)


def test_a_wrong_deployment_id_is_refused_as_by_boto3(clients: Clients) -> None:
    client = clients.canned(unanswered)
    wrong: Any = 5
    with pytest.raises(ParamValidationError, match="deploymentId"):
        client.batch_get(ids(60), deployment_id=wrong)
    with pytest.raises(ParamValidationError, match="deploymentId"):
        list(client.iterate(deployment_id=wrong))


def test_ids_may_be_of_a_subclass_of_str(clients: Clients) -> None:
    class Id(str, enum.Enum):
        DEPLOYMENT = "d-1"
        TARGET = ids(1)[0]

    codedeploy = CodeDeploy()
    output = clients.canned(codedeploy).batch_get([Id.TARGET], deployment_id=Id.DEPLOYMENT)
    assert codedeploy.calls == [(READ, {"deploymentId": "d-1", "targetIds": ids(1)})]
    assert output.missing_target_ids == []


def test_the_caller_s_context_reaches_every_call(clients: Clients) -> None:
    span: ContextVar[str] = ContextVar("span")
    spans = []
    client = clients.canned(CodeDeploy(known=100))
    client.on("before-send", lambda **_: spans.append(span.get()), first=True)
    iterators = client.iterate(ids(100)), client.iterate()  # each call has the context of `next`
    span.set("parent")
    client.batch_get(ids(100))
    assert [len(list(each)) for each in iterators] == [100, 100]
    assert spans == ["parent"] * (4 + 4 + 5)


def test_the_log_is_at_debug_level_only(clients: Clients, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "codedeploy_targets"):
        clients.canned(CodeDeploy()).batch_get(ids(60))
    records = [record for record in caplog.records if record.name == "codedeploy_targets"]
    assert [record.getMessage() for record in records] == [
        "request request-1: 0 targets are missing"
    ] * 3
    assert {record.levelno for record in records} == {logging.DEBUG}

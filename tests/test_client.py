"""Batches, order, laziness, threads and errors, through a real botocore client."""

from __future__ import annotations

import enum
import gc
import itertools
import logging
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.stub import Stubber
from endpoint import Response, canned, error, serve, unanswered
from pages import ids, instance, page
from service import Service

from codedeploy_targets import DeploymentTargetsClient, InstanceTarget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def client(service: Service) -> DeploymentTargetsClient:
    return DeploymentTargetsClient(canned(service))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in 10 seconds"
        time.sleep(0.005)


def got(targets: Any) -> list[str]:
    return [target.target_id for target in targets]


@pytest.mark.parametrize("count", [1, 24, 25, 26, 50, 51, 400])
@pytest.mark.parametrize("max_concurrency", [1, 2, 8])
def test_any_number_of_ids(service: Service, count: int, max_concurrency: int) -> None:
    client = DeploymentTargetsClient(canned(service), max_concurrency=max_concurrency)
    output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(count))
    assert got(output.deployment_targets) == ids(count)
    assert sorted(map(len, service.batches), reverse=True)[:-1] == [25] * ((count - 1) // 25)
    assert len(output.response_metadata) == len(service.batches) == (count + 24) // 25
    assert output.missing_target_ids == []
    assert got(client.iter_deployment_targets(deploymentId="d-1", targetIds=ids(count))) == ids(
        count
    )


def test_what_boto3_says_of_a_call_comes_with_the_output(client: DeploymentTargetsClient) -> None:
    output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(1))
    (metadata,) = output.response_metadata
    assert metadata.request_id == "request-1"
    assert metadata.http_status_code == 200
    assert metadata.http_headers == {"x-amzn-requestid": "request-1"}
    assert metadata.retry_attempts == 0


@pytest.mark.parametrize("empty", [[], (), iter(()), set()])
def test_without_ids_there_is_no_call(empty: Any) -> None:
    client = DeploymentTargetsClient(canned(unanswered))
    output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=empty)
    assert output.model_dump() == {
        "deployment_targets": [],
        "missing_target_ids": [],
        "response_metadata": [],
    }
    assert output.to_boto3() == {"deploymentTargets": []}
    assert list(client.iter_deployment_targets(deploymentId="d-1", targetIds=empty)) == []


def test_an_id_is_asked_for_once_at_its_first_place(
    client: DeploymentTargetsClient, service: Service
) -> None:
    wanted = [*ids(30)[::-1], *ids(40)]
    output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=iter(wanted))
    assert got(output.deployment_targets) == list(dict.fromkeys(wanted))
    assert sorted(map(len, service.batches)) == [15, 25]


def test_the_order_is_that_of_the_ids_however_the_calls_end(service: Service) -> None:
    answered = [threading.Event() for _ in range(8)]

    def answer(operation: str, params: dict[str, Any]) -> Response:
        position = ids(200).index(params["targetIds"][0]) // 25
        assert all(event.wait(10) for event in answered[position + 1 :])
        response = service(operation, params)
        answered[position].set()
        return response

    client = DeploymentTargetsClient(canned(answer))
    output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(200))
    assert got(output.deployment_targets) == ids(200)
    # The later batches were asked for while the first was under way.
    assert service.batches[-1] == ids(25)


def test_the_service_s_order_within_a_batch_is_kept() -> None:
    client = DeploymentTargetsClient(
        canned(lambda _, params: Response(page([instance(i) for i in params["targetIds"][::-1]])))
    )
    output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(30))
    assert got(output.deployment_targets) == [*ids(25)[::-1], *ids(30)[:24:-1]]


def test_at_most_max_concurrency_calls_are_under_way(service: Service) -> None:
    three, under_way, most = threading.Barrier(3), set(), 0

    def answer(operation: str, params: dict[str, Any]) -> Response:
        nonlocal most
        under_way.add(threading.get_ident())
        most = max(most, len(under_way))
        assert threading.current_thread().daemon
        three.wait(10)
        time.sleep(0.01)
        under_way.discard(threading.get_ident())
        return service(operation, params)

    client = DeploymentTargetsClient(canned(answer), max_concurrency=3)
    client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(525))
    assert most == 3


@pytest.mark.parametrize("max_concurrency", [0, -1])
def test_there_is_no_concurrency_below_1(max_concurrency: int) -> None:
    with pytest.raises(ValueError, match="max_concurrency must be at least 1"):
        DeploymentTargetsClient(canned(unanswered), max_concurrency=max_concurrency)


def test_max_concurrency_1_needs_no_thread(service: Service) -> None:
    threads = set()

    def answer(operation: str, params: dict[str, Any]) -> Response:
        threads.add(threading.current_thread())
        return service(operation, params)

    client = DeploymentTargetsClient(canned(answer), max_concurrency=1)
    client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(60))
    list(client.iter_deployment_targets(deploymentId="d-1", targetIds=ids(60)))
    # One batch needs none either.
    client = DeploymentTargetsClient(canned(answer))
    client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(25))
    assert threads == {threading.current_thread()}


WRONG_IDS: list[Any] = ["i-1", b"i-1", ["i-1", 5], ("i-1", None), ["i-1", b"i-2"], {"i-1": 1, 2: 2}]


@pytest.mark.parametrize("wrong", WRONG_IDS)
def test_wrong_ids_are_refused_before_any_call(wrong: Any) -> None:
    client = DeploymentTargetsClient(canned(unanswered))
    where = r"targetIds\[1\]" if len(wrong) == 2 else "targetIds must be an iterable"
    with pytest.raises(TypeError, match=where):
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=wrong)
    with pytest.raises(TypeError, match=where):
        client.iter_deployment_targets(deploymentId="d-1", targetIds=wrong)


def test_wrong_ids_of_an_iterator_are_refused_where_they_are_read() -> None:
    client = DeploymentTargetsClient(canned(unanswered))
    wrong: Any = iter(["i-1", "i-1", 5])
    with pytest.raises(TypeError, match=r"targetIds\[2\] must be a str, not int"):
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=wrong)
    wrong = iter(["i-1", 5])
    with pytest.raises(TypeError, match=r"targetIds\[1\] must be a str, not int"):
        list(client.iter_deployment_targets(deploymentId="d-1", targetIds=wrong))


@pytest.mark.parametrize("wrong", [None, 5])
def test_what_is_no_iterable_is_refused(wrong: Any) -> None:
    client = DeploymentTargetsClient(canned(unanswered))
    with pytest.raises(TypeError, match="targetIds must be an iterable"):
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=wrong)


def test_a_wrong_deployment_id_is_refused_as_by_boto3() -> None:
    client = DeploymentTargetsClient(canned(unanswered))
    wrong: Any = 5
    with pytest.raises(ParamValidationError, match="deploymentId"):
        client.batch_get_deployment_targets(deploymentId=wrong, targetIds=ids(60))
    with pytest.raises(ParamValidationError, match="deploymentId"):
        list(client.iter_deployment_targets(deploymentId=wrong))


def test_a_client_of_another_service_is_refused() -> None:
    s3 = boto3.client("s3", region_name="us-east-1")
    with pytest.raises(TypeError, match="client must be a CodeDeploy client"):
        DeploymentTargetsClient(s3)


def test_filters_do_not_go_with_ids() -> None:
    client = DeploymentTargetsClient(canned(unanswered))
    with pytest.raises(TypeError, match=r"^targetFilters .* cannot go with them$"):
        client.iter_deployment_targets(
            deploymentId="d-1", targetIds=[], targetFilters={"TargetStatus": ["Failed"]}
        )


def test_a_whole_deployment_is_listed_and_got() -> None:
    service = Service(130)
    client = DeploymentTargetsClient(canned(service))
    filters = {"TargetStatus": ["Failed"]}
    targets = client.iter_deployment_targets(deploymentId="d-1", targetFilters=filters)
    assert got(targets) == ids(130)
    assert [params["targetFilters"] for params in service.listed] == [filters] * 4
    assert sorted(map(len, service.batches)) == [5, 25, 25, 25, 25, 25]
    assert got(client.iter_deployment_targets(deploymentId="d-1")) == ids(130)
    assert "targetFilters" not in service.listed[-1]


def test_a_deployment_without_targets() -> None:
    client = DeploymentTargetsClient(canned(lambda *_: Response(b"{}")))
    assert list(client.iter_deployment_targets(deploymentId="d-1")) == []


def test_iteration_is_lazy(service: Service) -> None:
    window = threading.Barrier(3)

    def answer(operation: str, params: dict[str, Any]) -> Response:
        if operation == "BatchGetDeploymentTargets" and params["targetIds"][0] in ids(75):
            window.wait(10)
        return service(operation, params)

    client = DeploymentTargetsClient(canned(answer), max_concurrency=3)
    endless = (f"i-{number:017x}" for number in itertools.count())
    targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=endless)
    time.sleep(0.05)
    assert service.batches == []
    assert next(targets).target_id == ids(1)[0]
    time.sleep(0.1)
    assert len(service.batches) == 3
    assert got(itertools.islice(targets, 25)) == ids(26)[1:]
    wait_until(lambda: len(service.batches) == 4)
    time.sleep(0.1)
    assert len(service.batches) == 4
    targets = client.iter_deployment_targets(deploymentId="d-1")
    assert service.listed == []
    assert next(targets).target_id == ids(1)[0]
    assert len(service.listed) == 2  # 80 ids are enough for three batches


def test_the_first_failed_batch_in_order_raises() -> None:
    def answer(_: str, params: dict[str, Any]) -> Response:
        position = ids(200).index(params["targetIds"][0]) // 25
        if position == 2:
            time.sleep(0.1)
            return error("DeploymentDoesNotExistException")
        if position == 3:
            return error("DeploymentNotStartedException")
        return Response(page([instance(target_id) for target_id in params["targetIds"]]))

    client = DeploymentTargetsClient(canned(answer))
    with pytest.raises(client.exceptions.DeploymentDoesNotExistException):
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(200))
    targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=ids(200))
    assert got(itertools.islice(targets, 50)) == ids(50)
    with pytest.raises(client.exceptions.DeploymentDoesNotExistException):
        next(targets)
    with pytest.raises(StopIteration):
        next(targets)


def test_after_a_failure_nothing_more_is_sent(service: Service) -> None:
    all_sent, release = threading.Barrier(4), threading.Event()

    def answer(operation: str, params: dict[str, Any]) -> Response:
        response = service(operation, params)
        position = ids(1000).index(params["targetIds"][0]) // 25
        all_sent.wait(10)
        if position == 0:
            wait_until(lambda: threading.active_count() == before + 3)
        if position == 1:
            return error("InvalidDeploymentIdException")
        if position > 1:
            release.wait(10)
        return response

    before = threading.active_count()
    client = DeploymentTargetsClient(canned(answer), max_concurrency=4)
    with pytest.raises(client.exceptions.InvalidDeploymentIdException):
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(1000))
    # The calls under way are not waited for; none is added to them.
    wait_until(lambda: threading.active_count() == before + 2)
    release.set()
    wait_until(lambda: threading.active_count() == before)
    assert len(service.batches) == 4


def test_an_iterator_reads_no_further_after_a_failure(service: Service) -> None:
    def answer(operation: str, params: dict[str, Any]) -> Response:
        response = service(operation, params)
        both.wait(10)
        if params["targetIds"][0] == ids(1)[0]:
            wait_until(lambda: threading.active_count() == before + 1)
            return response
        return error("InvalidDeploymentIdException")

    both = threading.Barrier(2)
    before = threading.active_count()
    client = DeploymentTargetsClient(canned(answer), max_concurrency=2)
    read = iter(ids(1000))
    targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=read)
    assert got(itertools.islice(targets, 25)) == ids(25)
    with pytest.raises(client.exceptions.InvalidDeploymentIdException):
        next(targets)
    assert next(read) == ids(51)[-1]


def test_calls_overlap_after_a_pause(service: Service) -> None:
    def answer(operation: str, params: dict[str, Any]) -> Response:
        both.wait(10)
        return service(operation, params)

    both = threading.Barrier(2)
    before = threading.active_count()
    client = DeploymentTargetsClient(canned(answer), max_concurrency=2)
    targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=ids(150))
    for _ in range(3):
        next(targets)
        wait_until(lambda: threading.active_count() == before)
        assert len(list(itertools.islice(targets, 49))) == 49


def test_a_batch_that_nobody_waits_for_is_split_no_further() -> None:
    all_sent, release, calls = threading.Barrier(2), threading.Event(), []

    def answer(_: str, params: dict[str, Any]) -> Response:
        calls.append(params["targetIds"])
        all_sent.wait(10)
        if params["targetIds"][0] == ids(1)[0]:
            return error("InvalidDeploymentIdException")
        release.wait(10)
        return error("InstanceDoesNotExistException")

    before = threading.active_count()
    client = DeploymentTargetsClient(canned(answer), max_concurrency=2)
    with pytest.raises(client.exceptions.InvalidDeploymentIdException):
        client.batch_get_deployment_targets(
            deploymentId="d-1", targetIds=ids(50), skip_missing=True
        )
    release.set()
    wait_until(lambda: threading.active_count() == before)
    assert len(calls) == 2


@pytest.mark.parametrize("end", ["close", "collect"])
def test_an_iterator_that_is_given_up_leaves_no_thread(service: Service, end: str) -> None:
    before = threading.active_count()
    client = DeploymentTargetsClient(canned(service))
    targets: Any = client.iter_deployment_targets(deploymentId="d-1")
    next(targets)
    if end == "close":
        targets.close()
        assert list(targets) == []
    del targets
    gc.collect()
    wait_until(lambda: threading.active_count() == before)
    assert 1 <= len(service.batches) <= 8


def test_an_iterator_may_be_collected_by_one_of_its_own_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(_: str, params: dict[str, Any]) -> Response:
        if params["targetIds"] == ids(50)[25:]:
            forgotten.wait(10)
        return Response(page([instance(target_id) for target_id in params["targetIds"]]))

    def collect_first() -> threading.Thread:
        if forgotten.is_set():
            gc.collect()
        return threading.current_thread()

    # It is called where a thread ends, and has the lock.
    monkeypatch.setattr("codedeploy_targets._threads.current_thread", collect_first)
    forgotten = threading.Event()
    before = threading.active_count()
    client = DeploymentTargetsClient(canned(answer), max_concurrency=2)
    cycle: list[Any] = [client.iter_deployment_targets(deploymentId="d-1", targetIds=ids(50))]
    cycle.append(cycle)
    next(cycle[0])
    del cycle
    forgotten.set()
    wait_until(lambda: threading.active_count() == before)


def test_an_interrupt_while_a_thread_starts_leaves_nothing_behind(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    before = threading.active_count()
    client = DeploymentTargetsClient(canned(service))
    with pytest.raises(KeyboardInterrupt):
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(100))
    wait_until(lambda: threading.active_count() == before)
    assert len(service.batches) <= 1


def test_a_process_ends_while_a_call_hangs() -> None:
    all_sent, hang = threading.Barrier(4), threading.Event()

    def answer(_: str, params: dict[str, Any]) -> Response:
        all_sent.wait(10)
        if params["targetIds"][0] == ids(1)[0]:
            return error("InvalidDeploymentIdException")
        hang.wait(30)
        return Response(b"{}")

    script = """
import sys
from endpoint import Endpoint
from pages import ids
from codedeploy_targets import DeploymentTargetsClient
client = DeploymentTargetsClient(Endpoint(None, sys.argv[1]).client())
try:
    client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(100))
except client.exceptions.InvalidDeploymentIdException:
    print("refused")
"""
    with serve(answer) as endpoint:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", script, endpoint.url],
            env={"PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        hang.set()
    assert (done.stdout, done.stderr) == ("refused\n", "")


def test_the_caller_s_context_reaches_every_call(service: Service) -> None:
    span: ContextVar[str] = ContextVar("span")
    spans = []
    wrapped = canned(service)
    wrapped.meta.events.register("before-send.codedeploy", lambda **_: spans.append(span.get()))
    client = DeploymentTargetsClient(wrapped)
    span.set("parent")
    client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(100))
    list(client.iter_deployment_targets(deploymentId="d-1", targetIds=ids(100)))
    assert spans == ["parent"] * 8


@pytest.mark.parametrize(
    "code", ["DeploymentTargetDoesNotExistException", "InstanceDoesNotExistException"]
)
def test_skip_missing_finds_them(code: str) -> None:
    service = Service(60)
    missing = ["i-gone", "i-lost"]
    wanted = [*ids(40), missing[0], *ids(60)[40:], missing[1]]

    def answer(operation: str, params: dict[str, Any]) -> Response:
        response = service(operation, params)
        return response if response.status == 200 else error(code)

    client = DeploymentTargetsClient(canned(answer))
    output = client.batch_get_deployment_targets(
        deploymentId="d-1", targetIds=wanted, skip_missing=True
    )
    assert got(output.deployment_targets) == ids(60)
    assert output.missing_target_ids == missing
    statuses = [metadata.http_status_code for metadata in output.response_metadata]
    assert len(statuses) == len(service.batches)
    assert set(statuses) == {200, 400}
    targets = client.iter_deployment_targets(
        deploymentId="d-1", targetIds=wanted, skip_missing=True
    )
    assert got(targets) == ids(60)
    with pytest.raises(getattr(client.exceptions, code)):
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=wanted)


def test_missing_targets_are_refused_by_default() -> None:
    client = DeploymentTargetsClient(canned(Service(0)))
    with pytest.raises(client.exceptions.DeploymentTargetDoesNotExistException):
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(3))
    with pytest.raises(client.exceptions.DeploymentTargetDoesNotExistException):
        next(client.iter_deployment_targets(deploymentId="d-1", targetIds=ids(3)))


def test_skip_missing_with_nothing_left() -> None:
    client = DeploymentTargetsClient(canned(Service(0)))
    output = client.batch_get_deployment_targets(
        deploymentId="d-1", targetIds=ids(3), skip_missing=True
    )
    assert (output.deployment_targets, output.missing_target_ids) == ([], ids(3))


def test_skip_missing_skips_no_other_error() -> None:
    client = DeploymentTargetsClient(canned(lambda *_: error("DeploymentNotStartedException")))
    with pytest.raises(client.exceptions.DeploymentNotStartedException):
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(3), skip_missing=True)


def test_skip_missing_skips_no_error_without_a_code() -> None:
    raised = ClientError({}, "BatchGetDeploymentTargets")

    def answer(*_: object) -> Response:
        raise raised

    client = DeploymentTargetsClient(canned(answer))
    with pytest.raises(ClientError) as caught:
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(3), skip_missing=True)
    assert caught.value is raised


def test_ids_that_are_left_out_without_a_word_are_named() -> None:
    def answer(_: str, params: dict[str, Any]) -> Response:
        return Response(page([instance(target_id) for target_id in params["targetIds"][::2]]))

    client = DeploymentTargetsClient(canned(answer))
    output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(30))
    assert output.missing_target_ids == [*ids(25)[1::2], *ids(30)[26::2]]


@pytest.mark.parametrize("code", [
    "InvalidDeploymentIdException",
    "DeploymentIdRequiredException",
    "DeploymentDoesNotExistException",
    "DeploymentNotStartedException",
    "DeploymentTargetIdRequiredException",
    "InvalidDeploymentTargetIdException",
    "DeploymentTargetDoesNotExistException",
    "DeploymentTargetListSizeExceededException",
    "InstanceDoesNotExistException",
])  # fmt: skip
def test_errors_are_botocore_s_own(code: str) -> None:
    wrapped = canned(lambda *_: error(code))
    client = DeploymentTargetsClient(wrapped)
    assert client.exceptions is wrapped.exceptions
    with pytest.raises(getattr(client.exceptions, code)) as ours:
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(30))
    with pytest.raises(ClientError) as theirs:
        wrapped.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(3))
    assert type(ours.value) is type(theirs.value)
    assert ours.value.response == theirs.value.response
    assert str(ours.value) == str(theirs.value)


def test_the_wrapped_client_stays_what_it_was(service: Service) -> None:
    wrapped = canned(service)
    request = {"deploymentId": "d-1", "targetIds": ids(2)}
    plain = wrapped.batch_get_deployment_targets(**request)
    client = DeploymentTargetsClient(wrapped)
    assert client.client is wrapped
    assert DeploymentTargetsClient(wrapped).client is wrapped

    def direct(_: int) -> bool:
        return bool(wrapped.batch_get_deployment_targets(**request) == plain)

    def typed(_: int) -> bool:
        output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(60))
        return got(output.deployment_targets) == ids(60)

    with ThreadPoolExecutor(8) as pool:
        results = [pool.submit(function, n) for n in range(50) for function in (direct, typed)]
    assert all(result.result() for result in results)
    listed = wrapped.list_deployment_targets(deploymentId="d-1")
    list(client.iter_deployment_targets(deploymentId="d-1", targetIds=ids(10)))
    assert wrapped.list_deployment_targets(deploymentId="d-1") == listed


def test_a_direct_call_from_an_event_handler_returns_boto3_s_dict(service: Service) -> None:
    wrapped = canned(service)
    request = {"deploymentId": "d-1", "targetIds": ids(2)}
    plain = wrapped.batch_get_deployment_targets(**request)
    busy, seen = False, []

    def call_directly(event_name: str, **_: Any) -> None:
        nonlocal busy
        if not busy:
            busy = True
            seen.append((event_name, wrapped.batch_get_deployment_targets(**request) == plain))
            busy = False

    for event in ("before-call", "request-created", "before-send", "before-parse", "after-call"):
        wrapped.meta.events.register(f"{event}.codedeploy.BatchGetDeploymentTargets", call_directly)
    client = DeploymentTargetsClient(wrapped)
    output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(3))
    assert got(output.deployment_targets) == ids(3)
    assert len(seen) == 5
    assert all(same for _, same in seen)


def test_a_typed_call_from_an_event_handler_leaves_the_direct_one_alone(service: Service) -> None:
    wrapped = canned(service)
    client = DeploymentTargetsClient(wrapped)
    request = {"deploymentId": "d-1", "targetIds": ids(2)}
    plain = wrapped.batch_get_deployment_targets(**request)
    busy = False

    def call_typed(**_: Any) -> None:
        nonlocal busy
        if not busy:
            busy = True
            output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(3))
            assert got(output.deployment_targets) == ids(3)

    name = "before-send.codedeploy.BatchGetDeploymentTargets"
    wrapped.meta.events.register_first(name, call_typed)
    assert wrapped.batch_get_deployment_targets(**request) == plain


def test_an_answer_that_is_cut_short_is_seen_after_a_direct_call_from_a_handler() -> None:
    answers = [page([instance("i-2")]), b"{", page([instance("i-1")])]
    retries = {"mode": "standard", "total_max_attempts": 2}
    wrapped = canned(lambda *_: Response(answers.pop(0)), retries=retries)
    client = DeploymentTargetsClient(wrapped)
    busy = False

    def call_directly(**_: Any) -> None:
        nonlocal busy
        if not busy:
            busy = True
            wrapped.batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-2"])

    name = "before-send.codedeploy.BatchGetDeploymentTargets"
    wrapped.meta.events.register_first(name, call_directly)
    output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-1"])
    assert got(output.deployment_targets) == ["i-1"]
    assert output.response_metadata[0].retry_attempts == 1


def test_an_answer_that_is_cut_short_is_seen_after_a_call_from_a_handler_that_fails() -> None:
    def fail(**_: Any) -> None:
        raise KeyError("of the other's signer")

    def call_another(**_: Any) -> None:
        with pytest.raises(KeyError, match="signer"):
            another.batch_get_deployment_targets(deploymentId="d-2", targetIds=["i-2"])

    answers = [b"{", page([instance("i-1")])]
    retries = {"mode": "standard", "total_max_attempts": 2}
    wrapped = canned(lambda *_: Response(answers.pop(0)), retries=retries)
    another = DeploymentTargetsClient(canned(unanswered)).client
    another.meta.events.register("request-created.codedeploy", fail)
    wrapped.meta.events.register_first("before-send.codedeploy", call_another)
    client = DeploymentTargetsClient(wrapped)
    output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-1"])
    assert got(output.deployment_targets) == ["i-1"]
    assert answers == []


@pytest.mark.parametrize("event", ["provide-client-params", "before-parameter-build"])
def test_a_direct_call_with_what_a_handler_saw_returns_boto3_s_dict(
    service: Service, event: str
) -> None:
    seen: list[dict[str, Any]] = []
    wrapped = canned(service)
    wrapped.meta.events.register(f"{event}.codedeploy", lambda params, **_: seen.append(params))
    client = DeploymentTargetsClient(wrapped)
    client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(2))
    response = wrapped.batch_get_deployment_targets(**seen[0])
    assert len(response["deploymentTargets"]) == 2


@pytest.mark.parametrize("max_concurrency", [1, 2, 8])
def test_the_ids_own_error_comes_after_the_targets_before_it(
    service: Service, max_concurrency: int
) -> None:
    def answer(operation: str, params: dict[str, Any]) -> Response:
        time.sleep(0.02)
        return service(operation, params)

    def produce() -> Iterator[str]:
        yield from ids(100)
        raise KeyError("of the producer")

    client = DeploymentTargetsClient(canned(answer), max_concurrency=max_concurrency)
    targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=produce())
    assert got(itertools.islice(targets, 100)) == ids(100)
    with pytest.raises(KeyError, match="of the producer"):
        next(targets)


def test_ids_may_be_of_a_subclass_of_str(service: Service) -> None:
    class Id(str, enum.Enum):
        DEPLOYMENT = "d-1"
        TARGET = ids(1)[0]

    sent = []

    def answer(operation: str, params: dict[str, Any]) -> Response:
        sent.append(params)
        return service(operation, params)

    client = DeploymentTargetsClient(canned(answer))
    output = client.batch_get_deployment_targets(deploymentId=Id.DEPLOYMENT, targetIds=[Id.TARGET])
    assert sent == [{"deploymentId": "d-1", "targetIds": ids(1)}]
    assert output.missing_target_ids == []


def test_the_user_s_event_handlers_still_fire(service: Service) -> None:
    wrapped = canned(service)
    client = DeploymentTargetsClient(wrapped)
    fired = []
    for event in ("provide-client-params", "before-send", "before-parse", "after-call"):
        wrapped.meta.events.register(
            f"{event}.codedeploy.BatchGetDeploymentTargets",
            lambda event_name, **_: fired.append(event_name.partition(".")[0]),
        )
    client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(3))
    assert fired == ["provide-client-params", "before-send", "before-parse", "after-call"]


def test_the_default_client_is_of_botocore_s_default_session(
    monkeypatch: pytest.MonkeyPatch, service: Service
) -> None:
    with serve(service) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        client = DeploymentTargetsClient()
        assert client.client.meta.region_name == "eu-west-1"
        output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(60))
        assert got(output.deployment_targets) == ids(60)
        client.client.close()


def test_a_botocore_client_will_do(service: Service) -> None:
    with serve(service) as endpoint:
        wrapped = botocore.session.Session().create_client(
            "codedeploy",
            endpoint_url=endpoint.url,
            region_name="eu-west-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",  # noqa: S106
        )
        client = DeploymentTargetsClient(wrapped)
        assert got(client.iter_deployment_targets(deploymentId="d-1", targetIds=ids(60))) == ids(60)
        wrapped.close()


def test_it_works_under_stubber() -> None:
    wrapped = canned(unanswered)
    client = DeploymentTargetsClient(wrapped, max_concurrency=1)
    with Stubber(wrapped) as stubber:
        for batch in (ids(30)[:25], ids(30)[25:]):
            stubber.add_response(
                "batch_get_deployment_targets",
                {
                    "deploymentTargets": [
                        InstanceTarget(target_id=target_id, status="Failed").to_boto3()
                        for target_id in batch
                    ]
                },
                {"deploymentId": "d-1", "targetIds": batch},
            )
        output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(30))
        assert got(output.deployment_targets) == ids(30)
        assert [metadata.request_id for metadata in output.response_metadata] == [None, None]
        stubber.add_response("list_deployment_targets", {"targetIds": ids(1)})
        stubber.add_client_error(
            "batch_get_deployment_targets", "DeploymentTargetDoesNotExistException"
        )
        assert list(client.iter_deployment_targets(deploymentId="d-1", skip_missing=True)) == []
        stubber.assert_no_pending_responses()


def test_the_metadata_of_a_stub_need_not_be_text() -> None:
    wrapped = canned(unanswered)
    metadata = {"RequestId": 1, "HTTPStatusCode": 200, "HTTPHeaders": {"content-length": 2}}
    with Stubber(wrapped) as stubber:
        answer = {"deploymentTargets": [], "ResponseMetadata": metadata}
        stubber.add_response("batch_get_deployment_targets", answer)
        client = DeploymentTargetsClient(wrapped)
        output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-1"])
    (read,) = output.response_metadata
    assert (read.request_id, read.http_headers) == ("1", {"content-length": "2"})


def test_a_down_service_is_botocore_s_error() -> None:
    with serve(unanswered) as endpoint:
        url = endpoint.url
    endpoint.url = url
    client = DeploymentTargetsClient(endpoint.client(retries={"total_max_attempts": 1}))
    with pytest.raises(BotoCoreError, match="Could not connect"):
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(60))
    client.client.close()


def test_the_log_is_at_debug_level_only(
    client: DeploymentTargetsClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "codedeploy_targets"):
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(60))
    records = [record for record in caplog.records if record.name == "codedeploy_targets"]
    assert [record.getMessage() for record in records] == [
        "request request-1: 0 targets are missing"
    ] * 3
    assert {record.levelno for record in records} == {logging.DEBUG}

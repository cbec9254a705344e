"""What the clients wrap: it stays as it was, and may be a stub, a mock, or patched."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any
from unittest.mock import MagicMock, create_autospec, patch

import boto3
import botocore.session
import pytest
from botocore.errorfactory import ClientExceptionsFactory
from botocore.exceptions import ClientError
from support.clients import AsyncClients, got
from support.endpoint import Response, canned, error, serve, unanswered
from support.pages import ids, instance, page
from support.service import Service, answer_every_id

from codedeploy_targets import (
    DeploymentTargetsClient,
    InstanceTarget,
    InvalidResponseError,
    TargetStatus,
)
from codedeploy_targets._botocore import Twin
from codedeploy_targets.aio import AsyncDeploymentTargetsClient

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from support.clients import Client, Clients

TWO_ATTEMPTS = {"mode": "standard", "total_max_attempts": 2}
REQUEST: dict[str, Any] = {"deploymentId": "d-1", "targetIds": ids(2)}


@pytest.fixture
def service() -> Service:
    return Service()


def registered(wrapped: Any) -> Any:
    """Return all event handlers of a client, in their order."""
    events = wrapped.meta.events
    handlers = getattr(events, "_emitter", events)._handlers  # noqa: SLF001
    return copy.copy(handlers)._root  # noqa: SLF001


# Nothing is registered on it.


@contextmanager
def unchanged(wrapped: Any) -> Iterator[None]:
    """Assert that a client has the same handlers and attributes afterwards as before."""
    endpoint = wrapped._endpoint  # noqa: SLF001
    assert wrapped.exceptions  # botocore makes them on first use, and keeps them in an attribute
    before = registered(wrapped), dict(vars(wrapped)), dict(vars(endpoint))
    yield
    assert (registered(wrapped), dict(vars(wrapped)), dict(vars(endpoint))) == before


def test_the_wrapped_client_stays_what_it_was(clients: Clients, service: Service) -> None:
    wrapped = clients.answered(service)
    plain = clients.finish(wrapped.batch_get_deployment_targets(**REQUEST))
    listed = clients.finish(wrapped.list_deployment_targets(deploymentId="d-1"))
    with unchanged(wrapped):
        client = clients.wrap(wrapped)
        assert client.typed.client is wrapped
        assert clients.wrap(wrapped).typed.client is wrapped
        for _ in range(3):
            assert got(client.batch_get(ids(60)).deployment_targets) == ids(60)
            assert client.call("batch_get_deployment_targets", **REQUEST) == plain
            list(client.iterate(ids(10)))
            list(client.iterate())
            targets = client.iterate()
            next(targets)
            assert client.call("list_deployment_targets", deploymentId="d-1") == listed
            targets.close()
            client.batch_get(["i-gone"], skip_missing=True)
            with pytest.raises(client.exceptions.DeploymentTargetDoesNotExistException):
                client.batch_get(["i-gone"])


def test_threads_may_share_a_client_with_direct_calls(service: Service) -> None:
    wrapped = canned(service)
    plain = wrapped.batch_get_deployment_targets(**REQUEST)
    client = DeploymentTargetsClient(wrapped)

    def direct(_: int) -> bool:
        return bool(wrapped.batch_get_deployment_targets(**REQUEST) == plain)

    def typed(_: int) -> bool:
        output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(60))
        return got(output.deployment_targets) == ids(60)

    with ThreadPoolExecutor(8) as pool:
        results = [pool.submit(function, n) for n in range(50) for function in (direct, typed)]
    assert all(result.result() for result in results)


def test_tasks_may_share_a_client_with_direct_calls(service: Service) -> None:
    pytest.importorskip("aiobotocore")
    with AsyncClients() as clients:
        client = clients.served(service)

        async def direct() -> Any:
            response = await client.wrapped.batch_get_deployment_targets(**REQUEST)
            return response["deploymentTargets"]

        async def typed() -> Any:
            output = await client.typed.batch_get_deployment_targets(**REQUEST)
            return output.to_boto3()["deploymentTargets"]

        async def both_at_once() -> None:
            plain = await direct()
            answers = [function() for _ in range(20) for function in (direct, typed)]
            assert all(answer == plain for answer in await asyncio.gather(*answers))

        clients.finish_alone(both_at_once())


def test_threads_may_wrap_one_client_at_the_same_time(clients: Clients, service: Service) -> None:
    all_at_once = threading.Barrier(8)

    def wrap(wrapped: Any) -> Client:
        all_at_once.wait(10)
        made = clients.wrap(wrapped)
        # The calls of an async client belong to the loop of the main thread.
        if not isinstance(clients, AsyncClients):
            assert got(made.batch_get(ids(2)).deployment_targets) == ids(2)
        return made

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            for _ in range(25):
                wrapped = clients.answered(service)
                with unchanged(wrapped):
                    made = [pool.submit(wrap, wrapped) for _ in range(8)]
                    for each_one in made:
                        output = each_one.result().batch_get(ids(1))
                        assert got(output.deployment_targets) == ids(1)
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("batches", [1, 2])
def test_threads_make_the_classes_of_the_exceptions_once(
    monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    # botocore takes no lock: two threads that make them at once get two classes of one name, and
    # `except client.exceptions.…` catches one of them.
    wrapped = canned(lambda *_: error("DeploymentDoesNotExistException"))
    factory: Any = ClientExceptionsFactory()  # a new one, which has made none yet
    make = factory._create_client_exceptions  # noqa: SLF001

    def slowly(*args: Any) -> Any:
        time.sleep(0.05)
        return make(*args)

    monkeypatch.setattr(factory, "_create_client_exceptions", slowly)
    monkeypatch.setattr(wrapped, "_exceptions_factory", factory)
    typed = DeploymentTargetsClient(wrapped)

    def refused(_: object) -> type[ClientError]:
        with pytest.raises(ClientError) as caught:
            typed.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(25 * batches))
        return type(caught.value)

    with ThreadPoolExecutor(4) as pool:
        errors = set(pool.map(refused, range(4)))
    assert errors == {typed.exceptions.DeploymentDoesNotExistException}


def test_the_exceptions_are_those_that_the_wrapped_client_has_now(clients: Clients) -> None:
    mock = clients.mock()
    typed = clients.cls(mock)
    mock.exceptions = clients.answered(unanswered).exceptions
    assert typed.exceptions is mock.exceptions


# The user's event handlers fire as ever.

EVENTS = [
    "provide-client-params",
    "before-parameter-build",
    "before-call",
    "request-created",
    "before-send",
    "before-parse",
    "response-received",
    "needs-retry",
    "after-call",
]


@pytest.mark.parametrize("operation", ["BatchGetDeploymentTargets", "ListDeploymentTargets"])
def test_handlers_fire_whether_registered_before_or_after(clients: Clients, operation: str) -> None:
    wrapped = clients.answered(Service(2))
    fired = []

    def register(when: str) -> None:
        for event in EVENTS:
            wrapped.meta.events.register_first(
                f"{event}.codedeploy.{operation}",
                lambda event_name, **_: fired.append((event_name.partition(".")[0], when)),
            )

    register("before")
    client = clients.wrap(wrapped)
    register("after")
    list(client.iterate())
    assert fired == [(event, when) for event in EVENTS for when in ("before", "after")]


def test_handlers_see_what_they_would_see_of_a_direct_call(
    clients: Clients, service: Service
) -> None:
    client = clients.canned(service)
    params: list[Any] = []
    for event in ("provide-client-params", "before-parameter-build"):
        client.on(event, lambda params, seen=params, **_: seen.append(dict(params)))
    client.batch_get(ids(2))
    client.call("batch_get_deployment_targets", **REQUEST)
    assert params == [REQUEST] * 4
    assert all(type(text) is str for seen in params for text in seen["targetIds"])


BODIES = {
    "whole": [page([instance("i-1"), instance("i-2")])],
    "odd": [page([{"deploymentTargetType": "MarsTarget", "marsTarget": {"targetId": "i-1"}}])],
    "cut short": [page([instance("i-1")])[:-9], page([instance("i-1")])],
    "always cut short": [b"{", b"{"],
    "of another shape": [b"[]"],
}


@pytest.mark.usefixtures("retry_at_once")
@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("listed", [True, False])
def test_handlers_find_nothing_but_plain_values(
    clients: Clients, name: str, *, listed: bool
) -> None:
    bodies = [*BODIES[name]]
    whole = bodies[:]

    def answer(operation: str, _: object) -> Response:
        if listed and operation == "BatchGetDeploymentTargets":
            return Response(b"{}")
        return Response(bodies.pop(0))

    client = clients.canned(answer, retries=TWO_ATTEMPTS)
    operation = "ListDeploymentTargets" if listed else "BatchGetDeploymentTargets"
    seen = Seen()
    for handler in (seen.before_parse, seen.response_received, seen.needs_retry, seen.after_call):
        event = handler.__name__.replace("_", "-")
        client.wrapped.meta.events.register_first(f"{event}.codedeploy.{operation}", handler)
        client.wrapped.meta.events.register(f"{event}.codedeploy.{operation}", handler)
    with suppress(InvalidResponseError):
        list(client.iterate(None if listed else ["i-1"]))
    assert bodies == []
    # Each of the two handlers of each of the two events sees the whole body of each attempt.
    assert seen.bodies == [body for body in whole for _ in range(4)]
    assert set(seen.statuses) == {200}
    assert len(seen.parsed) == 6 * len(whole) + 2
    assert_plain(seen.parsed)


class Seen:
    """Handlers that keep what they are given of an answer."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.statuses: list[int] = []
        self.parsed: list[Any] = []

    def before_parse(
        self, response_dict: Any, customized_response_dict: dict[str, Any], **_: Any
    ) -> None:
        self.bodies.append(response_dict["body"])
        self.statuses.append(response_dict["status_code"])
        self.parsed.append(customized_response_dict)

    def response_received(self, response_dict: Any, parsed_response: Any, **_: Any) -> None:
        self.bodies.append(response_dict["body"])
        self.parsed.append(parsed_response)

    def needs_retry(self, response: Any, **_: Any) -> None:
        self.parsed.append(response[1])

    def after_call(self, parsed: Any, **_: Any) -> None:
        self.parsed.append(parsed)


def assert_plain(value: Any) -> None:
    def plain(other: Any) -> str:
        assert isinstance(other, (datetime, bytes)), f"{type(other)} is not plain"
        return str(other)

    json.dumps(value, default=plain)
    if isinstance(value, dict):
        assert type(value) is dict
        for key, member in value.items():
            assert type(key) is str
            assert_plain(member)
    elif isinstance(value, list):
        for item in value:
            assert_plain(item)
    else:
        assert type(value) in {str, int, float, bool, bytes, datetime, type(None)}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_handler_may_change_the_body(clients: Clients, service: Service, when: str) -> None:
    def rename(response_dict: Any, **_: Any) -> None:
        response_dict["body"] = response_dict["body"].replace(ids(1)[0].encode(), b"i-renamed")

    wrapped = clients.answered(service)
    name = "before-parse.codedeploy.BatchGetDeploymentTargets"
    if when == "before":
        wrapped.meta.events.register(name, rename)
    client = clients.wrap(wrapped)
    if when == "after":
        wrapped.meta.events.register(name, rename)
    output = client.batch_get(ids(2))
    assert got(output.deployment_targets) == ["i-renamed", ids(2)[1]]
    assert output.missing_target_ids == ids(1)


@pytest.mark.usefixtures("retry_at_once")
def test_a_handler_may_mend_or_break_the_body(clients: Clients) -> None:
    good = page([instance("i-1")])
    bodies = [good[:-1]]
    client = clients.canned(lambda *_: Response(bodies[0]), retries=TWO_ATTEMPTS)

    def mend(response_dict: Any, **_: Any) -> None:
        response_dict["body"] += b"}"

    client.on("before-parse", mend)
    output = client.batch_get(["i-1"])
    assert got(output.deployment_targets) == ["i-1"]
    assert output.response_metadata[0].retry_attempts == 0
    bodies[0] = good
    with pytest.raises(InvalidResponseError) as refused:
        client.batch_get(["i-1"])
    assert refused.value.body == good + b"}"


# A handler may make calls of its own.


def test_a_direct_call_from_a_handler_returns_boto3_s_dict(
    clients: Clients, service: Service
) -> None:
    client = clients.canned(service)
    plain = client.call("batch_get_deployment_targets", **REQUEST)
    busy, seen = False, []

    def call_directly(event_name: str, **_: Any) -> Generator[Any, Any, None]:
        nonlocal busy
        if not busy:
            busy = True
            response = yield client.wrapped.batch_get_deployment_targets(**REQUEST)
            seen.append((event_name, response == plain))
            busy = False

    events = ("before-call", "request-created", "before-send", "before-parse", "after-call")
    for event in events:
        client.on(event, clients.handler(call_directly), first=True)
    output = client.batch_get(ids(3))
    assert got(output.deployment_targets) == ids(3)
    assert len(seen) == 5
    assert all(same for _, same in seen)


def test_a_typed_call_from_a_handler_leaves_the_direct_one_alone(
    clients: Clients, service: Service
) -> None:
    client = clients.canned(service)
    plain = client.call("batch_get_deployment_targets", **REQUEST)
    busy, done = False, []

    def call_typed(**_: Any) -> Generator[Any, Any, None]:
        nonlocal busy
        if not busy:
            busy = True
            get = client.typed.batch_get_deployment_targets
            output = yield get(deploymentId="d-1", targetIds=ids(3))
            assert got(output.deployment_targets) == ids(3)
            done.append(True)

    client.on("before-send", clients.handler(call_typed), first=True)
    assert client.call("batch_get_deployment_targets", **REQUEST) == plain
    assert done == [True]


@pytest.mark.usefixtures("retry_at_once")
def test_a_cut_answer_is_noticed_after_a_direct_call_from_a_handler(clients: Clients) -> None:
    answers = [page([instance("i-2")]), b"{", page([instance("i-1")])]
    client = clients.canned(lambda *_: Response(answers.pop(0)), retries=TWO_ATTEMPTS)
    busy = False

    def call_directly(**_: Any) -> Generator[Any, Any, None]:
        nonlocal busy
        if not busy:
            busy = True
            yield client.wrapped.batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-2"])

    client.on("before-send", clients.handler(call_directly), first=True)
    output = client.batch_get(["i-1"])
    assert got(output.deployment_targets) == ["i-1"]
    assert output.response_metadata[0].retry_attempts == 1


@pytest.mark.usefixtures("retry_at_once")
def test_a_cut_answer_is_noticed_after_a_call_from_a_handler_failed(clients: Clients) -> None:
    def fail(**_: Any) -> None:
        raise KeyError("of the other's signer")

    failed: list[str] = []

    def call_another(**_: Any) -> Generator[Any, Any, None]:
        try:
            yield another.wrapped.batch_get_deployment_targets(
                deploymentId="d-2", targetIds=["i-2"]
            )
        except KeyError as error:
            failed.append(str(error))

    answers = [b"{", page([instance("i-1")])]
    client = clients.canned(lambda *_: Response(answers.pop(0)), retries=TWO_ATTEMPTS)
    another = clients.canned(unanswered)
    another.on("request-created", fail)
    client.on("before-send", clients.handler(call_another), first=True)
    output = client.batch_get(["i-1"])
    assert got(output.deployment_targets) == ["i-1"]
    assert answers == []
    assert len(failed) == 2
    assert all("signer" in text for text in failed)


@pytest.mark.parametrize("event", ["provide-client-params", "before-parameter-build"])
def test_a_direct_call_with_what_a_handler_saw_returns_boto3_s_dict(
    clients: Clients, service: Service, event: str
) -> None:
    seen: list[dict[str, Any]] = []
    client = clients.canned(service)
    client.on(event, lambda params, **_: seen.append(params))
    client.batch_get(ids(2))
    response = client.call("batch_get_deployment_targets", **seen[0])
    assert len(response["deploymentTargets"]) == 2


# Stubs and mocks bring dicts, not bytes.


def test_it_works_under_stubber(clients: Clients) -> None:
    client = clients.canned(unanswered, max_concurrency=1)
    with clients.stubber(client.wrapped) as stubber:
        for batch in (ids(30)[:25], ids(30)[25:]):
            stubber.add_response(
                "batch_get_deployment_targets",
                {
                    "deploymentTargets": [
                        InstanceTarget(target_id=target_id, status=TargetStatus.FAILED).to_boto3()
                        for target_id in batch
                    ]
                },
                {"deploymentId": "d-1", "targetIds": batch},
            )
        output = client.batch_get(ids(30))
        assert got(output.deployment_targets) == ids(30)
        assert [target.status for target in output.deployment_targets] == ["Failed"] * 30
        assert [metadata.request_id for metadata in output.response_metadata] == [None, None]
        stubber.add_response("list_deployment_targets", {"targetIds": ids(1)})
        stubber.add_client_error(
            "batch_get_deployment_targets", "DeploymentTargetDoesNotExistException"
        )
        assert list(client.iterate(skip_missing=True)) == []
        stubber.assert_no_pending_responses()


ODD_METADATA: list[Any] = [
    None,
    [],
    "text",
    5,
    {},
    {"HTTPHeaders": None},
    {"HTTPHeaders": []},
    {"HTTPHeaders": "text"},
    {"HTTPHeaders": {"a": None, "b": b"bytes", "c": 5, "d": 5.5, "e": ["list"]}},
    {"HTTPHeaders": {b"bytes": "b", 5: "number", None: "none"}},
    {"RequestId": 5, "HTTPStatusCode": "200", "RetryAttempts": "0"},
    {"RequestId": [], "HTTPStatusCode": None, "RetryAttempts": None},
    {"HTTPStatusCode": 200.0, "RetryAttempts": 0.5, "HostId": object()},
]


@pytest.mark.parametrize("metadata", ODD_METADATA, ids=range(len(ODD_METADATA)))
@pytest.mark.parametrize("how", ["stub", "mock"])
def test_the_metadata_of_a_made_up_answer_may_be_odd(
    clients: Clients, metadata: Any, how: str
) -> None:
    answer = {
        "deploymentTargets": [InstanceTarget(target_id="i-1").to_boto3()],
        "ResponseMetadata": metadata,
    }
    if how == "mock":
        mock = clients.mock()
        mock.batch_get_deployment_targets.return_value = answer
        output = clients.wrap(mock).batch_get(["i-1"])
    else:
        client = clients.canned(unanswered)
        with clients.stubber(client.wrapped) as stubber:
            stubber.add_response("batch_get_deployment_targets", answer)
            output = client.batch_get(["i-1"])
    assert output.deployment_targets == [InstanceTarget(target_id="i-1")]
    (read,) = output.response_metadata
    assert all(type(text) is str for pair in read.http_headers.items() for text in pair)
    json.loads(output.model_dump_json())


def test_the_metadata_of_a_stub_need_not_be_text(clients: Clients) -> None:
    client = clients.canned(unanswered)
    metadata = {"RequestId": 1, "HTTPStatusCode": 200, "HTTPHeaders": {"content-length": 2}}
    with clients.stubber(client.wrapped) as stubber:
        answer = {"deploymentTargets": [], "ResponseMetadata": metadata}
        stubber.add_response("batch_get_deployment_targets", answer)
        output = client.batch_get(["i-1"])
    (read,) = output.response_metadata
    assert (read.request_id, read.http_status_code) == ("1", 200)
    assert read.http_headers == {"content-length": "2"}


def answer_as_dict(*, deploymentId: str, targetIds: list[str]) -> dict[str, Any]:  # noqa: N803
    assert deploymentId == "d-1"
    return {"deploymentTargets": [InstanceTarget(target_id=each).to_boto3() for each in targetIds]}


def test_a_mock_is_read_as_a_dict(clients: Clients) -> None:
    mock = clients.mock(listed=[{"targetIds": ids(20)}, {}, {"targetIds": ids(30)[20:]}])
    mock.batch_get_deployment_targets.side_effect = clients.method(answer_as_dict)
    client = clients.wrap(mock)
    output = client.batch_get(ids(30))
    assert got(output.deployment_targets) == ids(30)
    assert len(output.response_metadata) == 2
    assert mock.batch_get_deployment_targets.call_count == 2
    assert client.typed.client is mock
    assert got(client.iterate()) == ids(30)
    mock.get_paginator.assert_called_once_with("list_deployment_targets")


def test_a_mock_with_the_interface_of_a_client_is_read_as_a_dict(clients: Clients) -> None:
    wrapped = clients.canned(unanswered).wrapped
    mocks: list[Any] = [create_autospec(wrapped), create_autospec(type(wrapped), instance=True)]
    for mock in mocks:
        mock.batch_get_deployment_targets.side_effect = clients.method(answer_as_dict)
        assert got(clients.wrap(mock).batch_get(ids(30)).deployment_targets) == ids(30)
        assert mock.batch_get_deployment_targets.call_count == 2


def test_a_mock_s_answer_of_another_shape_is_refused(clients: Clients) -> None:
    mock = clients.mock()
    mock.batch_get_deployment_targets.return_value = {"deploymentTargets": 5}
    with pytest.raises(InvalidResponseError, match="deploymentTargets is no list"):
        clients.wrap(mock).batch_get(["i-1"])
    # A mock that was told no answer returns another mock.
    mock.batch_get_deployment_targets.return_value = MagicMock()
    with pytest.raises(InvalidResponseError, match="it is no object"):
        clients.wrap(mock).batch_get(["i-1"])


def test_a_patched_method_is_read_as_a_dict(clients: Clients) -> None:
    client = clients.canned(unanswered)
    with patch.object(client.wrapped, "batch_get_deployment_targets") as patched:
        patched.side_effect = clients.method(answer_as_dict)
        assert got(client.batch_get(ids(30)).deployment_targets) == ids(30)
    assert patched.call_count == 2


def test_a_patched_method_may_call_the_client_s_own(clients: Clients, service: Service) -> None:
    client = clients.canned(service)
    own = client.wrapped.batch_get_deployment_targets
    with patch.object(client.wrapped, "batch_get_deployment_targets", wraps=own) as patched:
        assert got(client.batch_get(ids(30)).deployment_targets) == ids(30)
    assert patched.call_count == 2


def test_a_patched_api_call_is_read_as_a_dict(clients: Clients) -> None:
    # Many tests of boto3's users patch this private method of botocore.
    client = clients.canned(unanswered)
    with patch.object(type(client.wrapped), "_make_api_call") as patched:
        patched.side_effect = clients.method(lambda _, params: answer_as_dict(**params))
        assert got(client.batch_get(ids(30)).deployment_targets) == ids(30)
    assert patched.call_count == 2


def test_a_subclass_of_a_client_is_read_as_a_dict(clients: Clients) -> None:
    wrapped: Any = clients.canned(unanswered).wrapped
    base: Any = type(wrapped)
    answers = clients.mock().batch_get_deployment_targets
    answers.side_effect = clients.method(answer_as_dict)

    class Subclass(base):  # type: ignore[misc]
        def batch_get_deployment_targets(self, **params: Any) -> Any:
            return answers(**params)

    own: Any = object.__new__(Subclass)
    vars(own).update(vars(wrapped))
    assert got(clients.wrap(own).batch_get(ids(30)).deployment_targets) == ids(30)
    assert answers.call_count == 2


def test_a_subclass_may_call_the_client_s_own(clients: Clients, service: Service) -> None:
    wrapped: Any = clients.canned(service).wrapped
    base: Any = type(wrapped)
    asked = []

    class Recording(base):  # type: ignore[misc]
        def batch_get_deployment_targets(self, **params: Any) -> Any:
            asked.append(params["targetIds"])
            return super().batch_get_deployment_targets(**params)

    own: Any = object.__new__(Recording)
    vars(own).update(vars(wrapped))
    client = clients.wrap(own)
    assert got(client.batch_get(ids(30)).deployment_targets) == ids(30)
    assert sorted(map(len, asked)) == [5, 25]
    assert type(client.typed.client) is Recording


# Clients of the wrong kind are refused at once, and the error tells which one to use.


def test_a_client_of_another_service_is_refused(clients: Clients) -> None:
    s3 = boto3.client("s3", region_name="us-east-1")
    for wrong in (s3, boto3.Session(), boto3, object(), "codedeploy", 5):
        with pytest.raises(TypeError, match="client must be a CodeDeploy client") as refused:
            clients.wrap(wrong)
        assert "session.client('codedeploy')" in str(refused.value)
    s3.close()


def test_an_aiobotocore_client_is_refused_by_the_sync_class() -> None:
    pytest.importorskip("aiobotocore")
    with AsyncClients() as clients:
        wrapped = clients.canned(unanswered).wrapped
        with pytest.raises(TypeError, match=r"\bAsyncDeploymentTargetsClient\b") as refused:
            DeploymentTargetsClient(wrapped)
    assert "aiobotocore" in str(refused.value)


def test_a_boto3_client_is_refused_by_the_async_class() -> None:
    wrapped: Any = canned(unanswered)
    with pytest.raises(TypeError, match=r"\bDeploymentTargetsClient\b") as refused:
        AsyncDeploymentTargetsClient(wrapped)
    assert "botocore" in str(refused.value)
    nothing: Any = None
    with pytest.raises(TypeError, match="client must be a CodeDeploy client"):
        AsyncDeploymentTargetsClient(nothing)


# The default client, and others of botocore's.


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


def test_the_sync_user_needs_no_aiobotocore() -> None:
    script = """
import sys
sys.modules["aiobotocore"] = None
import codedeploy_targets
assert "codedeploy_targets.aio" not in sys.modules
import codedeploy_targets.aio
"""
    subprocess.run([sys.executable, "-c", script], check=True)  # noqa: S603


def test_an_answer_is_not_kept_until_the_garbage_collector_comes(clients: Clients) -> None:
    client = clients.canned(answer_every_id)
    gc.collect()
    gc.disable()
    try:
        # Another test's thread may still hold one.
        before = [each for each in gc.get_objects() if isinstance(each, Twin)]
        client.batch_get(ids(60))
        list(client.iterate(ids(60)))
        after = [each for each in gc.get_objects() if isinstance(each, Twin)]
        assert all(any(each is old for old in before) for each in after)
    finally:
        gc.enable()

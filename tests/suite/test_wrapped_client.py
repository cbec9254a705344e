"""The client that is wrapped stays what it was, and its user's handlers fire as ever."""

from __future__ import annotations

import asyncio
import copy
import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.errorfactory import ClientExceptionsFactory
from botocore.exceptions import ClientError
from support.clients import AsyncClients, Clients, aiobotocore_client, got, subclass
from support.codedeploy import BUSY, LIST, OPERATIONS, READ, CodeDeploy, Step
from support.endpoint import Response, error, unanswered
from support.pages import fleet, ids, instance, page
from support.processes import run_python

from codedeploy_targets import InstanceTarget, InvalidResponseError

TWO_ATTEMPTS = {"mode": "standard", "total_max_attempts": 2}
REQUEST: dict[str, Any] = {"deploymentId": "d-1", "targetIds": ids(2)}
GOOD = page([instance("i-1")])
CUT = Response(GOOD[:-9])


@contextmanager
def unchanged(wrapped: Any) -> Iterator[None]:
    """Assert that a client has the same handlers and attributes afterwards as before."""
    endpoint = wrapped._endpoint  # noqa: SLF001
    assert wrapped.exceptions  # botocore makes them on first use, and keeps them in an attribute

    def state() -> Any:
        events = wrapped.meta.events
        handlers = copy.copy(getattr(events, "_emitter", events)._handlers)  # noqa: SLF001
        return handlers._root, dict(vars(wrapped)), dict(vars(endpoint))  # noqa: SLF001

    before = state()
    yield
    assert state() == before


def test_the_wrapped_client_stays_what_it_was(clients: Clients) -> None:
    wrapped = clients.answered(CodeDeploy(known=60))
    plain = clients.finish(wrapped.batch_get_deployment_targets(**REQUEST))
    listed = clients.finish(wrapped.list_deployment_targets(deploymentId="d-1"))
    with unchanged(wrapped):
        with ThreadPoolExecutor(8) as pool:
            made = [*pool.map(clients.wrap, [wrapped] * 8)]
        for client in made:
            assert client.typed.client is wrapped
            assert got(client.batch_get(ids(60)).deployment_targets) == ids(60)
            assert client.call("batch_get_deployment_targets", **REQUEST) == plain
            targets = client.iterate()
            next(targets)
            assert client.call("list_deployment_targets", deploymentId="d-1") == listed
            targets.close()
            client.batch_get(["i-gone"], skip_missing=True)
            with pytest.raises(client.exceptions.DeploymentTargetDoesNotExistException):
                client.batch_get(["i-gone"])


def test_threads_and_tasks_may_share_it_with_direct_calls(clients: Clients) -> None:
    client = clients.served(CodeDeploy())
    plain = client.call("batch_get_deployment_targets", **REQUEST)["deploymentTargets"]
    both = (client.wrapped, client.typed)
    direct, typed = (partial(each.batch_get_deployment_targets, **REQUEST) for each in both)
    with unchanged(client.wrapped):
        for answer in clients.at_once([direct, typed] * 30):
            dicts = answer if isinstance(answer, dict) else answer.to_boto3()
            assert dicts["deploymentTargets"] == plain


@pytest.mark.parametrize("batches", [1, 2])
def test_threads_make_the_classes_of_the_exceptions_once(
    monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    # botocore takes no lock: two threads that make them at once get two classes of one name, and
    # `except client.exceptions.…` catches one of them.
    factory: Any = ClientExceptionsFactory()  # a new one, which has made none yet
    make = factory._create_client_exceptions  # noqa: SLF001

    def slowly(*args: Any) -> Any:
        time.sleep(0.05)
        return make(*args)

    def refused() -> type[ClientError]:
        with pytest.raises(ClientError) as caught:
            client.batch_get(ids(25 * batches))
        return type(caught.value)

    monkeypatch.setattr(factory, "_create_client_exceptions", slowly)
    with Clients() as clients:
        client = clients.canned(lambda *_: error("DeploymentDoesNotExistException"))
        monkeypatch.setattr(client.wrapped, "_exceptions_factory", factory)
        monkeypatch.setattr(client.wrapped, "_exceptions", None)
        errors = {*clients.at_once([refused] * 4)}
        assert errors == {client.typed.exceptions.DeploymentDoesNotExistException}


def test_an_answer_is_not_kept_until_the_garbage_collector_comes(clients: Clients) -> None:
    def alive() -> int:
        return sum(type(each) is InstanceTarget for each in gc.get_objects())

    client = clients.canned(CodeDeploy(known=60))
    gc.disable()
    gc.freeze()  # so that `alive` looks at new objects alone
    try:
        client.batch_get(ids(60))
        list(client.iterate())
        list(client.iterate(ids(60)))
        clients.wait_until(lambda: not alive())  # the last thread ends a moment later
    finally:
        gc.unfreeze()
        gc.enable()


# The user's event handlers fire as ever.

EVENTS = [
    "provide-client-params", "before-parameter-build", "before-call", "request-created",
    "before-send", "before-parse", "response-received", "needs-retry", "after-call",
]  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS)
def test_handlers_fire_whether_registered_before_or_after(clients: Clients, operation: str) -> None:
    wrapped = clients.answered(CodeDeploy(Step("Succeeded", fleet(a="Succeeded"))))
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
    list(client.watch())
    assert fired == [(event, when) for event in EVENTS for when in ("before", "after")]


@pytest.mark.parametrize("event", ["provide-client-params", "before-parameter-build"])
def test_handlers_see_the_parameters_of_a_direct_call(clients: Clients, event: str) -> None:
    client = clients.canned(CodeDeploy())
    seen: list[Any] = []
    client.on(event, lambda params, **_: seen.append(dict(params)))
    client.batch_get(ids(2))
    plain = client.call("batch_get_deployment_targets", **seen[0])
    assert len(plain["deploymentTargets"]) == 2
    assert seen == [REQUEST] * 2
    assert all(type(text) is str for params in seen for text in params["targetIds"])


@pytest.mark.parametrize("event", ["provide-client-params", "before-parameter-build"])
def test_a_handler_edits_the_parameters_of_its_own_call_alone(clients: Clients, event: str) -> None:
    def edit(params: Any, **_: Any) -> None:
        if "targetFilters" in params:
            filters.append([*params["targetFilters"]["TargetStatus"]])
            params["targetFilters"]["TargetStatus"].clear()
        del params.get("targetIds", [])[1:]

    filters, wanted, failed = list[Any](), ["i-1", "i-2"], {"TargetStatus": ["Failed"]}
    steps = [Step("InProgress", fleet(a="InProgress"))] * 3
    client = clients.canned(CodeDeploy(*steps, Step("Failed", fleet(a="Failed"))))
    client.on(event, edit)
    list(client.watch())
    assert filters == [BUSY["TargetStatus"], ["Failed"]] * 2
    client = clients.canned(CodeDeploy(known=wanted, instead={READ: [None, None, Response(b"[]")]}))
    client.on(event, edit)
    output, targets = client.batch_get(wanted), client.iterate(wanted)
    assert (got(output.deployment_targets), output.missing_target_ids) == (["i-1"], ["i-2"])
    assert got(targets) == ["i-1"]
    targets.missing_target_ids.clear()
    assert targets.missing_target_ids == ["i-2"]
    with pytest.raises(InvalidResponseError) as refused:
        client.batch_get(wanted)
    assert refused.value.target_ids == wanted == ["i-1", "i-2"]
    assert list(client.iterate(targetFilters=failed)) == []
    assert failed == {"TargetStatus": ["Failed"]}


BODIES = {
    "whole": [page([instance("i-1"), instance("i-2")])],
    "odd": [page([{"deploymentTargetType": "MarsTarget", "marsTarget": {"targetId": "i-1"}}])],
    "cut short": [CUT.body, GOOD],
    "always cut short": [b"{", b"{"],
    "of another shape": [b"[]"],
}
PARSED = {"customized_response_dict", "parsed_response", "parsed"}


@pytest.mark.usefixtures("retry_at_once")
@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("operation", [LIST, READ])
def test_handlers_find_body_and_plain_values(clients: Clients, name: str, operation: str) -> None:
    def handle(event_name: str, **kwargs: Any) -> None:
        if response := kwargs.get("response_dict"):
            bodies.append(response["body"])
        if event_name.startswith("before-parse"):
            assert kwargs["response_dict"]["status_code"] == 200
        parsed = [kwargs[each] for each in PARSED & kwargs.keys()] or [kwargs["response"][1]]
        assert_plain(parsed)
        fired.append(event_name)

    instead = {READ: [Response(b"{}")], operation: map(Response, BODIES[name])}
    client = clients.canned(CodeDeploy(instead=instead), retries=TWO_ATTEMPTS)
    bodies, fired = list[bytes](), list[str]()
    events = client.wrapped.meta.events
    for event in EVENTS[-4:]:
        events.register_first(f"{event}.codedeploy.{operation}", handle)
        events.register_last(f"{event}.codedeploy.{operation}", handle)
    with suppress(InvalidResponseError):
        list(client.iterate(None if operation == LIST else ["i-1"]))
    # Each of the two handlers of each event sees the whole body of each attempt.
    assert bodies == [body for body in BODIES[name] for _ in range(4)]
    assert len(fired) == 6 * len(BODIES[name]) + 2


def assert_plain(value: Any) -> None:
    assert type(value) in {dict, list, str, int, float, bool, bytes, datetime, type(None)}
    for member in value if isinstance(value, list) else ():
        assert_plain(member)
    for key, member in value.items() if isinstance(value, dict) else ():
        assert type(key) is str
        assert_plain(member)


@pytest.mark.usefixtures("retry_at_once")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_handler_may_change_mend_or_break_the_body(clients: Clients, when: str) -> None:
    def change(response_dict: Any, **_: Any) -> None:
        response_dict["body"] = response_dict["body"].replace(*renamed) + added

    answers = [Response(body) for body in (GOOD, GOOD[:-1], GOOD, GOOD)]
    wrapped = clients.answered(CodeDeploy(instead={READ: answers}), retries=TWO_ATTEMPTS)
    client = clients.wrap(wrapped) if when == "after" else None
    wrapped.meta.events.register("before-parse.codedeploy.BatchGetDeploymentTargets", change)
    client = client or clients.wrap(wrapped)

    renamed, added = (b"i-1", b"i-2"), b""
    output = client.batch_get(["i-1"])
    assert (got(output.deployment_targets), output.missing_target_ids) == (["i-2"], ["i-1"])
    renamed, added = (b"", b""), b"}"
    output = client.batch_get(["i-1"])
    assert got(output.deployment_targets) == ["i-1"]
    assert output.response_metadata[0].retry_attempts == 0
    with pytest.raises(InvalidResponseError) as refused:
        client.batch_get(["i-1"])
    assert refused.value.body == GOOD + b"}"


def test_what_a_handler_raises_is_raised_though_the_body_was_cut(clients: Clients) -> None:
    def fail(**_: Any) -> None:
        raise KeyError("of the handler")

    client = clients.canned(CodeDeploy(instead={READ: [CUT]}), retries={"total_max_attempts": 1})
    client.on("needs-retry", fail)
    with pytest.raises(KeyError, match="of the handler"):
        client.batch_get(["i-1"])


# A handler may make calls of its own.


@pytest.mark.usefixtures("retry_at_once")
def test_calls_from_a_handler_leave_the_typed_call_alone(clients: Clients) -> None:
    cut, busy, seen = [CUT], False, list[Any]()

    def cut_once(_: str, params: Any) -> Response | None:
        return cut.pop() if cut and params["targetIds"] == ids(3) else None

    def fail(**_: Any) -> None:
        raise KeyError("of the other's signer")

    async def call_others(**_: Any) -> None:
        nonlocal busy
        if not busy:
            busy = True
            call = client.wrapped.batch_get_deployment_targets(**REQUEST)
            seen.append(await clients.result(call))
            with pytest.raises(KeyError, match="signer"):
                await clients.result(another.wrapped.batch_get_deployment_targets(**REQUEST))
            busy = False

    client = clients.canned(CodeDeploy(before=cut_once), retries=TWO_ATTEMPTS)
    another = clients.canned(unanswered)
    another.on("request-created", fail)
    plain = client.call("batch_get_deployment_targets", **REQUEST)
    for event in ("before-call", "request-created", "before-send", "before-parse", "after-call"):
        client.on(event, clients.handler(call_others), first=True)
    output = client.batch_get(ids(3))
    assert got(output.deployment_targets) == ids(3)
    assert output.response_metadata[0].retry_attempts == 1
    assert seen == [plain] * 8  # three of the events come with each of the two attempts


# Clients of the wrong kind are refused at once, and the error tells which one to use.


def test_a_client_of_another_service_is_refused(clients: Clients) -> None:
    s3: Any = boto3.client("s3", region_name="us-east-1")
    told = r"a CodeDeploy client \(session.client\('codedeploy'\)"
    for wrong in (s3, boto3.Session(), boto3, object(), "codedeploy", 5):
        with pytest.raises(TypeError, match=told):
            clients.wrap(wrong)
    s3.close()


def test_a_client_of_the_other_kind_is_refused() -> None:
    pytest.importorskip("aiobotocore")
    with Clients() as sync, AsyncClients() as clients:
        with pytest.raises(TypeError, match=r"is of botocore\b.* to DeploymentTargetsClient$"):
            clients.wrap(sync.answered(unanswered))
        told = r"is of aiobotocore\b.*\.AsyncDeploymentTargetsClient$"
        with pytest.raises(TypeError, match=told):
            sync.wrap(clients.answered(unanswered))
        with pytest.raises(TypeError, match="client must be a CodeDeploy client"):
            clients.wrap(None)


def test_a_typed_client_is_refused(clients: Clients) -> None:
    with pytest.raises(TypeError, match="client is a typed client already"):
        clients.wrap(clients.canned(unanswered).typed)


def test_a_client_that_was_not_entered_is_refused(clients: Clients) -> None:
    pytest.importorskip("aiobotocore")
    context = aiobotocore_client("http://localhost")  # aioboto3's is the same

    async def enter() -> None:
        async with context:
            pass

    hint = r"enter it: async with session.client\('codedeploy'\)"
    with pytest.raises(TypeError, match=rf"for aio\.AsyncDeploymentTargetsClient, {hint}"):
        clients.wrap(context)
    asyncio.run(enter())


def test_the_sync_user_needs_no_aiobotocore() -> None:
    script = "import sys; sys.modules['aiobotocore'] = None; import codedeploy_targets"
    assert run_python("-c", script) == ""


def test_another_client_may_take_the_place_of_the_wrapped_one(clients: Clients) -> None:
    client = clients.canned(CodeDeploy())
    client.typed.client = clients.answered(CodeDeploy(known=["a"]))
    assert client.batch_get(["a"]).missing_target_ids == []


def test_a_subclass_of_the_user_s_has_its_own_state_and_identity(clients: Clients) -> None:
    class Counting:
        def _make_api_call(self, *args: Any) -> Any:
            vars(self).setdefault("calls", []).append(self)
            return super()._make_api_call(*args)  # type: ignore[misc]

    wrapped = clients.answered(CodeDeploy(known=100))
    mine = subclass(wrapped, {}, Counting)
    clients.wrap(mine).batch_get(ids(100))
    assert len(mine.calls) == 4
    assert {*mine.calls} == {mine}  # so a cache may know the client
    assert {type(each).__module__ for each in mine.calls} == {type(mine).__module__}
    assert type(mine.calls[0]).__name__ == "Mine"


def test_a_class_that_refuses_subclasses_is_called_itself(clients: Clients) -> None:
    class Final:
        def __init_subclass__(cls, *, permitted: bool) -> None:
            pass

    wrapped = clients.answered(CodeDeploy(known=["a"]))
    final = subclass(wrapped, {}, Final, permitted=True)
    assert got(clients.wrap(final).batch_get(["a"]).deployment_targets) == ["a"]

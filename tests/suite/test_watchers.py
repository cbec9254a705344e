"""Whoever watches or wraps a call sees boto3's dict, and what they edit in it counts."""

from __future__ import annotations

import copy
import json
import logging
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from inspect import isawaitable, iscoroutinefunction
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from support.clients import Clients, base_of, got, subclass
from support.codedeploy import LIST, OPERATIONS, PATIENCE, READ, CodeDeploy, Step, cut_short
from support.endpoint import Response, canned
from support.pages import ids, instance, page

import codedeploy_targets as ct

Look = Callable[[dict[str, Any]], None]

UNKNOWN = {"deploymentTargetType": "MarsTarget", "marsTarget": {"targetId": "m-1"}}
STEP = Step("Succeeded", [instance("i-1"), UNKNOWN, instance("i-2")])
WANTED = ["i-1", "m-1", "i-2"]
REQUEST: dict[str, Any] = {"deploymentId": "d-1", "targetIds": WANTED}
HANDLERS: dict[str, Callable[[Look], Callable[..., None]]] = {
    "response-received": lambda look: lambda parsed_response, **_: look(parsed_response),
    "needs-retry": lambda look: lambda response, **_: look(response[1]),
    "after-call": lambda look: lambda parsed, **_: look(parsed),
}
WRAPPERS = {
    "a replaced _make_api_call": "_make_api_call",
    "wrapt": "_make_api_call",
    "a subclass": "_make_api_call",
    "a method of a subclass": "batch_get_deployment_targets",
    "a replaced _make_request": "_make_request",
    "the endpoint's make_request": "make_request",
    "the endpoint's _send_request": "_send_request",
}


class Watchers:
    """Lets a function see, one way or another, what the calls of a client return."""

    def __init__(self, clients: Clients, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._clients = clients
        self._how = how
        self._monkeypatch = monkeypatch

    def watch(self, wrapped: Any, look: Look) -> Any:
        """Let `look` see the answers; return the client, or its copy of a subclass."""
        if self._how in HANDLERS:
            wrapped.meta.events.register(f"{self._how}.codedeploy", HANDLERS[self._how](look))
            return wrapped
        cls = base_of(wrapped)
        if "endpoint" in self._how:
            cls = type(vars(wrapped)["_endpoint"])
        elif "subclass" in self._how:
            wrapped = subclass(wrapped)
            cls = type(wrapped)
        name = WRAPPERS[self._how]
        own = getattr(cls, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            answer = await self._clients.result(own(*args, **kwargs))
            look(answer[1] if isinstance(answer, tuple) else answer)
            return answer

        make = plain = wraps(own)(self._clients.handler(call))  # so `__module__` is botocore's
        if self._how == "wrapt":
            wrapt = pytest.importorskip("wrapt")
            make = wrapt.FunctionWrapper(own, lambda _, self, args, kw: plain(self, *args, **kw))
        self._monkeypatch.setattr(cls, name, make)
        return wrapped


@pytest.fixture(params=[*HANDLERS, *WRAPPERS])
def watchers(clients: Clients, request: Any, monkeypatch: pytest.MonkeyPatch) -> Watchers:
    return Watchers(clients, request.param, monkeypatch)


@pytest.mark.usefixtures("retry_at_once")
@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_a_watcher_sees_boto3_s_dict_and_nothing_is_spent_where_nobody_looks(
    clients: Clients, watchers: Watchers, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def note(output: ct.BatchGetDeploymentTargetsOutput) -> Any:
        made.append(output)
        return to_boto3(output)

    made, seen = list[Any](), list[Any]()
    to_boto3 = ct.BatchGetDeploymentTargetsOutput.to_boto3
    monkeypatch.setattr(ct.BatchGetDeploymentTargetsOutput, "to_boto3", note)
    codedeploy = CodeDeploy(STEP, instead={READ: [None, None, cut_short]})
    wrapped = clients.answered(codedeploy, retries={"mode": mode})
    plain = clients.finish(wrapped.batch_get_deployment_targets(**REQUEST))
    output = clients.wrap(wrapped).batch_get(WANTED)
    assert made == []  # botocore's own handlers, for retries in each mode, are no watchers
    wrapped = watchers.watch(wrapped, lambda answer: seen.append(copy.deepcopy(answer)))
    again = clients.wrap(wrapped).batch_get(WANTED)
    assert len(made) == 1
    assert again.deployment_targets == output.deployment_targets
    assert again.response_metadata[0].retry_attempts == 1
    assert seen[-1]["deploymentTargets"] == plain["deploymentTargets"]
    assert seen[-1]["ResponseMetadata"]["RequestId"] == "request-1"


def redact(answer: Any) -> None:
    events = answer["deploymentTargets"][0]["instanceTarget"]["lifecycleEvents"]
    events[0]["diagnostics"]["logTail"] = "***"


def duplicate(answer: Any) -> None:
    answer["deploymentTargets"] = copy.deepcopy(answer["deploymentTargets"])


EDITS: dict[str, Callable[[dict[str, Any]], object]] = {
    "redacted": redact,
    "added": lambda answer: answer["deploymentTargets"].insert(
        0, ct.InstanceTarget(target_id="i-9").to_boto3()
    ),
    "removed": lambda answer: answer["deploymentTargets"].pop(0),
    "reversed": lambda answer: answer["deploymentTargets"].reverse(),
    "copied": duplicate,
    "relabelled": lambda answer: answer["deploymentTargets"][1].update(
        deploymentTargetType="VenusTarget"
    ),
    "emptied": lambda answer: answer["deploymentTargets"].clear(),
    "made a tuple": lambda answer: answer.update(
        deploymentTargets=tuple(answer["deploymentTargets"])
    ),
}


@pytest.mark.parametrize("how", EDITS)
def test_what_a_watcher_edits_counts_and_the_rest_keeps_its_payload(
    clients: Clients, watchers: Watchers, how: str
) -> None:
    def edit(answer: dict[str, Any]) -> None:
        EDITS[how](answer)
        edited[:] = copy.deepcopy(answer["deploymentTargets"])

    edited: list[Any] = []
    wrapped = watchers.watch(clients.answered(CodeDeploy(STEP)), edit)
    output = clients.wrap(wrapped).batch_get(WANTED)
    assert output.to_boto3()["deploymentTargets"] == edited
    raw = [each.raw for each in output.deployment_targets if isinstance(each, ct.UnknownTarget)]
    relabelled = {"deploymentTargetType": "VenusTarget"}
    assert raw == {"emptied": [], "relabelled": [relabelled]}.get(how, [UNKNOWN])
    assert output.missing_target_ids == {
        "removed": ["i-1"], "relabelled": ["m-1"], "emptied": WANTED
    }.get(how, [])  # fmt: skip


def test_a_number_in_the_targets_place_is_refused(clients: Clients, watchers: Watchers) -> None:
    wrapped = clients.answered(CodeDeploy(STEP))
    wrapped = watchers.watch(wrapped, lambda answer: answer.update(deploymentTargets=7))
    with pytest.raises(ct.InvalidResponseError, match="deploymentTargets is no list"):
        clients.wrap(wrapped).batch_get(WANTED)


@pytest.mark.usefixtures("retry_at_once")
@pytest.mark.parametrize("body", [b'{"message": "Forbidden"}', page([instance("i-1")])[:-9]])
@pytest.mark.parametrize("operation", [LIST, READ])
def test_a_watcher_that_tidies_up_does_not_hide_that_an_answer_is_unreadable(
    clients: Clients, watchers: Watchers, operation: str, body: bytes
) -> None:
    def tidy(answer: dict[str, Any]) -> None:
        for name in ("deploymentTargets", "targetIds"):
            answer[name] = [each for each in answer.get(name, []) if each]

    codedeploy = CodeDeploy(STEP, instead={operation: [Response(body)] * 9})
    client = clients.wrap(watchers.watch(clients.answered(codedeploy), tidy))
    with pytest.raises(ct.InvalidResponseError, match=f"response to {operation} cannot be read"):
        list(client.iterate(WANTED if operation == READ else None))


def test_a_cache_keeps_boto3_s_dict_for_typed_and_direct_calls(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    codedeploy = CodeDeploy(STEP)
    client = clients.canned(codedeploy)
    plain = client.call("batch_get_deployment_targets", **REQUEST)
    cls, cached = base_of(client.wrapped), dict[str, Any]()
    own = cls._make_api_call

    async def call(wrapped: Any, operation: str, params: Any) -> Any:
        if str(params) not in cached:
            cached[str(params)] = await clients.result(own(wrapped, operation, params))
        return cached[str(params)]

    monkeypatch.setattr(cls, "_make_api_call", clients.handler(call))
    first, second = client.batch_get(WANTED), client.batch_get(WANTED)
    assert client.call("batch_get_deployment_targets", **REQUEST) == plain
    assert len(codedeploy.batches) == 2
    assert first.deployment_targets[1].target_id == "m-1"
    # boto3's dict has no place for an unknown target's payload.
    assert second.to_boto3() == first.to_boto3()
    assert second.deployment_targets[::2] == first.deployment_targets[::2]


def test_a_wrapper_that_makes_another_call_gets_boto3_s_dict_of_it(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(name: str, params: Any) -> Response:
        return Response(b'{"applications": ["app"]}') if name != READ else codedeploy(name, params)

    async def call(wrapped: Any, name: str, params: Any) -> Any:
        result = await clients.result(own(wrapped, name, params))
        if name == READ:
            listed.append(await clients.result(wrapped.list_applications()))
        return result

    codedeploy, listed = CodeDeploy(STEP), list[Any]()
    client = clients.canned(answer)
    cls = base_of(client.wrapped)
    own = cls._make_api_call
    monkeypatch.setattr(cls, "_make_api_call", clients.handler(call))
    assert got(client.batch_get(WANTED).deployment_targets) == WANTED
    assert listed == [client.call("list_applications")]


def test_what_a_handler_parses_itself_counts(clients: Clients) -> None:
    client = clients.canned(CodeDeploy(STEP))
    edited = [instance("i-2")]
    client.on("before-parse", lambda customized_response_dict, **_: customized_response_dict.update(
        deploymentTargets=edited
    ))  # fmt: skip
    output = client.batch_get(["i-1"])
    assert (got(output.deployment_targets), output.missing_target_ids) == (["i-2"], ["i-1"])


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_handler_may_read_what_the_library_cannot(clients: Clients, operation: str) -> None:
    def pack(usual: Response) -> Response:
        return Response(zlib.compress(usual.body))

    def unpack(response_dict: Any, customized_response_dict: Any, **_: Any) -> None:
        if not response_dict["body"].startswith(b"{"):
            customized_response_dict.update(json.loads(zlib.decompress(response_dict["body"])))
            response_dict["body"] = b""

    codedeploy = CodeDeploy(STEP, instead={operation: [pack]})
    client = clients.canned(codedeploy)
    client.on("before-parse", unpack)
    assert got(client.watch()) == WANTED
    assert len(codedeploy.calls) == 3


@pytest.mark.usefixtures("retry_at_once")
def test_what_a_handler_reads_of_a_listing_hides_no_cut_answer(clients: Clients) -> None:
    client = clients.canned(CodeDeploy(instead={LIST: [cut_short] * 5}))
    client.on("before-parse", lambda customized_response_dict, **_: customized_response_dict.update(
        nextToken="2"
    ))  # fmt: skip
    with pytest.raises(ct.InvalidResponseError):
        list(client.iterate())


def test_a_tracer_in_place_of_the_endpoint_s_emitter_sees_the_targets(clients: Clients) -> None:
    class Tracer:
        def emit(self, event_name: str, **kwargs: Any) -> Any:
            if event_name.startswith("response-received"):
                seen.append(kwargs["parsed_response"]["deploymentTargets"])
            return own.emit(event_name, **kwargs)

    client, seen = clients.canned(CodeDeploy(STEP)), list[Any]()
    plain = client.call("batch_get_deployment_targets", **REQUEST)["deploymentTargets"]
    endpoint = vars(client.wrapped)["_endpoint"]
    own = endpoint._event_emitter  # noqa: SLF001
    endpoint._event_emitter = Tracer()  # noqa: SLF001
    assert got(client.batch_get(WANTED).deployment_targets) == WANTED
    assert seen == [plain]


def test_botocore_s_log_has_the_body(clients: Clients, caplog: pytest.LogCaptureFixture) -> None:
    client, logged = clients.canned(CodeDeploy(STEP)), list[set[str]]()
    for call in (
        lambda: client.call("batch_get_deployment_targets", **REQUEST),
        lambda: client.batch_get(WANTED),
    ):
        with caplog.at_level(logging.DEBUG, "botocore.parsers"):
            call()
        own = [each for each in caplog.records if each.name == "botocore.parsers"]
        logged.append({each.getMessage() for each in own})
        caplog.clear()
    plain, ours = logged
    assert len(plain) == 2  # the headers, the body
    assert plain <= ours


def test_a_client_whose_handlers_cannot_be_found_counts_as_watched(clients: Clients) -> None:
    client = clients.canned(CodeDeploy(STEP))
    plain = client.call("batch_get_deployment_targets", **REQUEST)
    events, seen = client.wrapped.meta.events, list[Any]()
    client.on("after-call", lambda parsed, **_: seen.append(parsed))
    # An emitter of another class has no table of handlers.
    names = ("emit", "emit_until_response")
    client.wrapped.meta.events = SimpleNamespace(**{each: getattr(events, each) for each in names})
    assert got(client.batch_get(WANTED).deployment_targets) == WANTED
    assert seen == [plain]


PARSER = "_endpoint._response_parser_factory"
INSIDE = {
    **dict.fromkeys(["_get_response", "_do_get_response", "_needs_retry"], "_endpoint"),
    **dict.fromkeys(["emit", "emit of this client"], "meta.events"),
    "_emit": "meta.events._emitter",
    **dict.fromkeys(["parse", "_do_parse"], PARSER),
    **dict.fromkeys(["_handle_json_body", "_parse_body_as_json"], PARSER),
}


@pytest.mark.usefixtures("retry_at_once")
@pytest.mark.parametrize("name", INSIDE)
def test_a_tracer_of_botocore_s_inside_sees_the_targets(
    clients: Clients, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trace(*args: Any, **kwargs: Any) -> Any:
        answer = own(*args, **kwargs)
        return later(answer, args, kwargs) if isawaitable(answer) else note(answer, args, kwargs)

    async def later(answer: Any, *called: Any) -> Any:
        return note(await answer, *called)

    async def trace_later(*args: Any, **kwargs: Any) -> Any:
        return note(await own(*args, **kwargs), args, kwargs)

    def note(answer: Any, *called: Any) -> Any:
        seen.append(f"{called} {answer}")
        return answer

    trace._self_wrapper = trace_later._self_wrapper = trace  # type: ignore[attr-defined] # noqa: SLF001
    seen = list[str]()
    not_utf_8 = Response(page([{**UNKNOWN, "log": "?"}]).replace(b"?", b"\xff"))
    answers = [cut_short, None, lambda _: not_utf_8]
    client = clients.canned(CodeDeploy(STEP, instead={READ: answers}))
    owner = attrgetter(INSIDE[name])(client.wrapped)
    cls = type(owner.create_parser("json") if "factory" in INSIDE[name] else owner)
    cls, name = owner if "client" in name else cls, name.partition(" ")[0]
    own = getattr(cls, name)
    # aiobotocore 2.15 asks which kind of function a parser has.
    monkeypatch.setattr(cls, name, trace_later if iscoroutinefunction(own) else trace)
    output = client.batch_get(WANTED)
    assert "'targetId': 'i-2'" in " ".join(seen)
    assert (got(output.deployment_targets), output.missing_target_ids) == (WANTED, [])
    assert output.response_metadata[0].retry_attempts == 1
    unknown: Any = client.batch_get(["m-1"]).deployment_targets[0]
    assert (unknown.target_id, unknown.raw["log"]) == ("m-1", "\ufffd")


@pytest.mark.usefixtures("retry_at_once")
def test_a_wrapper_may_make_the_call_in_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_a_thread(*args: Any) -> Any:
        with ThreadPoolExecutor(1) as executor:
            return executor.submit(own, *args).result(PATIENCE)

    base: Any = BaseClient
    own = base._make_api_call  # noqa: SLF001
    monkeypatch.setattr(base, "_make_api_call", in_a_thread)
    client = ct.DeploymentTargetsClient(canned(CodeDeploy(STEP, instead={READ: [cut_short]})))
    output = client.batch_get_deployment_targets(**REQUEST)
    assert (got(output.deployment_targets), output.missing_target_ids) == (WANTED, [])


@pytest.mark.usefixtures("retry_at_once")
@pytest.mark.parametrize("error", [None, ClientError({"Error": {"Code": "Denied"}}, READ)])
def test_a_wrapper_may_answer_or_raise_in_the_place_of_an_unreadable_answer(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, error: ClientError | None
) -> None:
    async def fall_back(*args: Any) -> Any:
        try:
            return await clients.result(own(*args))
        except ClientError:
            if error:
                raise error from None
            return plain

    answers: list[Any] = [None, *[cut_short] * 5]
    client = clients.canned(CodeDeploy(STEP, instead={READ: answers}))
    plain = client.call("batch_get_deployment_targets", **REQUEST)
    cls = base_of(client.wrapped)
    own = cls._make_api_call
    monkeypatch.setattr(cls, "_make_api_call", clients.handler(fall_back))
    if error:
        with pytest.raises(ClientError) as caught:
            client.batch_get(WANTED)
        assert caught.value is error
    else:
        output = client.batch_get(["i-1", "i-2"])
        assert output.to_boto3()["deploymentTargets"] == plain["deploymentTargets"]


@pytest.mark.parametrize("returned", [None, ["i-1"]])
@pytest.mark.parametrize(("answers", "told"), [
    ([], "it is no object"), ([Response(b'{"foo": 1}')], "it has members|it is no object")
])  # fmt: skip
def test_what_a_wrapper_returns_is_refused_if_it_is_no_dict(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, returned: Any, answers: Any, told: str
) -> None:
    async def forget(*args: Any) -> Any:
        await clients.result(own(*args))
        return returned

    client = clients.canned(CodeDeploy(known=25, instead={READ: answers}))
    cls = base_of(client.wrapped)
    own = cls._make_api_call
    monkeypatch.setattr(cls, "_make_api_call", clients.handler(forget))
    with pytest.raises(ct.InvalidResponseError, match=told):
        client.batch_get(ids(25))


def test_an_order_of_unknown_targets_counts_though_their_dicts_are_equal(clients: Clients) -> None:
    mars: list[Any] = [{**UNKNOWN, "marsTarget": {"targetId": each}} for each in ("m-1", "m-2")]
    client = clients.canned(CodeDeploy(Step("Succeeded", mars)))
    client.on("after-call", lambda parsed, **_: parsed["deploymentTargets"].reverse())
    assert got(client.batch_get(["m-1", "m-2"]).deployment_targets) == ["m-2", "m-1"]

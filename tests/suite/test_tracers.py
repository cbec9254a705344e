"""Tracers and recorders: their spans have the caller's as parent, and they see the targets."""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.history import BaseHistoryHandler, get_global_history_recorder
from support.clients import AsyncClients, Clients, aiobotocore_client, base_of, got
from support.codedeploy import GET, PATIENCE, READ, THROTTLED, CodeDeploy, Step, cut_short
from support.endpoint import Response, boto3_client, serve
from support.pages import fleet, ids, instance, target
from support.processes import run_python

from codedeploy_targets import DeploymentTargetsClient, UnknownTarget

UNKNOWN = {"deploymentTargetType": "MarsTarget", "marsTarget": {"targetId": "m-1"}}
STEP = Step("Succeeded", [instance("i-1"), UNKNOWN, instance("i-2")])
WANTED = ["i-1", "m-1", "i-2"]
REQUEST: dict[str, Any] = {"deploymentId": "d-1", "targetIds": WANTED}
BATCHES = 60
ONCE = {"total_max_attempts": 1}
# Else Sentry would print, at the end of a slow process, that it waits for events to be sent.
SENTRY: dict[str, Any] = {"dsn": "http://key@localhost/1", "shutdown_timeout": 0}


def trace_with_sentry() -> None:
    """Trace with Sentry, which patches threads and botocore for good."""
    import sentry_sdk

    def note(event: Any, _: object) -> None:
        spans.extend(event["spans"])

    spans, users = list[dict[str, Any]](), list[str]()
    user: ContextVar[str] = ContextVar("user")
    sentry_sdk.init(**SENTRY, traces_sample_rate=1, before_send_transaction=note)
    together = threading.Barrier(4)  # batches have to overlap, or none could be another's parent
    codedeploy = CodeDeploy(known=25 * BATCHES, before=lambda *_: together.wait(PATIENCE))
    with serve(codedeploy) as endpoint:
        wrapped = boto3_client(endpoint.url)
        wrapped.meta.events.register("before-send", lambda **_: users.append(user.get()))
        client = DeploymentTargetsClient(wrapped)
        user.set("the caller's")
        with sentry_sdk.start_transaction(name="t"), sentry_sdk.start_span(name="caller") as caller:
            parent = caller.span_id  # Sentry makes it on first use, and two threads could make two
            client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(25 * BATCHES))
            assert sentry_sdk.get_current_span() is caller
    calls = [each for each in spans if "BatchGet" in each["description"]]
    requests = [each["parent_span_id"] for each in spans if "POST http" in each["description"]]
    assert [each["parent_span_id"] for each in calls] == [parent] * BATCHES
    assert sorted(requests) == sorted(each["span_id"] for each in calls)
    assert users == ["the caller's"] * BATCHES


def report_to_sentry() -> None:
    """Let Sentry report what tasks and threads raise, and nobody handles."""
    import sentry_sdk
    from sentry_sdk.integrations.asyncio import AsyncioIntegration

    from codedeploy_targets.aio import AsyncDeploymentTargetsClient

    def note(event: Any, _: object) -> None:
        reported.append(event["exception"])

    def answers() -> CodeDeploy:
        steps = (Step("Created"), Step("InProgress", []), Step("Succeeded", []))
        return CodeDeploy(*steps, instead={GET: [None, None, THROTTLED]})

    async def main() -> None:
        sentry_sdk.init(**SENTRY, before_send=note, integrations=integrations)
        with serve(answers()) as endpoint:
            async with aiobotocore_client(endpoint.url, retries=ONCE) as made:
                client = AsyncDeploymentTargetsClient(made)
                watch = client.watch_deployment_targets(deploymentId="d-1", delay=0)
                assert [target async for target in watch] == []
                with pytest.raises(ClientError):
                    await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=["no"])

    reported, integrations = list[Any](), [AsyncioIntegration()]
    asyncio.run(main())
    with serve(answers()) as endpoint:
        client = DeploymentTargetsClient(boto3_client(endpoint.url, retries=ONCE))
        assert list(client.watch_deployment_targets(deploymentId="d-1", delay=0)) == []
        with pytest.raises(ClientError):
            client.batch_get_deployment_targets(deploymentId="d-1", targetIds=["no", *ids(60)])
    assert reported == []
    sentry_sdk.capture_exception(KeyError())
    assert len(reported) == 1  # Sentry does report


def trace_with_datadog() -> None:
    """Trace with Datadog, which wraps botocore's parser, too, but looks at no answer."""
    import ddtrace
    from botocore.parsers import BaseJSONParser
    from ddtrace.trace import TraceFilter, tracer

    class Note(TraceFilter):  # type: ignore[misc, unused-ignore]
        def process_trace(self, trace: Any) -> None:
            spans.extend(trace)

    parser: Any = BaseJSONParser
    spans = list[Any]()
    ddtrace.patch(botocore=True)
    tracer.configure(trace_processors=[Note()])
    step = Step("Succeeded", [instance("a", events=1), UNKNOWN])
    parser._handle_timestamp = None  # noqa: SLF001 - so botocore can read no time
    with serve(CodeDeploy(step, instead={READ: [cut_short]})) as endpoint:
        client = DeploymentTargetsClient(boto3_client(endpoint.url))
        with tracer.trace("caller") as caller:
            _, target = client.iter_deployment_targets(deploymentId="d-1")
    assert target.model_dump()["raw"] == UNKNOWN
    calls = [
        each.parent_id for each in spans if each.resource == "codedeploy.batchgetdeploymenttargets"
    ]
    assert calls == [caller.span_id]


@pytest.mark.parametrize(("what", "needed"), [
    (trace_with_sentry, ["sentry_sdk"]), (report_to_sentry, ["sentry_sdk", "aiobotocore"]),
    (trace_with_datadog, ["ddtrace"]),
])  # fmt: skip
def test_a_tracer_gets_spans_with_their_parents_and_no_error_that_is_handled(
    what: Callable[[], None], needed: list[str]
) -> None:
    for name in needed:
        pytest.importorskip(name)
    datadog = [
        "DD_TRACE_STARTUP_LOGS", "DD_INSTRUMENTATION_TELEMETRY_ENABLED",
        "DD_REMOTE_CONFIGURATION_ENABLED",
    ]  # fmt: skip
    run_python(__file__, what.__name__, env={**os.environ, **dict.fromkeys(datadog, "false")})


def test_opentelemetry_s_spans_have_the_caller_s_as_their_parent_and_its_hook_gets_the_targets(
    clients: Clients,
) -> None:
    botocore = pytest.importorskip("opentelemetry.instrumentation.botocore")
    sdk = pytest.importorskip("opentelemetry.sdk.trace")
    export = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    spans = export.InMemorySpanExporter()
    provider = sdk.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(sdk.export.SimpleSpanProcessor(spans))
    kind = "Aiobotocore" if isinstance(clients, AsyncClients) else "Botocore"
    instrumentor = getattr(botocore, f"{kind}Instrumentor")()
    served, client = clients.served(CodeDeploy(known=200)), clients.canned(CodeDeploy(STEP))
    plain, hooked = client.call("batch_get_deployment_targets", **REQUEST), list[Any]()
    hook = {"response_hook": lambda *args: hooked.append(args[2:])}
    instrumentor.instrument(tracer_provider=provider, **hook)
    try:
        with provider.get_tracer("test").start_as_current_span("caller") as caller:
            served.batch_get(ids(200))
            list(served.iterate())
            output = client.batch_get(WANTED)
    finally:
        instrumentor.uninstrument()
    parents = [each.parent for each in spans.get_finished_spans() if each.parent]
    assert parents == [caller.get_span_context()] * (8 + 2 + 8 + 1)
    assert (len(hooked), hooked[-1]) == (len(parents), (READ, plain))
    assert output.deployment_targets[1].target_id == "m-1"


def test_x_ray_counts_the_targets(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = pytest.importorskip("aws_xray_sdk.core").xray_recorder
    utils = importlib.import_module("aws_xray_sdk.ext.boto_utils")
    step = Step("Succeeded", [*fleet(a="Failed", b="Failed"), UNKNOWN])
    client = clients.canned(CodeDeploy(step))
    base = base_of(client.wrapped)
    library = base.__module__.partition(".")[0]
    # X-Ray cannot undo its patch: pytest does.
    for each in (base, type(vars(client.wrapped)["_endpoint"])):
        for name in {"_make_api_call", "prepare_request"} & set(dir(each)):
            monkeypatch.setattr(each, name, getattr(each, name))
    monkeypatch.delattr(f"{library}.client._xray_enabled", raising=False)
    importlib.import_module(f"aws_xray_sdk.ext.{library}.patch").patch()
    counted = {"response_descriptors": {"deploymentTargets": {"get_count": True, "rename_to": "n"}}}
    traced = {"operations": {READ: counted}}
    monkeypatch.setitem(utils.whitelist["services"], "codedeploy", traced)
    recorder.emitter._socket.close()  # noqa: SLF001 - X-Ray's own tests have no other way
    recorder.configure(sampling=False)
    segment = recorder.begin_segment("test")
    output = client.batch_get(["a", "m-1", "b"])
    recorder.clear_trace_entities()  # without sending them
    assert [(each.aws["operation"], each.aws["n"]) for each in segment.subsegments] == [(READ, 3)]
    assert got(output.deployment_targets) == ["a", "m-1", "b"]


def test_botocore_s_history_records_the_targets(clients: Clients) -> None:
    class Handler(BaseHistoryHandler):  # type: ignore[misc, unused-ignore]
        def emit(self, event_type: str, payload: Any, source: str) -> None:  # noqa: ARG002
            if event_type == "PARSED_RESPONSE":
                recorded.append(payload)

    recorder, recorded = get_global_history_recorder(), list[Any]()
    answers = [None, Response(b"{}")] * 2
    client = clients.canned(CodeDeploy(STEP, instead={READ: answers}))
    recorder.add_handler(Handler())
    recorder.enable()
    try:
        for _ in range(2):
            client.batch_get(WANTED)
        plain = [client.call("batch_get_deployment_targets", **REQUEST) for _ in range(2)]
    finally:
        recorder.disable()
    assert recorded == plain * 2


def test_placebo_records_and_replays_a_deployment(clients: Clients, tmp_path: Path) -> None:
    placebo = pytest.importorskip("placebo")
    client = clients.canned(CodeDeploy(Step("InProgress", [target("i-1", "InProgress")]), STEP))
    session = SimpleNamespace(events=client.wrapped.meta.events)
    pill = placebo.attach(session, data_path=str(tmp_path))
    pill.record()
    recorded = list(client.watch())
    plain = client.call("batch_get_deployment_targets", **REQUEST)["deploymentTargets"]
    pill.stop()
    pill.playback()
    replayed = list(client.watch())
    assert client.call("batch_get_deployment_targets", **REQUEST)["deploymentTargets"] == plain
    known = [each for each in recorded if not isinstance(each, UnknownTarget)]
    assert [each for each in replayed if not isinstance(each, UnknownTarget)] == known
    assert len(replayed) == len(recorded) == len(known) + 1 == 4


if __name__ == "__main__":
    globals()[sys.argv[1]]()

"""Where botocore's parser, or a user's own, makes another dict than `to_boto3()` does."""

from __future__ import annotations

import copy
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from support.clients import Client, Clients
from support.codedeploy import READ, CodeDeploy, Step, cut_short
from support.endpoint import Response
from support.pages import instance, page
from support.service_model import write_model

NEW_TYPE = {"deploymentTargetType": "EKSTarget", "eksTarget": {"targetId": "e-1", "pods": "3"}}
WANTED = ["i-1", "e-1"]
REQUEST: dict[str, Any] = {"deploymentId": "d-1", "targetIds": WANTED}
NEWER: Any = {
    "InstanceTarget": {"zone": "TargetId"},
    "EKSTarget": {"targetId": "TargetId", "pods": "TargetId"},
    "DeploymentTarget": {"eksTarget": "EKSTarget"},
}


def codedeploy(*instead: Any) -> CodeDeploy:
    known = instance("i-1")
    known["instanceTarget"]["zone"] = "eu-1a"
    return CodeDeploy(Step("Succeeded", [known, NEW_TYPE]), instead={READ: instead})


def factory_of(client: Client) -> Any:
    return vars(client.wrapped)["_endpoint"]._response_parser_factory  # noqa: SLF001


def watched(client: Client) -> list[Any]:
    """Make the call on the wrapped client, then typed; return what a handler sees of both."""
    seen = list[Any]()
    client.on("after-call", lambda parsed, **_: seen.append(copy.deepcopy(parsed)))
    client.call("batch_get_deployment_targets", **REQUEST)
    client.batch_get(WANTED)
    return [each["deploymentTargets"] for each in seen]


@pytest.mark.parametrize(("members", "has"), [
    (NEWER, {"status", "zone"}), ({"InstanceTarget": {"status": None}}, set()),
], ids=["newer", "older"])  # fmt: skip
def test_a_watcher_sees_what_another_service_model_has(
    clients: Clients, tmp_path: Path, members: Any, has: set[str]
) -> None:
    client = clients.canned(codedeploy(), data_path=write_model(tmp_path, **members))
    unwatched = client.batch_get(WANTED)
    plain, ours = watched(client)
    assert ours == plain
    assert {"status", "zone"} & {*plain[0]["instanceTarget"]} == has
    assert (plain[1] == NEW_TYPE) == bool(has)
    assert client.batch_get(WANTED).deployment_targets == unwatched.deployment_targets


def test_botocore_parses_no_target_though_somebody_watches(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    def note(parser: Any, shape: Any, value: Any) -> Any:
        parsed.append(shape.name)
        return own(parser, shape, value)

    parsed, client = list[str](), clients.canned(codedeploy())
    cls = type(factory_of(client).create_parser("json"))
    own = cls._handle_structure
    monkeypatch.setattr(cls, "_handle_structure", note)
    client.on("after-call", lambda **_: None)
    client.batch_get(WANTED)
    assert parsed == ["BatchGetDeploymentTargetsOutput"]
    client.call("batch_get_deployment_targets", **REQUEST)
    assert parsed[1:3] == ["BatchGetDeploymentTargetsOutput", "DeploymentTarget"]


def test_what_botocore_cannot_parse_is_read_though_somebody_watches(
    clients: Clients, tmp_path: Path
) -> None:
    odd = {"deploymentTargetType": "EKSTarget", "eksTarget": "none"}
    service = codedeploy(*[Response(page([instance("i-1"), odd]))] * 2)
    client = clients.canned(service, data_path=write_model(tmp_path, **NEWER))
    unwatched = client.batch_get(WANTED)
    assert len(unwatched.deployment_targets) == 2
    client.on("after-call", lambda **_: None)
    assert client.batch_get(WANTED).deployment_targets == unwatched.deployment_targets


def test_a_watcher_sees_the_times_as_the_user_has_botocore_parse_them(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = clients.canned(codedeploy())
    unwatched = client.batch_get(WANTED)
    # Text that the library could not read as a time.
    monkeypatch.setitem(factory_of(client)._defaults, "timestamp_parser", "at {}".format)  # noqa: SLF001
    plain, ours = watched(client)
    assert ours == plain
    assert plain[0]["instanceTarget"]["lastUpdatedAt"].startswith("at ")
    assert client.batch_get(WANTED).deployment_targets == unwatched.deployment_targets
    client.on("after-call", lambda parsed, **_: parsed["deploymentTargets"].pop(1))
    output = client.batch_get(WANTED)
    assert output.deployment_targets == unwatched.deployment_targets[:1]
    assert output.missing_target_ids == ["e-1"]


@pytest.mark.usefixtures("retry_at_once")
@pytest.mark.parametrize("how", ["a class of parsers", "a class of factories"])
def test_a_parser_of_the_users_own_reads_the_answers(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    client = clients.canned(codedeploy(None, cut_short))
    time = client.batch_get(WANTED).deployment_targets[0].last_updated_at
    factory = factory_of(client)
    own: Any = type(factory.create_parser("json"))

    class Parser(own):  # type: ignore[misc, unused-ignore]
        def _handle_timestamp(self, *args: Any) -> Any:
            return super()._handle_timestamp(*args) + timedelta(days=1)

    if how == "a class of parsers":
        monkeypatch.setitem(import_module(own.__module__).PROTOCOL_PARSERS, "json", Parser)
    else:
        cls = type("Factory", (type(factory),), {"create_parser": lambda *_: Parser()})
        vars(client.wrapped)["_endpoint"]._response_parser_factory = cls()  # noqa: SLF001
    output = client.batch_get(WANTED)
    assert time
    assert output.deployment_targets[0].last_updated_at == time + timedelta(days=1)
    assert output.response_metadata[0].retry_attempts == 1
    plain, ours = watched(client)
    assert ours == plain


def test_botocore_parses_no_time_where_datadog_alone_wraps_its_parser(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapt = pytest.importorskip("wrapt")
    datadog = pytest.importorskip("ddtrace.contrib.internal.botocore.patch")
    client = clients.canned(codedeploy())
    cls = type(factory_of(client).create_parser("json"))
    wrapped = wrapt.FunctionWrapper(cls.parse, datadog.patched_lib_fn)
    monkeypatch.setattr(cls, "parse", wrapped)
    monkeypatch.setattr(cls, "_handle_timestamp", None)  # so botocore can read no time
    assert client.batch_get(WANTED).deployment_targets[0].last_updated_at

"""What botocore's parser makes of an answer where it is not as the models write it."""

from __future__ import annotations

import copy
from datetime import timedelta
from importlib import import_module
from itertools import repeat
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.parsers import ResponseParserFactory
from support.codedeploy import READ, CodeDeploy, Step, cut_short
from support.endpoint import Response, aws_response, intercept
from support.pages import ids, instance, page
from support.service_model import write_model

from codedeploy_targets import DeploymentTargetsClient

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from support.clients import Client, Clients

NEW_TYPE = {"deploymentTargetType": "EKSTarget", "eksTarget": {"targetId": "e-1", "pods": "3"}}
WANTED = ["i-1", "e-1"]
REQUEST: dict[str, Any] = {"deploymentId": "d-1", "targetIds": WANTED}
NEWER = {
    "InstanceTarget": {"zone": "TargetId"},
    "EKSTarget": {"targetId": "TargetId", "pods": "TargetId"},
    "DeploymentTarget": {"eksTarget": "EKSTarget"},
}


def codedeploy() -> CodeDeploy:
    known = instance("i-1")
    known["instanceTarget"]["zone"] = "eu-1a"
    return CodeDeploy(Step("Succeeded", [known, NEW_TYPE]))


def factory_of(client: Client) -> Any:
    return vars(client.wrapped)["_endpoint"]._response_parser_factory  # noqa: SLF001


def watched(client: Client) -> list[Any]:
    """Make the call on the wrapped client, then typed; return what a handler sees of both."""
    seen = list[Any]()
    client.on("after-call", lambda parsed, **_: seen.append(copy.deepcopy(parsed)))
    client.call("batch_get_deployment_targets", **REQUEST)
    client.batch_get(WANTED)
    return [each["deploymentTargets"] for each in seen]


def test_a_watcher_sees_what_a_newer_service_model_has(clients: Clients, tmp_path: Path) -> None:
    client = clients.canned(codedeploy(), data_path=write_model(tmp_path, members=NEWER))
    unwatched = client.batch_get(WANTED)
    plain, ours = watched(client)
    assert ours == plain
    assert (plain[0]["instanceTarget"]["zone"], plain[1]) == ("eu-1a", NEW_TYPE)
    assert client.batch_get(WANTED).deployment_targets == unwatched.deployment_targets


def test_a_watcher_sees_what_an_older_service_model_has(clients: Clients, tmp_path: Path) -> None:
    data_path = write_model(tmp_path, members={"InstanceTarget": {"status": None}})
    plain, ours = watched(clients.canned(codedeploy(), data_path=data_path))
    assert ours == plain
    assert "status" not in plain[0]["instanceTarget"]


def test_what_botocore_cannot_parse_is_read_though_somebody_watches(
    clients: Clients, tmp_path: Path
) -> None:
    odd = {"deploymentTargetType": "EKSTarget", "eksTarget": "none"}
    service = CodeDeploy(instead={READ: repeat(Response(page([instance("i-1"), odd])))})
    client = clients.canned(service, data_path=write_model(tmp_path, members=NEWER))
    unwatched = client.batch_get(WANTED)
    assert len(unwatched.deployment_targets) == 2
    client.on("after-call", lambda **_: None)
    assert client.batch_get(WANTED).deployment_targets == unwatched.deployment_targets


def test_a_watcher_sees_the_times_as_the_user_has_botocore_parse_them(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = clients.canned(codedeploy())
    unwatched = client.batch_get(WANTED)
    # No time for anybody else.
    monkeypatch.setitem(factory_of(client)._defaults, "timestamp_parser", "at {}".format)  # noqa: SLF001
    plain, ours = watched(client)
    assert ours == plain
    assert plain[0]["instanceTarget"]["lastUpdatedAt"].startswith("at ")
    assert client.batch_get(WANTED).deployment_targets == unwatched.deployment_targets
    client.on("after-call", lambda parsed, **_: parsed["deploymentTargets"].pop(1))
    output = client.batch_get(WANTED)
    assert output.deployment_targets == unwatched.deployment_targets[:1]
    assert output.missing_target_ids == ["e-1"]


def test_a_parser_of_the_users_own_reads_the_answers() -> None:
    class Factory(ResponseParserFactory):
        def create_parser(self, protocol_name: str) -> Any:
            parser: Any = super().create_parser(protocol_name)
            parse = parser.parse

            def parse_and_edit(response: Any, shape: Any) -> Any:
                parsed = parse(response, shape)
                for envelope in parsed.get("deploymentTargets", []):
                    envelope["instanceTarget"]["targetId"] += " of theirs"
                return parsed

            parser.parse = parse_and_edit
            return parser

    session = botocore.session.Session()
    session.register_component("response_parser_factory", Factory())
    keys: Any = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    wrapped = session.create_client("codedeploy", region_name="us-east-1", **keys)
    intercept(wrapped, CodeDeploy(known=ids(1), instead={READ: [cut_short]}), aws_response)
    client = DeploymentTargetsClient(wrapped)
    output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(1))
    assert [each.target_id for each in output.deployment_targets] == [f"{ids(1)[0]} of theirs"]
    assert output.response_metadata[0].retry_attempts == 1


def test_a_class_of_parsers_of_the_users_own_reads_the_answers(
    clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = clients.canned(codedeploy())
    time = client.batch_get(WANTED).deployment_targets[0].last_updated_at
    own: Any = type(factory_of(client).create_parser("json"))

    class Parser(own):  # type: ignore[misc, unused-ignore]
        def _handle_timestamp(self, *args: Any) -> Any:
            return super()._handle_timestamp(*args) + timedelta(days=1)

    table = import_module(own.__module__).PROTOCOL_PARSERS
    monkeypatch.setitem(table, "json", Parser)
    assert time
    assert client.batch_get(WANTED).deployment_targets[0].last_updated_at == time + timedelta(1)
    plain, ours = watched(client)
    assert ours == plain

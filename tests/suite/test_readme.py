"""Every Python block of a document for users runs, in order, as one session of theirs would."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from moto.codedeploy.models import codedeploy_backends
from moto.core.exceptions import AccessDeniedError
from moto.sts.responses import TokenResponse
from support.command_line import CommandLine
from support.mock_aws import MOTO_ACCOUNT, client_of, deploy
from support.pages import instance, page, target

from codedeploy_targets import LambdaFunctionInfo, LambdaTarget
from codedeploy_targets.testing import MockDeploymentTargets, mock_deployment_targets

ROOT = Path(__file__).parents[2]
DOCUMENTS = (ROOT / "README.md", ROOT / ".github/RECIPES.md")
DEPLOYMENT_ID = "d-EXAMPLE11"
CLOSED_ACCOUNT = "3" * 12


def blocks(document: Path, language: str) -> list[str]:
    text = document.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def run(*parts: str) -> dict[str, Any]:
    """Run the blocks that have one of the parts, and return the names that they define."""
    defined: dict[str, Any] = {}
    for document in DOCUMENTS:
        names: dict[str, Any] = {"__name__": "__main__"}
        for block in blocks(document, "python"):
            if any(part in block for part in parts):
                exec(compile(block, document, "exec"), names)  # noqa: S102
        defined |= names
    return defined


@pytest.fixture
def targets(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockDeploymentTargets]:
    # A server, as moto cannot take the place of aiobotocore's HTTP client.
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_deployment_targets() as targets:
        yield targets


# What the blocks print, one after the other: only what tells that they do as the text says.
PRINTED = [
    "i-1 Succeeded",
    "i-41 Failed stop.sh failed",
    "BeforeInstall: Failed, 0:01:15",
    "1 ['i-terminated']",
    "target i-43 Failed",
    "gauge d-EXAMPLE11 failed 3",
    # The recipes.
    "i-1 Succeeded",
    "ended at Ready",
    "40 of 40 are past it; the deployment: Ready",
    "ApplicationStop 0:00:00.500000\nDownloadBundle 0:01:30",
    "i-7 DownloadBundle 0 days 00:01:30",
    "False\nTrue",
]


def test_the_python_of_the_documents_runs(
    targets: MockDeploymentTargets,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("aiobotocore")
    pytest.importorskip("fastapi")
    codedeploy = client_of(MOTO_ACCOUNT, "us-east-1")
    deployments = codedeploy_backends[MOTO_ACCOUNT]["us-east-1"].deployments
    failed = [
        target("i-41", "Failed", "BeforeInstall", message="stop.sh failed with exit code 1"),
        target("i-42", "Failed", "BeforeInstall", message="stop.sh failed with exit code 1"),
        target("i-43", "Failed", "AfterInstall", message="cannot reach db-3"),
    ]
    succeeded = [target(f"i-{n}", "Succeeded", "BeforeInstall") for n in range(1, 41)]
    for name, status, put in (
        (DEPLOYMENT_ID, "Failed", [*succeeded, *failed]),
        ("d-READY0001", "Ready", succeeded),
    ):
        deployments[name] = deployments.pop(deploy(codedeploy))
        deployments[name].deployment_id = name
        targets.put(name, put)
        targets.set_status(name, status)
    codedeploy.create_application(applicationName="shop", computePlatform="Server")
    codedeploy.create_deployment_group(
        applicationName="shop", deploymentGroupName="web", serviceRoleArn="arn:aws:iam::1:role/r"
    )
    monkeypatch.setattr(
        "moto.codedeploy.responses._deployment_group_info",
        lambda _: {"lastAttemptedDeployment": {"deploymentId": DEPLOYMENT_ID}},
    )
    monkeypatch.chdir(tmp_path)
    saved = instance("i-7", events=2)
    saved["instanceTarget"]["lifecycleEvents"][1]["endTime"] += 89.5
    (tmp_path / "answer.json").write_bytes(page([saved, instance("i-8", events=0)]))
    names = run("")
    printed = capsys.readouterr().out
    assert printed.startswith(blocks(DOCUMENTS[0], "text")[0])
    assert "d-GONE00000 An error occurred (DeploymentDoesNotExistException)" in printed
    # Versions of pandas differ in how wide they make a column.
    printed = re.sub(" +", " ", printed)
    assert re.search(".*".join(map(re.escape, PRINTED)), printed, re.DOTALL), printed
    check_handler(names["handler"], targets, monkeypatch)
    lambda_target = LambdaTarget(lambda_function_info=LambdaFunctionInfo(function_name="f"))
    assert names["describe"](lambda_target) == "function f"
    asyncio.run(check_app(names["app"]))
    names["test_follow_with_moto"]()  # its `mock_aws` ends with an empty moto
    names["test_follow_with_a_fake"]()


def check_handler(
    handler: Any, targets: MockDeploymentTargets, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sns(message: object) -> object:
        return {"Records": [{"Sns": {"Message": json.dumps(message)}}]}

    told = (
        f"app: {DEPLOYMENT_ID} Failed\n"
        "2 failed in BeforeInstall: stop.sh failed with exit code 1\n"
        "1 failed in AfterInstall: cannot reach db-3"
    )
    event = {"detail": {"deploymentId": DEPLOYMENT_ID}}
    for sent in (event, sns(event), sns({"deploymentId": DEPLOYMENT_ID})):
        assert handler(sent, None) == [told]
    made = deploy(client_of(MOTO_ACCOUNT, "us-east-1"), targets, status="Failed")
    assert handler({"detail": {"deploymentId": made}}, None) == [f"app: {made} Failed"]
    # What is known at a timeout is told.
    full = target("i-1", "Failed", "BeforeInstall", message="disk full")
    targets.put(made, [full, target("i-2", "InProgress")])
    targets.set_status(made, "InProgress")
    watch = handler.__globals__["client"].watch_deployment_targets
    hasty = SimpleNamespace(watch_deployment_targets=lambda **told: watch(**{**told, "timeout": 1}))
    told = f"app: {made} InProgress\n1 failed in BeforeInstall: disk full"
    with monkeypatch.context() as patch:
        patch.setitem(handler.__globals__, "client", hasty)
        assert handler({"detail": {"deploymentId": made}}, None) == [told]


async def check_app(app: Any) -> None:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
        answer = await http.get(f"/deployments/{DEPLOYMENT_ID}/targets")
        assert answer.json()[0]["target_id"] == "i-1"
        answer = await http.get("/deployments/d-UNKNOWN11/targets")
        assert answer.status_code == HTTPStatus.NOT_FOUND
        assert answer.json() == {"code": "DeploymentDoesNotExistException"}


# dask warns where the disk is slow.
@pytest.mark.filterwarnings("ignore:Creating scratch directories is taking:UserWarning")
def test_the_recipe_for_many_accounts_gathers_targets_and_errors(
    targets: MockDeploymentTargets, monkeypatch: pytest.MonkeyPatch, moto_url: str
) -> None:
    names = run("def failed_targets(", "def gather(")
    deployments = []
    for account in ("1" * 12, "2" * 12, CLOSED_ACCOUNT):
        for region in ("us-east-1", "eu-west-1"):
            put = [target(f"i-{account}-{region}", "Failed"), target("i-1")]
            made = deploy(client_of(account, region, moto_url), targets, put=put)
            deployments.append((account, region, made))
    assume_role = TokenResponse.assume_role

    def refuse(response: Any) -> Any:
        if CLOSED_ACCOUNT in response._get_param("RoleArn"):  # noqa: SLF001
            raise AccessDeniedError(user_arn="arn:aws:iam::1:user/u", action="sts:AssumeRole")
        return assume_role(response)

    monkeypatch.setattr(TokenResponse, "assume_role", refuse)
    answers = names["gather"](deployments)
    assert list(answers) == deployments
    for (account, region, _), answer in answers.items():
        if account == CLOSED_ACCOUNT:
            assert isinstance(answer, ClientError)
            assert answer.response["Error"]["Code"] == "AccessDenied"
        else:
            assert [each.target_id for each in answer] == [f"i-{account}-{region}"]


def test_the_readme_begins_with_two_commands() -> None:
    commands = blocks(DOCUMENTS[0], "console")[0].splitlines()
    assert len(commands) == 2
    assert all(command.startswith("$ python3 -m venv .venv && ") for command in commands)


def test_the_demo_shows_three_failed_of_sixty(cli: CommandLine) -> None:
    del cli.env["AWS_ENDPOINT_URL"]
    ended = cli.run(program=[sys.executable, ROOT / "tests/programs/demo.py"])
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.endswith(" Failed: 57 Succeeded, 3 Failed\n")
    assert "\n2 failed in AfterInstall: ScriptFailed\n" in ended.out

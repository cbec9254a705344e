"""Every Python block of a document for users runs, in order, as one session of theirs would."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from moto.codedeploy.models import codedeploy_backends
from moto.core.exceptions import AccessDeniedError
from moto.sts.responses import TokenResponse
from support.mock_aws import MOTO_ACCOUNT, client_of, deploy
from support.pages import instance, page, target

from codedeploy_targets.testing import mock_deployment_targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codedeploy_targets.testing import MockDeploymentTargets

ROOT = Path(__file__).parents[2]
DOCUMENTS = [path for path in (ROOT / "README.md", ROOT / ".github/RECIPES.md") if path.exists()]
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
    "i-41 exit 1",
    "i-1 Succeeded",
    "instance i-1 (Green)",
    "1 failed",
    "Counter({'Succeeded': 40, 'Failed': 1})",
    "1 ['i-terminated']",
    "1 failed in BeforeInstall exit 1\nthe deployment: Failed",
    "ApplicationStop 0:00:00.500000\nDownloadBundle 0:01:30",
    "i-7       DownloadBundle 0 days 00:01:30",
    "no such deployment",
    "False\nTrue",
]


def test_their_python_runs(
    targets: MockDeploymentTargets,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("aiobotocore")
    made = deploy(client_of(MOTO_ACCOUNT, "us-east-1"))
    deployments = codedeploy_backends[MOTO_ACCOUNT]["us-east-1"].deployments
    deployments[DEPLOYMENT_ID] = deployments.pop(made)
    failed = target("i-41", "Failed", "BeforeInstall", message="exit 1")
    targets.put(DEPLOYMENT_ID, [*(target(f"i-{n}") for n in range(1, 41)), failed])
    targets.set_status(DEPLOYMENT_ID, "Failed")
    monkeypatch.chdir(tmp_path)
    saved = instance("i-7", events=2)
    saved["instanceTarget"]["lifecycleEvents"][1]["endTime"] += 89.5
    (tmp_path / "answer.json").write_bytes(page([saved]))
    names = run("")
    printed = capsys.readouterr().out
    # The wrong code, which comes first, sees ten of the targets, and none that failed.
    assert re.match(".*".join(map(re.escape, PRINTED)), printed, re.DOTALL), printed
    event = {"detail": {"deploymentId": DEPLOYMENT_ID}}
    assert names["handler"](event, None) == {"i-41": "exit 1"}
    names["test_a_failed_instance_is_found"]()


def test_their_many_accounts_are_gathered(
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


def test_the_first_commands_are_two() -> None:
    commands = blocks(DOCUMENTS[0], "console")[0].splitlines()
    assert len(commands) == 2
    assert all(command.startswith("$ python3 -m venv .venv && ") for command in commands)

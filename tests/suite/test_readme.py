"""Every Python block of the README runs, in order, as one session of a user would."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.codedeploy.models import codedeploy_backends
from moto.core.exceptions import AccessDeniedError
from moto.server import ThreadedMotoServer
from moto.sts.responses import TokenResponse

from codedeploy_targets import (
    Diagnostics,
    InstanceTarget,
    LifecycleEvent,
    LifecycleEventStatus,
    TargetStatus,
)
from codedeploy_targets.testing import MockDeploymentTargets, mock_deployment_targets

if TYPE_CHECKING:
    from collections.abc import Iterator

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
DEPLOYMENT_ID = "d-EXAMPLE11"
CLOSED_ACCOUNT = "333333333333"
FAILED = LifecycleEvent(
    lifecycle_event_name="BeforeInstall",
    status=LifecycleEventStatus.FAILED,
    diagnostics=Diagnostics(message="exit 1"),
)


@contextmanager
def moto_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockDeploymentTargets]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    # A server, as moto cannot take the place of aiobotocore's HTTP client.
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    codedeploy_backends.reset()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
    with mock_deployment_targets() as targets:
        yield targets
    server.stop()


def deploy(client: Any) -> str:
    client.create_application(applicationName="a", computePlatform="Server")
    client.create_deployment_group(
        applicationName="a", deploymentGroupName="g", serviceRoleArn="arn:aws:iam::1:role/r"
    )
    made = client.create_deployment(applicationName="a", deploymentGroupName="g")
    deployment_id: str = made["deploymentId"]
    return deployment_id


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    with moto_server(monkeypatch) as targets:
        client: Any = boto3.client("codedeploy")
        made = deploy(client)
        deployments = codedeploy_backends["123456789012"]["us-east-1"].deployments
        deployments[DEPLOYMENT_ID] = deployments.pop(made)
        succeeded = [
            InstanceTarget(target_id=f"i-{n}", status=TargetStatus.SUCCEEDED) for n in range(1, 41)
        ]
        failed = InstanceTarget(
            target_id="i-41", status=TargetStatus.FAILED, lifecycle_events=[FAILED]
        )
        targets.put(DEPLOYMENT_ID, [*succeeded, failed])
        targets.set_status(DEPLOYMENT_ID, "Failed")
        monkeypatch.chdir(tmp_path)
        (tmp_path / "answer.json").write_text(json.dumps(SAVED), encoding="utf-8")
        yield


SAVED = {
    "deploymentTargets": [
        {
            "deploymentTargetType": "InstanceTarget",
            "instanceTarget": {
                "targetId": "i-7",
                "lifecycleEvents": [
                    {
                        "lifecycleEventName": name,
                        "startTime": "2026-01-02T03:04:05+00:00",
                        "endTime": end,
                        "status": "Succeeded",
                    }
                    for name, end in (
                        ("BeforeInstall", "2026-01-02T03:04:06.500000+00:00"),
                        ("Install", "2026-01-02T03:05:35+00:00"),
                    )
                ],
            },
        }
    ]
}


def run_blocks(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> list[str]:
    printed = []
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), names)  # noqa: S102
        printed.append(capsys.readouterr().out)
    return printed


@pytest.mark.usefixtures("deployment")
def test_its_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("aiobotocore")
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = run_blocks(names, capsys)
    # The wrong code sees ten of the targets, and none that failed.
    assert printed[0] == ""
    assert printed[1] == "i-41 exit 1\n"
    assert "i-1 Succeeded" in printed[2]
    event = {"detail": {"deploymentId": DEPLOYMENT_ID}}
    assert names["handler"](event, None) == {"i-41": "exit 1"}
    assert "instance i-1 (Green)\n" in printed
    assert "1 failed\n" in printed
    assert "Counter({'Succeeded': 40, 'Failed': 1})\n" in printed
    assert "1 ['i-terminated']\n" in printed
    assert "1 failed in BeforeInstall exit 1\nthe deployment: Failed\n" in printed
    assert "BeforeInstall 0:00:01.500000\nInstall 0:01:30\n" in printed
    assert any("i-7              Install 0 days 00:01:30" in text for text in printed)
    assert "no such deployment\n" in printed
    assert "False\nTrue\n" in printed
    names["test_a_failed_instance_is_found"]()


def test_its_many_accounts_are_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in BLOCKS:
        if "def failed_targets(" in block or "def gather(" in block:
            exec(compile(block, "README.md", "exec"), names)  # noqa: S102
    assume_role = TokenResponse.assume_role

    def refuse(response: Any) -> Any:
        if CLOSED_ACCOUNT in response._get_param("RoleArn"):  # noqa: SLF001
            raise AccessDeniedError(user_arn="arn:aws:iam::1:user/u", action="sts:AssumeRole")
        return assume_role(response)

    deployments = []
    with moto_server(monkeypatch) as targets:
        sts: Any = boto3.client("sts")
        for account in ("111111111111", "222222222222", CLOSED_ACCOUNT):
            arn = f"arn:aws:iam::{account}:role/reader"
            keys = sts.assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
            for region in ("us-east-1", "eu-west-1"):
                codedeploy = boto3.client(
                    "codedeploy",
                    region_name=region,
                    aws_access_key_id=keys["AccessKeyId"],
                    aws_secret_access_key=keys["SecretAccessKey"],
                    aws_session_token=keys["SessionToken"],
                )
                deployment_id = deploy(codedeploy)
                name = f"i-{account}-{region}"
                targets.put(
                    deployment_id,
                    [
                        InstanceTarget(target_id=name, status=TargetStatus.FAILED),
                        InstanceTarget(target_id="i-1", status=TargetStatus.SUCCEEDED),
                    ],
                )
                deployments.append((account, region, deployment_id))
        monkeypatch.setattr(TokenResponse, "assume_role", refuse)
        answers = names["gather"](deployments)
    assert list(answers) == deployments
    for (account, region, _), answer in answers.items():
        if account == CLOSED_ACCOUNT:
            assert isinstance(answer, ClientError)
            assert answer.response["Error"]["Code"] == "AccessDenied"
        else:
            assert [target.target_id for target in answer] == [f"i-{account}-{region}"]


def test_its_first_commands_are_two() -> None:
    block = re.search(r"^```console\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert block is not None
    commands = block[1].splitlines()
    assert len(commands) == 2
    assert all(command.startswith("$ python3 -m venv .venv && ") for command in commands)

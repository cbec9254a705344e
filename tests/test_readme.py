"""Every Python block of the README runs, in order, as one session of a user would."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.codedeploy.models import codedeploy_backends
from moto.server import ThreadedMotoServer

from codedeploy_targets import Diagnostics, InstanceTarget, LifecycleEvent
from codedeploy_targets.testing import mock_deployment_targets

if TYPE_CHECKING:
    from collections.abc import Iterator

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
DEPLOYMENT_ID = "d-EXAMPLE11"
FAILED = LifecycleEvent(
    lifecycle_event_name="BeforeInstall", status="Failed", diagnostics=Diagnostics(message="exit 1")
)


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    # A server, as moto cannot take the place of aiobotocore's HTTP client.
    server = ThreadedMotoServer(port=0)
    server.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
    with mock_deployment_targets() as targets:
        client: Any = boto3.client("codedeploy")
        client.create_application(applicationName="a", computePlatform="Server")
        client.create_deployment_group(
            applicationName="a", deploymentGroupName="g", serviceRoleArn="arn:aws:iam::1:role/r"
        )
        made = client.create_deployment(applicationName="a", deploymentGroupName="g")
        deployments = codedeploy_backends["123456789012"]["us-east-1"].deployments
        deployments[DEPLOYMENT_ID] = deployments.pop(made["deploymentId"])
        succeeded = [InstanceTarget(target_id=f"i-{n}", status="Succeeded") for n in range(1, 41)]
        failed = InstanceTarget(target_id="i-41", status="Failed", lifecycle_events=[FAILED])
        targets.put(DEPLOYMENT_ID, [*succeeded, failed])
        yield
    server.stop()


@pytest.mark.usefixtures("deployment")
def test_its_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = []
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), names)  # noqa: S102
        printed.append(capsys.readouterr().out)
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
    assert "no such deployment\n" in printed
    assert "False\nTrue\n" in printed
    names["test_a_failed_instance_is_found"]()


def test_its_first_commands_are_two() -> None:
    block = re.search(r"^```console\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert block is not None
    commands = block[1].splitlines()
    assert len(commands) == 2
    assert all(command.startswith("$ python3 -m venv .venv && ") for command in commands)

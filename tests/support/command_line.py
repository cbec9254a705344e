"""Deployments on moto's server, and the command line as a process that follows them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from support.mock_aws import deploy
from support.pages import BEGIN, target

from codedeploy_targets import (
    Diagnostics,
    ECSTarget,
    InstanceTarget,
    LifecycleErrorCode,
    LifecycleEvent,
    LifecycleEventStatus,
    TargetStatus,
    UnknownTarget,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from codedeploy_targets import DeploymentTarget
    from codedeploy_targets.testing import MockDeploymentTargets

PROGRAM = [sys.executable, "-m", "codedeploy_targets"]
SCRIPT = Path(sys.executable).with_name("codedeploy-targets")
DEADLINE = 60  # seconds that a busy machine may take for anything
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}

# It would change the title, erase the screen, colour it, turn the text round, move the cursor.
EVIL = "\x1b]0;title\x07\x1b[2J\x9b2J\u202e\0[red]\rx"
STEERING = ("\x1b]", "\x07", "\x1b[2J", "\x9b", "\u202e", "\0")


def busy(target_id: str, event: str, *, seconds: float = 0) -> InstanceTarget:
    begin = datetime.now(timezone.utc) - timedelta(seconds=seconds)
    return target(target_id, "InProgress", event, begin=begin)


def ended(target_id: str, status: str = "Succeeded") -> InstanceTarget:
    return target(target_id, status)


def failed(target_id: str, **why: Any) -> InstanceTarget:
    return target(target_id, "Failed", "AfterInstall", **why)


def evil_targets() -> list[DeploymentTarget]:
    why = Diagnostics(
        error_code=LifecycleErrorCode(EVIL),
        script_name=EVIL,
        message=EVIL,
        log_tail=f"{EVIL}\n  {EVIL}",
    )
    names: dict[str, Any] = {"lifecycle_event_name": EVIL, "diagnostics": why, "start_time": BEGIN}
    going_on = [LifecycleEvent(status=LifecycleEventStatus.IN_PROGRESS, **names)]
    gone_wrong = [LifecycleEvent(status=LifecycleEventStatus.FAILED, **names)]
    odd = [LifecycleEvent(status=LifecycleEventStatus(EVIL), **names)]
    return [
        InstanceTarget(
            target_id=f"1{EVIL}", status=TargetStatus.FAILED, lifecycle_events=gone_wrong
        ),
        ECSTarget(target_id=f"2{EVIL}", status=TargetStatus.IN_PROGRESS, lifecycle_events=going_on),
        InstanceTarget(target_id=f"3{EVIL}", status=TargetStatus(EVIL), lifecycle_events=odd),
        UnknownTarget(
            target_id=f"4{EVIL}",
            raw={"deploymentTargetType": EVIL, "newTarget": {"targetId": f"4{EVIL}"}},
        ),
    ]


class Server:
    """moto's server, and what a process needs to reach it."""

    def __init__(self, url: str, home: Path, targets: MockDeploymentTargets) -> None:
        self.targets = targets
        kept = {name: text for name, text in os.environ.items() if is_kept(name)}
        self.env = {
            **kept,
            **KEYS,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
            "HOME": str(home),
            "TERM": "xterm-256color",
        }

    def deploy(
        self,
        targets: Sequence[DeploymentTarget] | None,
        status: str,
        *,
        region: str = "us-east-1",
        account: str = "",
    ) -> str:
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        connect = {"endpoint_url": self.env["AWS_ENDPOINT_URL"], "region_name": region}
        if account:
            sts: Any = boto3.client("sts", **connect, **keys)  # type: ignore[call-overload]
            role = f"arn:aws:iam::{account}:role/reader"
            made = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
            keys = {
                "aws_access_key_id": made["AccessKeyId"],
                "aws_secret_access_key": made["SecretAccessKey"],
                "aws_session_token": made["SessionToken"],
            }
        client: Any = boto3.client("codedeploy", **connect, **keys)  # type: ignore[call-overload]
        return deploy(client, self.targets, put=targets, status=status)

    def run(
        self,
        *args: str,
        program: Sequence[str | Path] = PROGRAM,
        env: Mapping[str, str | None] | None = None,
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.run(  # noqa: S603
            [*program, *args],
            env=self.with_changes(env or {}),
            timeout=DEADLINE,
            encoding="utf-8",
            check=False,
            **streams,
        )

    @contextmanager
    def started(self, *args: str) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(  # noqa: S603
            [*PROGRAM, *args],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def with_changes(self, env: Mapping[str, str | None]) -> dict[str, str]:
        merged = {**self.env, **env}
        return {name: text for name, text in merged.items() if text is not None}


def is_kept(name: str) -> bool:
    drawing = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
    return not name.startswith("AWS_") and name not in drawing


def without_times(text: str) -> list[str]:
    return [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in text.splitlines()]

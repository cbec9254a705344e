"""A deployment that happens in a few seconds: 60 made-up instances, shown by the command line.

It happens in this process, in moto: no AWS account is needed, and none is touched.
"""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta, timezone
from typing import Any

import boto3
from moto import mock_aws

from codedeploy_targets import InstanceTarget
from codedeploy_targets.__main__ import main as codedeploy_targets
from codedeploy_targets.testing import mock_deployment_targets

INSTANCES, AT_ONCE, STEPS, SECONDS_A_STEP = 60, 20, 18, 0.25
EVENTS = ("ApplicationStop", "BeforeInstall", "Install", "AfterInstall", "ValidateService")
# Two went wrong for one reason, the third for another.
FAILURES = {
    7: ("AfterInstall", "could not connect to server: Connection refused\nis db-3 running?"),
    31: ("AfterInstall", "could not connect to server: Connection refused\nis db-3 up?"),
    44: ("ValidateService", "GET /health: 503\n" * 4),
}


def instance(number: int, step: int, begin: datetime) -> InstanceTarget:
    """Return an instance as CodeDeploy would describe it at a step of the deployment."""
    failing, log = FAILURES.get(number, ("", ""))
    events: list[dict[str, Any]] = []
    for start, name in enumerate(EVENTS, number // AT_ONCE * len(EVENTS) + number % 3):
        if step < start or (events and events[-1]["status"] == "Failed"):
            break
        at = begin + timedelta(seconds=start * SECONDS_A_STEP)
        event = {"lifecycleEventName": name, "startTime": at, "status": "InProgress"}
        if step > start:
            event["endTime"] = at + timedelta(seconds=SECONDS_A_STEP)
            event["status"] = "Failed" if name == failing else "Succeeded"
        if event["status"] == "Failed":
            event["diagnostics"] = {
                "errorCode": "ScriptFailed",
                "scriptName": f"{name}.sh",
                "message": f"Script at specified location: {name}.sh failed with exit code 1",
                "logTail": log,
            }
        events.append(event)
    status = events[-1]["status"] if events else "Pending"
    payload = {"targetId": f"i-{number:017x}", "status": status, "lifecycleEvents": events}
    return InstanceTarget.from_boto3({"instanceTarget": payload})


def deploy(codedeploy: Any) -> str:
    group = {"applicationName": "shop", "deploymentGroupName": "production"}
    codedeploy.create_application(applicationName="shop", computePlatform="Server")
    codedeploy.create_deployment_group(**group, serviceRoleArn="arn:aws:iam::123456789012:role/cd")
    deployment_id: str = codedeploy.create_deployment(**group)["deploymentId"]
    return deployment_id


def main() -> None:
    # As moto's documentation recommends, so that no mistake can reach an account.
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SECURITY_TOKEN", "SESSION_TOKEN"):
        os.environ[f"AWS_{name}"] = "testing"
    os.environ["AWS_DEFAULT_REGION"] = os.environ["AWS_REGION"] = "us-east-1"
    with mock_aws(), mock_deployment_targets() as targets:
        deployment_id, begin = deploy(boto3.client("codedeploy")), datetime.now(timezone.utc)
        fleets = [[instance(n, step, begin) for n in range(INSTANCES)] for step in range(STEPS)]
        rounds = [*(("InProgress", fleet) for fleet in fleets), ("Failed", fleets[-1])]
        targets.play(deployment_id, rounds)
        status = codedeploy_targets([deployment_id, "--delay", str(SECONDS_A_STEP)])
    # Three instances fail by intent, so the report has to say that the deployment failed.
    sys.exit(0 if status == 1 else "the report does not say that the deployment failed")


if __name__ == "__main__":
    main()

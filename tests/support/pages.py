"""Answers of the service, as JSON would have them."""

from __future__ import annotations

import json
from typing import Any

EVENTS = (
    "ApplicationStop",
    "DownloadBundle",
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "ApplicationStart",
    "ValidateService",
)


def instance(target_id: str, deployment_id: str = "d-1", *, events: int = 7) -> dict[str, Any]:
    """Return an EC2 target as it is after a deployment that went well."""
    return {
        "deploymentTargetType": "InstanceTarget",
        "instanceTarget": {
            "deploymentId": deployment_id,
            "targetId": target_id,
            "targetArn": f"arn:aws:ec2:us-east-1:123456789012:instance/{target_id}",
            "status": "Succeeded",
            "lastUpdatedAt": 1546300860.123,
            "lifecycleEvents": [
                {
                    "lifecycleEventName": name,
                    "diagnostics": {
                        "errorCode": "Success",
                        "scriptName": f"scripts/{name}.sh",
                        "message": "Succeeded",
                        "logTail": "[stdout] one line of the log\n" * 4,
                    },
                    "startTime": 1546300800.25 + index,
                    "endTime": 1546300800.75 + index,
                    "status": "Succeeded",
                }
                for index, name in enumerate(EVENTS[:events])
            ],
            "instanceLabel": "Green",
        },
    }


def page(envelopes: list[dict[str, Any]]) -> bytes:
    return json.dumps({"deploymentTargets": envelopes}, separators=(",", ":")).encode()


def ids(count: int) -> list[str]:
    return [f"i-{number:017x}" for number in range(count)]

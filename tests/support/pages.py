"""Instances, as the service sends them and as models of the library."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import codedeploy_targets as ct

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)

EVENTS = (
    "ApplicationStop", "DownloadBundle", "BeforeInstall", "Install", "AfterInstall",
    "ApplicationStart", "ValidateService",
)  # fmt: skip


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


def target(
    target_id: str,
    status: str = "Succeeded",
    event: str | None = None,
    *,
    begin: datetime = BEGIN,
    seconds: float = 75,
    **why: Any,
) -> ct.InstanceTarget:
    """Return an instance as a model.

    Args:
        target_id: its id.
        status: its own, and that of its lifecycle event.
        event: the name of the lifecycle event, if it has one.
        begin: when the event began.
        seconds: how long the event took, unless it still goes on.
        why: attributes of the diagnostics, which a failed event has.
    """
    events = []
    if event is not None:
        failed = ct.Diagnostics(**{"error_code": ct.LifecycleErrorCode.SCRIPT_FAILED, **why})
        events = [
            ct.LifecycleEvent(
                lifecycle_event_name=event,
                status=ct.LifecycleEventStatus(status),
                start_time=begin,
                end_time=None if status == "InProgress" else begin + timedelta(seconds=seconds),
                diagnostics=failed if status == "Failed" else None,
            )
        ]
    return ct.InstanceTarget(
        target_id=target_id, status=ct.TargetStatus(status), lifecycle_events=events
    )


def fleet(**statuses: str) -> list[ct.InstanceTarget]:
    """Return one instance for each id and status."""
    return [target(target_id, status) for target_id, status in statuses.items()]

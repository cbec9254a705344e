"""Four deployments as a person on call wants to see them; in process, with no AWS account."""

from __future__ import annotations

import os
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import boto3
from moto import mock_aws
from typing_extensions import assert_never

from codedeploy_targets import (
    CloudFormationTarget,
    DeploymentTargetsClient,
    Diagnostics,
    ECSTarget,
    ECSTaskSet,
    InstanceTarget,
    LambdaFunctionInfo,
    LambdaTarget,
    LifecycleEvent,
    UnknownTarget,
)
from codedeploy_targets.testing import mock_deployment_targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codedeploy_targets import DeploymentTarget


def show_deployment(client: DeploymentTargetsClient, name: str, deployment_id: str) -> None:
    """Print how a deployment stands: how many targets, in which state, and what went wrong."""
    pages = client.client.get_paginator("list_deployment_targets")
    target_ids = list(pages.paginate(deploymentId=deployment_id).search("targetIds"))
    out = client.batch_get_deployment_targets(deploymentId=deployment_id, targetIds=target_ids)
    targets, requests = out.deployment_targets, out.response_metadata

    print(f"\n=== {name}: deployment {deployment_id}")
    print(f"    {len(targets)} target(s) in {len(requests)} request(s)\n")
    for status, count in Counter(target.status for target in targets).most_common():
        print(f"    {status or '(none)':<12}{count:>4}  {'#' * count}")
    for target in targets:
        show_platform(target)
        if target.failed_event is not None:
            show_failure(target, target.failed_event)


def show_platform(target: DeploymentTarget) -> None:
    """Print what only the targets of one platform have."""
    match target:
        case LambdaTarget(lambda_function_info=LambdaFunctionInfo() as function):
            print(f"\n    function {function.function_name}:")
            change = f"version {function.current_version} to {function.target_version}"
            print(f"        {change}, {function.target_version_weight} % of traffic on the new one")
        case ECSTarget():
            print(f"\n    service {target.target_id}:")
            for tasks in target.task_sets_info:
                running = f"{tasks.running_count} of {tasks.desired_count} tasks running"
                print(f"        {tasks.task_set_label} ({tasks.status}): {running}, ", end="")
                print(f"{tasks.traffic_weight} % of traffic")
        case CloudFormationTarget():
            print(f"\n    stack {target.target_id}:")
            weight = target.target_version_weight
            print(f"        {target.resource_type}, {weight} % of traffic on the new version")
        case InstanceTarget() | LambdaTarget() | UnknownTarget():
            pass
        case _:
            assert_never(target)


def show_failure(target: DeploymentTarget, event: LifecycleEvent) -> None:
    """Print where a target failed, after how long, and why."""
    print(f"\n    {target.target_id} failed in {event.lifecycle_event_name}", end="")
    if event.duration is not None:
        print(f" after {event.duration.total_seconds():.1f} s", end="")
    why = event.diagnostics or Diagnostics()
    print(f": {why.error_code}")
    print(f"        script   {why.script_name}")
    print(f"        message  {why.message}")
    for line in (why.log_tail or "").splitlines()[-3:]:
        print(f"        log      {line}")


def main() -> None:
    # As moto's documentation recommends, so that no mistake can reach an account.
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SECURITY_TOKEN", "SESSION_TOKEN"):
        os.environ[f"AWS_{name}"] = "testing"
    os.environ["AWS_DEFAULT_REGION"] = "us-east-1"

    with mock_aws(), mock_deployment_targets() as deployment_targets:
        codedeploy = boto3.client("codedeploy")
        client = DeploymentTargetsClient(codedeploy)
        for name, platform, targets in made_up():
            deployment_id = deploy(codedeploy, name, platform)
            deployment_targets.put(deployment_id, targets)
            show_deployment(client, name, deployment_id)


# From here on: the deployments, which are made up.


def deploy(codedeploy: Any, name: str, platform: str) -> str:
    group = {"applicationName": name, "deploymentGroupName": "production"}
    codedeploy.create_application(applicationName=name, computePlatform=platform)
    codedeploy.create_deployment_group(**group, serviceRoleArn="arn:aws:iam::123456789012:role/cd")
    deployment_id: str = codedeploy.create_deployment(**group)["deploymentId"]
    return deployment_id


def made_up() -> Iterator[tuple[str, str, list[DeploymentTarget]]]:
    yield "web", "Server", [instance(number) for number in range(64)]
    pay = LambdaFunctionInfo(
        function_name="pay", current_version="41", target_version="42", target_version_weight=10
    )
    function = LambdaTarget(target_id="pay", status="InProgress", lambda_function_info=pay)
    yield "pay", "Lambda", [function]
    blue = ECSTaskSet(
        task_set_label="Blue", status="PRIMARY", desired_count=6, running_count=6, traffic_weight=75
    )
    green = ECSTaskSet(
        task_set_label="Green", status="ACTIVE", desired_count=6, running_count=5, traffic_weight=25
    )
    service = ECSTarget(target_id="shop:search", status="InProgress", task_sets_info=[blue, green])
    yield "search", "ECS", [service]
    stack = "arn:aws:cloudformation:us-east-1:123456789012:stack/shop/4f0e"
    kind = "AWS::ECS::Service"
    resource = CloudFormationTarget(
        target_id=stack, status="Succeeded", resource_type=kind, target_version_weight=100
    )
    yield "shop", "ECS", [resource]


def instance(number: int) -> InstanceTarget:
    target_id = f"i-{number:017x}"
    if number in FAILURES:
        events = [FAILURES[number]]
        return InstanceTarget(target_id=target_id, status="Failed", lifecycle_events=events)
    rest = "Skipped" if number > 61 else "InProgress" if number > 56 else "Succeeded"
    return InstanceTarget(target_id=target_id, status=rest)


def failure(name: str, seconds: float, code: str, message: str, log: str) -> LifecycleEvent:
    start, script = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc), f"{name}.sh"
    end = start + timedelta(seconds=seconds)
    message = f"Script at specified location: {script} {message}"
    why = Diagnostics(error_code=code, script_name=script, message=message, log_tail=log)
    return LifecycleEvent(
        lifecycle_event_name=name, status="Failed", start_time=start, end_time=end, diagnostics=why
    )


REFUSED = """Script - AfterInstall.sh
[stdout]applying 0042_add_orders_index
[stderr]could not connect to server: Connection refused
[stderr]is it running on host "db-3", and listening on port 5432?
"""
SICK = "Script - ValidateService.sh\n" + "[stdout]GET /health: 503\n" * 40
FAILURES = {
    7: failure("AfterInstall", 3.2, "ScriptFailed", "failed with exit code 1", REFUSED),
    31: failure("AfterInstall", 3.5, "ScriptFailed", "failed with exit code 1", REFUSED),
    44: failure("ValidateService", 120, "ScriptTimedOut", "failed to complete in 120 s", SICK),
}

if __name__ == "__main__":
    main()

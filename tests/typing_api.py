"""What type checkers tell a user of the library: nothing here runs.

Each line that a checker must refuse says so, for mypy and for pyright, and
both report a line that says so in vain.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError
from typing_extensions import assert_never, assert_type

from codedeploy_targets import (
    BatchGetDeploymentTargetsOutput,
    CloudFormationTarget,
    DeploymentTarget,
    DeploymentTargetsClient,
    DeploymentTargetType,
    Diagnostics,
    ECSTarget,
    ECSTaskSet,
    InstanceTarget,
    InvalidResponseError,
    LambdaFunctionInfo,
    LambdaTarget,
    LifecycleErrorCode,
    LifecycleEvent,
    LifecycleEventStatus,
    ResponseMetadata,
    TargetGroupInfo,
    TargetLabel,
    TargetStatus,
    UnknownTarget,
)
from codedeploy_targets.aio import AsyncDeploymentTargetsClient

if TYPE_CHECKING:
    from types_aiobotocore_codedeploy.client import CodeDeployClient as AioCodeDeployClient
    from types_boto3_codedeploy.client import CodeDeployClient


def clients(typed: CodeDeployClient, untyped: Any) -> None:
    client = DeploymentTargetsClient(typed)
    client.client.get_deployment(deploymentId="d-1")
    DeploymentTargetsClient(untyped)
    DeploymentTargetsClient()
    DeploymentTargetsClient(boto3.client("codedeploy"), max_concurrency=1)
    DeploymentTargetsClient(botocore.session.get_session().create_client("codedeploy"))
    DeploymentTargetsClient("codedeploy")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    DeploymentTargetsClient(typed, 8)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def calls(client: DeploymentTargetsClient, ids: Iterator[str]) -> None:
    output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-1"])
    assert_type(output, BatchGetDeploymentTargetsOutput)
    assert_type(output.deployment_targets, list[DeploymentTarget])
    assert_type(output.missing_target_ids, list[str])
    assert_type(output.response_metadata, list[ResponseMetadata])
    assert_type(output.to_boto3(), dict[str, Any])
    client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids, skip_missing=True)
    client.batch_get_deployment_targets("d-1", ["i-1"])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.batch_get_deployment_targets(deploymentId="d-1", targetIds=[1])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    client.batch_get_deployment_targets(deployment_id="d-1", targetIds=[])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    targets = client.iter_deployment_targets(deploymentId="d-1")
    assert_type(targets, Iterator[DeploymentTarget])
    client.iter_deployment_targets(deploymentId="d-1", targetFilters={"TargetStatus": ["Failed"]})


async def async_calls(typed: AioCodeDeployClient, ids: AsyncIterator[str]) -> None:
    client = AsyncDeploymentTargetsClient(typed, max_concurrency=4)
    output = await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-1"])
    assert_type(output, BatchGetDeploymentTargetsOutput)
    await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids, skip_missing=True)
    targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=ids)
    assert_type(targets, AsyncGenerator[DeploymentTarget, None])
    async for target in targets:
        assert_type(target.target_id, str | None)
    async with get_session().create_client("codedeploy") as untyped:
        AsyncDeploymentTargetsClient(untyped)
    AsyncDeploymentTargetsClient()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    for _ in targets:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass


def errors(client: DeploymentTargetsClient) -> None:
    try:
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=[])
    except client.exceptions.DeploymentDoesNotExistException as error:
        assert_type(error, ClientError)
    except InvalidResponseError as error:
        assert_type(error.request_id, str | None)
        assert_type(error.deployment_id, str)
        assert_type(error.target_ids, list[str])
        assert_type(error.body, bytes)
    except (ClientError, BotoCoreError):
        pass
    print(client.exceptions.DeploymentDoesNotExistExeption)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def any_target(target: DeploymentTarget) -> None:
    assert_type(target.target_id, str | None)
    assert_type(target.deployment_id, str | None)
    assert_type(target.status, TargetStatus | str | None)
    assert_type(target.last_updated_at, datetime | None)
    assert_type(target.lifecycle_events, list[LifecycleEvent])
    assert_type(target.failed_event, LifecycleEvent | None)
    assert_type(target.is_terminal, bool)
    assert_type(target.to_boto3(), dict[str, Any])
    if target.status == "Failed" or target.status is TargetStatus.SKIPPED:
        print(f"{target.status}")
    print(target.instance_label)  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue]
    target.target_id = "i-2"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def matched(target: DeploymentTarget) -> str | None:
    match target:
        case InstanceTarget():
            assert_type(target.instance_label, TargetLabel | str | None)
            return target.target_arn
        case LambdaTarget(lambda_function_info=info):
            assert_type(info, LambdaFunctionInfo | None)
            return target.target_arn
        case ECSTarget(task_sets_info=task_sets):
            assert_type(task_sets, list[ECSTaskSet])
            return target.target_arn
        case CloudFormationTarget():
            assert_type(target.target_version_weight, float | None)
            return target.resource_type
        case UnknownTarget():
            assert_type(target.raw, dict[str, Any])
            return target.deployment_target_type
        case _:
            assert_never(target)


def not_all_matched(target: DeploymentTarget) -> str | None:
    match target:
        case InstanceTarget() | LambdaTarget() | ECSTarget() | CloudFormationTarget():
            return target.target_id
        case _:
            assert_never(target)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def compared(target: DeploymentTarget) -> None:
    if target.deployment_target_type == "InstanceTarget":
        assert_type(target, InstanceTarget)
    elif target.deployment_target_type == "LambdaTarget":
        assert_type(target, LambdaTarget)
    elif target.deployment_target_type == "ECSTarget":
        assert_type(target, ECSTarget)
    elif target.deployment_target_type == "CloudFormationTarget":
        assert_type(target, CloudFormationTarget)
    else:
        assert_type(target, UnknownTarget)


def members(event: LifecycleEvent, task_set: ECSTaskSet, metadata: ResponseMetadata) -> None:
    assert_type(event.lifecycle_event_name, str | None)
    assert_type(event.status, LifecycleEventStatus | str | None)
    assert_type(event.start_time, datetime | None)
    assert_type(event.duration, timedelta | None)
    assert_type(event.diagnostics, Diagnostics | None)
    print(event.diagnostics.message)  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    if event.diagnostics is not None:
        assert_type(event.diagnostics.error_code, LifecycleErrorCode | str | None)
        assert_type(event.diagnostics.log_tail, str | None)
    assert_type(task_set.identifier, str | None)
    assert_type(task_set.desired_count, int | None)
    assert_type(task_set.target_group, TargetGroupInfo | None)
    assert_type(metadata.http_headers, dict[str, str])
    assert_type(metadata.retry_attempts, int)


def made(now: datetime) -> None:
    target = InstanceTarget(target_id="i-1", status="Failed", last_updated_at=now)
    target.status = "Succeeded"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    LifecycleEvent(status=LifecycleEventStatus.FAILED, diagnostics=Diagnostics(error_code="Odd"))
    UnknownTarget(deployment_target_type="MarsTarget", raw={})
    InstanceTarget(targetId="i-1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    InstanceTarget(target_id=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ECSTaskSet(desired_count="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(TargetStatus("Paused"), TargetStatus)
    print(DeploymentTargetType.ECS_TARGET.value.lower())

"""What type checkers tell a user of the library; `suite/test_typecheck.py` runs it.

Each line that a checker must refuse says so, for mypy and for pyright, and both report a line
that says so in vain. When it runs, `assert_type` looks at the value, too.
"""

from __future__ import annotations

from contextlib import aclosing, closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import boto3
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError
from pytest import raises  # noqa: PT013
from typing_extensions import assert_never, assert_type

from codedeploy_targets import (
    BatchGetDeploymentTargetsOutput,
    CloudFormationTarget,
    DeploymentTarget,
    DeploymentTargetIterator,
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
    TargetFilters,
    TargetGroupInfo,
    TargetLabel,
    TargetStatus,
    UnknownTarget,
)
from codedeploy_targets.aio import AsyncDeploymentTargetIterator, AsyncDeploymentTargetsClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from types_aiobotocore_codedeploy.client import CodeDeployClient as AioCodeDeployClient
    from types_boto3_codedeploy.client import CodeDeployClient


def clients(typed: CodeDeployClient, untyped: Any) -> None:
    client = DeploymentTargetsClient(typed)
    assert client.client is typed
    DeploymentTargetsClient(untyped)
    DeploymentTargetsClient()
    DeploymentTargetsClient(boto3.client("codedeploy"), max_concurrency=1)
    DeploymentTargetsClient(botocore.session.get_session().create_client("codedeploy"))
    with raises(TypeError):
        DeploymentTargetsClient("codedeploy")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with raises(TypeError):
        DeploymentTargetsClient(typed, 8)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def calls(client: DeploymentTargetsClient, ids: Iterator[str]) -> None:
    output = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-1"])
    assert_type(output, BatchGetDeploymentTargetsOutput)
    assert_type(output.deployment_targets, list[DeploymentTarget])
    assert_type(output.missing_target_ids, list[str])
    assert_type(output.response_metadata, list[ResponseMetadata])
    assert_type(output.to_boto3(), dict[str, Any])
    read = BatchGetDeploymentTargetsOutput.from_boto3(output.to_boto3())
    assert_type(read, BatchGetDeploymentTargetsOutput)
    client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids, skip_missing=True)
    with raises(TypeError):
        client.batch_get_deployment_targets("d-1", ["i-1"])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with raises(TypeError):
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=[1])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    with raises(TypeError):
        client.batch_get_deployment_targets(deployment_id="d-1", targetIds=[])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def streamed(client: DeploymentTargetsClient) -> int:
    count = 0
    with closing(client.iter_deployment_targets(deploymentId="d-1")) as targets:
        assert_type(targets, DeploymentTargetIterator)
        assert_type(targets.missing_target_ids, list[str])
        for target in targets:
            assert_type(target, DeploymentTarget)
            assert_type(target.target_id, str | None)
            count += 1
    client.iter_deployment_targets(deploymentId="d-1").close()
    assert_type(next(client.iter_deployment_targets(deploymentId="d-1")), DeploymentTarget)
    with raises(AttributeError):
        targets.aclose()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    return count


def filtered(client: DeploymentTargetsClient) -> None:
    known: TargetFilters = {
        "TargetStatus": ["Failed", TargetStatus.READY],
        "ServerInstanceLabel": ("Blue", TargetLabel.GREEN),
    }
    client.iter_deployment_targets(deploymentId="d-1", targetFilters=known)
    client.iter_deployment_targets(deploymentId="d-1", targetFilters={"TargetStatus": ["Failed"]})
    client.iter_deployment_targets(deploymentId="d-1", targetFilters={"TargetState": ["Failed"]})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.iter_deployment_targets(deploymentId="d-1", targetFilters={"TargetStatus": ["failed"]})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.iter_deployment_targets(deploymentId="d-1", targetFilters={"TargetStatus": [1]})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def async_calls(
    typed: AioCodeDeployClient,
    untyped: Any,
    ids: AsyncIterator[str],
    more_ids: AsyncIterator[str],
) -> int:
    client = AsyncDeploymentTargetsClient(typed, max_concurrency=4)
    AsyncDeploymentTargetsClient(untyped)
    output = await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-1"])
    assert_type(output, BatchGetDeploymentTargetsOutput)
    await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids, skip_missing=True)
    count = 0
    found = client.iter_deployment_targets(deploymentId="d-1", targetIds=more_ids)
    async with aclosing(found) as targets:
        assert_type(targets, AsyncDeploymentTargetIterator)
        assert_type(targets.missing_target_ids, list[str])
        async for target in targets:
            assert_type(target.target_id, str | None)
            count += 1
    with raises(TypeError):
        AsyncDeploymentTargetsClient()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with raises(TypeError):
        for _ in targets:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
            pass
    return count


def errors(client: DeploymentTargetsClient) -> str:
    with raises(AttributeError):
        print(client.exceptions.DeploymentDoesNotExistExeption)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    try:
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-1"])
    except client.exceptions.DeploymentDoesNotExistException as error:
        assert_type(error, ClientError)
        return "no such deployment"
    except InvalidResponseError as error:
        assert_type(error.request_id, str | None)
        assert_type(error.deployment_id, str)
        assert_type(error.target_ids, list[str])
        assert_type(error.body, bytes)
        return "invalid"
    except (ClientError, BotoCoreError):
        return "another error"
    return "no error"


def any_target(target: DeploymentTarget) -> bool:
    assert_type(target.target_id, str | None)
    assert_type(target.deployment_id, str | None)
    assert_type(target.status, TargetStatus | None)
    assert_type(target.last_updated_at, datetime | None)
    assert_type(target.lifecycle_events, list[LifecycleEvent])
    assert_type(target.failed_event, LifecycleEvent | None)
    assert_type(target.current_event, LifecycleEvent | None)
    assert_type(target.is_terminal, bool)
    assert_type(target.to_boto3(), dict[str, Any])
    assert_type(target.deployment_target_type, DeploymentTargetType)
    with raises(ValidationError):
        target.target_id = "i-2"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    if not isinstance(target, InstanceTarget):
        with raises(AttributeError):
            print(target.instance_label)  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue]
    if target.status is not None:
        assert_type(target.status, TargetStatus)
        assert_type(f"{target.status}", str)
    return target.status == "Failed" or target.status is TargetStatus.SKIPPED


def matched(target: DeploymentTarget) -> str:
    match target:
        case InstanceTarget():
            assert_type(target.deployment_target_type, Literal["InstanceTarget"])
            assert_type(target.instance_label, TargetLabel | None)
            assert_type(target.target_arn, str | None)
        case LambdaTarget(lambda_function_info=info):
            assert_type(target.deployment_target_type, Literal["LambdaTarget"])
            assert_type(info, LambdaFunctionInfo | None)
        case ECSTarget(task_sets_info=task_sets):
            assert_type(target.deployment_target_type, Literal["ECSTarget"])
            assert_type(task_sets, list[ECSTaskSet])
        case CloudFormationTarget():
            assert_type(target.deployment_target_type, Literal["CloudFormationTarget"])
            assert_type(target.target_version_weight, float | None)
            assert_type(target.resource_type, str | None)
        case UnknownTarget():
            assert_type(target.deployment_target_type, Literal["UnknownTarget"])
            assert_type(target.raw, dict[str, Any])
            assert_type(target.raw_type, str | None)
        case _:
            assert_never(target)
    return target.deployment_target_type


def not_all_matched(target: DeploymentTarget) -> str | None:
    match target:
        case InstanceTarget() | LambdaTarget() | ECSTarget() | CloudFormationTarget():
            return target.target_id
        case _:
            assert_never(target)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def compared(target: DeploymentTarget) -> str:
    if target.deployment_target_type == "InstanceTarget":
        assert_type(target, InstanceTarget)
    elif target.deployment_target_type == "LambdaTarget":
        assert_type(target, LambdaTarget)
    elif target.deployment_target_type == "ECSTarget":
        assert_type(target, ECSTarget)
    elif target.deployment_target_type == "CloudFormationTarget":
        assert_type(target, CloudFormationTarget)
    elif target.deployment_target_type == "UnknownTarget":
        assert_type(target, UnknownTarget)
    else:
        assert_never(target)
    return target.deployment_target_type


def matched_by_type(target: DeploymentTarget) -> str:
    kind: DeploymentTargetType = target.deployment_target_type
    match kind:
        case "InstanceTarget" | "LambdaTarget" | "ECSTarget" | "CloudFormationTarget":
            return f"AWS's {kind}"
        case "UnknownTarget":
            return "unknown"
        case _:
            assert_never(kind)


def types(targets: list[DeploymentTarget]) -> dict[DeploymentTargetType, int]:
    counts: dict[DeploymentTargetType, int] = {}
    for target in targets:
        counts[target.deployment_target_type] = counts.get(target.deployment_target_type, 0) + 1
    kind: DeploymentTargetType = "ECSTarget"
    instances = [each for each in targets if each.deployment_target_type == "InstanceTarget"]
    assert len(instances) == counts.get("InstanceTarget", 0)
    assert counts.get(kind, 0) == sum(each.deployment_target_type == kind for each in targets)
    kind = "MarsTarget"  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    assert kind not in counts
    return counts


def members(event: LifecycleEvent, task_set: ECSTaskSet, metadata: ResponseMetadata) -> None:
    assert_type(event.lifecycle_event_name, str | None)
    assert_type(event.status, LifecycleEventStatus | None)
    assert_type(event.start_time, datetime | None)
    assert_type(event.duration, timedelta | None)
    assert_type(event.diagnostics, Diagnostics | None)
    if not event.model_fields_set:
        with raises(AttributeError):
            print(event.diagnostics.message)  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    if event.diagnostics is not None:
        assert_type(event.diagnostics.error_code, LifecycleErrorCode | None)
        assert_type(event.diagnostics.log_tail, str | None)
    assert_type(task_set.identifier, str | None)
    assert_type(task_set.desired_count, int | None)
    assert_type(task_set.target_group, TargetGroupInfo | None)
    assert_type(task_set.task_set_label, TargetLabel | None)
    assert_type(metadata.http_headers, dict[str, str])
    assert_type(metadata.retry_attempts, int)


def made(now: datetime) -> None:
    target = InstanceTarget(
        target_id="i-1", status=TargetStatus.FAILED, last_updated_at=now, lifecycle_events=[]
    )
    with raises(ValidationError):
        target.status = TargetStatus.READY  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    with raises(ValidationError):
        LifecycleEvent().status = None  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    odd = LifecycleErrorCode("Odd")
    event = LifecycleEvent(
        status=LifecycleEventStatus.FAILED, diagnostics=Diagnostics(error_code=odd)
    )
    assert_type(event, LifecycleEvent)
    # A checker wants the member; a plain string is as good when it runs.
    plain = InstanceTarget(target_id="i-1", status="Failed", last_updated_at=now)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert plain == target
    assert_type(plain.status == "Failed", bool)
    assert plain.status is TargetStatus.FAILED
    assert_type(TargetStatus("Paused"), TargetStatus)
    assert_type(UnknownTarget(raw={}), UnknownTarget)
    assert_type(InstanceTarget.from_boto3(target.to_boto3()), InstanceTarget)
    with raises(ValidationError):
        UnknownTarget()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with raises(ValidationError):
        UnknownTarget(deployment_target_type="MarsTarget", raw={})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with raises(ValidationError):
        InstanceTarget(targetId="i-1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with raises(ValidationError):
        InstanceTarget(target_id=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with raises(ValidationError):
        ECSTaskSet(desired_count="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

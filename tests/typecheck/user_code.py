"""What type checkers tell a user of the library; `suite/test_typecheck.py` runs it.

Each line that a checker must refuse says so, for mypy and for pyright, and both report a line
that says so in vain. When it runs, `assert_type` looks at the value, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import boto3
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError
from pytest import raises  # noqa: PT013
from typing_extensions import assert_never, assert_type

import codedeploy_targets as ct
from codedeploy_targets.aio import AsyncDeploymentTargetIterator, AsyncDeploymentTargetsClient

if TYPE_CHECKING:
    from types_aiobotocore_codedeploy.client import CodeDeployClient as AioCodeDeployClient
    from types_boto3_codedeploy.client import CodeDeployClient


def refused(call: Callable[[], object], error: type[Exception] = TypeError) -> None:
    """Make a call that the checkers refuse, too."""
    with raises(error):
        call()


def clients(typed: CodeDeployClient, untyped: Any) -> None:
    client = ct.DeploymentTargetsClient(typed)
    assert client.client is typed
    ct.DeploymentTargetsClient(untyped)
    ct.DeploymentTargetsClient()
    ct.DeploymentTargetsClient(boto3.client("codedeploy"), max_concurrency=1)
    ct.DeploymentTargetsClient(botocore.session.get_session().create_client("codedeploy"))
    refused(lambda: ct.DeploymentTargetsClient("codedeploy"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    refused(lambda: ct.DeploymentTargetsClient(typed, 8))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def calls(client: ct.DeploymentTargetsClient, ids: Iterator[str]) -> None:
    get = client.batch_get_deployment_targets
    output = get(deploymentId="d-1", targetIds=["i-1"])
    assert_type(output, ct.BatchGetDeploymentTargetsOutput)
    assert_type(output.deployment_targets, list[ct.DeploymentTarget])
    assert_type(output.response_metadata, list[ct.ResponseMetadata])
    assert_type((output.missing_target_ids, output.to_boto3()), tuple[list[str], dict[str, Any]])
    read = ct.BatchGetDeploymentTargetsOutput.from_boto3(output.to_boto3())
    assert_type(read, ct.BatchGetDeploymentTargetsOutput)
    get(deploymentId="d-1", targetIds=ids, skip_missing=True)
    refused(lambda: get("d-1", ["i-1"]))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    refused(lambda: get(deploymentId="d-1", targetIds=[1]))  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    refused(lambda: get(deployment_id="d-1", targetIds=[]))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def streamed(client: ct.DeploymentTargetsClient) -> int:
    count = 0
    with closing(client.iter_deployment_targets(deploymentId="d-1")) as targets:
        assert_type(targets, ct.DeploymentTargetIterator)
        assert_type(targets.missing_target_ids, list[str])
        for target in targets:
            assert_type(target, ct.DeploymentTarget)
            count += 1
    assert_type(next(client.iter_deployment_targets(deploymentId="d-1")), ct.DeploymentTarget)
    refused(lambda: targets.aclose, AttributeError)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    return count


def filtered(client: ct.DeploymentTargetsClient) -> None:
    iterate = client.iter_deployment_targets
    known: ct.TargetFilters = {
        "TargetStatus": ["Failed", ct.TargetStatus.READY],
        "ServerInstanceLabel": ("Blue", ct.TargetLabel.GREEN),
    }
    iterate(deploymentId="d-1", targetFilters=known)
    iterate(deploymentId="d-1", targetFilters={"TargetStatus": ["Failed"]})
    every: ct.TargetFilters = {"TargetStatus": [each.value for each in ct.TargetStatus]}
    iterate(deploymentId="d-1", targetFilters=every)
    iterate(deploymentId="d-1", targetFilters={"TargetState": ["Failed"]})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    iterate(deploymentId="d-1", targetFilters={"TargetStatus": ["failed"]})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    iterate(deploymentId="d-1", targetFilters={"TargetStatus": [1]})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def async_calls(
    typed: AioCodeDeployClient, untyped: Any, *ids: AsyncIterator[str]
) -> list[str | None]:
    client = AsyncDeploymentTargetsClient(typed, max_concurrency=4)
    AsyncDeploymentTargetsClient(untyped)
    get, first, second = client.batch_get_deployment_targets, *ids
    output = await get(deploymentId="d-1", targetIds=["i-1"])
    assert_type(output, ct.BatchGetDeploymentTargetsOutput)
    await get(deploymentId="d-1", targetIds=first, skip_missing=True)
    found = client.iter_deployment_targets(deploymentId="d-1", targetIds=second)
    async with aclosing(found) as targets:
        assert_type(targets, AsyncDeploymentTargetIterator)
        assert_type(targets.missing_target_ids, list[str])
        read = [target.target_id async for target in targets]
    refused(AsyncDeploymentTargetsClient)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    refused(lambda: [*targets])  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    return read


def errors(client: ct.DeploymentTargetsClient) -> str:
    refused(lambda: client.exceptions.DeploymentDoesNotExistExeption, AttributeError)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    try:
        client.batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-1"])
    except client.exceptions.DeploymentDoesNotExistException as error:
        assert_type(error, ClientError)
        return "no such deployment"
    except ct.InvalidResponseError as error:
        assert_type((error.request_id, error.deployment_id), tuple[str | None, str])
        assert_type((error.target_ids, error.body), tuple[list[str], bytes])
        return "invalid"
    except (ClientError, BotoCoreError):
        return "another error"
    return "no error"


def any_target(target: ct.DeploymentTarget) -> bool:
    assert_type((target.target_id, target.deployment_id), tuple[str | None, str | None])
    assert_type((target.status, target.is_terminal), tuple[ct.TargetStatus | None, bool])
    assert_type(target.last_updated_at, datetime | None)
    assert_type(target.lifecycle_events, list[ct.LifecycleEvent])
    assert_type(target.failed_event, ct.LifecycleEvent | None)
    assert_type(target.current_event, ct.LifecycleEvent | None)
    assert_type(target.to_boto3(), dict[str, Any])
    assert_type(target.deployment_target_type, ct.DeploymentTargetType)
    with raises(ValidationError):
        target.target_id = "i-2"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    if not isinstance(target, ct.InstanceTarget):
        refused(lambda: target.instance_label, AttributeError)  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue]
    if target.status is not None:
        assert_type(f"{target.status}", str)
    # A comparison rules out no value, as more are to come.
    if target.status == ct.TargetStatus.READY:
        return False
    return target.status == "Failed" or target.status is ct.TargetStatus.SKIPPED


def labelled(label: ct.TargetLabel) -> str:
    if label == ct.TargetLabel.BLUE:
        return "original"
    if label == ct.TargetLabel.GREEN:
        return "replacement"
    assert_never(label)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def matched(target: ct.DeploymentTarget) -> str:
    match target:
        case ct.InstanceTarget():
            assert_type(target.deployment_target_type, Literal["InstanceTarget"])
            assert_type(target.instance_label, ct.TargetLabel | None)
            assert_type(target.target_arn, str | None)
        case ct.LambdaTarget(lambda_function_info=info):
            assert_type(target.deployment_target_type, Literal["LambdaTarget"])
            assert_type(info, ct.LambdaFunctionInfo | None)
        case ct.ECSTarget(task_sets_info=task_sets):
            assert_type(target.deployment_target_type, Literal["ECSTarget"])
            assert_type(task_sets, list[ct.ECSTaskSet])
        case ct.CloudFormationTarget():
            assert_type(target.deployment_target_type, Literal["CloudFormationTarget"])
            assert_type(target.target_version_weight, float | None)
            assert_type(target.resource_type, str | None)
        case ct.UnknownTarget():
            assert_type(target.deployment_target_type, Literal["UnknownTarget"])
            assert_type((target.raw, target.raw_type), tuple[dict[str, Any], str | None])
        case _:
            assert_never(target)
    return target.deployment_target_type


def not_all_matched(target: ct.DeploymentTarget) -> str | None:
    match target:
        case ct.InstanceTarget() | ct.LambdaTarget() | ct.ECSTarget() | ct.CloudFormationTarget():
            return target.target_id
        case _:
            assert_never(target)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def compared(target: ct.DeploymentTarget) -> str:
    if target.deployment_target_type == "InstanceTarget":
        assert_type(target, ct.InstanceTarget)
    elif target.deployment_target_type == "LambdaTarget":
        assert_type(target, ct.LambdaTarget)
    elif target.deployment_target_type == "ECSTarget":
        assert_type(target, ct.ECSTarget)
    elif target.deployment_target_type == "CloudFormationTarget":
        assert_type(target, ct.CloudFormationTarget)
    elif target.deployment_target_type == "UnknownTarget":
        assert_type(target, ct.UnknownTarget)
    else:
        assert_never(target)
    kind: ct.DeploymentTargetType = target.deployment_target_type
    match kind:
        case "InstanceTarget" | "LambdaTarget" | "ECSTarget" | "CloudFormationTarget":
            return f"AWS's {kind}"
        case "UnknownTarget":
            return "unknown"
        case _:
            assert_never(kind)


def types(targets: list[ct.DeploymentTarget]) -> dict[ct.DeploymentTargetType, int]:
    counts: dict[ct.DeploymentTargetType, int] = {}
    for target in targets:
        counts[target.deployment_target_type] = counts.get(target.deployment_target_type, 0) + 1
    kind: ct.DeploymentTargetType = "ECSTarget"
    assert counts[kind] == sum(each.deployment_target_type == kind for each in targets)
    kind = "MarsTarget"  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    assert kind not in counts
    return counts


def members(
    event: ct.LifecycleEvent, task_set: ct.ECSTaskSet, metadata: ct.ResponseMetadata
) -> None:
    assert_type(event.lifecycle_event_name, str | None)
    assert_type(event.status, ct.LifecycleEventStatus | None)
    assert_type((event.start_time, event.duration), tuple[datetime | None, timedelta | None])
    assert_type(event.diagnostics, ct.Diagnostics | None)
    if not event.model_fields_set:
        refused(lambda: event.diagnostics.message, AttributeError)  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    if event.diagnostics is not None:
        assert_type(event.diagnostics.error_code, ct.LifecycleErrorCode | None)
        assert_type(event.diagnostics.log_tail, str | None)
    assert_type(event.diagnostics and event.diagnostics.message, str | None)
    assert_type((task_set.identifier, task_set.desired_count), tuple[str | None, int | None])
    assert_type(task_set.target_group, ct.TargetGroupInfo | None)
    assert_type(task_set.task_set_label, ct.TargetLabel | None)
    assert_type((metadata.http_headers, metadata.retry_attempts), tuple[dict[str, str], int])


def made(now: datetime) -> None:
    failed, odd = ct.LifecycleEventStatus.FAILED, ct.LifecycleErrorCode("Odd")
    event = ct.LifecycleEvent(status=failed, diagnostics=ct.Diagnostics(error_code=odd))
    assert_type(event, ct.LifecycleEvent)
    target = ct.InstanceTarget(
        target_id="i-1", status=ct.TargetStatus.FAILED, last_updated_at=now, lifecycle_events=[]
    )
    with raises(ValidationError):
        target.status = ct.TargetStatus.READY  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    with raises(ValidationError):
        event.status = None  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    # A checker wants the member; a plain string is as good when it runs.
    plain = ct.InstanceTarget(target_id="i-1", status="Failed", last_updated_at=now)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert plain == target
    assert_type(plain.status == "Failed", bool)
    assert plain.status is ct.TargetStatus.FAILED
    assert_type(ct.TargetStatus("Paused"), ct.TargetStatus)
    assert_type(ct.UnknownTarget(raw={}), ct.UnknownTarget)
    assert_type(ct.InstanceTarget.from_boto3(target.to_boto3()), ct.InstanceTarget)
    refused(ct.UnknownTarget, ValidationError)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    refused(lambda: ct.UnknownTarget(deployment_target_type="MarsTarget", raw={}), ValidationError)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    refused(lambda: ct.InstanceTarget(targetId="i-1"), ValidationError)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    refused(lambda: ct.InstanceTarget(target_id=1), ValidationError)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    refused(lambda: ct.ECSTaskSet(desired_count="many"), ValidationError)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

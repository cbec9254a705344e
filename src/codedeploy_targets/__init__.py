"""CodeDeploy's BatchGetDeploymentTargets as a typed client over botocore's."""

from __future__ import annotations

from ._client import DeploymentTargetsClient
from ._enums import (
    DeploymentTargetType,
    LifecycleErrorCode,
    LifecycleEventStatus,
    TargetLabel,
    TargetStatus,
)
from ._exceptions import InvalidResponseError
from ._models import (
    BatchGetDeploymentTargetsOutput,
    CloudFormationTarget,
    DeploymentTarget,
    Diagnostics,
    ECSTarget,
    ECSTaskSet,
    InstanceTarget,
    LambdaFunctionInfo,
    LambdaTarget,
    LifecycleEvent,
    ResponseMetadata,
    TargetGroupInfo,
    UnknownTarget,
)

__all__ = [
    "BatchGetDeploymentTargetsOutput",
    "CloudFormationTarget",
    "DeploymentTarget",
    "DeploymentTargetType",
    "DeploymentTargetsClient",
    "Diagnostics",
    "ECSTarget",
    "ECSTaskSet",
    "InstanceTarget",
    "InvalidResponseError",
    "LambdaFunctionInfo",
    "LambdaTarget",
    "LifecycleErrorCode",
    "LifecycleEvent",
    "LifecycleEventStatus",
    "ResponseMetadata",
    "TargetGroupInfo",
    "TargetLabel",
    "TargetStatus",
    "UnknownTarget",
]

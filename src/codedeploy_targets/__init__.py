"""CodeDeploy's BatchGetDeploymentTargets as a typed client.

`DeploymentTargetsClient` wraps a boto3 or botocore client: it gets any number of targets, streams
those of a deployment, follows a deployment until it is over, and returns pydantic models.
`group_failures` tells what went wrong. `codedeploy_targets.aio` has the client for asyncio,
`codedeploy_targets.testing` what moto lacks.
"""

from . import _interrupts as _interrupts  # first: it handles Ctrl-C during the rest
from ._answers import BatchGetDeploymentTargetsOutput, ResponseMetadata
from ._client import DeploymentTargetIterator, DeploymentTargetsClient, DeploymentWatch
from ._deployments import DeploymentInfo, DeploymentOverview, ErrorInformation, RollbackInfo
from ._enums import (
    DeploymentStatus,
    LifecycleErrorCode,
    LifecycleEventStatus,
    TargetLabel,
    TargetStatus,
)
from ._errors import InvalidResponseError, error_code
from ._failure_groups import FailureGroup, group_failures
from ._models import (
    CloudFormationTarget,
    DeploymentTarget,
    DeploymentTargetType,
    Diagnostics,
    ECSTarget,
    ECSTaskSet,
    InstanceTarget,
    LambdaFunctionInfo,
    LambdaTarget,
    LifecycleEvent,
    TargetGroupInfo,
    UnknownTarget,
)
from ._requests import TargetFilters
from ._shapes import end_deferral as _end_deferral

__version__ = "0.2.0"
__all__ = [
    "BatchGetDeploymentTargetsOutput", "CloudFormationTarget", "DeploymentInfo",
    "DeploymentOverview", "DeploymentStatus", "DeploymentTarget", "DeploymentTargetIterator",
    "DeploymentTargetType", "DeploymentTargetsClient", "DeploymentWatch", "Diagnostics",
    "ECSTarget", "ECSTaskSet", "ErrorInformation", "FailureGroup", "InstanceTarget",
    "InvalidResponseError", "LambdaFunctionInfo", "LambdaTarget", "LifecycleErrorCode",
    "LifecycleEvent", "LifecycleEventStatus", "ResponseMetadata", "RollbackInfo", "TargetFilters",
    "TargetGroupInfo", "TargetLabel", "TargetStatus", "UnknownTarget", "error_code",
    "group_failures",
]  # fmt: skip

_end_deferral()  # last: all of AWS's shape is built by now

"""Change here: the public names. CodeDeploy's BatchGetDeploymentTargets as a typed client."""

from ._answers import BatchGetDeploymentTargetsOutput as BatchGetDeploymentTargetsOutput
from ._answers import ResponseMetadata as ResponseMetadata
from ._client import DeploymentTargetIterator as DeploymentTargetIterator
from ._client import DeploymentTargetsClient as DeploymentTargetsClient
from ._client import DeploymentWatch as DeploymentWatch
from ._deployments import DeploymentInfo as DeploymentInfo
from ._deployments import DeploymentOverview as DeploymentOverview
from ._deployments import ErrorInformation as ErrorInformation
from ._deployments import RollbackInfo as RollbackInfo
from ._enums import DeploymentStatus as DeploymentStatus
from ._enums import LifecycleErrorCode as LifecycleErrorCode
from ._enums import LifecycleEventStatus as LifecycleEventStatus
from ._enums import TargetLabel as TargetLabel
from ._enums import TargetStatus as TargetStatus
from ._errors import InvalidResponseError as InvalidResponseError
from ._failures import FailureGroup as FailureGroup
from ._failures import group_failures as group_failures
from ._models import CloudFormationTarget as CloudFormationTarget
from ._models import DeploymentTarget as DeploymentTarget
from ._models import DeploymentTargetType as DeploymentTargetType
from ._models import Diagnostics as Diagnostics
from ._models import ECSTarget as ECSTarget
from ._models import ECSTaskSet as ECSTaskSet
from ._models import InstanceTarget as InstanceTarget
from ._models import LambdaFunctionInfo as LambdaFunctionInfo
from ._models import LambdaTarget as LambdaTarget
from ._models import LifecycleEvent as LifecycleEvent
from ._models import TargetFilters as TargetFilters
from ._models import TargetGroupInfo as TargetGroupInfo
from ._models import UnknownTarget as UnknownTarget
from ._shapes import end_deferral

end_deferral()

"""Change here: what GetDeployment tells of a deployment as a whole."""

from typing import Any, cast

from pydantic import AwareDatetime
from pydantic.alias_generators import to_pascal
from pydantic_core import SchemaValidator
from typing_extensions import Self

from ._enums import DeploymentStatus
from ._json import UnreadableError, drop_nulls, load, load_cli, mend
from ._shapes import Shape, check_structure, read_structure, structure_schema, writer


class ErrorInformation(Shape, frozen=True):
    """Why a deployment as a whole failed; `code` is AWS's, such as `HEALTH_CONSTRAINTS`."""

    code: str | None = None
    message: str | None = None


class DeploymentOverview(Shape, frozen=True):
    """How many targets of a deployment have each status."""

    pending: int | None = None
    in_progress: int | None = None
    succeeded: int | None = None
    failed: int | None = None
    skipped: int | None = None
    ready: int | None = None
    _aws_name = staticmethod(to_pascal)


class RollbackInfo(Shape, frozen=True):
    """Which deployment rolls this one back, or which one this deployment rolls back."""

    rollback_deployment_id: str | None = None
    rollback_triggering_deployment_id: str | None = None
    rollback_message: str | None = None


class DeploymentInfo(Shape, frozen=True):
    """How a deployment stands; the rest of AWS's structure is left out."""

    deployment_id: str | None = None
    application_name: str | None = None
    deployment_group_name: str | None = None
    status: DeploymentStatus | None = None
    error_information: ErrorInformation | None = None
    deployment_overview: DeploymentOverview | None = None
    create_time: AwareDatetime | None = None
    start_time: AwareDatetime | None = None
    complete_time: AwareDatetime | None = None
    creator: str | None = None  # `user`, `autoscaling`, `codeDeployRollback`, …
    description: str | None = None
    compute_platform: str | None = None  # `Server`, `Lambda` or `ECS`
    rollback_info: RollbackInfo | None = None

    @property
    def is_over(self) -> bool:
        """Whether the deployment has ended: Succeeded, Failed or Stopped."""
        return self.status in {"Succeeded", "Failed", "Stopped"}

    @classmethod
    def from_boto3(cls, answer: Any) -> Self:
        """Read boto3's dict, or the text that AWS's CLI prints.

        Raises ValueError for anything else; its text tells where, and shows no data.
        """
        return cls._as_own(read_deployment(load_cli(answer)))


_READER = SchemaValidator(structure_schema(DeploymentInfo))
write_deployment = writer(DeploymentInfo)  # as boto3's dict


def read_deployment(answer: Any) -> DeploymentInfo:
    """Read an answer to GetDeployment, or raise UnreadableError."""
    answer = drop_nulls(mend(load(answer)))
    info = answer.get("deploymentInfo") if isinstance(answer, dict) else None
    if not isinstance(info, dict):
        raise UnreadableError("expected an answer to GetDeployment: an object with deploymentInfo")
    check_structure(DeploymentInfo, info, "deploymentInfo")
    return cast("DeploymentInfo", read_structure(_READER, info, "deploymentInfo"))

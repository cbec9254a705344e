"""Change here: what GetDeployment tells of a deployment as a whole."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, ValidationError
from pydantic.alias_generators import to_pascal
from pydantic_core import SchemaValidator

from ._enums import DeploymentStatus
from ._json import UnreadableError, drop_nulls, load_answer, mend
from ._shapes import Shape, own_names, structure_schema


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

    @classmethod
    def _aws_name(cls, attribute: str) -> str:
        # AWS capitalises these.
        return to_pascal(attribute)


class RollbackInfo(Shape, frozen=True):
    """Which deployment rolls this one back, or which one this deployment rolls back."""

    rollback_deployment_id: str | None = None
    rollback_triggering_deployment_id: str | None = None
    rollback_message: str | None = None


class DeploymentInfo(Shape, frozen=True):
    """How a deployment stands; the rest of AWS's structure is left out.

    `creator` (`user`, `autoscaling`, `codeDeployRollback`, …) and `compute_platform` (`Server`,
    `Lambda`, `ECS`) are AWS's own strings.
    """

    deployment_id: str | None = None
    application_name: str | None = None
    deployment_group_name: str | None = None
    status: DeploymentStatus | None = None
    error_information: ErrorInformation | None = None
    deployment_overview: DeploymentOverview | None = None
    create_time: AwareDatetime | None = None
    start_time: AwareDatetime | None = None
    complete_time: AwareDatetime | None = None
    creator: str | None = None
    description: str | None = None
    compute_platform: str | None = None
    rollback_info: RollbackInfo | None = None

    @property
    def is_over(self) -> bool:
        """Whether the deployment has ended: Succeeded, Failed or Stopped."""
        return self.status in {"Succeeded", "Failed", "Stopped"}

    @staticmethod
    def from_boto3(answer: Any) -> DeploymentInfo:
        """Read an answer to GetDeployment: `{"deploymentInfo": {…}}`.

        It is boto3's dict, or the text (`str` or `bytes`) that `aws deploy get-deployment` prints.

        Raises:
            ValueError: it is no such answer; the message tells where, and shows no value.
        """
        return read_deployment(load_answer(answer))


_ANSWER = SchemaValidator(structure_schema(DeploymentInfo, "deploymentInfo"))


def read_deployment(answer: Any) -> DeploymentInfo:
    """Read an answer to GetDeployment, which has a status at least, or raise UnreadableError."""
    answer = drop_nulls(mend(answer))
    info = answer.get("deploymentInfo") if isinstance(answer, dict) else None
    if not isinstance(info, dict) or "status" not in info:
        raise UnreadableError("expected an answer to GetDeployment: deploymentInfo with a status")
    if info.keys() & own_names(DeploymentInfo):
        raise UnreadableError("deploymentInfo has names of the models, not AWS's")
    try:
        deployment: DeploymentInfo = _ANSWER.validate_python(answer)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"] if part != "")
        raise UnreadableError(f"{where} is not as expected") from None
    return deployment

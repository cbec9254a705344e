"""What type checkers need to know of botocore's clients, whose classes exist at run time only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from botocore.exceptions import ClientError


class Exceptions(Protocol):
    """The exceptions of a CodeDeploy client: those of the operation, and the base of all."""

    ClientError: type[ClientError]
    InvalidDeploymentIdException: type[ClientError]
    DeploymentIdRequiredException: type[ClientError]
    DeploymentDoesNotExistException: type[ClientError]
    DeploymentNotStartedException: type[ClientError]
    DeploymentTargetIdRequiredException: type[ClientError]
    InvalidDeploymentTargetIdException: type[ClientError]
    DeploymentTargetDoesNotExistException: type[ClientError]
    DeploymentTargetListSizeExceededException: type[ClientError]
    InstanceDoesNotExistException: type[ClientError]

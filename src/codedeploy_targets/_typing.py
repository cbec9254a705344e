"""What type checkers need to know of botocore's clients, whose classes exist at run time only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from botocore import exceptions


class Exceptions(Protocol):
    """The exceptions of a CodeDeploy client: those of the operation, and the base of all."""

    ClientError: type[exceptions.ClientError]
    InvalidDeploymentIdException: type[exceptions.ClientError]
    DeploymentIdRequiredException: type[exceptions.ClientError]
    DeploymentDoesNotExistException: type[exceptions.ClientError]
    DeploymentNotStartedException: type[exceptions.ClientError]
    DeploymentTargetIdRequiredException: type[exceptions.ClientError]
    InvalidDeploymentTargetIdException: type[exceptions.ClientError]
    DeploymentTargetDoesNotExistException: type[exceptions.ClientError]
    DeploymentTargetListSizeExceededException: type[exceptions.ClientError]
    InstanceDoesNotExistException: type[exceptions.ClientError]

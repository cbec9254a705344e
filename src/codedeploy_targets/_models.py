"""Change here: target types and members, AWS's structures as frozen pydantic models.

botocore's service model for CodeDeploy (2014-10-06) is the truth behind them. An attribute is
AWS's member name in snake_case. What the service leaves out is `None`, or an empty list.

A model's own JSON has the attributes' names, and is read strictly. AWS's shape goes in by
`from_boto3` and out by `to_boto3`; its names are the validation aliases, which count only in the
validation calls that ask for them.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    AliasGenerator,
    AliasPath,
    AwareDatetime,
    BaseModel,
    Field,
    PlainValidator,
    StrictFloat,
    StrictInt,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from typing_extensions import Self, TypedDict

from ._enums import LifecycleErrorCode, LifecycleEventStatus, TargetLabel, TargetStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from . import _enums  # `TargetStatus` in TargetFilters is the name of a key, and hides the enum


def _parse_timestamp(value: Any) -> datetime:
    # Imported late: only what pydantic refuses comes here, so a cold start need not pay.
    from botocore.utils import parse_to_aware_datetime

    try:
        parsed: datetime = parse_to_aware_datetime(value)
    except (ArithmeticError, RuntimeError, TypeError) as error:
        raise ValueError("not a timestamp") from error
    return parsed


# pydantic refuses a time without a zone; botocore's parser reads it as UTC.
_Timestamp = Annotated[
    AwareDatetime | Annotated[datetime, PlainValidator(_parse_timestamp)],
    Field(union_mode="left_to_right"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
# How AWS's shape is validated: by the validation aliases.
AWS_NAMES: dict[str, Any] = {"by_alias": True, "by_name": False, "extra": "ignore"}


def _inside(member: str) -> AliasGenerator:
    """Alias each attribute to AWS's member in the payload; the type stands beside the payload."""

    def alias(name: str) -> str | AliasPath:
        aws_name = to_camel(name)
        return aws_name if name == "deployment_target_type" else AliasPath(member, aws_name)

    return AliasGenerator(validation_alias=alias)


# Type checkers do not inherit `frozen`, so each class repeats it.
class _Shape(
    BaseModel,
    frozen=True,
    extra="forbid",
    alias_generator=AliasGenerator(validation_alias=to_camel),
    validate_by_name=True,
    validate_by_alias=False,
    json_schema_serialization_defaults_required=True,
    # JSON has no infinite numbers; pydantic would write them as null.
    allow_inf_nan=False,
    # Without this, pydantic takes a number above 2e10 for milliseconds.
    val_temporal_unit="seconds",
):
    pass


def _to_boto3(value: Any) -> Any:
    """Return a value as boto3 has it: members that were set, under AWS's names, as plain types."""
    if isinstance(value, _Shape):
        members: dict[str, Any] = {}
        for name, field in type(value).model_fields.items():
            member = getattr(value, name)
            if name in value.model_fields_set and member is not None:
                alias = field.validation_alias
                aws_name = alias.path[-1] if isinstance(alias, AliasPath) else alias
                members[str(aws_name)] = _to_boto3(member)
        return members
    if isinstance(value, list):
        return [_to_boto3(item) for item in value]
    return str.__str__(value) if isinstance(value, str) else value


class Diagnostics(_Shape, frozen=True):
    """What the script of a lifecycle event left behind; `log_tail` is its log's last 4 KB."""

    error_code: LifecycleErrorCode | None = None
    script_name: str | None = None
    message: str | None = None
    log_tail: str | None = None


class LifecycleEvent(_Shape, frozen=True):
    """One step on one target, such as `BeforeInstall`; `end_time` is `None` while it runs."""

    lifecycle_event_name: str | None = None
    diagnostics: Diagnostics | None = None
    start_time: _Timestamp | None = None
    end_time: _Timestamp | None = None
    status: LifecycleEventStatus | None = None

    @property
    def duration(self) -> timedelta | None:
        """From start to end; `None` before the event has ended."""
        if self.start_time is None or self.end_time is None:
            return None
        return self.end_time - self.start_time


class LambdaFunctionInfo(_Shape, frozen=True):
    """A Lambda function; `target_version_weight` is its new version's percentage of traffic."""

    function_name: str | None = None
    function_alias: str | None = None
    current_version: str | None = None
    target_version: str | None = None
    target_version_weight: StrictFloat | None = None


class TargetGroupInfo(_Shape, frozen=True):
    """The load balancer's target group that sends traffic to a task set."""

    name: str | None = None


class ECSTaskSet(_Shape, frozen=True):
    """One side of an ECS deployment: the tasks of the old or the new version.

    `status` is ECS's own (`PRIMARY`, `ACTIVE` or `DRAINING`), `traffic_weight` a percentage. AWS
    spells `identifier` as `identifer` on the wire.
    """

    identifier: str | None = Field(default=None, validation_alias="identifer")
    desired_count: StrictInt | None = None
    pending_count: StrictInt | None = None
    running_count: StrictInt | None = None
    status: str | None = None
    traffic_weight: StrictFloat | None = None
    target_group: TargetGroupInfo | None = None
    task_set_label: TargetLabel | None = None


def _require_type(schema: dict[str, Any]) -> None:
    # The constructor sets the type, but the union needs it in JSON to choose the class.
    if "deployment_target_type" not in schema.setdefault("required", []):
        schema["required"].append("deployment_target_type")


class _Target(_Shape, frozen=True, json_schema_extra=_require_type):
    deployment_id: str | None = None
    target_id: str | None = None
    status: TargetStatus | None = None
    last_updated_at: _Timestamp | None = None
    lifecycle_events: list[LifecycleEvent] = []

    @property
    def failed_event(self) -> LifecycleEvent | None:
        """The first lifecycle event with status Failed, or `None`."""
        return next((event for event in self.lifecycle_events if event.status == "Failed"), None)

    @property
    def current_event(self) -> LifecycleEvent | None:
        """The first lifecycle event with status InProgress, or `None`."""
        return next((each for each in self.lifecycle_events if each.status == "InProgress"), None)

    @property
    def is_terminal(self) -> bool:
        """Whether the deployment is over for this target: Succeeded, Failed or Skipped."""
        return self.status in {"Succeeded", "Failed", "Skipped"}

    @classmethod
    def from_boto3(cls, envelope: Any) -> Self:
        """Read one target as boto3 returns it: `{"deploymentTargetType": …, "…Target": {…}}`.

        Raises:
            ValueError: it is no envelope for this type; the message tells where, and no value.
        """
        # Imported late: `_parsing.py` imports this module.
        from ._parsing import read_envelope

        target: Self = read_envelope(envelope, cls)
        return target


class _KnownTarget(_Target, frozen=True):
    # The member of AWS's `DeploymentTarget` that holds the payload.
    MEMBER: ClassVar[str]

    def to_boto3(self) -> dict[str, Any]:
        """Return the dict that boto3 returns for this target, its envelope included."""
        label = {"deploymentTargetType": type(self).model_fields["deployment_target_type"].default}
        # The service sent no payload. Of an empty payload not even the type is set.
        if self.model_fields_set == {"deployment_target_type"}:
            return label
        payload = _to_boto3(self)
        payload.pop("deploymentTargetType", None)
        return {**label, self.MEMBER: payload}


class InstanceTarget(_KnownTarget, frozen=True, alias_generator=_inside("instanceTarget")):
    """An EC2 or on-premises instance; `instance_label` is its side of a blue/green deployment."""

    MEMBER: ClassVar[str] = "instanceTarget"
    deployment_target_type: Literal["InstanceTarget"] = "InstanceTarget"
    target_arn: str | None = None
    instance_label: TargetLabel | None = None


class LambdaTarget(_KnownTarget, frozen=True, alias_generator=_inside("lambdaTarget")):
    """A Lambda function whose alias moves to a new version."""

    MEMBER: ClassVar[str] = "lambdaTarget"
    deployment_target_type: Literal["LambdaTarget"] = "LambdaTarget"
    target_arn: str | None = None
    lambda_function_info: LambdaFunctionInfo | None = None


class ECSTarget(_KnownTarget, frozen=True, alias_generator=_inside("ecsTarget")):
    """An ECS service; its `target_id` is `<cluster name>:<service name>`."""

    MEMBER: ClassVar[str] = "ecsTarget"
    deployment_target_type: Literal["ECSTarget"] = "ECSTarget"
    target_arn: str | None = None
    task_sets_info: list[ECSTaskSet] = []


class CloudFormationTarget(
    _KnownTarget, frozen=True, alias_generator=_inside("cloudFormationTarget")
):
    """A resource in a blue/green deployment that a CloudFormation stack update began.

    `target_version_weight` is the percentage of traffic on the new version.
    """

    MEMBER: ClassVar[str] = "cloudFormationTarget"
    deployment_target_type: Literal["CloudFormationTarget"] = "CloudFormationTarget"
    resource_type: str | None = None
    target_version_weight: StrictFloat | None = None


KnownTarget = InstanceTarget | LambdaTarget | ECSTarget | CloudFormationTarget
TARGET_BY_MEMBER: dict[str, type[KnownTarget]] = {cls.MEMBER: cls for cls in get_args(KnownTarget)}


class UnknownTarget(_Target, frozen=True):
    """A target of a type that AWS added after this version of the library.

    `raw` is the service's own JSON object, envelope included. The attributes that all targets
    share are read from it where they have their usual type.
    """

    deployment_target_type: Literal["UnknownTarget"] = "UnknownTarget"
    raw: dict[str, Any]

    @property
    def raw_type(self) -> str | None:
        """What the service called the type of this target."""
        label = self.raw.get("deploymentTargetType")
        return label if isinstance(label, str) else None

    @model_validator(mode="before")
    @classmethod
    def _read_raw(cls, data: Any) -> Any:
        raw = data.get("raw") if isinstance(data, dict) else None
        if not isinstance(raw, dict):
            return data
        payload = next((value for value in raw.values() if isinstance(value, dict)), {})
        readable = {}
        for name in _Target.model_fields:
            with suppress(KeyError, ValidationError):
                member = {to_camel(name): payload[to_camel(name)]}
                shape = _Target.model_validate(member, **AWS_NAMES)
                readable[name] = getattr(shape, name)
        return {**readable, **data}

    def to_boto3(self) -> dict[str, Any]:
        """Return the dict that boto3 returns for this target: what its service model knows.

        boto3 has no place for the payload of an unknown type; `raw` holds it.
        """
        envelope = {} if self.raw_type is None else {"deploymentTargetType": self.raw_type}
        for member, cls in TARGET_BY_MEMBER.items():
            with suppress(ValueError):
                target = cls.from_boto3({member: self.raw.get(member)})
                envelope |= {member: target.to_boto3()[member]}
        return envelope


DeploymentTarget = Annotated[
    KnownTarget | UnknownTarget, Field(discriminator="deployment_target_type")
]
"""A target of any type: the payload itself, without the envelope that AWS puts around it."""

DeploymentTargetType = Literal[
    "InstanceTarget", "LambdaTarget", "ECSTarget", "CloudFormationTarget", "UnknownTarget"
]
"""The type of `deployment_target_type`: AWS's four types, and `UnknownTarget` for all others."""


class TargetFilters(TypedDict, total=False):
    """Which targets ListDeploymentTargets lists: those with one of the values, for each name.

    `ServerInstanceLabel` is for the instances of a blue/green deployment.
    """

    TargetStatus: Sequence[
        Literal["Failed", "InProgress", "Pending", "Ready", "Skipped", "Succeeded", "Unknown"]
        | _enums.TargetStatus
    ]
    ServerInstanceLabel: Sequence[Literal["Blue", "Green"] | TargetLabel]


class ResponseMetadata(_Shape, frozen=True):
    """What botocore tells of one call; `retry_attempts` does not count the first attempt."""

    request_id: str | None = None
    http_status_code: StrictInt | None = None
    http_headers: dict[str, str] = {}
    retry_attempts: StrictInt = 0


class BatchGetDeploymentTargetsOutput(_Shape, frozen=True):
    """The answers of all the calls that one request took.

    `deployment_targets` are in the order of the ids. `missing_target_ids` were asked for and not
    returned. `response_metadata` has one entry a call.
    """

    deployment_targets: list[DeploymentTarget] = []
    missing_target_ids: list[str] = []
    response_metadata: list[ResponseMetadata] = []

    @staticmethod
    def from_boto3(answer: Any) -> BatchGetDeploymentTargetsOutput:
        """Read an answer to BatchGetDeploymentTargets, as leniently as the service's own.

        It is boto3's dict, with or without `ResponseMetadata`, or the text (`str` or `bytes`)
        that `aws deploy batch-get-deployment-targets` prints.

        Raises:
            ValueError: it is no such answer; the message tells where, and shows no value.
        """
        # Imported late: `_parsing.py` imports this module.
        from ._parsing import read_answer

        return read_answer(answer)

    def to_boto3(self) -> dict[str, Any]:
        """Return the dict that boto3 returns, without `ResponseMetadata`."""
        if "deployment_targets" not in self.model_fields_set:
            return {}
        return {"deploymentTargets": [target.to_boto3() for target in self.deployment_targets]}

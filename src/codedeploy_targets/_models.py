"""The shapes of the operation, under AWS's names, as frozen pydantic models.

botocore's service model for CodeDeploy (2014-10-06) is the truth behind them.
An attribute is AWS's member name in snake_case. AWS requires no member, so
what the service leaves out is `None`, or an empty list.
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
    PlainSerializer,
    PlainValidator,
    StrictFloat,
    StrictInt,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel, to_pascal

from ._enums import LifecycleErrorCode, LifecycleEventStatus, TargetLabel, TargetStatus


def _inside(member: str) -> AliasGenerator:
    """Read a payload's members straight through the envelope around it."""
    return AliasGenerator(
        validation_alias=lambda name: AliasPath(member, to_camel(name)),
        serialization_alias=to_camel,
    )


def _as_in_botocore(name: str) -> str:
    return to_pascal(name).replace("Http", "HTTP")


def _parse_timestamp(value: Any) -> datetime:
    # Imported late: only what pydantic refuses comes here, so a cold start need not pay.
    from botocore.utils import parse_to_aware_datetime

    try:
        parsed: datetime = parse_to_aware_datetime(value)
    except (ArithmeticError, RuntimeError, TypeError) as error:
        raise ValueError("not a timestamp") from error
    return parsed


def _plain_str(value: str) -> str:
    return str(value)


_FIRST_THAT_FITS = Field(union_mode="left_to_right")
_AS_PLAIN_STR = PlainSerializer(_plain_str)

# `str` is there for type checkers, so that `status="Failed"` is fine with them.
_LifecycleErrorCode = Annotated[LifecycleErrorCode | str, _FIRST_THAT_FITS, _AS_PLAIN_STR]
_LifecycleEventStatus = Annotated[LifecycleEventStatus | str, _FIRST_THAT_FITS, _AS_PLAIN_STR]
_TargetLabel = Annotated[TargetLabel | str, _FIRST_THAT_FITS, _AS_PLAIN_STR]
_TargetStatus = Annotated[TargetStatus | str, _FIRST_THAT_FITS, _AS_PLAIN_STR]
# What pydantic refuses (a text without a zone, which is UTC to botocore) is read as boto3 does.
_Timestamp = Annotated[
    AwareDatetime | Annotated[datetime, PlainValidator(_parse_timestamp)], _FIRST_THAT_FITS
]


class _Shape(
    BaseModel,
    frozen=True,
    alias_generator=to_camel,
    validate_by_name=True,
    validate_by_alias=True,
    # As the JSON parsers of Python and pydantic read them; the default loses them as null.
    ser_json_inf_nan="constants",
    # Else a number above 2e10 would be taken for milliseconds.
    val_temporal_unit="seconds",
):
    pass


class Diagnostics(_Shape, frozen=True):
    """What the script of a lifecycle event left behind.

    `log_tail` is the end of its log, 4 KB at most.
    """

    error_code: _LifecycleErrorCode | None = None
    script_name: str | None = None
    message: str | None = None
    log_tail: str | None = None


class LifecycleEvent(_Shape, frozen=True):
    """One step of the deployment on one target, such as `BeforeInstall`."""

    lifecycle_event_name: str | None = None
    diagnostics: Diagnostics | None = None
    start_time: _Timestamp | None = None
    end_time: _Timestamp | None = None
    status: _LifecycleEventStatus | None = None

    @property
    def duration(self) -> timedelta | None:
        """From start to end; `None` before the event has ended."""
        if self.start_time is None or self.end_time is None:
            return None
        return self.end_time - self.start_time


class LambdaFunctionInfo(_Shape, frozen=True):
    """The function that a Lambda deployment shifts traffic for.

    `target_version_weight` is the percentage of traffic on the new version.
    """

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

    `status` is ECS's own (`PRIMARY`, `ACTIVE` or `DRAINING`), `traffic_weight`
    a percentage. AWS spells `identifier` as `identifer` on the wire.
    """

    identifier: str | None = Field(
        default=None, validation_alias="identifer", serialization_alias="identifer"
    )
    desired_count: StrictInt | None = None
    pending_count: StrictInt | None = None
    running_count: StrictInt | None = None
    status: str | None = None
    traffic_weight: StrictFloat | None = None
    target_group: TargetGroupInfo | None = None
    task_set_label: _TargetLabel | None = None


class _Target(_Shape, frozen=True):
    deployment_id: str | None = None
    target_id: str | None = None
    status: _TargetStatus | None = None
    last_updated_at: _Timestamp | None = None
    lifecycle_events: list[LifecycleEvent] = []

    @property
    def failed_event(self) -> LifecycleEvent | None:
        """The first lifecycle event with status Failed, or `None`."""
        return next((event for event in self.lifecycle_events if event.status == "Failed"), None)

    @property
    def is_terminal(self) -> bool:
        """Whether the deployment is over for this target: Succeeded, Failed or Skipped."""
        return self.status in {"Succeeded", "Failed", "Skipped"}


class _KnownTarget(_Target, frozen=True):
    # The member of AWS's `DeploymentTarget` that holds the payload.
    MEMBER: ClassVar[str]

    def to_boto3(self) -> dict[str, Any]:
        """Return the dict that boto3 returns for this target, its envelope included."""
        kind = {"deployment_target_type"}
        payload = self.model_dump(
            by_alias=True, exclude_unset=True, exclude_none=True, exclude=kind
        )
        envelope = {**self.model_dump(by_alias=True, include=kind), self.MEMBER: payload}
        # An envelope that the service sent in another form than this was kept by the reader.
        kept = vars(self).get("_envelope", envelope)
        return {key: envelope[key] if key == self.MEMBER else kept[key] for key in kept}


class InstanceTarget(_KnownTarget, frozen=True, alias_generator=_inside("instanceTarget")):
    """An EC2 or on-premises instance; `instance_label` is its side of a blue/green deployment."""

    MEMBER = "instanceTarget"
    deployment_target_type: Literal["InstanceTarget"] = Field(
        default="InstanceTarget", validation_alias="deploymentTargetType"
    )
    target_arn: str | None = None
    instance_label: _TargetLabel | None = None


class LambdaTarget(_KnownTarget, frozen=True, alias_generator=_inside("lambdaTarget")):
    """A Lambda function whose alias moves to a new version."""

    MEMBER = "lambdaTarget"
    deployment_target_type: Literal["LambdaTarget"] = Field(
        default="LambdaTarget", validation_alias="deploymentTargetType"
    )
    target_arn: str | None = None
    lambda_function_info: LambdaFunctionInfo | None = None


class ECSTarget(_KnownTarget, frozen=True, alias_generator=_inside("ecsTarget")):
    """An ECS service; its `target_id` is `<cluster name>:<service name>`."""

    MEMBER = "ecsTarget"
    deployment_target_type: Literal["ECSTarget"] = Field(
        default="ECSTarget", validation_alias="deploymentTargetType"
    )
    target_arn: str | None = None
    task_sets_info: list[ECSTaskSet] = []


class CloudFormationTarget(
    _KnownTarget, frozen=True, alias_generator=_inside("cloudFormationTarget")
):
    """A resource in a blue/green deployment that a CloudFormation stack update began.

    `target_version_weight` is the percentage of traffic on the new version.
    """

    MEMBER = "cloudFormationTarget"
    deployment_target_type: Literal["CloudFormationTarget"] = Field(
        default="CloudFormationTarget", validation_alias="deploymentTargetType"
    )
    resource_type: str | None = None
    target_version_weight: StrictFloat | None = None


KnownTarget = InstanceTarget | LambdaTarget | ECSTarget | CloudFormationTarget
_BY_MEMBER: dict[str, type[KnownTarget]] = {cls.MEMBER: cls for cls in get_args(KnownTarget)}
_BY_TYPE = {cls.__name__: cls for cls in _BY_MEMBER.values()}


def known_class(envelope: dict[str, Any]) -> type[KnownTarget] | None:
    """Tell which of the four models an envelope is for, however the service labelled it.

    The type may be absent, or be in camelCase as in AWS's prose, which also files Lambda
    functions under `instanceTarget`: then the member that holds a payload decides.
    """
    kind = envelope.get("deploymentTargetType")
    named = _BY_TYPE.get(kind) or _BY_MEMBER.get(kind) if isinstance(kind, str) else None
    held = [cls for member, cls in _BY_MEMBER.items() if envelope.get(member) is not None]
    if kind is not None and (named is None or named in held):
        return named
    return held[0] if held else named


class UnknownTarget(_Target, frozen=True):
    """A target of a type that AWS added after this version of the library.

    `raw` is the service's own JSON object, envelope included. What every
    target has is read from it, where it is there in the usual form.
    """

    raw: dict[str, Any]

    if TYPE_CHECKING:
        # Checkers narrow a union by `deployment_target_type == "ECSTarget"` only where each
        # class has a literal there, so for them this stands for any type but the four.
        deployment_target_type: Literal["UnknownTarget"]

        def __init__(
            self, *, raw: dict[str, Any], deployment_target_type: str | None = None
        ) -> None: ...
    else:
        deployment_target_type: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_raw(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        # What the service sends has none of the model's own names.
        if not data.keys() & cls.model_fields.keys():
            if known_class(data) is not None:
                raise ValueError("the type is known")
            data = {"raw": data}
        raw = data.get("raw")
        if not isinstance(raw, dict):
            return data
        payload = next((value for value in raw.values() if isinstance(value, dict)), {})
        try:
            readable = _Target.model_validate(payload)
        except ValidationError as error:
            odd = {detail["loc"][0] for detail in error.errors()}
            readable = _Target.model_validate({key: payload[key] for key in payload.keys() - odd})
        read = {name: getattr(readable, name) for name in readable.model_fields_set}
        return {"deployment_target_type": raw.get("deploymentTargetType"), **read, **data}

    def to_boto3(self) -> dict[str, Any]:
        """Return the dict that boto3 returns for this target: what its service model knows."""
        envelope = self.model_dump(
            by_alias=True, exclude_none=True, include={"deployment_target_type"}
        )
        for member in self.raw.keys() & _BY_MEMBER.keys():
            with suppress(ValidationError):
                payload = _BY_MEMBER[member].model_validate({member: self.raw[member]})
                envelope[member] = payload.to_boto3()[member]
        return envelope


DeploymentTarget = Annotated[
    Annotated[KnownTarget, Field(discriminator="deployment_target_type")] | UnknownTarget,
    _FIRST_THAT_FITS,
]
"""A target of any type: the payload itself, without the envelope that AWS puts around it."""


class ListDeploymentTargetsOutput(_Shape, frozen=True):
    target_ids: list[str] | None = None
    next_token: str | None = None


class ResponseMetadata(
    _Shape,
    frozen=True,
    alias_generator=_as_in_botocore,
    # Those of a stub are not always text, and botocore does not look.
    coerce_numbers_to_str=True,
):
    """What botocore tells of one call."""

    request_id: str | None = None
    http_status_code: int | None = None
    http_headers: dict[str, str] = {}
    retry_attempts: int = 0


class BatchGetDeploymentTargetsOutput(_Shape, frozen=True):
    """The answers of all the calls that one request took.

    `deployment_targets` are in the order of the ids. `missing_target_ids` were
    asked for and not returned. `response_metadata` has one entry a call.
    """

    deployment_targets: list[DeploymentTarget] = []
    missing_target_ids: list[str] = []
    response_metadata: list[ResponseMetadata] = []

    def to_boto3(self) -> dict[str, Any]:
        """Return the dict that boto3 returns, without `ResponseMetadata`."""
        if "deployment_targets" not in self.model_fields_set:
            return {}
        return {"deploymentTargets": [target.to_boto3() for target in self.deployment_targets]}

"""Change here: target types and members, AWS's structures as frozen pydantic models.

botocore's service model for CodeDeploy (2014-10-06) is the truth behind them. An attribute is
AWS's member name in snake_case. What the service leaves out is `None`, or an empty list.

A model's own JSON has the attributes' names. AWS's shape, one envelope a target, goes in by
`from_boto3` and out by `to_boto3`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Any, Literal, get_args

from pydantic import AwareDatetime, Field, ValidationError, model_validator
from pydantic_core import SchemaValidator, core_schema
from typing_extensions import Self, TypedDict

from . import _enums  # `TargetStatus` in TargetFilters is the name of a key, and hides the enum
from ._enums import LifecycleErrorCode, LifecycleEventStatus, TargetLabel, TargetStatus
from ._json import UnreadableError, drop_nulls, mend
from ._shapes import Shape, aws_names, structure_schema, to_aws


class Diagnostics(Shape, frozen=True):
    """What the script of a lifecycle event left behind; `log_tail` is its log's last 4 KB."""

    error_code: LifecycleErrorCode | None = None
    script_name: str | None = None
    message: str | None = None
    log_tail: str | None = None


class LifecycleEvent(Shape, frozen=True):
    """One step on one target, such as `BeforeInstall`; `end_time` is `None` while it runs."""

    lifecycle_event_name: str | None = None
    diagnostics: Diagnostics | None = None
    start_time: AwareDatetime | None = None
    end_time: AwareDatetime | None = None
    status: LifecycleEventStatus | None = None

    @property
    def duration(self) -> timedelta | None:
        """From start to end; `None` before the event has ended."""
        if self.start_time is None or self.end_time is None:
            return None
        return self.end_time - self.start_time


class LambdaFunctionInfo(Shape, frozen=True):
    """A Lambda function; `target_version_weight` is its new version's percentage of traffic."""

    function_name: str | None = None
    function_alias: str | None = None
    current_version: str | None = None
    target_version: str | None = None
    target_version_weight: float | None = None


class TargetGroupInfo(Shape, frozen=True):
    """The load balancer's target group that sends traffic to a task set."""

    name: str | None = None


class ECSTaskSet(Shape, frozen=True):
    """One side of an ECS deployment: the tasks of the old or the new version.

    `status` is ECS's own (`PRIMARY`, `ACTIVE` or `DRAINING`), `traffic_weight` a percentage.
    """

    identifier: str | None = None
    desired_count: int | None = None
    pending_count: int | None = None
    running_count: int | None = None
    status: str | None = None
    traffic_weight: float | None = None
    target_group: TargetGroupInfo | None = None
    task_set_label: TargetLabel | None = None

    @classmethod
    def _aws_name(cls, attribute: str) -> str:
        # AWS misspells this one.
        return "identifer" if attribute == "identifier" else super()._aws_name(attribute)


def _require_type(schema: dict[str, Any]) -> None:
    # The constructor sets the type, but the union needs it in JSON to choose the class.
    if "deployment_target_type" not in schema.setdefault("required", []):
        schema["required"].append("deployment_target_type")


class _Target(Shape, frozen=True, json_schema_extra=_require_type):
    deployment_id: str | None = None
    target_id: str | None = None
    status: TargetStatus | None = None
    last_updated_at: AwareDatetime | None = None
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
    def diagnostics(self) -> Diagnostics | None:
        """Why the target failed: what its failed event tells, else the last that reports an error.

        `None` where no event tells of an error.
        """
        if self.failed_event and self.failed_event.diagnostics:
            return self.failed_event.diagnostics
        for event in reversed(self.lifecycle_events):
            why = event.diagnostics or Diagnostics()
            is_unknown = event.status == "Unknown" and why.message
            if is_unknown or why.error_code not in {None, "Success"}:
                return why
        return None

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
        target = read_envelope(mend(envelope), "the envelope")
        unnamed = isinstance(target, UnknownTarget) and target.raw_type is None
        if unnamed or not isinstance(target, cls):
            raise UnreadableError(f"expected the envelope of one {cls.__name__}")
        return target


class _KnownTarget(_Target, frozen=True):
    def to_boto3(self) -> dict[str, Any]:
        """Return the dict that boto3 returns for this target, its envelope included."""
        label = type(self).model_fields["deployment_target_type"].default
        envelope = {"deploymentTargetType": label}
        if self.model_fields_set != {"deployment_target_type"}:  # else, the service sent no payload
            payload = to_aws(self)
            payload.pop("deploymentTargetType", None)
            envelope[_MEMBER_OF_TYPE[label]] = payload
        return envelope


class InstanceTarget(_KnownTarget, frozen=True):
    """An EC2 or on-premises instance; `instance_label` is its side of a blue/green deployment."""

    deployment_target_type: Literal["InstanceTarget"] = "InstanceTarget"
    target_arn: str | None = None
    instance_label: TargetLabel | None = None


class LambdaTarget(_KnownTarget, frozen=True):
    """A Lambda function whose alias moves to a new version."""

    deployment_target_type: Literal["LambdaTarget"] = "LambdaTarget"
    target_arn: str | None = None
    lambda_function_info: LambdaFunctionInfo | None = None


class ECSTarget(_KnownTarget, frozen=True):
    """An ECS service; its `target_id` is `<cluster name>:<service name>`."""

    deployment_target_type: Literal["ECSTarget"] = "ECSTarget"
    target_arn: str | None = None
    task_sets_info: list[ECSTaskSet] = []


class CloudFormationTarget(_KnownTarget, frozen=True):
    """A resource in a blue/green deployment that a CloudFormation stack update began.

    `target_version_weight` is the percentage of traffic on the new version.
    """

    deployment_target_type: Literal["CloudFormationTarget"] = "CloudFormationTarget"
    resource_type: str | None = None
    target_version_weight: float | None = None


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
        return {**_read_shared(raw), **data} if isinstance(raw, dict) else data

    def to_boto3(self) -> dict[str, Any]:
        """Return the dict that boto3 returns for this target: what its service model knows.

        boto3 has no place for the payload of an unknown type; `raw` holds it.
        """
        envelope: dict[str, Any] = {}
        for member in _TYPE_OF_MEMBER:
            payload = drop_nulls(self.raw.get(member))
            with suppress(UnreadableError):
                if isinstance(payload, dict):
                    envelope |= _read_payload(member, payload, member).to_boto3()
        if self.raw_type is not None:
            envelope["deploymentTargetType"] = self.raw_type
        return envelope


KnownTarget = InstanceTarget | LambdaTarget | ECSTarget | CloudFormationTarget
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


_CLASS_OF_TYPE: dict[str, type[KnownTarget]] = {cls.__name__: cls for cls in get_args(KnownTarget)}
# The member of AWS's `DeploymentTarget` that holds the payload of a type.
_MEMBER_OF_TYPE = {label: label[0].lower() + label[1:] for label in _CLASS_OF_TYPE} | {
    "ECSTarget": "ecsTarget"
}
_TYPE_OF_MEMBER = {member: label for label, member in _MEMBER_OF_TYPE.items()}

# One envelope, as AWS sends almost all of them: flattened and read in one pass. It refuses all
# that needs a second look, which `read_envelope` takes.
ENVELOPE_SCHEMA = core_schema.tagged_union_schema(
    {
        label: structure_schema(_CLASS_OF_TYPE[label], member)
        for label, member in _MEMBER_OF_TYPE.items()
    },
    discriminator="deploymentTargetType",
)
_ENVELOPE = SchemaValidator(ENVELOPE_SCHEMA)
_SHARED = SchemaValidator(structure_schema(_Target))


def read_envelope(envelope: Any, place: str) -> DeploymentTarget:
    """Read one envelope, however odd it is, or raise UnreadableError with its place."""
    if not isinstance(envelope, dict):
        raise UnreadableError(f"{place} is no object")
    label = envelope.get("deploymentTargetType")
    if not isinstance(label, (str, type(None))):
        raise UnreadableError(f"{place}.deploymentTargetType is no string")
    held = [member for member in _TYPE_OF_MEMBER if envelope.get(member) is not None]
    # AWS's documentation has types in camelCase, and puts Lambda functions under `instanceTarget`:
    # if the payload that the label names is absent, the payload that is present decides.
    member = _MEMBER_OF_TYPE.get(label or "", label)
    if label is None or (member in _TYPE_OF_MEMBER and member not in held):
        member = held[0] if held else member
    if member not in _TYPE_OF_MEMBER:
        if drop_nulls(envelope) and not envelope.keys() & {
            "deploymentTargetType",
            *_TYPE_OF_MEMBER,
        }:
            raise UnreadableError(f"{place} has neither a type nor a payload that AWS knows")
        # What botocore parsed may hold times, which are text in JSON.
        raw = json.loads(json.dumps(envelope, default=str, skipkeys=True))
        return UnknownTarget(deployment_target_type="UnknownTarget", raw=raw)
    payload, place = drop_nulls(envelope.get(member)), f"{place}.{member}"
    if isinstance(payload, dict):
        names = aws_names(_CLASS_OF_TYPE[_TYPE_OF_MEMBER[member]])
        if payload and not envelope[member].keys() & {*names.values()}:
            raise UnreadableError(f"{place} has no member that AWS knows")
        if "targetId" not in payload and payload.keys() & {*names} - {*names.values()}:
            raise UnreadableError(f"{place} has names of the models, not AWS's")
    return _read_payload(member, payload, place)


def _read_payload(member: str, payload: Any, place: str) -> KnownTarget:
    label = _TYPE_OF_MEMBER[member]
    given = {"deployment_target_type": label}
    if payload is None:
        return _CLASS_OF_TYPE[label].model_validate(given)
    if not isinstance(payload, dict):
        raise UnreadableError(f"{place} is no object")
    try:
        target: KnownTarget = _ENVELOPE.validate_python(
            {"deploymentTargetType": label, member: payload}
        )
    except ValidationError as error:
        # The first part is the label, the second the member.
        where = ".".join(str(part) for part in error.errors()[0]["loc"][2:] if part != "")
        raise UnreadableError(f"{place}.{where} is not as expected") from None
    # Of a target without payload only the type is set; of one with an empty payload, this too.
    is_empty = target.model_fields_set == {*given}
    return target.model_copy(update={"target_id": None}) if is_empty else target


def _read_shared(raw: dict[str, Any]) -> dict[str, Any]:
    """Read what all targets share from the likeliest payload of an unknown type.

    It is the one that is named like the type, else the first with a `targetId`.
    """
    payloads = {member.lower(): each for member, each in raw.items() if isinstance(each, dict)}
    identified = (payload for payload in payloads.values() if "targetId" in payload)
    named = payloads.get(str(raw.get("deploymentTargetType")).lower())
    payload = drop_nulls(named or next(identified, {}))
    shared = {}
    for attribute, aws_name in aws_names(_Target).items():
        with suppress(KeyError, ValidationError):
            target = _SHARED.validate_python({aws_name: payload[aws_name]})
            shared[attribute] = getattr(target, attribute)
    return shared

"""Change here: target types and members, which are those of botocore's service model."""

import json
from contextlib import suppress
from datetime import timedelta, timezone
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import AwareDatetime, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import SchemaValidator, core_schema
from typing_extensions import Self

from ._enums import LifecycleErrorCode, LifecycleEventStatus, TargetLabel, TargetStatus
from ._json import UnreadableError, check_members, drop_nulls, mend
from ._shapes import Shape, aws_names, check_structure, read_structure, structure_schema, writer


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
        # In UTC, as Python subtracts the clock times of one zone, even if its clocks were changed.
        return self.end_time.astimezone(timezone.utc) - self.start_time.astimezone(timezone.utc)


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
    """The tasks of one version; `status` is ECS's, such as `PRIMARY`, the weight a percentage."""

    identifier: str | None = None
    desired_count: int | None = None
    pending_count: int | None = None
    running_count: int | None = None
    status: str | None = None
    traffic_weight: float | None = None
    target_group: TargetGroupInfo | None = None
    task_set_label: TargetLabel | None = None
    # AWS misspells `identifier`.
    _aws_name = staticmethod(lambda snake: to_camel(snake.replace("identifier", "identifer")))


def _require_type(schema: dict[str, Any]) -> None:
    # The constructor sets the type, but the union needs it in JSON to choose the class.
    schema["required"] = sorted({*schema.get("required", []), "deployment_target_type"})


class _Target(Shape, frozen=True, json_schema_extra=_require_type):
    deployment_id: str | None = None
    target_id: str | None = None
    status: TargetStatus | None = None
    last_updated_at: AwareDatetime | None = None
    lifecycle_events: list[LifecycleEvent] = []

    @property
    def failed_event(self) -> LifecycleEvent | None:
        """The first lifecycle event with status Failed, or `None`."""
        return next((each for each in self.lifecycle_events if each.status == "Failed"), None)

    @property
    def current_event(self) -> LifecycleEvent | None:
        """The first lifecycle event with status InProgress, or `None`."""
        return next((each for each in self.lifecycle_events if each.status == "InProgress"), None)

    @property
    def diagnostics(self) -> Diagnostics | None:
        """Why it failed, by its failed event, else the last with an error; `None` if none tells.

        An error is a code other than Success, or the message of an event whose status is Unknown.
        """
        return telling_event(self).diagnostics

    @property
    def is_terminal(self) -> bool:
        """Whether the deployment is over for this target: Succeeded, Failed or Skipped."""
        return self.status in {"Succeeded", "Failed", "Skipped"}

    @classmethod
    def from_boto3(cls, envelope: Any) -> Self:
        """Read boto3's dict of one target, with its envelope.

        Raises ValueError for anything else; its text tells where, and shows no data.
        """
        target = cls._as_own(read_envelope(envelope, "the envelope"))
        # Without a type, nor a payload that is known, it is no envelope.
        is_unlabelled = isinstance(target, UnknownTarget) and target.raw_type is None
        if is_unlabelled or not isinstance(target, cls):
            raise UnreadableError(f"expected the envelope of one {cls.__name__}")
        return target

    def to_boto3(self) -> dict[str, Any]:
        """Return the dict that boto3 returns for this target, its envelope included."""
        kind = type(self).model_fields["deployment_target_type"].default
        envelope: dict[str, Any] = {"deploymentTargetType": kind}
        if self.model_fields_set != {"deployment_target_type"}:  # else, the service sent no payload
            envelope[_MEMBER_OF_TYPE[kind]] = _WRITER_OF_TYPE[kind](self)
        return envelope


class InstanceTarget(_Target, frozen=True):
    """An EC2 or on-premises instance; `instance_label` is its side of a blue/green deployment."""

    deployment_target_type: Literal["InstanceTarget"] = "InstanceTarget"
    target_arn: str | None = None
    instance_label: TargetLabel | None = None


class LambdaTarget(_Target, frozen=True):
    """A Lambda function whose alias moves to a new version."""

    deployment_target_type: Literal["LambdaTarget"] = "LambdaTarget"
    target_arn: str | None = None
    lambda_function_info: LambdaFunctionInfo | None = None


class ECSTarget(_Target, frozen=True):
    """An ECS service; its `target_id` is `<cluster name>:<service name>`."""

    deployment_target_type: Literal["ECSTarget"] = "ECSTarget"
    target_arn: str | None = None
    task_sets_info: list[ECSTaskSet] = []


class CloudFormationTarget(_Target, frozen=True):
    """What a stack update deploys; `target_version_weight` is the new version's percentage."""

    deployment_target_type: Literal["CloudFormationTarget"] = "CloudFormationTarget"
    resource_type: str | None = None
    target_version_weight: float | None = None


class UnknownTarget(_Target, frozen=True):
    """A target of a type yet unknown, read from `raw`: all that was sent, its envelope included."""

    deployment_target_type: Literal["UnknownTarget"] = "UnknownTarget"
    raw: dict[str, Any]

    @property
    def raw_type(self) -> str | None:
        """What the service called the type of this target."""
        kind = self.raw.get("deploymentTargetType")
        return kind if isinstance(kind, str) else None

    # No validator: one "before" would hide that JSON came, which strict mode has to know, and one
    # "after" would run on objects that exist already, too.
    def model_post_init(self, _: Any) -> None:
        # As JSON has it: what botocore parsed, or a test made up, may hold times, or an infinity.
        text = json.dumps(mend(vars(self).get("raw", {})), default=str, skipkeys=True)
        raw = json.loads(text, parse_constant=str)
        # The likeliest payload is named like the type, else it is the first with an id.
        payloads = {name.lower(): each for name, each in raw.items() if isinstance(each, dict)}
        named = payloads.get(str(raw.get("deploymentTargetType")).lower())
        identified = (each for each in payloads.values() if "targetId" in each)
        shared = _SHARED.validate_python(drop_nulls(named or next(identified, {})))
        new = shared.model_fields_set - self.model_fields_set
        vars(self).update({name: getattr(shared, name) for name in new}, raw=raw)
        self.model_fields_set.update(new)

    def to_boto3(self) -> dict[str, Any]:
        """Return boto3's dict, which has no place for the payload of an unknown type."""
        envelope = {} if self.raw_type is None else {"deploymentTargetType": self.raw_type}
        # botocore parses the members that AWS knows, whatever the type is.
        for kind, member in _MEMBER_OF_TYPE.items():
            if isinstance(payload := self.raw.get(member), dict):
                with suppress(ValidationError):
                    read = _READER_OF_TYPE[kind].validate_python(drop_nulls(payload))
                    envelope[member] = _WRITER_OF_TYPE[kind](read)
        return envelope


def telling_event(target: _Target) -> LifecycleEvent:
    """Return the event that tells why a target failed, see `diagnostics`; an empty one for none."""
    failed = target.failed_event or LifecycleEvent()
    if failed.diagnostics:
        return failed
    for event in reversed(target.lifecycle_events):
        why = event.diagnostics or Diagnostics()
        is_unknown = event.status == "Unknown" and why.message
        if is_unknown or why.error_code not in {None, "Success"}:
            return event
    return failed


KnownTarget = InstanceTarget | LambdaTarget | ECSTarget | CloudFormationTarget
_by_type = Field(discriminator="deployment_target_type")
DeploymentTarget = Annotated[KnownTarget | UnknownTarget, _by_type]
"""A target of any type: the payload itself, without the envelope that AWS puts around it."""

DeploymentTargetType = Literal[
    "InstanceTarget", "LambdaTarget", "ECSTarget", "CloudFormationTarget", "UnknownTarget"
]
"""The type of `deployment_target_type`: AWS's four types, and `UnknownTarget` for all others."""


_CLASSES = get_args(KnownTarget)
# The members of AWS's `DeploymentTarget` that hold the payloads, in the order of the classes.
_MEMBERS = ("instanceTarget", "lambdaTarget", "ecsTarget", "cloudFormationTarget")
_CLASS_OF_MEMBER: dict[Any, Any] = dict(zip(_MEMBERS, _CLASSES, strict=True))
_MEMBER_OF_TYPE = {cls.__name__: member for member, cls in _CLASS_OF_MEMBER.items()}
# For a payload alone: a reader finds the type among its members, and a writer leaves it out.
_READER_OF_TYPE = {cls.__name__: SchemaValidator(structure_schema(cls)) for cls in _CLASSES}
_WRITER_OF_TYPE: dict[str, Any] = {cls.__name__: writer(cls) for cls in _CLASSES}

# The members of each structure in an answer, as far as the models have them. While this line runs,
# `Shape` has no subclasses but those above.
AWS_MEMBERS: dict[str, set[str]] = {
    cls.__name__: {*aws_names(cls).values()} - {"deploymentTargetType"}
    for cls in (*Shape.__subclasses__(), *_CLASSES)
} | {
    "BatchGetDeploymentTargetsOutput": {"deploymentTargets"},
    "DeploymentTarget": {"deploymentTargetType", *_MEMBERS},
}

# The fast pass: a page as AWS sends almost all of them, flattened and read at once. It refuses all
# that needs a second look, which `read_envelope` takes. So it needs an id: without one, the payload
# may be absent, or of another shape.
_envelope = core_schema.tagged_union_schema(
    {
        cls.__name__: structure_schema(cls, member, required="target_id")
        for member, cls in _CLASS_OF_MEMBER.items()
    },
    discriminator="deploymentTargetType",
)
_envelopes = core_schema.typed_dict_field(core_schema.list_schema(_envelope, strict=True))
PAGE = SchemaValidator(core_schema.typed_dict_schema({"deploymentTargets": _envelopes}))
# For the payload of an unknown type: what cannot be read is left out.
_SHARED = SchemaValidator(structure_schema(_Target, on_error="omit"))


def read_envelope(envelope: Any, place: str) -> DeploymentTarget:
    """Read one envelope, however odd it is, or raise UnreadableError with its place."""
    with suppress(ValidationError):  # the fast pass, of a page of one
        page = PAGE.validate_python({"deploymentTargets": [envelope]})
        return cast("KnownTarget", page["deploymentTargets"][0])
    envelope, known = mend(envelope), ("deploymentTargetType", *_CLASS_OF_MEMBER)
    check_members(envelope, place, known, "neither a type nor a payload that AWS knows")
    kind = envelope.get("deploymentTargetType")
    if kind is not None and not isinstance(kind, str):
        raise UnreadableError(f"{place}.deploymentTargetType is no string")
    # AWS's documentation has types in camelCase, and puts Lambda functions under `instanceTarget`:
    # if the payload that the type names is absent, the payload that is present decides.
    member = _MEMBER_OF_TYPE.get(kind or "", kind)
    if member in {None, *_CLASS_OF_MEMBER}:
        members = (member, *_CLASS_OF_MEMBER)
        member = next((each for each in members if envelope.get(each) is not None), member)
    if member not in _CLASS_OF_MEMBER:
        return UnknownTarget(deployment_target_type="UnknownTarget", raw=envelope)
    cls, payload = _CLASS_OF_MEMBER[member], envelope.get(member)
    if payload is not None:
        check_structure(cls, payload, f"{place}.{member}")
    elif "targetId" in envelope:  # as in what 0.1.0 dumped
        raise UnreadableError(f"{place} has the payload's members beside the type")
    usual = {**drop_nulls(payload or {}), "deploymentTargetType": cls.__name__}
    target: KnownTarget = read_structure(_READER_OF_TYPE[cls.__name__], usual, f"{place}.{member}")
    # `target_id`, set to None, tells `to_boto3` that the payload was empty, not absent.
    is_empty = payload is not None and target.model_fields_set == {"deployment_target_type"}
    return target.model_copy(update={"target_id": None}) if is_empty else target

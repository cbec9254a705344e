"""From what the service answers, bytes or an already parsed dict, to the models."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import ValidationError

from ._models import (
    BatchGetDeploymentTargetsOutput,
    DeploymentTarget,
    ListDeploymentTargetsOutput,
    UnknownTarget,
    known_class,
)

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class UnreadableError(ValueError):
    """The answer is not of the operation's shape; the text tells where, never what is there."""


class NotJSONError(UnreadableError):
    """The answer is not JSON, or was cut short: another attempt may bring it whole."""


def read_body(body: bytes) -> BatchGetDeploymentTargetsOutput:
    """Read a body in one pass of pydantic's JSON parser; an odd one in a second, lenient pass."""
    try:
        output = BatchGetDeploymentTargetsOutput.model_validate_json(
            body, by_alias=True, by_name=False
        )
    except ValidationError:
        pass
    else:
        if not any(map(_is_odd, output.deployment_targets)):
            return output
    return _read_output(_loads(body, errors="replace"))


def check_listing(body: bytes) -> None:
    """Refuse a page of target ids that botocore would take for the last, or stumble on."""
    parsed = _loads(body, errors="strict")
    try:
        ListDeploymentTargetsOutput.model_validate(parsed)
    except ValidationError:
        raise UnreadableError("it is no list of target ids") from None


def read_parsed(parsed: dict[str, Any]) -> BatchGetDeploymentTargetsOutput:
    """Read the dict that botocore made of a response, or that a stub made up."""
    return _read_output(_mended(parsed))


def _is_odd(target: DeploymentTarget) -> bool:
    # Where nothing but a type was read, only the envelope can tell whether a payload was there.
    return type(target) is UnknownTarget or len(target.model_fields_set) == 1


def _loads(body: bytes, *, errors: str) -> Any:
    try:
        return _mended(json.loads(body.decode(errors=errors)))
    except ValueError:
        raise NotJSONError("it is not JSON, or was cut short") from None
    except RecursionError:
        raise UnreadableError("it is nested too deeply") from None


def _mended(value: Any) -> Any:
    """Drop null members, and put U+FFFD in the place of each lone surrogate."""
    if isinstance(value, dict):
        return {
            _mended(key): _mended(member) for key, member in value.items() if member is not None
        }
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    return value


def _read_output(response: Any) -> BatchGetDeploymentTargetsOutput:
    if not isinstance(response, dict):
        raise UnreadableError("it is no object")
    envelopes = response.get("deploymentTargets")
    if envelopes is None:
        return BatchGetDeploymentTargetsOutput()
    if not isinstance(envelopes, list):
        raise UnreadableError("deploymentTargets is no list")
    return BatchGetDeploymentTargetsOutput(
        deployment_targets=[
            _read_target(envelope, f"deploymentTargets[{index}]")
            for index, envelope in enumerate(envelopes)
        ]
    )


def _read_target(envelope: Any, place: str) -> DeploymentTarget:
    if not isinstance(envelope, dict):
        raise UnreadableError(f"{place} is no object")
    kind = envelope.get("deploymentTargetType")
    if not isinstance(kind, (str, type(None))):
        raise UnreadableError(f"{place}.deploymentTargetType is no string")
    cls = known_class(envelope)
    if cls is None:
        return UnknownTarget(raw=envelope)
    payload = {key: envelope[key] for key in envelope.keys() & {cls.MEMBER}}
    if not isinstance(payload.get(cls.MEMBER, {}), dict):
        raise UnreadableError(f"{place}.{cls.MEMBER} is no object")
    labelled = {"deploymentTargetType": cls.__name__, **payload}
    try:
        target = cls.model_validate(labelled, by_alias=True, by_name=False)
    except ValidationError as error:
        where = error.errors(include_url=False, include_input=False)[0]["loc"]
        raise UnreadableError(f"{place}.{'.'.join(map(str, where))}") from None
    vars(target)["_envelope"] = (
        payload if kind is None else {"deploymentTargetType": kind, **payload}
    )
    return target

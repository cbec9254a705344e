"""The one difference that the contract allows between `to_boto3()` and boto3's own dict."""

from __future__ import annotations

from typing import Any

from support.strategies import PAYLOADS

_TYPES = {member: kind for kind, member in PAYLOADS.items()} | {kind: kind for kind in PAYLOADS}


def with_aws_labels(answer: dict[str, Any]) -> dict[str, Any]:
    """Return boto3's dict for an answer as `to_boto3()` is to return it.

    "The one difference is a label: where the service sent none, or one in camelCase, AWS's own
    is in its place", so also where it names no payload that is there; and "two payloads in one
    envelope: the model that the type names; `to_boto3()` has that one".
    """
    if answer.get("deploymentTargets") is None:
        return answer
    return {**answer, "deploymentTargets": [_label(item) for item in answer["deploymentTargets"]]}


def _label(envelope: dict[str, Any]) -> dict[str, Any]:
    label = envelope.get("deploymentTargetType")
    held = [kind for kind, member in PAYLOADS.items() if envelope.get(member) is not None]
    named = _TYPES.get(label) if label is not None else None
    if label is not None and named is None:  # an unknown type, which keeps its label
        return envelope
    kind = named if named in held or not held else held[0]
    if kind is None:
        return envelope
    payload = {PAYLOADS[kind]: envelope[PAYLOADS[kind]]} if held else {}
    return {"deploymentTargetType": kind, **payload}

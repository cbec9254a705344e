"""Answers drawn from AWS's own service model, as JSON or CBOR has them on the wire."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import botocore.session
from cbor2 import CBORTag
from hypothesis import strategies as st

SERVICE: Any = botocore.session.get_session().get_service_model("codedeploy")
OPERATION = SERVICE.operation_model("BatchGetDeploymentTargets")
OUTPUT = OPERATION.output_shape
ENVELOPE = OUTPUT.members["deploymentTargets"].member
PAYLOADS = {
    kind: kind[0].lower() + kind[1:] if kind != "ECSTarget" else "ecsTarget"
    for kind in ENVELOPE.members["deploymentTargetType"].enum
}


def attribute(member: str) -> str:
    """Return the attribute's name for a member of AWS's."""
    if member == "identifer":
        return "identifier"
    return re.sub("(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", member).lower()


def structures_in(shape: Any) -> dict[str, Any]:
    """Return the structures and enums in a shape, by their names."""
    if shape.type_name == "list":
        return structures_in(shape.member)
    named = shape.type_name == "structure" or getattr(shape, "enum", None)
    found = {shape.name: shape} if named else {}
    for member in getattr(shape, "members", {}).values():
        found |= structures_in(member)
    return found


# By name, without the answer and the envelope, which the models do not have.
SHAPES = {
    name: shape
    for name, shape in structures_in(OUTPUT).items()
    if name not in {OUTPUT.name, ENVELOPE.name, "DeploymentTargetType"}
}
ENUMS = {name: shape.enum for name, shape in SHAPES.items() if shape.type_name == "string"}
# What the library reads of GetDeployment's answer, which has more.
DEPLOYMENT = SERVICE.operation_model("GetDeployment").output_shape.members["deploymentInfo"]
_parts = ("errorInformation", "deploymentOverview", "rollbackInfo")
DEPLOYMENT_SHAPES = {
    shape.name: shape for shape in (DEPLOYMENT, *map(DEPLOYMENT.members.get, _parts))
}
# Members that are called otherwise than the attribute, with those of botocore's ResponseMetadata.
AWS_NAMES = ["RequestId", "HTTPStatusCode", "HTTPHeaders", "RetryAttempts", *sorted({
    name
    for shape in (OUTPUT, ENVELOPE, *SHAPES.values(), *DEPLOYMENT_SHAPES.values())
    for name in getattr(shape, "members", ())
    if attribute(name) != name and name not in SHAPES["TargetStatus"].enum
})]  # fmt: skip

_text = st.text(max_size=20)
_finite = st.floats(allow_nan=False, allow_infinity=False)  # JSON has no other numbers
milliseconds = st.integers(946_684_800_000, 16_725_225_600_000)
# As many bits as an integer has in CBOR; Python's JSON knows no limit.
_integers = {"json": st.integers(), "cbor": st.integers(-(2**63), 2**63 - 1)}


def _unknown_members(wire: str) -> st.SearchStrategy[dict[str, Any]]:
    scalars = st.none() | st.booleans() | _integers[wire] | _finite | _text
    return st.dictionaries(
        st.text(max_size=8).map(lambda name: f"future{name}"),
        st.recursive(
            scalars,
            lambda children: st.lists(children, max_size=2) | st.dictionaries(_text, children),
            max_leaves=3,
        ),
        max_size=1,
    )


# Seconds since the epoch: AWS's milliseconds from 2000 to 2500, anything outside of that.
_seconds = (
    milliseconds.map(lambda number: number / 1000)
    | st.integers(-10_000_000_000, 250_000_000_000)
    | st.floats(-10_000_000_000, 946_684_799)
    | st.floats(16_725_225_601, 250_000_000_000)
)
_timestamps = {
    # In JSON, emulators send text.
    "json": _seconds
    | st.builds(
        lambda moment, minutes: moment.replace(
            tzinfo=timezone(timedelta(minutes=minutes))
        ).isoformat(),
        st.datetimes(min_value=datetime(1900, 1, 1)),  # noqa: DTZ001
        st.integers(-14 * 60, 14 * 60),
    ),
    "cbor": st.builds(CBORTag, st.just(1), _seconds),
}


def values(shape: Any, wire: str = "json") -> st.SearchStrategy[Any]:
    """Return a strategy for what the service may send for a shape."""
    if shape.type_name == "structure":
        return structures(shape, wire)
    if shape.type_name == "list":
        return st.lists(values(shape.member, wire), max_size=3)
    if shape.type_name == "string":
        return st.sampled_from(shape.enum) | _text if shape.enum else _text
    return {
        "timestamp": _timestamps[wire],
        "double": _finite | st.integers(0, 100),
        "long": st.integers(-(2**63), 2**63 - 1),
    }[shape.type_name]


def structures(shape: Any, wire: str = "json") -> st.SearchStrategy[dict[str, Any]]:
    members = {name: st.none() | values(member, wire) for name, member in shape.members.items()}
    known = st.fixed_dictionaries({}, optional=members)
    return st.builds(_beside_something_known, _unknown_members(wire), known)


def _beside_something_known(unknown: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    # An object with members of which none is known is refused.
    is_known = any(value is not None for value in known.values())
    return {**unknown, **known} if is_known else known


def _envelope(kind: str, member: str, wire: str) -> st.SearchStrategy[dict[str, Any]]:
    labels = st.sampled_from([kind, kind, kind, member, None]) | _text
    payloads = structures(ENVELOPE.members[member], wire)
    return st.builds(
        lambda label, payload, unknown: _beside_something_known(
            unknown, {"deploymentTargetType": label, member: payload}
        ),
        labels,
        payloads | st.none(),
        _unknown_members(wire),
    )


def _envelopes(wire: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of([_envelope(kind, member, wire) for kind, member in PAYLOADS.items()])


def _answers(wire: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(
        lambda targets, unknown: {"deploymentTargets": targets} | unknown,
        st.none() | st.lists(_envelopes(wire), max_size=4),
        _unknown_members(wire),
    )


envelopes = _envelopes("json")
answers = _answers("json")
cbor_answers = _answers("cbor")

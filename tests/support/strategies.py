"""Answers drawn from AWS's own service model, as JSON or CBOR has them on the wire."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

import botocore.session
from cbor2 import CBORTag
from hypothesis import strategies as st

OPERATION = (
    botocore.session.get_session()
    .get_service_model("codedeploy")
    .operation_model("BatchGetDeploymentTargets")
)
OUTPUT: Any = OPERATION.output_shape
ENVELOPE = OUTPUT.members["deploymentTargets"].member
PAYLOADS = {
    kind: kind[0].lower() + kind[1:] if kind != "ECSTarget" else "ecsTarget"
    for kind in ENVELOPE.members["deploymentTargetType"].enum
}

_text = st.text(max_size=20)
_finite = st.floats(allow_nan=False, allow_infinity=False)  # JSON has no other numbers
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


def _is_tie(seconds: float) -> bool:
    # Between two microseconds, Python rounds to the even one and pydantic away from zero.
    return math.modf(seconds)[0] * 1_000_000 % 1 == 0.5


# Seconds since the epoch, with the milliseconds that AWS sends or finer.
_seconds = (
    st.integers(-10_000_000_000, 250_000_000_000)
    | st.floats(-10_000_000_000, 250_000_000_000).filter(lambda seconds: not _is_tie(seconds))
    | st.integers(0, 2_000_000_000_000).map(lambda milliseconds: milliseconds / 1000)
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
    return st.builds(lambda unknown, known: {**unknown, **known}, _unknown_members(wire), known)


def _envelope(kind: str, member: str, wire: str) -> st.SearchStrategy[dict[str, Any]]:
    labels = st.sampled_from([kind, kind, kind, member, None]) | _text
    payloads = structures(ENVELOPE.members[member], wire)
    return st.builds(
        lambda label, payload, unknown: {"deploymentTargetType": label, member: payload} | unknown,
        labels,
        payloads | st.none(),
        _unknown_members(wire),
    )


def _answers(wire: str) -> st.SearchStrategy[dict[str, Any]]:
    envelopes = st.one_of([_envelope(kind, member, wire) for kind, member in PAYLOADS.items()])
    return st.builds(
        lambda targets, unknown: {"deploymentTargets": targets} | unknown,
        st.none() | st.lists(envelopes, max_size=4),
        _unknown_members(wire),
    )


answers = _answers("json")
cbor_answers = _answers("cbor")

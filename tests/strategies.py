"""Answers drawn from AWS's own service model, as JSON has them on the wire."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

import botocore.session
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
_unknown_members = st.dictionaries(
    st.text(max_size=8).map(lambda name: f"future{name}"),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _text,
        lambda children: st.lists(children, max_size=2) | st.dictionaries(_text, children),
        max_leaves=3,
    ),
    max_size=1,
)


def _is_tie(seconds: float) -> bool:
    # Between two microseconds, Python rounds to the even one and pydantic away from zero.
    return math.modf(seconds)[0] * 1_000_000 % 1 == 0.5


# Seconds since the epoch, with the milliseconds that AWS sends or finer, and the text
# that emulators send.
_timestamps = (
    st.integers(-10_000_000_000, 250_000_000_000)
    | st.floats(-10_000_000_000, 250_000_000_000).filter(lambda seconds: not _is_tie(seconds))
    | st.integers(0, 2_000_000_000_000).map(lambda milliseconds: milliseconds / 1000)
    | st.builds(
        lambda moment, minutes: moment.replace(
            tzinfo=timezone(timedelta(minutes=minutes))
        ).isoformat(),
        st.datetimes(min_value=datetime(1900, 1, 1)),  # noqa: DTZ001
        st.integers(-14 * 60, 14 * 60),
    )
)


def values(shape: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for what the service may send for a shape."""
    if shape.type_name == "structure":
        return structures(shape)
    if shape.type_name == "list":
        return st.lists(values(shape.member), max_size=3)
    if shape.type_name == "string":
        return st.sampled_from(shape.enum) | _text if shape.enum else _text
    return {
        "timestamp": _timestamps,
        "double": st.floats(allow_nan=False) | st.integers(0, 100),
        "long": st.integers(-(2**63), 2**63 - 1),
    }[shape.type_name]


def structures(shape: Any) -> st.SearchStrategy[dict[str, Any]]:
    members = {name: st.none() | values(member) for name, member in shape.members.items()}
    known = st.fixed_dictionaries({}, optional=members)
    return st.builds(lambda unknown, known: {**unknown, **known}, _unknown_members, known)


def _envelope(kind: str, member: str) -> st.SearchStrategy[dict[str, Any]]:
    labels = st.sampled_from([kind, kind, kind, member, None]) | _text
    payloads = structures(ENVELOPE.members[member])
    return st.builds(
        lambda label, payload, unknown: {"deploymentTargetType": label, member: payload} | unknown,
        labels,
        payloads | st.none(),
        _unknown_members,
    )


envelopes = st.one_of([_envelope(kind, member) for kind, member in PAYLOADS.items()])
answers = st.builds(
    lambda targets, unknown: {"deploymentTargets": targets} | unknown,
    st.none() | st.lists(envelopes, max_size=4),
    _unknown_members,
)

"""Valid pages with some bytes changed: what is accepted is what JSON says, the rest is refused."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.doors import REQUEST
from support.endpoint import Response, canned
from support.labels import with_aws_labels
from support.models import EPOCH
from support.strategies import answers

from codedeploy_targets import DeploymentTargetsClient, InvalidResponseError

BODY = {"bytes": b""}
RETRIES = {"mode": "standard", "total_max_attempts": 1}
CLIENT = DeploymentTargetsClient(canned(lambda *_: Response(BODY["bytes"]), retries=RETRIES))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    body = bytearray(json.dumps(draw(answers)).encode())
    for _ in range(draw(st.integers(1, 3))):
        position = draw(st.integers(0, max(len(body) - 1, 0)))
        change = draw(st.sampled_from(["replace", "insert", "remove", "cut"]))
        if change == "replace":
            body[position : position + 1] = draw(st.binary(min_size=1, max_size=1))
        elif change == "insert":
            body[position:position] = draw(st.sampled_from([b",", b"null", b"0", b'"', b"{", b"]"]))
        elif change == "remove":
            del body[position : position + draw(st.integers(1, 8))]
        else:
            del body[position:]
    return bytes(body)


def contains(said: Any, read: Any) -> bool:
    """Tell whether what was read is there, with the same value, in what JSON said."""
    if isinstance(read, dict):
        return isinstance(said, dict) and all(contains(said[key], read[key]) for key in read)
    if isinstance(read, list):
        return len(said) == len(read) and all(map(contains, said, read))
    if isinstance(read, datetime):
        # To the microsecond: a float has no more than that for a year within the calendar.
        is_text = isinstance(said, str) and read.tzinfo is not None
        return is_text or abs((read - EPOCH).total_seconds() - said) < 1e-4
    return bool(said == read)


@given(mutated() | st.binary(max_size=60) | st.text(max_size=30).map(str.encode))
def test_what_is_accepted_is_what_json_says(body: bytes) -> None:
    BODY["bytes"] = body
    try:
        output = CLIENT.batch_get_deployment_targets(**REQUEST)
    except InvalidResponseError as error:
        refused = error.body
    else:
        text = json.dumps(json.loads(body.decode(errors="replace")), ensure_ascii=False)
        said = json.loads(re.sub("[\ud800-\udfff]", "\ufffd", text))
        assert contains(with_aws_labels(said), output.to_boto3())
        assert len(output.deployment_targets) == len(said.get("deploymentTargets") or [])
        return
    assert refused == body

"""CodeDeploy in the protocol `smithy-rpc-v2-cbor`, which botocore's newer models name first."""

from __future__ import annotations

import json
from typing import Any

import botocore.parsers
from cbor2 import CBORTag, dumps, loads
from support.endpoint import Answer, Response

CBOR = "smithy-rpc-v2-cbor"
BOTOCORE_SPEAKS_CBOR = hasattr(botocore.parsers, "RpcV2CBORParser")
_TIMES = {"lastUpdatedAt", "startTime", "endTime"}


def read_cbor_request(request: Any) -> tuple[str, dict[str, Any]]:
    assert request.headers["smithy-protocol"] == b"rpc-v2-cbor"
    return request.url.rpartition("/")[2], loads(request.body)


def in_cbor(answer: Answer) -> Answer:
    """Turn answers in JSON into CBOR."""

    def answer_in_cbor(operation: str, params: dict[str, Any]) -> Response:
        response = answer(operation, params)
        return Response(dumps(to_cbor(json.loads(response.body))), response.status)

    return answer_in_cbor


def to_cbor(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: to_cbor(member, key) for key, member in value.items()}
    if isinstance(value, list):
        return [to_cbor(item) for item in value]
    return CBORTag(1, value) if name in _TIMES else value

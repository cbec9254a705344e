"""Bodies that are cut short or no JSON: retried as the client is told to, then refused.

Each of the three operations, with each client and in each retry mode of botocore's.
"""

from __future__ import annotations

import json
import pickle
import traceback
from collections.abc import Sequence
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError
from support.clients import Client, Clients, got
from support.codedeploy import (
    GET,
    LIST,
    MISSING,
    OPERATIONS,
    READ,
    THROTTLED,
    CodeDeploy,
    Instead,
    Step,
    cut_short,
)
from support.endpoint import Response, error
from support.pages import instance, page, target

from codedeploy_targets import InvalidResponseError

SUCCEEDED = Step("Succeeded", [target("i-1", event="Install"), target("i-2")])
DOWN = EndpointConnectionError(endpoint_url="http://localhost")
CUT = Response(page([instance("i-1")])[:-9])

pytestmark = pytest.mark.usefixtures("retry_at_once")
each_mode = pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
each_operation = pytest.mark.parametrize("operation", OPERATIONS)


def ask(client: Client, operation: str) -> list[str | None]:
    """Ask a client for what takes a call of an operation; return the ids that it gets."""
    if operation == READ:
        return got(client.batch_get(["i-1", "i-2"]).deployment_targets)
    return got(client.iterate() if operation == LIST else client.watch())


def answering(operation: str, *instead: Instead, page_size: int = 100) -> CodeDeploy:
    return CodeDeploy(SUCCEEDED, instead={operation: instead}, page_size=page_size)


def assert_refused(client: Client, operation: str, body: bytes, says: str = "") -> None:
    told = f"response to {operation} cannot be .*{says}"
    with pytest.raises(InvalidResponseError, match=told) as caught:
        ask(client, operation)
    refused = caught.value
    assert isinstance(refused, BotoCoreError)
    assert (refused.request_id, refused.deployment_id) == ("request-1", "d-1")
    assert refused.target_ids == (["i-1", "i-2"] if operation == READ else [])
    assert (refused.body, type(refused.deployment_id)) == (body, str)
    again = pickle.loads(pickle.dumps(refused))
    assert (str(again), again.body) == (str(refused), body)
    # The body may hold lines of a log, and the service never sent an error, nor a status of 500.
    shown = "".join(traceback.format_exception(refused))
    assert not any(text in shown for text in ("one line of the log", "ClientError", "(500)"))


NOT_JSON = [
    b"", b"{", CUT.body, b"<html>busy</html>", page([instance("i-1")]) + b"}", b"\xef\xbb\xbf{}",
    b'{"deploymentTargets": null, "targetIds": null, "future": NaN}',
    (b'{"deploymentTargets":[{"deploymentTargetType":"CloudFormationTarget",'
     b'"cloudFormationTarget":{"targetId":"stack","targetVersionWeight":NaN}}]}'),
]  # fmt: skip


@each_mode
@each_operation
@pytest.mark.parametrize("body", NOT_JSON, ids=range(len(NOT_JSON)))
def test_what_is_not_json_is_retried_and_then_refused(
    clients: Clients, body: bytes, operation: str, mode: str
) -> None:
    odd = Response(body)
    retries = {"mode": mode, "total_max_attempts": 3}
    codedeploy = answering(operation, odd, odd, None, odd, odd, odd)
    client = clients.canned(codedeploy, retries=retries)
    assert ask(client, operation) == ["i-1", "i-2"]
    assert len(codedeploy.asked(operation)) == 3
    assert_refused(client, operation, body)
    assert len(codedeploy.asked(operation)) == 6


# The answers to two attempts, and what comes of them: None for the targets, the body that is
# refused, the code of an error, or the class of an exception.
SEQUENCES: dict[str, tuple[Sequence[Instead], Any]] = {
    "cut, whole": ((cut_short, None), None),
    "cut, of another shape": ((CUT, Response(b"[]")), b"[]"),
    "throttled, cut": ((THROTTLED, CUT), CUT.body),
    "503, cut": ((Response(b"", 503), CUT), CUT.body),
    "no connection, cut": ((DOWN, CUT), CUT.body),
    "cut, refused": ((CUT, error(MISSING)), MISSING),
    "cut, 500": ((CUT, Response(b"", 500)), "500"),
    "cut, 503 cut as well": ((CUT, Response(CUT.body, 503)), "503"),
    "cut, no connection": ((CUT, DOWN), EndpointConnectionError),
}


@each_mode
@each_operation
@pytest.mark.parametrize("name", SEQUENCES)
def test_the_last_attempt_decides(clients: Clients, name: str, operation: str, mode: str) -> None:
    instead, outcome = SEQUENCES[name]
    codedeploy = answering(operation, *instead)
    client = clients.canned(codedeploy, retries={"mode": mode, "total_max_attempts": 2})
    if outcome is None:
        assert ask(client, operation) == ["i-1", "i-2"]
    elif isinstance(outcome, bytes):
        assert_refused(client, operation, outcome)
    else:
        expected = ClientError if isinstance(outcome, str) else outcome
        with pytest.raises(expected) as caught:
            ask(client, operation)
        if isinstance(outcome, str):
            assert caught.value.response["Error"]["Code"] == outcome
    assert len(codedeploy.asked(operation)) == 2


@each_mode
@each_operation
def test_a_cut_body_is_retried_over_http_too(clients: Clients, operation: str, mode: str) -> None:
    codedeploy = answering(operation, cut_short, None, CUT, CUT)
    client = clients.served(codedeploy, retries={"mode": mode, "total_max_attempts": 2})
    assert ask(client, operation) == ["i-1", "i-2"]
    with pytest.raises(InvalidResponseError) as refused:
        ask(client, operation)
    assert refused.value.body == CUT.body


def test_a_later_page_of_a_listing_is_retried_and_refused_like_the_first(clients: Clients) -> None:
    codedeploy = answering(LIST, None, cut_short, None, None, CUT, CUT, page_size=1)
    retries = {"mode": "standard", "total_max_attempts": 2}
    client = clients.canned(codedeploy, max_concurrency=1, retries=retries)
    assert ask(client, LIST) == ["i-1", "i-2"]
    assert_refused(client, LIST, CUT.body)


@each_operation
@pytest.mark.parametrize("status", [200, 201, 202, 204, 206])
def test_without_retries_it_is_refused_at_once_with_any_status_of_success(
    clients: Clients, status: int, operation: str
) -> None:
    odd = Response(b'{"targetIds": ["i-1", "i-', status)
    codedeploy = answering(operation, odd)
    client = clients.canned(codedeploy, retries={"total_max_attempts": 1})
    assert_refused(client, operation, odd.body, says="cut short")
    assert len(codedeploy.asked(operation)) == 1


@each_operation
@pytest.mark.parametrize("body", [
    b"[]", b"5", b'{"__type": "ThrottlingException", "message": "busy"}', b'{"error": "blocked"}',
    b'{"deploymentInfo": [], "targetIds": "i-1", "deploymentTargets": {}}',
])  # fmt: skip
def test_other_json_is_refused_at_once(clients: Clients, body: bytes, operation: str) -> None:
    codedeploy = answering(operation, Response(body), None, Response(body))
    client = clients.canned(codedeploy)
    assert_refused(client, operation, body)
    # It leaves the next call alone.
    assert ask(client, operation) == ["i-1", "i-2"]
    assert_refused(client, operation, body)
    assert len(codedeploy.asked(operation)) == 3


@pytest.mark.parametrize("info", [{"status": 5}, {"state": "Ready"}])
def test_another_shape_of_a_deployment_is_refused_at_once(clients: Clients, info: Any) -> None:
    body = json.dumps({"deploymentInfo": info}).encode()
    assert_refused(clients.canned(answering(GET, Response(body))), GET, body)

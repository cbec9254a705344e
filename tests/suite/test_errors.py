"""Errors of the service, and answers that are cut short: the same from both clients."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError
from support.clients import got
from support.endpoint import Response, error, serve, unanswered
from support.pages import ids, instance, page
from support.service import Service

from codedeploy_targets import InvalidResponseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.clients import Client, Clients

GOOD = page([instance("i-1")])
CUT_SHORT = GOOD[:-9]
TWO_ATTEMPTS = {"mode": "standard", "total_max_attempts": 2}

each_retry_mode = pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])


def one_after_the_other(*answers: Response | Exception) -> Callable[..., Response]:
    left = list(answers)

    def answer(*_: object) -> Response:
        next_one = left.pop(0)
        if isinstance(next_one, Exception):
            raise next_one
        return next_one

    return answer


@pytest.mark.parametrize("code", [
    "InvalidDeploymentIdException",
    "DeploymentIdRequiredException",
    "DeploymentDoesNotExistException",
    "DeploymentNotStartedException",
    "DeploymentTargetIdRequiredException",
    "InvalidDeploymentTargetIdException",
    "DeploymentTargetDoesNotExistException",
    "DeploymentTargetListSizeExceededException",
    "InstanceDoesNotExistException",
])  # fmt: skip
def test_an_error_is_botocore_s_own(clients: Clients, code: str) -> None:
    client = clients.canned(lambda *_: error(code))
    assert client.typed.exceptions is client.wrapped.exceptions
    with pytest.raises(getattr(client.exceptions, code)) as ours:
        client.batch_get(ids(30))
    with pytest.raises(ClientError) as theirs:
        client.call("batch_get_deployment_targets", deploymentId="d-1", targetIds=ids(3))
    assert type(ours.value) is type(theirs.value)
    assert ours.value.response == theirs.value.response
    assert str(ours.value) == str(theirs.value)


def test_an_error_while_listing_is_botocore_s_own(clients: Clients) -> None:
    client = clients.canned(lambda *_: error("DeploymentDoesNotExistException"))
    with pytest.raises(client.exceptions.DeploymentDoesNotExistException):
        list(client.iterate())


def test_a_service_that_is_down_is_botocore_s_error(clients: Clients) -> None:
    with serve(unanswered) as endpoint:
        url = endpoint.url
    client = clients.wrap(clients.unwrapped(url, retries={"total_max_attempts": 1}))
    with pytest.raises(BotoCoreError, match="Could not connect"):
        client.batch_get(ids(60))


@pytest.mark.usefixtures("retry_at_once")
@each_retry_mode
@pytest.mark.parametrize("made", ["canned", "served"])
def test_what_is_cut_short_is_retried(clients: Clients, mode: str, made: str) -> None:
    bodies = [CUT_SHORT, GOOD, CUT_SHORT, CUT_SHORT]
    retries = {"mode": mode, "total_max_attempts": 2}
    client: Client = getattr(clients, made)(lambda *_: Response(bodies.pop(0)), retries=retries)
    output = client.batch_get(["i-1"])
    assert got(output.deployment_targets) == ["i-1"]
    assert output.missing_target_ids == []
    assert output.response_metadata[0].http_status_code == 200
    assert output.response_metadata[0].retry_attempts == 1
    with pytest.raises(InvalidResponseError) as refused:
        client.batch_get(["i-1"])
    assert (refused.value.target_ids, refused.value.body) == (["i-1"], CUT_SHORT)
    assert bodies == []


@pytest.mark.usefixtures("retry_at_once")
@each_retry_mode
def test_a_listing_that_is_cut_short_is_retried(clients: Clients, mode: str) -> None:
    bodies = [b'{"targetIds":', b'{"targetIds": ["i-1"]}', GOOD, b"{", b"{"]
    retries = {"mode": mode, "total_max_attempts": 2}
    client = clients.canned(lambda *_: Response(bodies.pop(0)), retries=retries)
    assert got(client.iterate()) == ["i-1"]
    with pytest.raises(InvalidResponseError, match="ListDeploymentTargets") as refused:
        list(client.iterate())
    assert (refused.value.body, refused.value.target_ids) == (b"{", [])
    assert bodies == []


@pytest.mark.usefixtures("retry_at_once")
def test_a_later_page_of_a_listing_that_is_cut_short_is_retried(clients: Clients) -> None:
    first, second = b'{"targetIds": ["i-1"], "nextToken": "2"}', b'{"targetIds": ["i-2"]}'
    bodies = [first, second[:-1], second, first, second[:-1], second[:-1]]

    def answer(operation: str, params: dict[str, Any]) -> Response:
        if operation == "ListDeploymentTargets":
            return Response(bodies.pop(0))
        return Response(page([instance(target_id) for target_id in params["targetIds"]]))

    client = clients.canned(answer, retries=TWO_ATTEMPTS)
    assert got(client.iterate()) == ["i-1", "i-2"]
    with pytest.raises(InvalidResponseError, match="ListDeploymentTargets"):
        list(client.iterate())
    assert bodies == []


@pytest.mark.usefixtures("retry_at_once")
@each_retry_mode
@pytest.mark.parametrize("listed", [True, False])
def test_a_cut_body_shows_no_error_that_the_service_never_sent(
    clients: Clients, mode: str, *, listed: bool
) -> None:
    retries = {"mode": mode, "total_max_attempts": 2}
    client = clients.canned(lambda *_: Response(CUT_SHORT), retries=retries)
    with pytest.raises(InvalidResponseError) as refused:
        list(client.iterate(None if listed else ["i-1"]))
    text = "".join(traceback.format_exception(refused.value))
    assert "InvalidResponseError" in text
    assert "ClientError" not in text
    assert "(500)" not in text
    assert "one line of the log" not in text


def connection_error() -> Exception:
    return EndpointConnectionError(endpoint_url="http://localhost")


STALE = [
    (error("DeploymentDoesNotExistException"), "DeploymentDoesNotExistException"),
    (Response(b"", 500), "500"),
    (Response(CUT_SHORT, 503), "503"),
]


@pytest.mark.usefixtures("retry_at_once")
@each_retry_mode
@pytest.mark.parametrize(("answer", "code"), STALE, ids=[code for _, code in STALE])
@pytest.mark.parametrize("listed", [True, False])
def test_an_error_of_the_service_after_a_cut_body_is_raised(
    clients: Clients, mode: str, answer: Response, code: str, *, listed: bool
) -> None:
    retries = {"mode": mode, "total_max_attempts": 2}
    client = clients.canned(one_after_the_other(Response(CUT_SHORT), answer), retries=retries)
    with pytest.raises(ClientError) as refused:
        list(client.iterate(None if listed else ["i-1"]))
    assert refused.value.response["Error"]["Code"] == code


@pytest.mark.usefixtures("retry_at_once")
@each_retry_mode
def test_a_connection_error_after_a_cut_body_is_raised(clients: Clients, mode: str) -> None:
    answer = one_after_the_other(Response(CUT_SHORT), connection_error())
    client = clients.canned(answer, retries={"mode": mode, "total_max_attempts": 2})
    with pytest.raises(EndpointConnectionError):
        client.batch_get(["i-1"])


@pytest.mark.usefixtures("retry_at_once")
def test_a_missing_target_after_a_cut_body_is_skipped(clients: Clients) -> None:
    refused = error("DeploymentTargetDoesNotExistException")
    answer = one_after_the_other(Response(CUT_SHORT), refused)
    output = clients.canned(answer, retries=TWO_ATTEMPTS).batch_get(["i-1"], skip_missing=True)
    assert output.missing_target_ids == ["i-1"]


@pytest.mark.usefixtures("retry_at_once")
@pytest.mark.parametrize("first", [error("ThrottlingException"), Response(b"", 503)], ids=str)
def test_a_cut_body_after_another_error_is_refused(clients: Clients, first: Response) -> None:
    answer = one_after_the_other(first, Response(CUT_SHORT))
    with pytest.raises(InvalidResponseError) as refused:
        clients.canned(answer, retries=TWO_ATTEMPTS).batch_get(["i-1"])
    assert refused.value.body == CUT_SHORT
    answer = one_after_the_other(connection_error(), Response(CUT_SHORT))
    with pytest.raises(InvalidResponseError):
        clients.canned(answer, retries=TWO_ATTEMPTS).batch_get(["i-1"])


@pytest.mark.usefixtures("retry_at_once")
def test_a_body_of_another_shape_after_a_cut_one_is_refused(clients: Clients) -> None:
    answer = one_after_the_other(Response(CUT_SHORT), Response(b"[]"))
    with pytest.raises(InvalidResponseError) as refused:
        clients.canned(answer, retries=TWO_ATTEMPTS).batch_get(["i-1"])
    assert refused.value.body == b"[]"


def test_an_error_in_one_call_leaves_the_next_one_alone(clients: Clients) -> None:
    answer = one_after_the_other(Response(b"[]"), Response(GOOD), Response(b"[]"))
    client = clients.canned(answer)
    with pytest.raises(InvalidResponseError):
        client.batch_get(["i-1"])
    assert got(client.batch_get(["i-1"]).deployment_targets) == ["i-1"]
    with pytest.raises(InvalidResponseError):
        client.batch_get(["i-1"])


@pytest.mark.parametrize("body", [
    b'{"__type": "ThrottlingException", "message": "Rate exceeded"}', b'{"error": "blocked"}',
])  # fmt: skip
def test_an_error_with_a_status_of_success_is_raised_at_once(clients: Clients, body: bytes) -> None:
    client = clients.canned(lambda *_: Response(body))
    with pytest.raises(InvalidResponseError, match="it is an error"):
        client.batch_get(["i-1"])
    with pytest.raises(InvalidResponseError, match="it is an error"):
        list(client.iterate())


@pytest.mark.parametrize("status", [201, 202, 204, 206])
def test_a_cut_answer_is_noticed_with_any_status_of_success(clients: Clients, status: int) -> None:
    body = b'{"targetIds": ["i-1", "i-'
    retries = {"mode": "standard", "total_max_attempts": 1}
    client = clients.canned(lambda *_: Response(body, status), retries=retries)
    with pytest.raises(InvalidResponseError, match="not JSON"):
        list(client.iterate())
    with pytest.raises(InvalidResponseError, match="not JSON"):
        client.batch_get(["i-1"])


def test_a_handler_that_runs_dry_is_no_end_of_the_targets(clients: Clients) -> None:
    tokens = iter(["one"])
    client = clients.canned(Service(60), max_concurrency=1)
    client.on("before-call", lambda params, **_: params["headers"].update(token=next(tokens)))
    with pytest.raises((RuntimeError, StopIteration)):
        client.batch_get(ids(60))

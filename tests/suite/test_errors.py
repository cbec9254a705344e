"""Errors of the service and of botocore: both clients raise them as they are."""

from __future__ import annotations

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from support.clients import Clients, MakeClient
from support.codedeploy import OPERATIONS, CodeDeploy
from support.endpoint import error, serve, unanswered
from support.pages import ids
from support.strategies import OPERATION

from codedeploy_targets import InvalidResponseError


@pytest.mark.parametrize("code", [shape.name for shape in OPERATION.error_shapes])
@pytest.mark.parametrize("namespace", ["", "com.amazonaws.codedeploy#"])
def test_an_error_of_the_operation_is_botocore_s_own(
    make_client: MakeClient, namespace: str, code: str
) -> None:
    client = make_client(lambda *_: error(f"{namespace}{code}"))
    assert client.exceptions is client.wrapped.exceptions
    with pytest.raises(getattr(client.exceptions, code)) as ours:
        client.batch_get(ids(30))
    with pytest.raises(ClientError) as theirs:
        client.call("batch_get_deployment_targets", deploymentId="d-1", targetIds=ids(3))
    assert type(ours.value) is type(theirs.value)
    assert ours.value.response == theirs.value.response
    assert str(ours.value) == str(theirs.value)
    with pytest.raises(getattr(client.exceptions, code)):
        list(client.iterate())


def test_an_error_that_0_1_0_pickled_counts_as_not_cut_short() -> None:
    told = {"request_id": None, "deployment_id": "d-1", "target_ids": ["i-1"], "body": b"{"}
    old = InvalidResponseError(operation="BatchGetDeploymentTargets", reason="cut", **told)
    assert old.is_cut_short is False


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_error_of_each_operation_is_raised_at_once(clients: Clients, operation: str) -> None:
    refusal = error("DeploymentDoesNotExistException")
    codedeploy = CodeDeploy(known=2, instead={operation: [refusal] * 2})
    client = clients.canned(codedeploy)
    with pytest.raises(client.exceptions.DeploymentDoesNotExistException) as caught:
        list(client.watch())
    assert caught.value.operation_name == operation
    assert len(codedeploy.asked(operation)) == 1
    if operation != "GetDeployment":
        with pytest.raises(client.exceptions.DeploymentDoesNotExistException):
            list(client.iterate())


def test_a_service_that_is_down_is_botocore_s_error(clients: Clients) -> None:
    with serve(unanswered) as endpoint:
        url = endpoint.url
    client = clients.wrap(clients.unwrapped(url, retries={"total_max_attempts": 1}))
    with pytest.raises(BotoCoreError, match="Could not connect"):
        client.batch_get(ids(60))


def test_a_handler_that_runs_dry_is_no_end_of_the_targets(clients: Clients) -> None:
    tokens = iter(["one"])
    client = clients.canned(CodeDeploy(), max_concurrency=1)
    client.on("before-call", lambda params, **_: params["headers"].update(token=next(tokens)))
    with pytest.raises((RuntimeError, StopIteration)):
        client.batch_get(ids(60))

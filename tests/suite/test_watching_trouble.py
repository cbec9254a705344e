"""Following a deployment while the service is in trouble.

What comes of one call that is cut short or throttled, `test_cut_bodies.py` shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from support.codedeploy import LIST, OPERATIONS, THROTTLED, CodeDeploy, Step
from support.endpoint import Response
from support.pages import fleet

from codedeploy_targets import InvalidResponseError

if TYPE_CHECKING:
    from support.clients import Clients

RUNNING, ENDED = fleet(a="InProgress", b="Pending"), fleet(a="Succeeded", b="Succeeded")
NOT_OVER, SUCCEEDED = Step("InProgress", RUNNING), Step("Succeeded", ENDED)
CUT = Response(b'{"deploymentInfo": {"status": "Succ')

pytestmark = pytest.mark.usefixtures("retry_at_once")
each_operation = pytest.mark.parametrize("operation", OPERATIONS)


@each_operation
@pytest.mark.parametrize("mode", ["legacy", "standard"])
@pytest.mark.parametrize("trouble", [THROTTLED, CUT], ids=["throttled", "cut short"])
def test_trouble_that_passes_is_not_noticed(
    clients: Clients, trouble: Response, operation: str, mode: str
) -> None:
    instead = {operation: [None, trouble, trouble]}
    codedeploy = CodeDeploy(NOT_OVER, NOT_OVER, SUCCEEDED, instead=instead)
    retries = {"mode": mode, "total_max_attempts": 3}
    assert list(clients.canned(codedeploy, retries=retries).watch()) == [*RUNNING, *ENDED]
    assert [len(codedeploy.asked(each)) for each in OPERATIONS] == [
        3 + 2 * (each == operation) for each in OPERATIONS
    ]


@each_operation
@pytest.mark.parametrize("trouble", [THROTTLED, CUT], ids=["throttled", "cut short"])
def test_trouble_that_stays_is_raised_as_it_is(
    clients: Clients, trouble: Response, operation: str
) -> None:
    codedeploy = CodeDeploy(NOT_OVER, instead={operation: [None, *[trouble] * 3]})
    watch = clients.canned(codedeploy, retries={"total_max_attempts": 3}).watch()
    assert [next(watch), next(watch)] == RUNNING
    with pytest.raises((ClientError, InvalidResponseError), match=operation) as caught:
        next(watch)
    raised: Any = caught.value
    if trouble is CUT:
        assert raised.body == CUT.body
    else:
        assert type(raised).__name__ in {"ClientError", "ThrottlingException"}
        assert raised.response["Error"]["Code"] == "ThrottlingException"
    assert len(codedeploy.asked(operation)) == 4
    assert list(watch) == []


def test_an_error_that_a_mock_raises_is_raised_as_it_is(clients: Clients) -> None:
    denied = ClientError({"Error": {"Code": "AccessDeniedException"}}, LIST)
    mock = clients.mocked(CodeDeploy(SUCCEEDED, instead={LIST: [denied]}))
    with pytest.raises(ClientError) as caught:
        next(clients.wrap(mock).watch())
    assert caught.value is denied


def test_a_target_that_is_gone_is_an_error_of_the_service(clients: Clients) -> None:
    codedeploy = CodeDeploy(NOT_OVER, Step("InProgress", fleet(a="InProgress")))
    client = clients.canned(codedeploy)
    watch = client.watch()
    assert [next(watch), next(watch)] == RUNNING
    with pytest.raises(client.exceptions.DeploymentTargetDoesNotExistException):
        next(watch)

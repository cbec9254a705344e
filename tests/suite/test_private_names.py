"""The two private names of botocore's that `_botocore.py` leans on, and the events behind them.

Without them every answer would take the slow way, through botocore's dict, and no bad body would
be retried: with no error that tells. So these tests fail on the day that botocore or aiobotocore
renames them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.deployments import OPERATIONS, ScriptedService, Step, fleet

from codedeploy_targets._botocore import AsyncTwin, Twin

if TYPE_CHECKING:
    from support.clients import Clients

WHAT_TO_DO = "see how a call's body can be had before it is parsed, and change _botocore.py"
EVENTS = {
    "request-created": {"request"},
    "before-parse": {"operation_model", "response_dict", "customized_response_dict"},
    "needs-retry": {"response", "operation", "attempts"},
}


@pytest.fixture
def wrapped(clients: Clients) -> Any:
    """Return a client of botocore or aiobotocore whose calls are answered."""
    return clients.canned(ScriptedService([Step("Created", fleet(a="Pending"))])).wrapped


def endpoint_of(wrapped: Any) -> Any:
    library = type(wrapped).__mro__[1].__module__.partition(".")[0]
    assert "_endpoint" in vars(wrapped), f"{library}'s clients have no _endpoint: {WHAT_TO_DO}"
    endpoint = vars(wrapped)["_endpoint"]
    assert "_event_emitter" in vars(endpoint), (
        f"{library}'s endpoints have no _event_emitter: {WHAT_TO_DO}"
    )
    return endpoint


def test_a_client_has_an_endpoint_with_an_emitter(wrapped: Any) -> None:
    emitter = endpoint_of(wrapped)._event_emitter  # noqa: SLF001
    assert callable(emitter.emit), f"the emitter cannot emit: {WHAT_TO_DO}"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_events_go_through_the_emitter_of_the_endpoint(
    clients: Clients, wrapped: Any, operation: str
) -> None:
    endpoint = endpoint_of(wrapped)
    emitter = vars(endpoint)["_event_emitter"]
    emitted: dict[str, set[str]] = {}

    class Recorder:
        def emit(self, event_name: str, **kwargs: Any) -> Any:
            emitted[event_name] = set(kwargs)
            return emitter.emit(event_name, **kwargs)  # for the async client, to be awaited

    vars(endpoint)["_event_emitter"] = Recorder()
    calls = {
        "GetDeployment": (wrapped.get_deployment, {}),
        "ListDeploymentTargets": (wrapped.list_deployment_targets, {}),
        "BatchGetDeploymentTargets": (wrapped.batch_get_deployment_targets, {"targetIds": ["a"]}),
    }
    call, params = calls[operation]
    if operation != "GetDeployment":  # which the deployment begins with
        clients.finish(wrapped.get_deployment(deploymentId="d-1"))
        emitted.clear()
    clients.finish(call(deploymentId="d-1", **params))

    for event, members in EVENTS.items():
        name = f"{event}.codedeploy.{operation}"
        assert name in emitted, f"the endpoint's emitter does not emit {name}: {WHAT_TO_DO}"
        lacking = members - emitted[name]
        assert not lacking, f"{name} comes without {lacking}: {WHAT_TO_DO}"


def test_the_library_takes_that_way(wrapped: Any) -> None:
    twin = Twin(wrapped, {}) if endpoint_is_sync(wrapped) else AsyncTwin(wrapped, {})
    endpoint = endpoint_of(twin.client)
    assert twin.client is not wrapped
    assert endpoint is not endpoint_of(wrapped)
    assert endpoint._event_emitter is twin  # noqa: SLF001


def endpoint_is_sync(wrapped: Any) -> bool:
    return not any(base.__module__.startswith("aiobotocore.") for base in type(wrapped).__mro__)

"""The two private names of botocore's that `_call.py` leans on, and the events behind them.

Without them every answer would take the slow way, through botocore's dict, and no bad body would
be retried. So these tests fail, and say what to do, on the day that botocore or aiobotocore
renames them; `test_cut_bodies.py` shows that the library retries bad bodies by these events.
"""

from __future__ import annotations

from typing import Any

import pytest
from botocore import xform_name
from support.clients import Clients, base_of
from support.codedeploy import OPERATIONS, READ, CodeDeploy

WHAT_TO_DO = "see how a call's body can be had before it is parsed, and change _call.py"
EVENTS = {
    "request-created": {"request"},
    "before-parse": {"operation_model", "response_dict", "customized_response_dict"},
    "needs-retry": {"response", "operation", "attempts"},
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_events_go_through_the_emitter_of_the_endpoint(clients: Clients, operation: str) -> None:
    client = clients.canned(CodeDeploy(known=["a"]))
    library = base_of(client.wrapped).__module__.partition(".")[0]
    endpoint = vars(client.wrapped).get("_endpoint")
    assert endpoint is not None, f"{library}'s clients have no _endpoint: {WHAT_TO_DO}"
    emitter = vars(endpoint).get("_event_emitter")
    assert hasattr(emitter, "emit"), f"{library}'s endpoints have no _event_emitter: {WHAT_TO_DO}"
    emitted: dict[str, set[str]] = {}

    class Recorder:
        def emit(self, event_name: str, **kwargs: Any) -> Any:
            emitted[event_name] = set(kwargs)
            return emitter.emit(event_name, **kwargs)  # for the async client, to be awaited

    vars(endpoint)["_event_emitter"] = Recorder()
    ids = {"targetIds": ["a"]} if operation == READ else {}
    client.call(xform_name(operation), deploymentId="d-1", **ids)

    for event, members in EVENTS.items():
        name = f"{event}.codedeploy.{operation}"
        assert name in emitted, f"the endpoint's emitter does not emit {name}: {WHAT_TO_DO}"
        lacking = members - emitted[name]
        assert not lacking, f"{name} comes without {lacking}: {WHAT_TO_DO}"

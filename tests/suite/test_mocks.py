"""Clients that bring dicts, not bytes: stubs, mocks, patched methods and subclasses."""

from __future__ import annotations

import json
from functools import partial
from http import HTTPStatus
from itertools import islice, product
from typing import Any
from unittest.mock import AsyncMock, MagicMock, create_autospec

import pytest
from botocore import xform_name
from botocore.exceptions import PaginationError
from support.clients import AsyncClients, Clients, got, subclass
from support.codedeploy import LIST, MISSING, OPERATIONS, READ, CodeDeploy, Step, cut_short
from support.endpoint import Response, unanswered
from support.pages import fleet, ids, target

import codedeploy_targets
from codedeploy_targets import DeploymentInfo, InvalidResponseError, ResponseMetadata

GET_TARGETS = xform_name(READ)
ENVELOPE = target("i-1").to_boto3()


def test_it_works_under_stubber(clients: Clients) -> None:
    client = clients.canned(unanswered, max_concurrency=1)
    with clients.stubber(client.wrapped) as stubber:
        for batch in (ids(30)[:25], ids(30)[25:]):
            targets = [target(target_id, "Failed").to_boto3() for target_id in batch]
            asked = {"deploymentId": "d-1", "targetIds": batch}
            stubber.add_response(GET_TARGETS, {"deploymentTargets": targets}, asked)
        output = client.batch_get(ids(30))
        assert output.deployment_targets == [target(target_id, "Failed") for target_id in ids(30)]
        assert [metadata.request_id for metadata in output.response_metadata] == [None, None]
        stubber.add_response("list_deployment_targets", {"targetIds": ids(1)})
        stubber.add_client_error(GET_TARGETS, MISSING)
        assert list(client.iterate(skip_missing=True)) == []
        stubber.assert_no_pending_responses()


# The ResponseMetadata of made-up answers, and what is read of it.
ODD_METADATA: list[tuple[Any, dict[str, Any]]] = [
    (None, {}), ([], {}), ("text", {}), (5, {}), ({}, {}),
    ({"HTTPHeaders": None}, {}), ({"HTTPHeaders": []}, {}), ({"HTTPHeaders": "text"}, {}),
    ({"HTTPHeaders": {"a": None, "b": b"bytes", "c": 5, "d": 5.5, "e": ["list"]}}, {
        "http_headers": {"a": "None", "b": "b'bytes'", "c": "5", "d": "5.5", "e": "['list']"}
    }),
    ({"HTTPHeaders": {b"bytes": "b", 5: "number", None: "none"}}, {
        "http_headers": {"b'bytes'": "b", "5": "number", "None": "none"}
    }),
    ({"RequestId": 5, "HTTPStatusCode": "200", "RetryAttempts": "0"}, {"request_id": "5"}),
    ({"RequestId": [], "HTTPStatusCode": None, "RetryAttempts": None}, {"request_id": "[]"}),
    ({"HTTPStatusCode": 200.0, "RetryAttempts": 0.5, "HostId": object()}, {}),
    ({"RequestId": 1, "HTTPStatusCode": HTTPStatus.OK, "HTTPHeaders": {"content-length": 2}}, {
        "request_id": "1", "http_status_code": 200, "http_headers": {"content-length": "2"}
    }),
]  # fmt: skip


@pytest.mark.parametrize(("metadata", "read"), ODD_METADATA, ids=range(len(ODD_METADATA)))
def test_the_metadata_of_a_made_up_answer_may_be_odd(
    clients: Clients, metadata: Any, read: dict[str, Any]
) -> None:
    answer = {"deploymentTargets": [ENVELOPE], "ResponseMetadata": metadata}
    stubbed = clients.canned(unanswered)
    mock = clients.mocked(CodeDeploy())
    mock.batch_get_deployment_targets = clients.method(lambda **_: answer)
    with clients.stubber(stubbed.wrapped) as stubber:
        stubber.add_response(GET_TARGETS, answer)
        for client in (stubbed, clients.wrap(mock)):
            output = client.batch_get(["i-1"])
            assert output.deployment_targets == [target("i-1")]
            assert output.response_metadata == [ResponseMetadata(**read)]
            json.loads(output.model_dump_json())


def hidden(how: str, clients: Clients, codedeploy: CodeDeploy) -> Any:
    """Return a client that answers by itself: the library sees no bytes of its answers."""

    def call(_: object, operation: str, params: dict[str, Any]) -> Any:
        return clients.method(codedeploy.method(operation))(**params)

    wrapped = clients.answered(unanswered)
    # Many users of boto3 patch botocore's private `_make_api_call` in their tests.
    return {
        "a mock": lambda: clients.mocked(codedeploy),
        "a mock of it": lambda: clients.mocked(codedeploy, create_autospec(wrapped)),
        "a mock of its class": lambda: clients.mocked(
            codedeploy, create_autospec(type(wrapped), instance=True)
        ),
        "patched methods": lambda: clients.mocked(codedeploy, wrapped),
        "a patched _make_api_call": lambda: subclass(wrapped, {"_make_api_call": call}),
        "methods of a subclass": lambda: subclass(
            wrapped,
            {
                xform_name(name): lambda _, name=name, **params: call(_, name, params)
                for name in OPERATIONS
            },
        ),
    }[how]()


@pytest.mark.parametrize("how", [
    "a mock", "a mock of it", "a mock of its class",
    "patched methods", "a patched _make_api_call", "methods of a subclass",
])  # fmt: skip
def test_a_client_that_answers_by_itself_is_read_as_a_dict(clients: Clients, how: str) -> None:
    targets = [target(target_id, event="Install") for target_id in ids(30)]
    codedeploy = CodeDeploy(Step("Succeeded", targets), page_size=20)
    client = clients.wrap(hidden(how, clients, codedeploy))
    output = client.batch_get(ids(30))
    assert output.deployment_targets == targets
    assert len(output.response_metadata) == len(codedeploy.batches) == 2
    assert list(client.iterate()) == targets
    assert list(client.watch()) == targets


def test_a_patched_method_may_call_the_one_that_it_replaces(clients: Clients) -> None:
    def note(**params: Any) -> Any:
        asked.append(params["targetIds"])
        return own(**params)

    asked, wrapped = list[list[str]](), clients.answered(CodeDeploy())
    own = wrapped.batch_get_deployment_targets
    wrapped.batch_get_deployment_targets = note
    assert got(clients.wrap(wrapped).batch_get(ids(30)).deployment_targets) == ids(30)
    assert sorted(map(len, asked)) == [5, 25]


def test_a_mock_s_answer_of_another_shape_is_refused(clients: Clients) -> None:
    mock = clients.mocked(CodeDeploy())
    # A mock that was told no answer returns another mock.
    for answer, reason in (({"deploymentTargets": 5}, "no list"), (MagicMock(), "no object")):
        mock.batch_get_deployment_targets = clients.method(lambda answer=answer, **_: answer)
        with pytest.raises(InvalidResponseError, match=f"it is {reason}|Targets is {reason}"):
            clients.wrap(mock).batch_get(["i-1"])


def test_the_exceptions_are_those_that_the_wrapped_client_has_now(clients: Clients) -> None:
    mock = clients.mocked(CodeDeploy())
    client = clients.wrap(mock)
    mock.exceptions = clients.answered(unanswered).exceptions
    assert client.typed.exceptions is mock.exceptions


# A client that hides its inside: the dict is all there is.


class Forwarding:
    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)


def replaced(wrapped: Any) -> Any:
    own = wrapped._make_api_call  # noqa: SLF001
    vars(wrapped)["_make_api_call"] = partial(own)
    return wrapped


def with_a_proxy_of_its_endpoint(wrapped: Any) -> Any:
    members = vars(wrapped)
    members["_endpoint"] = pytest.importorskip("wrapt").ObjectProxy(members["_endpoint"])
    return wrapped


PROXIES: dict[str, Any] = {
    "wrapt": lambda wrapped: pytest.importorskip("wrapt").ObjectProxy(wrapped),
    "lazy-object-proxy": lambda it: pytest.importorskip("lazy_object_proxy").Proxy(lambda: it),
    "werkzeug": lambda it: pytest.importorskip("werkzeug.local").LocalProxy(lambda: it),
    "__getattr__": Forwarding,
    "a replaced _make_api_call": replaced,
    "an endpoint in wrapt": with_a_proxy_of_its_endpoint,
}


@pytest.mark.parametrize("how", PROXIES)
def test_a_cut_answer_is_no_empty_one_behind_a_proxy(clients: Clients, how: str) -> None:
    step = Step("Succeeded", fleet(a="Succeeded"))
    client = clients.wrap(PROXIES[how](clients.answered(CodeDeploy(step))))
    assert list(client.watch()) == fleet(a="Succeeded")
    empty = clients.wrap(PROXIES[how](clients.answered(CodeDeploy(Step("Succeeded", [])))))
    assert list(empty.iterate()) == []
    for operation, cut in product(OPERATIONS, [cut_short, lambda _: Response(b"")]):
        codedeploy = CodeDeploy(step, instead={operation: [cut]})
        client = clients.wrap(PROXIES[how](clients.answered(codedeploy)))
        with pytest.raises(InvalidResponseError, match=rf"{operation} .*though \d+ bytes came"):
            list(client.watch())


@pytest.mark.parametrize("listing", [
    b'{"TargetIds": ["i-1"]}', b'{"deploymentTargets": []}', b'{"deploymentInfo": {}}',
    b"{}", b'{"targetIds": []}',
])  # fmt: skip
@pytest.mark.parametrize("source", ["wire", "dict"])
def test_an_odd_listing_is_refused_at_once(clients: Clients, listing: bytes, source: str) -> None:
    codedeploy = CodeDeploy(instead={LIST: [Response(listing)]})
    answered = clients.answered if source == "wire" else clients.mocked
    targets = clients.wrap(answered(codedeploy)).iterate()
    if listing in {b"{}", b'{"targetIds": []}'}:
        assert list(targets) == []
    else:
        with pytest.raises(InvalidResponseError, match="it has members, but no targetIds"):
            next(targets)
    assert len(codedeploy.calls) == 1


def test_a_mock_needs_no_more_than_three_return_values(clients: Clients) -> None:
    mock, kind = MagicMock(), AsyncMock if isinstance(clients, AsyncClients) else MagicMock
    mock.list_deployment_targets = kind(return_value={"targetIds": ["i-1"]})
    mock.batch_get_deployment_targets = kind(return_value={"deploymentTargets": [ENVELOPE]})
    info = {"deploymentId": "d-1", "status": "Succeeded"}
    mock.get_deployment = kind(return_value={"deploymentInfo": info})
    assert list(clients.wrap(mock).iterate()) == [target("i-1")]
    assert list(clients.wrap(mock).watch()) == [target("i-1")]
    of_its_class = create_autospec(clients.answered(unanswered))
    of_its_class.batch_get_deployment_targets.return_value = {"deploymentTargets": [ENVELOPE]}
    assert clients.wrap(of_its_class).batch_get(["i-1"]).deployment_targets == [target("i-1")]


@pytest.mark.parametrize("source", ["wire", "dict"])
def test_a_token_that_repeats_is_an_error_after_its_page(clients: Clients, source: str) -> None:
    answered = clients.answered if source == "wire" else clients.mocked
    pages = [b'{"nextToken": "t"}', b'{"targetIds": ["i-1"], "nextToken": "t"}']
    codedeploy = CodeDeploy(known=["i-1"], instead={LIST: map(Response, pages * 2)})
    client = clients.wrap(answered(codedeploy))
    for targets, listed in ((client.iterate(), ["i-1"]), (client.watch(), [])):
        assert got(islice(targets, len(listed))) == listed
        with pytest.raises(PaginationError, match="The same next token was received twice"):
            next(targets)


def test_a_fake_of_the_typed_client_yields_given_targets(clients: Clients) -> None:
    kind, library = "", codedeploy_targets
    if isinstance(clients, AsyncClients):
        kind, library = "Async", pytest.importorskip("codedeploy_targets.aio")
    iterator = getattr(library, f"{kind}DeploymentTargetIterator")
    watch = getattr(library, f"{kind}DeploymentWatch")
    fake, info = create_autospec(clients.cls, instance=True), DeploymentInfo(creator="user")
    streamed = iterator([target("i-1")], missing_target_ids=["i-2"])
    fake.iter_deployment_targets.return_value = streamed
    fake.watch_deployment_targets.return_value = watch([target("i-1")], deployment=info)
    targets = clients.iterator(fake.iter_deployment_targets(deploymentId="d-1"))
    assert (list(targets), targets.missing_target_ids) == ([target("i-1")], ["i-2"])
    targets = clients.iterator(fake.watch_deployment_targets(deploymentId="d-1"))
    assert next(targets) == target("i-1")
    assert (targets.deployment, targets.missing_target_ids) == (info, [])
    targets.close()
    assert list(targets) == []
    fake.client.list_deployments.return_value = {"deployments": ["d-1"]}
    assert fake.client.list_deployments() == {"deployments": ["d-1"]}

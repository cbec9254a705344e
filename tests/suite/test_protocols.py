"""AWS JSON and CBOR: both clients keep their promises in each protocol that botocore speaks."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest
from cbor2 import CBORTag, dumps
from hypothesis import given
from support.cbor import BOTOCORE_SPEAKS_CBOR, CBOR, in_cbor
from support.clients import AsyncClients, Clients, MakeClient, got
from support.codedeploy import LIST, OPERATIONS, READ, CodeDeploy, Step, cut_short
from support.doors import REQUEST, UNKNOWN, assert_same, page_of
from support.endpoint import Response, canned, error
from support.labels import with_aws_labels
from support.pages import ids, instance, page, target
from support.service_model import write_model
from support.strategies import answers, cbor_answers

from codedeploy_targets import InvalidResponseError, UnknownTarget


@pytest.mark.usefixtures("retry_at_once")
@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_throttling_over_cbor_is_retried_in_each_mode(cbor_client: MakeClient, mode: str) -> None:
    service = CodeDeploy(instead={READ: [error("ThrottlingException")]})
    client = cbor_client(in_cbor(service), retries={"mode": mode, "total_max_attempts": 2})
    assert client.batch_get(ids(1)).response_metadata[0].retry_attempts == 1


def test_the_same_bytes_give_boto3_s_dict_over_cbor(cbor_client: MakeClient) -> None:
    bodies = [b""]
    client = cbor_client(lambda *_: Response(bodies[0]))

    @given(cbor_answers)
    def compare(answer: dict[str, Any]) -> None:
        bodies[0] = dumps(answer)
        plain = client.call("batch_get_deployment_targets", **REQUEST)
        del plain["ResponseMetadata"]
        assert client.batch_get(["i-1"]).to_boto3() == with_aws_labels(plain)

    compare()


def test_handlers_over_cbor_find_boto3_s_dict(cbor_client: MakeClient) -> None:
    client = cbor_client(in_cbor(CodeDeploy()))
    seen: list[Any] = []
    client.on("after-call", lambda parsed, **_: seen.append(parsed))
    client.batch_get(ids(2))
    client.call("batch_get_deployment_targets", deploymentId="d-1", targetIds=ids(2))
    assert seen[0] == seen[1]
    assert len(seen[0]["deploymentTargets"]) == 2


def test_an_unknown_type_over_cbor_is_an_unknown_target(cbor_client: MakeClient) -> None:
    client = cbor_client(in_cbor(lambda *_: Response(page([UNKNOWN, instance("i-1")]))))
    unknown, known = client.batch_get(["i-1"]).deployment_targets
    # botocore drops what AWS's service model does not know.
    assert unknown == UnknownTarget(raw={"deploymentTargetType": "MarsTarget"})
    assert known.target_id == "i-1"


def indefinite(value: Any) -> bytes:
    """Encode a value without the lengths of its maps and lists, as CBOR allows."""
    if isinstance(value, dict):
        pairs = [dumps(key) + indefinite(member) for key, member in value.items()]
        return b"\xbf" + b"".join(pairs) + b"\xff"
    if isinstance(value, list):
        return b"\x9f" + b"".join(map(indefinite, value)) + b"\xff"
    return dumps(value)


ONE_TIME = {"lastUpdatedAt": CBORTag(1, 1.5)}
TWO_TARGETS = page_of(*({"instanceTarget": {"targetId": each, **ONE_TIME}} for each in ids(2)))
TWO_IDS = {"targetIds": ids(2)}


@pytest.mark.parametrize("encode", [dumps, indefinite])
@pytest.mark.parametrize("operation", [READ, LIST])
def test_an_answer_in_cbor_that_is_cut_short_is_never_read(
    cbor_client: MakeClient, operation: str, encode: Callable[[Any], bytes]
) -> None:
    bodies = {READ: encode(TWO_TARGETS), LIST: encode(TWO_IDS)}
    client = cbor_client(lambda name, _: Response(bodies[name]), retries={"total_max_attempts": 1})

    def read(target_ids: list[str] | None) -> list[str | None]:
        return got(itertools.islice(client.iterate(target_ids), 2))

    whole = bodies[operation]
    target_ids = None if operation == LIST else ids(2)
    assert read(target_ids) == ids(2)
    for length in range(len(whole)):
        bodies[operation] = whole[:length]
        with pytest.raises(Exception) as ours:  # noqa: PT011 - whatever botocore raises
            read(target_ids)
        assert not isinstance(ours.value, AssertionError)


def test_a_later_page_in_cbor_that_is_cut_short_is_never_read(cbor_client: MakeClient) -> None:
    pages = [dumps({**TWO_IDS, "nextToken": "2"}), indefinite({"targetIds": ids(3)[2:]})[:-1]]
    bodies = {READ: [dumps(TWO_TARGETS)], LIST: pages}
    client = cbor_client(
        lambda name, _: Response(bodies[name].pop(0)), retries={"total_max_attempts": 1}
    )
    with pytest.raises(Exception, match="End of stream"):
        list(client.iterate())


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_watch_outlives_cbor_that_is_cut_short(cbor_client: MakeClient, operation: str) -> None:
    def answer(name: str, params: Any) -> Response:
        response = speak(name, params)
        is_second = name == operation and len(service.asked(name)) == 2
        return cut_short(response) if is_second else response

    busy, over = (target(ids(1)[0], status) for status in ("InProgress", "Succeeded"))
    service = CodeDeploy(*[Step("InProgress", [busy])] * 2, Step("Succeeded", [over]))
    speak = in_cbor(service)
    client = cbor_client(answer, retries={"total_max_attempts": 1})
    assert [each.status for each in client.watch(delay=0)] == ["InProgress", "Succeeded"]
    assert len(service.asked(operation)) == 3


@pytest.mark.parametrize("status", [5, [], {}, b"bytes", True])
def test_cbor_of_another_shape_is_refused(cbor_client: MakeClient, status: Any) -> None:
    answer = page_of({"instanceTarget": {"targetId": "i-1", "status": status}})
    client = cbor_client(lambda *_: Response(dumps(answer)))
    where = r"deploymentTargets\[0\]\.instanceTarget\.status .* request request-1\)"
    with pytest.raises(InvalidResponseError, match=where):
        client.batch_get(["i-1"])


# botocore's order of preference has JSON before CBOR, whatever a model names first.


@pytest.mark.usefixtures("retry_at_once")
def test_a_model_that_names_cbor_first_is_spoken_in_json(
    clients: Clients, tmp_path_factory: pytest.TempPathFactory
) -> None:
    loader: Any = botocore.session.Session().get_component("data_loader")
    metadata = loader.load_service_model("codedeploy", "service-2")["metadata"]
    own = canned(CodeDeploy()).meta.service_model
    # The first versions with the models' key `protocols` do not have this property yet.
    assert getattr(own, "resolved_protocol", "json") == "json"
    # AWS's model names CBOR first since botocore 1.44.1. A third protocol fails here.
    assert metadata.get("protocols", ["json"]) in (["json"], [CBOR, "json"])
    if not BOTOCORE_SPEAKS_CBOR:
        pytest.skip("this version of botocore does not speak CBOR")
    data_path = write_model(tmp_path_factory.mktemp("both"), [CBOR, "json"])
    codedeploy = CodeDeploy(known=60, instead={READ: [cut_short]})
    client = clients.canned(codedeploy, data_path=data_path)
    model = client.wrapped.meta.service_model
    assert model.metadata["protocols"] == [CBOR, "json"]
    assert model.resolved_protocol == "json"
    assert got(client.batch_get(ids(60)).deployment_targets) == ids(60)
    assert got(client.iterate()) == ids(60)


# Both clients read the same bytes alike.


def test_both_clients_read_the_same_json_alike() -> None:
    pytest.importorskip("aiobotocore")
    bodies = [b""]
    with Clients() as sync, AsyncClients() as asynchronous:
        kinds = (sync, asynchronous)
        canned_clients = [kind.canned(lambda *_: Response(bodies[0])) for kind in kinds]

        @given(answers)
        def compare(answer: dict[str, Any]) -> None:
            bodies[0] = json.dumps(answer).encode()
            one, other = (client.batch_get(["i-1"]) for client in canned_clients)
            assert_same(one, other)
            assert one.to_boto3() == other.to_boto3()

        compare()
        bodies[0] = page([instance("i-1"), UNKNOWN])
        served = (kind.served(lambda *_: Response(bodies[0])) for kind in kinds)
        assert_same(*(each.batch_get(["i-1"]).deployment_targets[1] for each in served))

"""The async client: as the sync one, over real aiobotocore and an endpoint on loopback."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import aclosing, asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ParamValidationError
from endpoint import Response, connection, error, serve, unanswered
from hypothesis import given
from pages import ids, instance, page
from service import Service
from strategies import answers

from codedeploy_targets import DeploymentTargetsClient, InvalidResponseError
from codedeploy_targets.aio import AsyncDeploymentTargetsClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from endpoint import Answer, Endpoint

    Body = Callable[[AsyncDeploymentTargetsClient, Endpoint], Awaitable[None]]

SESSION = get_session()  # it keeps the service model for all clients


@asynccontextmanager
async def aio_client(url: str, **config: Any) -> AsyncIterator[Any]:
    async with SESSION.create_client(
        "codedeploy", **connection(url), config=AioConfig(**config)
    ) as client:
        yield client


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not come about in 10 seconds")


def run(answer: Answer, body: Body, *, max_concurrency: int = 8, **config: Any) -> Endpoint:
    """Run a coroutine in asyncio's debug mode; it must leave no task behind."""

    async def main() -> None:
        async with aio_client(endpoint.url, **config) as wrapped:
            client = AsyncDeploymentTargetsClient(wrapped, max_concurrency=max_concurrency)
            await body(client, endpoint)
            assert asyncio.all_tasks() == {asyncio.current_task()}

    with serve(answer) as endpoint:
        asyncio.run(main(), debug=True)
    return endpoint


async def got(targets: AsyncIterator[Any]) -> list[str]:
    return [target.target_id async for target in targets]


async def each(items: Any) -> AsyncIterator[Any]:
    for item in items:
        yield item


@pytest.mark.parametrize("count", [1, 25, 26, 400])
@pytest.mark.parametrize("max_concurrency", [1, 8])
def test_any_number_of_ids_in_any_iterable(count: int, max_concurrency: int) -> None:
    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        wanted = ids(count)
        for target_ids in (wanted, tuple(wanted), iter(wanted), each(wanted)):
            output = await client.batch_get_deployment_targets(
                deploymentId="d-1", targetIds=target_ids
            )
            assert [target.target_id for target in output.deployment_targets] == wanted
            assert len(output.response_metadata) == (count + 24) // 25
            assert output.missing_target_ids == []
        for target_ids in (wanted, each(wanted)):
            targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=target_ids)
            assert await got(targets) == wanted

    run(Service(), body, max_concurrency=max_concurrency)


def test_without_ids_there_is_no_call() -> None:
    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        nothing: list[Any] = [[], each([])]
        for none in nothing:
            output = await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=none)
            assert output.to_boto3() == {"deploymentTargets": []}
        assert await got(client.iter_deployment_targets(deploymentId="d-1", targetIds=[])) == []

    run(unanswered, body)


def test_an_id_is_asked_for_once() -> None:
    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        wanted = [*ids(30)[::-1], *ids(40)]
        output = await client.batch_get_deployment_targets(
            deploymentId="d-1", targetIds=each(wanted)
        )
        returned = [target.target_id for target in output.deployment_targets]
        assert returned == list(dict.fromkeys(wanted))

    run(Service(), body)


def test_by_default_eight_calls_are_under_way() -> None:
    eight, under_way, most = threading.Barrier(8), set(), 0

    def answer(_: str, params: dict[str, Any]) -> Response:
        nonlocal most
        under_way.add(threading.get_ident())
        most = max(most, len(under_way))
        eight.wait(10)
        time.sleep(0.05)
        under_way.discard(threading.get_ident())
        return Response(page([instance(target_id) for target_id in params["targetIds"]]))

    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        by_default = AsyncDeploymentTargetsClient(client.client)
        await by_default.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(400))

    run(answer, body)
    assert most == 8


def test_a_whole_deployment_is_listed_and_got() -> None:
    service = Service(130)

    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        filters = {"TargetStatus": ["Failed"]}
        targets = client.iter_deployment_targets(deploymentId="d-1", targetFilters=filters)
        assert await got(targets) == ids(130)
        assert [params["targetFilters"] for params in service.listed] == [filters] * 4

    run(service, body)


def test_wrong_parameters_are_refused_before_any_call() -> None:
    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        wrong: Any
        for wrong in ("i-1", b"i-1", 5, ["i-1", 5], iter(["i-1", 5]), each(["i-1", 5])):
            with pytest.raises(TypeError, match="targetIds"):
                await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=wrong)
        for wrong in ("i-1", ["i-1", 5]):
            with pytest.raises(TypeError, match="targetIds"):
                client.iter_deployment_targets(deploymentId="d-1", targetIds=wrong)
        with pytest.raises(TypeError, match=r"targetIds\[1\]"):
            await got(client.iter_deployment_targets(deploymentId="d-1", targetIds=each(["a", 5])))
        with pytest.raises(TypeError, match=r"^targetFilters .* cannot go with them$"):
            client.iter_deployment_targets(
                deploymentId="d-1", targetIds=[], targetFilters={"TargetStatus": []}
            )
        wrong = 5
        with pytest.raises(ParamValidationError, match="deploymentId"):
            await got(client.iter_deployment_targets(deploymentId=wrong))
        with pytest.raises(ValueError, match="max_concurrency"):
            AsyncDeploymentTargetsClient(client.client, max_concurrency=0)

    run(unanswered, body)


def test_a_slow_consumer_holds_back_the_producer() -> None:
    read = []

    async def produce() -> AsyncIterator[str]:
        for number in itertools.count():
            read.append(number)
            yield f"i-{number:017x}"

    async def body(client: AsyncDeploymentTargetsClient, endpoint: Endpoint) -> None:
        targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=produce())
        await asyncio.sleep(0.05)
        assert read == []
        assert (await anext(targets)).target_id == ids(1)[0]
        await until(lambda: len(endpoint.calls) == 3)
        await asyncio.sleep(0.05)
        assert len(read) == 75
        assert len(endpoint.calls) == 3
        await targets.aclose()

    run(Service(), body, max_concurrency=3)


def test_a_slow_producer_does_not_hold_back_the_consumer() -> None:
    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        consumed = asyncio.Event()

        async def produce() -> AsyncIterator[str]:
            for target_id in ids(25):
                yield target_id
            await consumed.wait()
            yield ids(26)[-1]

        targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=produce())
        first = [(await anext(targets)).target_id for _ in range(25)]
        assert first == ids(25)
        consumed.set()
        assert await got(targets) == ids(26)[25:]

    run(Service(), body)


def test_the_ids_iterator_s_own_error_comes_through() -> None:
    async def produce() -> AsyncIterator[str]:
        for target_id in ids(30):
            yield target_id
        raise KeyError("of the producer")

    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=produce())
        with pytest.raises(KeyError, match="of the producer"):
            await got(targets)

    run(Service(), body)


def test_the_first_failed_batch_raises_promptly_and_cancels_the_rest() -> None:
    all_sent, release, released = threading.Barrier(4), threading.Event(), []

    def answer(_: str, params: dict[str, Any]) -> Response:
        position = ids(1000).index(params["targetIds"][0]) // 25
        if position < 4:
            all_sent.wait(10)
        if position == 1:
            return error("InvalidDeploymentIdException")
        if position > 1:
            released.append(release.wait(10))
        return Response(page([instance(target_id) for target_id in params["targetIds"]]))

    async def body(client: AsyncDeploymentTargetsClient, endpoint: Endpoint) -> None:
        with pytest.raises(client.exceptions.InvalidDeploymentIdException):
            await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(1000))
        release.set()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert len(endpoint.calls) <= 5

    run(answer, body, max_concurrency=4)
    assert len(released) >= 2
    assert all(released)


def test_after_a_failure_nothing_more_is_sent() -> None:
    refused = threading.Event()

    def answer(_: str, params: dict[str, Any]) -> Response:
        if params["targetIds"] == ids(75)[50:]:
            return error("InvalidDeploymentIdException")
        refused.wait(10)
        return Response(page([instance(target_id) for target_id in params["targetIds"]]))

    def after_call(http_response: Any, **_: Any) -> None:
        if http_response.status_code == 400:
            refused.set()

    async def body(client: AsyncDeploymentTargetsClient, endpoint: Endpoint) -> None:
        client.client.meta.events.register("after-call.codedeploy", after_call)
        with pytest.raises(client.exceptions.InvalidDeploymentIdException):
            await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(1000))
        assert len(endpoint.calls) == 3

    run(answer, body, max_concurrency=3)


def test_an_error_while_listing_is_botocore_s_own() -> None:
    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        with pytest.raises(client.exceptions.DeploymentDoesNotExistException):
            await got(client.iter_deployment_targets(deploymentId="d-1"))

    run(lambda *_: error("DeploymentDoesNotExistException"), body)


@pytest.mark.parametrize("how", ["call", "iteration"])
def test_cancelling_the_caller_leaves_nothing_behind(how: str) -> None:
    def answer(*_: object) -> Response:
        time.sleep(0.3)
        return Response(b"{}")

    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        async def iterate() -> None:
            await got(client.iter_deployment_targets(deploymentId="d-1", targetIds=ids(1000)))

        async def call() -> None:
            await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(1000))

        task = asyncio.create_task(call() if how == "call" else iterate())
        await asyncio.sleep(0.1)
        assert len(asyncio.all_tasks()) > 8
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(answer, body)


@pytest.mark.parametrize("listed", [True, False])
def test_closing_the_iterator_early_leaves_nothing_behind(listed: bool) -> None:  # noqa: FBT001
    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        target_ids = None if listed else each(ids(1000))
        targets = client.iter_deployment_targets(deploymentId="d-1", targetIds=target_ids)
        async with aclosing(targets):
            async for _ in targets:
                break
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await got(targets) == []
        never_begun = client.iter_deployment_targets(deploymentId="d-1")
        await never_begun.aclose()

    run(Service(), body)


def test_cancelling_every_other_task_before_it_has_begun_ends_the_caller() -> None:
    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        call = client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(30))
        caller = asyncio.create_task(call)
        await asyncio.sleep(0)
        for task in asyncio.all_tasks() - {caller, asyncio.current_task()}:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(caller, 10)

    run(unanswered, body)


def test_an_iterator_that_is_given_up_is_closed_by_the_loop() -> None:
    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        async for _ in client.iter_deployment_targets(deploymentId="d-1"):
            break
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})

    run(Service(), body)


def test_an_iterator_that_is_held_until_the_loop_ends_is_closed_by_it() -> None:
    reported: list[dict[str, Any]] = []

    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: reported.append(context)
        )
        targets = client.iter_deployment_targets(deploymentId="d-1")
        async for _target in targets:
            raise KeyError("of the consumer")

    with pytest.raises(KeyError, match="of the consumer"):
        run(Service(), body)
    assert reported == []


def test_a_slow_batch_does_not_hold_back_the_others() -> None:
    others = threading.Event()

    def answer(_: str, params: dict[str, Any]) -> Response:
        if params["targetIds"][0] == ids(1)[0]:
            assert others.wait(10)
        if params["targetIds"][-1] == ids(200)[-1]:
            others.set()
        return Response(page([instance(target_id) for target_id in params["targetIds"]]))

    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        output = await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(200))
        assert [target.target_id for target in output.deployment_targets] == ids(200)

    run(answer, body, max_concurrency=2)


def test_missing_targets() -> None:
    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        wanted = [*ids(40), "i-gone", *ids(60)[40:]]
        output = await client.batch_get_deployment_targets(
            deploymentId="d-1", targetIds=wanted, skip_missing=True
        )
        assert [target.target_id for target in output.deployment_targets] == ids(60)
        assert output.missing_target_ids == ["i-gone"]
        targets = client.iter_deployment_targets(
            deploymentId="d-1", targetIds=wanted, skip_missing=True
        )
        assert await got(targets) == ids(60)
        with pytest.raises(client.exceptions.DeploymentTargetDoesNotExistException):
            await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=wanted)
        with pytest.raises(client.exceptions.DeploymentTargetDoesNotExistException):
            await got(client.iter_deployment_targets(deploymentId="d-1", targetIds=wanted))

    run(Service(60), body)


@pytest.mark.usefixtures("retry_at_once")
@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_what_is_not_json_is_retried(mode: str) -> None:
    cut_short = page([instance("i-1")])[:-9]
    bodies = [cut_short, page([instance("i-1")]), cut_short, cut_short]

    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        output = await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-1"])
        assert output.missing_target_ids == []
        assert output.response_metadata[0].retry_attempts == 1
        with pytest.raises(InvalidResponseError) as refused:
            await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=["i-1"])
        assert (refused.value.target_ids, refused.value.body) == (["i-1"], cut_short)

    retries = {"mode": mode, "total_max_attempts": 2}
    run(lambda *_: Response(bodies.pop(0)), body, retries=retries)
    assert bodies == []


@pytest.mark.usefixtures("retry_at_once")
def test_a_listing_that_is_not_json_is_retried() -> None:
    bodies = [b'{"targetIds":', b'{"targetIds": ["i-1"]}', page([instance("i-1")]), b"{", b"{"]

    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        assert await got(client.iter_deployment_targets(deploymentId="d-1")) == ["i-1"]
        with pytest.raises(InvalidResponseError, match="ListDeploymentTargets"):
            await got(client.iter_deployment_targets(deploymentId="d-1"))

    run(
        lambda *_: Response(bodies.pop(0)),
        body,
        retries={"mode": "standard", "total_max_attempts": 2},
    )


def test_the_wrapped_client_stays_what_it_was() -> None:
    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        request: dict[str, Any] = {"deploymentId": "d-1", "targetIds": ids(2)}

        async def direct() -> Any:
            response = await client.client.batch_get_deployment_targets(**request)
            return response["deploymentTargets"]

        async def typed() -> Any:
            output = await client.batch_get_deployment_targets(**request)
            return output.to_boto3()["deploymentTargets"]

        plain = await direct()
        again = await asyncio.gather(
            *(function() for _ in range(20) for function in (direct, typed))
        )
        assert all(answer == plain for answer in again)

    run(Service(), body)


def test_the_caller_s_context_reaches_every_call() -> None:
    span: ContextVar[str] = ContextVar("span")
    spans: Counter[str] = Counter()

    async def body(client: AsyncDeploymentTargetsClient, _: object) -> None:
        client.client.meta.events.register(
            "before-send.codedeploy", lambda **_: spans.update([span.get()])
        )
        span.set("parent")
        await client.batch_get_deployment_targets(deploymentId="d-1", targetIds=ids(100))
        await got(client.iter_deployment_targets(deploymentId="d-1", targetIds=ids(100)))

    run(Service(), body)
    assert spans == {"parent": 8}


def test_both_clients_read_the_same_bytes_alike() -> None:
    request: dict[str, Any] = {"deploymentId": "d-1", "targetIds": ["i-1"]}
    bodies = [b""]

    with serve(lambda *_: Response(bodies[0])) as endpoint:
        loop = asyncio.new_event_loop()
        wrapped = endpoint.client()
        sync = DeploymentTargetsClient(wrapped)
        context = aio_client(endpoint.url)
        client = AsyncDeploymentTargetsClient(loop.run_until_complete(context.__aenter__()))

        @given(answers)
        def compare(answer: dict[str, Any]) -> None:
            bodies[0] = json.dumps(answer).encode()
            ours = loop.run_until_complete(client.batch_get_deployment_targets(**request))
            theirs = sync.batch_get_deployment_targets(**request)
            assert ours.deployment_targets == theirs.deployment_targets
            assert ours.missing_target_ids == theirs.missing_target_ids
            assert ours.to_boto3() == theirs.to_boto3()

        compare()
        loop.run_until_complete(context.__aexit__(None, None, None))
        loop.close()
        wrapped.close()


def test_the_sync_user_needs_no_aiobotocore() -> None:
    script = """
import sys
sys.modules["aiobotocore"] = None
import codedeploy_targets
assert "codedeploy_targets.aio" not in sys.modules
import codedeploy_targets.aio
"""
    subprocess.run([sys.executable, "-c", script], check=True)  # noqa: S603

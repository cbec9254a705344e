from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from moto.server import ThreadedMotoServer
from support.cbor import BOTOCORE_SPEAKS_CBOR, CBOR, in_cbor, read_cbor_request
from support.clients import AsyncClients, Client, Clients, MakeClient
from support.clock import Clock
from support.command_line import CommandLine, command_line
from support.endpoint import Answer
from support.service_model import write_model

# A slow machine fails no test, and each run of the check draws the same examples.
hypothesis.settings.register_profile("check", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.register_profile("full", deadline=None, derandomize=True, max_examples=100)
hypothesis.settings.register_profile("mutants", deadline=None, derandomize=True, max_examples=25)
hypothesis.settings.register_profile("prove", deadline=None, max_examples=20_000)
_PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "check")
hypothesis.settings.load_profile(_PROFILE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with quick tests under mutmut, which ends a mutant's run at the first that fails."""
    if _PROFILE == "mutants":
        took = import_module("mutmut.state").state().duration_by_test
        items.sort(key=lambda item: took.get(item.nodeid, 0.0))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Let calls end: mutmut then loops over the functions that ran, and fails if another runs."""
    if _PROFILE == "mutants":
        gc.disable()  # it may close an iterator
        for thread in [each for each in threading.enumerate() if each.name == "codedeploy-targets"]:
            thread.join(0.1)
    yield
    gc.enable()


@pytest.fixture(params=["sync", "async"])
def clients(request: pytest.FixtureRequest) -> Iterator[Clients]:
    """Run a test for both clients: for the async one where aiobotocore is installed."""
    if request.param == "async":
        pytest.importorskip("aiobotocore")
    with AsyncClients() if request.param == "async" else Clients() as made:
        yield made


@pytest.fixture(scope="session")
def cbor_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a folder with a model of CodeDeploy that has no protocol but CBOR."""
    if not BOTOCORE_SPEAKS_CBOR:
        pytest.skip("this version of botocore does not speak CBOR")
    return write_model(tmp_path_factory.mktemp("cbor"), [CBOR])


@pytest.fixture
def cbor_client(clients: Clients, cbor_model: str) -> MakeClient:
    """Return a function that makes a client which speaks CBOR and is answered in process."""
    if isinstance(clients, AsyncClients):
        import aiobotocore.parsers

        if not hasattr(aiobotocore.parsers, "AioRpcV2CBORParser"):
            pytest.skip("this version of aiobotocore does not speak CBOR")

    def make(answer: Answer, **options: Any) -> Client:
        client = clients.canned(answer, read=read_cbor_request, data_path=cbor_model, **options)
        assert client.wrapped.meta.service_model.resolved_protocol == CBOR
        return client

    return make


@pytest.fixture(params=["json", "cbor"])
def make_client(request: pytest.FixtureRequest, clients: Clients) -> MakeClient:
    """Return a function that makes a client, of each protocol, which is answered in process."""
    if request.param == "json":
        return clients.canned
    make = request.getfixturevalue("cbor_client")
    return lambda answer, **options: make(in_cbor(answer), **options)


@pytest.fixture
def retry_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep botocore from waiting between two attempts, which each retry mode does its own way."""
    backoff = "botocore.retries.standard.ExponentialBackoff.delay_amount"
    monkeypatch.setattr(backoff, lambda *_: 0.0)
    monkeypatch.setattr("botocore.retryhandler.delay_exponential", lambda **_: 0.0)
    rate_limit = "retries.bucket.{}TokenBucket._sleep_amount"
    monkeypatch.setattr(f"botocore.{rate_limit.format('')}", lambda *_: 0.0)
    with suppress(ImportError):
        monkeypatch.setattr(f"aiobotocore.{rate_limit.format('Async')}", lambda *_: 0.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let pauses take no time, though the clock goes on by as much."""
    clock = Clock()
    clock.install(monkeypatch)
    return clock


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let signals end processes even if this one ignores them: in the background, under nohup."""
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    others = {each: signal.signal(each, signal.SIG_DFL) for each in (signal.SIGHUP, signal.SIGTERM)}
    yield
    for number, handler in {signal.SIGINT: interrupt, **others}.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """Start moto's server, whose accounts keep what a test made in them."""
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    yield "http://{}:{}".format(*moto.get_host_and_port())
    moto.stop()


@pytest.fixture
def cli(tmp_path: Path, interruptible: None) -> Iterator[CommandLine]:  # noqa: ARG001
    with command_line(tmp_path) as cli:
        yield cli

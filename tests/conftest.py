from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import hypothesis
import pytest
from moto.server import ThreadedMotoServer
from support.clients import AsyncClients, Clients
from support.clock import Clock
from support.command_line import CommandLine, command_line

# A slow machine fails no test, and each run of the check draws the same examples.
hypothesis.settings.register_profile("check", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.register_profile("full", deadline=None, derandomize=True, max_examples=200)
hypothesis.settings.register_profile("mutants", deadline=None, derandomize=True, max_examples=25)
hypothesis.settings.register_profile("prove", deadline=None, max_examples=20_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "check"))


@pytest.fixture(params=["sync", "async"])
def clients(request: pytest.FixtureRequest) -> Iterator[Clients]:
    """Run a test for both clients: for the async one where aiobotocore is installed."""
    if request.param == "async":
        pytest.importorskip("aiobotocore")
    with AsyncClients() if request.param == "async" else Clients() as made:
        yield made


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

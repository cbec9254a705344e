from __future__ import annotations

import os

import hypothesis
import pytest

# A slow machine is no failing test, and the same examples are drawn in each run of the check.
hypothesis.settings.register_profile("check", deadline=None, derandomize=True, max_examples=200)
hypothesis.settings.register_profile("mutants", deadline=None, derandomize=True, max_examples=25)
hypothesis.settings.register_profile("prove", deadline=None, max_examples=20_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "check"))


@pytest.fixture
def retry_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Else botocore waits between two attempts, each retry mode in its own way.
    backoff = "botocore.retries.standard.ExponentialBackoff.delay_amount"
    monkeypatch.setattr(backoff, lambda *_: 0.0)
    monkeypatch.setattr("botocore.retryhandler.delay_exponential", lambda **_: 0.0)

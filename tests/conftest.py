from __future__ import annotations

import os

import hypothesis

# A slow machine is no failing test, and the same examples are drawn in each run of the check.
hypothesis.settings.register_profile("check", deadline=None, derandomize=True, max_examples=200)
hypothesis.settings.register_profile("prove", deadline=None, max_examples=20_000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "check"))

"""The whole check: `nox`. One part of it: `nox -s NAME`, with a name from `nox -l`."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import nox

# pip trusts the machine's certificates; uv does so when it is told.
os.environ.setdefault("UV_SYSTEM_CERTS", "1")

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False

PROJECT = nox.project.load_toml()
PYTHONS = nox.project.python_versions(PROJECT)
TESTS, TYPING, LINT, PEERS, FAULTS, MUTANTS = (
    nox.project.dependency_groups(PROJECT, group)
    for group in ("tests", "typing", "lint", "peers", "faults", "mutants")
)
EXTRAS = PROJECT["project"]["optional-dependencies"]
LEAST_KILLED = 0.95


def run_tests(session: nox.Session, *args: str) -> None:
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *args, *session.posargs)
    session.run("coverage", "combine", "-q")
    session.run("coverage", "report")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests, which have to reach each line and branch."""
    session.install(f".[{','.join(EXTRAS)}]", *TESTS)
    run_tests(session)


@nox.session(python=PYTHONS[0])
def oldest(session: nox.Session) -> None:
    """Run them with the oldest versions that pyproject.toml allows."""
    requirements = [*PROJECT["project"]["dependencies"], *(r for e in EXTRAS.values() for r in e)]
    floors = [requirement.replace(">=", "==") for requirement in requirements]
    session.install(".", *floors, *TESTS)
    run_tests(session)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    session.install(*LINT)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types, and what type checkers tell a user."""
    session.install(f".[{','.join(EXTRAS)}]", *TESTS, *TYPING, "nox")
    session.run("mypy")
    session.run("basedpyright", "--pythonpath", f"{session.bin}/python")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure the clients against boto3, aiobotocore and their peers, side by side."""
    session.install(f".[{','.join(EXTRAS)}]", *TESTS, *PEERS)
    session.run("python", "tests/bench.py")


@nox.session(default=False)
def prove(session: nox.Session) -> None:
    """Draw 20,000 answers for each property test, in place of the default run's 200."""
    session.install(f".[{','.join(EXTRAS)}]", *TESTS)
    tests = ("tests/test_oracle.py", "tests/test_mutated_bytes.py")
    session.run("pytest", *tests, env={"HYPOTHESIS_PROFILE": "prove"})


@nox.session(default=False)
def load(session: nox.Session) -> None:
    """Stream 100,000 targets, share a client among threads, give iterators up, fork."""
    session.install(f".[{','.join(EXTRAS)}]", *TESTS)
    session.run("python", "tests/load.py")


@nox.session(default=False)
def faults(session: nox.Session) -> None:
    """Throttle, cut, drop, flip and delay what is on the way between endpoint and client."""
    session.install(f".[{','.join(EXTRAS)}]", *TESTS, *FAULTS)
    session.run("python", "tests/faults.py")


@nox.session(default=False)
def mutants(session: nox.Session) -> None:
    """Change the code in a thousand places, one at a time: the tests have to notice."""
    session.install(f".[{','.join(EXTRAS)}]", *TESTS, *MUTANTS)
    shutil.rmtree("mutants", ignore_errors=True)
    # Relative to where the tests run, so that what they start as a process is mutated, too.
    session.run("mutmut", "run", env={"HYPOTHESIS_PROFILE": "mutants", "PYTHONPATH": "src"})
    session.run("mutmut", "results")
    session.run("mutmut", "export-cicd-stats", silent=True)
    counts = json.loads(Path("mutants/mutmut-cicd-stats.json").read_text(encoding="utf-8"))
    killed = (counts["killed"] + counts["timeout"]) / counts["total"]
    session.log(f"{killed:.1%} of {counts['total']} mutants were killed")
    if killed < LEAST_KILLED:
        session.error(f"fewer than {LEAST_KILLED:.0%}")

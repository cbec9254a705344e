"""What a change needs: `nox`. The rest of the check: `nox -t full`. One part: `nox -s NAME`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nox

# pip trusts the machine's certificates; uv does so only with this setting.
os.environ.setdefault("UV_SYSTEM_CERTS", "1")
# The tests start many processes, which would each compile botocore and pydantic anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

nox.needs_version = ">=2025.10.16"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False

PROJECT = nox.project.load_toml()
PYTHONS = nox.project.python_versions(PROJECT)
RUNNING = ".".join(map(str, sys.version_info[:2]))
TESTS, TYPING, LINT, PEERS, FAULTS, MUTANTS, BUILD, NEWEST = (
    nox.project.dependency_groups(PROJECT, group)
    for group in ("tests", "typing", "lint", "peers", "faults", "mutants", "build", "newest")
)
EXTRAS = PROJECT["project"]["optional-dependencies"]
# Older versions of pydantic that users have, each on the newest Python that it has wheels for.
PYDANTIC = {"2.7": "3.12", "2.9": "3.13", "2.11": "3.13", "2.12": "3.14", "2.13": "3.14"}
MODELS = tuple(
    f"tests/suite/test_{name}.py"
    for name in (
        "answers",
        "deployments",
        "failure_groups",
        "fastapi",
        "first_use",
        "from_boto3",
        "json",
        "models",
        "mutated_bytes",
        "oracle",
        "service_model",
    )
)
# What users install the library beside, not older than this, each on a Python that it supports.
BESIDE = {
    "apache-airflow>=3.3": "3.14",
    "aws-lambda-powertools[all]>=3.37": "3.14",
    "aws-sam-cli>=1.170": "3.13",
    "crewai>=1.15": "3.13",
    "fastapi>=0.165": "3.14",
    "prowler>=5.46": "3.12",
}
LEAST_KILLED = 0.95
SUPPORT = {"PYTHONPATH": "tests"}  # what the programs import
CORES = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
# One process more than cores, as some tests wait.
PARALLEL = ("--numprocesses", str(CORES + 1), "--dist", "worksteal")
FULL = {"HYPOTHESIS_PROFILE": "full"}


def is_there(python: str) -> bool:
    """Tell whether a Python runs. pyenv puts a shim on PATH for one that is not active, too."""
    found = shutil.which(python)
    return found is not None and not subprocess.call([found, "-c", ""], stderr=subprocess.DEVNULL)  # noqa: S603


# Coverage costs half of the tests' time before 3.14, and nothing since.
DEFAULT = "3.14" if is_there("python3.14") else RUNNING


def install(session: nox.Session, *requirements: str, extras: str = ",".join(EXTRAS)) -> None:
    session.install(f".[{extras}]", *TESTS, *requirements)


@nox.session(python=None if DEFAULT == RUNNING else DEFAULT)
def tests(session: nox.Session) -> None:
    """Run the tests, which have to reach each line and branch."""
    install(session)
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *PARALLEL, *session.posargs)
    session.run("coverage", "combine", "-q")
    session.run("coverage", "report")


@nox.session(python=PYTHONS[0])
def oldest(session: nox.Session) -> None:
    """Run the tests with the oldest versions that pyproject.toml allows."""
    requirements = [*PROJECT["project"]["dependencies"], *(r for e in EXTRAS.values() for r in e)]
    oldest = (requirement.replace(">=", "==") for requirement in requirements)
    # FastAPI asks for a newer typing-extensions than pydantic 2.7: pydantic(2.7) runs its tests.
    tests = (requirement for requirement in TESTS if not requirement.startswith("fastapi"))
    session.install(f".[{','.join(EXTRAS)}]", *tests, *oldest)
    session.run("pytest", *PARALLEL, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format, which module may import which, and what GitHub runs."""
    session.install(*LINT)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports", "--no-cache", env={"PYTHONPATH": "src"})
    session.run("zizmor", "--quiet", "--offline", "--persona", "pedantic", ".github")
    workflows = map(str, Path(".github/workflows").iterdir())
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    session.run(
        "check-jsonschema", "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml"
    )


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types, and what type checkers tell a user."""
    install(session, *TYPING, "nox")
    session.run("mypy")
    session.run("basedpyright", "--pythonpath", f"{session.bin}/python")
    # In another folder: here basedpyright would look into a .venv, not the session's environment.
    with session.chdir(session.create_tmp()):
        session.run("basedpyright", "--ignoreexternal", "--verifytypes", "codedeploy_targets")


@nox.session(default=False, tags=["full"])
@nox.parametrize("python,version", [nox.param(p, v, id=v) for v, p in PYDANTIC.items()])
def pydantic(session: nox.Session, version: str) -> None:
    """Run the tests of the models with the newest patch of an older pydantic."""
    install(session, f"pydantic=={version}.*")
    session.run("pytest", *PARALLEL, *(session.posargs or MODELS), env=FULL)


@nox.session(default=False, tags=["full"])
def newest(session: nox.Session) -> None:
    """Run the tests with the newest botocore and AWS's CLI, where aiobotocore's pin is absent."""
    install(session, *NEWEST, extras="cli,testing")
    session.run("pytest", *PARALLEL, *session.posargs, env=FULL)


@nox.session(default=False, tags=["full"])
def build(session: nox.Session) -> None:
    """Build the sdist and, of it, the wheel; check what PyPI will show."""
    session.install(*BUILD)
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build", "--installer", "uv")
    session.run("twine", "check", "--strict", *map(str, Path("dist").iterdir()))


@nox.session(
    python=[p for p in PYTHONS if p != DEFAULT], default=False, tags=["full"], requires=["build"]
)
def pythons(session: nox.Session) -> None:
    """Run the tests with the other Pythons, on the wheel in dist/, and so on the sdist's files."""
    (wheel,) = Path("dist").glob("*.whl")
    session.install(f"{wheel}[{','.join(EXTRAS)}]", *TESTS)
    session.run("pytest", *PARALLEL, *session.posargs, env=FULL)


@nox.session(default=False, tags=["full"])
def beside(session: nox.Session) -> None:
    """Resolve the library beside the newest versions of what it is installed with."""
    requirements = Path(session.create_tmp(), "requirements.in")
    for companion, python in BESIDE.items():
        requirements.write_text(f"{companion}\n.\n", encoding="utf-8")
        command = ("uv", "pip", "compile", "--quiet", "--no-annotate", "--no-header")
        found = session.run(*command, "--python-version", python, str(requirements), silent=True)
        name = re.split(r"[\[>]", companion)[0]
        versions = re.findall(rf"(?m)^(?:{name}|pydantic|botocore)(?:\[.*\])?==.*", str(found))
        session.log(" ".join(versions))


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure the clients against boto3, aiobotocore and their peers, side by side."""
    install(session, *PEERS)
    session.run("python", "tests/programs/bench.py", env=SUPPORT)


@nox.session(default=False)
def prove(session: nox.Session) -> None:
    """Draw 20,000 answers for each test of reading and JSON; let threads race for first uses."""
    install(session)
    names = ("oracle", "mutated_bytes", "protocols", "json", "first_use")
    tests = (f"tests/suite/test_{name}.py" for name in names)
    session.run("pytest", *tests, env={"HYPOTHESIS_PROFILE": "prove"})


@nox.session(default=False)
def load(session: nox.Session) -> None:
    """Stream 100,000 targets, share a client among threads, give iterators up, fork."""
    install(session)
    session.run("python", "tests/programs/load.py", env=SUPPORT)


@nox.session(default=False)
def throttling(session: nox.Session) -> None:
    """Simulate the cap on a client's calls against loops over boto3: failures and time."""
    install(session)
    session.run("python", "tests/programs/throttling.py", *session.posargs, env=SUPPORT)


@nox.session(default=False)
def faults(session: nox.Session) -> None:
    """Throttle, cut, drop, flip and delay what is on the way between endpoint and client."""
    install(session, *FAULTS)
    session.run("python", "tests/programs/faults.py", env=SUPPORT)


# mutmut sets a context variable in each finalizer, at which Python below 3.12 may crash.
@nox.session(python=None if DEFAULT == RUNNING else DEFAULT, default=False)
def mutants(session: nox.Session) -> None:
    """Change the code in thousands of places, one at a time: the tests have to notice."""
    install(session, *MUTANTS)
    shutil.rmtree("mutants", ignore_errors=True)
    # A relative path, so that the processes which the tests start import the mutated copy.
    session.run("mutmut", "run", env={"HYPOTHESIS_PROFILE": "mutants", "PYTHONPATH": "src"})
    session.run("mutmut", "results")
    session.run("mutmut", "export-cicd-stats", silent=True)
    counts = json.loads(Path("mutants/mutmut-cicd-stats.json").read_text(encoding="utf-8"))
    killed = (counts["killed"] + counts["timeout"]) / counts["total"]
    session.log(f"{killed:.1%} of {counts['total']} mutants were killed")
    if killed < LEAST_KILLED:
        session.error(f"fewer than {LEAST_KILLED:.0%}")

"""The command line's options and exit statuses, in real processes and in process."""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.codedeploy import GET, LIST, READ, CodeDeploy, Step, cut_short
from support.command_line import KEYS, PROGRAM, CommandLine, Ended
from support.endpoint import Response, error
from support.mock_aws import MOTO_ACCOUNT, client_of, deploy
from support.pages import target

from codedeploy_targets.testing import mock_deployment_targets

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., Ended]

SCRIPT = Path(sys.executable).with_name("codedeploy-targets")
DEMO = Path(__file__).parents[1] / "programs" / "demo.py"
BUSY = target("i-1", "InProgress", "Install")
FAILED = target("i-2", "Failed", "AfterInstall", message="exit 1")
WHY = [
    "1 failed in AfterInstall: ScriptFailed",
    "    targets   i-2",
    "    duration  1 min 15 s",
    "    message   exit 1",
]
INTERRUPTED = "codedeploy-targets: Interrupted; the deployment goes on.\n"
RUNNING = CodeDeploy(Step("InProgress", [BUSY, FAILED]))
SUCCEEDED = CodeDeploy(Step("Succeeded", [target("i-1")]))
needs_full_disk = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk here")


@pytest.fixture(params=["in process", "in a process of its own"])
def run(request: pytest.FixtureRequest, command_line: CommandLine) -> Run:
    return command_line.run_here if request.param == "in process" else command_line.run


# The exit statuses.


def test_a_deployment_that_succeeded_is_0(run: Run, command_line: CommandLine) -> None:
    targets = [target("i-1"), target("i-2", "Skipped")]
    command_line.answer = CodeDeploy(Step("InProgress", [BUSY]), Step("Succeeded", targets))
    ended = run("d-1", "--delay", "0")
    assert (ended.status, ended.err) == (0, "")
    assert ended.lines == [
        "i-1 InProgress Install",
        "i-1 Succeeded",
        "i-2 Skipped",
        "d-1 Succeeded: 1 Succeeded, 1 Skipped",
    ]


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_a_deployment_that_failed_or_was_stopped_is_1(
    run: Run, command_line: CommandLine, status: str
) -> None:
    command_line.answer = CodeDeploy(Step(status, [target("i-1"), FAILED]))
    for options in ([], ["--no-watch"]):
        ended = run("d-1", *options)
        assert (ended.status, ended.err) == (1, "")
        end = f"d-1 {status}: 1 Succeeded, 1 Failed"
        assert ended.lines == ["i-1 Succeeded", "i-2 Failed AfterInstall", *WHY, end]


def test_a_timeout_is_124_and_tells_what_failed_so_far(run: Run, command_line: CommandLine) -> None:
    command_line.answer = RUNNING
    ended = run("d-1", "--timeout", "0.2", "--delay", "0.05")
    assert (ended.status, ended.err) == (
        124,
        "codedeploy-targets: d-1 is not over after 0.2 seconds.\n",
    )
    assert ended.lines == [
        "i-1 InProgress Install",
        "i-2 Failed AfterInstall",
        *WHY,
        "d-1 is not over: 1 InProgress, 1 Failed",
    ]


def test_an_interrupt_is_130_and_tells_what_failed_so_far(command_line: CommandLine) -> None:
    command_line.answer = RUNNING
    with command_line.started("d-1") as process:
        process.wait_for(" i-2 Failed AfterInstall")
        process.send_signal(signal.SIGINT)
        ended = process.finish()
    assert (ended.status, ended.err) == (130, INTERRUPTED)
    assert ended.lines[2:] == [*WHY, "d-1 is not over: 1 InProgress, 1 Failed"]


@pytest.mark.parametrize(("options", "lines"), [([], 7), (["--json"], 2)], ids=["plain", "JSON"])
def test_an_interrupt_in_process_is_130(
    options: list[str], lines: int, command_line: CommandLine
) -> None:
    def interrupt(response: Response) -> Response:
        os.kill(os.getpid(), signal.SIGINT)
        return response

    step = Step("InProgress", [BUSY, FAILED])
    command_line.answer = CodeDeploy(step, instead={GET: [None, interrupt]})
    ended = command_line.run_here("d-1", "--delay", "0", *options)
    assert (ended.status, ended.err, len(ended.lines)) == (130, INTERRUPTED, lines)


def test_a_reader_that_goes_away_brings_no_traceback(command_line: CommandLine) -> None:
    command_line.answer = RUNNING
    with command_line.started("d-1", "--delay", "0.05") as process:
        process.wait_for(" i-1 InProgress")
        assert process.stdout is not None
        process.stdout.close()
        command_line.answer = SUCCEEDED
        ended = process.finish()
    assert (ended.status, ended.err) == (2, "")


def test_a_pipe_that_broke_is_silent(command_line: CommandLine) -> None:
    command_line.answer = SUCCEEDED
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as pipe:
        assert command_line.run_here("d-1", stdout=pipe) == Ended(2, "", "")


USAGE: dict[str, list[str]] = {
    "no id": [],
    "two ids": ["d-1", "d-2"],
    "a delay that is no number": ["d-1", "--delay", "soon"],
    "a negative delay": ["d-1", "--delay", "-1"],
    "a delay that no clock can measure": ["d-1", "--delay", "1e300"],
    "a timeout that is no number": ["d-1", "--timeout", "nan"],
    "an unknown option": ["d-1", "--watch-closely"],
}


@pytest.mark.parametrize("args", USAGE.values(), ids=[*USAGE])
def test_wrong_usage_is_2(args: list[str], command_line: CommandLine) -> None:
    ended = command_line.run_here(*args)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("usage: codedeploy-targets ")
    assert "codedeploy-targets: error: " in ended.err
    assert "_seconds" not in ended.err


def broken(operation: str, instead: Any, known: int = 0) -> CodeDeploy:
    return CodeDeploy(known=known, instead={operation: repeat(instead)})


def denied(code: str) -> CodeDeploy:
    return broken(GET, error(code))


NO_STATUS = Response(b'{"deploymentInfo": {}}')
HTML = Response(b"<html>")
REFUSING = "http://127.0.0.1:1"
TLS: dict[str, str | None] = {"AWS_ENDPOINT_URL": "https://[::1]", "AWS_CA_BUNDLE": "/absent.pem"}
# What brings no answer: arguments, changes to the environment, the endpoint, and the advice.
NO_ANSWER: dict[str, tuple[str, dict[str, str | None], CodeDeploy, str]] = {
    "no credentials": ("d-1", dict.fromkeys(KEYS), RUNNING, "Sign in, or name a --profile."),
    "no region": ("d-1", {"AWS_DEFAULT_REGION": None}, RUNNING, "Add --region, or set AWS_DEFAU"),
    "a wrong region": ("d-1 --region a_b!", {}, RUNNING, "Check --region"),
    "an unknown profile": ("d-1 --profile nobody", {}, RUNNING, "See the profiles in"),
    "no such deployment": ("d-1", {}, denied("DeploymentDoesNotExistException"), "Check the id, "),
    "an invalid id": ("d-1", {}, denied("InvalidDeploymentIdException"), "looks like d-EXAMPLE11."),
    "a wrong endpoint": ("d-1", {"AWS_ENDPOINT_URL": "nowhere"}, RUNNING, "Check --region"),
    "no certificates": ("d-1", TLS, RUNNING, "codedeploy-targets: "),
    "a refused connection": ("d-1", {"AWS_ENDPOINT_URL": REFUSING}, RUNNING, "and the network."),
    "a dropped connection": ("d-1", {}, broken(GET, OSError()), "and the network."),
    "denied": ("d-1", {}, denied("AccessDeniedException"), "Allow codedeploy:Get*"),
    "throttled": ("d-1", {}, denied("ThrottlingException"), "with a longer --delay."),
    "another error": ("d-1", {}, denied("ExpiredTokenException"), "and the credentials."),
    "no JSON": ("d-1", {}, broken(GET, HTML), "Try again; see whether a proxy"),
    "no JSON of a target": ("d-1 --no-watch", {}, broken(READ, HTML, known=1), "Try again"),
    "no status": (
        "d-1 --no-watch",
        {},
        broken(GET, NO_STATUS),
        "The response to GetDeployment can",
    ),
    "half a listing": ("d-1 --no-watch", {}, broken(LIST, cut_short), "Try again"),
}


def check_no_answer(ended: Ended, advice: str) -> None:
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("codedeploy-targets: ")
    assert advice in ended.err
    assert ended.err.count("\n") == 1
    assert ".." not in ended.err


@pytest.mark.parametrize("name", NO_ANSWER)
def test_no_answer_is_2_and_one_line_that_says_what_to_do(
    name: str, command_line: CommandLine
) -> None:
    args, env, command_line.answer, advice = NO_ANSWER[name]
    check_no_answer(command_line.run_here(*args.split(), env=env), advice)


def test_no_answer_and_wrong_usage_are_2_in_a_real_process(command_line: CommandLine) -> None:
    command_line.answer = denied("AccessDeniedException")
    check_no_answer(command_line.run("d-1"), "Allow codedeploy:Get*")
    assert command_line.run("--delay", "soon", "d-1").status == 2


@needs_full_disk
def test_a_full_disk_is_one_line(command_line: CommandLine) -> None:
    command_line.answer = SUCCEEDED
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ended = command_line.run("d-1", stdout=full)
    assert ended == Ended(2, "", "codedeploy-targets: [Errno 28] No space left on device.\n")


@needs_full_disk
def test_errors_that_cannot_be_written_do_not_change_the_status(command_line: CommandLine) -> None:
    command_line.answer = RUNNING
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        assert command_line.run("d-1", "--timeout", "0", stderr=full).status == 124
        command_line.answer = denied("AccessDeniedException")
        assert command_line.run("d-1", stderr=full).status == 2


@pytest.mark.parametrize("closed", [1, 2])
def test_a_stream_may_be_closed(command_line: CommandLine, closed: int) -> None:
    command_line.answer = SUCCEEDED
    shell = ["sh", "-c", f'exec "$0" "$@" {closed}>&-', *PROGRAM]
    assert command_line.run("d-1", program=shell).status == 0


# The options.


@pytest.mark.parametrize(("status", "targets", "end"), [
    ("InProgress", [BUSY, target("i-2")], "d-1 InProgress: 1 InProgress, 1 Succeeded"),
    ("Succeeded", [target("i-1")], "d-1 Succeeded: 1 Succeeded"),
    ("Created", None, "d-1 Created: no targets"),
])  # fmt: skip
def test_without_watching_it_tells_how_it_stands(
    run: Run, command_line: CommandLine, status: str, targets: Any, end: str
) -> None:
    command_line.answer = CodeDeploy(Step(status, targets))
    ended = run("d-1", "--no-watch")
    assert (ended.status, ended.err) == (0, "")
    assert ended.lines[-1] == end
    assert len(ended.lines) == len(targets or []) + 1


@pytest.mark.parametrize(("account", "options"), [
    (MOTO_ACCOUNT, ["--region", "eu-west-2"]), ("1" * 12, ["--profile", "far"]),
], ids=["--region", "--profile"])  # fmt: skip
def test_region_and_profile_reach_the_client(
    account: str, options: list[str], command_line: CommandLine, moto_url: str, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile far]\nregion = eu-west-2\ncredential_source = Environment\n"
        "role_arn = arn:aws:iam::111111111111:role/reader\n"
    )
    command_line.env |= {"AWS_ENDPOINT_URL": moto_url, "AWS_CONFIG_FILE": str(config)}
    client = client_of(account, "eu-west-2", moto_url)
    with mock_deployment_targets() as targets:
        deployment_id = deploy(client, targets, put=[target("i-1")], status="Succeeded")
        assert command_line.run_here(deployment_id).status == 2
        # The region of the environment would come before the profile's.
        ended = command_line.run_here(deployment_id, *options, env={"AWS_DEFAULT_REGION": None})
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.endswith(f"{deployment_id} Succeeded: 1 Succeeded\n")


HELP = """\
usage: codedeploy-targets [-h] [--no-watch] [--json] [--region REGION] [--profile PROFILE]
                          [--delay SECONDS] [--timeout SECONDS]
                          DEPLOYMENT

Follow a CodeDeploy deployment, and tell why it failed.

positional arguments:
  DEPLOYMENT         the id of the deployment, like d-EXAMPLE11

options:
  -h, --help         show this help message and exit
  --no-watch         tell how it stands, and end
  --json             write each target as a line of JSON
  --region REGION    the AWS region
  --profile PROFILE  the profile in ~/.aws/config
  --delay SECONDS    from round to round (5)
  --timeout SECONDS  when to give up following (never)

Exit status: 0 the deployment succeeded (with --no-watch: or is not over yet), 1 it failed or was
stopped, 2 wrong usage, or no answer from AWS, 124 timeout, 130 interrupted.
"""


def test_help_tells_each_option_and_exit_status(
    command_line: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    env = {"COLUMNS": "100"}
    assert command_line.run_here("--help", env=env) == Ended(0, HELP)
    program = [SCRIPT] if SCRIPT.exists() else PROGRAM
    assert command_line.run("--help", program=program, env=env) == Ended(0, HELP)
    # As `python -m` does, but in this process.
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delitem(sys.modules, "codedeploy_targets.__main__")
    monkeypatch.setattr(sys, "argv", ["codedeploy-targets", "--help"])
    with pytest.raises(SystemExit):
        runpy.run_module("codedeploy_targets", run_name="__main__")
    assert capsys.readouterr().out == HELP


# What it costs, and the demo.


def test_an_import_of_the_library_brings_nothing_of_the_command_line(
    command_line: CommandLine,
) -> None:
    names = "'rich', 'argparse', 'codedeploy_targets._report', 'codedeploy_targets.__main__'"
    code = f"import codedeploy_targets, sys; print([n for n in ({names}) if n in sys.modules])"
    assert command_line.run(program=[sys.executable, "-c", code]) == Ended(0, "[]\n")


def test_the_demo_shows_three_failed_of_sixty(command_line: CommandLine) -> None:
    program = [sys.executable, str(DEMO)]
    ended = command_line.run(program=program, env={"AWS_ENDPOINT_URL": None})
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.endswith(" Failed: 57 Succeeded, 3 Failed\n")
    assert "\n2 failed in AfterInstall: ScriptFailed\n" in ended.out

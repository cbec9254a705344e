"""The command line's options and exit statuses, in real processes and in process."""

from __future__ import annotations

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
OVER = [target("i-1"), FAILED]
RUNNING = Step("InProgress", [BUSY, FAILED])
SUCCESS = Step("Succeeded", [target("i-1")])
needs_full_disk = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk here")


@pytest.fixture(params=["in process", "in a process of its own"])
def run(request: pytest.FixtureRequest, cli: CommandLine) -> Run:
    return cli.run_here if request.param == "in process" else cli.run


# The exit statuses.


LINES = ["i-1 Succeeded", "i-2 Failed AfterInstall", *WHY]
# How a run ends: the deployment's script, the options, the status, and the lines.
ENDS: dict[str, tuple[list[Step], str, int, list[str]]] = {
    "it succeeds": ([Step("InProgress", [BUSY]), SUCCESS], "--delay 0", 0, [
        "i-1 InProgress Install", "i-1 Succeeded", "d-1 Succeeded: 1 Succeeded"
    ]),
    "it succeeded": ([SUCCESS], "--no-watch", 0, ["i-1 Succeeded", "d-1 Succeeded: 1 Succeeded"]),
    "it failed": ([Step("Failed", OVER)], "", 1, [*LINES, "d-1 Failed: 1 Succeeded, 1 Failed"]),
    "it was stopped": ([Step("Stopped", OVER)], "--no-watch", 1, [
        *LINES, "d-1 Stopped: 1 Succeeded, 1 Failed"
    ]),
    "a timeout": ([RUNNING], "--timeout 0.2 --delay 0.05", 124, [
        "i-1 InProgress Install", *LINES[1:], "d-1 is not over: 1 InProgress, 1 Failed"
    ]),
    "not watched": ([RUNNING], "--no-watch", 0, [
        "i-1 InProgress Install", *LINES[1:], "d-1 InProgress: 1 InProgress, 1 Failed"
    ]),
    "not started": ([Step("Created")], "--no-watch", 0, ["d-1 Created: no targets"]),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
def test_the_exit_status_says_how_a_run_ended(run: Run, cli: CommandLine, name: str) -> None:
    steps, options, status, lines = ENDS[name]
    cli.answer = CodeDeploy(*steps)
    ended = run("d-1", *options.split())
    assert ended.lines == lines
    late = "codedeploy-targets: d-1 is not over after 0.2 seconds.\n"
    assert (ended.status, ended.err) == (status, late if status == 124 else "")


@pytest.mark.parametrize(("options", "lines"), [([], 7), (["--json"], 2)], ids=["plain", "JSON"])
def test_an_interrupt_is_130_and_tells_what_failed_so_far(
    run: Run, cli: CommandLine, options: list[str], lines: int
) -> None:
    def interrupt(response: Response) -> Response:
        os.kill(cli.pid, signal.SIGINT)
        return response

    cli.answer = CodeDeploy(RUNNING, instead={GET: [None, interrupt]})
    ended = run("d-1", "--delay", "0", *options)
    assert (ended.status, ended.err, len(ended.lines)) == (130, INTERRUPTED, lines)
    assert options or ended.lines[2:] == [*WHY, "d-1 is not over: 1 InProgress, 1 Failed"]


def test_a_reader_that_goes_away_brings_no_traceback(cli: CommandLine) -> None:
    cli.answer = CodeDeploy(RUNNING)
    with cli.started("d-1", "--delay", "0.05") as process:
        process.wait_for(" i-1 InProgress")
        assert process.stdout is not None
        process.stdout.close()
        cli.answer = CodeDeploy(SUCCESS)
        ended = process.finish()
    assert (ended.status, ended.err) == (2, "")


def test_a_pipe_that_broke_is_silent(cli: CommandLine) -> None:
    cli.answer = CodeDeploy(SUCCESS)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", encoding="utf-8") as pipe:
        assert cli.run_here("d-1", stdout=pipe) == Ended(2, "", "")


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
def test_wrong_usage_is_2(args: list[str], cli: CommandLine) -> None:
    ended = cli.run_here(*args)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("usage: codedeploy-targets ")
    assert "codedeploy-targets: error: " in ended.err
    assert "_seconds" not in ended.err


def broken(operation: str, instead: Any, known: int = 0) -> CodeDeploy:
    return CodeDeploy(known=known, instead={operation: repeat(instead)})


def denied(code: str) -> CodeDeploy:
    return broken(GET, error(code))


ANY = CodeDeploy(known=0)
NO_STATUS = Response(b'{"deploymentInfo": {}}')
HTML = Response(b"<html>")
REFUSING = "http://127.0.0.1:1"
TLS: dict[str, str | None] = {"AWS_ENDPOINT_URL": "https://[::1]", "AWS_CA_BUNDLE": "/absent.pem"}
# What brings no answer: arguments, changes to the environment, the endpoint, and the advice.
NO_ANSWER: dict[str, tuple[str, dict[str, str | None], CodeDeploy, str]] = {
    "no credentials": ("d-1", dict.fromkeys(KEYS), ANY, "Sign in, or name a --profile."),
    "no region": ("d-1", {"AWS_DEFAULT_REGION": None}, ANY, "Add --region, or set AWS_DEFAU"),
    "a wrong region": ("d-1 --region a_b!", {}, ANY, "Check --region"),
    "an unknown profile": ("d-1 --profile nobody", {}, ANY, "See the profiles in"),
    "no such deployment": ("d-1", {}, denied("DeploymentDoesNotExistException"), "Check the id, "),
    "an invalid id": ("d-1", {}, denied("InvalidDeploymentIdException"), "looks like d-EXAMPLE11."),
    "a wrong endpoint": ("d-1", {"AWS_ENDPOINT_URL": "nowhere"}, ANY, "Check --region"),
    "no certificates": ("d-1", TLS, ANY, "codedeploy-targets: "),
    "a refused connection": ("d-1", {"AWS_ENDPOINT_URL": REFUSING}, ANY, "and the network."),
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
def test_no_answer_is_2_and_one_line_that_says_what_to_do(name: str, cli: CommandLine) -> None:
    args, env, cli.answer, advice = NO_ANSWER[name]
    cli.env = {name: text for name, text in {**cli.env, **env}.items() if text is not None}
    check_no_answer(cli.run_here(*args.split()), advice)


def test_no_answer_and_wrong_usage_are_2_in_a_real_process(cli: CommandLine) -> None:
    cli.answer = denied("AccessDeniedException")
    check_no_answer(cli.run("d-1"), "Allow codedeploy:Get*")
    assert cli.run("--delay", "soon", "d-1").status == 2


@needs_full_disk
def test_a_full_disk_is_one_line(cli: CommandLine) -> None:
    cli.answer = CodeDeploy(SUCCESS)
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ended = cli.run("d-1", stdout=full)
    assert ended == Ended(2, "", "codedeploy-targets: [Errno 28] No space left on device.\n")


@needs_full_disk
def test_errors_that_cannot_be_written_do_not_change_the_status(cli: CommandLine) -> None:
    cli.answer = CodeDeploy(RUNNING)
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        assert cli.run("d-1", "--timeout", "0", stderr=full).status == 124
        cli.answer = denied("AccessDeniedException")
        assert cli.run("d-1", stderr=full).status == 2


@pytest.mark.parametrize("closed", [1, 2])
def test_a_stream_may_be_closed(cli: CommandLine, closed: int) -> None:
    cli.answer = CodeDeploy(SUCCESS)
    shell = ["sh", "-c", f'exec "$0" "$@" {closed}>&-', *PROGRAM]
    assert cli.run("d-1", program=shell).status == 0


# The options.


@pytest.mark.parametrize(("account", "options"), [
    (MOTO_ACCOUNT, ["--region", "eu-west-2"]), ("1" * 12, ["--profile", "far"]),
], ids=["--region", "--profile"])  # fmt: skip
def test_region_and_profile_reach_the_client(
    account: str, options: list[str], cli: CommandLine, moto_url: str, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile far]\nregion = eu-west-2\ncredential_source = Environment\n"
        "role_arn = arn:aws:iam::111111111111:role/reader\n"
    )
    cli.env |= {"AWS_ENDPOINT_URL": moto_url, "AWS_CONFIG_FILE": str(config)}
    client = client_of(account, "eu-west-2", moto_url)
    with mock_deployment_targets() as targets:
        deployment_id = deploy(client, targets, put=[target("i-1")], status="Succeeded")
        assert cli.run_here(deployment_id).status == 2
        # The region of the environment would come before the profile's.
        del cli.env["AWS_DEFAULT_REGION"]
        ended = cli.run_here(deployment_id, *options)
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
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.env["COLUMNS"] = "100"
    assert cli.run_here("--help") == Ended(0, HELP)
    program = [SCRIPT] if SCRIPT.exists() else PROGRAM
    assert cli.run("--help", program=program) == Ended(0, HELP)
    # As `python -m` does, but in this process.
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delitem(sys.modules, "codedeploy_targets.__main__")
    monkeypatch.setattr(sys, "argv", ["codedeploy-targets", "--help"])
    with pytest.raises(SystemExit):
        runpy.run_module("codedeploy_targets", run_name="__main__")
    assert capsys.readouterr().out == HELP


# What it costs, and the demo.


def test_an_import_of_the_library_brings_nothing_of_the_command_line(cli: CommandLine) -> None:
    names = "'rich', 'argparse', 'codedeploy_targets._report', 'codedeploy_targets.__main__'"
    code = f"import codedeploy_targets, sys; print([n for n in ({names}) if n in sys.modules])"
    assert cli.run(program=[sys.executable, "-c", code]) == Ended(0, "[]\n")


def test_the_demo_shows_three_failed_of_sixty(cli: CommandLine) -> None:
    del cli.env["AWS_ENDPOINT_URL"]
    ended = cli.run(program=[sys.executable, DEMO])
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.endswith(" Failed: 57 Succeeded, 3 Failed\n")
    assert "\n2 failed in AfterInstall: ScriptFailed\n" in ended.out

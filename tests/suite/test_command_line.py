"""The command line's options and exit statuses, in real processes and in process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from io import StringIO
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from support.codedeploy import GET, LIST, CodeDeploy, Step
from support.command_line import KEYS, PROGRAM, PROGRAMS, CommandLine, Ended
from support.endpoint import Response, error
from support.mock_aws import MOTO_ACCOUNT, client_of, deploy
from support.pages import ids, target

from codedeploy_targets.testing import mock_deployment_targets

Answers = Callable[[], CodeDeploy]

BUSY = target("i-1", "InProgress", "Install")
FAILED = target("i-2", "Failed", "AfterInstall", message="exit 1")
OVER = [target("i-1"), FAILED]
RUNNING = Step("InProgress", [BUSY, FAILED])
PAST = target("i-1", "Succeeded", "Install")
# AWS skips the events after the one that failed.
SKIPPED = target("i-2", "Skipped", "ValidateService").lifecycle_events
FAILED_BEFORE = FAILED.model_copy(update={"lifecycle_events": [*FAILED.lifecycle_events, *SKIPPED]})
SUCCESS = Step("Succeeded", [target("i-1")])
FAILURE = Step("Failed", OVER, info={"errorInformation": {"code": "HEALTH", "message": "few left"}})
LINK = "us-east-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-1?region=us-east-1"
HEAD = f"d-1 app/group by user https://{LINK}"
BEGIN = [HEAD, "d-1 InProgress", "i-1 InProgress Install", "i-2 Failed AfterInstall: exit 1"]
WHY = [
    "1 failed in AfterInstall: ScriptFailed",
    "    targets   i-2", "    duration  1m15s", "    message   exit 1",
]  # fmt: skip
STOP = "aws deploy stop-deployment --deployment-id d-1 --region us-east-1"
GOES_ON = ["d-1 InProgress: 1 InProgress, 1 Failed", f"It goes on. To stop it: {STOP}"]
RUN = [*BEGIN, *WHY, *GOES_ON]
DENIED = error("AccessDeniedException")
GONE = error("DeploymentDoesNotExistException")
full_disk = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk here")


def running(**instead: Any) -> CodeDeploy:
    return CodeDeploy(RUNNING, instead=instead)


def hanging() -> CodeDeploy:
    codedeploy = CodeDeploy(RUNNING)
    codedeploy.hang(GET)
    return codedeploy


FAST, AT_ONCE, READY = "--delay 0.02", "--no-watch", "--delay 0.02 --until Ready"
OTHER, OTHER_PAST = (target("i-2", status, "Install") for status in ("InProgress", "Skipped"))
END = ["d-1 Failed: 1 Succeeded, 1 Failed"]
SIXTY = [target(each) for each in ids(60)]
NO_ROLLBACK = {"rollbackInfo": {"rollbackMessage": "no revision"}, "creator": None}
ROLLBACK = {"rollbackInfo": {"rollbackTriggeringDeploymentId": "d-0"}}
# How a run ends: the answers, the options, the status, the lines, and the error.
ENDINGS: dict[str, tuple[Answers, str, int, list[str], str]] = {
    "it succeeds": (lambda: CodeDeploy(Step("InProgress", [BUSY]), SUCCESS), FAST, 0, [
        *BEGIN[:3], "i-1 Succeeded", "d-1 Succeeded: 1 Succeeded"
    ], ""),
    "it failed": (lambda: CodeDeploy(FAILURE), "", 1, [
        HEAD, "i-1 Succeeded", BEGIN[3], *WHY, "HEALTH: few left", *END
    ], ""),
    "it was stopped, and as it stands": (lambda: CodeDeploy(Step("Stopped", OVER)), AT_ONCE, 1, [
        HEAD, "i-1 Succeeded", BEGIN[3], *WHY, "d-1 Stopped: 1 Succeeded, 1 Failed"
    ], ""),
    "it is not over, and as it stands": (running, AT_ONCE, 3, RUN, ""),
    "it has not started": (lambda: CodeDeploy(Step("Created")), AT_ONCE, 3, [
        HEAD, "d-1 Created", "d-1 Created: no targets", GOES_ON[1]
    ], ""),
    "it failed before it had targets": (lambda: CodeDeploy(Step("Failed")), "", 1, [
        HEAD, "d-1 Failed: no targets"
    ], ""),
    "denied later": (lambda: running(GetDeployment=[None, DENIED]), FAST, 2, RUN, "Allow codedep"),
    "gone later": (lambda: running(GetDeployment=[None, GONE]), FAST, 2, RUN, "Check the id and"),
    "denied once it is over": (
        lambda: CodeDeploy(SUCCESS, instead={LIST: [DENIED]}), FAST, 0,
        [HEAD, "d-1 Succeeded: 1 Succeeded"], "Allow codedeploy:Get*"
    ),
    "a timeout": (running, "--timeout 3 --delay 0.05", 124, RUN, "not over after 3.0 seconds."),
    "a call that hangs": (hanging, "--timeout 0.5", 124, [], "not over after 0.5 seconds."),
    "Ctrl-C": (running, FAST, 130, RUN, "Ended by SIGINT."),
    "a stop of the job": (running, FAST, 143, RUN, "Ended by SIGTERM."),
    "a terminal that closes": (running, FAST, 129, RUN, "Ended by SIGHUP."),
    "targets that AWS leaves out": (
        lambda: CodeDeploy(Step("Failed", SIXTY, frozenset(ids(60)[1:]))), "", 1, [
            HEAD, f"{ids(1)[0]} Succeeded",
            f"AWS returned nothing for {', '.join(ids(21)[1:])}, and 39 more",
            "d-1 Failed: 60 Succeeded",
        ], ""
    ),
    "ready": (lambda: CodeDeploy(RUNNING, Step("Ready", [BUSY, FAILED])), READY, 0, [
        *BEGIN, "d-1 Ready", *WHY, "d-1 Ready: 1 InProgress, 1 Failed", GOES_ON[1]
    ], ""),
    "past an event": (
        lambda: CodeDeploy(*(Step("InProgress", [PAST, each]) for each in (OTHER, OTHER_PAST))),
        f"{FAST} --until Install", 0, [
            *BEGIN[:2], "i-1 Succeeded", "i-2 InProgress Install", "i-2 Skipped",
            "d-1 InProgress: 1 Succeeded, 1 Skipped", GOES_ON[1],
        ], ""
    ),
    "stopped, as is awaited": (lambda: CodeDeploy(Step("Stopped")), "--until stopped", 0, [
        HEAD, "d-1 Stopped: no targets"
    ], ""),
    "over before": (lambda: CodeDeploy(RUNNING, FAILURE), READY, 1, [
        *BEGIN, "i-1 Succeeded", *WHY, "HEALTH: few left", *END, "It did not reach --until ready"
    ], ""),
    "failed before the event": (
        lambda: CodeDeploy(Step("InProgress", [FAILED_BEFORE]), Step("Failed", [FAILED_BEFORE])),
        f"{FAST} --until ValidateService", 1, [
            *BEGIN[:2], BEGIN[3], *WHY, "d-1 Failed: 1 Failed",
            "It did not reach --until validateservice",
        ], ""
    ),
    "nothing was rolled back": (lambda: CodeDeploy(Step("Failed", info=NO_ROLLBACK)), "", 1, [
        HEAD.replace(" by user", ""), "no revision", "d-1 Failed: no targets"
    ], ""),
    "no id": (lambda: CodeDeploy(Step("Created", info={"deploymentId": None})), AT_ONCE, 3, [
        HEAD, "d-1 Created", "d-1 Created: no targets", GOES_ON[1]
    ], ""),
    "a rollback": (lambda: CodeDeploy(Step("Succeeded", info=ROLLBACK)), "", 0, [
        HEAD, "d-1 Succeeded: no targets"
    ], ""),
    "an event that none has": (lambda: CodeDeploy(SUCCESS), "--until Instal", 0, [
        HEAD, "i-1 Succeeded", "d-1 Succeeded: 1 Succeeded", "It did not reach --until instal"
    ], ""),
}  # fmt: skip
SIGNALS = {130: signal.SIGINT, 143: signal.SIGTERM, 129: signal.SIGHUP}
SIGNALLED_AT_ITS_END = """
import os, sys
from codedeploy_targets.__main__ import main
class Late: __del__ = lambda self, kill=os.kill, pid=os.getpid(): kill(pid, 2)
sys.late = Late()  # it ends with the sys module, after Python has given up its signal handlers
sys.exit(main())
"""


@pytest.mark.parametrize("name", ENDINGS)
def test_every_run_ends_with_the_reasons_and_its_status(cli: CommandLine, name: str) -> None:
    def signal_once_shown(usual: Any) -> Any:
        cli.once_shown(BEGIN[3])(usual)
        os.kill(os.getpid(), SIGNALS[status])
        return usual

    answers, options, status, lines, told = ENDINGS[name]
    cli.answer = answers()
    if answers is hanging:  # in a process, which has to end though the call does not
        with cli.started("d-1", *options.split()) as process:
            ended = process.finish()
    else:
        if status in SIGNALS:
            cli.answer = running(GetDeployment=[None, signal_once_shown])
        ended = cli.run_here("d-1", *options.split())
    assert (ended.status, told in ended.err, ended.err.count("\n")) == (status, True, bool(told))
    assert ended.lines == lines


def test_a_second_signal_cuts_no_report(cli: CommandLine, tmp_path: Path) -> None:
    cli.answer = CodeDeploy(RUNNING)
    file = tmp_path / "file"
    program = [sys.executable, "-c", SIGNALLED_AT_ITS_END, "d-1", "--json-file", str(file)]
    with cli.started(*FAST.split(), program=program) as process:
        process.wait_for(BEGIN[3])
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        ended = process.finish()
    assert ended.status in {130, 143}  # the kernel delivers the lower number first
    assert (ended.lines, ended.err.count("\n")) == (RUN, 1)
    assert json.loads(file.read_bytes())["failures"]


def test_how_a_deployment_ended_counts_though_a_later_call_times_out(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = Config(read_timeout=0.3, retries={"total_max_attempts": 1})
    monkeypatch.setattr("codedeploy_targets.__main__._IMPATIENT", once)
    cli.answer = codedeploy = CodeDeploy(FAILURE)
    hang = codedeploy.hang(LIST)
    for options, told in ([], "Read timeout"), (["--timeout", "0.2"], "over, but not read whole"):
        ended = cli.run_here("d-1", *options)
        assert (ended.status, ended.lines) == (1, [HEAD, "HEALTH: few left", *END])
        assert told in ended.err
    hang.let_go()


@full_disk
def test_a_file_that_cannot_be_written_hides_no_failure(cli: CommandLine) -> None:
    cli.answer = CodeDeploy(FAILURE)
    ended = cli.run_here("d-1", "--json-file", "/dev/full")
    assert (ended.status, "No space left" in ended.err, ended.lines[-1:]) == (1, True, END)
    cli.answer = CodeDeploy(SUCCESS)
    assert cli.run_here("d-1", "--json-file", "/dev/full").status == 2
    cli.answer = CodeDeploy(FAILURE, instead={LIST: [DENIED]})
    ended = cli.run_here("d-1", "--json-file", "/dev/full")
    assert (ended.status, "Allow" in ended.err, "No space left" in ended.out) == (1, True, True)
    assert cli.run_here("d-1", "--json-file", "").status == 1  # as a CI's variable that is not set


def test_a_goal_counts_what_is_skipped_and_no_event_without_a_name(cli: CommandLine) -> None:
    unnamed, counts = {"status": "Succeeded"}, {"deploymentOverview": {"Pending": 3}}
    pairs = (BUSY, OTHER_PAST), (FAILED, PAST)
    past = [a.model_copy(update={"lifecycle_events": b.lifecycle_events}) for a, b in pairs]
    cli.answer = CodeDeploy(Step("InProgress", [*past, target("i-3", "Skipped")]))
    assert cli.run_here("d-1", "--until", "install", "--timeout", "9").status == 0
    for step in Step("InProgress", [PAST], info=counts), Step("InProgress"):
        cli.answer = CodeDeploy(step)
        assert cli.run_here("d-1", "--until", "Install", "--timeout", "0.3").status == 124
    cli.answer = CodeDeploy(*(Step("InProgress", each) for each in ([PAST, OTHER], [PAST])))
    ended = cli.run_here("d-1", *FAST.split(), "--until", "Install", "--timeout", "3")
    assert (ended.status, ended.lines[-2:]) == (0, ["d-1 InProgress: 1 Succeeded", GOES_ON[1]])
    busy = {"targetId": "i-1", "status": "InProgress", "lifecycleEvents": [unnamed]}
    cli.answer = CodeDeploy(Step("InProgress", [{"instanceTarget": busy}]))
    assert cli.run_here("d-1", "--timeout", "0.3").status == 124


USAGE = [
    *("", "d-1 d-2", "--group group", "--application app", "d-1 --application app --group group"),
    *("d-1 --delay soon", "d-1 --watch-closely", "d-1 --json-file /"),
]


@pytest.mark.parametrize("args", USAGE)
def test_wrong_usage_is_2(args: str, cli: CommandLine) -> None:
    ended = cli.run_here(*args.split())
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("usage: codedeploy-targets ")
    assert "codedeploy-targets: error: " in ended.err
    told = "error: name either a DEPLOYMENT, or an --application and its --group\n"
    assert (told in ended.err) is {"d-2", "soon", "--watch-closely", "/"}.isdisjoint(args.split())


def broken(operation: str, instead: Any, known: int = 0) -> CodeDeploy:
    return CodeDeploy(known=known, instead={operation: repeat(instead)})


def denied(code: str) -> CodeDeploy:
    return broken(GET, error(code))


ANY = CodeDeploy(Step("Failed"))
HTML = Response(b"<html>")
NETWORK, OTHER_ADVICE = "Check --region and the network.", "Check --region, --profile, the cred"
SSO = (
    "[default]\nsso_start_url=https://x\nsso_region=us-east-1\nsso_account_id=1\nsso_role_name=r\n"
)
NO_JSON = "[default]\ncredential_process=echo\n"
# What brings no answer: arguments, changes to the environment, the endpoint, and the advice.
NO_ANSWER: dict[str, tuple[str, dict[str, str | None], CodeDeploy, str]] = {
    "no credentials": ("d-1", dict.fromkeys(KEYS), ANY, "Sign in, or name a --profile."),
    "a broken file": ("d-1", {"AWS_SHARED_CREDENTIALS_FILE": "[x"}, ANY, OTHER_ADVICE),
    "an SSO session that is over": (
        "d-1", {**dict.fromkeys(KEYS), "AWS_CONFIG_FILE": SSO}, ANY, "Run `aws sso login`."
    ),
    "credentials that are no JSON": (
        "d-1", {**dict.fromkeys(KEYS), "AWS_CONFIG_FILE": NO_JSON}, ANY, OTHER_ADVICE
    ),
    "no region": ("d-1", {"AWS_DEFAULT_REGION": None}, ANY, "Add --region, or set AWS_DEFAULT_R"),
    "a wrong region": ("d-1 --region a_b!", {}, ANY, "doesn't match a supported format."),
    "an unknown profile": ("d-1 --profile nobody", {}, ANY, "found. See the profiles in "),
    "a timeout that is no number": ("d-1 --timeout nan", {}, ANY, "timeout must be at least 0"),
    "no such deployment": ("d-1", {}, denied("DeploymentDoesNotExistException"), "Check the id an"),
    "a refused connection": ("d-1", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, ANY, NETWORK),
    "throttled": ("d-1", {}, denied("ThrottlingException"), "with a longer --delay."),
    "another error": ("d-1", {}, denied("ExpiredTokenException"), OTHER_ADVICE),
    "no JSON": ("d-1", {}, broken(GET, HTML), "Try again; see whether a proxy"),
    "no file to write": ("d-1 --json-file /absent/file", {}, ANY, "No such file or directory"),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_ANSWER)
def test_no_answer_is_2_and_one_line_that_says_what_to_do(
    name: str,
    cli: CommandLine,
    tmp_path: Path,
    retry_at_once: None,  # noqa: ARG001
) -> None:
    args, env, cli.answer, advice = NO_ANSWER[name]
    file = tmp_path / "file"
    for variable, text in env.items():
        cli.env[variable] = text or ""
        if text is None:
            del cli.env[variable]
        elif text.startswith("["):
            file.write_text(text)
            cli.env[variable] = str(file)
    ended = cli.run_here(*args.split())
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert ended.err.startswith("codedeploy-targets: ")
    assert advice in ended.err
    assert ".." not in ended.err


# No target changes where the deployment ends: its line could fail before the end is known.
@pytest.mark.parametrize(("then", "status"), [
    (replace(RUNNING, status="Succeeded"), 0), (replace(RUNNING, status="Stopped"), 1),
    (replace(SUCCESS, status="Ready"), 2),
])  # fmt: skip
@pytest.mark.parametrize(("options", "line"), [([], " i-2 Failed"), (["--json"], '"i-2"')])
def test_a_reader_that_goes_away_brings_no_traceback(
    cli: CommandLine, options: list[str], line: str, then: Step, status: int, tmp_path: Path
) -> None:
    cli.answer = CodeDeploy(RUNNING)
    file = tmp_path / "file"
    with cli.started("d-1", "--delay", "0.05", "--json-file", str(file), *options) as process:
        process.wait_for(line)
        assert process.stdout is not None
        process.stdout.close()
        cli.answer = CodeDeploy(then)
        ended = process.finish()
    assert ended.status == status
    assert json.loads(file.read_bytes())["targets"][0]["target_id"] == "i-1"
    assert not re.search("Traceback|Error|codedeploy-targets:", ended.err)


@pytest.mark.parametrize(("options", "status"), [
    ([], 2), (["--no-watch"], 3), (["--until", "InProgress"], 0),
    (["--until", "InProgress", "--json"], 0),
])  # fmt: skip
def test_the_status_tells_what_is_known_though_the_reader_has_gone(
    cli: CommandLine, options: list[str], status: int
) -> None:
    cli.answer = CodeDeploy(RUNNING)
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w", encoding="utf-8") as gone:
        assert cli.main("d-1", *options, stdout=gone) == status


@full_disk
def test_a_full_disk_is_one_line_and_no_other_status(cli: CommandLine) -> None:
    cli.answer = CodeDeploy(RUNNING)
    told = "codedeploy-targets: [Errno 28] No space left on device.\n"
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        assert cli.run("d-1", stdout=full) == Ended(2, "", told)
        assert cli.run("d-1", "--timeout", "0", stderr=full).status == 124
    # In this process, too, which mutmut sees.
    cases = [("stdout", [], "InProgress", 2), ("stderr", ["--timeout", "0"], "InProgress", 124)]
    # What cannot be told of a success is no success, but a failure stays one.
    cases += [("stdout", [], "Succeeded", 2), ("stdout", [], "Failed", 1)]
    for stream, options, state, status in cases:
        cli.answer = CodeDeploy(replace(RUNNING, status=state))
        with Path("/dev/full").open("w", encoding="utf-8") as full:
            assert cli.main("d-1", *options, **{stream: full}) == status


@pytest.mark.parametrize(("closed", "stream"), [(1, "stdout"), (2, "stderr")])
def test_a_stream_may_be_closed(cli: CommandLine, closed: int, stream: str) -> None:
    cli.answer = CodeDeploy(SUCCESS)
    for other in (None, StringIO()):  # which is as bare as a notebook's
        assert cli.main("d-1", **{stream: other}) == 0
    warn = "PYTHONWARNDEFAULTENCODING=1 PYTHONWARNINGS=error::EncodingWarning"
    shell = ["sh", "-c", f'{warn} exec "$0" "$@" {closed}>&-', *PROGRAM]
    assert cli.run("d-1", program=shell).status == 0


def test_where_no_thread_can_be_started_all_is_told_at_the_end(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refused(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr("codedeploy_targets._report.Thread", Refused)
    cli.answer = running()
    ended = cli.run_here("d-1", AT_ONCE)
    assert (ended.status, ended.lines) == (3, RUN)


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
        if account == MOTO_ACCOUNT:
            cli.env["AWS_REGION"] = "eu-west-2"  # which comes before AWS_DEFAULT_REGION
            assert cli.run_here(deployment_id).status == 0
            cli.env["AWS_REGION"] = "eu-west-1"  # and after the option
        else:  # the region of the environment would come before the profile's
            del cli.env["AWS_DEFAULT_REGION"]
        ended = cli.run_here(deployment_id, *options)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.endswith(f"{deployment_id} Succeeded: 1 Succeeded\n")


def test_an_error_without_a_text_is_told_by_its_name(cli: CommandLine, tmp_path: Path) -> None:
    # Where nobody can type the code of an MFA device, as in CI.
    (tmp_path / "config").write_text(
        "[profile mfa]\ncredential_source = Environment\nrole_arn = arn:aws:iam::1:role/reader\n"
        "mfa_serial = arn:aws:iam::1:mfa/me\n"
    )
    cli.env["AWS_CONFIG_FILE"] = str(tmp_path / "config")
    no_terminal = {"stdin": subprocess.DEVNULL, "start_new_session": True}
    ended = cli.run("d-1", "--profile", "mfa", **no_terminal)
    assert (ended.status, ended.out) == (2, "")
    assert "codedeploy-targets: EOFError. Check --region, --profile, the cred" in ended.err


def test_the_advice_to_stop_it_names_the_profile(cli: CommandLine, tmp_path: Path) -> None:
    keys = "aws_access_key_id = testing\naws_secret_access_key = testing\n"
    (tmp_path / "config").write_text(f"[profile 'my own']\n{keys}")
    cli.env["AWS_CONFIG_FILE"] = str(tmp_path / "config")
    cli.answer = running()
    told = cli.run_here("d-1", "--no-watch", "--profile", "my own").lines[-1]
    assert told == f"{GOES_ON[1]} --profile 'my own'"


@pytest.mark.parametrize(("region", "domain"), [
    ("", "aws.amazon.com"), ("eu-west-1", "aws.amazon.com"), ("cn-north-1", "amazonaws.cn"),
    ("us-gov-west-1", "amazonaws-us-gov.com"), ("us-iso-east-1", ""),
])  # fmt: skip
def test_the_link_leads_to_the_console(cli: CommandLine, region: str, domain: str) -> None:
    cli.env["AWS_REGION"] = ""  # which counts as not given, as an option does
    cli.answer = CodeDeploy(Step("Succeeded", info={"description": "Release 7\nhotfix"}))
    link = f" https://{LINK}".replace("aws.amazon.com", domain)
    link = link.replace("us-east-1", region or "us-east-1")
    head = cli.run_here("d-1", "--region", region, "--profile", "").lines[0]
    assert head == f"d-1 app/group by user Release 7 hotfix{link if domain else ''}"


@pytest.mark.parametrize(("newest", "status", "lines"), [
    ({"deploymentId": "d-1"}, 1, [HEAD, "d-1 Failed: no targets"]),
    ({"deploymentId": "d-2"}, 1, [HEAD, "Rolled back by d-2 Succeeded", "d-1 Failed: no targets"]),
    ({}, 2, []),
    (None, 2, []),
], ids=["a deployment", "a rollback", "none", "a page of a proxy"])  # fmt: skip
def test_a_group_reports_its_newest_deployment_or_what_that_rolls_back(
    cli: CommandLine, newest: Any, status: int, lines: list[str]
) -> None:
    failed = CodeDeploy(Step("Failed"), instead={GET: [None, DENIED]})  # asked once
    back = {"deploymentId": "d-2", "rollbackInfo": {"rollbackTriggeringDeploymentId": "d-1"}}
    rollback = CodeDeploy(Step("Succeeded", info=back))

    def answer(operation: str, params: Any) -> Response:
        if operation == "GetDeploymentGroup":
            assert params == {"applicationName": "app", "deploymentGroupName": "group"}
            group = {"deploymentGroupInfo": {"lastAttemptedDeployment": newest}}
            return Response(b"<html>" if newest is None else json.dumps(group).encode())
        asked = rollback if params["deploymentId"] == "d-2" else failed
        return asked(operation, {**params, "deploymentId": "d-1"})

    cli.answer = answer
    ended = cli.run_here("--application", "app", "--group", "group", "--timeout", "99")
    assert (ended.status, ended.lines) == (status, lines)
    assert (": GetDeploymentGroup names no deployment of group.\n" in ended.err) is (not newest)


@pytest.mark.parametrize("slow", ["GetDeploymentGroup", GET])
def test_a_timeout_counts_from_the_search_for_a_group_s_deployment(
    cli: CommandLine, slow: str
) -> None:
    def answer(operation: str, params: Any) -> Response:
        asked.append(operation)
        time.sleep(1.1 * (operation == slow))
        if operation == GET:
            return usual(operation, params)
        group = {"lastAttemptedDeployment": {"deploymentId": "d-1"}}
        return Response(json.dumps({"deploymentGroupInfo": group}).encode())

    cli.answer, usual, asked = answer, CodeDeploy(RUNNING), list[str]()
    ended = cli.run_here("--application", "app", "--group", "group", "--timeout", "1")
    assert (ended.status, asked) == (124, ["GetDeploymentGroup", GET][: 1 + (slow == GET)])
    assert f"d-1 is not {'over' if slow == GET else 'read'} after " in ended.err
    assert ended.lines == ([HEAD, "d-1 InProgress", *GOES_ON] if slow == GET else [])


HELP = [
    "DEPLOYMENT its id, like d-EXAMPLE11",
    "--application NAME its --group's newest, or what that rolled back",
    "--group NAME the deployment group",
    "--no-watch tell how it stands, and end",
    "--until GOAL end once it has this status, or all targets are past this event",
    "--json write each target as a line of JSON",
    "--json-file FILE where to write all as JSON at the end",
    "--region REGION the AWS region",
    "--profile PROFILE the profile in ~/.aws/config",
    "--delay SECONDS from round to round (5)",
    "--timeout SECONDS when to give up following (never)",
]


def test_help_and_version_are_told(cli: CommandLine) -> None:
    told = " ".join(cli.run_here("--help").out.split())
    assert [text for text in HELP if text not in told] == []
    assert cli.run_here("--version").out == f"codedeploy-targets {version('codedeploy-targets')}\n"
    ended = cli.run("--help", program=PROGRAMS[-1])
    told = "3 not over yet (--no-watch), 124 timeout, 129 SIGHUP, 130 Ctrl-C, 143 SIGTERM."
    assert (ended.status, told in " ".join(ended.out.split())) == (0, True)

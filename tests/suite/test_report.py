"""What the command line shows: lines for a log, JSON, and the live view of a terminal."""

from __future__ import annotations

import re
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import TypeAdapter
from support.codedeploy import READ, CodeDeploy, Step
from support.command_line import PROGRAM, CommandLine, frames, without_times
from support.endpoint import Response, error
from support.pages import BEGIN, fleet, page, target

from codedeploy_targets import BatchGetDeploymentTargetsOutput, DeploymentTarget, InstanceTarget

if TYPE_CHECKING:
    from collections.abc import Sequence

CTRL_C = "\x03"
BUSY = target("i-1", "InProgress", "Install")
# It would change the title, erase the screen, colour it, turn the text round, move the cursor.
EVIL = "\x1b]0;title\x07\x1b[2J\x9b2J\u202e\0[red]\rx"
STEERING = ("\x1b]", "\x07", "\x1b[2J", "\x9b", "\u202e", "\0")


def evil_targets() -> list[dict[str, Any]]:
    names = dict.fromkeys(("errorCode", "scriptName", "message"), EVIL)
    event: Any = {"lifecycleEventName": EVIL, "startTime": 1}
    event["diagnostics"] = {**names, "logTail": f"{EVIL}\n {EVIL}"}
    members = {"instanceTarget": "Failed", "ecsTarget": "InProgress", "lambdaTarget": EVIL}
    envelopes: list[dict[str, Any]] = []
    for number, (member, status) in enumerate(members.items(), 1):
        events = [{**event, "status": status}]
        payload = {"targetId": f"{number}{EVIL}", "status": status, "lifecycleEvents": events}
        envelopes.append({member: payload})
    return [*envelopes, {"deploymentTargetType": EVIL, "newTarget": {"targetId": f"4{EVIL}"}}]


def show(cli: CommandLine, targets: Sequence[Any], **options: Any) -> str:
    """Return what is shown of a deployment that failed."""
    cli.answer = CodeDeploy(Step("Failed", targets))
    ended = cli.run_here("d-1", **options)
    assert (ended.status, ended.err) == (1, "")
    return ended.out


# The plain report.


def test_a_group_of_failures_is_told_once(cli: CommandLine) -> None:
    log = "".join(f"line {n}\n" for n in range(30)) + "Traceback:\n  \x1b[31mr\x1b[0;1med\x1b[0m\n"
    log += "a\x1bb\tc\x9bd  \n" + "\x1b[0m\n" * 10
    ids = ["i-0", *(f"i-{n:017x}" for n in range(25))]
    why: Any = {"script_name": "a.sh", "message": "exit 1"}
    many = [target(each, "Failed", "AfterInstall", **why) for each in ids[1:]]
    first = target("i-0", "Failed", "AfterInstall", seconds=3.6, log_tail=log, **why)
    alone = target("i-alone", "Failed", "AfterInstall")
    lines = show(cli, [alone, first, *many]).splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d i-alone Failed AfterInstall", lines[0])
    assert lines[27:] == [
        "26 failed in AfterInstall: ScriptFailed",
        f"    targets   {', '.join(ids[:4])},",
        *(f"              {', '.join(ids[n : n + 4])}," for n in (4, 8, 12)),
        f"              {', '.join(ids[16:20])},",
        "              and 6 more",
        "    duration  4 s",
        "    script    a.sh",
        "    message   exit 1",
        "    log       line 23",
        *(f"              line {n}" for n in range(24, 30)),
        "              Traceback:",
        "                red",
        "              a b c d",
        "1 failed in AfterInstall: ScriptFailed",
        "    targets   i-alone",
        "    duration  1 min 15 s",
        "d-1 Failed: 27 Failed",
    ]


def test_the_ids_of_a_group_are_wrapped_and_never_broken(cli: CommandLine) -> None:
    ids = [*(f"cluster-{n}:{'service-' * 10}" for n in range(12)), *(f"i-{n}" for n in range(8))]
    shown = show(cli, [target(each, "Failed") for each in [*ids, "i-20"]])
    lines = [line[14:] for line in shown.splitlines()[22:-1]]
    assert lines == [*(f"{each}," for each in ids[:12]), f"{', '.join(ids[12:])}, and 1 more"]


@pytest.mark.parametrize(("length", "shown"), [(300, "x" * 300), (4096, f"{'x' * 300}…")])
def test_long_texts_are_cut(cli: CommandLine, length: int, shown: str) -> None:
    long = "x" * length
    why: Any = {"script_name": long, "message": long, "log_tail": f"{long}\n{long}"}
    lines = show(cli, [target("i-1", "Failed", "Install", **why)]).splitlines()
    assert [line[14:] for line in lines[4:-1]] == [shown] * 4
    assert all(len(line) < 330 for line in show(cli, fleet(**{long: "Failed"})).split())


def test_what_the_service_leaves_out_is_left_out(cli: CommandLine) -> None:
    failed: Any = {"targetId": "i-1", "status": "Failed"}
    failed["lifecycleEvents"] = [{"status": "Failed", "diagnostics": {}}]
    shown = show(cli, [{"instanceTarget": failed}, {"ecsTarget": {"targetId": "i-2"}}])
    assert without_times(shown.splitlines()) == [
        "i-1 Failed",
        "i-2",
        "1 failed",
        "    targets   i-1",
        "d-1 Failed: 1 Failed, 1 without status",
    ]


def test_a_failed_target_without_an_id_is_told(cli: CommandLine) -> None:
    answers = {READ: [Response(page([{"instanceTarget": {"status": "Failed"}}]))]}
    cli.answer = CodeDeploy(Step("Failed", fleet(a="Failed")), instead=answers)
    assert "    targets   without id" in cli.run_here("d-1").lines


@pytest.mark.parametrize("options", [[], ["--no-watch"]], ids=["watched", "as it stands"])
def test_the_error_of_the_deployment_and_what_is_missing_are_told(
    cli: CommandLine, options: list[str]
) -> None:
    cause = {"code": "HEALTH_CONSTRAINTS", "message": f"Too many failed.\n{EVIL}"}
    instances = [target(each) for each in ("i-1", "i-2", "i-3")]
    step = Step("Failed", instances, frozenset({"i-2", "i-3"}), {"errorInformation": cause})
    cli.answer = CodeDeploy(step)
    ended = cli.run_here("d-1", *options)
    assert not any(text in ended.out for text in (*STEERING, "\r"))
    lines = ended.lines
    assert lines[:2] == ["i-1 Succeeded", "AWS returned nothing for i-2, i-3"]
    assert lines[2].startswith("HEALTH_CONSTRAINTS: Too many failed.")
    assert lines[3:] == ["d-1 Failed: 1 Succeeded"]


def test_what_the_service_sends_steers_no_terminal(cli: CommandLine) -> None:
    other = target("i-5", "Failed", "Install", message="Größe: 漢")
    cli.answer = CodeDeploy(Step("Failed", [*evil_targets(), other]))
    # Nor does it need characters that the locale's encoding lacks.
    cli.env["PYTHONIOENCODING"] = "ascii"
    ended = cli.run("d-1")
    assert (ended.status, ended.err) == (1, "")
    assert not any(text in ended.out for text in (*STEERING, "\x1b", "\r"))
    assert ended.out.isascii()
    assert "    message   Gr??e: ?\n" in ended.out
    assert [line[0] for line in ended.lines[:4]] == ["1", "2", "3", "4"]
    # All of its texts are there, markup and all: the id, the event, the code, the script...
    assert ended.out.count("[red]") == 15


def test_the_json_is_that_of_the_models_and_nothing_else(cli: CommandLine) -> None:
    failed = target("i-1", "Failed", "Install", message="é…\u2028").to_boto3()
    cli.answer = CodeDeploy(Step("Failed", [*evil_targets(), failed]))
    cli.env["PYTHONIOENCODING"] = "ascii"
    ended = cli.run("d-1", "--json")
    assert (ended.status, ended.err) == (1, "")
    assert ended.out.isascii()
    assert not any(text in ended.out for text in (*STEERING, "\r"))
    assert cli.run_here("d-1", "--json") == ended
    sent = BatchGetDeploymentTargetsOutput.from_boto3(
        {"deploymentTargets": [*evil_targets(), failed]}
    )
    told = [TypeAdapter[Any](DeploymentTarget).validate_json(line) for line in ended.lines]
    assert told == sent.deployment_targets


# The live view.


def test_a_terminal_shows_it_live(cli: CommandLine) -> None:
    hour_ago = datetime.now(timezone.utc) - timedelta(seconds=3725)
    hanging = target("i-hanging", "InProgress", "ValidateService", begin=hour_ago)
    others = [*(target(f"i-{n}", "Pending") for n in range(30)), target("i-done")]
    cli.answer = CodeDeploy(Step("InProgress", [*others, hanging]))
    with cli.terminal("d-1", "--delay", "0.05") as screen:
        screen.wait_for("1 of 32 done, 0 failed", "and 10 more")
        assert re.match("d-1  [╸━]", screen.rows[0])
        assert re.fullmatch(r"i-hanging +InProgress +ValidateService +62 min \d+ s", screen.rows[1])
        assert re.fullmatch(r"i-0 +Pending", screen.rows[2])
        assert len(screen.rows) == 23
        assert screen.colours_of("1 of 32 done") == {"green"}
        screen.resize(10, 90)
        screen.wait_for("and 24 more")
        assert len(screen.rows) == 9
        broken = target("i-hanging", "Failed", "AfterInstall", log_tail="out of memory")
        cli.answer = CodeDeploy(Step("InProgress", [*others, broken]))
        screen.wait_for("2 of 32 done, 1 failed", "i-hanging Failed AfterInstall")
        assert screen.colours_of("2 of 32 done") == {"red"}
        rest = [target(str(each.target_id)) for each in others]
        cli.answer = CodeDeploy(Step("Failed", [*rest, broken]))
        assert screen.finish() == 1
        assert screen.shows_cursor()
        assert without_times(screen.rows) == [
            "i-hanging Failed AfterInstall",
            "1 failed in AfterInstall: ScriptFailed",
            "    targets   i-hanging",
            "    duration  1 min 15 s",
            "    log       out of memory",
            "d-1 Failed: 31 Succeeded, 1 Failed",
        ]


def test_an_interrupt_leaves_the_terminal_as_it_was(cli: CommandLine) -> None:
    cli.env["NO_COLOR"] = "1"
    failed = target("i-2", "Failed")
    cli.answer = CodeDeploy(Step("InProgress", [BUSY, failed]))
    with cli.terminal("d-1", "--delay", "0.05") as screen:
        screen.wait_for("1 of 2 done, 1 failed")
        # Once a later round is drawn, the line of the failure is surely written.
        later = target("i-1", "InProgress", "ValidateService")
        cli.answer = CodeDeploy(Step("InProgress", [later, failed]))
        screen.wait_for("ValidateService")
        screen.press(CTRL_C)
        assert screen.finish() == 130
        assert screen.shows_cursor()
        assert without_times(screen.rows) == [
            "i-2 Failed",
            "1 failed",
            "    targets   i-2",
            "d-1 is not over: 1 InProgress, 1 Failed",
            "codedeploy-targets: Interrupted; the deployment goes on.",
        ]
        assert not re.search(rb"\x1b\[[\d;]*3\dm", screen.written)


def test_an_error_leaves_the_terminal_as_it_was(cli: CommandLine) -> None:
    cli.answer = CodeDeploy(Step("InProgress", [BUSY]))
    with cli.terminal("d-1", "--delay", "0.05") as screen:
        screen.wait_for("0 of 1 done, 0 failed")
        cli.answer = lambda *_: error("DeploymentDoesNotExistException")
        assert screen.finish() == 2
        assert screen.shows_cursor()
        assert screen.text.startswith("codedeploy-targets: An error occurred")
        assert "━" not in screen.text


def test_what_the_service_sends_steers_no_live_view(cli: CommandLine) -> None:
    cli.answer = CodeDeploy(Step("InProgress", evil_targets()))
    with cli.terminal("d-1", "--delay", "0.05") as screen:
        screen.wait_for("1 of 4 done, 1 failed")
        assert [row for row in screen.rows if row.startswith(("2", "3", "4"))]
        cli.answer = CodeDeploy(Step("Failed", evil_targets()))
        assert screen.finish() == 1
        assert not any(text.encode() in screen.written for text in STEERING)
        assert b"[red]" in screen.written


HIDE_RICH = """import runpy, sys
sys.modules["rich"] = None
runpy.run_module("codedeploy_targets", run_name="__main__")"""


@pytest.mark.parametrize(("program", "term"), [
    ([sys.executable, "-c", HIDE_RICH], "xterm"),
    (PROGRAM, "dumb"),
    ([*PROGRAM, "--no-watch"], "xterm"),
], ids=["no rich", "a dumb terminal", "nothing to watch"])  # fmt: skip
def test_a_terminal_shows_plain_lines_where_it_cannot_be_live(
    cli: CommandLine, program: Sequence[str], term: str
) -> None:
    cli.env["TERM"] = term
    cli.answer = CodeDeploy(Step("Succeeded", [target("i-1")]))
    with cli.terminal("d-1", program=program) as screen:
        assert screen.finish() == 0
        lines = screen.written.decode().splitlines()
    assert without_times(lines) == ["i-1 Succeeded", "d-1 Succeeded: 1 Succeeded"]


def test_a_terminal_in_process_without_rich_shows_plain_lines(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    assert "\x1b" not in show(cli, [target("i-1")], size=(24, 100))


def test_the_live_view_is_drawn_so(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    monkeypatch.setattr("time.time", lambda: BEGIN.timestamp() + 3725)

    def drawn(*targets: InstanceTarget, height: int = 6) -> list[str]:
        """Return the last frame, with its colours."""
        shown = show(cli, targets, size=(height, 62))
        frame = [each for each in frames(shown) if each.startswith("d-1  ")][-1]
        for code, colour in ("32", "green"), ("31", "red"), ("38;5;237", "grey"), ("0", ""):
            frame = frame.replace(f"\x1b[{code}m", f"<{colour}>")
        return [line.rstrip() for line in frame.rstrip("\n").split("\n")]

    def busy(target_id: str, seconds: float) -> InstanceTarget:
        begin = BEGIN + timedelta(seconds=seconds)
        return target(target_id, "InProgress", "Install", begin=begin)

    pending, untold = target("i-pending", "Pending"), InstanceTarget(target_id="i-untold")
    targets = [pending, busy("i-ahead", 3800), busy("i-new", 3700), busy("i-old", 0), untold]
    assert drawn(*targets, target("i-over"), height=8) == [
        f"d-1  <green>{'━' * 5}<><grey>╺<><grey>{'━' * 24}<>  <green>1 of 6 done, 0 failed<>",
        "i-old      InProgress  Install  62 min 5 s",
        "i-new      InProgress  Install  25 s",
        "i-ahead    InProgress  Install  0 s",
        "i-pending  Pending",
        "i-untold",
    ]
    assert drawn(target("i-wrong", "Failed"), *targets[:2], height=4) == [
        f"d-1  <red>{'━' * 10}<><grey>╺<><grey>{'━' * 19}<>  <red>1 of 3 done, 1 failed<>",
        "i-ahead  InProgress  Install  0 s",
        "and 1 more",
    ]
    done = f"d-1  <green>{'━' * 30}<>  <green>2 of 2 done, 0 failed<>"
    assert drawn(target("i-1"), target("i-2")) == [done]
    assert drawn() == [f"d-1  <grey>{'━' * 30}<>  <green>no targets yet<>"]
    # On a screen that is too low, the longest wait is shown; a long name takes one line.
    rows = drawn(busy(f"i-{'x' * 80}", 0), pending, height=1)[1:]
    assert [row[:3] for row in rows] == ["i-x", "and"]

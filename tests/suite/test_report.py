"""What the command line shows: lines for a log, JSON, and the live view of a terminal."""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from support.codedeploy import GET, READ, CodeDeploy, Step
from support.command_line import CommandLine, frames, without_times
from support.endpoint import Response, error
from support.pages import BEGIN, fleet, ids, page, target

import codedeploy_targets as ct
from codedeploy_targets import _report

BUSY = target("i-1", "InProgress", "Install")
# It would change the title, erase the screen, colour it, turn the text round, move the cursor.
EVIL = "\x1b]0;title\x07\x1b[2J\x9b2J\u202e\0[red]\rx"
STEERING = ("\x1b]", "\x07", "\x1b[2J", "\x9b", "\u202e", "\0")
# What GitHub's and Azure's runners, and TeamCity, take as commands.
COMMANDS = (
    "::add-mask::e\n  ::error::x\n\u3000::set-output name=a::b\nsee ##[error]no\n"
    "##\x1b[0m[group]\n###[endgroup]\n a ##vso[task.setvariable variable=a]b\n##teamcity[x]"
)


def commands(out: str) -> list[str]:
    """Return the lines that a CI runner takes as commands."""
    return [each for each in out.splitlines() if re.search(r"^\s*::|##\w*\[", each)]


def evil_targets(evil: str) -> list[dict[str, Any]]:
    names = dict.fromkeys(("errorCode", "scriptName", "message"), evil)
    event: Any = {"lifecycleEventName": evil, "startTime": 1}
    event["diagnostics"] = {**names, "logTail": f"{evil}\n {evil}"}
    members = {"instanceTarget": "Failed", "ecsTarget": "InProgress", "lambdaTarget": evil}
    envelopes: list[dict[str, Any]] = []
    for number, (member, status) in enumerate(members.items(), 1):
        events = [{**event, "status": status}]
        payload = {"targetId": f"{evil}{number}", "status": status, "lifecycleEvents": events}
        envelopes.append({member: payload})
    return [*envelopes, {"deploymentTargetType": evil, "newTarget": {"targetId": f"{evil}4"}}]


def evil_step(evil: str, *others: ct.InstanceTarget) -> Step:
    info: Any = {"errorInformation": {"code": evil, "message": evil}, "description": evil}
    info["rollbackInfo"] = {"rollbackDeploymentId": evil, "rollbackMessage": evil}
    info |= dict.fromkeys(("applicationName", "deploymentGroupName", "creator"), evil)
    return Step("Failed", [*evil_targets(evil), *others], info=info)


def show(cli: CommandLine, targets: Sequence[Any], *options: str, **more: Any) -> list[str]:
    """Return the lines that are shown of a deployment that failed, but for the first."""
    cli.answer = CodeDeploy(Step("Failed", targets))
    ended = cli.run_here("d-1", *options, **more)
    assert (ended.status, ended.err) == (1, "")
    return ended.lines[1:]


DENIED = error("AccessDeniedException")


# The plain report.


def test_a_group_of_failures_is_told_once(cli: CommandLine) -> None:
    log = "".join(f"line {n}\n" for n in range(30)) + "Traceback:\n  \x1b[31mr\x1b[0;1med\x1b[0m\n"
    log += "a\x1bb\tc\x9bd  \n" + "\x1b[0m\n" * 10
    names = ["i-0", *ids(25)]
    why: Any = {"script_name": "a.sh", "message": "exit 1"}
    many = [target(each, "Failed", "AfterInstall", **why) for each in names[1:]]
    first = target("i-0", "Failed", "AfterInstall", seconds=0.4, log_tail=log, **why)
    alone = target("i-alone", "Failed", "AfterInstall")
    lines = show(cli, [alone, first, *many])
    assert lines[0] == "i-alone Failed AfterInstall: ScriptFailed"
    assert lines[1] == "i-0 Failed AfterInstall: exit 1"
    assert lines[27:] == [
        "26 failed in AfterInstall: ScriptFailed",
        f"    targets   {', '.join(names[:4])},",
        *(f"              {', '.join(names[n : n + 4])}," for n in (4, 8, 12)),
        f"              {', '.join(names[16:20])},",
        "              and 6 more",
        "    duration  0s",
        "    script    a.sh",
        "    message   exit 1",
        "    log       line 13",
        *(f"              line {n}" for n in range(14, 30)),
        "              Traceback:",
        "                red",
        "              a b c d",
        "1 failed in AfterInstall: ScriptFailed",
        "    targets   i-alone",
        "    duration  1m15s",
        "d-1 Failed: 27 Failed",
    ]


def test_ids_are_wrapped_at_the_width_of_the_terminal_and_never_broken(cli: CommandLine) -> None:
    names = [*(f"cluster-{n}:{'service-' * 10}" for n in range(12)), *(f"i-{n}" for n in range(8))]
    failed = [target(each, "Failed") for each in [*names, "i-20"]]
    lines = [line[14:] for line in show(cli, failed)[22:-1]]
    assert lines == [*(f"{each}," for each in names[:12]), f"{', '.join(names[12:])}, and 1 more"]
    assert show(cli, failed[:20])[-2].endswith("i-7")
    long = [f"cluster-{n}:{'service-' * 10}" for n in range(25)]
    lines = [line[14:] for line in show(cli, [target(each, "Failed") for each in long])[26:-1]]
    assert lines == [*(f"{each}," for each in long[:20]), "and 5 more"]
    sizes: dict[int, Any] = {84: {}, 26: {"size": (24, 40)}, 20: {"size": (24, 30)}}
    for width, options in sizes.items():
        for last in ("c" * (width - 6), "c" * (width - 5)):
            failed = [target(each, "Failed") for each in ("a", "b", last)]
            _, first, *more = show(cli, failed, "--no-watch", **options)[3:-1]
            fits = len(f"a, b, {last}") == width
            assert first == f"    targets   a, b,{fits * f' {last}'}"
            assert more == [f"{'':13} {last}"] * (not fits)


@pytest.mark.parametrize(("length", "shown"), [(4186, "x" * 4186), (5000, f"{'x' * 4186}…")])
def test_a_text_longer_than_a_log_is_cut(cli: CommandLine, length: int, shown: str) -> None:
    long = "x" * length
    why: Any = {"script_name": long, "message": long, "log_tail": f"{long}\n{long}"}
    lines = show(cli, [target("i-1", "Failed", "Install", **why)])
    assert [line[14:] for line in lines[4:-1]] == [shown] * 4
    assert all(len(line) < 330 for line in show(cli, fleet(**{long: "Failed"})))


def test_what_the_service_leaves_out_is_left_out(cli: CommandLine) -> None:
    failed: Any = {"targetId": "i-1", "status": "Failed"}
    failed["lifecycleEvents"] = [{"status": "Failed", "diagnostics": {}}]
    kinds = ("instanceTarget", "ecsTarget")
    unnamed = Response(page([{each: {"status": "Failed"}} for each in kinds]))
    told = ["i-1 Failed", "i-2", "1 failed", "    targets   i-1"]
    shown = show(cli, [{"instanceTarget": failed}, {"ecsTarget": {"targetId": "i-2"}}])
    assert shown == [*told, "d-1 Failed: 1 Failed, 1 without status"]
    cli.answer = CodeDeploy(Step("Failed", fleet(a="Failed")), instead={READ: [unnamed]})
    assert "    targets   without id, without id" in cli.run_here("d-1").lines


def test_two_thousand_reasons_are_counted_beyond_the_largest_twenty(cli: CommandLine) -> None:
    failed = [target(each, "Failed", "Install", message=each) for each in ids(2_000)]
    lines = show(cli, [*failed, *fleet(a="Failed", b="Failed")])
    assert lines[-2] == "and 1981 more failed, for 1981 other reasons"
    assert lines[2_002:2_004] == ["2 failed", "    targets   a, b"]
    assert len(lines) < 2_100


def test_a_line_is_told_only_where_a_reader_sees_something_new(cli: CommandLine) -> None:
    at = BEGIN + timedelta(seconds=9)
    touched = BUSY.model_copy(update={"last_updated_at": at})
    between = target("i-1", "InProgress")
    steps = [Step("InProgress", [each]) for each in (BUSY, touched, between, touched)]
    cli.answer = CodeDeploy(*steps, Step("Succeeded", [target("i-1")]))
    ended = cli.run_here("d-1", "--delay", "0")
    assert ended.lines[1:4] == ["d-1 InProgress", "i-1 InProgress Install", "i-1 InProgress"]
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in ended.out.splitlines()[1:-1])
    assert ended.lines[4:] == ["i-1 Succeeded", "d-1 Succeeded: 1 Succeeded"]
    for first, last in ("exit 1", "exit 1\n"), ("exit\x001", "exit 1"), ("x" * 300, "x" * 301):
        one, other = (target("i-1", "Failed", "Install", message=each) for each in (first, last))
        cli.answer = CodeDeploy(Step("InProgress", [one]), Step("Failed", [other]))
        lines = cli.run_here("d-1", "--delay", "0").lines
        assert sum("i-1 Failed" in line for line in lines) == 1


def test_sides_of_a_blue_green_deployment_are_told_apart(cli: CommandLine, tmp_path: Path) -> None:
    labels = ["Blue", "Green"]
    both = [{"targetId": "i-1", "instanceLabel": each, "status": "Failed"} for each in labels]
    read = Response(page([{"instanceTarget": each} for each in both]))
    cli.answer = CodeDeploy(Step("Failed", fleet(**{"i-1": "Failed"})), instead={READ: [read]})
    lines = cli.run_here("d-1", "--json-file", str(tmp_path / "file")).lines
    assert lines[1:4] == ["i-1 Blue Failed", "i-1 Green Failed", "2 failed"]
    assert lines[4] == "    targets   i-1 Blue, i-1 Green"
    document = json.loads((tmp_path / "file").read_text(encoding="utf-8"))
    assert [each["instance_label"] for each in document["targets"]] == labels


def test_signs_of_life_come_each_minute(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic
    monkeypatch.setattr("time.monotonic", lambda: now() * 200)
    monkeypatch.setattr(_report, "_TICK", 0.01)
    late = cli.once_shown("no answer for 3m", DENIED)
    cli.answer = CodeDeploy(Step("InProgress", [BUSY]), instead={GET: [None, late]})
    begin = time.monotonic()
    signs = cli.run_here("d-1", "--delay", "0").lines[3:-2]
    assert len(signs) <= (time.monotonic() - begin) / 60
    seconds = [60 * int(m) + int(s) for m, s in re.findall(r"for (\d+)m(\d\d)s", " ".join(signs))]
    assert min(later - earlier for earlier, later in itertools.pairwise(seconds)) < 100
    # Sooner than a minute after the last answer, it does not tell that none came since.
    silence = r"d-1 InProgress: 1 InProgress(, no answer for [1-9]\d*m\d\ds)?"
    assert all(re.fullmatch(silence, sign) for sign in signs)
    assert "no answer for " in signs[-1]
    # Also where something changes more often than that.
    steps = [Step("InProgress", [target("i-1", "InProgress", f"E{n}")]) for n in range(15)]
    cli.answer = CodeDeploy(*steps, Step("Succeeded"), delay=0.02)
    assert "d-1 InProgress: 1 InProgress" in cli.run_here("d-1", "--delay", "0").lines


def test_a_terminal_tells_that_no_answer_comes(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rich")
    now = time.monotonic
    monkeypatch.setattr("time.monotonic", lambda: now() * 200)
    late = cli.once_shown("no answer for ", DENIED)
    cli.answer = CodeDeploy(Step("InProgress", [BUSY]), instead={GET: [None, late]})
    last = views(cli.run_here("d-1", "--delay", "0", size=(24, 100)).out)[-1]
    assert re.search(r"0 of 1 done, 0 failed, no answer for [1-9]\d*m\d\ds  ─", last)


def test_traffic_is_told_as_it_shifts(cli: CommandLine) -> None:
    def step(status: str, blue: float) -> Step:
        weights = {"Blue": blue, "Green": 100 - blue}
        sets = [{"taskSetLabel": label, "trafficWeight": n} for label, n in weights.items()]
        members: Any = {
            "ecsTarget": {"targetId": "c:s", "taskSetsInfo": sets},
            "lambdaTarget": {"targetId": "f", "lambdaFunctionInfo": {"targetVersionWeight": 12.5}},
            "cloudFormationTarget": {"targetId": "s", "targetVersionWeight": 10},
        }
        return Step(status, [{k: {**v, "status": "InProgress"}} for k, v in members.items()])

    cli.answer = CodeDeploy(step("Ready", 90), step("Ready", 0), step("Succeeded", 0))
    assert cli.run_here("d-1", "--delay", "0").lines[2:6] == [
        "c:s InProgress Blue 90%, Green 10%",
        "f InProgress new version 12.5%",
        "s InProgress new version 10%",
        "c:s InProgress Blue 0%, Green 100%",
    ]


# What the service sends is data.


@pytest.mark.parametrize("evil", [EVIL, COMMANDS], ids=["a terminal", "a CI runner"])
@pytest.mark.parametrize("options", [[], ["--json"], ["--no-watch"]])
def test_what_the_service_sends_steers_nothing(
    cli: CommandLine, evil: str, options: list[str], tmp_path: Path
) -> None:
    other = target("i-5", "Failed", "Install", message=f"Größe: 漢 {evil}")
    cli.answer = CodeDeploy(evil_step(evil, other))
    # Nor does the report need characters that the locale's encoding lacks.
    file = str(tmp_path / "file")
    ended = cli.run_here("d-1", *options, "--json-file", file, encoding="ascii")
    assert ended.status == 1
    for out in (ended.out, ended.err, (tmp_path / "file").read_text(encoding="utf-8")):
        assert not any(text in out for text in (*STEERING, "\x1b", "\r"))
        assert out.isascii()
        assert commands(out) == []
    # All of its texts are there.
    for text in ["[red]"] if evil == EVIL else ["add-mask::e", "see # #[error]no"]:
        assert (ended.out + ended.err).count(text) > 20


def test_json_is_that_of_the_models_and_nothing_is_lost(cli: CommandLine, tmp_path: Path) -> None:
    failed = target("i-1", "Failed", "Install", message=f"é…\u2028{COMMANDS}").to_boto3()
    sent = [*evil_targets(COMMANDS), failed]
    step = Step("Failed", [*sent, target("i-2")], frozenset({"i-2"}))
    cli.answer = CodeDeploy(step)
    ended = cli.run_here("d-1", "--json", "--json-file", str(tmp_path / "file"))
    targets = ct.BatchGetDeploymentTargetsOutput.from_boto3({"deploymentTargets": sent})
    told = [TypeAdapter[Any](ct.DeploymentTarget).validate_json(line) for line in ended.lines]
    assert told == targets.deployment_targets
    assert "AWS returned nothing for i-2\n" in ended.err
    document = json.loads((tmp_path / "file").read_text(encoding="utf-8"))
    assert ct.DeploymentInfo.model_validate(document["deployment"]).status == "Failed"
    assert TypeAdapter[Any](list[ct.DeploymentTarget]).validate_python(document["targets"]) == told
    groups = TypeAdapter(list[ct.FailureGroup]).validate_python(document["failures"])
    assert (groups, document["missing_target_ids"]) == (ct.group_failures(told), ["i-2"])
    cli.answer = lambda *_: DENIED
    assert cli.run_here("d-1", "--json-file", str(tmp_path / "file")).status == 2
    empty: Any = {"deployment": None, "targets": [], "failures": [], "missing_target_ids": []}
    assert json.loads((tmp_path / "file").read_text(encoding="utf-8")) == empty


def test_json_tells_a_state_that_comes_again_and_keeps_what_vanished(
    cli: CommandLine, tmp_path: Path
) -> None:
    fleets = [fleet(a="InProgress", b="InProgress"), fleet(a="Failed"), fleet(a="InProgress")]
    over = Step("Succeeded", fleet(a="Succeeded"), info={"deploymentOverview": {"Succeeded": 1}})
    cli.answer = CodeDeploy(*(Step("InProgress", each) for each in fleets), over)
    args = ("d-1", "--delay", "0", "--json", "--json-file", str(tmp_path / "file"))
    told = [json.loads(line) for line in cli.run_here(*args).lines]
    statuses = [each["status"] for each in told if each["target_id"] == "a"]
    assert statuses == ["InProgress", "Failed", "InProgress", "Succeeded"]
    document = json.loads((tmp_path / "file").read_text(encoding="utf-8"))
    assert [each["target_id"] for each in document["targets"]] == ["a", "b"]


# The live view.


def finish(screen: Any, status: int) -> list[str]:
    """Wait for the end; return the rows of a terminal whose cursor was never hidden."""
    assert screen.finish() == status
    assert b"\x1b[?25l" not in screen.written
    assert screen.written.count(b"\x1b[?7h") == screen.written.count(b"\x1b[?7l")
    return without_times(screen.rows)


def test_a_terminal_shows_it_live(cli: CommandLine) -> None:
    hour_ago = datetime.now(timezone.utc) - timedelta(seconds=3725)
    hanging = target("i-hanging", "InProgress", "ValidateService", begin=hour_ago)
    others = [*(target(f"i-{n}", "Pending") for n in range(30)), target("i-done")]
    cli.answer = CodeDeploy(Step("InProgress", [*others, hanging]))
    with cli.terminal("d-1", "--delay", "0.05", size=(24, 120)) as screen:
        screen.wait_for("d-1 app/group", "InProgress  1 of 32 done, 0 failed  ", "and 17 more")
        assert re.fullmatch(r"6[23]m\d\ds i-hanging ValidateService", screen.rows[2])
        assert screen.rows[3] == "       i-0 Pending"
        assert len(screen.rows) == 17
        assert screen.colours_of("1 of 32 done") == {"green"}
        screen.resize(12, 40)
        screen.wait_for("and 25 more")
        assert len([row for row in screen.rows if " of 32 done" in row]) == 1
        broken = target("i-hanging", "Failed", "AfterInstall", log_tail="out of memory")
        cli.answer = CodeDeploy(Step("Ready", [*others, broken]))
        screen.wait_for("Ready  2 of 32 done, 1 failed", "i-hanging Failed AfterInstall")
        assert screen.colours_of("2 of 32 done") == {"red"}
        screen.resize(24, 100)
        rest = [target(str(each.target_id)) for each in others]
        cli.answer = CodeDeploy(Step("Failed", [*rest, broken]))
        assert finish(screen, 1)[-5:] == [
            "1 failed in AfterInstall: ScriptFailed",
            "    targets   i-hanging",
            "    duration  1m15s",
            "    log       out of memory",
            "d-1 Failed: 31 Succeeded, 1 Failed",
        ]


CJK = "集群-生产:服务-👩‍👩‍👧-❤️-🇩🇪-"


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("height", [1, 2, 3, 6, 24])
def test_any_terminal_keeps_ids_apart_and_rows_in_place(
    cli: CommandLine, columns: int, height: int
) -> None:
    terminal = pytest.importorskip("support.terminal")
    names = [f"{prefix}{n:02}" for n in range(20) for prefix in ("i-0123456789abcde", CJK * 9)]
    room = max(height * 2 // 3, min(height, 5))
    more = [f"and {42 - room} more"] if room > 2 else []
    targets = [target(each, "InProgress", "BeforeAllowTraffic") for each in names]
    late = cli.once_shown("\x1b[?7h", DENIED)  # the end of the view
    cli.answer = CodeDeploy(Step("InProgress", targets), instead={GET: [None, late]})
    out = cli.run_here("d-1", "--delay", "0", size=(height, columns)).out
    drawn = terminal.rows_of(out[: out.rindex("\x1b[?7h")], (height, columns))
    head = next(n for n, row in enumerate(drawn) if row.startswith("InProgress  0 of 40 done, 0"))
    busy = drawn[head + 1 :][: room - 1 - len(more)]
    assert drawn[head + 1 :] == busy + more
    assert len({*busy}) == room - 1 - len(more)
    assert all(re.match(r" *\d+m\d\ds ", row) for row in busy)


def views(out: str) -> list[str]:
    """Return what the view showed, with the hour that something took by now as `1h`."""
    return [
        re.sub(r"6\dm\d\ds", "    1h", view) for view in re.findall(r"(?s)7l(.*?)\x1b\[\?7h", out)
    ]


def test_the_bar_is_that_of_all_targets_and_the_status_the_deployments(cli: CommandLine) -> None:
    pytest.importorskip("rich")
    hour_ago = datetime.now(timezone.utc) - timedelta(seconds=3725)
    came = [target(each) for each in ids(4)]
    hanging = target("i-hanging", "InProgress", "Install", begin=hour_ago)
    green = hanging.model_copy(update={"instance_label": ct.TargetLabel.GREEN})
    last = [target("i-0", "Pending"), green]
    gone, more = "       i-gone Pending", {"Succeeded": 6, "Failed": 2, "Pending": 32}
    all_ = {"Succeeded": 4, "Failed": 1, "Pending": 1, "InProgress": 1}
    cli.answer = CodeDeploy(
        Step("Queued", info={"deploymentOverview": {}}),
        Step("InProgress", [*came, target("i-gone", "Pending")], info={"deploymentOverview": more}),
        Step("Ready", [*came, target("i-x", "Failed"), *last], info={"deploymentOverview": all_}),
        instead={GET: [
            None,
            cli.once_shown("no targets"),
            cli.once_shown("8 of 40"),
            cli.once_shown("hanging", DENIED),
        ]},
    )  # fmt: skip
    shown = views(cli.run_here("d-1", "--delay", "0", size=(24, 64)).out)
    assert f"\x1b[32mQueued  no targets yet  {'─' * 30}\x1b[m" in shown
    assert f"\x1b[31mInProgress  8 of 40 done, 2 failed  {'━' * 5}{'─' * 21}\x1b[m\n{gone}" in shown
    assert shown[-1].splitlines() == [
        f"\x1b[31mReady  5 of 7 done, 1 failed  {'━' * 21}{'─' * 9}\x1b[m",
        "    1h i-hanging Green Install",
        "       i-0 Pending",
    ]


def test_a_terminal_that_tells_no_size_loses_nothing(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((0, 0)))
    steps = [Step("InProgress", [BUSY]), Step("Failed", fleet(a="Failed"))]
    cli.answer = CodeDeploy(*steps, instead={GET: [None, cli.once_shown("i-1 Install")]})
    assert "1 failed" in cli.run_here("d-1", "--delay", "0", size=(0, 0)).out.splitlines()


def test_a_view_as_high_as_its_room_has_all_that_is_busy(cli: CommandLine) -> None:
    pytest.importorskip("rich")
    cli.env["NO_COLOR"] = "1"
    names = [*"ab", "i-0123456789abcdef01", "i-0123456789abcdef012"]
    step = Step("InProgress", [target(each, "Pending") for each in names])
    cli.answer = CodeDeploy(step, instead={GET: [None, cli.once_shown("done", DENIED)]})
    shown = views(cli.run_here("d-1", "--delay", "0", size=(6, 42)).out)
    assert shown[-1].splitlines() == [
        f"InProgress  0 of 4 done, 0 failed  {'─' * 5}",
        "       a Pending",
        "       b Pending",
        "       i-0123456789abcdef01 Pending",
        "       i-0123456…9abcdef012 Pending",
    ]


def test_ctrl_c_ends_a_view_that_nothing_steers(cli: CommandLine) -> None:
    cli.answer = CodeDeploy(Step("InProgress", evil_targets(EVIL)))
    with cli.terminal("d-1", "--delay", "0.05", size=(5, 62)) as screen:
        screen.wait_for("1 failed")
        screen.press("\x03")  # Ctrl-C
        finish(screen, 130)
        assert screen.written.endswith(b"SIGINT.\r\n")
        assert not any(text.encode() in screen.written for text in STEERING)


def test_ctrl_c_leaves_nothing_of_a_view_as_wide_as_the_terminal(cli: CommandLine) -> None:
    cli.answer = CodeDeploy(Step("InProgress"))
    with cli.terminal("d-1", "--delay", "0.05", size=(24, 50)) as screen:
        screen.wait_for("no targets yet")
        screen.press("\x03")  # Ctrl-C, which the terminal shows as ^C
        finish(screen, 130)
        assert "no targets yet" not in screen.text


@pytest.mark.parametrize(("term", "options"), [
    ("xterm", ["--no-watch"]), ("dumb", []), ("unknown", []), ("without rich", [])
])  # fmt: skip
def test_a_terminal_shows_plain_lines_where_it_cannot_be_live(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, term: str, options: list[str]
) -> None:
    if term == "without rich":
        monkeypatch.delitem(sys.modules, "codedeploy_targets._live", raising=False)
        monkeypatch.setitem(sys.modules, "rich.cells", None)
    cli.env["TERM"] = term
    cli.answer = CodeDeploy(Step("Succeeded", [target("i-1")]))
    ended = cli.run_here("d-1", *options, size=(24, 62))
    assert ended.lines[1:] == ["i-1 Succeeded", "d-1 Succeeded: 1 Succeeded"]


def test_a_narrower_terminal_is_drawn_anew(cli: CommandLine) -> None:
    pytest.importorskip("rich")

    def narrow(usual: Response) -> Response:
        cli.once_shown("i-5 Pending")(usual)
        os.environ["COLUMNS"] = "40"
        return usual

    failed = [target(f"i-{n}", "Failed") for n in range(5)]
    step = Step("InProgress", [*failed, target("i-5", "Pending")])
    late = cli.once_shown("\x1b[2J", DENIED)
    cli.answer = CodeDeploy(step, instead={GET: [None, narrow, late]})
    out = cli.run_here("d-1", "--delay", "0", size=(3, 60)).out
    _, drawn = out.split("\x1b[2J\x1b[H")
    shown, rest = drawn.split("\x1b[?7h\r\x1b[2K\x1b[A\x1b[2K")  # the view is drawn once
    lines, view = shown.split("\x1b[?7l")
    assert without_times(lines.splitlines()) == ["i-2 Failed", "i-3 Failed", "i-4 Failed"]
    assert (views(out)[-1], rest.splitlines()[0]) == (view, "5 failed")


def test_two_thousand_failures_are_drawn_at_once(cli: CommandLine) -> None:
    pytest.importorskip("rich")
    failed = [target(each, "Failed", "Install") for each in ids(2_000)]
    steps = (Step(status, [*failed, BUSY]) for status in ("InProgress", "Failed"))
    cli.answer = CodeDeploy(*steps, page_size=2_001)
    begin = time.monotonic()
    ended = cli.run_here("d-1", "--delay", "0", size=(9, 62))
    assert ended.status == 1
    assert ended.out.count("Failed Install") == 2_000
    # Four times a second, it draws all that has come since.
    assert len(frames(ended.out)) <= (time.monotonic() - begin) * 4 + 2
    assert len(ended.out.splitlines()) < 2_100

"""What the command line shows: lines for a log, and the live view of a terminal."""

from __future__ import annotations

import io
import json
import re
import sys
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from moto.codedeploy.models import codedeploy_backends
from support.command_line import (
    BEGIN,
    EVIL,
    PROGRAM,
    STEERING,
    Server,
    busy,
    ended,
    evil_targets,
    failed,
    without_times,
)
from support.endpoint import Response, serve

from codedeploy_targets import (
    DeploymentTarget,
    Diagnostics,
    InstanceTarget,
    LifecycleEvent,
    LifecycleEventStatus,
    TargetStatus,
)
from codedeploy_targets.__main__ import main
from codedeploy_targets._report import LiveReport, Report, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from support.terminal import Terminal

# The plain report.


def test_a_group_of_failures_is_told_once(
    in_process: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    log = "".join(f"line {n}\n" for n in range(30)) + "Traceback:\n  \x1b[31mred\x1b[0m\n\n"
    log += "\x1b[0m\n" * 10
    many = [failed(f"i-{n:017x}", script_name="a.sh", message="exit 1") for n in range(25)]
    first = failed("i-0", seconds=3.6, script_name="a.sh", message="exit 1", log_tail=log)
    deployment_id = in_process.deploy([failed("i-alone"), first, *many], "Failed")
    assert main([deployment_id]) == 1
    ids = ["i-0", *(f"i-{n:017x}" for n in range(19))]
    assert without_times(capsys.readouterr().out)[27:] == [
        "26 failed in AfterInstall: ScriptFailed",
        f"    targets   {', '.join(ids[:4])},",
        *(f"              {', '.join(ids[n : n + 4])}," for n in (4, 8, 12)),
        f"              {', '.join(ids[16:])},",
        "              and 6 more",
        "    duration  4 s",
        "    script    a.sh",
        "    message   exit 1",
        "    log       line 22",
        *(f"              line {n}" for n in range(23, 30)),
        "              Traceback:",
        "                red",
        "1 failed in AfterInstall: ScriptFailed",
        "    targets   i-alone",
        "    duration  1 min 15 s",
        f"{deployment_id} Failed: 27 Failed",
    ]


def test_long_texts_are_cut(in_process: Server, capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 4096
    target = failed("i-1", script_name=long, message=long, log_tail=f"{long}\n{long}")
    deployment_id = in_process.deploy([target, ended(long)], "Failed")
    assert main([deployment_id]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) < 330 for line in lines)
    assert sum(line.endswith(f"{'x' * 250}…") for line in lines) == 5


def answer_with(deployment: Any, targets: Sequence[DeploymentTarget]) -> Any:
    def answer(operation: str, _: dict[str, Any]) -> Response:
        listed = {"targetIds": ["i-1", "i-2"]}
        read = {"deploymentTargets": [target.to_boto3() for target in targets]}
        told = {"GetDeployment": {"deploymentInfo": deployment}, "ListDeploymentTargets": listed}
        return Response(json.dumps(told.get(operation, read)).encode())

    return answer


def test_what_the_service_leaves_out_is_left_out(
    in_process: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    gone_wrong = [LifecycleEvent(status=LifecycleEventStatus.FAILED, diagnostics=Diagnostics())]
    target = InstanceTarget(
        target_id="i-1", status=TargetStatus.FAILED, lifecycle_events=gone_wrong
    )
    deployment_id = in_process.deploy([target, InstanceTarget(target_id="i-2")], "Failed")
    assert main([deployment_id]) == 1
    assert without_times(capsys.readouterr().out) == [
        "i-1 Failed",
        "i-2",
        "1 failed",
        "    targets   i-1",
        f"{deployment_id} Failed: 1 Failed, 1 without status",
    ]


@pytest.mark.usefixtures("in_process")
def test_a_failed_target_without_an_id_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_id = InstanceTarget(status=TargetStatus.FAILED)
    with serve(answer_with({"status": "Failed"}, [without_id])) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
        assert main(["d-1"]) == 1
    assert "    targets   without id" in capsys.readouterr().out.splitlines()


@pytest.mark.usefixtures("in_process")
def test_the_error_of_the_deployment_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cause = {"code": "HEALTH_CONSTRAINTS", "message": f"Too many failed.\n{EVIL}"}
    deployment = {"status": "Failed", "errorInformation": cause}
    with serve(answer_with(deployment, [ended("i-1")])) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
        for options in ([], ["--no-watch"]):
            assert main(["d-1", *options]) == 1
            out = capsys.readouterr().out
            assert not any(text in out for text in (*STEERING, "\r"))
            lines = without_times(out)
            assert lines[:2] == ["i-1 Succeeded", "AWS returned nothing for i-2"]
            assert lines[2].startswith("HEALTH_CONSTRAINTS: Too many failed.")
            assert lines[3:] == ["d-1 Failed: 1 Succeeded"]


@pytest.mark.usefixtures("in_process")
def test_a_deployment_without_a_status_is_no_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(answer_with({}, [ended("i-1"), ended("i-2")])) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint.url)
        assert main(["d-1", "--no-watch"]) == 2
    written = capsys.readouterr()
    assert "The response to GetDeployment cannot be read" in written.err
    assert written.err.count("\n") == 1


def test_what_the_service_sends_steers_no_terminal(server: Server) -> None:
    deployment_id = server.deploy(evil_targets(), "Failed")
    # Nor does it need characters that the locale's encoding lacks.
    done = server.run(deployment_id, env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (1, "")
    assert not any(text in done.stdout for text in (*STEERING, "\x1b", "\r"))
    assert done.stdout.isascii()
    lines = done.stdout.splitlines()
    assert [line[9] for line in lines[:4]] == ["1", "2", "3", "4"]
    # All of its texts are there, markup and all: the id, the event, the code, the script...
    assert sum(line.count("[red]") for line in lines) == 15


def test_a_text_that_the_encoding_lacks_is_replaced(server: Server) -> None:
    deployment_id = server.deploy([failed("i-1", message="Größe: 漢")], "Failed")
    done = server.run(deployment_id, env={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (1, "")
    assert "    message   Gr??e: ?\n" in done.stdout


# The live view.


@contextmanager
def in_terminal(
    server: Server,
    *args: str,
    program: Sequence[str] = PROGRAM,
    env: Mapping[str, str | None] | None = None,
) -> Iterator[Terminal]:
    pytest.importorskip("rich")
    pytest.importorskip("pyte")
    pytest.importorskip("pty")
    from support.terminal import terminal

    command = [*program, "--delay", "0.05", *args]
    with terminal(command, server.with_changes(env or {})) as opened:
        yield opened


def test_a_terminal_shows_it_live(server: Server) -> None:
    pending = [InstanceTarget(target_id=f"i-p{n}", status=TargetStatus.PENDING) for n in range(20)]
    hanging = busy("i-hanging", "ValidateService", seconds=3725)
    working = [busy(f"i-w{n}", "BeforeInstall", seconds=-100) for n in range(10)]
    targets = [*pending, *working, hanging, ended("i-done")]
    deployment_id = server.deploy(targets, "InProgress")
    with in_terminal(server, deployment_id) as screen:
        screen.wait_for(lambda: "1 of 32 done, 0 failed" in screen.text)
        screen.wait_for(lambda: "and 10 more" in screen.text)
        rows = screen.rows
        assert re.match(f"{deployment_id}  [╸━]", rows[0])
        assert re.fullmatch(r"i-hanging +InProgress +ValidateService +62 min \d+ s", rows[1])
        # The service's clock is ahead of this machine's.
        assert re.fullmatch(r"i-w0 +InProgress +BeforeInstall +0 s", rows[2])
        assert re.fullmatch(r"i-p0 +Pending", rows[12])
        assert rows[-1] == "and 10 more"
        assert len(rows) == 23
        assert not screen.shows_cursor()
        broken = failed("i-hanging", message="exit 1", log_tail="out of memory")
        server.targets.put(deployment_id, [*pending, *working, broken, ended("i-done")])
        screen.wait_for(lambda: "2 of 32 done, 1 failed" in screen.text)
        assert "i-hanging Failed AfterInstall" in screen.text
        rest = [ended(str(target.target_id)) for target in [*pending, *working]]
        server.targets.put(deployment_id, [*rest, broken, ended("i-done")])
        server.targets.set_status(deployment_id, "Failed")
        assert screen.finish() == 1
        assert screen.shows_cursor()
        assert "━" not in screen.text
        assert without_times("\n".join(screen.rows)) == [
            "i-hanging Failed AfterInstall",
            "1 failed in AfterInstall: ScriptFailed",
            "    targets   i-hanging",
            "    duration  1 min 15 s",
            "    message   exit 1",
            "    log       out of memory",
            f"{deployment_id} Failed: 31 Succeeded, 1 Failed",
        ]


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_leaves_the_terminal_as_it_was(server: Server) -> None:
    deployment_id = server.deploy([busy("i-1", "Install"), ended("i-2", "Failed")], "InProgress")
    with in_terminal(server, deployment_id, env={"NO_COLOR": "1"}) as screen:
        screen.wait_for(lambda: "1 of 2 done, 1 failed" in screen.text)
        # Once a later round is drawn, the line of the failure is surely written.
        later = [busy("i-1", "ValidateService"), ended("i-2", "Failed")]
        server.targets.put(deployment_id, later)
        screen.wait_for(lambda: "ValidateService" in screen.text)
        assert not screen.shows_cursor()
        screen.interrupt()
        assert screen.finish() == 130
        assert screen.shows_cursor()
        assert without_times("\n".join(screen.rows)) == [
            "i-2 Failed",
            "1 failed",
            "    targets   i-2",
            f"{deployment_id} is not over: 1 InProgress, 1 Failed",
            "codedeploy-targets: Interrupted; the deployment goes on.",
        ]
        assert not re.search(rb"\x1b\[[\d;]*3\dm", screen.written)


def test_an_error_leaves_the_terminal_as_it_was(server: Server) -> None:
    deployment_id = server.deploy([busy("i-1", "Install")], "InProgress")
    with in_terminal(server, deployment_id) as screen:
        screen.wait_for(lambda: "0 of 1 done, 0 failed" in screen.text)
        del codedeploy_backends["123456789012"]["us-east-1"].deployments[deployment_id]
        assert screen.finish() == 2
        assert screen.shows_cursor()
        assert screen.text.startswith("codedeploy-targets: An error occurred")
        assert "━" not in screen.text


def test_what_the_service_sends_steers_no_live_view(server: Server) -> None:
    deployment_id = server.deploy(evil_targets(), "InProgress")
    with in_terminal(server, deployment_id) as screen:
        screen.wait_for(lambda: "1 of 4 done, 1 failed" in screen.text)
        assert [row for row in screen.rows if row.startswith(("2", "3", "4"))]
        server.targets.set_status(deployment_id, "Failed")
        assert screen.finish() == 1
        assert not any(text.encode() in screen.written for text in STEERING)
        assert b"[red]" in screen.written


@pytest.mark.parametrize("cause", ["no rich", "a dumb terminal", "nothing to watch"])
def test_a_terminal_shows_plain_lines_where_it_cannot_be_live(server: Server, cause: str) -> None:
    deployment_id = server.deploy([ended("i-1")], "Succeeded")
    program, env, args = PROGRAM, {"TERM": "xterm"}, [deployment_id]
    if cause == "no rich":
        hide = "import runpy, sys; sys.modules['rich'] = None"
        run = "runpy.run_module('codedeploy_targets', run_name='__main__')"
        program = [sys.executable, "-c", f"{hide}; {run}"]
    elif cause == "a dumb terminal":
        env = {"TERM": "dumb"}
    else:
        args.append("--no-watch")
    with in_terminal(server, *args, program=program, env=env) as screen:
        assert screen.finish() == 0
        lines = screen.written.decode().splitlines()
    assert [line[-13:] for line in lines] == ["i-1 Succeeded", ": 1 Succeeded"]
    assert b"\x1b" not in screen.written


def drawn(
    targets: Sequence[DeploymentTarget], monkeypatch: pytest.MonkeyPatch, *, height: int = 6
) -> list[str]:
    """Return the lines of a live view with their styles, an hour and 125 s after BEGIN."""
    console = pytest.importorskip("rich.console")
    view = LiveReport("d-1")
    monkeypatch.setattr("time.time", lambda: BEGIN.timestamp() + 3725)
    for target in targets:
        view.show(target)
    screen = console.Console(
        file=io.StringIO(),
        record=True,
        width=62,
        height=height,
        force_terminal=True,
        color_system="standard",
        legacy_windows=False,
    )
    screen.print(view)
    text: str = screen.export_text(styles=True)
    for code, style in (("32", "green"), ("31", "red"), ("90", "grey"), ("0", "")):
        text = text.replace(f"\x1b[{code}m", f"<{style}>")
    return [line.rstrip() for line in text.splitlines()]


def begun(target_id: str, seconds: float) -> InstanceTarget:
    going_on = LifecycleEvent(
        lifecycle_event_name="Install",
        status=LifecycleEventStatus.IN_PROGRESS,
        start_time=BEGIN + timedelta(seconds=seconds),
    )
    return InstanceTarget(
        target_id=target_id, status=TargetStatus.IN_PROGRESS, lifecycle_events=[going_on]
    )


def test_the_live_view_is_drawn_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pending = InstanceTarget(target_id="i-pending", status=TargetStatus.PENDING)
    untold = InstanceTarget(target_id="i-untold")
    targets = [pending, begun("i-ahead", 3800), begun("i-new", 3700), begun("i-old", 0), untold]
    assert drawn([*targets, ended("i-over")], monkeypatch, height=8) == [
        f"d-1  <green>{'━' * 5}<><grey>╺<><grey>{'━' * 24}<>  <green>1 of 6 done, 0 failed<>",
        "i-old      InProgress  Install  62 min 5 s",
        "i-new      InProgress  Install  25 s",
        "i-ahead    InProgress  Install  0 s",
        "i-pending  Pending",
        "i-untold",
    ]
    assert capsys.readouterr().out == ""
    wrong = [failed("i-wrong"), *targets[:2]]
    assert drawn(wrong, monkeypatch, height=4) == [
        f"d-1  <red>{'━' * 10}<><grey>╺<><grey>{'━' * 19}<>  <red>1 of 3 done, 1 failed<>",
        "i-ahead  InProgress  Install  0 s",
        "and 1 more",
    ]
    # What failed is told above the view, and stays.
    assert without_times(capsys.readouterr().out) == ["i-wrong Failed AfterInstall"]
    assert drawn([ended("i-1"), ended("i-2")], monkeypatch) == [
        f"d-1  <green>{'━' * 30}<>  <green>2 of 2 done, 0 failed<>",
        "",
    ]
    assert drawn([], monkeypatch) == [f"d-1  <grey>{'━' * 30}<>  <green>no targets yet<>", ""]
    # On a screen that is too low, the longest wait is shown; a long name takes one line.
    long = begun(f"i-{'x' * 80}", 0)
    rows = drawn([long, pending], monkeypatch, height=1)[1:]
    assert [row[:3] for row in rows] == ["i-x", "and"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\x1b[31mb\x1b[0;1mc", "abc"),
        ("a\x1bb\tc\nd\x9be  \n", "a b c d e"),
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 300 + "…"),
    ],
)
def test_a_text_becomes_one_line(text: str, line: str) -> None:
    assert one_line(text) == line


def test_the_lines_of_a_log_begin_with_the_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("time.strftime", lambda form: f"at {form}")
    report = Report("d-1")
    report.show(ended("i-1"))
    report.end({"status": "Succeeded"}, ["i-2", "i-3"])
    assert capsys.readouterr().out.splitlines() == [
        "at %H:%M:%S i-1 Succeeded",
        "AWS returned nothing for i-2, i-3",
        "d-1 Succeeded: 1 Succeeded",
    ]


def test_the_ids_of_a_group_are_wrapped_and_never_broken(
    capsys: pytest.CaptureFixture[str],
) -> None:
    ids = [*(f"cluster-{n}:{'service-' * 10}" for n in range(12)), *(f"i-{n}" for n in range(8))]
    report = Report("d-1")
    for target_id in [*ids, "i-20"]:
        report.show(failed(target_id))
    capsys.readouterr()
    report.end({"status": "Failed"}, [])
    lines = [line[14:] for line in capsys.readouterr().out.splitlines()[1:-2]]
    assert lines == [*(f"{each}," for each in ids[:12]), f"{', '.join(ids[12:])}, and 1 more"]


def pretend_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "24")


def test_a_terminal_in_process_shows_it_live(
    in_process: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rich: Any = pytest.importorskip("rich")
    pretend_terminal(monkeypatch)
    monkeypatch.setattr(rich, "_console", None)
    hanging = busy("i-hanging", "Install", seconds=65)
    pending = [InstanceTarget(target_id=f"i-{n}", status=TargetStatus.PENDING) for n in range(25)]
    deployment_id = in_process.deploy([failed("i-f"), hanging, *pending], "Failed")
    assert main([deployment_id]) == 1
    out = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", capsys.readouterr().out)
    assert "1 of 27 done, 1 failed" in out
    assert re.search(r"i-hanging +InProgress +Install +1 min \d+ s", out)
    assert "and 5 more" in out
    assert out.endswith(f"{deployment_id} Failed: 25 Pending, 1 Failed, 1 InProgress\n")


def test_a_terminal_in_process_without_rich_shows_plain_lines(
    in_process: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend_terminal(monkeypatch)
    monkeypatch.setitem(sys.modules, "rich", None)
    deployment_id = in_process.deploy([ended("i-1")], "Succeeded")
    assert main([deployment_id]) == 0
    assert without_times(capsys.readouterr().out)[0] == "i-1 Succeeded"

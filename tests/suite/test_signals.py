"""What signals do to the command line; `test_command_line.py` shows how one ends a run."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from support.codedeploy import CodeDeploy, Step
from support.command_line import PROGRAM, PROGRAMS, CommandLine, Ended
from support.endpoint import Response
from support.pages import fleet, ids, target

from codedeploy_targets._report import Report

RUNNING = Step("InProgress", fleet(a="Failed", b="Failed", c="InProgress"))


def test_a_later_signal_ends_a_report_that_hangs(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(report: Report) -> None:
        for seconds in (0.5, 1.5):
            signal_later(report, seconds)

    ended = list[int]()
    monkeypatch.setattr("os._exit", ended.append)
    monkeypatch.setattr(Report, "explain", hang)
    cli.answer = CodeDeploy(Step("Failed"))
    assert cli.run_here("d-1").status == 143
    assert ended == [143]


def test_a_process_that_goes_on_after_the_report_is_interrupted_as_ever(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(report: Report) -> None:
        end_it(report)
        reports.append(report)

    end_it, reports = Report.end, list[Report]()
    monkeypatch.setattr(Report, "end", end)
    cli.answer = CodeDeploy(Step("Failed"))
    assert cli.run_here("d-1").status == 1
    signal_later(reports[0], 0.5)  # as if the process were about to end
    with pytest.raises(KeyboardInterrupt):
        signal_later(reports[0], 1.5)


def signal_later(report: Report, seconds: float) -> None:
    now = report.followed_until + seconds
    with patch("time.monotonic", lambda: now):
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.parametrize("option", [[], ["--json"]])
@pytest.mark.parametrize("number", range(1, 6))
def test_a_signal_lets_nothing_be_told_twice(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, option: list[str], number: int
) -> None:
    def show(self: Report, *words: Any) -> None:
        print_(self, *words)
        shown.append(words)
        if len(shown) == number:
            signal.raise_signal(signal.SIGTERM)

    print_, shown = Report._print, list[Any]()  # noqa: SLF001
    monkeypatch.setattr(Report, "_print", show)
    cli.answer = CodeDeploy(RUNNING)
    ended = cli.run_here("d-1", *option)
    out, lines = ended.out.splitlines(), (ended.err if option else ended.out).splitlines()
    assert ended.status == 143
    assert len(set(out)) == len(out)
    assert [line.split()[1] for line in lines[1:5]] == ["d-1", "a", "b", "c"]


def test_a_signal_cuts_no_line_of_json(cli: CommandLine) -> None:
    failed = [target(each, "Failed", "Install", log_tail="x" * 4_000) for each in ids(100)]
    cli.answer = CodeDeploy(Step("InProgress", failed))
    with cli.started("d-1", "--json") as process:
        process.wait_for(ids(1)[0])
        time.sleep(0.3)  # until the pipe is full
        process.send_signal(signal.SIGTERM)
        ended = process.finish()
    assert ended.status == 143
    assert [json.loads(line)["target_id"] for line in ended.out.splitlines()] == ids(100)


def test_a_signal_that_nohup_ignores_stays_ignored(cli: CommandLine) -> None:
    cli.answer = CodeDeploy(RUNNING)
    shell = ["sh", "-c", 'trap "" HUP INT; exec "$0" "$@"', *PROGRAM]
    with cli.started("d-1", "--delay", "0.05", program=shell) as process:
        process.wait_for("c InProgress")
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGINT)
        cli.answer = CodeDeploy(Step("Succeeded"))
        assert process.finish().status == 0


@pytest.mark.parametrize("module", ["typing", "pydantic"])
def test_ctrl_c_while_python_still_imports_shows_no_traceback(
    cli: CommandLine, tmp_path: Path, module: str
) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    (tmp_path / f"{module}.py").write_text(code)
    cli.env["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{cli.env.get('PYTHONPATH', '')}"
    for program in PROGRAMS:
        assert cli.run("d-1", program=program) == Ended(130, "", "")


def test_a_signal_ends_a_call_before_the_watch_begins(cli: CommandLine) -> None:
    def answer(operation: str, _: object) -> Response:
        asked.append(operation)
        os.kill(os.getpid(), signal.SIGTERM)
        group = {"lastAttemptedDeployment": {"deploymentId": "d-1"}}
        return Response(json.dumps({"deploymentGroupInfo": group}).encode())

    cli.answer, asked = answer, list[str]()
    ended = cli.run_here("--application", "app", "--group", "group")
    assert ended == Ended(143, "", "codedeploy-targets: Ended by SIGTERM.\n")
    assert asked == ["GetDeploymentGroup"]

"""Change here: what the command line shows: lines for a log, JSON, a live view on a terminal.

What the service sends is data: `one_line` and `as_json` let it steer no terminal and no CI runner.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from contextlib import suppress
from math import inf
from shutil import get_terminal_size
from textwrap import wrap
from threading import Event, Thread
from typing import Any, TextIO

from pydantic.alias_generators import to_pascal
from pydantic_core import to_jsonable_python

from . import (
    DeploymentInfo,
    DeploymentTarget,
    Diagnostics,
    FailureGroup,
    RollbackInfo,
    group_failures,
)

_MAX_GROUPS, _MAX_IDS, _LOG_LINES = 20, 20, 10
_TICK, _SIGN_OF_LIFE = 0.25, 60  # seconds
_DOMAINS = {"aws-cn": "amazonaws.cn", "aws-us-gov": "amazonaws-us-gov.com"}  # of AWS's console


def one_line(text: object, width: int = 300) -> str:
    """Return a text as one line that steers no terminal and is no command to a CI runner."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", str(text or ""))  # colours
    line = "".join(char if char.isprintable() else " " for char in plain).rstrip()
    # GitHub obeys `::…` where a line begins and `##[…` anywhere, Azure and TeamCity `##name[…`.
    line = re.sub(r"^ *:(?=:)|#(?=#\w*\[)", r"\g<0> ", line)
    return line if len(line) <= width else f"{line[:width]}…"


def as_json(value: object) -> str:
    """Return a value, models included, as one line of JSON, which is no such command either."""
    text = json.dumps(to_jsonable_python(value), separators=(",", ":"))
    return text.replace("##", "#\\u0023")


def _first(ids: list[str]) -> str:
    more = [f"and {len(ids) - _MAX_IDS} more"] if len(ids) > _MAX_IDS else []
    return ", ".join([*map(one_line, ids[:_MAX_IDS]), *more])


def _join(glue: str, *texts: str | None) -> str:
    return glue.join(filter(None, texts))


def _span(seconds: float) -> str:
    minutes, rest = divmod(max(round(seconds), 0), 60)  # this machine's clock may be behind
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def _begin(target: DeploymentTarget) -> float:
    begin = target.current_event and target.current_event.start_time
    return begin.timestamp() if begin else inf


def _doing(target: DeploymentTarget) -> str:
    """Return a target's current or failed event, and how its traffic is shared."""
    event = target.failed_event or target.current_event
    sets = getattr(target, "task_sets_info", [])
    shares = [(each.task_set_label or each.status, each.traffic_weight) for each in sets]
    info = getattr(target, "lambda_function_info", None) or target  # or CloudFormation's
    shares.append(("new version", getattr(info, "target_version_weight", None)))
    told = [f"{name} {weight:g}%" for name, weight in shares if weight is not None]
    return _join(", ", event and event.lifecycle_event_name, *told)


def _live_console(out: TextIO) -> Any:
    """Return rich's (extra `cli`) if it is installed, and can draw on this terminal."""
    with suppress(ImportError):
        from rich.console import Console

        console = Console(file=out)
        if console.is_terminal and not (console.is_dumb_terminal or console.legacy_windows):
            return console
    return None


class Report:
    """Shows lines, one a change that a reader can see; on a terminal, a live view below them.

    One thread writes, so that no signal interrupts it. The cursor stays visible.
    """

    def __init__(self, out: TextIO, *, live: bool) -> None:
        self.aws: Any = None  # what botocore's client tells of itself
        self.deployment: DeploymentInfo | None = None
        self.rollback: str | None = None
        self.targets: dict[object, DeploymentTarget] = {}
        self.failures: list[FailureGroup] = []
        self.missing_target_ids: list[str] = []
        self._out, self._console = out, _live_console(out) if live and out.isatty() else None
        self._lines, self._told, self._frame = list[str](), set[str](), [""]
        self._shown, self._columns, self._printed = 0, 0, time.monotonic()
        self._over, self._thread = Event(), Thread(target=self._show_life, daemon=True)
        self._thread.start()

    def tell(self, deployment: DeploymentInfo) -> None:
        """Show how the deployment as a whole stands."""
        is_first, self.deployment = self.deployment is None, deployment
        name, region = deployment.deployment_id, self.aws.region_name
        if is_first:
            host = f"{region}.console.{_DOMAINS.get(self.aws.partition, 'aws.amazon.com')}"
            link = f"https://{host}/codesuite/codedeploy/deployments/{name}?region={region}"
            names = f"{deployment.application_name}/{deployment.deployment_group_name}"
            why = one_line(deployment.description)
            self._print(name, names, f"by {deployment.creator}", why, link)
        if not (deployment.is_over or self._console):
            self._print_new(f"{name} {deployment.status}")

    def show(self, target: DeploymentTarget) -> None:
        """Show a target that is new or has changed."""
        label = getattr(target, "instance_label", None)
        key = (target.target_id, label) if target.target_id else target.model_dump_json()
        self.targets[key] = target
        text = _join(" ", target.target_id, target.status, _doing(target))
        if target.status == "Failed":
            why = group_failures([target])[0].diagnostics or Diagnostics()
            self._print_new(_join(": ", text, why.message or why.error_code))
        elif not self._console:  # the view shows the others
            self._print_new(text)

    def has_reached(self, goal: str | None) -> bool:
        """Tell whether the deployment has this status, or all targets are past this event."""

        def is_past(target: DeploymentTarget) -> bool:
            events = [each for each in target.lifecycle_events if each.lifecycle_event_name == goal]
            return any(each.status in {"Succeeded", "Skipped"} for each in events)

        is_there = self.deployment is not None and self.deployment.status == goal
        return is_there or (bool(self.targets) and all(map(is_past, self.targets.values())))

    def end(self) -> None:
        """Tell why targets failed, how the deployment stands, and that it goes on."""
        self._over.set()
        self._thread.join()
        self.failures = groups = group_failures(self.targets.values())
        for each in groups[:_MAX_GROUPS]:
            self._print_group(each)
        if rest := sum(len(each.targets) for each in groups[_MAX_GROUPS:]):
            self._print(f"and {rest} more failed, for {len(groups) - _MAX_GROUPS} other reasons")
        if self.missing_target_ids:
            self._print("AWS returned nothing for", _first(self.missing_target_ids))
        if deployment := self.deployment:
            if cause := deployment.error_information:
                self._print(_join(": ", cause.code, cause.message))
            told = deployment.rollback_info or RollbackInfo()
            if rollback := self.rollback or told.rollback_deployment_id:
                self._print("Rolled back by", rollback, told.rollback_message)
            self._print(self._summary(deployment))
            if not deployment.is_over:
                options = (
                    f"--deployment-id {deployment.deployment_id} --region {self.aws.region_name}"
                )
                self._print("It goes on. To stop it: aws deploy stop-deployment", options)

    def _print_group(self, group: FailureGroup) -> None:
        why, event = group.diagnostics or Diagnostics(), group.targets[0].failed_event
        head = _join(" in ", f"{len(group.targets)} failed", group.lifecycle_event_name)
        self._print(_join(": ", head, why.error_code))
        ids = _first([each.target_id or "without id" for each in group.targets])
        columns = get_terminal_size().columns if self._out.isatty() else 98
        rows: dict[str, list[str | None]] = {
            "targets": wrap(
                ids, max(columns - 14, 20), break_long_words=False, break_on_hyphens=False
            ),
            "duration": [_span(event.duration.total_seconds())] if event and event.duration else [],
            "script": [why.script_name],
            "message": [why.message],
            "log": [*filter(None, map(one_line, (why.log_tail or "").splitlines()))][-_LOG_LINES:],
        }
        for label, texts in rows.items():
            for number, line in enumerate(filter(None, map(one_line, texts))):
                self._print(f"    {'' if number else label:<9} {line}")

    def _print_new(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._print(time.strftime("%H:%M:%S"), one_line(text))

    def _print(self, *words: str | None) -> None:
        line = one_line(_join(" ", *words), 2_000)
        self._printed = time.monotonic()
        if self._console and not self._over.is_set():
            self._lines.append(line)  # one thread draws, which no signal interrupts
        else:
            print(line, file=self._out, flush=True)

    def _counts(self) -> Counter[str]:
        """Count the targets by status: those that came, or AWS's own count where it has more."""
        came = Counter(str(each.status or "without status") for each in [*self.targets.values()])
        told = self.deployment and self.deployment.deployment_overview
        counted = +Counter({to_pascal(name): count or 0 for name, count in told or ()})
        return max(came, counted, key=Counter.total)

    def _summary(self, deployment: DeploymentInfo) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in self._counts().most_common())
        return f"{deployment.deployment_id} {deployment.status}: {counts or 'no targets'}"

    def _show_life(self) -> None:
        with suppress(OSError):  # the main thread meets it, too
            while not self._over.wait(_TICK):
                if self._console:
                    self._draw(self.deployment)
                elif self.deployment and time.monotonic() - self._printed >= _SIGN_OF_LIFE:
                    self._print(time.strftime("%H:%M:%S"), self._summary(self.deployment))
            if self._console:
                self._draw(None)

    def _draw(self, deployment: DeploymentInfo | None) -> None:
        columns, height = self._console.size
        frame = self._view(deployment, columns, height) if deployment else [""]
        start, end, is_narrower = self._shown, len(self._lines), columns < self._columns
        clear = "\r" + "\x1b[A" * (len(self._frame) - 1) + "\x1b[J"
        if is_narrower:  # terminals differ in how they wrap what is there
            clear, start = "\x1b[2J\x1b[H", min(start, max(end - height, 0))
        if start < end or frame != self._frame or is_narrower:
            text = "".join(f"{line}\n" for line in self._lines[start:end])
            # No line of the view wraps, however wide the terminal draws it. The cursor stays.
            text = f"{clear}{text}\x1b[?7l" + "\n".join(frame) + "\x1b[?7h"
            print(text, end="", file=self._out, flush=True)
        self._shown, self._columns, self._frame = end, columns, frame

    def _view(self, deployment: DeploymentInfo, columns: int, height: int) -> list[str]:
        from rich.cells import cell_len, set_cell_size

        counts = self._counts()
        total, failed = counts.total(), counts["Failed"]
        done = failed + counts["Succeeded"] + counts["Skipped"]
        told = f"{done} of {total} done, {failed} failed" if total else "no targets yet"
        head = f"{one_line(deployment.status)}  {told}  "
        size = max(min(30, columns - len(head)), 0)
        lines = [f"{head}{'━' * (size * done // (total or 1)):─<{size}}"]
        busy = [each for each in [*self.targets.values()] if not each.is_terminal]
        busy.sort(key=_begin)  # what hangs comes first
        for target in busy[:height]:
            name, begin, half = one_line(target.target_id), _begin(target), columns // 4
            if cell_len(name) > 2 * half:  # ids differ at their end
                name = f"{name[: half - 1]}…{name[-half:]}"
            span = _span(time.time() - begin) if begin < inf else ""
            lines.append(f"{span:>6} {name} {one_line(_doing(target) or target.status)}")
        if len(busy) >= height > 2:
            lines[height - 1 :] = [f"and {len(busy) - height + 2} more"]
        lines = [set_cell_size(line, columns).rstrip() for line in lines[:height]]
        colour = "" if self._console.no_color else "\x1b[31m" if failed else "\x1b[32m"
        return [f"{colour}{lines[0]}\x1b[m", *lines[1:]]

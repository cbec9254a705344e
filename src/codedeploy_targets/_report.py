"""Change here: what the command line shows, as lines for a log, as JSON, or live on a terminal.

What the service sends is data: nothing in it may steer the terminal.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from contextlib import AbstractContextManager, nullcontext, suppress
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from ._failures import FailureGroup, group_failures
from ._models import DeploymentTarget, Diagnostics

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

_MAX_TARGETS, _LOG_LINES = 20, 10


def can_draw() -> bool:
    """Tell whether rich (extra `cli`) is installed, and can draw on this terminal."""
    with suppress(ImportError):
        from rich import get_console

        return get_console().is_terminal and not get_console().is_dumb_terminal
    return False


def one_line(text: object, width: int = 300) -> str:
    """Return a text as one line, without the characters that steer a terminal."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", str(text))  # colours
    line = "".join(char if char.isprintable() else " " for char in plain).rstrip()
    return line if len(line) <= width else f"{line[:width]}…"


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return "" if seconds < 0 else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _elapsed(target: DeploymentTarget) -> float:
    """Return for how many seconds a target has been in its current event; -1 without one."""
    begin = target.current_event.start_time if target.current_event else None
    # The clock of this machine may be behind the service's.
    return max(time.time() - begin.timestamp(), 0) if begin else -1


class Report:
    """Plain lines, one a change, as the log of a CI job wants them."""

    def __init__(self, deployment_id: str) -> None:
        self._deployment_id = deployment_id
        self._targets: dict[str, DeploymentTarget] = {}

    def view(self) -> AbstractContextManager[object]:
        return nullcontext()

    def show(self, target: DeploymentTarget) -> None:
        """Show a target that is new or has changed."""
        self._targets[target.target_id or target.model_dump_json()] = target
        self._show_change(target)

    def _show_change(self, target: DeploymentTarget) -> None:
        event = target.failed_event or target.current_event
        name = event.lifecycle_event_name if event else None
        self._print(time.strftime("%H:%M:%S"), target.target_id, target.status, name)

    def end(self, deployment: dict[str, Any], missing_target_ids: list[str]) -> None:
        """Show why targets failed, each reason once, and how the deployment ended."""
        targets = self._targets.values()
        for group in group_failures(targets):
            self._show_group(group)
        if missing_target_ids:
            self._print("AWS returned nothing for", ", ".join(missing_target_ids))
        if cause := deployment.get("errorInformation"):
            self._print(f"{cause.get('code')}: {cause.get('message')}")
        counts = Counter(str(each.status or "without status") for each in targets).most_common()
        told = ", ".join(f"{count} {status}" for status, count in counts) or "no targets"
        self._print(f"{self._deployment_id} {deployment.get('status')}: {told}")

    def _show_group(self, group: FailureGroup) -> None:
        count, why = len(group.targets), group.diagnostics or Diagnostics()
        where = f" in {group.lifecycle_event_name}" if group.lifecycle_event_name else ""
        self._print(f"{count} failed{where}{f': {why.error_code}' if why.error_code else ''}")
        ids = [one_line(each.target_id or "without id") for each in group.targets[:_MAX_TARGETS]]
        if count > _MAX_TARGETS:
            ids.append(f"and {count - _MAX_TARGETS} more")
        lines = wrap(", ".join(ids), 84, break_long_words=False, break_on_hyphens=False)
        self._print_under("targets", *lines)
        event = group.targets[0].failed_event
        if event and event.duration is not None:
            self._print_under("duration", _span(event.duration.total_seconds()))
        self._print_under("script", why.script_name)
        self._print_under("message", why.message)
        log = [line for line in map(one_line, (why.log_tail or "").splitlines()) if line]
        self._print_under("log", *log[-_LOG_LINES:])

    def _print_under(self, label: str, *texts: str | None) -> None:
        for line in filter(None, (one_line(text or "") for text in texts)):
            print(f"    {label:<9} {line}", flush=True)
            label = ""

    def _print(self, *words: str | None) -> None:
        print(one_line(" ".join(str(word) for word in words if word)), flush=True)


class JSONReport(Report):
    """The models' own JSON, one line a target."""

    def show(self, target: DeploymentTarget) -> None:
        print(target.model_dump_json(ensure_ascii=True), flush=True)

    def end(self, deployment: dict[str, Any], missing_target_ids: list[str]) -> None:
        """Write no more: each line is a target."""


class LiveReport(Report):
    """A live view on a terminal: the progress, and what each busy target is doing."""

    def view(self) -> AbstractContextManager[object]:
        from rich.live import Live

        return Live(self, transient=True)

    def _show_change(self, target: DeploymentTarget) -> None:
        # A failure stays on the screen, above the view; the view shows the others.
        if target.status == "Failed":
            super()._show_change(target)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich import table, text
        from rich.progress_bar import ProgressBar

        targets = list(self._targets.values())
        busy = [target for target in targets if not target.is_terminal]
        busy.sort(key=_elapsed, reverse=True)  # what hangs comes first
        failed = sum(target.status == "Failed" for target in targets)
        done, colour = len(targets) - len(busy), "red" if failed else "green"
        bar = ProgressBar(len(targets) or 1, done, 30, complete_style=colour, finished_style=colour)
        told = f"{done} of {len(targets)} done, {failed} failed" if targets else "no targets yet"
        head, rows = table.Table.grid(padding=(0, 2)), table.Table.grid(padding=(0, 2))
        head.add_row(text.Text(one_line(self._deployment_id)), bar, text.Text(told, colour))
        room = max(console.height - 3, 1)
        for target in busy[:room]:
            event, span = target.current_event, _span(_elapsed(target))
            cells = (target.target_id, target.status, event and event.lifecycle_event_name, span)
            rows.add_row(*(text.Text(one_line(cell or ""), no_wrap=True) for cell in cells))
        yield head
        yield rows
        if len(busy) > room:
            yield text.Text(f"and {len(busy) - room} more")

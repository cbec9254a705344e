"""Change here: the live view on a terminal, below the lines that stay."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from . import DeploymentTarget
from ._report import DONE, Report, doing, one_line, span

if TYPE_CHECKING:
    from rich.console import Console


def make_report(args: Any) -> Report:
    """Return a live report where rich (extra `cli`) is installed, and can draw."""
    if args.watch and not args.json and sys.stdout.isatty():
        with suppress(ImportError):
            from rich import get_console

            if not get_console().is_dumb_terminal:
                return LiveReport(args, get_console())
    return Report(args)


def _age(target: DeploymentTarget, now: float) -> float:
    event = target.current_event
    return now - event.start_time.timestamp() if event and event.start_time else 0


class LiveReport(Report):
    """Shows progress, and what each busy target is doing. The cursor stays visible."""

    def __init__(self, args: Any, console: Console) -> None:
        self._console = console
        self._lines: list[str] = []
        self._drawn = 0, 0, [""]  # columns, lines, and the view
        super().__init__(args)

    def _print_change(self, text: str) -> None:
        """Leave it to the view, unlike a failure."""

    def _write(self, line: str) -> None:
        if self._over.is_set():
            super()._write(line)
        else:
            self._lines.append(line)  # one thread draws, which no signal interrupts

    def _tick(self) -> None:
        columns, height = self._console.size
        is_over, end = self._over.is_set(), len(self._lines)
        frame = [""] if is_over or not self.deployment.status else self._view(columns, height)
        (old_columns, start, old_frame), self._drawn = self._drawn, (columns, end, frame)
        # Row by row: tmux keeps in its history what a clearing to the end of the screen takes away.
        clear = "\r\x1b[2K" + "\x1b[A\x1b[2K" * (len(old_frame) - 1)
        if columns < old_columns:  # terminals differ in how they wrap what is there
            clear, start = "\x1b[2J\x1b[H", min(start, max(end - height, 0))
        if (columns, start, frame) != (old_columns, end, old_frame):
            text = "".join(f"{line}\n" for line in self._lines[start:end])
            # No line of the view wraps, however wide the terminal draws it. The cursor stays.
            text = f"{clear}{text}\x1b[?7l" + "\n".join(frame) + "\x1b[?7h"
            print(text, end="", file=self._out, flush=True)

    def _view(self, columns: int, height: int) -> list[str]:
        from rich.cells import cell_len, set_cell_size

        counts = self._counts()
        total, done = counts.total(), sum(counts[each] for each in ("Failed", *DONE))
        told = f"{done} of {total} done, {counts['Failed']} failed" if total else "no targets yet"
        head = f"{one_line(self.deployment.status)}  {told}  "
        size = max(min(30, columns - len(head)), 0)
        lines = [f"{head}{'━' * (size * done // (total or 1)):─<{size}}"]
        busy = [each for each in [*self._targets.values()] if not each.is_terminal]
        now = time.time()
        busy.sort(key=lambda each: _age(each, now), reverse=True)  # what hangs comes first
        # The lines above stay in sight. Ids differ at their end.
        room, half = max(height * 2 // 3, min(height, 5)), columns // 5 + 2
        for target in busy[:room]:
            name, age = one_line(target.target_id), _age(target, now)
            if (cells := cell_len(name)) > 2 * half:
                kept = half * len(name) // cells
                name = f"{name[: kept - 1]}…{name[-kept:]}"
            what = one_line(doing(target) or target.status)
            lines.append(f"{span(age) if age else '':>6} {name} {what}")
        if len(lines) > room:
            lines[max(room - 1, 2) :] = [f"and {len(busy) - room + 2} more"]
        lines = [set_cell_size(line, columns).rstrip() for line in lines[:room]]
        colour = "" if self._console.no_color else "\x1b[31m" if counts["Failed"] else "\x1b[32m"
        return [f"{colour}{lines[0]}\x1b[m", *lines[1:]]

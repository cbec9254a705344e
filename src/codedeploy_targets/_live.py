"""Change here: the live view on a terminal, below the lines that stay."""

from __future__ import annotations

import os
import time

from rich.cells import cell_len, set_cell_size

from . import DeploymentTarget
from ._report import Report, doing, name_of, one_line, span
from ._watching import SETTLED


def view(report: Report, columns: int, height: int) -> str:
    """Return how far the deployment is, and what each busy target is doing."""
    counts, targets = report.counts(), report.present()
    total, done = counts.total(), sum(counts[each] for each in ("Failed", *SETTLED))
    progress = f"{done} of {total} done, {counts['Failed']} failed" if total else "no targets yet"
    head = f"{one_line(report.deployment.status)}  {progress}{report.silence()}  "
    size = max(min(30, columns - len(head)), 0)
    lines = [f"{head}{'━' * (size * done // (total or 1)):─<{size}}"]
    now, busy = time.time(), [each for each in targets if not each.is_terminal]
    busy.sort(key=lambda each: _age(each, now), reverse=True)  # what hangs comes first
    # The lines above stay in sight. Ids differ at their end.
    room, half = max(height * 2 // 3, min(height, 5)), columns // 5 + 2
    for target in busy[:room]:
        name, age = one_line(name_of(target)), _age(target, now)
        if (cells := cell_len(name)) > 2 * half:
            kept = half * len(name) // cells
            name = f"{name[: kept - 1]}…{name[-kept:]}"
        what = one_line(doing(target) or target.status)
        lines.append(f"{span(age) if age else '':>6} {name} {what}")
    if len(lines) > room:
        lines[max(room - 1, 2) :] = [f"and {len(busy) - room + 2} more"]
    lines = [set_cell_size(line, columns).rstrip() for line in lines[:room]]
    if not os.environ.get("NO_COLOR"):
        lines[0] = f"\x1b[{31 if counts['Failed'] else 32}m{lines[0]}\x1b[m"
    return "\n".join(lines)


def _age(target: DeploymentTarget, now: float) -> float:
    event = target.current_event
    return now - event.start_time.timestamp() if event and event.start_time else 0

"""Draws what the command line shows, in the middle of the demo's deployment and at its end.

`PYTHONPATH=tests python tests/programs/picture.py` writes .github/report.svg, the same one each
time: the clock stands still.
"""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stdout
from datetime import datetime, timedelta, timezone
from pathlib import Path
from unittest.mock import patch

from programs import demo
from rich.console import Console
from rich.text import Text

from codedeploy_targets._report import LiveReport, Report

PICTURE = Path(__file__).parents[2] / ".github" / "report.svg"
DEPLOYMENT_ID, MIDDLE, WIDTH, ROWS = "d-EXAMPLE11", 9, 92, 16
BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
SECONDS_A_STEP = 28  # the demo is in more of a hurry than a deployment
NOW = BEGIN + timedelta(seconds=(MIDDLE + 0.5) * SECONDS_A_STEP)
CLOCK = f"{NOW:%H:%M:%S}"


@patch("programs.demo.SECONDS_A_STEP", SECONDS_A_STEP)
@patch("time.strftime", lambda _: CLOCK)
@patch("time.time", NOW.timestamp)
def main() -> None:
    console = Console(record=True, width=WIDTH, height=ROWS, file=io.StringIO())
    prompt = f"$ codedeploy-targets {DEPLOYMENT_ID}"
    console.print(Text(f"{prompt}        # while it runs", "bold"))
    view, report = LiveReport(DEPLOYMENT_ID), Report(DEPLOYMENT_ID)
    with redirect_stdout(io.StringIO()) as printed:
        for number in range(demo.INSTANCES):
            view.show(demo.instance(number, MIDDLE, BEGIN))
    console.print(Text(printed.getvalue().rstrip()))
    console.print(view)
    with redirect_stdout(io.StringIO()):
        for number in range(demo.INSTANCES):
            report.show(demo.instance(number, demo.STEPS, BEGIN))
    with redirect_stdout(io.StringIO()) as printed:
        report.end({"status": "Failed"}, [])
    console.print(Text(f"{prompt}        # at the end", "bold"))
    console.print(Text(printed.getvalue()))
    PICTURE.write_text(
        console.export_svg(title="codedeploy-targets", unique_id="report"), encoding="utf-8"
    )


if __name__ == "__main__":
    sys.exit(main())

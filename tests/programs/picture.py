"""Draws what the command line shows, in the middle of the demo's deployment and at its end.

`PYTHONPATH=tests python tests/programs/picture.py` writes .github/report.svg, the same one each
time: the clock stands still.
"""

from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from programs import demo
from rich.console import Console
from rich.text import Text
from support.codedeploy import CodeDeploy, Step
from support.command_line import command_line, frames

PICTURE = Path(__file__).parents[2] / ".github" / "report.svg"
DEPLOYMENT_ID, MIDDLE, SIZE = "d-EXAMPLE11", 9, (18, 114)
BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
SECONDS_A_STEP = 28  # the demo is in more of a hurry than a deployment
NOW = BEGIN + timedelta(seconds=(MIDDLE + 0.5) * SECONDS_A_STEP)
WRAP = "\x1b[?7h"  # what ends a view
CLOCK = f"{NOW:%H:%M:%S}"
INFO = {
    "applicationName": "shop", "deploymentGroupName": "production",
    "description": "Release 2026.1", "deploymentId": DEPLOYMENT_ID,
}  # fmt: skip
OVER = {
    "errorInformation": {"code": "HEALTH_CONSTRAINTS", "message": "Too many instances failed."},
    "rollbackInfo": {"rollbackDeploymentId": "d-EXAMPLE22"},
}


def run(step: int, *options: str, **info: Any) -> list[str]:
    """Return what is drawn of a step: one redrawing after another, then the end."""
    targets = [demo.instance(number, step, BEGIN) for number in range(demo.INSTANCES)]
    codedeploy = CodeDeploy(Step("Failed" if info else "InProgress", targets, info=INFO | info))
    with TemporaryDirectory() as home, command_line(Path(home)) as cli:
        cli.answer = lambda name, params: codedeploy(name, {**params, "deploymentId": "d-1"})
        return frames(cli.run_here(DEPLOYMENT_ID, *options, size=SIZE).out)


@patch("programs.demo.SECONDS_A_STEP", SECONDS_A_STEP)
@patch("time.strftime", lambda *_: CLOCK)
@patch("time.time", NOW.timestamp)
def main() -> None:
    drawn = [frame for frame in run(MIDDLE, "--timeout", "1") if " done, " in frame][-1]
    _, _, end = run(demo.STEPS, **OVER)[-1].rpartition(CLOCK)[2].partition("\n")
    console = Console(record=True, width=SIZE[1], file=io.StringIO())
    prompt = f"$ codedeploy-targets {DEPLOYMENT_ID}"
    console.print(Text(f"{prompt}        # while it runs", "bold"))
    console.print(Text.from_ansi(drawn.partition(WRAP)[0]))
    console.print(Text(f"{prompt}        # at the end", "bold"))
    console.print(Text(end.rstrip()))
    picture = console.export_svg(title="codedeploy-targets", unique_id="report")
    PICTURE.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()

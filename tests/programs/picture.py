"""Draws what the command line shows, in the middle of the demo's deployment and at its end.

`PYTHONPATH=tests python tests/programs/picture.py` writes .github/report.svg, the same one each
time: the clock stands still.
"""

from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from programs import demo
from rich.console import Console
from rich.text import Text
from support.codedeploy import CodeDeploy, Step
from support.command_line import command_line, frames

PICTURE = Path(__file__).parents[2] / ".github" / "report.svg"
DEPLOYMENT_ID, MIDDLE, SIZE = "d-EXAMPLE11", 9, (16, 92)
BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
SECONDS_A_STEP = 28  # the demo is in more of a hurry than a deployment
NOW = BEGIN + timedelta(seconds=(MIDDLE + 0.5) * SECONDS_A_STEP)
CLOCK = f"{NOW:%H:%M:%S}"


def run(step: int, size: tuple[int, int] | None = None) -> list[str]:
    """Return the lines that tell of changes at a step, and all else that is shown last."""
    targets = [demo.instance(number, step, BEGIN) for number in range(demo.INSTANCES)]
    codedeploy = CodeDeploy(Step("Failed", targets))
    with TemporaryDirectory() as home, command_line(Path(home)) as cli:
        cli.answer = lambda name, params: codedeploy(name, {**params, "deploymentId": "d-1"})
        return frames(cli.run_here(DEPLOYMENT_ID, size=size).out)


@patch("programs.demo.SECONDS_A_STEP", SECONDS_A_STEP)
@patch("time.strftime", lambda *_: CLOCK)
@patch("time.time", NOW.timestamp)
def main() -> None:
    shown = run(MIDDLE, SIZE)
    changes = [line for frame in shown for line in frame.splitlines() if line.startswith(CLOCK)]
    view = [frame for frame in shown if frame.startswith(DEPLOYMENT_ID)][-1]
    end = [line for line in run(demo.STEPS)[0].splitlines() if not line.startswith(CLOCK)]
    console = Console(record=True, width=SIZE[1], file=io.StringIO())
    prompt = f"$ codedeploy-targets {DEPLOYMENT_ID}"
    console.print(Text(f"{prompt}        # while it runs", "bold"))
    console.print(Text.from_ansi("\n".join([*changes, view])))
    console.print(Text(f"{prompt}        # at the end", "bold"))
    console.print(Text("\n".join(end)))
    picture = console.export_svg(title="codedeploy-targets", unique_id="report")
    PICTURE.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()

"""The command line as a test runs it: in a process, in a terminal, or in the test's own process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer
from typing import IO, TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from support.codedeploy import CodeDeploy
from support.endpoint import Answer, serve

from codedeploy_targets.__main__ import main

if TYPE_CHECKING:
    from support.terminal import Terminal

PROGRAM: tuple[str, ...] = (sys.executable, "-m", "codedeploy_targets")
SCRIPT = Path(sys.executable).with_name("codedeploy-targets")
# All ways to start it. The script is not there where only the source is on the path.
PROGRAMS = [PROGRAM, (str(SCRIPT),)] if SCRIPT.exists() else [PROGRAM]
DEADLINE = 60  # seconds that a busy machine may take for anything
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


@dataclass(frozen=True)
class Ended:
    """How a run of the command line ended, and what it wrote."""

    status: int
    out: str
    err: str = ""

    @property
    def lines(self) -> list[str]:
        """The lines of stdout, without the times that some begin with."""
        return without_times(self.out.splitlines())


def without_times(lines: list[str]) -> list[str]:
    return [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in lines]


def frames(out: str) -> list[str]:
    """Return what was drawn on a terminal in colour, one redrawing after another."""
    return re.split(r"\r\x1b\[2K(?:\x1b\[A\x1b\[2K)*", out)


class Process:
    """The command line in a process that has not ended yet."""

    def __init__(self, popen: subprocess.Popen[str], stderr: IO[str]) -> None:
        self.send_signal, self.stdout = popen.send_signal, popen.stdout
        self._popen, self._stderr = popen, stderr
        self._read: list[str] = []

    def wait_for(self, text: str) -> None:
        """Wait until it has written a line with this text to stdout."""
        while not self._read or text not in self._read[-1]:
            assert self.stdout is not None
            self._read.append(self.stdout.readline())
            assert self._read[-1], f"{text!r} is not in what it wrote: {self._read}"

    def finish(self) -> Ended:
        """Wait for its end."""
        rest = self.stdout.read() if self.stdout and not self.stdout.closed else ""
        status = self._popen.wait(DEADLINE)
        self._stderr.seek(0)
        return Ended(status, "".join(self._read) + rest, self._stderr.read())


class CommandLine:
    """Runs the command line against an endpoint, away from this machine's settings.

    Attributes:
        answer: what answers its calls, such as a CodeDeploy; a test may change it at any time.
        env: the environment that it runs in; a test may change it, too.
    """

    def __init__(self, home: Path) -> None:
        self.answer: Answer = CodeDeploy()
        self._home = home
        kept = {name: text for name, text in os.environ.items() if _is_kept(name)}
        self.env = {
            **kept,
            **KEYS,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
            "HOME": str(home),
            "TERM": "xterm-256color",
        }

    def run(self, *args: str, **options: Any) -> Ended:
        """Run it in a process; the options are those of `started`."""
        with self.started(*args, **options) as process:
            return process.finish()

    @contextmanager
    def started(
        self, *args: str, program: Sequence[str | Path] = PROGRAM, **options: Any
    ) -> Iterator[Process]:
        """Start it in a process, which ends with the block; the options are those of Popen."""
        with TemporaryFile("w+", encoding="utf-8") as stderr:
            streams = {"stdout": subprocess.PIPE, "stderr": stderr, **options}
            with subprocess.Popen(  # noqa: S603
                [*program, *args], env=self.env, encoding="utf-8", **streams
            ) as popen:
                deadline = Timer(DEADLINE, popen.kill)
                deadline.start()
                try:
                    yield Process(popen, stderr)
                finally:
                    deadline.cancel()
                    popen.kill()

    @property
    def stdout(self) -> str:
        """What it has written so far, or last, in this process."""
        with (self._home / "stdout").open(encoding="utf-8", newline="") as file:
            return file.read()

    def once_shown(self, text: str, answer: Any = None) -> Callable[[Any], Any]:
        """Return a function that waits until it has written a text, then returns the answer."""

        def wait(usual: Any) -> Any:
            for _wait in range(400):  # some four seconds
                if text in self.stdout:
                    break
                time.sleep(0.01)
            return answer or usual

        return wait

    def run_here(
        self, *args: str, size: tuple[int, int] | None = None, encoding: str = "utf-8"
    ) -> Ended:
        """Run it in this process, which is quicker, and seen by mutmut and debuggers.

        With a size, in rows and columns, stdout seems to be a terminal.
        """
        out, err = self._home / "stdout", self._home / "stderr"
        with (
            out.open("w", encoding=encoding) as own,
            err.open("w", encoding=encoding, errors="backslashreplace") as stderr,
            redirect_stdout(own),
            redirect_stderr(stderr),
            patch.dict(os.environ, self.env, clear=True),
        ):
            if size is not None:
                os.environ.update(LINES=str(size[0]), COLUMNS=str(size[1]))
                own.isatty = lambda: True  # type: ignore[method-assign]
            try:
                status = main([*args])
            except SystemExit as exit_:
                status = int(exit_.code or 0)
        return Ended(status, self.stdout, err.read_text(encoding="utf-8"))

    def main(self, *args: str, **streams: Any) -> int:
        """Run it in this process with other streams, or none; return its exit status."""
        with patch.dict(os.environ, self.env, clear=True), patch.multiple(sys, **streams):
            status = main([*args])
            for name in [name for name, stream in streams.items() if stream is None]:
                getattr(sys, name).close()  # what it has opened instead
        return status

    @contextmanager
    def terminal(
        self, *args: str, size: tuple[int, int] = (24, 100), program: Sequence[str] = PROGRAM
    ) -> Iterator[Terminal]:
        """Start it in a terminal of so many rows and columns, which ends with the block."""
        for module in ("rich", "pyte", "pty"):
            pytest.importorskip(module)
        from support.terminal import terminal

        with terminal([*program, *args], self.env, size) as opened:
            yield opened


@contextmanager
def command_line(home: Path) -> Iterator[CommandLine]:
    """Yield the command line; its endpoint, on loopback, answers as `answer` does."""
    cli = CommandLine(home)
    with serve(lambda operation, params: cli.answer(operation, params)) as endpoint:  # noqa: PLW0108 - it may change
        cli.env["AWS_ENDPOINT_URL"] = endpoint.url
        yield cli


def _is_kept(name: str) -> bool:
    drawing = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
    return not name.startswith("AWS_") and name not in drawing

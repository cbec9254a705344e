"""A terminal of 24 rows and 100 columns, in which a test runs a program and reads the screen."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyte

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS, COLUMNS = 24, 100
DEADLINE = 60  # seconds that a busy machine may take for anything


class Terminal:
    """What a program wrote so far, as bytes and as the screen that they draw."""

    def __init__(self, process: subprocess.Popen[bytes], fd: int) -> None:
        self.process = process
        self.written = b""
        self._fd = fd
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def rows(self) -> list[str]:
        return [row.rstrip() for row in self._screen.display if row.strip()]

    @property
    def text(self) -> str:
        return "\n".join(self.rows)

    def shows_cursor(self) -> bool:
        return not self._screen.cursor.hidden

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Read what the program writes until the screen is as wanted."""
        end = time.monotonic() + DEADLINE
        while not condition():
            assert self._read(end - time.monotonic()), f"not seen on the screen:\n{self.text}"

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def finish(self) -> int:
        """Read to the end, and return the exit status."""
        end = time.monotonic() + DEADLINE
        while self._read(end - time.monotonic()):
            pass
        return self.process.wait(max(end - time.monotonic(), 0))

    def _read(self, seconds: float) -> bool:
        if not select.select([self._fd], [], [], max(seconds, 0))[0]:
            return False
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # Linux tells the end of a terminal by an error
            return False
        self.written += data
        self._stream.feed(data)
        return bool(data)


@contextmanager
def terminal(command: list[str], env: dict[str, str]) -> Iterator[Terminal]:
    """Run a program whose stdin, stdout and stderr are the terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    with subprocess.Popen(  # noqa: S603
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            process.kill()
            os.close(ours)

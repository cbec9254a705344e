"""A terminal in which a test runs a program, reads the screen, and types."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from threading import Timer

import pyte
from support.command_line import DEADLINE

Size = tuple[int, int]

FRAME_END = b"\x1b[?7h"  # the live view lets lines wrap again


class Terminal:
    """What a program wrote so far: `written`, its bytes, and the screen that they draw."""

    def __init__(self, process: subprocess.Popen[bytes], file: FileIO, size: Size) -> None:
        self.process = process
        self.written = b""
        self._file = file
        self._screen = pyte.Screen(*reversed(size))
        self._stream = pyte.ByteStream(self._screen)

    @property
    def rows(self) -> list[str]:
        """The rows that are not blank."""
        return _rows(self._screen)

    @property
    def text(self) -> str:
        return "\n".join(self.rows)

    def colours_of(self, text: str) -> set[str]:
        """Return the colours that a text on the screen has."""
        [(y, x)] = [
            (y, row.index(text)) for y, row in enumerate(self._screen.display) if text in row
        ]
        return {self._screen.buffer[y][x + n].fg for n in range(len(text))}

    def wait_for(self, *texts: str) -> None:
        """Read what the program writes until a whole frame has all texts.

        Linux hands over what is written line by line, so a frame may come in parts.
        """
        while not (self.written.endswith(FRAME_END) and all(text in self.text for text in texts)):
            assert self._read(), f"{texts} are not on the screen:\n{self.text}"

    def press(self, keys: str) -> None:
        self._file.write(keys.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Change the size, which the program is told by SIGWINCH."""
        set_size(self._file.fileno(), (rows, columns))
        self._screen.resize(rows, columns)

    def finish(self) -> int:
        """Read to the end, and return the exit status."""
        while self._read():
            pass
        return self.process.wait(DEADLINE)

    def _read(self) -> bool:
        data = b""
        with suppress(OSError):  # Linux tells the end of a terminal by an error
            data = self._file.read(65536)
        self.written += data
        self._stream.feed(data)
        return bool(data)


def rows_of(text: str, size: Size) -> list[str]:
    """Return the rows that are not blank once a text is written to a terminal of this size."""
    screen = pyte.Screen(*reversed(size))
    screen.set_mode(pyte.modes.LNM)  # the kernel's terminals add the carriage returns
    pyte.Stream(screen).feed(text)
    return _rows(screen)


def _rows(screen: pyte.Screen) -> list[str]:
    return [row.rstrip() for row in screen.display if row.strip()]


def set_size(fd: int, size: Size) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))


@contextmanager
def terminal(command: list[str], env: dict[str, str], size: Size) -> Iterator[Terminal]:
    """Run a program whose stdin, stdout and stderr are a terminal of so many rows and columns."""
    ours, theirs = pty.openpty()
    set_size(theirs, size)
    # The first terminal that a session opens controls it: keys and sizes become its signals.
    opening = ["sh", "-c", 'exec "$@" <>"$0" >&0 2>&0', os.ttyname(theirs), *command]
    with (
        FileIO(ours, "r+") as file,
        subprocess.Popen(opening, stdin=theirs, env=env, start_new_session=True) as process,  # noqa: S603
    ):
        os.close(theirs)
        deadline = Timer(DEADLINE, process.kill)
        deadline.start()
        try:
            yield Terminal(process, file, size)
        finally:
            deadline.cancel()
            process.kill()

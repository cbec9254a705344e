"""Change here: what signals do to the command line, also while Python still imports it."""

import atexit
import os
import signal
import sys
import time

# Until `__main__` handles signals, Ctrl-C ends the command line, and it alone, without a traceback.
_IS_MODULE = sys.argv[:1] == ["-m"] and "codedeploy_targets" in sys.orig_argv
_IS_SCRIPT = os.path.basename([*sys.argv, ""][0]) == "codedeploy-targets"  # noqa: PTH119
if (_IS_MODULE or _IS_SCRIPT) and signal.getsignal(signal.SIGINT) == signal.default_int_handler:
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

from typing import Any  # noqa: E402 - it takes time to import, as does pathlib


def handle_signals(report: Any) -> None:
    """Let a signal end the watch of a report, but not the report on how it ended."""

    def interrupt(number: int, _: object) -> None:
        report.error = report.error or KeyboardInterrupt(signal.Signals(number).name)
        now = time.monotonic()
        if now < report.followed_until:
            report.followed_until = now
            report.watch.close()  # what is being told is told to its end
            if report.meta is None:  # the watch has not begun
                raise KeyboardInterrupt
        elif now > report.followed_until + 1:
            # `timeout`, and a terminal that closes, signal twice at once. A signal that comes a
            # second later finds a process that goes on after the report, as IPython's does, or a
            # report that hangs, as when nobody reads what it writes.
            if report.has_ended:
                raise KeyboardInterrupt
            os._exit(128 + number)

    for name in {"SIGHUP", "SIGINT", "SIGTERM"} & {*dir(signal)}:
        if signal.getsignal(number := getattr(signal, name)) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, interrupt)
            # Python gives up its handlers at its end, where a signal would replace the exit status.
            atexit.register(signal.signal, number, signal.SIG_IGN)

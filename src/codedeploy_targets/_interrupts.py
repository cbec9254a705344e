"""Change here: what Ctrl-C does while Python still imports the command line."""

import os
import signal
import sys
from pathlib import Path

# Python imports this package before `__main__`, which takes over. Other programs are left alone.
_IS_MODULE = sys.argv[:1] == ["-m"] and "codedeploy_targets" in sys.orig_argv
_IS_SCRIPT = Path([*sys.argv, ""][0]).name == "codedeploy-targets"
if (_IS_MODULE or _IS_SCRIPT) and signal.getsignal(signal.SIGINT) == signal.default_int_handler:
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

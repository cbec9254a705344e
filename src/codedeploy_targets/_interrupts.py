"""Change here: what Ctrl-C does while Python still imports the command line.

Python imports this package before `__main__`, which takes over. Other programs are left alone.
"""

import os
import signal
import sys
from pathlib import Path

_IS_MODULE = sys.argv[:1] == ["-m"] and "codedeploy_targets" in sys.orig_argv
_IS_SCRIPT = Path([*sys.argv, ""][0]).name == "codedeploy-targets"
_IS_USUAL = signal.getsignal(signal.SIGINT) == signal.default_int_handler
if (_IS_MODULE or _IS_SCRIPT) and _IS_USUAL:
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

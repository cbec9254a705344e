"""Python in a process of its own, for what a process does at its start or its end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping


def run_python(*arguments: str, seconds: float = 60, env: Mapping[str, str] = os.environ) -> str:
    """Run Python with what this process can import; return what it printed.

    It has to end within so many seconds, with status 0, and without a word to stderr.
    """
    command = [sys.executable, *arguments]
    env = {**env, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(  # noqa: S603
        command, env=env, capture_output=True, text=True, check=False, timeout=seconds
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.strip()

"""`kindlab` as a process, as people run it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
PLAIN = {"NO_COLOR": "1", "CI": "1", "KINDLAB_LOG": "critical"}
"""What is shown must not depend on where the tests run."""


def runner(**environment: str) -> Run:
    """`run("check", "02")` runs `kindlab check 02` in this environment, without a terminal."""

    def run(*args: str, **more: str) -> "subprocess.CompletedProcess[str]":
        env = {**os.environ, "KINDLAB_COURSE": str(ROOT), **PLAIN, **environment, **more}
        command = [sys.executable, "-m", "kindlab.cli", *args]
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, check=False)

    return run

"""kubectl for learners: the real one where there is one (see `kindlab tools`), else a small stand-in over kindlab's own
API client.

Either way it talks to the cluster in use and to the lab's namespace by default, and exit codes are kubectl's.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from kindlab import tools
from kindlab.clusters.base import Status


@dataclass(frozen=True)
class Completed:
    """A finished command: what it printed, and its exit code."""

    exit: int
    out: str
    err: str


def binary() -> str | None:
    """The real kubectl: ours when it is installed, else the machine's own."""
    return tools.at_hand("kubectl")


def capture(status: Status, namespace: str, words: Sequence[str], stdin: str = "") -> Completed:
    """Run one command and return what it printed. `words` do not begin with "kubectl"."""
    real = binary()
    if real is not None:
        from kindlab.kubectl.real import capture as run_real

        return run_real(real, status, namespace, words, stdin)
    from kindlab.kubectl.standin import run as run_standin

    out, err = io.StringIO(), io.StringIO()
    code = run_standin(status.api(), namespace, words, stdin=io.StringIO(stdin), out=out, err=err)
    return Completed(code, out.getvalue(), err.getvalue())


def for_a_while(status: Status, namespace: str, words: Sequence[str], seconds: float) -> Completed:
    """Run a command that follows changes, stop it after so many seconds as Ctrl-C would, and return what it printed.
    One that ends earlier by itself is returned with its own exit code."""
    real = binary()
    if real is not None:
        from kindlab.kubectl.real import environment

        command, env = [real, *words], environment(status, namespace)
    else:  # a process of its own too: what follows changes cannot be stopped from within
        where = [] if {"-n", "--namespace", "-A"} & set(words) else ["-n", namespace]
        command, env = [sys.executable, "-m", "kindlab.cli", "kubectl", *words, *where], dict(os.environ)
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)
    try:
        out, err = process.communicate(timeout=seconds)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.terminate()
        out, err = process.communicate()
        return Completed(0, out, err)
    return Completed(process.returncode, out, err)


def attached(status: Status, namespace: str, words: Sequence[str]) -> int:
    """Run one command on this terminal; returns its exit code."""
    real = binary()
    if real is not None:
        from kindlab.kubectl.real import attached as run_real

        return run_real(real, status, namespace, words)
    from kindlab.kubectl.standin import run as run_standin

    return run_standin(status.api(), namespace, words, stdin=sys.stdin, out=sys.stdout, err=sys.stderr)

"""Many embedded clusters, one a process, forked from one in which a cluster has settled: `python -m
pocketkube.nursery`, spoken to in JSON lines (its first lines say how).

Where a platform cannot fork safely (`possible()`), who needs many clusters starts each as pocket.py does.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAME = "pocket"
"""Of each cluster: its nodes are called as those of a student's own."""
END_TIMEOUT = 30.0


def possible() -> bool:
    """Whether clusters can be forked here. On macOS fork is there, but its system libraries do not bear it."""
    return sys.platform == "linux" and hasattr(os, "fork") and hasattr(os, "pidfd_open")


def folder(home: Path) -> Path:
    """Where the cluster of a KINDLAB_HOME keeps its state."""
    return home / "clusters" / f"pocket-{NAME}"


class Nursery:
    """The process that they are forked from; what it says goes to `log`, and what it keeps beside that. Containers
    cannot change their programs, some of which graders run. Raises OSError when it cannot be started."""

    def __init__(self, log: Path) -> None:
        with open(log, "ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pocketkube.nursery", "--name", NAME, "--keep-programs"],
                env={**os.environ, "TMPDIR": str(log.parent)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for us, who end it
            )
        self._rest = b""

    def fileno(self) -> int:
        """What is readable when `said` has something."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def start(self, name: str, home: Path, limits: dict[str, int]) -> None:
        """Begin a cluster; `name` is what it is called in what is `said`."""
        self._tell({"id": name, "start": str(folder(home)), "limits": limits})

    def stop(self, name: str) -> None:
        """Kill a cluster, if it still runs, and remove its folder."""
        self._tell({"id": name, "stop": True})

    def _tell(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # `said` will say so
            self._process.stdin.write(json.dumps(message).encode() + b"\n")

    def said(self) -> Iterator[dict[str, Any]]:
        """What is new, without waiting longer than for the first of it. Raises EOFError when the process is gone."""
        read = os.read(self.fileno(), 1 << 16)
        if not read:
            raise EOFError
        *lines, self._rest = (self._rest + read).split(b"\n")
        yield from map(json.loads, lines)

    def close(self) -> None:
        """End every cluster; returns when their folders are gone too."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its clusters die with it
            self._process.wait()

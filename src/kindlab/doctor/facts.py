"""What checks know of this machine. Tests make their own; `of_this_machine` looks."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kindlab import computer, engines, paths
from kindlab.computer import Computer
from kindlab.engines import Engine
from kindlab.engines.client import Answer, run

PATIENCE = 5.0
"""Seconds for a question to a program; it takes a tenth of one when all is well."""


def _no_text(path: str) -> str:
    return ""


def _no_room(path: str) -> int | None:
    return None


def _free(port: int) -> bool:
    return False


def _no_answer(*command: str) -> Answer:
    return Answer(None, err=f"{command[0]} cannot be run")


@dataclass(frozen=True)
class Facts:
    """`read(path)` is a file's text, "" where there is none; `room(path)` the free bytes of its disk (of the nearest
    folder that exists), None when unknown; `taken(port)` whether something listens on 127.0.0.1 there; `writable(path)`
    whether a file can be made in that folder (or where it would be made); `ask(*command)` what a program says."""

    home: Path
    computer: Computer = field(default_factory=Computer)
    engines: tuple[Engine, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    read: Callable[[str], str] = _no_text
    room: Callable[[str], int | None] = _no_room
    taken: Callable[[int], bool] = _free
    writable: Callable[[Path], bool] = bool
    ask: Callable[..., Answer] = _no_answer

    @property
    def engine(self) -> Engine | None:
        """The one that kind would be told to use."""
        return engines.chosen(list(self.engines))

    @property
    def own_kernel(self) -> bool:
        """Whether the engine's containers run on this machine's Linux, so that its limits and routes are theirs."""
        return self.computer.linux and (self.engine is None or not self.engine.virtual)


def of_this_machine() -> Facts:
    here = computer.this()
    return Facts(
        home=paths.home(),
        computer=here,
        engines=tuple(engines.installed(here=here)),
        environment=dict(os.environ),
        read=_read,
        room=_room,
        taken=_taken,
        writable=_writable,
        ask=lambda *command: run(list(command), timeout=PATIENCE),
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _existing(path: Path) -> Path | None:
    """The path or the nearest folder above it that is there and can be looked at."""
    for candidate in (path, *path.parents):
        try:
            if candidate.exists():
                return candidate
        except OSError:
            continue
    return None


def _room(path: str) -> int | None:
    found = _existing(Path(path))
    try:
        return shutil.disk_usage(found).free if found else None
    except OSError:
        return None


def _writable(path: Path) -> bool:
    found = _existing(path)
    return found is not None and found.is_dir() and os.access(found, os.W_OK | os.X_OK)


def _taken(port: int) -> bool:
    """Whether 127.0.0.1 cannot be listened on there, as a cluster would."""
    with socket.socket() as trial:
        if os.name == "posix":  # on Windows this would let us take a port that is in use
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False

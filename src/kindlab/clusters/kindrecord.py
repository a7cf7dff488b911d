"""What kindlab knows of a kind cluster beside what the engine and the API say: who made it and how far that went.

`cluster.json` in the cluster's folder is written before anything is made, so that a creation which was interrupted, by
Ctrl-C, kill -9 or a power cut, is known to the next `kindlab up`, which removes it without asking.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path

from kindlab import paths
from kindlab.clusters.base import Step
from kindlab.clusters.kindconfig import Listening
from kindlab.errors import Problem

FILE = "cluster.json"
WAIT_FOR_OTHER = 1800.0
CREATING, CREATED, READY, KEPT = "creating", "created", "ready", "kept"
"""Stages: kind is at work, kind is done, everything was ready once, kind failed and --keep left its containers."""


@dataclass(frozen=True)
class Record:
    """`ours`: kindlab made it. `network`: kindlab made the engine's network, too. `pid` is of `kind create`. `merged`
    is (kubeconfig, its current context before) where --merge put the context into the user's own file. `ports` as
    kindconfig.mapped."""

    stage: str
    ours: bool = True
    engine: str = ""
    begun: str = field(default_factory=lambda: datetime.now().astimezone().isoformat(timespec="seconds"))
    pid: int = 0
    network: bool = False
    ip_family: str = ""
    ports: Mapping[int, Listening] = field(default_factory=dict)
    merged: tuple[str, str] | None = None

    @property
    def when(self) -> str:
        """22 November 14:03."""
        try:
            begun = datetime.fromisoformat(self.begun)
            return f"{begun.day} {begun:%B %H:%M}"
        except ValueError:
            return "some time ago"

    @property
    def half_made(self) -> bool:
        return self.stage in (CREATING, KEPT)


def read(folder: Path) -> Record | None:
    """None when there is none; a damaged one counts as a creation of ours that did not end."""
    file = folder / FILE
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        ports = {int(port): Listening(**at) for port, at in found.pop("ports").items()}
        merged = found.pop("merged")
        return Record(**found, ports=ports, merged=tuple(merged) if merged else None)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Record(CREATING)


def write(folder: Path, record: Record) -> Record:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    paths.write_atomically(folder / FILE, json.dumps(asdict(record), indent=1) + "\n", mode=0o600)
    return record


def change(folder: Path, record: Record, **fields: object) -> Record:
    return write(folder, replace(record, **fields))  # type: ignore[arg-type]


def _lock_file(folder: Path) -> Path:
    """Beside the cluster's folder, which may be removed meanwhile."""
    return folder.with_name(f"{folder.name}.lock")


def busy(folder: Path) -> bool:
    """Whether a kindlab is at work on that cluster now."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(_lock_file(folder), timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return False


@contextlib.contextmanager
def locked(folder: Path, name: str, step: Step) -> Iterator[None]:
    """One kindlab at a time works on a cluster. Raises Problem when another one does not end."""
    from filelock import FileLock, Timeout

    file = _lock_file(folder)
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            step(f"another kindlab is at work on the kind cluster {name}: waiting for it")
            lock.acquire(timeout=WAIT_FOR_OTHER)
    except Timeout as error:
        raise Problem(
            f"Another kindlab has been at work on the kind cluster {name} for half an hour.",
            f"It holds {file}.",
            "End it (Ctrl-C in its terminal), then run the command again.",
        ) from error
    except OSError as error:
        raise Problem(
            f"The folder {folder.parent} cannot be used.",
            f"{error.strerror or error}.",
            "Free some disk space or make it writable; KINDLAB_HOME chooses another place.",
        ) from error
    try:
        yield
    finally:
        lock.release()

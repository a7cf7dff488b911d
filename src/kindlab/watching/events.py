"""What happens while a lab is followed, and when it was seen: changes in its namespaces, files that were saved, a
cluster that has gone."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kindlab.api import Api, ApiError, Obj, Served, Unreachable
from kindlab.emptying import word
from kindlab.labs import CLUSTER_KINDS, START_SUFFIXES, Lab
from kindlab.watching.objects import Change, Key

log = logging.getLogger(__name__)

NOISE = frozenset({"Event", "Lease", "ControllerRevision", "Endpoints", "CSIStorageCapacity", "ReplicationController"})
SPELL = 20.0
"""Seconds for which one watch is open; then it is opened anew, unless nobody follows any more."""
READY = 30.0
GROUPED, STEP = 50, 20
"""Milliseconds: how long files that are saved together are waited for, and between two looks."""


class Saved(NamedTuple):
    file: Path
    at: float


class Gone(NamedTuple):
    """The cluster does not answer any more."""

    why: str
    at: float


Event = Change | Saved | Gone


class Events:
    """Puts events into `queue` from `begin` to `end`. Raises nothing after `begin`."""

    def __init__(self, lab: Lab, folder: Path, api: Api) -> None:
        self.lab, self.folder, self.api = lab, folder, api
        self.queue: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._waited: list[threading.Event] = []

    def begin(self) -> None:
        """Return when every kind is being watched: what changes from now on is not missed. Raises ApiError,
        Unreachable."""
        for kind, space in self._places():
            ready = threading.Event()
            self._waited.append(ready)
            threading.Thread(target=self._follow, args=(kind, space, ready), daemon=True).start()
        threading.Thread(target=self._files, daemon=True).start()
        deadline = time.monotonic() + READY
        for ready in self._waited:
            ready.wait(max(0.0, deadline - time.monotonic()))

    def end(self) -> None:
        self._stopped.set()

    def _places(self) -> Iterator[tuple[Served, str | None]]:
        for kind in self.api.kinds():
            watched = {"list", "watch"} <= set(kind.verbs) and kind.kind not in NOISE
            if watched and kind.namespaced:
                yield from ((kind, space) for space in self.lab.spaces)
            elif watched and kind.kind in self.lab.cluster_kinds and kind.kind in CLUSTER_KINDS:
                yield kind, None

    def _follow(self, kind: Served, space: str | None, ready: threading.Event) -> None:
        """Of one kind in one namespace; one that is not ours to watch is left out."""
        known: dict[Key, Obj] | None = None
        try:
            while not self._stopped.is_set():
                for live in self.api.follow(word(kind), space, timeout=SPELL):
                    if self._stopped.is_set():
                        return
                    found = {_key(kind, obj): obj for obj in live.values() if space or self._is_labs(obj)}
                    # what is there at first is news to nobody but the scene
                    self._compare(known if known is not None else {}, found, first=known is None)
                    known = found
                    ready.set()
        except Unreachable as error:
            self._put(Gone(error.why, time.monotonic()))
        except ApiError as error:
            log.info("%s is not watched: %s", kind.plural, error)
        finally:
            ready.set()

    def _compare(self, known: dict[Key, Obj], found: dict[Key, Obj], *, first: bool) -> None:
        now = time.monotonic() if not first else 0.0
        for key in known.keys() | found.keys():
            old, new = known.get(key), found.get(key)
            if old is None or new is None or _version(old) != _version(new):
                self._put(Change(key, old, new, now))

    def _is_labs(self, obj: Obj) -> bool:
        return str(obj["metadata"]["name"]).startswith(self.lab.prefix)

    def _files(self) -> None:
        import watchfiles

        if not self.folder.is_dir():
            return
        try:
            for changes in watchfiles.watch(
                self.folder,
                debounce=GROUPED,
                step=STEP,
                stop_event=self._stopped,
                recursive=False,
                raise_interrupt=False,
            ):
                now = time.monotonic()
                for name in sorted({name for _, name in changes}):
                    file = Path(name)
                    if file.suffix in START_SUFFIXES and not file.name.startswith(".") and file.is_file():
                        self._put(Saved(file, now))
        except OSError as error:  # too many watches, for one: the cluster is followed all the same
            log.warning("files are not watched: %s", error)

    def _put(self, event: Event) -> None:
        if not self._stopped.is_set():
            self.queue.put(event)


def _key(kind: Served, obj: Obj) -> Key:
    return kind.plural, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _version(obj: Obj) -> str:
    return str(obj["metadata"].get("resourceVersion"))

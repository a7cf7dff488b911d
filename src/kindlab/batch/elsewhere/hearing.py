"""What the cluster says about a Job and its Pods, as it says it: two watches in threads, one queue. Nothing is
polled."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from kindlab.api import Api, ApiError, Obj, Unreachable

ANEW = 240.0
"""Seconds after which a watch begins anew: a connection that died unnoticed must not last."""
AWAY, PAUSE = 300.0, 5.0
"""Seconds for which the API server may be away, and between two tries."""

Said = tuple[str, list[Obj]] | Exception
"""A kind, and all that there are of it now."""


class Hearing:
    def __init__(self, api: Api, namespace: str, run: str) -> None:
        self._said: queue.Queue[Said] = queue.Queue()
        self._over = threading.Event()
        for kind, where in (("Job", {"fields": f"metadata.name={run}"}), ("Pod", {"labels": f"job-name={run}"})):
            follows = (api, namespace, kind, where)
            threading.Thread(target=self._follow, args=follows, name=f"kindlab-hears-{kind}", daemon=True).start()

    def next(self, timeout: float) -> tuple[str, list[Obj]] | None:
        """What was said next; None where nothing was within `timeout` s. Raises Problem, ApiError."""
        try:
            said = self._said.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(said, Exception):
            raise said
        return said

    def end(self) -> None:
        self._over.set()

    def _follow(self, api: Api, namespace: str, kind: str, where: dict[str, str]) -> None:
        heard = monotonic()
        while not self._over.is_set():
            try:
                for live in api.follow(kind, namespace, **where, timeout=ANEW):
                    heard = monotonic()
                    self._said.put((kind, list(live.values())))
                    if self._over.is_set():
                        return
            except Unreachable as error:
                if monotonic() - heard > AWAY + ANEW:
                    self._said.put(error)
                    return
                self._over.wait(PAUSE)
            except (ApiError, ValueError, KeyError) as error:
                self._said.put(error)
                return


@contextmanager
def heard(api: Api, namespace: str, run: str) -> Iterator[Hearing]:
    hearing = Hearing(api, namespace, run)
    try:
        yield hearing
    finally:
        hearing.end()

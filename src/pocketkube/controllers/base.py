"""What a controller is: what it watches, how that maps to keys, and `reconcile(key)`.

Models client-go's workqueue and controller-runtime's loop: a key is queued once however often it is asked for,
a failed key comes back later each time, `reconcile` may ask to be called again after a delay. One worker per
controller: two reconciles of the same controller never overlap.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import ClassVar

from pocketkube.client import Client
from pocketkube.errors import Conflict
from pocketkube.objects import Key, Obj, controller_ref, key, namespace
from pocketkube.store import Event

log = logging.getLogger(__name__)

FIRST_DELAY, LONGEST_DELAY = 0.005, 1000.0
Mapping = Callable[[Event], Iterable[Key]]


def own_key(event: Event) -> Iterable[Key]:
    """Maps an event to its object."""
    yield key(event.object)


def owner_key(kind: str) -> Mapping:
    """Maps an event to the object's controlling owner of that kind (before and after the write)."""

    def owners(event: Event) -> Iterable[Key]:
        for obj in (event.object, event.old):
            ref = controller_ref(obj) if obj is not None else None
            if obj is not None and ref is not None and ref["kind"] == kind:
                yield namespace(obj), ref["name"]

    return owners


class Controller:
    """Subclass once per controller, name the class `CONTROLLER` in the module."""

    name: ClassVar[str]
    """kube-controller-manager's name for it; Events carry it as their source."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.clock = client.clock
        self._queue: deque[Key] = deque()
        self._queued: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        """(resource id, how its events map to keys) for everything that can change what `reconcile` decides."""
        raise NotImplementedError

    async def reconcile(self, at: Key) -> float | None:
        """Read the world, write the difference. Returns seconds after which to look again, or None."""
        raise NotImplementedError

    def enqueue(self, at: Key) -> None:
        if at not in self._queued:
            self._queued.add(at)
            self._queue.append(at)
            self._wake.set()

    def enqueue_after(self, at: Key, seconds: float) -> None:
        """Queue the key after that much cluster time; the earlier of two wishes wins."""
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds / self.clock.speed
        waiting = self._timers.get(at)
        if waiting is not None:
            if waiting.when() <= when:
                return
            waiting.cancel()
        self._timers[at] = loop.call_at(when, self._timer_fired, at)

    def _timer_fired(self, at: Key) -> None:
        self._timers.pop(at, None)
        self.enqueue(at)

    async def run(self) -> None:
        """Work until cancelled. Everything that exists already is reconciled first."""
        stops = [self._start_watch(resource, mapping) for resource, mapping in self.watches()]
        try:
            while True:
                while not self._queue:
                    self._wake.clear()
                    await self._wake.wait()
                at = self._queue.popleft()
                self._queued.discard(at)
                await self._process(at)
                await asyncio.sleep(0)  # requests are served between two reconciles
        finally:
            for stop in stops:
                stop()
            for timer in self._timers.values():
                timer.cancel()

    def _start_watch(self, resource: str, mapping: Mapping) -> Callable[[], None]:
        def notify(event: Event) -> None:
            for at in mapping(event):
                self.enqueue(at)

        stop = self.client.subscribe(resource, notify)
        for obj in self.client.list(resource):
            notify(_existing(resource, obj))
        return stop

    async def _process(self, at: Key) -> None:
        try:
            again = await self.reconcile(at)
        except Conflict:
            self.enqueue(at)
        except Exception:
            failures = self._failures[at] = self._failures.get(at, 0) + 1
            delay = min(FIRST_DELAY * 2 ** (failures - 1), LONGEST_DELAY)
            log.exception("%s: %s/%s failed, again in %.3f s", self.name, *at, delay)
            self.enqueue_after(at, delay)
        else:
            self._failures.pop(at, None)
            if again is not None:
                self.enqueue_after(at, again)


def _existing(resource: str, obj: Obj) -> Event:
    return Event("ADDED", resource, obj, None, int(obj["metadata"]["resourceVersion"]))

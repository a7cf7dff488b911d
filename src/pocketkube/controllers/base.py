"""What a controller is: what it watches, how that maps to keys, and `reconcile(key)`.

Models client-go's workqueue and controller-runtime's loop: a key is queued once however often it is asked for,
a failed key comes back later each time, `reconcile` may ask to be called again after a delay. One worker per
controller: two reconciles of the same controller never overlap. One that writes what webhooks must be asked about is
broken off and begins anew when they have answered.

Of our own: a key whose reconcile took more than a millisecond rests for a few times as long before it is taken up
again, so that a burst of events (a thousand pods becoming ready one by one) costs few reconciles instead of a thousand.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import ClassVar

from pocketkube.client import Client
from pocketkube.errors import Conflict, StatusError
from pocketkube.objects import Key, Obj, dig, key
from pocketkube.resources.base import DeleteOptions
from pocketkube.store import Event
from pocketkube.unanswered import Unanswered

log = logging.getLogger(__name__)

FIRST_DELAY, LONGEST_DELAY = 0.005, 1000.0
CHEAP, LONGEST_REST = 0.001, 0.5
"""Real seconds: a reconcile below the first needs no rest; none rests longer than the second."""
REST = 4
"""Times as long as it worked: one key takes a fifth of the machine at most."""
BACKGROUND = DeleteOptions(propagation_policy="Background")
Mapping = Callable[[Event], Iterable[Key]]


def own_key(event: Event) -> Iterable[Key]:
    """Maps an event to its object."""
    yield key(event.object)


def namespace_is_terminating(error: StatusError) -> bool:
    """Whether a create was refused because its namespace is going: it will never succeed, so it is not an error."""
    causes = dig(error.details, "causes", default=())
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


class Retry(Exception):
    """Raised by `reconcile` when it has told whom it concerns what is wrong: the key comes back, each time later."""


class Controller:
    """Subclass once per controller; the module ends in `CONTROLLER = ...`, which the folder scan takes."""

    name: ClassVar[str]
    """kube-controller-manager's name for it; Events carry it as their source."""
    patience: ClassVar[float] = 0.0
    """Real seconds an event waits for others, so that what others wait for goes first."""

    first_delay: ClassVar[float] = FIRST_DELAY
    longest_delay: ClassVar[float] = LONGEST_DELAY
    """Seconds until a failed key comes back, doubled with each failure in a row, and the most they become."""
    every_kind: ClassVar[bool] = False
    """Whether `watches` loops over kinds, so that custom kinds that come later are watched too."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.clock = client.clock
        self.log = client.log or log
        self._queue: deque[Key] = deque()
        self._queued: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, tuple[float, asyncio.Handle]] = {}
        self._rests: dict[Key, float] = {}
        self._wake = asyncio.Event()
        self._questions: asyncio.TaskGroup

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        """(resource id, how its events map to keys) for everything that can change what `reconcile` decides.

        Asked again whenever a custom kind appears or vanishes, if `every_kind`."""
        raise NotImplementedError

    async def reconcile(self, at: Key) -> float | None:
        """Read the world, write the difference. Returns seconds after which to look again, or None."""
        raise NotImplementedError

    def enqueue(self, at: Key) -> None:
        if at in self._queued:
            return
        if (until := self._rests.get(at)) is not None:
            if until > asyncio.get_running_loop().time():
                self._call_at(at, until)
                return
            del self._rests[at]
        self._queued.add(at)
        self._queue.append(at)
        self._wake.set()

    def _enqueue_in_time(self, at: Key) -> None:
        if self.patience:
            self._call_at(at, asyncio.get_running_loop().time() + self.patience)
        else:
            self.enqueue(at)

    def enqueue_after(self, at: Key, seconds: float) -> None:
        """Queue the key after that much cluster time; the earlier of two wishes wins."""
        self._call_at(at, asyncio.get_running_loop().time() + seconds / self.clock.speed)

    def _call_at(self, at: Key, when: float) -> None:
        waiting = self._timers.get(at)
        if waiting is not None:
            due, handle = waiting
            if due <= when:
                return
            handle.cancel()
        self._timers[at] = when, asyncio.get_running_loop().call_at(when, self._timer_fired, at)

    def _timer_fired(self, at: Key) -> None:
        self._timers.pop(at, None)
        self.enqueue(at)

    async def run(self) -> None:
        """Work until cancelled. Everything that exists already is reconciled first."""
        loop = asyncio.get_running_loop()
        stops: dict[str, Callable[[], None]] = {}

        def follow(_: str = "") -> None:
            """Watch what is not watched yet."""
            for resource, mapping in self.watches():
                if resource not in stops:
                    stops[resource] = self._start_watch(resource, mapping)

        follow()
        stop_following = self.client.on_kinds(follow) if self.every_kind else None
        try:
            async with asyncio.TaskGroup() as self._questions:
                while True:
                    while not self._queue:
                        self._wake.clear()
                        await self._wake.wait()
                    at = self._queue.popleft()
                    self._queued.discard(at)
                    started = loop.time()
                    await self._process(at)
                    if (took := loop.time() - started) > CHEAP:
                        now = loop.time()
                        self._rests = {key: until for key, until in self._rests.items() if until > now}
                        self._rests[at] = now + min(REST * took, LONGEST_REST)
                    await asyncio.sleep(0)  # requests are served between two reconciles
        finally:
            if stop_following is not None:
                stop_following()
            for stop in stops.values():
                stop()
            for _, handle in self._timers.values():
                handle.cancel()

    def _start_watch(self, resource: str, mapping: Mapping) -> Callable[[], None]:
        def notify(event: Event) -> None:
            try:
                for at in mapping(event):
                    self._enqueue_in_time(at)
            except Exception:  # the write that is being told about must not fail for it
                self.log.exception("%s: cannot map %s of %s %s/%s", self.name, event.type, resource, *key(event.object))

        stop = self.client.subscribe(resource, notify)
        for obj in self.client.list(resource):
            notify(_existing(resource, obj))
        return stop

    async def _process(self, at: Key) -> None:
        try:
            with self.client.repeating():
                again = await self.reconcile(at)
        except Unanswered as question:
            self._questions.create_task(self._learn(at, question), name=f"{self.name} {'/'.join(at)}: webhooks")
        except Conflict:
            self.enqueue(at)
        except Retry as why:
            self.log.info("%s: %s/%s: %s", self.name, *at, why)
            self._back_off(at)
        except StatusError as error:  # refused by the API: an expected kind of failure, so no traceback
            self.log.warning("%s: %s/%s: %s", self.name, *at, error.message)
            self._back_off(at)
        except Exception:
            self.log.exception("%s: %s/%s failed", self.name, *at)
            self._back_off(at)
        else:
            self._failures.pop(at, None)
            if again is not None:
                self.enqueue_after(at, again)

    async def _learn(self, at: Key, question: Unanswered) -> None:
        """Have webhooks asked about a write of this key, which is reconciled again once they have answered."""
        try:
            await question.ask()
        except Exception:
            self.log.exception("%s: %s/%s: webhooks", self.name, *at)
            self._back_off(at)
        else:
            self.enqueue(at)

    def _back_off(self, at: Key) -> None:
        failures = self._failures[at] = self._failures.get(at, 0) + 1
        self.enqueue_after(at, min(self.first_delay * 2 ** min(failures - 1, 30), self.longest_delay))


def _existing(resource: str, obj: Obj) -> Event:
    return Event("ADDED", resource, obj, None, int(obj["metadata"]["resourceVersion"]))

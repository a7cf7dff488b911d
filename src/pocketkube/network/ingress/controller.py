"""The ingress controller's loop: whenever an object it follows has changed: translate, serve, tell what is wrong.

Routes come from providers (Ingresses, the Gateway API), which know nothing of each other; their listeners are served
side by side. All changes of one moment cost one turn, and a turn that took long is followed by a rest, so that a burst
does not take the machine. Traefik itself waits two seconds between two turns (providersThrottleDuration).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Protocol

from pocketkube.client import Client
from pocketkube.network.ingress.problems import Problem
from pocketkube.network.ingress.routes import Listener, Table
from pocketkube.network.ingress.server import Problem as Unserved

CHEAP: Final = 0.002
LONGEST_REST: Final = 1.0
"""Real seconds: a turn below the first needs no rest; none rests longer than the second."""
REST: Final = 3
"""Times as long as the turn took."""

Log = Callable[[str, str, dict[str, str]], Awaitable[None]]
"""(level, text, fields) -> a line in the controller's log."""


class Provider(Protocol):
    """One source of routes."""

    @property
    def follows(self) -> Iterable[str]:
        """Resource ids of the kinds whose changes matter."""

    def listeners(self) -> tuple[Listener, ...]:
        """What is to be served, read anew."""

    def report(self, unserved: Sequence[Unserved]) -> Iterable[Problem]:
        """Once the last `listeners()` are served, except for what is `unserved`: write statuses; says what is wrong."""


class Controller:
    """`serve` puts a table in force and says what of it cannot be served. Problems are told once while they last."""

    def __init__(
        self,
        client: Client,
        providers: Sequence[Provider],
        serve: Callable[[Table], list[Unserved]],
        log: Log,
    ) -> None:
        self._client = client
        self._providers = providers
        self._serve = serve
        self._log = log
        self._told: set[tuple[str, str, str]] = set()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Follow until cancelled. What exists already is served first."""
        loop = asyncio.get_running_loop()
        kinds = sorted({kind for provider in self._providers for kind in provider.follows})
        stops = [self._client.subscribe(kind, lambda _: self._changed.set()) for kind in kinds]
        try:
            while True:
                self._changed.clear()
                started = loop.time()
                problems = await self._turn()
                took = loop.time() - started
                await self._tell(problems)
                if took > CHEAP:
                    await asyncio.sleep(min(REST * took, LONGEST_REST))
                await self._changed.wait()
        finally:
            for stop in stops:
                stop()

    async def _turn(self) -> list[Problem]:
        """With thousands of routes each step takes tens of milliseconds: others go between. What changes meanwhile is
        the next turn's."""
        listeners: list[Listener] = []
        for provider in self._providers:
            listeners += provider.listeners()
            await asyncio.sleep(0)
        unserved = self._serve(Table(tuple(listeners)))
        problems: list[Problem] = []
        for provider in self._providers:
            await asyncio.sleep(0)
            problems += provider.report(unserved)
        return problems

    async def _tell(self, problems: list[Problem]) -> None:
        fresh = [problem for problem in problems if problem.key not in self._told]
        self._told = {problem.key for problem in problems}
        for problem in fresh:
            self._client.record(problem.about, "Warning", problem.reason, problem.message)
            await self._log(problem.level, problem.log, dict(problem.fields))

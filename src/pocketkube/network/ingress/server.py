"""The reverse proxy of the ingress controller: HTTP/1.1 and TLS in, HTTP/1.1 out, by a `routes.Table`.

It behaves as Traefik v3 does towards clients and backends: matching, forwarded headers, balancing, error texts, access
log. Left out: HTTP/2 and HTTP/3, h2c backends (502), trailers, sticky sessions, keep-alive for HTTP/1.0, CONNECT (501).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate

from pocketkube.clock import Clock
from pocketkube.network.ingress.accesslog import AccessLog
from pocketkube.network.ingress.certificates import Certificates
from pocketkube.network.ingress.matching import Routes
from pocketkube.network.ingress.mirroring import Copy
from pocketkube.network.ingress.pool import Pool
from pocketkube.network.ingress.port import Port
from pocketkube.network.ingress.routes import Certificate, Listener, Rule, Table
from pocketkube.network.ingress.turns import Lookup, Turns
from pocketkube.network.podnetwork import PodNetwork

SWEEP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Problem:
    """A part of a table that cannot be served, and why; everything else is."""

    about: Certificate | Rule | Listener
    why: str


class ReverseProxy:
    """`update(table)` at any time, `run()` until cancelled. `endpoints` answers for a backend when a request comes."""

    def __init__(
        self,
        net: PodNetwork,
        endpoints: Lookup,
        *,
        clock: Clock,
        access_log: Callable[[str], None] | None = None,
    ) -> None:
        self.clock = clock
        self.name = net.name
        self.pool = Pool(net, clock.monotonic)
        self.turns = Turns(endpoints)
        self.certificates = Certificates()
        self.access_log = AccessLog(access_log, clock)
        self._net = net
        self._ports: dict[int, Port] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._date = (0, b"")

    @property
    def ports(self) -> list[int]:
        """The ports that are open."""
        return sorted(self._ports)

    def update(self, table: Table) -> list[Problem]:
        """Serve this table from the next request on. No connection is dropped; says what cannot be served."""
        problems: list[Problem] = []
        wanted: dict[int, list[Listener]] = {}
        for listener in table.listeners:
            wanted.setdefault(listener.port, []).append(listener)
        for number in [number for number in self._ports if number not in wanted]:
            self._ports.pop(number).close()
        for number, listeners in wanted.items():
            problems += self._serve(number, listeners)
        self.turns.keep_only(rule for listener in table.listeners for rule in listener.rules)
        self.certificates.keep_only(c for listener in table.listeners for c in listener.certificates)
        return problems

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as self._tasks:
                for port in self._ports.values():
                    self._tasks.create_task(port.run(), name=f"ingress port {port.listener.port}")
                while True:
                    await self.clock.sleep(SWEEP_SECONDS)
                    self.pool.sweep()
        finally:
            self._tasks = None
            for port in self._ports.values():
                port.close()
            self._ports.clear()
            self.pool.close()

    async def drain(self) -> None:
        """Stop listening; returns once every request under way has been answered. `run()` must be running."""
        ports = list(self._ports.values())
        self.update(Table())
        for port in ports:
            await port.gone.wait()

    def mirror(self, copy: Copy) -> None:
        """Send a copy of a request; nobody waits for it."""
        if self._tasks is not None:
            self._tasks.create_task(copy.send(self), name="ingress mirror")

    def date(self) -> bytes:
        """The Date header of this second."""
        now = int(self.clock.time())
        if self._date[0] != now:
            self._date = (now, formatdate(now, usegmt=True).encode("ascii"))
        return self._date[1]

    def deadline(self, seconds: float) -> float:
        """The loop's time after that much cluster time."""
        return asyncio.get_running_loop().time() + seconds / self.clock.speed

    def _serve(self, number: int, listeners: list[Listener]) -> list[Problem]:
        port = self._ports.get(number)
        if port is None:
            try:
                port = Port(self, self._net.listen(number, "::"))
            except OSError as error:
                return [Problem(one, f"port {number} cannot be opened: {error.strerror}") for one in listeners]
            self._ports[number] = port
            if self._tasks is not None:
                self._tasks.create_task(port.run(), name=f"ingress port {number}")
        certificates = dict.fromkeys(one for listener in listeners for one in listener.certificates)
        names, broken = self.certificates.load(certificates)
        port.routes, port.names = Routes(rule for listener in listeners for rule in listener.rules), names
        port.tls = any(listener.tls for listener in listeners)
        problems = [Problem(certificate, why) for certificate, why in broken]
        return problems + [Problem(rule, why) for rule, why in port.routes.broken]

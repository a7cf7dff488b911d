"""The cluster's ports on this machine: static mappings, NodePorts and LoadBalancer addresses, on 127.0.0.1.

Stands for kind's extraPortMappings, and for the route a machine has to kind's load balancer addresses: connections
enter the cluster at the first worker's address or at the load balancer's, from outside, so the traffic policies mean
what they mean there. A NodePort has its own number here. A LoadBalancer port has its own number when it is above 1023
and free, else the port it had last time, else one the system chooses.

A port that is taken on this machine breaks nothing: the Service gets a Warning event, a static mapping a `problem`,
and the port is tried again when the Service changes and every RETRY seconds.

What is open is in `<state>/host-ports.json`, replaced as a whole at every change:

    {"static": [{"port": 30080, "protocol": "TCP", "hostPort": 8080, "url": "http://127.0.0.1:8080"},
                {"port": 30443, "protocol": "TCP", "hostPort": 8443, "problem": "another program uses it"}],
     "lab/web": [{"port": 80, "name": "http", "protocol": "TCP", "hostPort": 41234, "url": "http://127.0.0.1:41234"},
                 {"port": 80, "name": "http", "protocol": "TCP", "hostPort": 30123, "url": "http://127.0.0.1:30123",
                  "nodePort": 30123}]}

`port` is the Service's (of a static mapping: the node port it leads to); a LoadBalancer's own entries come before its
node ports. The scheme is https for port 443, a port named https or of that appProtocol, udp for UDP, else http.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.network.fabric import Fabric
from pocketkube.network.hostsockets import HOST, Carriers, TcpPort, UdpPort, open_port
from pocketkube.network.stream import Address
from pocketkube.objects import Key, Obj
from pocketkube.store import Event

log = logging.getLogger(__name__)

FILE = "host-ports.json"
STATIC = "static"
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
MOST = 200
"""Ports of this machine that Services may have: a manifest of thousands must not use up the process' sockets."""
RETRY = 5.0
"""Seconds after which ports that were taken are tried again."""


@dataclass(frozen=True, slots=True)
class Opening:
    """One port of this machine and where it leads: `address` "" is the worker node that traffic enters at."""

    owner: str
    """namespace/name of the Service, or "static"."""
    port: int
    protocol: str
    address: str
    target: int
    wanted: int
    """The port of this machine; 0 when only the system can choose."""
    fixed: bool
    """Whether another port of this machine will not do."""
    name: str = ""
    scheme: str = "http"
    family: str = ""
    """IPv4 or IPv6: of which of the worker's addresses; "" for its first."""


class HostPorts:
    """`run()` until cancelled. `static`: (scheme, port of this machine or 0 for none, node port) of each mapping.

    `folder` None: nothing is written down.
    """

    def __init__(
        self, client: Client, fabric: Fabric, folder: Path | None = None, static: Iterable[tuple[str, int, int]] = ()
    ) -> None:
        self._client = client
        self._fabric = fabric
        self._file = folder / FILE if folder is not None else None
        self._last = self._remembered()
        self._static = [
            Opening(STATIC, target, "TCP", "", target, wanted, True, scheme=scheme)
            for scheme, wanted, target in static
            if wanted
        ]
        self._open: dict[Opening, TcpPort | UdpPort] = {}
        self._failed: dict[Opening, str] = {}
        self._carriers = Carriers()
        self._dirty: dict[Key, None] = {}
        self._wake = asyncio.Event()

    async def start(self) -> None:
        """Open the static mappings, so that what cannot be opened is known before the cluster is said to be ready."""
        for opening in self._static:
            if not await self._try(opening):
                log.warning(
                    "Port %d of this machine cannot be opened (%s): %s://%s:%d does not lead to node port %d. Stop the "
                    "other program, or choose another port (--http-port, --https-port; 0 for none).",
                    opening.wanted, self._failed[opening], opening.scheme, HOST, opening.wanted, opening.target,
                )  # fmt: skip
        self._publish()

    async def run(self) -> None:
        stop = self._client.subscribe("services", self._changed)
        self._dirty.update(dict.fromkeys(objects.key(service) for service in self._client.list("services")))
        try:
            while True:
                while self._dirty:
                    at = next(iter(self._dirty))
                    del self._dirty[at]
                    await self._reconcile(at)
                self._wake.clear()
                try:
                    async with self._client.clock.timeout(RETRY if self._failed else None):
                        await self._wake.wait()
                except TimeoutError:
                    await self._again()
        finally:
            stop()
            for port in self._open.values():
                port.close()
            self._open.clear()
            await self._carriers.end()

    def published(self) -> dict[str, list[dict[str, Any]]]:
        """What the file holds."""
        found: dict[str, list[dict[str, Any]]] = {}
        ranked = sorted((*self._open, *(o for o in self._failed if o.owner == STATIC)), key=_rank)
        for opening in ranked:
            found.setdefault(opening.owner, []).append(self._entry(opening))
        return found

    def _entry(self, opening: Opening) -> dict[str, Any]:
        entry: dict[str, Any] = {"port": opening.port, "protocol": opening.protocol}
        if opening.name:
            entry["name"] = opening.name
        if opening in self._failed:
            return {**entry, "hostPort": opening.wanted, "problem": self._failed[opening]}
        number = self._open[opening].port
        entry |= {"hostPort": number, "url": f"{opening.scheme}://{HOST}:{number}"}
        if opening.fixed and opening.owner != STATIC:
            entry["nodePort"] = opening.target
        return entry

    def _changed(self, event: Event) -> None:
        self._dirty[objects.key(event.object)] = None
        self._wake.set()

    async def _reconcile(self, at: Key) -> None:
        service = self._client.find("services", *at)
        owner = "/".join(at)
        wanted = set(_openings(owner, service)) if service is not None else set()
        changed = False
        for opening in [o for o in self._failed if o.owner == owner and o not in wanted]:
            del self._failed[opening]
        for opening in [o for o in self._open if o.owner == owner and o not in wanted]:
            self._open.pop(opening).close()  # what is connected stays connected
            changed = True
        for opening in sorted(wanted - self._open.keys(), key=_rank):
            changed |= await self._try(opening)
            if opening in self._failed and service is not None:
                self._tell(service, opening)
        if changed:
            self._publish()

    async def _again(self) -> None:
        if any([await self._try(opening) for opening in tuple(self._failed)]):
            self._publish()

    async def _try(self, opening: Opening) -> bool:
        """Open it, or note in `_failed` why not."""
        error: OSError | None = None
        if opening.owner != STATIC and len(self._open) >= MOST:
            self._failed[opening] = f"{MOST} ports are open already"
            return False
        for number in self._candidates(opening):
            try:
                port = await open_port(
                    self._fabric.outside, opening.protocol, number, lambda: self._target(opening), self._carriers
                )
            except OSError as problem:
                error = problem
                continue
            self._open[opening] = port
            self._failed.pop(opening, None)
            return True
        self._failed[opening] = _why(error) if error is not None else "no port"
        return False

    def _candidates(self, opening: Opening) -> Iterator[int]:
        if opening.wanted:
            yield opening.wanted
        if not opening.fixed:
            if last := self._last.get((opening.owner, opening.port, opening.protocol)):
                yield last
            yield 0

    def _tell(self, service: Obj, opening: Opening) -> None:
        why, port = self._failed[opening], opening.wanted
        text = (
            f"Port {port} of this machine could not be opened ({why}): {opening.scheme}://{HOST}:{port} does not lead "
            "to this Service. Stop the other program or give the Service another nodePort; inside the cluster it works."
        )
        log.warning("service %s: %s", opening.owner, text)
        self._client.record(service, "Warning", "HostPortUnavailable", text)

    def _target(self, opening: Opening) -> Address:
        return opening.address or self._entrance(opening.family), opening.target

    def _entrance(self, family: str) -> str:
        """The address of the worker node traffic from this machine enters at; of any node when there is no worker."""
        nodes = sorted(self._client.list("nodes"), key=lambda n: (CONTROL_PLANE in objects.labels(n), objects.name(n)))
        for node in nodes:
            for entry in objects.status(node).get("addresses") or ():
                address = str(entry["address"])
                if entry["type"] != "InternalIP" or (family and (":" in address) != (family == "IPv6")):
                    continue
                if self._fabric.host(address) is not None or self._fabric.is_dark(address):
                    return address
        raise OSError(errno.EHOSTUNREACH, "No route to host")

    # -- the file

    def _publish(self) -> None:
        if self._file is None:
            return
        beside = self._file.with_name(f".{FILE}.new")
        try:
            beside.write_text(json.dumps(self.published(), indent=1) + "\n")
            os.replace(beside, self._file)
        except OSError as error:  # a full disk: the ports work, only nobody can read which they are
            log.warning("%s cannot be written: %s", self._file, error)

    def _remembered(self) -> dict[tuple[str, int, str], int]:
        """The ports LoadBalancer Services had last time: somebody may have written them down."""
        try:
            held = json.loads(self._file.read_text()) if self._file is not None else {}
            return {
                (owner, entry["port"], entry["protocol"]): entry["hostPort"]
                for owner, entries in held.items()
                for entry in entries
                if "nodePort" not in entry
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}


def _openings(owner: str, service: Obj) -> Iterator[Opening]:
    if objects.is_terminating(service):
        return
    ingress = objects.dig(service, "status", "loadBalancer", "ingress", default=None) or ()
    addresses = [i["ip"] for i in ingress if i.get("ip") and i.get("ipMode", "VIP") == "VIP"]
    family = (objects.spec(service).get("ipFamilies") or [""])[0]
    for port in objects.spec(service).get("ports") or ():
        protocol, number, name = port.get("protocol", "TCP"), port["port"], port.get("name", "")
        if protocol not in ("TCP", "UDP"):
            continue
        scheme = "udp" if protocol == "UDP" else _scheme(port)
        if addresses:
            own = number if number > 1023 else 0
            yield Opening(owner, number, protocol, addresses[0], number, own, False, name, scheme)
        if node_port := port.get("nodePort"):
            yield Opening(owner, number, protocol, "", node_port, node_port, True, name, scheme, family)


def _scheme(port: Obj) -> str:
    return "https" if port["port"] == 443 or "https" in (port.get("name"), port.get("appProtocol")) else "http"


def _rank(opening: Opening) -> tuple[Any, ...]:
    return opening.owner, opening.fixed, opening.port, opening.protocol


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program uses it"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "ports below 1024 need a permission that this user does not have"
    return error.strerror or str(error)

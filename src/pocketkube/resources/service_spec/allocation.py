"""Which addresses and node ports a Service gets.

Models pkg/registry/core/service/storage (alloc.go, storage.go) for the families of the cluster's ranges. What is
taken is what stored Services hold, and IPAddresses made by hand: the allocators follow the store, so a request that
comes to nothing leaves nothing behind. The IPAddresses of Services are made afterwards, by controllers.ipaddress.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from pocketkube import fields, ipam, objects
from pocketkube.errors import Cause, InternalError, Invalid
from pocketkube.objects import Obj
from pocketkube.resources.base import World
from pocketkube.resources.ipaddresses import is_allocators
from pocketkube.resources.service_spec import families
from pocketkube.resources.service_spec.ranges import Ranges
from pocketkube.resources.service_spec.types import (
    cluster_ips,
    is_headless,
    needs_cluster_ip,
    needs_health_check,
    wants_node_ports,
)
from pocketkube.store import DELETED, Event

NODE_PORT_TYPES: Final = ("NodePort", "LoadBalancer")
_BEYOND: Final = 32768


class Addresses:
    """The Service addresses and node ports of one cluster."""

    def __init__(self, world: World) -> None:
        cidrs = world.zone["service_cidr"]
        self._families = families.configured(cidrs)
        self._world = world
        self._ips = {f: Ranges(cidr) for f, cidr in zip(self._families, cidrs.split(","), strict=True)}
        self._ports = ipam.PortAllocator()
        for service in world.objects("services"):
            self._reserve(service)
        for address in world.objects("ipaddresses"):
            self._reserve_foreign(address)
        self._take_ranges()
        world.subscribe("services", self._follow)
        world.subscribe("ipaddresses", self._follow_address)
        world.subscribe("servicecidrs", lambda event: self._take_ranges())

    def _follow(self, event: Event) -> None:
        if event.old is not None:
            self._release(event.old)
        if event.type != DELETED:
            self._reserve(event.object)

    def _follow_address(self, event: Event) -> None:
        if event.type != DELETED:
            self._reserve_foreign(event.object)
        elif not is_allocators(event.object) and objects.name(event.object) not in self._held():
            for range_ in self._ips.values():
                range_.release(objects.name(event.object))

    def _reserve_foreign(self, address: Obj) -> None:
        if not is_allocators(address):
            with suppress(ipam.AlreadyAllocated, ipam.NotInRange):
                self._reserve_ip(objects.name(address))

    def _held(self) -> list[str]:
        of_services = [ip for service in self._world.objects("services") for ip in held_ips(service)]
        return of_services + [objects.name(a) for a in self._world.objects("ipaddresses") if not is_allocators(a)]

    def _take_ranges(self) -> None:
        ready = [c for c in self._world.objects("servicecidrs") if _is_usable(c)]
        cidrs = {cidr for found in ready for cidr in objects.spec(found).get("cidrs") or ()}
        for family, ranges in self._ips.items():
            ranges.be({cidr for cidr in cidrs if (":" in cidr) == (family == "IPv6")}, self._held())

    def _reserve(self, service: Obj) -> None:
        for ip in held_ips(service):
            with suppress(ipam.AlreadyAllocated, ipam.NotInRange):
                self._reserve_ip(ip)
        for port in _held_ports(service):
            with suppress(ipam.AlreadyAllocated, ipam.NotInRange):
                self._ports.reserve(port)

    def _release(self, service: Obj) -> None:
        for ip in held_ips(service):
            for range_ in self._ips.values():
                range_.release(ip)
        for port in _held_ports(service):
            self._ports.release(port)

    def create(self, service: Obj, *, dry_run: bool = False) -> None:
        """Fill in what a new Service is to hold. Raises Invalid, InternalError."""
        families.fill(service, None, self._families)
        self._give_ips(service, dry_run)
        request = _Ports(self._ports, dry_run)
        try:
            if service["spec"].get("type") in NODE_PORT_TYPES:
                _create_ports(service, request)
            if needs_health_check(service):
                _health_check_port(service, request)
        finally:
            request.close()

    def update(self, service: Obj, old: Obj, *, dry_run: bool = False) -> None:
        """Fill in what a changed Service is to hold. Raises Invalid, InternalError."""
        families.fill(service, old, self._families)
        if not families.same_preference(service, old):
            self._update_ips(service, old, dry_run)
        request = _Ports(self._ports, dry_run)
        try:
            if service["spec"].get("type") in NODE_PORT_TYPES:
                _update_ports(service, old, request)
            if needs_health_check(service) and not needs_health_check(old):
                _health_check_port(service, request)
        finally:
            request.close()

    def _update_ips(self, service: Obj, old: Obj, dry_run: bool) -> None:
        """All addresses for what was an ExternalName, one more for what has got a second family."""
        if not needs_cluster_ip(old):
            self._give_ips(service, dry_run)
        elif needs_cluster_ip(service) and not is_headless(old):
            before, after = objects.spec(old).get("ipFamilies") or (), objects.spec(service).get("ipFamilies") or ()
            if len(before) == 1 and len(after) == 2:
                self._give_ips(service, dry_run, start=1)

    def _give_ips(self, service: Obj, dry_run: bool, start: int = 0) -> None:
        """An address of every family, from number `start` on: the requested one or any."""
        spec = service["spec"]
        if not needs_cluster_ip(service) or is_headless(service):
            return
        wanted = spec["ipFamilies"]
        given = [*cluster_ips(service), *("" for _ in wanted)][: max(len(wanted), len(cluster_ips(service)))]
        for index in range(start, len(wanted)):
            given[index] = self._one_ip(service, wanted[index], given[index], given, dry_run)
        spec["clusterIP"], spec["clusterIPs"] = given[0], given

    def _one_ip(self, service: Obj, family: str, asked: str, given: list[str], dry_run: bool) -> str:
        """The address, which is taken once the Service is stored. Raises Invalid, InternalError."""
        range_ = self._ips[family]
        if dry_run:
            return asked or str(range_.first)  # upstream does not look for one, either
        try:
            if asked:
                range_.reserve(asked)
            ip = asked or range_.allocate()
        except ipam.Full as error:
            why = f'failed to allocate a serviceIP for Service "{objects.name(service)}": {error}'
            raise InternalError(why) from None
        except ipam.NotInRange:
            raise _no_ip(service, given, asked, "the provided network does not match the current range") from None
        except ipam.AlreadyAllocated as error:
            raise _no_ip(service, given, asked, str(error)) from None
        range_.release(ip)
        if not objects.name(service):
            # upstream finds out when it stores the address: what takes it has no name
            why = f'IPAddress.networking.k8s.io "{ip}" is invalid: spec.parentRef.name: Required value'
            raise _no_ip(service, given, asked, why)
        return ip

    def _reserve_ip(self, ip: str) -> None:
        """Raises NotInRange, AlreadyAllocated."""
        range_ = self._ips.get("IPv6" if ":" in ip else "IPv4")
        if range_ is None:
            raise ipam.NotInRange(f"{ip} is of a family this cluster does not have")
        range_.reserve(ip)


def _is_usable(cidr: Obj) -> bool:
    return objects.condition_status(cidr, "Ready") == "True" and not objects.is_terminating(cidr)


def _no_ip(service: Obj, given: list[str], ip: str, why: str) -> Invalid:
    text = f"failed to allocate IP {ip}: {why}" if ip else f"failed to allocate IP: {why}"
    return _refused(service, fields.invalid("spec.clusterIPs", given, text))


class _Ports:
    """The node ports of one request: taken while it lasts, so that it gets none twice."""

    def __init__(self, allocator: ipam.PortAllocator, dry_run: bool) -> None:
        self._allocator = allocator
        self._dry_run = dry_run
        self._taken: list[int] = []

    def take(self) -> int:
        """Raises Full. A dry run gets numbers above those there are, as upstream."""
        port = max(self._taken, default=_BEYOND) + 1 if self._dry_run else self._allocator.allocate()
        self._taken.append(port)
        return port

    def reserve(self, port: int) -> None:
        """Raises NotInRange, AlreadyAllocated."""
        if not self._dry_run:
            self._allocator.reserve(port)
        elif port in self._allocator or port in self._taken:
            raise ipam.AlreadyAllocated("provided port is already allocated")
        self._taken.append(port)

    def close(self) -> None:
        for port in self._taken if not self._dry_run else ():
            self._allocator.release(port)


def held_ips(service: Obj) -> Iterator[str]:
    """The addresses a Service has of its own."""
    if needs_cluster_ip(service) and not is_headless(service):
        yield from cluster_ips(service)


def _held_ports(service: Obj) -> Iterator[int]:
    spec = objects.spec(service)
    yield from node_ports(spec)
    if needs_health_check(service) and spec.get("healthCheckNodePort"):
        yield spec["healthCheckNodePort"]


def node_ports(spec: Obj) -> list[int]:
    return [port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")]


def _refused(service: Obj, cause: Cause) -> Invalid:
    return Invalid.of("Service", objects.name(service), [cause])


def _reserve(service: Obj, index: int, port: int, request: _Ports) -> None:
    try:
        request.reserve(port)
    except (ipam.NotInRange, ipam.AlreadyAllocated) as error:
        raise _refused(service, fields.invalid(f"spec.ports[{index}].nodePort", port, str(error))) from None


def _take(request: _Ports) -> int:
    try:
        return request.take()
    except ipam.Full as error:
        raise InternalError(f"failed to allocate a nodePort: {error}") from None


def _create_ports(service: Obj, request: _Ports) -> None:
    """TCP and UDP on the same Service port share one node port."""
    ports, shared = service["spec"].get("ports") or (), dict[int, int]()
    for index, port in enumerate(ports):
        if not port.get("nodePort") and not wants_node_ports(service):
            continue
        number = port.get("port", 0)
        known = shared.get(number)
        if known is None:
            wanted = next((p["nodePort"] for p in ports if p.get("port", 0) == number and p.get("nodePort")), 0)
            if wanted:
                _reserve(service, index, wanted, request)
            shared[number] = port["nodePort"] = wanted or _take(request)
        elif not port.get("nodePort"):
            port["nodePort"] = known
        elif port["nodePort"] != known:
            _reserve(service, index, port["nodePort"], request)


def _update_ports(service: Obj, old: Obj, request: _Ports) -> None:
    before, seen = node_ports(objects.spec(old)), set[tuple[str, int]]()
    reserved = set[int]()
    for index, port in enumerate(service["spec"].get("ports") or ()):
        wanted = port.get("nodePort", 0)
        if not wanted and not wants_node_ports(service):
            continue
        if not wanted:
            port["nodePort"] = _take(request)
        elif wanted not in before and wanted not in reserved:
            _reserve(service, index, wanted, request)
            reserved.add(wanted)
        pair = (port.get("protocol", ""), port["nodePort"])
        if pair in seen:
            raise InternalError(f"duplicate nodePort: {{{pair[0]} {pair[1]}}}")
        seen.add(pair)


def _health_check_port(service: Obj, request: _Ports) -> None:
    spec = service["spec"]
    wanted = spec.get("healthCheckNodePort", 0)
    if not wanted:
        spec["healthCheckNodePort"] = _take(request)
        return
    try:
        request.reserve(wanted)
    except (ipam.NotInRange, ipam.AlreadyAllocated) as error:
        raise InternalError(f"failed to allocate requested HealthCheck NodePort {wanted}: {error}") from None

"""Which addresses and node ports a Service gets.

Models pkg/registry/core/service/storage (alloc.go, storage.go) for a cluster with IPv4 only. What is taken is what
stored Services hold: the allocators follow the store, so a request that comes to nothing leaves nothing behind. Left
out: the IPAddress and ServiceCIDR objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from pocketkube import fields, ipam, objects
from pocketkube.errors import Cause, InternalError, Invalid
from pocketkube.objects import Obj
from pocketkube.resources.base import World
from pocketkube.resources.service_spec import families
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
        self._ips = ipam.Allocator(world.zone["service_cidr"])
        self._ports = ipam.PortAllocator()
        for service in world.objects("services"):
            self._reserve(service)
        world.subscribe("services", self._follow)

    def _follow(self, event: Event) -> None:
        if event.old is not None:
            self._release(event.old)
        if event.type != DELETED:
            self._reserve(event.object)

    def _reserve(self, service: Obj) -> None:
        for ip in _held_ips(service):
            with suppress(ipam.AlreadyAllocated, ipam.NotInRange):
                self._ips.reserve(ip)
        for port in _held_ports(service):
            with suppress(ipam.AlreadyAllocated, ipam.NotInRange):
                self._ports.reserve(port)

    def _release(self, service: Obj) -> None:
        for ip in _held_ips(service):
            self._ips.release(ip)
        for port in _held_ports(service):
            self._ports.release(port)

    def create(self, service: Obj, *, dry_run: bool = False) -> None:
        """Fill in what a new Service is to hold. Raises Invalid, InternalError."""
        families.fill(service, None)
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
        families.fill(service, old)
        if not needs_cluster_ip(old) and needs_cluster_ip(service):
            self._give_ips(service, dry_run)
        request = _Ports(self._ports, dry_run)
        try:
            if service["spec"].get("type") in NODE_PORT_TYPES:
                _update_ports(service, old, request)
            if needs_health_check(service) and not needs_health_check(old):
                _health_check_port(service, request)
        finally:
            request.close()

    def _give_ips(self, service: Obj, dry_run: bool) -> None:
        spec = service["spec"]
        if not needs_cluster_ip(service) or is_headless(service):
            return
        given = cluster_ips(service)
        if dry_run:
            if not given:  # upstream does not look for one, either
                ip = str(self._ips.network.network_address)
                spec["clusterIP"], spec["clusterIPs"] = ip, [ip]
            return
        if not objects.name(service):
            # upstream finds out when it stores the address: what takes it has no name
            ip = given[0] if given else self._ips.allocate()
            self._ips.release(ip)
            why = f'IPAddress.networking.k8s.io "{ip}" is invalid: spec.parentRef.name: Required value'
            asked = f"failed to allocate IP {ip}: {why}" if given else f"failed to allocate IP: {why}"
            raise _refused(service, fields.invalid("spec.clusterIPs", given or [""], asked))
        if not given:
            try:
                ip = self._ips.allocate()
            except ipam.Full as error:
                why = f'failed to allocate a serviceIP for Service "{objects.name(service)}": {error}'
                raise InternalError(why) from None
            self._ips.release(ip)  # it is taken once the Service is stored
            spec["clusterIP"], spec["clusterIPs"] = ip, [ip]
            return
        try:
            self._ips.reserve(given[0])
        except ipam.NotInRange:
            raise self._no_ip(service, "the provided network does not match the current range") from None
        except ipam.AlreadyAllocated as error:
            raise self._no_ip(service, str(error)) from None
        self._ips.release(given[0])

    def _no_ip(self, service: Obj, why: str) -> Invalid:
        given = cluster_ips(service)
        return _refused(service, fields.invalid("spec.clusterIPs", given, f"failed to allocate IP {given[0]}: {why}"))


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


def _held_ips(service: Obj) -> Iterator[str]:
    if needs_cluster_ip(service) and not is_headless(service):
        yield from (ip for ip in cluster_ips(service) if ":" not in ip)


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

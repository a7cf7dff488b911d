"""Endpoints, the deprecated ancestor of EndpointSlices.

Models pkg/registry/core/endpoint and ValidateEndpoints*.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described

_SHOWN = 3


class RESOURCE(Resource):
    kind = "Endpoints"
    plural = "endpoints"
    short_names = ("ep",)
    create_on_update = True
    storage_prefix = "services/endpoints"
    revalidates_metadata = True
    deprecated = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
    columns = described("endpoints", NAME, Column("Endpoints"), AGE)

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), _addresses_text(obj), age(self.world.clock, obj)]

    def default(self, obj: Obj) -> None:
        for subset in obj.get("subsets") or ():
            for port in subset.get("ports") or ():
                port["protocol"] = port.get("protocol") or "TCP"

    def validate(self, obj: Obj) -> Iterator[Cause]:
        for index, subset in enumerate(obj.get("subsets") or ()):
            yield from _subset(f"subsets[{index}]", subset)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        if new.get("subsets") != old.get("subsets"):  # what was stored once is not judged again
            yield from self.validate(new)

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        for index, subset in enumerate(new.get("subsets") or ()):
            for name in ("addresses", "notReadyAddresses"):
                for position, address in enumerate(subset.get(name) or ()):
                    path = f"subsets[{index}].{name}[{position}].ip"
                    yield from formats.ip_warnings(path, address.get("ip", ""))


def _subset(at: str, subset: Obj) -> Iterator[Cause]:
    ready, waiting = subset.get("addresses") or (), subset.get("notReadyAddresses") or ()
    if not ready and not waiting:
        yield fields.required(at, "must specify `addresses` or `notReadyAddresses`")
    for name, addresses in (("addresses", ready), ("notReadyAddresses", waiting)):
        for index, address in enumerate(addresses):
            yield from _address(f"{at}.{name}[{index}]", address)
    ports = subset.get("ports") or ()
    for index, port in enumerate(ports):
        yield from _port(f"{at}.ports[{index}]", port, name_required=len(ports) > 1)


def _address(at: str, address: Obj) -> Iterator[Cause]:
    ip = address.get("ip", "")
    for problem in formats.ip_legacy(ip):
        yield fields.invalid(f"{at}.ip", ip, problem)
    if address.get("hostname"):
        for problem in formats.dns1123_label(address["hostname"]):
            yield fields.invalid(f"{at}.hostname", address["hostname"], problem)
    if address.get("nodeName") is not None:
        for problem in formats.dns1123_subdomain(address["nodeName"]):
            yield fields.invalid(f"{at}.nodeName", address["nodeName"], problem)
    yield from special_ip(f"{at}.ip", ip)


def special_ip(path: str, ip: str) -> Iterator[Cause]:
    """ValidateNonSpecialIP: endpoints must not lead back into the node or the link."""
    address = formats.parse_ip(ip)
    if address is None:
        yield fields.invalid(path, ip, "must be a valid IP address")
        return
    if address.is_unspecified:
        yield fields.invalid(path, ip, f"may not be unspecified ({ip})")
    if address.is_loopback:
        yield fields.invalid(path, ip, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        yield fields.invalid(path, ip, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if address.is_multicast and (ip.startswith("224.0.0.") or ip.lower().startswith(("ff02:", "ff12:"))):
        yield fields.invalid(path, ip, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


def _port(at: str, port: Obj, *, name_required: bool) -> Iterator[Cause]:
    name, protocol = port.get("name", ""), port.get("protocol", "")
    if name:
        for problem in formats.dns1123_label(name):
            yield fields.invalid(f"{at}.name", name, problem)
    elif name_required:
        yield fields.required(f"{at}.name")
    for problem in formats.port_number(port.get("port", 0)):
        yield fields.invalid(f"{at}.port", port.get("port", 0), problem)
    if not protocol:
        yield fields.required(f"{at}.protocol")
    elif protocol not in ("TCP", "UDP", "SCTP"):
        yield fields.not_supported(f"{at}.protocol", protocol, ("SCTP", "TCP", "UDP"))
    if port.get("appProtocol") is not None:
        for problem in formats.qualified_name(port["appProtocol"]):
            yield fields.invalid(f"{at}.appProtocol", port["appProtocol"], problem)


def _addresses_text(obj: Obj) -> str:
    subsets = obj.get("subsets") or ()
    if not subsets:
        return "<none>"
    texts = []
    for subset in subsets:
        addresses = [a["ip"] for a in subset.get("addresses") or ()]
        for port in subset.get("ports") or ():
            texts += [f"[{ip}]:{port['port']}" if ":" in ip else f"{ip}:{port['port']}" for ip in addresses]
        if not subset.get("ports"):
            texts += addresses
    shown = ",".join(texts[:_SHOWN])
    return f"{shown} + {len(texts) - _SHOWN} more..." if len(texts) > _SHOWN else shown

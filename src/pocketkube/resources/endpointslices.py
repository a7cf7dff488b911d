"""EndpointSlices.

Models pkg/registry/discovery/endpointslice, pkg/apis/discovery (defaults, ValidateEndpointSlice*) and the printer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, metadata
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.endpoints import special_ip
from pocketkube.selectors import label_value_errors

_SHOWN: Final = 3
_TYPES: Final = ("FQDN", "IPv4", "IPv6")
_PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_MOST_ENDPOINTS, _MOST_ADDRESSES, _MOST_PORTS, _MOST_HINTS, _MOST_TOPOLOGY = 1000, 100, 20000, 8, 16
_CONTROLLERS: Final = ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io")


class RESOURCE(Resource):
    group = "discovery.k8s.io"
    kind = "EndpointSlice"
    plural = "endpointslices"
    bumps_generation = True
    revalidates_metadata = True
    columns = described("endpointslices", NAME, Column("AddressType"), Column("Ports"), Column("Endpoints"), AGE)

    def row(self, obj: Obj) -> list[Any]:
        ports = [str(p["port"] if p.get("port") is not None else p.get("name", "*")) for p in obj.get("ports") or ()]
        addresses = [address for endpoint in obj.get("endpoints") or () for address in endpoint.get("addresses") or ()]
        return [
            objects.name(obj),
            obj.get("addressType", ""),
            _listed(ports),
            _listed(addresses),
            age(self.world.clock, obj),
        ]

    def default(self, obj: Obj) -> None:
        obj.setdefault("addressType", "")
        for name in ("endpoints", "ports"):
            obj.setdefault(name, None)  # both are always written
        for endpoint in obj["endpoints"] or ():
            endpoint.setdefault("addresses", None)
            endpoint.setdefault("conditions", {})
        for port in obj["ports"] or ():
            port.setdefault("name", "")
            port.setdefault("protocol", "TCP")

    def generation_basis(self, obj: Obj) -> Any:
        content = {name: value for name, value in obj.items() if name != "metadata"}
        return content, objects.labels(obj)

    def prepare_create(self, obj: Obj) -> None:
        _drop_topology(obj)

    def prepare_update(self, new: Obj, old: Obj) -> None:
        if new.get("endpoints") != old.get("endpoints"):
            _drop_topology(new)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        yield from _slice(obj)
        yield from _endpoints(obj.get("endpoints") or (), obj.get("addressType", ""))

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from _slice(new)
        if new.get("endpoints") != old.get("endpoints"):
            yield from _endpoints(new.get("endpoints") or (), new.get("addressType", ""))
        yield from metadata.immutable("addressType", new.get("addressType", ""), old.get("addressType", ""))

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        if old is None and new.get("addressType") == "FQDN":
            yield "spec.addressType: FQDN endpoints are deprecated"
        if objects.labels(new).get("endpointslice.kubernetes.io/managed-by") in _CONTROLLERS:
            return
        for index, endpoint in enumerate(new.get("endpoints") or ()):
            for position, address in enumerate(endpoint.get("addresses") or ()):
                yield from formats.ip_warnings(f"endpoints[{index}].addresses[{position}]", address)


def _drop_topology(obj: Obj) -> None:
    for endpoint in obj.get("endpoints") or ():
        endpoint.pop("deprecatedTopology", None)


def _slice(obj: Obj) -> Iterator[Cause]:
    type_ = obj.get("addressType", "")
    if not type_:
        yield fields.required("addressType")
    elif type_ not in _TYPES:
        yield fields.not_supported("addressType", type_, _TYPES)
    ports = obj.get("ports") or ()
    if len(ports) > _MOST_PORTS:
        yield fields.too_many("ports", len(ports), _MOST_PORTS)
        return
    names: set[str] = set()
    for index, port in enumerate(ports):
        at, name, protocol = f"ports[{index}]", port.get("name", ""), port.get("protocol", "")
        for problem in formats.dns1123_label(name) if name else ():
            yield fields.invalid(f"{at}.name", name, problem)
        if name in names:
            yield fields.duplicate(f"{at}.name", name)
        names.add(name)
        if protocol not in _PROTOCOLS:
            yield fields.not_supported(f"{at}.protocol", protocol, _PROTOCOLS)
        if port.get("appProtocol") is not None:
            for problem in formats.qualified_name(port["appProtocol"]):
                yield fields.invalid(f"{at}.appProtocol", port["appProtocol"], problem)


def _endpoints(endpoints: Sequence[Obj], type_: str) -> Iterator[Cause]:
    if len(endpoints) > _MOST_ENDPOINTS:
        yield fields.too_many("endpoints", len(endpoints), _MOST_ENDPOINTS)
        return
    for index, endpoint in enumerate(endpoints):
        yield from _endpoint(f"endpoints[{index}]", endpoint, type_)


def _endpoint(at: str, endpoint: Obj, type_: str) -> Iterator[Cause]:
    addresses = endpoint.get("addresses") or ()
    if not addresses:
        yield fields.required(f"{at}.addresses", "must contain at least 1 address")
    elif len(addresses) > _MOST_ADDRESSES:
        yield fields.too_many(f"{at}.addresses", len(addresses), _MOST_ADDRESSES)
    for position, address in enumerate(addresses):
        yield from _address(f"{at}.addresses", position, address, type_)
    if endpoint.get("nodeName") is not None:
        for problem in formats.dns1123_subdomain(endpoint["nodeName"]):
            yield fields.invalid(f"{at}.nodeName", endpoint["nodeName"], problem)
    topology = endpoint.get("deprecatedTopology") or {}
    if len(topology) > _MOST_TOPOLOGY:
        yield fields.too_many(f"{at}.deprecatedTopology", len(topology), _MOST_TOPOLOGY)
    yield from metadata.labels(f"{at}.deprecatedTopology", topology)
    if endpoint.get("hostname") is not None:
        for problem in formats.dns1123_label(endpoint["hostname"]):
            yield fields.invalid(f"{at}.hostname", endpoint["hostname"], problem)
    yield from _hints(f"{at}.hints", endpoint.get("hints") or {})


def _address(path: str, position: int, address: str, type_: str) -> Iterator[Cause]:
    at = f"{path}[{position}]"
    if type_ == "FQDN":
        yield from _domain(at, address)
        return
    if type_ not in _TYPES:
        return
    problems = formats.ip_legacy(address) if type_ == "IPv4" else formats.ip_strict(address)
    yield from (fields.invalid(at, address, problem) for problem in problems)
    if problems:
        return
    if not isinstance(formats.parse_ip(address), IPv4Address if type_ == "IPv4" else IPv6Address):
        yield fields.invalid(path, address, f"must be an {type_} address")
    yield from special_ip(at, address)


def _domain(path: str, name: str) -> Iterator[Cause]:
    """IsFullyQualifiedDomainName."""
    if not name:
        yield fields.required(path)
        return
    name = name.removesuffix(".")
    problems = formats.dns1123_subdomain(name)
    if problems:
        yield fields.invalid(path, name, ",".join(problems))
    elif "." not in name:
        yield fields.invalid(path, name, "should be a domain with at least two segments separated by dots")
    else:
        for label in name.split("."):
            if problems := formats.dns1123_label(label):
                yield fields.invalid(path, label, ",".join(problems))
                return


def _hints(at: str, hints: Obj) -> Iterator[Cause]:
    for name, problems_of in (("forZones", label_value_errors), ("forNodes", formats.dns1123_subdomain)):
        entries = hints.get(name) or ()
        if len(entries) > _MOST_HINTS:
            yield fields.too_many(f"{at}.{name}", len(entries), _MOST_HINTS)
            return
        seen: set[str] = set()
        for index, entry in enumerate(entries):
            path, value = f"{at}.{name}[{index}].name", entry.get("name", "")
            if value in seen:
                yield fields.duplicate(path, value)
            seen.add(value)
            yield from (fields.invalid(path, value, problem) for problem in problems_of(value))


def _listed(texts: Sequence[str]) -> str:
    shown = ",".join(texts[:_SHOWN])
    if len(texts) > _SHOWN:
        return f"{shown} + {len(texts) - _SHOWN} more..."
    return shown or "<unset>"

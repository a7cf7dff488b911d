"""The canonical form of an Endpoints object's subsets.

Models pkg/api/v1/endpoints/util.go RepackSubsets: every address appears once for each set of ports, not ready
trumps ready. Subsets and ports are ordered by name and number (upstream: by a hash of their Go values).
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube.objects import Obj

Address = tuple[str, str]
"""(ip, uid of the target)."""
PortKey = tuple[tuple[str, object], ...]
"""A port's fields."""


def repack(subsets: Iterable[Obj]) -> list[Obj]:
    """A new list; addresses and ports are shared with the old one."""
    addresses: dict[Address, Obj] = {}
    ports: dict[PortKey, Obj | None] = {}
    offers: dict[PortKey, dict[Address, bool]] = {}
    for subset in subsets:
        for port in subset.get("ports") or (None,):  # addresses without ports are kept too
            fields = tuple(sorted(port.items())) if port is not None else ()
            ports[fields] = port
            offer = offers.setdefault(fields, {})
            for field, ready in (("addresses", True), ("notReadyAddresses", False)):
                for address in subset.get(field) or ():
                    key = address["ip"], (address.get("targetRef") or {}).get("uid", "")
                    addresses.setdefault(key, address)
                    offer[key] = offer.get(key, True) and ready
    groups: dict[tuple[tuple[Address, bool], ...], list[Obj]] = {}
    for fields, offer in offers.items():
        group = groups.setdefault(tuple(sorted(offer.items())), [])
        if (port := ports[fields]) is not None:
            group.append(port)
    packed = [_subset(addresses, group, found) for group, found in groups.items() if group]
    return sorted(packed, key=lambda subset: [_port_order(port) for port in subset.get("ports", ())])


def _subset(addresses: dict[Address, Obj], group: Iterable[tuple[Address, bool]], ports: list[Obj]) -> Obj:
    held = {
        "addresses": [addresses[key] for key, ready in group if ready],
        "notReadyAddresses": [addresses[key] for key, ready in group if not ready],
        "ports": sorted(ports, key=_port_order),
    }
    return {field: value for field, value in held.items() if value}


def _port_order(port: Obj) -> tuple[str, int, str]:
    return port.get("name", ""), port.get("port", 0), port.get("protocol", "")

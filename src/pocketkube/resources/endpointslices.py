"""EndpointSlices.

Models pkg/registry/discovery/endpointslice, pkg/apis/discovery (defaults, ValidateEndpointSlice*) and the printer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described

_SHOWN: Final = 3


class RESOURCE(Resource):
    group = "discovery.k8s.io"
    kind = "EndpointSlice"
    plural = "endpointslices"
    bumps_generation = True
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


def _listed(texts: Sequence[str]) -> str:
    shown = ",".join(texts[:_SHOWN])
    if len(texts) > _SHOWN:
        return f"{shown} + {len(texts) - _SHOWN} more..."
    return shown or "<unset>"

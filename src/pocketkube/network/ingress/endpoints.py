"""The endpoints of Services as an ingress controller sees them: from EndpointSlices, past the Service's address.

As Traefik's Ingress provider does: an endpoint is used when it is serving (unset is yes) and not terminating; when only
terminating ones are left there is none, and `publishNotReadyAddresses` has no effect. ExternalName Services have none.
Left out: topology, session affinity (sticky cookies).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.network.ingress.routes import Backend
from pocketkube.network.stream import Address
from pocketkube.objects import Key, Obj
from pocketkube.store import DELETED, Event

SERVICE_NAME = "kubernetes.io/service-name"


class Endpoints:
    """Follows Services and EndpointSlices from the moment it is made; `endpoints(backend)` costs a dict access."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._slices: dict[Key, dict[str, Obj]] = {}
        self._found: dict[Key, dict[int, tuple[Address, ...]]] = {}
        self._stops: list[Callable[[], None]] = [
            client.subscribe("services", self._service_changed),
            client.subscribe("endpointslices", self._slice_changed),
        ]
        for piece in client.list("endpointslices"):
            self._add(piece)

    def __call__(self, backend: Backend) -> Sequence[Address]:
        """(address, port) of each endpoint, in the order of the slices; empty without any."""
        at = (backend.namespace, backend.service)
        found = self._found.setdefault(at, {})
        if backend.port not in found:
            found[backend.port] = tuple(dict.fromkeys(self._read(at, backend.port)))
        return found[backend.port]

    def close(self) -> None:
        """Follow no longer."""
        for stop in self._stops:
            stop()

    def _read(self, at: Key, number: int) -> Iterator[Address]:
        service = self._client.find("services", *at)
        if service is None:
            return
        ports = objects.spec(service).get("ports") or ()
        port = next((p for p in ports if p["port"] == number and p.get("protocol", "TCP") == "TCP"), None)
        if port is None:
            return
        name = port.get("name") or ""
        for _, piece in sorted(self._slices.get(at, {}).items()):
            if piece.get("addressType") not in ("IPv4", "IPv6"):
                continue
            target = next(
                (
                    p["port"]
                    for p in piece.get("ports") or ()
                    if (p.get("name") or "") == name and p.get("protocol", "TCP") == "TCP" and p.get("port")
                ),
                None,
            )
            if target is None:
                continue
            for endpoint in piece.get("endpoints") or ():
                conditions = endpoint.get("conditions") or {}
                if conditions.get("serving") is not False and not conditions.get("terminating"):
                    yield endpoint["addresses"][0], target

    def _service_changed(self, event: Event) -> None:
        self._found.pop(objects.key(event.object), None)

    def _slice_changed(self, event: Event) -> None:
        for piece in (event.old, event.object):
            at = _service_of(piece) if piece is not None else None
            if at is not None and piece is not None:
                pieces = self._slices.get(at, {})
                pieces.pop(objects.name(piece), None)
                if not pieces:
                    self._slices.pop(at, None)
                self._found.pop(at, None)
        if event.type != DELETED:
            self._add(event.object)

    def _add(self, piece: Obj) -> None:
        at = _service_of(piece)
        if at is not None:
            self._slices.setdefault(at, {})[objects.name(piece)] = piece
            self._found.pop(at, None)


def _service_of(piece: Obj) -> Key | None:
    name = objects.labels(piece).get(SERVICE_NAME)
    return (objects.namespace(piece), name) if name else None

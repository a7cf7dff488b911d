"""The EndpointSlice mirroring controller: slices for hand-made Endpoints of Services without a selector.

Models pkg/controller/endpointslicemirroring (controller, reconciler, utils): one slice for each address family and set
of ports, at most 1000 addresses a subset.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from pocketkube import objects
from pocketkube.controllers import services
from pocketkube.controllers.base import Controller, Mapping, namespace_is_terminating, own_key
from pocketkube.controllers.endpointslice import MANAGED_BY, SERVICE_NAME, Ports, ports_key
from pocketkube.controllers.packing import Identity, identity, in_order
from pocketkube.controllers.subsets import repack
from pocketkube.errors import StatusError
from pocketkube.objects import Key, Obj
from pocketkube.store import Event

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
LIMIT = 1000
"""Addresses mirrored of one subset."""
Group = tuple[str, Ports]
"""(address family, ports): what becomes one slice."""


class EndpointSliceMirroringController(Controller):
    name = "endpoint-slice-mirroring-controller"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "endpoints", own_key
        yield "services", own_key
        yield "endpointslices", _mirrored

    async def reconcile(self, at: Key) -> float | None:
        slices = self.client.list("endpointslices", at[0], {SERVICE_NAME: at[1], MANAGED_BY: MANAGER})
        endpoints = self.client.find("endpoints", *at)
        service = self.client.find("services", *at)
        if endpoints is None or service is None or not _is_to_mirror(endpoints, service):
            self._delete(slices)
            return None
        desired, ports = self._desired(endpoints)
        spare = self._match(endpoints, desired, ports, [s for s in slices if not objects.is_terminating(s)])
        self._delete(spare)
        return None

    def _desired(self, endpoints: Obj) -> tuple[dict[Group, dict[Identity, Obj]], dict[Group, list[Obj]]]:
        """Endpoints and ports by family and ports."""
        desired: dict[Group, dict[Identity, Obj]] = {}
        ports: dict[Group, list[Obj]] = {}
        skipped = invalid = 0
        for subset in repack(endpoints.get("subsets") or ()):
            found = [_port(port) for port in subset.get("ports") or ()]
            added = 0
            for field, ready in (("addresses", True), ("notReadyAddresses", False)):
                for address in subset.get(field) or ():
                    if added >= LIMIT:
                        skipped += 1
                        continue
                    try:
                        family = f"IPv{ip_address(address['ip']).version}"
                    except ValueError:
                        invalid += 1
                        continue
                    group = family, ports_key(found)
                    ports[group] = found
                    endpoint = _endpoint(address, ready)
                    desired.setdefault(group, {})[identity(endpoint)] = endpoint
                    added += 1
        if invalid:
            text = f"Skipped {invalid} invalid IP addresses when mirroring to EndpointSlices"
            self.client.record(endpoints, "Warning", "InvalidIPAddress", text)
        if skipped:
            text = (
                f"A max of {LIMIT} addresses can be mirrored to EndpointSlices per Endpoints subset. "
                f"{skipped + invalid} addresses were skipped"
            )
            self.client.record(endpoints, "Warning", "TooManyAddressesToMirror", text)
        return desired, ports

    def _match(
        self,
        endpoints: Obj,
        desired: dict[Group, dict[Identity, Obj]],
        ports: dict[Group, list[Obj]],
        slices: list[Obj],
    ) -> list[Obj]:
        """Write one slice for each group, into one that is there where possible. Returns the slices left over."""
        kept: dict[Group, Obj] = {}
        spare = []
        for found in slices:
            group = found["addressType"], ports_key(found.get("ports") or [])
            if group in desired and group not in kept:
                kept[group] = found
            else:
                spare.append(found)
        for group, wanted in desired.items():
            old = kept.get(group) or next((s for s in spare if s["addressType"] == group[0]), None)
            new = _slice(endpoints, group[0], ports[group], list(wanted.values()))
            if old is None:
                self._create(new)
                continue
            spare = [s for s in spare if s is not old]
            if not _is_same(old, new):
                kept_meta = {k: v for k, v in old["metadata"].items() if k != "annotations"}
                new["metadata"] = {**kept_meta, **new["metadata"]}
                self.client.update("endpointslices", new)
        return spare

    def _create(self, new: Obj) -> None:
        try:
            self.client.create("endpointslices", new)
        except StatusError as error:
            if not namespace_is_terminating(error):
                raise

    def _delete(self, slices: list[Obj]) -> None:
        for found in slices:
            self.client.delete("endpointslices", objects.key(found))


def _mirrored(event: Event) -> Iterable[Key]:
    for found in (event.object, event.old):
        if found is not None and objects.labels(found).get(MANAGED_BY) == MANAGER:
            yield objects.namespace(found), objects.labels(found).get(SERVICE_NAME, "")


def _is_to_mirror(endpoints: Obj, service: Obj) -> bool:
    if objects.labels(endpoints).get(SKIP) == "true" or LEADER in objects.annotations(endpoints):
        return False
    return objects.spec(service).get("selector") is None


def _port(port: Obj) -> Obj:
    found = {"name": port.get("name", ""), "protocol": port.get("protocol", "TCP"), "port": port["port"]}
    if port.get("appProtocol") is not None:
        found["appProtocol"] = port["appProtocol"]
    return found


def _endpoint(address: Obj, ready: bool) -> Obj:
    endpoint: Obj = {"addresses": [str(ip_address(address["ip"]))], "conditions": {"ready": ready}}
    for field in ("hostname", "targetRef", "nodeName"):
        if address.get(field):
            endpoint[field] = address[field]
    return endpoint


def _slice(endpoints: Obj, family: str, ports: list[Obj], addresses: list[Obj]) -> Obj:
    skipped = (services.TRIGGER_TIME, objects.LAST_APPLIED)
    meta = {
        "generateName": f"{objects.name(endpoints)}-",
        "namespace": objects.namespace(endpoints),
        "labels": {**objects.labels(endpoints), SERVICE_NAME: objects.name(endpoints), MANAGED_BY: MANAGER},
        "ownerReferences": [objects.owner_reference(endpoints)],
    }
    if annotations := {k: v for k, v in objects.annotations(endpoints).items() if k not in skipped}:
        meta["annotations"] = annotations
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": meta,
        "addressType": family,
        "endpoints": objects.copy(addresses),
        "ports": in_order(objects.copy(ports)),
    }


def _is_same(old: Obj, new: Obj) -> bool:
    held = {identity(endpoint): endpoint for endpoint in old.get("endpoints") or ()}
    wanted = {identity(endpoint): endpoint for endpoint in new["endpoints"]}
    return (
        held == wanted
        and ports_key(old.get("ports") or []) == ports_key(new["ports"])
        and objects.labels(old) == objects.labels(new)
        and objects.annotations(old) == objects.annotations(new)
        and old["metadata"].get("ownerReferences") == new["metadata"]["ownerReferences"]
    )


CONTROLLER = EndpointSliceMirroringController

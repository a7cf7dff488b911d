"""The endpoints controller: the deprecated Endpoints object of every Service with a selector.

Models pkg/controller/endpoint/endpoints_controller.go. At most 1000 addresses are written; more are cut off, the
annotation endpoints.kubernetes.io/over-capacity says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

from pocketkube import objects
from pocketkube.controllers import pods, services
from pocketkube.controllers.base import Controller, Mapping, namespace_is_terminating, own_key
from pocketkube.controllers.subsets import repack
from pocketkube.errors import NotFound, StatusError
from pocketkube.objects import Key, Obj
from pocketkube.store import Event

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
CAPACITY = 1000


class EndpointsController(Controller):
    name = "endpoint-controller"
    patience = 0.02
    """Traffic follows EndpointSlices, not these: they are written when the slices are."""

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        self._triggers = services.TriggerTimes()
        yield "services", own_key
        yield "pods", lambda event: services.of_pod(self.client, event)
        yield "endpoints", self._disturbed

    def _disturbed(self, event: Event) -> Iterable[Key]:
        """Endpoints somebody changed or removed are put right (upstream: at its next sync); those of no Service are
        somebody's own."""
        at = objects.key(event.object)
        if self.client.find("services", *at) is not None:
            yield at

    async def reconcile(self, at: Key) -> float | None:
        service = self.client.find("services", *at)
        found = self.client.find("endpoints", *at)
        if service is None:
            self._triggers.forget(at)
            if found is not None:
                self.client.delete("endpoints", at)
            return None
        if not services.selects(service):
            return None
        matched = services.selected(self.client, service)
        trigger = self._triggers.next(service, matched)
        subsets = truncated(wanted := repack(self._offers(service, matched)))
        labels = _labels(service)
        over = subsets != wanted
        if (
            found is not None
            and (found.get("subsets") or []) == subsets
            and objects.labels(found) == labels
            and (OVER_CAPACITY in objects.annotations(found)) == over
        ):
            return None
        marks = {services.TRIGGER_TIME: trigger, OVER_CAPACITY: "truncated" if over else None}
        self._write(service, found, labels, subsets, marks)
        return None

    def _offers(self, service: Obj, matched: list[Obj]) -> Iterable[Obj]:
        """One subset for each pod and port; `repack` joins them."""
        spec = objects.spec(service)
        tolerant = bool(spec.get("publishNotReadyAddresses"))
        family = (spec.get("ipFamilies") or ["IPv4"])[0]
        for pod in matched:
            if pods.is_terminal(pod) or (objects.is_terminating(pod) and not tolerant):
                continue
            ip = next((ip for ip in services.addresses(pod) if (":" in ip) == (family == "IPv6")), None)
            if ip is None:
                continue
            field = "addresses" if tolerant or pods.is_ready(pod) else "notReadyAddresses"
            address = _address(service, pod, ip)
            if not spec.get("ports") and services.is_headless(service):
                yield {field: [address]}
            for port in spec.get("ports") or ():
                number = services.target_port(pod, port)
                if number is not None:
                    yield {field: [address], "ports": [_port(port, number)]}

    def _write(
        self, service: Obj, found: Obj | None, labels: dict[str, str], subsets: list[Obj], marks: dict[str, str | None]
    ) -> None:
        """`marks`: annotations to set, or to drop where None."""
        old = found["metadata"] if found is not None else {}
        annotations = {k: v for k, v in (old.get("annotations") or {}).items() if k not in marks}
        annotations |= {k: v for k, v in marks.items() if v is not None}
        meta = {**old, "name": objects.name(service), "namespace": objects.namespace(service), "labels": labels}
        meta.pop("annotations", None)
        if annotations:
            meta["annotations"] = annotations
        body: Obj = {"apiVersion": "v1", "kind": "Endpoints", "metadata": meta}
        if subsets:
            body["subsets"] = objects.copy(subsets)
        try:
            if found is None:
                self.client.create("endpoints", body)
            else:
                self.client.update("endpoints", body)
        except NotFound:
            self.enqueue(objects.key(service))
        except StatusError as error:
            if namespace_is_terminating(error):
                return
            name = f"{objects.namespace(service)}/{objects.name(service)}"
            if found is None:
                text = f"Failed to create endpoint for service {name}: {error.message}"
                self.client.record(service, "Warning", "FailedToCreateEndpoint", text)
            else:
                text = f"Failed to update endpoint {name}: {error.message}"
                self.client.record(found, "Warning", "FailedToUpdateEndpoint", text)
            raise


def _address(service: Obj, pod: Obj, ip: str) -> Obj:
    address: Obj = {"ip": ip}
    if hostname := services.hostname(pod, service):
        address["hostname"] = hostname
    if node := objects.spec(pod).get("nodeName"):
        address["nodeName"] = node
    address["targetRef"] = {
        "kind": "Pod",
        "namespace": objects.namespace(pod),
        "name": objects.name(pod),
        "uid": objects.uid(pod),
    }
    return address


def _port(port: Obj, number: int) -> Obj:
    found = {"name": port.get("name"), "port": number, "protocol": port.get("protocol", "TCP")}
    found["appProtocol"] = port.get("appProtocol")
    return {field: value for field, value in found.items() if value}


def _labels(service: Obj) -> dict[str, str]:
    labels = {k: v for k, v in objects.labels(service).items() if k != services.HEADLESS}
    if services.is_headless(service):
        labels[services.HEADLESS] = ""
    return {**labels, MANAGED_BY: MANAGER}


def truncated(subsets: list[Obj], capacity: int = CAPACITY) -> list[Obj]:
    """The subsets with at most `capacity` addresses in all: ready ones first, each subset cut in proportion."""
    ready = sum(len(subset.get("addresses", ())) for subset in subsets)
    others = sum(len(subset.get("notReadyAddresses", ())) for subset in subsets)
    if ready + others <= capacity:
        return subsets
    if ready > capacity:
        field, total, room = "addresses", ready, capacity
        subsets = [{k: v for k, v in subset.items() if k != "notReadyAddresses"} for subset in subsets]
    else:
        field, total, room = "notReadyAddresses", others, capacity - ready
    left, cut = room, []
    for subset in subsets:
        held = subset.get(field, [])
        kept = held[: min(left, ceil(len(held) * room / total))]
        left -= len(kept)
        cut.append({k: v for k, v in {**subset, field: kept}.items() if v or k == "ports"})
    return [subset for subset in cut if subset.get("addresses") or subset.get("notReadyAddresses")]


CONTROLLER = EndpointsController

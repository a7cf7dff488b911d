"""The service controller: an address of the pool for every Service of type LoadBalancer.

Models cloud-provider's controllers/service (events, the finalizer, what counts as a change, who is left alone) with a
cloud that gives addresses as MetalLB does: the lowest free one, or the one asked for by spec.loadBalancerIP. A Service
with a loadBalancerClass is another controller's. Addresses are kept in the Services' status and nowhere else, so they
outlive a restart. Without a pool nothing is done, as in a cluster without a cloud provider. Left out: hostnames,
several Services at one address.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers.addresspool import AddressPool
from pocketkube.controllers.base import Controller, Mapping
from pocketkube.errors import NotFound
from pocketkube.objects import Key, Obj
from pocketkube.store import DELETED, Event

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
CHANGES = (
    "loadBalancerSourceRanges",
    "ports",
    "sessionAffinity",
    "sessionAffinityConfig",
    "loadBalancerIP",
    "externalIPs",
    "externalTrafficPolicy",
    "healthCheckNodePort",
    "ipFamilies",
)
"""What of a spec concerns a load balancer."""


class Unavailable(Exception):
    """There is no address to give; why."""


class ServiceLBController(Controller):
    name = "service-controller"

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._pool = AddressPool(client.registry.zone.get("load_balancer_pool", ""))
        self._ensured: dict[Key, tuple[object, ...]] = {}
        """What was last made of each Service that has a load balancer."""
        self._waiting: dict[Key, str] = {}
        """Services that found no address, and why."""

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        if self._pool:
            yield "services", self._keys

    def _keys(self, event: Event) -> Iterable[Key]:
        """The Service, and those that wait for the address it may have given back."""
        if wants(event.object) or objects.key(event.object) in self._ensured or _has_finalizer(event.object):
            yield objects.key(event.object)
        held = _given(event.object)
        if held if event.type == DELETED else event.old is not None and set(_given(event.old)) - set(held):
            yield from tuple(self._waiting)

    async def reconcile(self, at: Key) -> float | None:
        service = self.client.find("services", *at)
        if service is None:
            self._ensured.pop(at, None)
            self._waiting.pop(at, None)
            return None
        if not wants(service) or objects.is_terminating(service):
            had = self._ensured.pop(at, None) is not None or bool(_given(service))
            self._waiting.pop(at, None)
            if _has_finalizer(service):
                self._remove(service, had=had)
            return None
        if self._ensured.get(at) == _concerns(service):
            return None
        self._ensure(service)
        return None

    def _ensure(self, service: Obj) -> None:
        at = objects.key(service)
        before = self._waiting.pop(at, None)
        if before is None:
            self.client.record(service, "Normal", "EnsuringLoadBalancer", "Ensuring load balancer")
        if not _has_finalizer(service):
            service = self.client.patch("services", at, _add_finalizer)
        try:
            addresses = self._addresses(service)
        except Unavailable as error:
            self._ensured.pop(at, None)
            self._waiting[at] = str(error)
            if before != str(error):
                text = f"Error syncing load balancer: failed to ensure load balancer: {error}"
                self.client.record(service, "Warning", "SyncLoadBalancerFailed", text)
            return
        self._ensured[at] = _concerns(service)
        self.client.record(service, "Normal", "EnsuredLoadBalancer", "Ensured load balancer")
        self._set_status(service, [{"ip": address, "ipMode": "VIP"} for address in addresses])

    def _remove(self, service: Obj, *, had: bool) -> None:
        """`had`: whether there is a load balancer to delete, not only the finalizer."""
        if had:
            self.client.record(service, "Normal", "DeletingLoadBalancer", "Deleting load balancer")
        try:
            service = self.client.patch("services", objects.key(service), _drop_finalizer)
            self.client.record(service, "Normal", "DeletedLoadBalancer", "Deleted load balancer")
            self._set_status(service, [])
        except NotFound:
            return  # it was waiting for its finalizer only

    def _set_status(self, service: Obj, ingress: list[Obj]) -> None:
        if (objects.dig(service, "status", "loadBalancer", "ingress", default=None) or []) == ingress:
            return

        def change(found: Obj) -> None:
            found.setdefault("status", {})["loadBalancer"] = {"ingress": ingress} if ingress else {}

        self.client.patch("services", objects.key(service), change, subresource="status")

    # -- addresses

    def _addresses(self, service: Obj) -> list[str]:
        """One of each of its families, those it has if they still will do. Raises Unavailable."""
        families = objects.spec(service).get("ipFamilies") or ["IPv4"]
        taken = {
            address: f"{objects.namespace(other)}/{objects.name(other)}"
            for other in self.client.list("services")
            if objects.key(other) != objects.key(service)
            for address in (*_given(other), *(objects.spec(other).get("externalIPs") or ()))
        }
        asked = objects.spec(service).get("loadBalancerIP")
        if asked:
            return [self._asked(asked, families, taken)]
        held = [address for address in _given(service) if address in self._pool and address not in taken]
        found = []
        for family in families:
            kept = next((address for address in held if (":" in address) == (family == "IPv6")), None)
            address = kept or self._pool.free(family, taken)
            if address is not None:
                found.append(address)
            elif len(families) == 1 or self._pool.has(family):
                raise Unavailable(self._exhausted(family))
        return found

    def _asked(self, asked: str, families: list[str], taken: dict[str, str]) -> str:
        if asked not in self._pool:
            raise Unavailable(f"the requested loadBalancerIP {asked} is not in the address pool {self._pool.text}")
        if asked in taken:
            raise Unavailable(f"the requested loadBalancerIP {asked} is in use by Service {taken[asked]}")
        if ("IPv6" if ":" in asked else "IPv4") not in families:
            raise Unavailable(f"the requested loadBalancerIP {asked} is of none of the Service's IP families")
        return asked

    def _exhausted(self, family: str) -> str:
        if not self._pool.has(family):
            return f"the address pool {self._pool.text} has no {family} addresses"
        return (
            f"no {family} address is left in the pool {self._pool.text}; it gets one when another Service of type "
            "LoadBalancer is deleted"
        )


def wants(service: Obj) -> bool:
    """Whether the Service is this controller's: of type LoadBalancer, without a class."""
    spec = objects.spec(service)
    return spec.get("type") == "LoadBalancer" and spec.get("loadBalancerClass") is None


def _given(service: Obj) -> list[str]:
    ingress = objects.dig(service, "status", "loadBalancer", "ingress", default=None) or ()
    return [entry["ip"] for entry in ingress if entry.get("ip")]


def _concerns(service: Obj) -> tuple[object, ...]:
    """What of a Service a load balancer is made from (needsUpdate)."""
    spec = objects.spec(service)
    ports = [{k: v for k, v in port.items() if k != "targetPort"} for port in spec.get("ports") or ()]
    fields = tuple(ports if name == "ports" else spec.get(name) for name in CHANGES)
    return (objects.uid(service), objects.annotations(service), *fields)


def _has_finalizer(service: Obj) -> bool:
    return FINALIZER in (service["metadata"].get("finalizers") or ())


def _add_finalizer(service: Obj) -> None:
    service["metadata"].setdefault("finalizers", []).append(FINALIZER)


def _drop_finalizer(service: Obj) -> None:
    service["metadata"]["finalizers"].remove(FINALIZER)


CONTROLLER = ServiceLBController

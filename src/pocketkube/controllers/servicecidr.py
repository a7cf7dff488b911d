"""ServiceCIDRs: they are made ready, and one that is asked to go stays until no Service has an address of it alone.

Models pkg/controller/servicecidrs/servicecidrs_controller.go. The ten seconds upstream waits before it lets one go, so
that every API server's allocator has heard of it, are not waited: there is one allocator, which hears at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from pocketkube import objects
from pocketkube.controllers import finalizers
from pocketkube.controllers.base import Controller, Mapping, own_key
from pocketkube.objects import Key, Obj
from pocketkube.resources.ipaddresses import is_allocators
from pocketkube.store import DELETED, Event

FINALIZER: Final = "networking.k8s.io/service-cidr-finalizer"
_READY: Final = "Kubernetes Service CIDR is ready"
_HELD: Final = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"


class ServiceCIDRController(Controller):
    name = "service-cidr-controller"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "servicecidrs", lambda event: [*self._all_that_may_go(event), *own_key(event)]
        yield "ipaddresses", self._freed

    def _freed(self, event: Event) -> Iterable[Key]:
        return self._all_that_may_go(event) if event.type == DELETED else ()

    def _all_that_may_go(self, event: Event) -> Iterable[Key]:
        return [objects.key(cidr) for cidr in self.client.list("servicecidrs") if objects.is_terminating(cidr)]

    async def reconcile(self, at: Key) -> float | None:
        cidr = self.client.find("servicecidrs", *at)
        if cidr is None:
            return None
        if objects.is_terminating(cidr):
            if self._is_needed(cidr):
                self._condition(cidr, "False", "Terminating", _HELD)
            else:
                self.client.patch("servicecidrs", at, lambda copy: finalizers.release(copy, FINALIZER))
            return None
        if not finalizers.is_held(cidr, FINALIZER):
            self.client.patch("servicecidrs", at, lambda copy: finalizers.hold(copy, FINALIZER))
            cidr = self.client.get("servicecidrs", *at)
        self._condition(cidr, "True", "", _READY)
        return None

    def _is_needed(self, cidr: Obj) -> bool:
        """Whether an address a Service holds belongs to no other ServiceCIDR."""
        others = [n for c in self.client.list("servicecidrs") if c is not cidr for n in networks(c)]
        own = networks(cidr)
        if all(any(_inside(network, other) for other in others) for network in own):
            return False
        for held in self.client.list("ipaddresses"):
            address = ip_address(objects.name(held))
            if is_allocators(held) and any(address in n for n in own) and not any(address in n for n in others):
                return True
        return False

    def _condition(self, cidr: Obj, status: str, reason: str, message: str) -> None:
        wanted = {"type": "Ready", "status": status, "reason": reason, "message": message}
        conditions = objects.status(cidr).get("conditions") or []
        before: Obj = next((c for c in conditions if c["type"] == "Ready"), {})
        if wanted.items() <= before.items():
            return
        now = self.clock.now()

        def write(copy: Obj) -> None:
            kept = [c for c in conditions if c["type"] != "Ready"]
            copy.setdefault("status", {})["conditions"] = [*kept, {**wanted, "lastTransitionTime": now}]

        self.client.patch("servicecidrs", objects.key(cidr), write, subresource="status")


def networks(cidr: Obj) -> list[IPv4Network | IPv6Network]:
    """The ranges of a ServiceCIDR."""
    return [ip_network(text) for text in objects.spec(cidr).get("cidrs") or ()]


def _inside(network: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network) -> bool:
    return network.version == other.version and network.subnet_of(other)  # type: ignore[arg-type]


CONTROLLER = ServiceCIDRController

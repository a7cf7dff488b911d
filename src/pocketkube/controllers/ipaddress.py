"""The Service address repairer: an IPAddress for every address a Service holds, and none that no Service holds.

Models pkg/registry/core/service/ipallocator/controller/repairip.go. Here it also does what upstream's allocator does in
the request itself: the object appears right after the Service, not right before, so nothing is left behind when
a request fails, and what refers to no Service may go at once instead of after a minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers.base import Controller, Mapping
from pocketkube.objects import Key, Obj
from pocketkube.resources.ipaddresses import ALLOCATOR, FAMILY, MANAGED_BY, is_allocators
from pocketkube.resources.service_spec.allocation import held_ips
from pocketkube.store import Event


class IPAddressRepairer(Controller):
    """Its keys are addresses."""

    name = "ipallocator-repair-controller"

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._holders: dict[str, Key] = {}
        """Address -> the Service that holds it."""

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "services", self._of_service
        yield "ipaddresses", _itself

    def _of_service(self, event: Event) -> Iterator[Key]:
        before = set(held_ips(event.old)) if event.old is not None else set()
        after = set() if event.type == "DELETED" else set(held_ips(event.object))
        if event.type == "DELETED":
            before |= set(held_ips(event.object))
        at = objects.key(event.object)
        for address in before - after:
            if self._holders.get(address) == at:
                del self._holders[address]
        self._holders |= dict.fromkeys(after, at)
        for address in before ^ after:
            yield "", address

    async def reconcile(self, at: Key) -> float | None:
        address, holder = at[1], self._holders.get(at[1])
        found = self.client.find("ipaddresses", "", address)
        if found is not None and not is_allocators(found):
            return None  # made by hand: not ours to judge
        if found is not None and (holder is None or objects.spec(found).get("parentRef") != _reference(holder)):
            self.client.delete("ipaddresses", at)
            found = None
        if found is None and holder is not None:
            self.client.create("ipaddresses", _address(address, holder))
        return None


def _itself(event: Event) -> Iterable[Key]:
    yield objects.key(event.object)


def _address(address: str, holder: Key) -> Obj:
    labels = {FAMILY: "IPv6" if ":" in address else "IPv4", MANAGED_BY: ALLOCATOR}
    return {"metadata": {"name": address, "labels": labels}, "spec": {"parentRef": _reference(holder)}}


def _reference(holder: Key) -> Obj:
    return {"resource": "services", "namespace": holder[0], "name": holder[1]}


CONTROLLER = IPAddressRepairer

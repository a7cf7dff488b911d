"""What a pod asks of a node: amounts of resources, and ports of the host.

Models component-helpers/resource PodRequests and the port half of pkg/scheduler/framework NodeInfo. Amounts are cpu in
millicores, memory and ephemeral-storage in bytes, everything else in whole units. Left out: what a pod was resized to
and has not got yet (status.resources), and claims of dynamic resources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from pocketkube import quantity

T = TypeVar("T")
Amounts = Mapping[str, int]
HostPort = tuple[str, str, int]
"""(host address, protocol, port)."""
ANY = "0.0.0.0"
_NOTHING: Amounts = {}


def requests(spec: Mapping[str, Any], missing: Amounts = _NOTHING) -> dict[str, int]:
    """What a pod asks for: what its containers ask for `over_time`, unless it says so itself, and the overhead.

    `missing`: what a container that does not ask for a resource is taken to ask for.
    """
    total = over_time(spec, lambda container: _of_container(container, missing), _add, _raise_to)
    declared = ((spec.get("resources") or {}).get("requests")) or {}
    for name, amount in declared.items():  # requests of the pod as a whole go before those of its containers
        total[name] = amount_of(name, amount)
    if spec.get("overhead"):
        _add(total, {name: amount_of(name, amount) for name, amount in spec["overhead"].items()})
    return total


def over_time(
    spec: Mapping[str, Any],
    of: Callable[[Mapping[str, Any]], Mapping[str, T]],
    add: Callable[[dict[str, T], Mapping[str, T]], None],
    raise_to: Callable[[dict[str, T], Mapping[str, T]], None],
) -> dict[str, T]:
    """The sum of a pod's containers, or its largest init step where that is more.

    Init containers that restart (sidecars) run on, so they count beside everything that comes after them. `of`: the
    amounts of a container. `add` and `raise_to` change their first argument: a sum, the larger of each two.
    """
    total: dict[str, T] = {}
    for container in spec.get("containers") or ():
        add(total, of(container))
    if not spec.get("initContainers"):
        return total
    sidecars: dict[str, T] = {}
    peak: dict[str, T] = {}
    for container in spec["initContainers"]:
        wanted = of(container)
        if container.get("restartPolicy") == "Always":
            add(total, wanted)
            add(sidecars, wanted)
            raise_to(peak, sidecars)
        else:
            step = dict(wanted)
            add(step, sidecars)
            raise_to(peak, step)
    raise_to(total, peak)
    return total


def _add(total: dict[str, int], more: Amounts) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _raise_to(total: dict[str, int], least: Amounts) -> None:
    for name, amount in least.items():
        total[name] = max(total.get(name, 0), amount)


def _of_container(container: Mapping[str, Any], missing: Amounts) -> Amounts:
    asked = (container.get("resources") or {}).get("requests")
    return {**missing, **{name: amount_of(name, amount) for name, amount in asked.items()}} if asked else missing


@lru_cache(maxsize=4096)
def amount_of(name: str, text: str | int | float) -> int:
    """A quantity of a resource as a number."""
    return quantity.milli(text) if name == "cpu" else quantity.value(text)


def allocatable(status: Mapping[str, Any]) -> dict[str, int]:
    """What a node has for pods, by its status."""
    given = status.get("allocatable") or status.get("capacity") or {}
    return {name: amount_of(name, amount) for name, amount in given.items()}


def host_ports(spec: Mapping[str, Any]) -> list[HostPort]:
    """The ports of the host that a pod's containers and sidecars want for themselves."""
    containers = [
        *(spec.get("containers") or ()),
        *(c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"),
    ]
    return [
        (port.get("hostIP") or ANY, port.get("protocol") or "TCP", port["hostPort"])
        for container in containers
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]


def ports_conflict(wanted: Iterable[HostPort], taken: Iterable[HostPort]) -> bool:
    """Whether two want the same port of the same protocol, at one address or at any."""
    taken = list(taken)
    return any(
        protocol == other_protocol and number == other_number and (ip == other_ip or ANY in (ip, other_ip))
        for ip, protocol, number in wanted
        for other_ip, other_protocol, other_number in taken
    )

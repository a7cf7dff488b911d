"""What containers, and pods as a whole, ask for and may use.

Models validateResourceRequirements, validatePodResources and validatePodResourceConsistency (pkg/apis/core/validation);
claims of dynamic resource allocation: `claims`. Of several names the errors are in the order of the object (upstream:
any).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pocketkube import fields, objects, podamounts, quantity
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.podamounts import HUGE
from pocketkube.resources import resource_names

NameCheck = Callable[[str, str], Iterator[Cause]]


def requirements(
    path: str, resources: Obj, check_name: NameCheck = resource_names.validate_of_container
) -> Iterator[Cause]:
    """Field errors of what is requested and limited."""
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, amount in limits.items():
        yield from _one(f"{path}.limits[{name}]", name, amount, check_name)
    for name, amount in requests.items():
        yield from _one(f"{path}.requests[{name}]", name, amount, check_name)
        limit = limits.get(name)
        at, shown = f"{path}.requests", quantity.canonical(amount)
        if limit is None:
            if not resource_names.overcommit_allowed(name):
                yield fields.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        elif quantity.compare(amount, limit) != 0 and not resource_names.overcommit_allowed(name):
            yield fields.invalid(at, shown, f"must be equal to {name} limit of {quantity.canonical(limit)}")
        elif quantity.compare(amount, limit) > 0:
            yield fields.invalid(
                at, shown, f"must be less than or equal to {name} limit of {quantity.canonical(limit)}"
            )
    names = {*limits, *requests}
    if any(name.startswith(HUGE) for name in names) and not names & {"cpu", "memory"}:
        yield fields.forbidden(path, "HugePages require cpu or memory")


def _one(at: str, name: str, amount: str, check_name: NameCheck) -> Iterator[Cause]:
    yield from check_name(at, name)
    yield from resource_names.validate_amount(at, name, amount)
    yield from resource_names.validate_huge(at, name, amount)


def of_pod(path: str, spec: Obj) -> Iterator[Cause]:
    """Field errors of what the pod as a whole requests and is limited to; `path` is the spec's."""
    resources, at = spec.get("resources"), f"{path}.resources"
    if resources is None:
        return
    if objects.dig(spec, "os", "name") == "windows":
        yield fields.forbidden(at, "may not be set for a windows pod")
        return
    if resources.get("claims") is not None:
        yield fields.forbidden(f"{at}.claims", "claims may not be set for Resources at pod-level")
    yield from requirements(at, resources, resource_names.validate_of_pod)
    yield from _consistency(at, spec, resources.get("requests") or {}, resources.get("limits") or {})


def _consistency(at: str, spec: Obj, requests: Obj, limits: Obj) -> Iterator[Cause]:
    """The pod has room for its containers."""
    for name, asked in podamounts.of_containers(spec, "requests").items():
        if name in requests and asked.value > quantity.parse(requests[name]):
            why = f"must be greater than or equal to aggregate container requests of {asked}"
            yield fields.invalid(f"{at}.requests[{name}]", quantity.canonical(requests[name]), why)
    for name, allowed in podamounts.of_containers(spec, "limits").items():
        if name.startswith(HUGE) and name in limits and allowed.value > quantity.parse(limits[name]):
            why = f"must be greater than or equal to aggregate container limits of {allowed}"
            yield fields.invalid(f"{at}.limits[{name}]", quantity.canonical(limits[name]), why)
    for index, container in enumerate(spec.get("containers") or ()):
        for name, limit in (objects.dig(container, "resources", "limits") or {}).items():
            if name in limits and quantity.compare(limit, limits[name]) > 0:
                why = f"must be less than or equal to pod limits of {quantity.canonical(limits[name])}"
                where = f"{at}.containers[{index}][{name}].limits"  # so it is upstream
                yield fields.invalid(where, quantity.canonical(limit), why)

"""What containers ask for and may use.

Models validateResourceRequirements (pkg/apis/core/validation). Left out: claims of dynamic resource allocation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pocketkube import fields, quantity
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import resource_names


def requirements(path: str, resources: Obj) -> Iterator[Cause]:
    """Field errors of a container's resources."""
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, amount in limits.items():
        yield from _one(f"{path}.limits[{name}]", name, amount)
    for name, amount in requests.items():
        yield from _one(f"{path}.requests[{name}]", name, amount)
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
    if any(name.startswith(resource_names.HUGE) for name in names) and not names & {"cpu", "memory"}:
        yield fields.forbidden(path, "HugePages require cpu or memory")


def _one(at: str, name: str, amount: str) -> Iterator[Cause]:
    yield from resource_names.validate_of_container(at, name)
    yield from resource_names.validate_amount(at, name, amount)

"""What a claim asks for: requests for devices, what they must have in common, and configuration.

Models SetDefaults_*DeviceRequest and validateDeviceClaim of pkg/apis/resource, and AuthorizedForAdmin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources.base import World
from pocketkube.resources.device_spec import names, selectors

MOST: Final = 32
"""Requests, constraints and configurations of one claim."""
MOST_ALTERNATIVES: Final = 8
MODES: Final = ("All", "ExactCount")
ADMIN: Final = "resource.kubernetes.io/admin-access"
"""Label of namespaces whose claims may look into devices that others use."""
_ONE: Final = "exactly one of `exactly` or `firstAvailable` is required"
_NAMED: Final = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
Names = Mapping[str, set[str]]


def default(spec: Obj) -> None:
    for request in (spec.get("devices") or {}).get("requests") or ():
        for one in (request.get("exactly"), *(request.get("firstAvailable") or ())):
            if one is not None:
                one["allocationMode"] = one.get("allocationMode") or "ExactCount"
                if one["allocationMode"] == "ExactCount":
                    one["count"] = one.get("count") or 1


def request_names(spec: Obj) -> Names:
    """The names of a claim's requests, with those of their alternatives."""
    requests = (spec.get("devices") or {}).get("requests") or ()
    return {
        request.get("name", ""): {one.get("name", "") for one in request.get("firstAvailable") or ()}
        for request in requests
    }


def validate(path: str, spec: Obj) -> Iterator[Cause]:
    """Field errors of a ResourceClaimSpec."""
    devices, known = spec.get("devices") or {}, request_names(spec)
    at = f"{path}.devices"
    yield from names.distinct(
        f"{at}.requests", devices.get("requests"), MOST, _request, lambda request: request.get("name", "")
    )
    yield from names.each(
        f"{at}.constraints", devices.get("constraints"), MOST, lambda here, one: _constraint(here, one, known)
    )
    yield from names.each(f"{at}.config", devices.get("config"), MOST, lambda here, one: _config(here, one, known))


def admin_access(world: World, path: str, namespace: str, spec: Obj) -> Iterator[Cause]:
    """The field error of a request that only some namespaces may make."""
    for index, request in enumerate((spec.get("devices") or {}).get("requests") or ()):
        if (request.get("exactly") or {}).get("adminAccess"):
            yield from admin_label(world, f"{path}.devices.requests[{index}].adminAccess", namespace)
            return


def admin_label(world: World, path: str, namespace: str) -> Iterator[Cause]:
    found = world.find("namespaces", "", namespace) or {}
    if ((found.get("metadata") or {}).get("labels") or {}).get(ADMIN) != "true":
        why = f"admin access to devices requires the `{ADMIN}: true` label on the containing namespace"
        yield fields.forbidden(path, why)


def reference(path: str, name: str, known: Names) -> Iterator[Cause]:
    """Field errors of `request` or `request/alternative`."""
    parts = name.split("/")
    if len(parts) > 2:
        yield fields.invalid(path, name, _NAMED)
        return
    for part in parts:
        yield from names.label(path, part)
    if parts[0] not in known or (len(parts) == 2 and parts[1] not in known[parts[0]]):
        yield fields.invalid(path, name, _NAMED)


def references(path: str, held: list[str] | None, known: Names) -> Iterator[Cause]:
    yield from names.distinct(path, held, MOST, lambda here, name: reference(here, name, known))


def _request(path: str, request: Obj) -> Iterator[Cause]:
    yield from names.label(f"{path}.name", request.get("name", ""))
    exactly, alternatives = request.get("exactly"), request.get("firstAvailable") or ()
    if exactly is None and not alternatives:
        yield fields.required(path, _ONE)
    elif exactly is not None and alternatives:
        yield fields.invalid(path, None, f"{_ONE}, but multiple fields are set")
    elif exactly is not None:
        yield from _wanted(f"{path}.exactly", exactly)
    else:
        at = f"{path}.firstAvailable"
        yield from names.distinct(at, alternatives, MOST_ALTERNATIVES, _alternative, lambda one: one.get("name", ""))


def _alternative(path: str, wanted: Obj) -> Iterator[Cause]:
    yield from names.label(f"{path}.name", wanted.get("name", ""))
    yield from _wanted(path, wanted)


def _wanted(path: str, wanted: Obj) -> Iterator[Cause]:
    yield from names.device_class(f"{path}.deviceClassName", wanted.get("deviceClassName", ""))
    yield from selectors.validate(f"{path}.selectors", wanted.get("selectors"))
    mode, count = wanted.get("allocationMode", ""), wanted.get("count", 0)
    if mode == "All" and count:
        yield fields.invalid(f"{path}.count", count, "must not be specified when allocationMode is 'All'")
    elif mode == "ExactCount" and count <= 0:
        yield fields.invalid(f"{path}.count", count, "must be greater than zero")
    elif mode not in MODES:
        yield fields.not_supported(f"{path}.allocationMode", mode, MODES)
    yield from names.each(f"{path}.tolerations", wanted.get("tolerations"), -1, names.toleration)


def _constraint(path: str, constraint: Obj, known: Names) -> Iterator[Cause]:
    yield from references(f"{path}.requests", constraint.get("requests"), known)
    for field in ("matchAttribute", "distinctAttribute"):
        if constraint.get(field) is not None:
            yield from names.fully_qualified(f"{path}.{field}", constraint[field])
            return
    why = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
    yield fields.required(path, why)


def _config(path: str, config: Obj, known: Names) -> Iterator[Cause]:
    yield from references(f"{path}.requests", config.get("requests"), known)
    yield from selectors.configuration(path, config)

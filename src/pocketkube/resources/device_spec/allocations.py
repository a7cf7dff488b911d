"""A claim's status: which devices it has got, who may use them, and what drivers say about them.

Models validateResourceClaimStatusUpdate of pkg/apis/resource/validation. Left out: rights on the made-up subresources
`binding` and `driver`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import conditions, formats, internal, metadata
from pocketkube.resources.base import World
from pocketkube.resources.device_spec import claims, names, selectors
from pocketkube.resources.pod_spec.scheduling import node_selector

MOST_RESERVED, MOST_RESULTS, MOST_CONDITIONS, MOST_ADDRESSES = 256, 32, 8, 16
SOURCES: Final = ("FromClaim", "FromClass")
_USER: Final = ("resource", "name", "uid")
_UNSHOWN: Final[Obj] = {"Driver": {}, "Pool": {}, "Device": {}, "ShareID": {}}
"""A device in errors: upstream's type for its names hides them from JSON."""


def device(held: Obj) -> tuple[str, ...]:
    return tuple(held.get(field) or "" for field in ("driver", "pool", "device", "shareID"))


def results(status: Obj) -> list[Obj]:
    """What a claim has been given."""
    found: list[Obj] = ((status.get("allocation") or {}).get("devices") or {}).get("results") or []
    return found


def drop_deallocated(status: Obj, old: Obj) -> None:
    """What drivers say about a device goes with it."""
    gone = {device(one) for one in results(old)} - {device(one) for one in results(status)}
    kept = [one for one in status.get("devices") or () if device(one) not in gone]
    if kept:
        status["devices"] = kept
    else:
        status.pop("devices", None)


def validate(world: World, new: Obj, old: Obj) -> Iterator[Cause]:
    """Field errors of a claim whose status is written."""
    status, before = new.get("status") or {}, old.get("status") or {}
    if not any(one.get("adminAccess") for one in results(before)):
        for index, one in enumerate(results(status)):
            if one.get("adminAccess"):
                at = f"status.allocation.devices.results[{index}].adminAccess"
                yield from claims.admin_label(world, at, new["metadata"].get("namespace", ""))
                break
    reserved, allocation = status.get("reservedFor") or [], status.get("allocation")
    yield from names.distinct("status.reservedFor", reserved, MOST_RESERVED, _user, lambda user: user.get("uid", ""))
    allocated = {device(one) for one in results(status)}
    yield from names.distinct(
        "status.devices", status.get("devices"), -1, lambda at, one: _said(at, one, allocated), device, _UNSHOWN
    )
    if reserved and allocation is None:
        yield fields.forbidden("status.reservedFor", "may not be specified when `allocated` is not set")
    elif new["metadata"].get("deletionTimestamp") and any(
        user not in (before.get("reservedFor") or ()) for user in reserved
    ):
        why = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
        yield fields.forbidden("status.reservedFor", why)
    if allocation is None:
        return
    if before.get("allocation") is not None:
        if not internal.equal("AllocationResult", allocation, before["allocation"]):
            shown = internal.value_of("AllocationResult", allocation)
            yield fields.invalid("status.allocation", shown, metadata.IMMUTABLE)
    else:
        yield from _allocation("status.allocation", allocation, claims.request_names(new.get("spec") or {}))


def _user(path: str, user: Obj) -> Iterator[Cause]:
    for field in _USER:
        if not user.get(field):
            yield fields.required(f"{path}.{field}")


def _allocation(path: str, allocation: Obj, known: claims.Names) -> Iterator[Cause]:
    devices = allocation.get("devices") or {}
    at = f"{path}.devices"
    yield from names.each(
        f"{at}.results", devices.get("results"), MOST_RESULTS, lambda here, one: _result(here, one, known)
    )
    yield from names.each(
        f"{at}.config", devices.get("config"), 2 * selectors.MOST, lambda here, one: _config(here, one, known)
    )
    if allocation.get("nodeSelector") is not None:
        yield from node_selector(f"{path}.nodeSelector", allocation["nodeSelector"])


def _result(path: str, result: Obj, known: claims.Names) -> Iterator[Cause]:
    yield from claims.reference(f"{path}.request", result.get("request", ""), known)
    yield from _identity(path, result)
    yield from binding(path, result)
    if result.get("shareID") is not None:
        yield from names.uid(f"{path}.shareID", result["shareID"])


def _identity(path: str, held: Obj) -> Iterator[Cause]:
    yield from names.driver(f"{path}.driver", held.get("driver", ""))
    yield from names.pool(f"{path}.pool", held.get("pool", ""))
    yield from names.label(f"{path}.device", held.get("device", ""))


def binding(path: str, held: Obj) -> Iterator[Cause]:
    """Field errors of the conditions a device must meet before its pod is bound."""
    wanted, fatal = held.get("bindingConditions") or [], held.get("bindingFailureConditions") or []
    for field, listed in (("bindingConditions", wanted), ("bindingFailureConditions", fatal)):
        yield from names.each(f"{path}.{field}", listed, 4, names.label_key)
    for index, name in enumerate(wanted):
        if name in wanted[:index]:
            yield fields.duplicate(f"{path}.bindingConditions[{index}]", name)
    for index, name in enumerate(fatal):
        at = f"{path}.bindingFailureConditions[{index}]"
        if name in fatal[:index]:
            yield fields.duplicate(at, name)
        if name in wanted:
            yield fields.invalid(at, name, "bindingFailureConditions must not overlap with bindingConditions")
    for field, other, has, lacks in (
        ("bindingConditions", "bindingFailureConditions", fatal, wanted),
        ("bindingFailureConditions", "bindingConditions", wanted, fatal),
    ):
        if has and not lacks:
            yield fields.invalid(f"{path}.{field}", held.get(field), f"{field} are required to use {other}")


def _config(path: str, config: Obj, known: claims.Names) -> Iterator[Cause]:
    source = config.get("source", "")
    if not source:
        yield fields.required(f"{path}.source")
    elif source not in SOURCES:
        yield fields.not_supported(f"{path}.source", source, SOURCES)
    yield from claims.references(f"{path}.requests", config.get("requests"), known)
    yield from selectors.configuration(path, config)


def _said(path: str, said: Obj, allocated: set[Any]) -> Iterator[Cause]:
    yield from _identity(path, said)
    if said.get("shareID") is not None:
        yield from names.uid(f"{path}.shareID", said["shareID"])
    if device(said) not in allocated:
        yield fields.invalid(path, _UNSHOWN, "must be an allocated device in the claim")
    held = said.get("conditions") or []
    if len(held) > MOST_CONDITIONS:
        yield fields.too_many(f"{path}.conditions", len(held), MOST_CONDITIONS)
    yield from conditions.validate(f"{path}.conditions", held)
    if said.get("data") is not None:
        yield from selectors.raw(f"{path}.data", said["data"])
    network = said.get("networkData") or {}
    for field, most in (("interfaceName", 256), ("hardwareAddress", 128)):
        if len(network.get(field, "").encode()) > most:
            yield fields.too_long(f"{path}.networkData.{field}", most)
    yield from names.distinct(f"{path}.networkData.ips", network.get("ips"), MOST_ADDRESSES, _address)


def _address(path: str, value: str) -> Iterator[Cause]:
    address, _, length = value.partition("/")
    found = formats.parse_ip(address)
    if found is None or formats.parse_cidr(value) is None:
        yield fields.invalid(path, value, "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)")
    elif value != (canonical := f"{found}/{int(length)}"):
        yield fields.invalid(path, value, f'must be in canonical form ("{canonical}")')

"""Devices that a driver offers: attributes, capacities, taints, shared counters, and where they are.

Models validateDevice of pkg/apis/resource/validation, and what is dropped of fields whose gate is off in v1.36
(lists as attributes, what devices take of a node's own resources).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields
from pocketkube.clock import Clock
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, internal
from pocketkube.resources.device_spec import capacities, names
from pocketkube.resources.device_spec.allocations import binding
from pocketkube.resources.pod_spec.scheduling import node_selector

MOST_DEVICES, MOST_ELABORATE = 128, 64
MOST_ATTRIBUTES, MOST_VALUES, MOST_TAINTS, MOST_SETS, MOST_COUNTERS = 32, 48, 16, 8, 32
MOST_CONSUMED: Final = 2
LONGEST_VALUE: Final = 64
_NUMBER, _WORD = r"(0|[1-9]\d*)", r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_SEMVER: Final = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_WORD}(\.{_WORD})*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?", re.ASCII
)
_VALUES: Final = ("bool", "int", "string", "version")
_LISTS: Final = ("bools", "ints", "strings", "versions")
_WHERE: Final = (
    "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true "
    "in the ResourceSlice spec"
)


def default(clock: Clock, devices: list[Obj]) -> None:
    for device in devices:
        for taint in device.get("taints") or ():
            if taint.get("timeAdded") is None:
                taint["timeAdded"] = clock.now()


def drop_disabled(devices: list[Obj]) -> None:
    for device in devices:
        device.pop("nodeAllocatableResourceMappings", None)
        for attribute in (device.get("attributes") or {}).values():
            for field in _LISTS:
                attribute.pop(field, None)


def most(spec: Obj) -> int:
    """How many devices one slice may have: fewer where they are elaborate."""
    elaborate = any(device.get("taints") or device.get("consumesCounters") for device in spec.get("devices") or ())
    return MOST_ELABORATE if elaborate else MOST_DEVICES


def counter_set(path: str, held: Obj) -> Iterator[Cause]:
    yield from _counters(path, "name", held, MOST_COUNTERS)


def node_name(path: str, name: str) -> Iterator[Cause]:
    yield from (fields.invalid(path, name, problem) for problem in formats.dns1123_subdomain(name))


def validate(path: str, device: Obj, *, placed: bool, old: Obj | None) -> Iterator[Cause]:
    """`placed`: each device says where it is, not the slice."""
    yield from names.label(f"{path}.name", device.get("name", ""))
    attributes, capacity = device.get("attributes") or {}, device.get("capacity") or {}
    if len(attributes) + len(capacity) > MOST_ATTRIBUTES:
        why = f"the total number of attributes and capacities must not exceed {MOST_ATTRIBUTES}"
        yield fields.invalid(path, len(attributes) + len(capacity), why)
    yield from names.entries(f"{path}.attributes", attributes, -1, names.qualified, _attribute)
    rule = capacities.shared if device.get("allowMultipleAllocations") else capacities.exclusive
    yield from names.entries(f"{path}.capacity", capacity, -1, names.qualified, rule)
    if old is None or old.get("taints") != device.get("taints"):
        yield from names.each(f"{path}.taints", device.get("taints"), MOST_TAINTS, names.taint)
    yield from names.distinct(
        f"{path}.consumesCounters",
        device.get("consumesCounters"),
        MOST_CONSUMED,
        lambda at, one: _counters(at, "counterSet", one, MOST_COUNTERS),
        lambda one: one.get("counterSet", ""),
    )
    yield from _place(path, device) if placed else _no_place(path, device)
    yield from binding(path, device)


def _attribute(path: str, attribute: Obj) -> Iterator[Cause]:
    given = [field for field in _VALUES if attribute.get(field) is not None]
    version = attribute.get("version")
    for field in ("string", "version"):
        if field == "version" and version is not None and not _SEMVER.fullmatch(version):
            yield fields.invalid(f"{path}.version", version, "must be a string compatible with semver.org spec 2.0.0")
        if len((attribute.get(field) or "").encode()) > LONGEST_VALUE:
            yield fields.too_long(f"{path}.{field}", LONGEST_VALUE)
    if len(given) != 1:
        shown: Any = internal.value_of("DeviceAttribute", attribute) if given else ""
        yield fields.invalid(path, shown, "exactly one value must be specified")


def _counters(path: str, field: str, held: Obj, most: int) -> Iterator[Cause]:
    name = held.get(field, "")
    if name:
        yield from names.label(f"{path}.{field}", name)
    else:
        yield fields.required(f"{path}.{field}")
    if held.get("counters"):
        yield from names.entries(f"{path}.counters", held["counters"], most, names.label, lambda *_: ())
    else:
        yield fields.required(f"{path}.counters")


def _place(path: str, device: Obj) -> Iterator[Cause]:
    given = []
    if (name := device.get("nodeName")) is not None:
        if name:
            given.append("`nodeName`")
            yield from node_name(f"{path}.nodeName", name)
        else:
            yield fields.invalid(f"{path}.nodeName", name, "must not be empty")
    if device.get("nodeSelector") is not None:
        given.append("`nodeSelector`")
        yield from node_selector(f"{path}.nodeSelector", device["nodeSelector"])
    if device.get("allNodes"):
        given.append("`allNodes`")
    elif device.get("allNodes") is not None:
        yield fields.invalid(f"{path}.allNodes", False, "must be either unset or set to true")
    if not given:
        yield fields.required(path, _WHERE)
    elif len(given) > 1:
        yield fields.invalid(path, f"{{{', '.join(given)}}}", _WHERE)


def _no_place(path: str, device: Obj) -> Iterator[Cause]:
    if any(device.get(field) is not None for field in ("nodeName", "nodeSelector", "allNodes")):
        why = (
            "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in "
            "the ResourceSlice spec"
        )
        yield fields.invalid(path, None, why)

"""CSINodes: the drivers of a node and how many volumes each takes.

Models pkg/registry/storage/csinode, ValidateCSINode* and the printer. The kubelets write them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, metadata
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.volume_sources import csi_driver_name

_LONGEST_NODE_ID: Final = 256


class RESOURCE(Resource):
    group = "storage.k8s.io"
    kind = "CSINode"
    plural = "csinodes"
    returns_deleted = True
    namespaced = False
    unconditional_update = False
    revalidates_metadata = True
    columns = described("csinodes", NAME, Column("Drivers", "integer"), AGE)

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), len(_drivers(obj)), age(self.world.clock, obj)]

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        spec["drivers"] = spec.get("drivers") or None  # these two are always written, as null when there is nothing
        for driver in _drivers(obj):
            driver["topologyKeys"] = driver.get("topologyKeys") or None

    def validate(self, obj: Obj) -> Iterator[Cause]:
        names: set[str] = set()
        for index, driver in enumerate(_drivers(obj)):
            yield from _driver(f"spec.drivers[{index}]", driver, names)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from self.validate(new)
        for before in _drivers(old):
            for after in _drivers(new):
                if after.get("name") == before.get("name"):
                    yield from metadata.immutable("spec.drivers", _identity(after), _identity(before))


def _drivers(obj: Obj) -> list[Obj]:
    return objects.spec(obj).get("drivers") or []


def _identity(driver: Obj) -> Obj:
    """What of a driver may not change; spelled as the error texts have it. How many volumes it takes may."""
    return {
        "Name": driver.get("name", ""),
        "NodeID": driver.get("nodeID", ""),
        "TopologyKeys": driver.get("topologyKeys"),
        "Allocatable": None,
    }


def _driver(at: str, driver: Obj, names: set[str]) -> Iterator[Cause]:
    """Field errors of a driver on a node; `names`: those of the drivers before it, to which its own is added."""
    name, node = driver.get("name", ""), driver.get("nodeID", "")
    yield from csi_driver_name(f"{at}.name", name)
    if not node:
        yield fields.required(f"{at}.nodeID")
    if len(node.encode()) > _LONGEST_NODE_ID:
        yield fields.invalid(f"{at}.nodeID", node, f"must be {_LONGEST_NODE_ID} characters or less")
    count = objects.dig(driver, "allocatable", "count")
    if count is not None and count < 0:
        yield fields.invalid(f"{at}.allocatable.count", count, formats.NOT_NEGATIVE)
    if name in names:
        yield fields.duplicate(f"{at}.name", name)
    names.add(name)
    keys: set[str] = set()
    for key in driver.get("topologyKeys") or ():
        if not key:
            yield fields.required(at)
        if key in keys:
            yield fields.duplicate(at, key)
        keys.add(key)
        for problem in formats.qualified_name(key):
            yield fields.invalid(at, key, problem)

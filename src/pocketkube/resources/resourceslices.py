"""ResourceSlices: the devices that a driver offers, on a node or on several.

Models pkg/registry/resource/resourceslice, ValidateResourceSlice* and the printer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import metadata
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.device_spec import devices, names
from pocketkube.resources.pod_spec.scheduling import node_selector

_WHERE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"


class RESOURCE(Resource):
    group = "resource.k8s.io"
    kind = "ResourceSlice"
    plural = "resourceslices"
    namespaced = False
    bumps_generation = True
    returns_deleted = True
    columns = described(
        "resourceslices",
        NAME,
        Column("Node", description="The node whose devices these are."),
        Column("Driver", description="The driver that offers them."),
        Column("Pool", description="The pool that they belong to."),
        AGE,
    )

    def row(self, obj: Obj) -> list[Any]:
        spec = objects.spec(obj)
        where = [spec.get("nodeName") or "", spec.get("driver", ""), objects.dig(spec, "pool", "name", default="")]
        return [objects.name(obj), *where, age(self.world.clock, obj)]

    def fields(self, obj: Obj) -> Mapping[str, str]:
        spec = objects.spec(obj)
        own = {"spec.nodeName": spec.get("nodeName") or "", "spec.driver": spec.get("driver", "")}
        return {**super().fields(obj), **own}

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        devices.default(self.world.clock, spec.get("devices") or [])

    def prepare_create(self, obj: Obj) -> None:
        devices.drop_disabled(objects.spec(obj).get("devices") or [])

    def prepare_update(self, new: Obj, old: Obj) -> None:
        devices.drop_disabled(objects.spec(new).get("devices") or [])

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        driver = objects.spec(new).get("driver", "")
        if driver != driver.lower():
            shown = fields.show(driver)
            yield f"spec.driver: driver names should be lowercase; {shown} contains uppercase characters"

    def validate(self, obj: Obj) -> Iterator[Cause]:
        return self._validate(objects.spec(obj), None)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        return self._validate(objects.spec(new), objects.spec(old))

    def _validate(self, spec: Obj, old: Obj | None) -> Iterator[Cause]:
        pool = spec.get("pool") or {}
        yield from names.driver("spec.driver", spec.get("driver", ""))
        yield from names.pool("spec.pool.name", pool.get("name", ""))
        if pool.get("resourceSliceCount", 0) <= 0:
            value = pool.get("resourceSliceCount", 0)
            yield fields.invalid("spec.pool.resourceSliceCount", value, "must be greater than zero")
        if pool.get("generation", 0) < 0:
            yield fields.invalid("spec.pool.generation", pool["generation"], "must be greater than or equal to zero")
        if old is not None:
            yield from metadata.immutable(
                "spec.pool.name", pool.get("name", ""), (old.get("pool") or {}).get("name", "")
            )
            for field in ("driver", "nodeName"):
                yield from metadata.immutable(f"spec.{field}", spec.get(field), old.get(field))
        yield from _place(spec)
        if spec.get("sharedCounters") is not None and spec.get("devices") is not None:
            yield fields.invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed")
        before = {one.get("name", ""): one for one in (old or {}).get("devices") or ()}
        placed = bool(spec.get("perDeviceNodeSelection"))

        def device(path: str, one: Obj) -> Iterator[Cause]:
            return devices.validate(path, one, placed=placed, old=before.get(one.get("name", "")))

        yield from names.distinct(
            "spec.devices", spec.get("devices"), devices.most(spec), device, lambda one: one.get("name", "")
        )
        yield from names.distinct(
            "spec.sharedCounters",
            spec.get("sharedCounters"),
            devices.MOST_SETS,
            devices.counter_set,
            lambda one: one.get("name", ""),
        )


def _place(spec: Obj) -> Iterator[Cause]:
    given = []
    if (name := spec.get("nodeName")) is not None:
        if name:
            given.append("`nodeName`")
            yield from devices.node_name("spec.nodeName", name)
        else:
            yield fields.invalid("spec.nodeName", name, "must be either unset or set to a non-empty string")
    if (selector := spec.get("nodeSelector")) is not None:
        given.append("`nodeSelector`")
        yield from node_selector("spec.nodeSelector", selector)
        terms = selector.get("nodeSelectorTerms") or []
        if len(terms) != 1:
            yield fields.invalid(
                "spec.nodeSelector.nodeSelectorTerms", terms, "must have exactly one node selector term"
            )
    for field in ("allNodes", "perDeviceNodeSelection"):
        if spec.get(field):
            given.append(f"`{field}`")
        elif spec.get(field) is not None:
            yield fields.invalid(f"spec.{field}", False, "must be either unset or set to true")
    if not given:
        yield fields.required("spec", _WHERE)
    elif len(given) > 1:
        yield fields.invalid("spec", f"{{{', '.join(given)}}}", f"{_WHERE}, but multiple fields are set")

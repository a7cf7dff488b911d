"""IPAddresses: who holds an address of the Service range. The allocator's own are made by the repair controller.

Models pkg/registry/networking/ipaddress, ValidateIPAddress* and the printer. Names are given, never generated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, metadata
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import NAME, age, described

MANAGED_BY: Final = "ipaddress.kubernetes.io/managed-by"
FAMILY: Final = "ipaddress.kubernetes.io/ip-family"
ALLOCATOR: Final = "ipallocator.k8s.io"


def is_allocators(address: Obj) -> bool:
    """Whether the Service allocator holds the address, rather than somebody who made the object by hand."""
    return objects.labels(address).get(MANAGED_BY) == ALLOCATOR


class RESOURCE(Resource):
    group = "networking.k8s.io"
    kind = "IPAddress"
    plural = "ipaddresses"
    short_names = ("ip",)
    namespaced = False
    bumps_generation = False
    revalidates_metadata = True
    columns = described(
        "ipaddresses",
        NAME,
        Column(
            "ParentRef",
            description="ParentRef references the resource that an IPAddress is attached to. An IPAddress must "
            "reference a parent object.",
        ),
    )

    def row(self, obj: Obj) -> list[Any]:
        # upstream has one cell more than columns; kubectl shows those that have a name
        return [objects.name(obj), _parent(objects.spec(obj).get("parentRef")), age(self.world.clock, obj)]

    def default(self, obj: Obj) -> None:
        obj.setdefault("spec", {})

    def validate_name(self, name: str, *, prefix: bool = False) -> Iterable[str]:
        return formats.ip_strict(name)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        parent = objects.spec(obj).get("parentRef")
        if parent is None:
            yield fields.required("spec.parentRef")
            return
        if parent.get("group"):
            for problem in formats.dns1123_subdomain(parent["group"]):
                yield fields.invalid("spec.parentRef.group", parent["group"], problem)
        for name in ("resource", "name"):
            if not parent.get(name):
                yield fields.required(f"spec.parentRef.{name}")
            else:
                yield from _segment(parent, name)
        if parent.get("namespace"):
            yield from _segment(parent, "namespace")

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from self.validate(new)
        before, after = objects.spec(old).get("parentRef"), objects.spec(new).get("parentRef")
        yield from metadata.immutable("spec.parentRef", after, before)


def _segment(parent: Obj, name: str) -> Iterator[Cause]:
    for problem in formats.path_segment(parent[name]):
        yield fields.invalid(f"spec.parentRef.{name}", parent[name], problem)


def _parent(parent: Obj | None) -> str:
    if parent is None:
        return "<none>"
    kind = ".".join(filter(None, (parent.get("resource", ""), parent.get("group", "")))).lower()
    return "/".join(filter(None, (kind, parent.get("namespace", ""), parent.get("name", ""))))

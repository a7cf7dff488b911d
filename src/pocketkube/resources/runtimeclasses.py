"""RuntimeClasses: how a node's container runtime is to run pods, and what that costs.

Models pkg/registry/node/runtimeclass, pkg/apis/node/validation and the printer. What a class writes into pods is for
`admission/runtimeclass.py`, which handlers there are for the kubelet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, metadata
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.pod_spec import resources, scheduling

_KEYS = ("key", "operator", "value", "effect")


class RESOURCE(Resource):
    group = "node.k8s.io"
    kind = "RuntimeClass"
    plural = "runtimeclasses"
    namespaced = False
    columns = described(
        "runtimeclasses", NAME, Column("Handler", description="The runtime configuration that pods of it get."), AGE
    )

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), obj.get("handler", ""), age(self.world.clock, obj)]

    def validate(self, obj: Obj) -> Iterator[Cause]:
        handler = obj.get("handler", "")
        if not handler:
            yield fields.required("handler")
        for problem in formats.dns1123_label(handler) if handler else ():
            yield fields.invalid("handler", handler, problem)
        if obj.get("overhead") is not None:
            yield from resources.requirements("overhead", {"limits": obj["overhead"].get("podFixed") or {}})
        wanted = obj.get("scheduling") or {}
        yield from metadata.labels("scheduling.nodeSelector", wanted.get("nodeSelector"))
        yield from _tolerations("scheduling.tolerations", wanted.get("tolerations") or [])

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from metadata.immutable("handler", new.get("handler", ""), old.get("handler", ""))


def _tolerations(path: str, found: list[Obj]) -> Iterator[Cause]:
    yield from scheduling.tolerations(path, found)
    seen = set()
    for index, toleration in enumerate(found):
        key = tuple(toleration.get(name, "") for name in _KEYS)
        if key in seen:
            yield fields.duplicate(f"{path}[{index}]", toleration)
        seen.add(key)

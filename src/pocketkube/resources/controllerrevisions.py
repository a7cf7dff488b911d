"""ControllerRevisions: what a workload's template once was.

Models pkg/registry/apps/controllerrevision, ValidateControllerRevision* and the printer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import metadata, workload
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described


class RESOURCE(Resource):
    group = "apps"
    kind = "ControllerRevision"
    plural = "controllerrevisions"
    columns = described("controllerrevisions", NAME, Column("Controller"), Column("Revision"), AGE)

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), _controller(obj), obj.get("revision", 0), age(self.world.clock, obj)]

    def default(self, obj: Obj) -> None:
        obj.setdefault("revision", 0)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        yield from workload.not_negative("revision", obj["revision"])
        data = obj.get("data")
        if data is None:
            yield fields.required("data", "data is mandatory")
        elif not isinstance(data, dict):
            yield fields.required("data", "data must be a valid JSON object")

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from workload.not_negative("revision", new["revision"])
        yield from metadata.immutable("data", new.get("data"), old.get("data"))


def _controller(obj: Obj) -> str:
    """`statefulset.apps/web`"""
    ref = objects.controller_ref(obj)
    if ref is None:
        return "<none>"
    group, _, _ = ref["apiVersion"].rpartition("/")
    kind = f"{ref['kind']}.{group}" if group else str(ref["kind"])
    return f"{kind.lower()}/{ref['name']}"

"""ResourceClaimTemplates: of which every Pod that names one gets a claim of its own.

Models pkg/registry/resource/resourceclaimtemplate, ValidateResourceClaimTemplate* and the printer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import internal, metadata
from pocketkube.resources.base import Resource
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.device_spec import claims


class RESOURCE(Resource):
    group = "resource.k8s.io"
    kind = "ResourceClaimTemplate"
    plural = "resourceclaimtemplates"
    revalidates_metadata = True
    returns_deleted = True
    columns = described("resourceclaimtemplates", NAME, AGE)

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), age(self.world.clock, obj)]

    def default(self, obj: Obj) -> None:
        claims.default(obj.setdefault("spec", {}).setdefault("spec", {}))

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec = objects.spec(obj)
        # upstream names the path that a claim has, in a template, too
        yield from claims.admin_access(self.world, "spec", objects.namespace(obj), spec["spec"])
        meta = spec.get("metadata") or {}
        yield from metadata.annotation_map("spec.metadata.annotations", meta.get("annotations"))
        yield from metadata.labels("spec.metadata.labels", meta.get("labels"))
        yield from claims.validate("spec.spec", spec["spec"])

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from self.validate(new)
        spec, before = new["spec"], old["spec"]
        same = internal.equal("ResourceClaimSpec", spec["spec"], before["spec"])
        if not same or (spec.get("metadata") or {}) != (before.get("metadata") or {}):
            held = {name: value for name, value in (spec.get("metadata") or {}).items() if value}
            shown = {**held, "Spec": internal.value_of("ResourceClaimSpec", spec["spec"])}
            yield fields.invalid("spec", shown, metadata.IMMUTABLE)

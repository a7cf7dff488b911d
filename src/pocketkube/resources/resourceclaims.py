"""ResourceClaims: what a workload needs of devices, and, once allocated, what it has got.

Models pkg/registry/resource/resourceclaim, ValidateResourceClaim* and the printer. Nobody allocates devices here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.fieldmanager.fieldsets import Set
from pocketkube.objects import Obj
from pocketkube.resources import internal, metadata
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described
from pocketkube.resources.device_spec import allocations, claims


class RESOURCE(Resource):
    group = "resource.k8s.io"
    kind = "ResourceClaim"
    plural = "resourceclaims"
    has_status = True
    revalidates_metadata = True
    returns_deleted = True
    columns = described(
        "resourceclaims",
        NAME,
        Column("State", description="A summary of the current state (allocated, pending, reserved, etc.)."),
        AGE,
    )

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), _state(obj), age(self.world.clock, obj)]

    def reset_fields(self, subresource: str) -> Set:
        return {"f:metadata": {}, "f:spec": {}} if subresource == "status" else {"f:status": {}}

    def default(self, obj: Obj) -> None:
        claims.default(obj.setdefault("spec", {}))

    def prepare_status(self, new: Obj, old: Obj) -> None:
        metadata.keep(new, old)
        allocations.drop_deallocated(new.setdefault("status", {}), objects.status(old))

    def validate(self, obj: Obj) -> Iterator[Cause]:
        yield from claims.admin_access(self.world, "spec", objects.namespace(obj), objects.spec(obj))
        yield from claims.validate("spec", objects.spec(obj))

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        if not internal.equal("ResourceClaimSpec", new["spec"], old["spec"]):
            yield fields.invalid("spec", internal.value_of("ResourceClaimSpec", new["spec"]), metadata.IMMUTABLE)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from allocations.validate(self.world, new, old)


def _state(obj: Obj) -> str:
    status, words = objects.status(obj), []
    if objects.is_terminating(obj):
        words.append("deleted")
    if status.get("allocation") is not None:
        words += ["allocated", "reserved"] if status.get("reservedFor") else ["allocated"]
    elif not words:
        words.append("pending")
    return ",".join(words)

"""Leases: how nodes say that they live, and how components elect a leader.

Models pkg/registry/coordination/lease and ValidateLease*.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described


class RESOURCE(Resource):
    group = "coordination.k8s.io"
    kind = "Lease"
    plural = "leases"
    unconditional_update = False
    create_on_update = True
    columns = described("leases", NAME, Column("Holder"), AGE)

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), objects.spec(obj).get("holderIdentity", ""), age(self.world.clock, obj)]

    def default(self, obj: Obj) -> None:
        obj.setdefault("spec", {})

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec = objects.spec(obj)
        seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
        if seconds is not None and seconds <= 0:
            yield fields.invalid("spec.leaseDurationSeconds", seconds, "must be greater than 0")
        if transitions is not None and transitions < 0:
            yield fields.invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0")
        if spec.get("strategy"):
            for problem in formats.qualified_name(spec["strategy"]):
                yield fields.invalid("spec.strategy", spec["strategy"], problem)
        elif spec.get("preferredHolder"):
            yield fields.forbidden("spec.preferredHolder", "may only be specified when `strategy` is defined")

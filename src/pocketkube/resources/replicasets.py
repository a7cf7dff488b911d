"""ReplicaSets.

Models pkg/registry/apps/replicaset, pkg/apis/apps (defaults, ValidateReplicaSet*) and the printer.
"""

from __future__ import annotations

from collections.abc import Iterator

from pocketkube import objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import metadata, workload
from pocketkube.resources.columns import described, selector_text
from pocketkube.resources.pod_spec import defaults
from pocketkube.resources.replicas import COLUMNS, Replicas


class RESOURCE(Replicas):
    group = "apps"
    kind = "ReplicaSet"
    plural = "replicasets"
    short_names = ("rs",)
    columns = described("replicasets", *COLUMNS)

    def selected(self, obj: Obj) -> str:
        return selector_text(objects.spec(obj).get("selector"))

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("replicas", 1)
        spec.setdefault("selector", None)
        defaults.template(spec.setdefault("template", {}))

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec = objects.spec(obj)
        yield from workload.not_negative("spec.replicas", spec.get("replicas"))
        yield from workload.not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
        yield from workload.selector("spec.selector", spec.get("selector"))
        yield from workload.template("spec.template", spec)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from self.validate(new)
        before, after = objects.spec(old).get("selector"), objects.spec(new).get("selector")
        yield from metadata.immutable("spec.selector", after, before)

"""ReplicationControllers: what ReplicaSets were before they had set-based selectors.

Models pkg/registry/core/replicationcontroller, SetDefaults_ReplicationController,
ValidateReplicationController* and the printer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pocketkube import fields, objects, selectors
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import workload
from pocketkube.resources.columns import described, labels_text
from pocketkube.resources.pod_spec import defaults, validation
from pocketkube.resources.replicas import COLUMNS, Replicas


class RESOURCE(Replicas):
    kind = "ReplicationController"
    plural = "replicationcontrollers"
    short_names = ("rc",)
    default_propagation = "Orphan"
    storage_prefix = "controllers"
    columns = described("replicationcontrollers", *COLUMNS)

    def selected(self, obj: Obj) -> str:
        return labels_text(objects.spec(obj).get("selector"))

    def fields(self, obj: Obj) -> Mapping[str, str]:
        return {**super().fields(obj), "status.replicas": str(objects.status(obj).get("replicas", 0))}

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        if spec.get("replicas") is None:
            spec["replicas"] = 1
        template = spec.get("template")
        if template is None:
            return
        defaults.template(template)
        if labels := objects.labels(template):
            if not spec.get("selector"):
                spec["selector"] = dict(labels)
            if not objects.labels(obj):
                obj["metadata"]["labels"] = dict(labels)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        spec = objects.spec(obj)
        yield from workload.not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
        if not spec.get("selector"):
            yield fields.required("spec.selector")
        yield from workload.not_negative("spec.replicas", spec.get("replicas"))
        template = spec.get("template")
        if template is None:
            yield fields.required("spec.template")
            return
        yield from workload.selected("spec.template", template, selectors.from_set(spec.get("selector")))
        yield from validation.template("spec.template", template)
        yield from workload.restarting("spec.template", template, "ReplicationController")

"""PodTemplates: templates of pods that stand alone; nothing in Kubernetes makes pods of them.

Models pkg/registry/core/podtemplate, ValidatePodTemplate* and the printer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pocketkube import objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import NAME, containers, described, labels_text
from pocketkube.resources.pod_spec import defaults, validation, warnings


class RESOURCE(Resource):
    kind = "PodTemplate"
    plural = "podtemplates"
    returns_deleted = True
    bumps_generation = True
    columns = described(
        "podtemplates",
        NAME,
        Column("Containers", description="Names of each container in the template."),
        Column("Images", description="Images referenced by each container in the template."),
        Column("Pod Labels", description="The labels for the pod template."),
    )

    def row(self, obj: Obj) -> list[Any]:
        found = obj.get("template") or {}
        names, images = containers(objects.spec(found))
        return [objects.name(obj), names, images, labels_text(objects.labels(found))]

    def default(self, obj: Obj) -> None:
        defaults.template(obj.setdefault("template", {}))

    def generation_basis(self, obj: Obj) -> Any:
        return obj.get("template")

    def validate(self, obj: Obj) -> Iterator[Cause]:
        return validation.template("template", obj["template"])

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        return self.validate(new)

    def warnings(self, new: Obj, old: Obj | None) -> Iterable[str]:
        return warnings.of_template("template", new["template"]) if old is None or new != old else ()

"""The FlowSchemas and PriorityLevelConfigurations that every cluster has, and what both kinds have in common.

Models apiserver/pkg/apis/flowcontrol/bootstrap. data/flowcontrol.json holds the specs by resource and name: mandatory
ones are as they are, suggested ones may be changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.fieldmanager.fieldsets import Set
from pocketkube.objects import Obj
from pocketkube.resources import metadata
from pocketkube.resources.base import Resource

GROUP: Final = "flowcontrol.apiserver.k8s.io"
FLOWSCHEMAS, LEVELS = "flowschemas", "prioritylevelconfigurations"
EXEMPT, CATCH_ALL = "exempt", "catch-all"
AUTOUPDATE: Final = "apf.kubernetes.io/autoupdate-spec"
SUGGESTED, MANDATORY = "suggested", "mandatory"


class Configuration(Resource):
    """What is the same for both kinds."""

    group = GROUP
    namespaced = False
    has_status = True
    bumps_generation = True

    def reset_fields(self, subresource: str) -> Set:
        return {"f:metadata": {}, "f:spec": {}} if subresource == "status" else {"f:status": {}}

    def prepare_status(self, new: Obj, old: Obj) -> None:
        metadata.keep(new, old)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        types: list[str] = []
        for index, condition in enumerate(objects.status(new).get("conditions") or ()):
            type_ = condition.get("type", "")
            if type_ in types:
                yield fields.duplicate(f"status.conditions[{index}].type", type_)
            if not type_:
                yield fields.required(f"status.conditions[{index}].type")
            types.append(type_)


@cache
def _data() -> dict[str, dict[str, dict[str, Obj]]]:
    text = (files("pocketkube") / "data" / "flowcontrol.json").read_text("utf-8")
    found: dict[str, dict[str, dict[str, Obj]]] = json.loads(text)
    return found


def specs(strategy: str, resource: str) -> dict[str, Obj]:
    """Specs by name; `strategy`: SUGGESTED or MANDATORY. Shared: do not change them."""
    return _data()[strategy][resource]


def wanted() -> Iterator[tuple[str, str, Obj]]:
    """(strategy, resource, object) of all of them, each time anew; suggested ones first."""
    for strategy, kinds in _data().items():
        for resource, found in kinds.items():
            for name, spec in found.items():
                meta = {"name": name, "annotations": {AUTOUPDATE: "true"}}
                yield strategy, resource, {"metadata": meta, "spec": objects.copy(spec)}

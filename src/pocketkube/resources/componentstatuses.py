"""ComponentStatuses, deprecated: whether scheduler, controllers and store are well, asked for anew with each request.

Models pkg/registry/core/componentstatus. All three are parts of the process that answers and end it when they fail, so
an answer that comes is that they are.
"""

from __future__ import annotations

from typing import Any, Final

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import NAME, described

_COMPONENTS: Final = ("etcd-0", "scheduler", "controller-manager")
"""Upstream they come as they answer; this is the order of the recordings."""


class RESOURCE(Resource):
    kind = "ComponentStatus"
    plural = "componentstatuses"
    short_names = ("cs",)
    namespaced = False
    verbs = ("get", "list")
    stored = False
    deprecated = "v1 ComponentStatus is deprecated in v1.19+"
    columns = described(
        "componentstatuses",
        NAME,
        Column("Status", description="Status of the component conditions"),
        Column("Message", description="Message of the component conditions"),
        Column("Error", description="Error of the component conditions"),
    )

    def answers(self) -> tuple[Obj, ...]:
        healthy = {"type": "Healthy", "status": "True", "message": "ok"}
        return tuple(
            {
                "kind": self.kind,
                "apiVersion": self.api_version,
                "metadata": {"name": name},
                "conditions": [dict(healthy)],
            }
            for name in _COMPONENTS
        )

    def row(self, obj: Obj) -> list[Any]:
        condition = obj["conditions"][0]
        healthy = "Healthy" if condition["status"] == "True" else "Unhealthy"
        return [objects.name(obj), healthy, condition.get("message", ""), condition.get("error", "")]

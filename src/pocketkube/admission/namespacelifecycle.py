"""NamespaceLifecycle: nothing comes into a namespace that is not there, or that is going.

Models apiserver/pkg/admission/plugin/namespace/lifecycle. No `PLUGIN`: it comes before everything else.
"""

from __future__ import annotations

from pocketkube import objects
from pocketkube.errors import Forbidden, NotFound
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource, World


def check(world: World, kind: Resource, obj: Obj) -> None:
    """Raises NotFound, Forbidden."""
    if not kind.namespaced:
        obj["metadata"].pop("namespace", None)
        return
    namespace = objects.namespace(obj)
    found = world.find("namespaces", "", namespace)
    if found is None:
        raise NotFound.of("namespaces", namespace)
    if objects.dig(found, "status", "phase") == "Terminating":
        name = obj["metadata"].get("name") or obj["metadata"].get("generateName", "")
        refused = Forbidden.of(
            kind.qualified,
            name,
            f"unable to create new content in namespace {namespace} because it is being terminated",
        )
        details = refused.details if refused.details is not None else {}
        details["causes"] = [
            {
                "reason": "NamespaceTerminating",
                "message": f"namespace {namespace} is being terminated",
                "field": "metadata.namespace",
            }
        ]
        refused.details = details
        raise refused

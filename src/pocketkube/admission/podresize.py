"""Resize: a pod cannot grow beyond what its node has for pods at all.

Models the API server's check of v1.36 (cause NodeCapacity); what is free now is the kubelet's to look at.
"""

from __future__ import annotations

from pocketkube import objects
from pocketkube.admission.base import Plugin
from pocketkube.errors import Forbidden
from pocketkube.objects import Obj
from pocketkube.podresources import allocatable, requests
from pocketkube.resources.base import Resource


class PLUGIN(Plugin):
    order = 910

    def validate(self, kind: Resource, new: Obj, old: Obj | None, subresource: str = "", *, dry_run: bool) -> None:
        if kind.resource_id() != "pods" or subresource != "resize":
            return
        node = self.world.find("nodes", "", objects.spec(new).get("nodeName") or "")
        there = allocatable(objects.status(node)) if node is not None else {}
        for name, amount in sorted(requests(objects.spec(new)).items()):
            if name in ("cpu", "memory") and there and amount > there.get(name, 0):
                amounts = f"requested: {amount}, allocatable: {there.get(name, 0)}"
                text = f"node didn't have enough allocatable resources: {name}, {amounts}"
                refused = Forbidden.of("pods", objects.name(new), text)
                cause = {"reason": "NodeCapacity", "message": text}
                refused.details = {**(refused.details or {}), "causes": [cause]}
                raise refused

"""The TTL controller: tells kubelets by annotation for how long they may cache Secrets and ConfigMaps.

Models pkg/controller/ttl/ttl_controller.go for clusters of up to 100 nodes, where the answer is 0 seconds.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.controllers.base import Controller, Mapping, own_key
from pocketkube.objects import Key

ANNOTATION = "node.alpha.kubernetes.io/ttl"


class TTLController(Controller):
    name = "ttl-controller"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "nodes", own_key

    async def reconcile(self, at: Key) -> float | None:
        node = self.client.find("nodes", *at)
        if node is not None and ANNOTATION not in objects.annotations(node):
            self.client.patch("nodes", at, lambda copy: copy["metadata"].setdefault("annotations", {}).update(_ZERO))
        return None


_ZERO = {ANNOTATION: "0"}

CONTROLLER = TTLController

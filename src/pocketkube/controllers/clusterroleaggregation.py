"""The clusterrole-aggregation controller: fills the rules of ClusterRoles that are made of others, chosen by label.

Models pkg/controller/clusterroleaggregation. Upstream applies the rules on the server's side; here they are patched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pocketkube import objects, selectors
from pocketkube.controllers.base import Controller, Mapping
from pocketkube.objects import Key, Obj
from pocketkube.store import Event


class ClusterRoleAggregationController(Controller):
    name = "clusterrole-aggregation-controller"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "clusterroles", self._aggregated

    def _aggregated(self, _: Event) -> Iterator[Key]:
        """Any role may be part of any: which is known only once it is looked."""
        for role in self.client.list("clusterroles"):
            if role.get("aggregationRule") is not None:
                yield objects.key(role)

    async def reconcile(self, at: Key) -> float | None:
        role = self.client.find("clusterroles", *at)
        if role is None or role.get("aggregationRule") is None:
            return None
        rules: list[Obj] = []
        for selector in role["aggregationRule"].get("clusterRoleSelectors") or ():
            matches = selectors.from_label_selector(selector)
            for other in self.client.list("clusterroles"):
                if objects.key(other) != at and matches(objects.labels(other)):
                    rules += [rule for rule in other.get("rules") or () if rule not in rules]
        if rules != (role.get("rules") or []):
            self.client.patch("clusterroles", at, lambda copy: copy.update(rules=objects.copy(rules)))
        return None


CONTROLLER = ClusterRoleAggregationController

"""ClusterRoles: what may be done, in the whole cluster or wherever one is bound; some are made of others by label.

Models pkg/registry/rbac/clusterrole; the rules of aggregated roles are the clusterrole-aggregation controller's.
"""

from __future__ import annotations

from collections.abc import Iterator

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import metadata
from pocketkube.resources.columns import CREATED, NAME, described
from pocketkube.resources.rbac.rules import RoleKind


class RESOURCE(RoleKind):
    kind = "ClusterRole"
    plural = "clusterroles"
    namespaced = False
    columns = described("roles", NAME, CREATED)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        yield from super().validate(obj)
        aggregation = obj.get("aggregationRule")
        if aggregation is None:
            return
        at, found = "aggregationRule.clusterRoleSelectors", aggregation.get("clusterRoleSelectors") or ()
        if not found:
            yield fields.required(at, "at least one clusterRoleSelector required if aggregationRule is non-nil")
        for index, selector in enumerate(found):
            yield from metadata.label_selector(f"{at}[{index}]", selector)

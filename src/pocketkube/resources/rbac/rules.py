"""The rules of a role. Models ValidatePolicyRule of pkg/apis/rbac/validation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.rbac import GROUP
from pocketkube.resources import formats
from pocketkube.resources.base import Resource


class RoleKind(Resource):
    """What Role and ClusterRole have in common."""

    group = GROUP
    create_on_update = True
    revalidates_metadata = True

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), obj["metadata"].get("creationTimestamp")]

    def default(self, obj: Obj) -> None:
        obj.setdefault("rules", None)

    def validate_name(self, name: str, *, prefix: bool = False) -> list[str]:
        return formats.path_segment(name)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        for index, rule in enumerate(obj.get("rules") or ()):
            yield from _rule(f"rules[{index}]", rule, namespaced=self.namespaced)


def _rule(at: str, rule: Obj, *, namespaced: bool) -> Iterator[Cause]:
    if not rule.get("verbs"):
        yield fields.required(f"{at}.verbs", "verbs must contain at least one value")
    urls = rule.get("nonResourceURLs")
    if urls:
        if namespaced:
            yield fields.invalid(f"{at}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs")
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            yield fields.invalid(f"{at}.nonResourceURLs", urls, why)
        return
    if not rule.get("apiGroups"):
        yield fields.required(f"{at}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield fields.required(f"{at}.resources", "resource rules must supply at least one resource")

"""Who gets which role. Models Validate*RoleBinding* of pkg/apis/rbac/validation, its defaults and the printer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.rbac import GROUP
from pocketkube.resources import formats
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described

_KINDS: Final = ("ServiceAccount", "User", "Group")


class BindingKind(Resource):
    """What RoleBinding and ClusterRoleBinding have in common."""

    group = GROUP
    create_on_update = True
    revalidates_metadata = True

    roles: ClassVar[tuple[str, ...]]
    """The kinds of roles it may bind."""

    def row(self, obj: Obj) -> list[Any]:
        role, found = obj.get("roleRef") or {}, obj.get("subjects") or ()
        users, groups = (
            ", ".join(subject.get("name", "") for subject in found if subject.get("kind") == kind)
            for kind in ("User", "Group")
        )
        accounts = ", ".join(
            f"{subject.get('namespace', '')}/{subject.get('name', '')}"
            for subject in found
            if subject.get("kind") == "ServiceAccount"
        )
        shown = f"{role.get('kind', '')}/{role.get('name', '')}"
        return [objects.name(obj), shown, age(self.world.clock, obj), users, groups, accounts]

    def default(self, obj: Obj) -> None:
        role = obj.setdefault("roleRef", {})
        if not role.get("apiGroup"):
            role["apiGroup"] = GROUP
        for subject in obj.get("subjects") or ():
            if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
                subject["apiGroup"] = GROUP

    def validate_name(self, name: str, *, prefix: bool = False) -> list[str]:
        return formats.path_segment(name)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        role = obj["roleRef"]
        if role["apiGroup"] != GROUP:
            yield fields.not_supported("roleRef.apiGroup", role["apiGroup"], (GROUP,))
        kind, name = role.get("kind", ""), role.get("name", "")
        if kind not in self.roles:
            yield fields.not_supported("roleRef.kind", kind, self.roles, in_order=True)
        if not name:
            yield fields.required("roleRef.name")
        for problem in formats.path_segment(name):
            yield fields.invalid("roleRef.name", name, problem)
        for index, subject in enumerate(obj.get("subjects") or ()):
            yield from _subject(f"subjects[{index}]", subject, namespaced=self.namespaced)

    def validate_update(self, new: Obj, old: Obj) -> Iterator[Cause]:
        yield from self.validate(new)
        now, before = _inside(new["roleRef"]), _inside(old["roleRef"])
        if now != before:
            yield fields.invalid("roleRef", now, "cannot change roleRef")


def binding_columns(plural: str, kind: str) -> tuple[Column, ...]:
    """`kind`: as the descriptions name it; what `Role` means is said differently for each."""
    role = Column("Role")
    if kind == "clusterRoleBinding":
        why = "If the RoleRef cannot be resolved, the Authorizer must return an error."
        role = Column("Role", description=f"RoleRef can only reference a ClusterRole in the global namespace. {why}")
    wide = (
        Column(name, priority=1, description=f"{name} in the {kind}") for name in ("Users", "Groups", "ServiceAccounts")
    )
    return described(plural, NAME, role, AGE, *wide)


def _inside(role: Obj) -> Obj:
    """A roleRef as upstream's errors show it."""
    return {"APIGroup": role.get("apiGroup", ""), "Kind": role.get("kind", ""), "Name": role.get("name", "")}


def _subject(at: str, subject: Obj, *, namespaced: bool) -> Iterator[Cause]:
    kind, name, group = (subject.get(field, "") for field in ("kind", "name", "apiGroup"))
    if not name:
        yield fields.required(f"{at}.name")
    if kind == "ServiceAccount":
        for problem in formats.dns1123_subdomain(name) if name else ():
            yield fields.invalid(f"{at}.name", name, problem)
        if group:
            yield fields.not_supported(f"{at}.apiGroup", group, ("",))
        if not namespaced and not subject.get("namespace"):
            yield fields.required(f"{at}.namespace")
    elif kind not in _KINDS:
        yield fields.not_supported(f"{at}.kind", kind, _KINDS, in_order=True)
    elif group != GROUP:
        yield fields.not_supported(f"{at}.apiGroup", group, (GROUP,))

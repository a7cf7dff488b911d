"""Which rules apply to whom: the roles that bindings give to a user and its groups.

Models the rule resolver of pkg/registry/rbac/validation and plugin/pkg/auth/authorizer/rbac. Bindings are found by
their subjects, in an index kept by the store's events: a request costs what its user is given, not what there is.
Upstream looks at bindings in no particular order; here they come in the order of their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pocketkube import objects
from pocketkube.apiserver.authentication import MASTERS, User
from pocketkube.objects import Obj
from pocketkube.rbac import GROUP, Attributes, Rule, allows
from pocketkube.registry import Registry
from pocketkube.store import DELETED, Event

Subject = tuple[str, str]
"""("User", name) or ("Group", name); a service account is a user."""

BINDINGS: Final = ("clusterrolebindings", "rolebindings")


@dataclass(frozen=True, slots=True)
class Decision:
    allowed: bool
    reason: str = ""
    """Which binding allowed it, or what kept rules from being found."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What one binding gives: rules, or why there are none."""

    source: str
    rules: tuple[Rule, ...] = ()
    error: str = ""


class Policy:
    """One per API server; follows the bindings in the store."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._bound: dict[str, dict[Subject, set[str]]] = {}
        """By namespace ("" for ClusterRoleBindings): the names of the bindings that name a subject."""
        self._stops = []
        for resource in BINDINGS:
            for binding in registry.objects(resource):
                self._add(binding)
            self._stops.append(registry.subscribe(resource, self._changed))

    def stop_following(self) -> None:
        for stop in self._stops:
            stop()
        self._stops.clear()

    def decide(self, user: User, wanted: Attributes) -> Decision:
        """system:masters may do everything, whatever is bound."""
        if MASTERS in user.groups:
            return Decision(True)
        errors: dict[str, None] = {}
        for grant in self.grants(user, wanted.namespace):
            if grant.error:
                errors[grant.error] = None
            elif any(allows(rule, wanted) for rule in grant.rules):
                return Decision(True, f"RBAC: allowed by {grant.source}")
        return Decision(False, f"RBAC: {aggregate(errors)}" if errors else "")

    def authorize(self, info: Mapping[str, Any], wanted: Attributes) -> tuple[bool, str]:
        """As `decide`, of a UserInfo."""
        decision = self.decide(User(info.get("username", ""), tuple(info.get("groups") or ())), wanted)
        return decision.allowed, decision.reason

    def grants(self, user: User, namespace: str) -> Iterator[Grant]:
        """What bindings give to a user, cluster-wide ones first."""
        wanted = {("User", user.name), *(("Group", group) for group in user.groups)}
        for resource, at in zip(BINDINGS, ("", namespace) if namespace else ("",), strict=False):
            bound = self._bound.get(at, {})
            for name in sorted(set().union(*(bound.get(subject, ()) for subject in wanted))):
                binding = self._registry.find(resource, at, name)
                if binding is not None:
                    yield self._grant(binding, wanted)

    def rules(self, user: User, namespace: str) -> tuple[list[Rule], list[str]]:
        """Every rule that applies to a user in a namespace, and what kept others from being found."""
        found: list[Rule] = []
        errors: dict[str, None] = {}
        for grant in self.grants(user, namespace):
            found += grant.rules
            if grant.error:
                errors[grant.error] = None
        return found, list(errors)

    def role(self, role: Obj, namespace: str) -> Obj | None:
        """What a roleRef names, for a binding in that namespace."""
        if role.get("kind") == "ClusterRole":
            return self._registry.find("clusterroles", "", role.get("name", ""))
        return self._registry.find("roles", namespace, role.get("name", ""))

    def _grant(self, binding: Obj, wanted: set[Subject]) -> Grant:
        namespace, role = objects.namespace(binding), binding["roleRef"]
        found = self.role(role, namespace)
        if found is None:
            return Grant("", error=f'{role["kind"].lower()}.{GROUP} "{role["name"]}" not found')
        subject = next(one for one in binding["subjects"] if identity(one, namespace) in wanted)
        about = f"{objects.name(binding)}/{namespace}" if namespace else objects.name(binding)
        source = f'{binding["kind"]} "{about}" of {role["kind"]} "{role["name"]}" to {_shown(subject, namespace)}'
        return Grant(source, tuple(found.get("rules") or ()))

    # -- the index

    def _changed(self, event: Event) -> None:
        if event.old is not None:
            self._remove(event.old)
        if event.type != DELETED:
            self._add(event.object)

    def _add(self, binding: Obj) -> None:
        namespace, name = objects.key(binding)
        for subject in _identities(binding):
            self._bound.setdefault(namespace, {}).setdefault(subject, set()).add(name)

    def _remove(self, binding: Obj) -> None:
        namespace, name = objects.key(binding)
        bound = self._bound.get(namespace, {})
        for subject in _identities(binding):
            names = bound.get(subject, set())
            names.discard(name)
            if not names:
                bound.pop(subject, None)
        if not bound:
            self._bound.pop(namespace, None)


def aggregate(errors: Iterable[str]) -> str:
    """Several errors as Go's aggregates show them."""
    listed = list(errors)
    return listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"


def identity(subject: Obj, namespace: str) -> Subject | None:
    """By what a user is known that is one of a binding's subjects; None for one that nobody can be."""
    kind, name = subject.get("kind", ""), subject.get("name", "")
    if kind in ("User", "Group"):
        return kind, name
    at = subject.get("namespace") or namespace
    return ("User", f"system:serviceaccount:{at}:{name}") if kind == "ServiceAccount" and at else None


def _identities(binding: Obj) -> set[Subject]:
    namespace = objects.namespace(binding)
    found = (identity(subject, namespace) for subject in binding.get("subjects") or ())
    return {one for one in found if one is not None}


def _shown(subject: Obj, namespace: str) -> str:
    """A subject in the reason for a decision."""
    kind, name = subject["kind"], subject["name"]
    return (
        f'{kind} "{name}/{subject.get("namespace") or namespace}"' if kind == "ServiceAccount" else f'{kind} "{name}"'
    )

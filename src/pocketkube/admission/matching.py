"""Whether a request is one that a webhook or a policy is about: rules, scope, selectors, equivalent versions.

Models apiserver/pkg/admission/plugin/webhook/predicates and .../plugin/policy/matching. `Attributes` are a request as
admission sees it (apiserver/pkg/admission.Attributes).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from pocketkube import objects
from pocketkube.errors import NotFound, StatusError
from pocketkube.objects import Obj
from pocketkube.resources.admission_spec.registration import GROUP
from pocketkube.resources.base import Resource, World
from pocketkube.selectors import from_label_selector

CREATE, UPDATE, DELETE, CONNECT = "CREATE", "UPDATE", "DELETE", "CONNECT"
EXEMPT: Final = frozenset(
    {
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    }
)
"""Kinds that no webhook is asked about: a wrong one could not be mended any more."""
_ALL: Final = "*"
_NAMESPACES: Final = ("", "v1", "namespaces")


class Gvk(NamedTuple):
    group: str
    version: str
    kind: str


class Gvr(NamedTuple):
    group: str
    version: str
    resource: str


@dataclass
class Attributes:
    """A request. `declared` is the kind in the version that was asked for, `kind` what the object is (a Scale, a
    PodExecOptions); a Namespace is in the namespace of its own name."""

    operation: str
    declared: Resource
    kind: Gvk
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    object: Obj | None = None
    """What is to be written; None for a deletion. Of a connection the options."""
    old: Obj | None = None
    """What is stored; None for a create."""
    user: Mapping[str, Any] = field(default_factory=dict)
    """authentication.k8s.io/v1 UserInfo."""
    dry_run: bool = False
    options: Obj | None = None
    """CreateOptions and the like; None for a connection."""

    @property
    def resource(self) -> Gvr:
        return resource_of(self.declared)


class Match(NamedTuple):
    """A version of the resource that the rules name: the request's own, or an equivalent one."""

    declared: Resource
    resource: Gvr
    kind: Gvk


def resource_of(kind: Resource) -> Gvr:
    return Gvr(kind.group, kind.version, kind.plural)


def kind_of(kind: Resource) -> Gvk:
    return Gvk(kind.group, kind.version, kind.kind)


def is_exempt(kind: Resource) -> bool:
    return kind.group == GROUP and kind.kind in EXEMPT


def matches_policy(world: World, request: Attributes, criteria: Mapping[str, Any] | None) -> Match | None:
    """By matchConstraints of a policy or matchResources of a binding (None: whatever it is). Raises StatusError."""
    if criteria is None:
        criteria = {}
    rules, fuzzy = criteria.get("resourceRules") or (), criteria.get("matchPolicy") == "Equivalent"
    return _matches(world, request, criteria, rules, fuzzy, criteria.get("excludeResourceRules") or (), every=not rules)


def matches_webhook(world: World, request: Attributes, webhook: Mapping[str, Any]) -> Match | None:
    """By what a webhook's configuration says, its matchConditions apart. Raises StatusError."""
    fuzzy = webhook.get("matchPolicy") == "Equivalent"
    return _matches(world, request, webhook, webhook.get("rules") or (), fuzzy, (), every=False)


def _matches(
    world: World,
    request: Attributes,
    selectors: Mapping[str, Any],
    rules: Iterable[Mapping[str, Any]],
    fuzzy: bool,
    excluded: Iterable[Mapping[str, Any]],
    *,
    every: bool,
) -> Match | None:
    """`every`: no rules are for all resources. What keeps a selector from being asked counts where rules match only."""
    broken: StatusError | None = None
    try:
        if not _in_namespace(world, request, selectors.get("namespaceSelector")):
            return None
    except StatusError as error:
        broken = error
    if not _object_selected(request, selectors.get("objectSelector")):
        return None
    if _by_rules(request, excluded, fuzzy) is not None:
        return None
    own = Match(request.declared, request.resource, request.kind)
    found = own if every else _by_rules(request, rules, fuzzy)
    if found is not None and broken is not None:
        raise broken
    return found


# -- rules


def _by_rules(request: Attributes, rules: Iterable[Mapping[str, Any]], fuzzy: bool) -> Match | None:
    rules = tuple(rules)
    if any(_rule_matches(rule, request, request.resource) for rule in rules):
        return Match(request.declared, request.resource, request.kind)
    if not fuzzy or not rules:
        return None
    others = [(one, resource_of(one)) for one in versions(request.declared) if resource_of(one) != request.resource]
    for rule in rules:
        for declared, resource in others:
            if _rule_matches(rule, request, resource):
                return Match(declared, resource, _kind_for(request, declared))
    return None


def versions(kind: Resource) -> Iterator[Resource]:
    """All versions of a kind in which it is served: what a rule says of one is meant of all."""
    if kind.custom:
        yield from (one for one in getattr(kind, "versions", {}).values() if one.served)
        return
    held: Mapping[str, Resource] = getattr(kind.world, "resources", {})
    stored = held.get(kind.resource_id(), kind)
    for one in (stored, *(other(kind.world) for other in stored.other_versions)):
        yield kind if resource_of(one) == resource_of(kind) else one


def _kind_for(request: Attributes, declared: Resource) -> Gvk:
    """A subresource with a kind of its own has the same one in each version."""
    return request.kind if request.kind != kind_of(request.declared) else kind_of(declared)


def _rule_matches(rule: Mapping[str, Any], request: Attributes, resource: Gvr) -> bool:
    names = rule.get("resourceNames")
    return (
        _has(rule.get("operations"), request.operation)
        and _has(rule.get("apiGroups"), resource.group)
        and _has(rule.get("apiVersions"), resource.version)
        and any(_resource_matches(one, resource.resource, request.subresource) for one in rule.get("resources") or ())
        and _in_scope(rule.get("scope") or _ALL, request, resource)
        and (not names or request.name in names)
    )


def _has(listed: Iterable[str] | None, wanted: str) -> bool:
    return listed is not None and (wanted in listed or _ALL in listed)


def _resource_matches(text: str, resource: str, subresource: str) -> bool:
    named, _, below = text.partition("/")
    return named in (_ALL, resource) and below in (_ALL, subresource)


def _in_scope(scope: str, request: Attributes, resource: Gvr) -> bool:
    if scope == _ALL:
        return True
    inside = resource != _NAMESPACES and bool(request.namespace)
    return inside if scope == "Namespaced" else not inside


# -- selectors


def _in_namespace(world: World, request: Attributes, selector: Mapping[str, Any] | None) -> bool:
    """Whether the namespace has the labels asked for. Raises NotFound; other cluster-scoped objects are in all."""
    is_namespace = request.declared.plural == "namespaces"
    if not selector or (not request.namespace and not is_namespace):
        return True
    wanted = from_label_selector(selector)
    if is_namespace and not request.subresource and request.operation in (CREATE, UPDATE):
        return wanted(objects.labels(request.object or {}))
    found = world.find("namespaces", "", request.namespace)
    if found is None:
        raise NotFound.of("namespaces", request.namespace)
    return wanted(objects.labels(found))


def _object_selected(request: Attributes, selector: Mapping[str, Any] | None) -> bool:
    if not selector:
        return True
    wanted = from_label_selector(selector)
    return any(one is not None and wanted(objects.labels(one)) for one in (request.object, request.old))

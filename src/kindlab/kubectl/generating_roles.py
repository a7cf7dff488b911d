"""The objects of `kubectl create role`, clusterrole, rolebinding and clusterrolebinding, as kubectl makes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from kindlab.api import Obj
from kindlab.kubectl.session import Refused, Session

GROUP = "rbac.authorization.k8s.io"
VERBS: tuple[str, ...] = (
    "*",
    "get",
    "delete",
    "list",
    "create",
    "update",
    "patch",
    "watch",
    "proxy",
    "deletecollection",
)
VERBS += ("use", "bind", "escalate", "impersonate")
URL_VERBS: tuple[str, ...] = ("*", "get", "post", "put", "delete", "patch", "head", "options")
_ROLES = (("roles", GROUP), ("clusterroles", GROUP))
SPECIAL = {
    "use": (("podsecuritypolicies", "policy"), ("podsecuritypolicies", "extensions")),
    "bind": _ROLES,
    "escalate": _ROLES,
    "impersonate": (("users", ""), ("serviceaccounts", ""), ("groups", ""), ("userextras", "authentication.k8s.io")),
}
"""Verbs that are for these resources only, some of which no discovery tells."""


class Named(NamedTuple):
    """A resource as `--resource` spells it: deployments.apps/scale."""

    resource: str
    group: str
    below: str


def role(session: Session, name: str, flags: Mapping[str, Any]) -> Obj:
    """Raises Refused."""
    resources = _resources(flags["resources"])
    verbs = _verbs(flags["verbs"])
    if not resources:
        raise Refused("error: at least one resource must be specified")
    _check(session, verbs, resources)
    rules = _rules(session, verbs, resources, flags["resource_names"])
    return {"apiVersion": f"{GROUP}/v1", "kind": "Role", "metadata": {"name": name}, "rules": rules}


def cluster_role(session: Session, name: str, flags: Mapping[str, Any]) -> Obj:
    """Raises Refused."""
    made: Obj = {"apiVersion": f"{GROUP}/v1", "kind": "ClusterRole", "metadata": {"name": name}}
    resources, urls = _resources(flags["resources"]), _unique(_split(flags["urls"]))
    if flags["aggregation"]:
        if urls or flags["verbs"] or resources or flags["resource_names"]:
            why = "aggregation rule must be specified without nonResourceURLs, verbs, resources or resourceNames"
            raise Refused(f"error: {why}")
        labels = dict(pair.split("=", 1) for pair in _split(flags["aggregation"]))
        return {**made, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": labels}]}, "rules": None}
    verbs = _verbs(flags["verbs"])
    if not resources and not urls:
        raise Refused("error: one of resource or nonResourceURL must be specified")
    if resources:
        _check(session, verbs, resources)
    for verb in verbs if urls else ():
        if verb not in URL_VERBS:
            raise Refused(f"error: invalid verb: '{verb}' for nonResourceURL")
    for url in urls:
        if url != "*" and not url.startswith("/"):
            raise Refused("error: nonResourceURL should start with /")
        if "*" in url[:-1]:
            raise Refused("error: nonResourceURL only supports wildcard matches when '*' is at the end")
    rules = _rules(session, verbs, resources, flags["resource_names"])
    if urls:
        rules.append({"verbs": verbs, "nonResourceURLs": urls})
    return {**made, "rules": rules}


def binding(kind: str, name: str, flags: Mapping[str, Any]) -> Obj:
    """A RoleBinding or a ClusterRoleBinding. Raises Refused."""
    if kind == "ClusterRoleBinding" and not flags["cluster_role"]:
        raise Refused('error: required flag(s) "clusterrole" not set')
    if kind == "RoleBinding" and bool(flags["cluster_role"]) == bool(flags["role"]):
        raise Refused("error: exactly one of clusterrole or role must be specified")
    to = ("ClusterRole", flags["cluster_role"]) if flags["cluster_role"] else ("Role", flags["role"])
    subjects: list[Obj] = [{"kind": "User", "apiGroup": GROUP, "name": user} for user in flags["users"]]
    subjects += [{"kind": "Group", "apiGroup": GROUP, "name": group} for group in flags["groups"]]
    for account in flags["accounts"]:
        parts = account.split(":")
        if len(parts) != 2 or not all(parts):
            raise Refused("error: serviceaccount must be <namespace>:<name>")
        subjects.append({"kind": "ServiceAccount", "name": parts[1], "namespace": parts[0]})
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "metadata": {"name": name},
        "roleRef": {"apiGroup": GROUP, "kind": to[0], "name": to[1]},
        **({"subjects": subjects} if subjects else {}),
    }


def _split(texts: Iterable[str]) -> list[str]:
    return [one for text in texts for one in text.split(",")]


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _verbs(texts: Sequence[str]) -> list[str]:
    verbs = _unique(_split(texts))
    if not verbs:
        raise Refused("error: at least one verb must be specified")
    return ["*"] if "*" in verbs else verbs


def _resources(texts: Sequence[str]) -> list[Named]:
    found = []
    for text in _split(texts):
        where, _, below = text.partition("/")
        resource, _, group = where.partition(".")
        if text == "*":
            return [Named("*", "", "")]
        found.append(Named(resource, group, below))
    return found


def _check(session: Session, verbs: Sequence[str], resources: Sequence[Named]) -> None:
    for verb in verbs:
        if verb not in VERBS:
            session.err.write(f"Warning: '{verb}' is not a standard resource verb\n")
    for one in resources:
        if not one.resource:
            raise Refused("error: resource must be specified if apiGroup/subresource specified")
        if one.resource == "*":
            return
        plural, group, known = _found(session, one)
        for verb in verbs:
            if verb in SPECIAL and (plural, group) not in SPECIAL[verb]:
                raise Refused(f"error: can not perform '{verb}' on '{plural}' in group '{group}'")
            known = known or verb in SPECIAL
        if not known:
            where = f' in group "{one.group}"' if one.group else ""
            raise Refused(f'the server doesn\'t have a resource type "{one.resource}"{where}')


def _found(session: Session, one: Named) -> tuple[str, str, bool]:
    """(plural, group, whether the server has it)."""
    try:
        served = session.served(f"{one.resource}.{one.group}".rstrip("."))
    except Refused:
        return one.resource, one.group, False
    return served.plural, served.group, True


def _rules(session: Session, verbs: list[str], resources: Sequence[Named], names: Sequence[str]) -> list[Obj]:
    """One for each group."""
    groups: dict[str, list[str]] = {}
    for one in resources:
        plural, group, _ = _found(session, one) if one.resource != "*" else (one.resource, one.group, True)
        shown = f"{plural}/{one.below}" if one.below else plural
        if shown not in groups.setdefault(group, []):
            groups[group].append(shown)
    named = {"resourceNames": _unique(names)} if names else {}
    return [{"verbs": verbs, "apiGroups": [group], "resources": groups[group], **named} for group in sorted(groups)]

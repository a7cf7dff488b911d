"""The roles and bindings that every cluster has, and what is done when somebody changed them.

Models plugin/pkg/auth/authorizer/rbac/bootstrappolicy and the PostStartHook that reconciles it (component-helpers/auth/
rbac/reconciliation): at each start what is missing comes back, what somebody added stays, and an object annotated with
autoupdate "false" is left alone.

data/rbac.json names the roles with their rules ("verbs groups resources [names]" or "verbs URLs", commas between,
`core` for the group without a name), what they are aggregated into or of, and who is bound to them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Final

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.objects import Obj
from pocketkube.rbac import GROUP, Rule, covers

_LABELS: Final = {"kubernetes.io/bootstrapping": "rbac-defaults"}
AUTOUPDATE: Final = "rbac.authorization.kubernetes.io/autoupdate"
_INTO: Final = "rbac.authorization.k8s.io/aggregate-to-"


def install(client: Client, only: Collection[str] | None = None) -> None:
    """Create what is missing and mend what lacks something. `only`: the names of what is wanted."""
    for resource, wanted in policy():
        if only is not None and objects.name(wanted) not in only:
            continue
        found = client.find(resource, *objects.key(wanted))
        if found is not None and found.get("roleRef", {}).get("name") != wanted.get("roleRef", {}).get("name"):
            if objects.annotations(found).get(AUTOUPDATE) == "false":
                continue
            client.delete(resource, objects.key(found))  # what a binding binds cannot be changed
            found = None
        if found is None:
            client.create(resource, wanted)
        elif objects.annotations(found).get(AUTOUPDATE) != "false":
            _mend(client, resource, found, wanted)


def _mend(client: Client, resource: str, found: Obj, wanted: Obj) -> None:
    missing = covers(found.get("rules") or (), wanted.get("rules") or ())
    there = [_who(subject) for subject in found.get("subjects") or ()]
    lost = [subject for subject in wanted.get("subjects") or () if _who(subject) not in there]
    labels, notes = objects.labels(wanted).items(), objects.annotations(wanted).items()
    marked = labels <= objects.labels(found).items() and notes <= objects.annotations(found).items()
    selectors = _selectors(found)
    unselected = [selector for selector in _selectors(wanted) if selector not in selectors]
    if not missing and not lost and not unselected and marked:
        return

    def change(copy: Obj) -> None:
        meta = copy["metadata"]
        meta["labels"] = {**(meta.get("labels") or {}), **dict(labels)}
        meta["annotations"] = {**(meta.get("annotations") or {}), **dict(notes)}
        if missing:
            copy["rules"] = [*(copy.get("rules") or ()), *missing]
        if lost:
            copy["subjects"] = [*(copy.get("subjects") or ()), *lost]
        if unselected:
            copy["aggregationRule"] = {"clusterRoleSelectors": [*selectors, *unselected]}

    client.patch(resource, objects.key(found), change)


def _selectors(role: Obj) -> list[Obj]:
    found: list[Obj] = (role.get("aggregationRule") or {}).get("clusterRoleSelectors") or []
    return found


def _who(subject: Obj) -> tuple[str, ...]:
    return tuple(subject.get(field, "") for field in ("kind", "namespace", "name"))


# -- what there is to be


def policy() -> Iterator[tuple[str, Obj]]:
    """(resource, object) of all of it, roles before bindings; each time anew."""
    data = _data()
    for name, role in data["clusterRoles"].items():
        yield "clusterroles", _cluster_role(name, role if isinstance(role, dict) else {"rules": role})
    for at, rules in data["roles"].items():
        namespace, _, name = at.partition("/")
        meta = {**_meta(name), "namespace": namespace}
        yield "roles", {"metadata": meta, "rules": [_rule(text) for text in rules]}
    for name, subjects in data["clusterRoleBindings"].items():
        yield "clusterrolebindings", _binding(_meta(name), "ClusterRole", name, subjects)
    for at, binding in data["roleBindings"].items():
        namespace, _, name = at.partition("/")
        role, subjects = (binding["role"], binding["subjects"]) if isinstance(binding, dict) else (name, binding)
        yield "rolebindings", _binding({**_meta(name), "namespace": namespace}, "Role", role, subjects)


@cache
def _data() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((files("pocketkube") / "data" / "rbac.json").read_text("utf-8"))
    return found


def _meta(name: str) -> Obj:
    return {"name": name, "labels": dict(_LABELS), "annotations": {AUTOUPDATE: "true"}}


def _cluster_role(name: str, said: dict[str, list[str]]) -> Obj:
    role: Obj = {"metadata": _meta(name)}
    role["metadata"]["labels"] |= {f"{_INTO}{other}": "true" for other in said.get("into", ())}
    if "of" in said:
        selected = [{"matchLabels": {f"{_INTO}{other}": "true"}} for other in said["of"]]
        return role | {"aggregationRule": {"clusterRoleSelectors": selected}}
    return role | {"rules": [_rule(text) for text in said["rules"]]}


def _rule(text: str) -> Rule:
    verbs, where, *rest = (part.split(",") for part in text.split(" "))
    if not rest:
        return {"verbs": verbs, "nonResourceURLs": where}
    rule = {"verbs": verbs, "apiGroups": ["" if group == "core" else group for group in where], "resources": rest[0]}
    return rule | ({"resourceNames": rest[1]} if len(rest) > 1 else {})


def _binding(meta: Obj, kind: str, role: str, subjects: list[str]) -> Obj:
    binding: Obj = {"metadata": meta, "roleRef": {"apiGroup": GROUP, "kind": kind, "name": role}}
    if subjects:
        binding["subjects"] = [_subject(text) for text in subjects]
    return binding


def _subject(text: str) -> Obj:
    kind, _, name = text.partition(" ")
    if kind == "account":
        namespace, _, name = name.partition("/")
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"apiGroup": GROUP, "kind": kind.capitalize(), "name": name}

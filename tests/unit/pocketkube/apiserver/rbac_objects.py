"""Roles, bindings and requests of service accounts, in short."""

from __future__ import annotations

from typing import Any

from tests.unit.pocketkube.apiserver.world import NAMESPACE, World

from pocketkube.objects import Obj

API = "/apis/rbac.authorization.k8s.io/v1"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:default"


def rule(verbs: str, resources: str, group: str = "", **more: list[str]) -> Obj:
    return {"verbs": verbs.split(","), "apiGroups": [group], "resources": resources.split(","), **more}


def urls(verbs: str, *paths: str) -> Obj:
    return {"verbs": verbs.split(","), "nonResourceURLs": list(paths)}


def role(world: World, name: str, *rules: Obj, namespace: str = NAMESPACE) -> Obj:
    """A Role, or (namespace "") a ClusterRole."""
    meta = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return world.registry.create("roles" if namespace else "clusterroles", {"metadata": meta, "rules": list(rules)})


def binding(world: World, name: str, role_ref: str, *subjects: str, namespace: str = NAMESPACE, **meta: Any) -> Obj:
    """`role_ref`: "Role/x" or "ClusterRole/x"; subjects: "User/x", "Group/x", "ServiceAccount/ns/x". namespace "": a
    ClusterRoleBinding."""
    kind, _, to = role_ref.partition("/")
    obj: Obj = {"metadata": {"name": name, **meta}, "roleRef": {"kind": kind, "name": to}, "subjects": []}
    for subject in subjects:
        kind, _, who = subject.partition("/")
        found = {"kind": kind, "name": who}
        if kind == "ServiceAccount":
            found["namespace"], _, found["name"] = who.rpartition("/")
        obj["subjects"].append({key: value for key, value in found.items() if value})
    if namespace:
        obj["metadata"]["namespace"] = namespace
    return world.registry.create("rolebindings" if namespace else "clusterrolebindings", obj)


async def may(world: World, method: str, path: str, user: str = ACCOUNT, **headers: str) -> bool:
    """Whether a request gets past authorization."""
    code, _ = await world.ask(
        method, path, "{}" if method in ("POST", "PUT") else None, Impersonate_User=user, **headers
    )
    return code != 403

"""Discovery: which groups, versions and resources are served, in the old form and the aggregated one.

Models apiserver/pkg/endpoints/discovery (and its aggregated sub-package) with the groups of other servers, as
kube-aggregator merges them. What is listed is what is served, no more.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any, Final

from pocketkube.apiserver.api import Api
from pocketkube.objects import Obj
from pocketkube.resources.apiservices import CUSTOM, GROUP, PRIORITIES
from pocketkube.resources.base import Resource, version_rank

# resources that are only answered, never stored: (group, version) -> (plural, singular, kind, namespaced)
VIRTUAL: Final[dict[tuple[str, str], tuple[tuple[str, str, str, bool], ...]]] = {
    ("", "v1"): (("bindings", "binding", "Binding", True),),
    ("authentication.k8s.io", "v1"): (
        ("selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview", False),
        ("tokenreviews", "tokenreview", "TokenReview", False),
    ),
    ("authorization.k8s.io", "v1"): (
        ("localsubjectaccessreviews", "localsubjectaccessreview", "LocalSubjectAccessReview", True),
        ("selfsubjectaccessreviews", "selfsubjectaccessreview", "SelfSubjectAccessReview", False),
        ("selfsubjectrulesreviews", "selfsubjectrulesreview", "SelfSubjectRulesReview", False),
        ("subjectaccessreviews", "subjectaccessreview", "SubjectAccessReview", False),
    ),
}
# kinds of subresources that belong to another group than their resource
FOREIGN: Final = {
    "Scale": ("autoscaling", "v1"),
    "Eviction": ("policy", "v1"),
    "TokenRequest": ("authentication.k8s.io", "v1"),
}
_FIRST: Final = 1 << 20
_READ_WRITE: Final = ("get", "patch", "update")


def local_versions(api: Api) -> dict[str, list[str]]:
    """As `versions`, of what this server answers for."""
    return _ordered({at: PRIORITIES.get(at, CUSTOM) for at in {**api.kinds, **VIRTUAL}})


def versions(api: Api) -> dict[str, list[str]]:
    """Group -> versions, by their priorities: the core group ("") is first, newer versions before older ones."""
    local = {at: PRIORITIES.get(at, CUSTOM) for at in {**api.kinds, **VIRTUAL}}
    return _ordered(local | dict(api.servers.priorities()))


def _ordered(found: dict[tuple[str, str], tuple[int, int]]) -> dict[str, list[str]]:
    groups: dict[str, list[tuple[int, tuple[Any, ...], str]]] = {}
    place = {"": _FIRST + 1, GROUP: _FIRST}
    for (group, version), (group_priority, priority) in found.items():
        groups.setdefault(group, []).append((-priority, version_rank(version), version))
        place[group] = max(place.get(group, 0), group_priority)
    ordered = sorted(groups, key=lambda group: (-place[group], group))
    return {group: [version for _, _, version in sorted(groups[group])] for group in ordered}


def subresources(kind: Resource) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(name, kind, verbs) of each subresource, sorted."""
    found = {name: (shown, verbs) for name, (shown, verbs) in kind.subresources.items()}
    if kind.has_status:
        found.setdefault("status", (kind.kind, _READ_WRITE))
    if kind.scale is not None:
        found.setdefault("scale", ("Scale", _READ_WRITE))
    for name, (shown, verbs) in sorted(found.items()):
        yield name, shown, verbs


# -- the old form


def api_versions(api: Api) -> Obj:
    address = {"clientCIDR": "0.0.0.0/0", "serverAddress": f"127.0.0.1:{api.port}"}
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [address]}


def group_list(api: Api) -> Obj:
    groups = [_group(group, found) for group, found in versions(api).items() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(api: Api, name: str) -> Obj | None:
    found = versions(api).get(name) if name else None
    return None if found is None else {"kind": "APIGroup", "apiVersion": "v1", **_group(name, found)}


def _group(name: str, found: list[str]) -> Obj:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in found]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def resource_list(api: Api, group: str, version: str) -> Obj | None:
    """APIResourceList of one version, or None when it is not served."""
    kinds, virtual = api.kinds.get((group, version)), VIRTUAL.get((group, version), ())
    if kinds is None and not virtual:
        return None
    listed: list[Obj] = []
    for plural, singular, kind, namespaced in virtual:
        listed.append(
            {"name": plural, "singularName": singular, "namespaced": namespaced, "kind": kind, "verbs": ["create"]}
        )
    for found in (kinds or {}).values():
        listed += _resources(found)
    listed.sort(key=lambda entry: entry["name"])
    result: Obj = {"kind": "APIResourceList"}
    if group:
        result["apiVersion"] = "v1"  # upstream leaves it out for the core group
    return result | {"groupVersion": f"{group}/{version}" if group else version, "resources": listed}


def _resources(kind: Resource) -> Iterator[Obj]:
    entry: Obj = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.discovered_verbs),
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    yield entry | {"storageVersionHash": storage_version_hash(kind)} if kind.stored else entry
    for name, shown, verbs in subresources(kind):
        below: Obj = {"name": f"{kind.plural}/{name}", "singularName": "", "namespaced": kind.namespaced}
        if shown in FOREIGN:
            below["group"], below["version"] = FOREIGN[shown]
        yield below | {"kind": shown, "verbs": list(verbs)}


def storage_version_hash(kind: Resource) -> str:
    """discovery.StorageVersionHash: of the version that is stored."""
    digest = hashlib.sha256(f"{kind.stored_group}/{kind.stored_version}/{kind.kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()


# -- the aggregated form


def aggregated(api: Api, *, core: bool, version: str) -> Obj:
    """APIGroupDiscoveryList for /api (core) or /apis."""
    items = []
    for group, found in versions(api).items():
        if core == (group == ""):
            meta = {"name": group} if group else {}
            entries = [_aggregated_version(api, group, one) for one in found]
            items.append({"metadata": meta, "versions": entries})
    api_version = f"apidiscovery.k8s.io/{version}"
    return {"kind": "APIGroupDiscoveryList", "apiVersion": api_version, "metadata": {}, "items": items}


def _aggregated_version(api: Api, group: str, version: str) -> Obj:
    fresh = True
    if api.servers.find(group, version) is not None:
        entries, fresh = api.servers.listed(group, version)
    else:
        listed = resource_list(api, group, version)
        entries = listed["resources"] if listed else []
    resources: dict[str, Obj] = {}
    for entry in sorted(entries, key=lambda one: "/" in one["name"]):
        name, _, below = entry["name"].partition("/")
        # upstream leaves group and version of a kind empty where they are the list's own
        kind = {"group": entry.get("group", ""), "version": entry.get("version", ""), "kind": entry["kind"]}
        if below:
            shown = {"subresource": below, "responseKind": kind, "verbs": entry.get("verbs") or []}
            if name in resources:
                resources[name].setdefault("subresources", []).append(shown)
            continue
        resource: dict[str, Any] = {
            "resource": name,
            "responseKind": kind,
            "scope": "Namespaced" if entry.get("namespaced") else "Cluster",
            "singularResource": entry.get("singularName", ""),
            "verbs": entry.get("verbs") or [],
        }
        for optional in ("shortNames", "categories"):
            if optional in entry:
                resource[optional] = entry[optional]
        resources[name] = resource
    return {"version": version, "resources": list(resources.values()), "freshness": "Current" if fresh else "Stale"}

"""`kubectl apply`: create an object, or change only what its manifest changed since it was applied last.

Three states are compared: what was applied last (an annotation on the live object), what is live, and what is asked
for now. A field that left the manifest is removed; a field somebody else set stays. The patch is strategic for kinds
the API server knows (lists of containers, ports and the like are merged by their keys) and a plain merge patch for
custom resources. Left out of kubectl's own: --prune, --server-side, and adding patch keys for lists it would have to
order; the server merges lists by the keys of its schema, which needs the element's key and its changes only.
"""

from __future__ import annotations

import json
from typing import Any

from kindlab.api import MERGE_PATCH, STRATEGIC_PATCH, Api, ApiError, Obj

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
STRICT = {"fieldValidation": "Strict"}

MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey",),
    "ownerReferences": ("uid",),
    "conditions": ("type",),
    "secrets": ("name",),
}
"""The keys strategic merge patch joins list elements by, by field name (see `ports` below)."""


def apply(api: Api, namespace: str, obj: Obj, *, dry_run: str = "none") -> str:
    """Apply one object; returns kubectl's line: `service/web created`, `configured` or `unchanged`. Raises ApiError."""
    kind = f"{obj['apiVersion']}/{obj['kind']}"
    name = obj["metadata"]["name"]
    space = (obj["metadata"].get("namespace") or namespace) if api.namespaced(kind) else None
    wanted = noted(obj, space)
    label = f"{resource_name(api, obj)}/{name}"
    query = {
        **STRICT,
        "fieldManager": "kubectl-client-side-apply",
        **({"dryRun": "All"} if dry_run == "server" else {}),
    }
    suffix = {"client": " (dry run)", "server": " (server dry run)"}.get(dry_run, "")
    live = api.get(kind, name, space)
    if live is None and dry_run != "client":
        api.request("POST", api.path(kind, space), wanted, query=query)
    if live is None:
        return f"{label} created{suffix}"
    change = patch(wanted, live)
    if not change:
        return f"{label} unchanged{suffix}"
    if dry_run == "client":
        return f"{label} configured{suffix}"
    path = api.path(kind, space, name)
    try:
        after = api.request("PATCH", path, change, query=query, content_type=STRATEGIC_PATCH)
    except ApiError as error:
        if error.code != 415:
            raise
        merge = patch(wanted, live, strategic=False)  # a custom resource: the server knows no merge keys
        after = api.request("PATCH", path, merge, query=query, content_type=MERGE_PATCH)
    same = dry_run != "server" and after["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]
    return f"{label} {'unchanged' if same else 'configured'}{suffix}"


def resource_name(api: Api, obj: Obj) -> str:
    """`service`, `deployment.apps`: how kubectl names a kind in its messages."""
    group = obj["apiVersion"].rpartition("/")[0]
    return f"{obj['kind'].lower()}.{group}" if group else str(obj["kind"].lower())


def patch(wanted: Obj, live: Obj, *, strategic: bool = True) -> Obj:
    """The patch from `live` to `wanted`, given what `live` says was applied last; {} for nothing. Not `strategic`:
    a plain merge patch, which replaces every list."""
    previous = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    last = json.loads(previous) if previous else {}
    return _map_patch(last, wanted, live, strategic)


def _map_patch(last: Obj, wanted: Obj, live: Obj, strategic: bool) -> Obj:
    change: Obj = {}
    for key, value in wanted.items():
        there, before = live.get(key), last.get(key)
        if isinstance(value, dict) and isinstance(there, dict):
            inner = _map_patch(before if isinstance(before, dict) else {}, value, there, strategic)
            if inner:
                change[key] = inner
        elif isinstance(value, list) and isinstance(there, list) and strategic:
            change.update(_list_patch(key, before or [], value, there))
        elif value != there and value not in ({}, []):
            change[key] = value
    change.update({key: None for key in last if key not in wanted and key in live})
    return change


def _list_patch(key: str, last: list[Any], wanted: list[Any], live: list[Any]) -> Obj:
    """Elements joined by their merge key, one by one; a list without one is replaced as a whole."""
    merge = merge_key(key, wanted + live)
    if merge is None or any(len({e[merge] for e in elements}) < len(elements) for elements in (wanted, live)):
        if wanted == live:
            return {}
        return {key: [{"$patch": "replace"}, *wanted]} if merge else {key: wanted}
    by_key = {e[merge]: e for e in live}
    before = {e[merge]: e for e in last if isinstance(e, dict) and merge in e}
    changes: list[Obj] = []
    for element in wanted:
        there = by_key.get(element[merge])
        if there is None:
            changes.append(element)
            continue
        inner = _map_patch(before.get(element[merge], {}), element, there, strategic=True)
        if inner:
            changes.append({merge: element[merge], **inner})
    kept = {e[merge] for e in wanted}
    changes += [{merge: k, "$patch": "delete"} for k in before if k not in kept and k in by_key]
    return {key: changes} if changes else {}


def merge_key(field: str, elements: list[Any]) -> str | None:
    """The field the elements of a list are told apart by, or None when the list is one value."""
    if not all(isinstance(e, dict) for e in elements):
        return None
    if field == "ports":  # a Service's ports are told apart by port, a container's by containerPort
        field_key = "containerPort" if any("containerPort" in e for e in elements) else "port"
        return field_key if all(field_key in e for e in elements) else None
    for key in MERGE_KEYS.get(field, ()):
        if all(key in e for e in elements):
            return key
    return None


def noted(obj: Obj, namespace: str | None) -> Obj:
    """The object with the note of what is applied, which a later `kubectl apply` compares with. `namespace` is for
    those that name none."""
    meta = {k: v for k, v in obj["metadata"].items() if v is not None}
    if namespace and not meta.get("namespace"):
        meta["namespace"] = namespace
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if k != LAST_APPLIED}
    bare = {**obj, "metadata": {**meta, "annotations": annotations}}
    text = json.dumps(_sorted(bare), separators=(",", ":"), ensure_ascii=False) + "\n"
    return {**obj, "metadata": {**meta, "annotations": {**annotations, LAST_APPLIED: text}}}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _sorted(value[k]) for k in sorted(value)}
    return [_sorted(v) for v in value] if isinstance(value, list) else value

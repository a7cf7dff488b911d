"""Which tasks a change concerns: those that asked for the object, or that sent traffic to something behind which it
stands. What is not sure concerns all, so that a check is run once too often and never once too seldom."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from kindlab.api import Obj
from kindlab.watching.asked import Asked, Listed, words
from kindlab.watching.objects import Change, Key

MAKERS = frozenset({"deployments", "replicasets", "statefulsets", "daemonsets", "jobs"})
UNDERSTOOD = MAKERS | {
    "services",
    "endpointslices",
    "pods",
    "cronjobs",
    "configmaps",
    "secrets",
    "persistentvolumeclaims",
}
"""Kinds that reach a task by a name, a selector or a mention alone. A policy or an autoscaler may reach all."""
Scene = Mapping[Key, Obj]


def tasks(change: Change, asked: Mapping[str, Asked], before: Scene, after: Scene) -> set[str]:
    """Of the tasks in `asked` those that the change concerns. `before`, `after`: all objects without, and with it."""
    if change.key[0] not in UNDERSTOOD:
        return set(asked)
    spoken: dict[int, set[str]] = {}
    return {
        task
        for task, one in asked.items()
        if not (one.words or one.lists)
        or any(_is_listed(listed, change) for listed in one.lists)
        or any(change.key in behind(one.words, scene, spoken) for scene in (before, after))
    }


def behind(asked: Iterable[str], scene: Scene, spoken: dict[int, set[str]]) -> set[Key]:
    """Every object that is meant by one of the words, and what stands behind it: what it names, what it selects.
    `spoken`: by identity, the words of objects that have been read already."""
    meant = set(asked)
    found = {key for key, obj in scene.items() if _is_meant(key, obj, meant)}
    names: dict[str, list[Key]] = {}
    for key in scene:
        names.setdefault(key[2], []).append(key)
    pending = list(found)
    while pending:
        key = pending.pop()
        for other in _next(key, scene, names, spoken):
            if other not in found:
                found.add(other)
                pending.append(other)
    return found


def _is_meant(key: Key, obj: Obj, meant: set[str]) -> bool:
    if key[2] in meant or any(word.startswith(f"{key[2]}-") for word in meant):  # also by a Pod's name: its maker
        return True
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    addresses = {str(spec.get("clusterIP")), str(status.get("podIP")), *map(str, spec.get("clusterIPs") or ())}
    addresses |= {str(port.get("nodePort")) for port in spec.get("ports") or () if isinstance(port, dict)}
    addresses |= {str(one.get("ip")) for one in (status.get("loadBalancer") or {}).get("ingress") or ()}
    return bool((addresses - {"None"}) & meant)


def _next(key: Key, scene: Scene, names: Mapping[str, list[Key]], spoken: dict[int, set[str]]) -> Iterable[Key]:
    obj = scene[key]
    if id(obj) not in spoken:
        told = {k: v for k, v in obj.items() if k not in ("metadata", "status")}
        spoken[id(obj)] = words(json.dumps(told, default=str))
    for word in spoken[id(obj)] & names.keys():
        yield from names[word]
    selector = (obj.get("spec") or {}).get("selector") if key[0] == "services" else None
    for other, one in scene.items():
        if other[1] != key[1]:
            continue
        labels = one["metadata"].get("labels") or {}
        sliced = other[0] == "endpointslices" and labels.get("kubernetes.io/service-name") == key[2]
        served = selector and other[0] in ("pods", *MAKERS) and selector.items() <= _labels(other, one).items()
        if (key[0] == "services" and sliced) or served or (key[0] in MAKERS and _is_made_by(obj, one)):
            yield other


def _is_made_by(maker: Obj, one: Obj) -> bool:
    return any(o.get("uid") == maker["metadata"].get("uid") for o in one["metadata"].get("ownerReferences") or ())


def _labels(key: Key, obj: Obj) -> dict[str, str]:
    """Those of a Pod, or of the Pods that are made."""
    meta = (
        obj["metadata"] if key[0] == "pods" else ((obj.get("spec") or {}).get("template") or {}).get("metadata") or {}
    )
    return meta.get("labels") or {}


def _is_listed(listed: Listed, change: Change) -> bool:
    plural, namespace, name = change.key
    if listed.namespace not in ("", namespace):
        return False
    for one in (change.old, change.new):
        if one is None:
            continue
        if listed.plural == plural and _fits(listed, one["metadata"].get("labels") or {}, name):
            return True
        if listed.plural == "pods" and plural in MAKERS and _fits(listed, _labels(change.key, one), ""):
            return True
    return False


def _fits(listed: Listed, labels: Mapping[str, str], name: str) -> bool:
    """Whether selectors may mean an object; what is not understood of them may."""
    for term in filter(None, listed.fields.split(",")):
        field, _, value = term.partition("=")
        if field == "metadata.name" and name and value.lstrip("=") != name:
            return False
    for term in filter(None, listed.labels.split(",")):
        label, equal, value = term.partition("=")
        if equal and not label.endswith("!") and " " not in term and labels.get(label) != value.lstrip("="):
            return False
    return True

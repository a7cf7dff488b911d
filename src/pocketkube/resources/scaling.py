"""The autoscaling/v1 Scale of an object: how many replicas it asks for and has, and which pods they are.

Models the scale storage of pkg/registry/apps/* and of custom kinds. The API server serves it as a subresource;
autoscalers read and write through it.
"""

from __future__ import annotations

from typing import Any, Final

from pocketkube import objects, selectors
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource

VERSION: Final = "autoscaling/v1"


def of(kind: Resource, obj: Obj) -> Obj:
    """The Scale of an object whose kind has one; `status.selector` is text."""
    assert kind.scale is not None
    meta = {
        key: obj["metadata"][key]
        for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        if key in obj["metadata"]
    }
    spec: Obj = {}
    replicas = objects.dig(obj, *kind.scale.replicas.split("."))
    if replicas:  # omitempty
        spec["replicas"] = replicas
    status: Obj = {"replicas": objects.dig(obj, *kind.scale.status_replicas.split(".")) or 0}
    selector = _selector_text(objects.dig(obj, *kind.scale.selector.split(".")))
    if selector:
        status["selector"] = selector
    return {"kind": "Scale", "apiVersion": VERSION, "metadata": meta, "spec": spec, "status": status}


def problem(kind: Resource, obj: Obj) -> str:
    """Why an object has no Scale although its kind declares one, or ""."""
    if kind.custom and kind.scale is not None and objects.dig(obj, *kind.scale.replicas.split(".")) is None:
        return f'the spec replicas field ".{kind.scale.replicas}" does not exist'
    return ""


def set_replicas(kind: Resource, obj: Obj, replicas: int) -> None:
    """Write in place how many replicas an object asks for."""
    assert kind.scale is not None
    *path, last = kind.scale.replicas.split(".")
    holder = obj
    for step in path:
        holder = holder.setdefault(step, {})
    holder[last] = replicas


def _selector_text(selector: Any) -> str:
    if not isinstance(selector, dict):
        return selector or ""
    if selector.keys() <= {"matchLabels", "matchExpressions"}:
        return str(selectors.from_label_selector(selector))
    return str(selectors.from_set(selector))

"""The resize subresource: what of a running pod's resources may change, and how.

Models podResizeStrategy (pkg/registry/core/pod) and ValidatePodResize (pkg/apis/core/validation).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources.pod_spec import validation
from pocketkube.resources.pod_spec.quality import qos_class

_KINDS: Final = ("containers", "initContainers")
_MUTABLE: Final = ("cpu", "memory")
_FIELDS: Final = ("resources", "resizePolicy")


def narrow(new: Obj, old: Obj) -> Obj:
    """The pod that is asked for: the old one with the new resources and resize policies. Containers that have been
    added, renamed or reordered are left for the validation to tell."""
    before, after = objects.spec(old), objects.spec(new)
    if any(_names(after, kind) != _names(before, kind) for kind in _KINDS):
        return new
    spec = objects.copy(before)
    spec.pop("resources", None)
    if after.get("resources") is not None:
        spec["resources"] = objects.copy(after["resources"])
    for kind in _KINDS:
        for container, asked in zip(spec.get(kind) or (), after.get(kind) or (), strict=True):
            for field in _FIELDS:
                container.pop(field, None)
                if field in asked:
                    container[field] = asked[field]
    return {**new, "spec": spec}


def _names(spec: Obj, kind: str) -> list[str]:
    return [container.get("name", "") for container in spec.get(kind) or ()]


def validate(new: Obj, old: Obj) -> Iterator[Cause]:
    """Field errors of a pod that `narrow` made."""
    before, after = objects.spec(old), objects.spec(new)
    if validation.MIRROR in objects.annotations(old):
        yield fields.forbidden("", "static pods cannot be resized")
        return
    if objects.dig(before, "os", "name") == "windows":
        yield fields.forbidden("", "windows pods cannot be resized")
        return
    yield from validation.pod(new)
    if qos_class(before) != qos_class(after):
        shown = objects.status(new).get("qosClass", "")
        yield fields.invalid("spec", shown, "Pod QOS Class may not change as a result of resizing")
    yield from _whole(after.get("resources"), before.get("resources"))
    order = list(_ordering(after, before))
    yield from order
    if order:
        return
    for kind in _KINDS:
        yield from _removed(after, before, kind)
    yield from _others(after, before)


def _whole(new: Obj | None, old: Obj | None) -> Iterator[Cause]:
    """Changes of what the pod as a whole has."""
    if old is not None and new is None:
        yield fields.forbidden("spec.resources", "pod-level resources cannot be removed")
        return
    before, after = {"resources": old or {}}, {"resources": new or {}}
    for side in ("requests", "limits"):
        if _amounts(before, side).keys() - _amounts(after, side).keys():
            yield fields.forbidden(f"spec.resources.{side}", f"pod-level resource {side} cannot be removed")
    if _without(after) != _without(before):
        yield fields.forbidden("spec", "only cpu and memory resources are mutable at pod-level")


def _ordering(after: Obj, before: Obj) -> Iterator[Cause]:
    for kind in _KINDS:
        now, then = _names(after, kind), _names(before, kind)
        if len(now) != len(then):
            yield fields.forbidden(f"spec.{kind}", f"{kind} may not be added or removed on resize")
            continue
        for index, (new, old) in enumerate(zip(now, then, strict=True)):
            if new != old:
                why = f"{kind} may not be renamed or reordered on resize"
                yield fields.forbidden(f"spec.{kind}[{index}].name", why)


def _removed(after: Obj, before: Obj, kind: str) -> Iterator[Cause]:
    for index, (new, old) in enumerate(zip(after.get(kind) or (), before.get(kind) or (), strict=True)):
        for side in ("requests", "limits"):
            gone = _amounts(old, side).keys() - _amounts(new, side).keys()
            if gone:
                why = f"resource {side} cannot be removed"
                yield fields.forbidden(f"spec.{kind}[{index}].resources.{side}", why)


def _amounts(container: Obj, side: str) -> Obj:
    found: Obj = (container.get("resources") or {}).get(side) or {}
    return found


def _others(after: Obj, before: Obj) -> Iterator[Cause]:
    """Changes of anything but cpu and memory."""
    for new, old in zip(after.get("containers") or (), before.get("containers") or (), strict=True):
        if _without(new) != _without(old):
            yield fields.forbidden("spec", "only cpu and memory resources are mutable")
    for index, (new, old) in enumerate(
        zip(after.get("initContainers") or (), before.get("initContainers") or (), strict=True)
    ):
        if _without(new) != _without(old):
            why = "only cpu and memory resources for init or sidecar containers are mutable"
            yield fields.forbidden(f"spec.initContainers[{index}]", why)
        restarting = any(policy["restartPolicy"] == "RestartContainer" for policy in new.get("resizePolicy") or ())
        if restarting and new != old and new.get("restartPolicy") != "Always":
            why = "non-sidecar init containers with a resize policy of RestartContainer cannot be resized"
            yield fields.forbidden(f"spec.initContainers[{index}]", why)


def _without(container: Obj) -> Obj:
    resources = container.get("resources") or {}
    rest = {
        side: {name: amount for name, amount in _amounts(container, side).items() if name not in _MUTABLE}
        for side in ("requests", "limits")
    }
    claims = {"claims": resources["claims"]} if resources.get("claims") else {}
    return {**container, "resources": {**rest, **claims}}

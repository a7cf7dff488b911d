"""Whose objects are whose: orphans that fit are adopted, what does not fit any longer is released.

Models pkg/controller/controller_ref_manager.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers import finalizers
from pocketkube.controllers.base import Mapping
from pocketkube.objects import Key, Obj
from pocketkube.selectors import LabelSelector, from_label_selector, from_set
from pocketkube.store import Event


def selects(owner: Obj) -> LabelSelector:
    """The selector of an owner of pods: a label selector, or a ReplicationController's plain map."""
    found = objects.spec(owner).get("selector")
    return from_set(found) if owner.get("kind") == "ReplicationController" else from_label_selector(found)


def controllers_of(client: Client, plural: str, kind: str) -> Mapping:
    """Maps an event to the object's controller of that kind, before and after the write; for an object without
    controller, to every owner of that kind whose selector (`spec.selector`) it fits."""

    def owners(event: Event) -> Iterable[Key]:
        for obj in (event.object, event.old):
            if obj is None:
                continue
            ref = objects.controller_ref(obj)
            if ref is not None:
                if ref["kind"] == kind:
                    yield objects.namespace(obj), ref["name"]
            elif event.type != "DELETED" and objects.labels(obj):
                for owner in client.list(plural, objects.namespace(obj)):
                    if selects(owner)(objects.labels(obj)):
                        yield objects.key(owner)

    return owners


def is_controlled_by(obj: Obj, owner: Obj) -> bool:
    ref = objects.controller_ref(obj)
    return ref is not None and bool(ref["uid"] == objects.uid(owner))


def claim(
    client: Client,
    resource: str,
    owner: Obj,
    candidates: Iterable[Obj],
    fits: Callable[[Obj], bool],
    *,
    finalizer: str = "",
) -> list[Obj]:
    """Those of the candidates that are the owner's, in their order, after adopting and releasing.

    An owner that goes takes and gives nothing. `finalizer`: comes and goes with the ownership."""
    claimed = []
    going = objects.is_terminating(owner)
    for obj in candidates:
        ref = objects.controller_ref(obj)
        if ref is not None and ref["uid"] != objects.uid(owner):
            continue
        if fits(obj):
            if ref is not None:
                claimed.append(obj)
            elif not going and not objects.is_terminating(obj):
                claimed.append(adopt(client, resource, owner, obj, finalizer))
        elif ref is not None and not going:
            _release(client, resource, owner, obj, finalizer)
    return claimed


def adopt(client: Client, resource: str, owner: Obj, obj: Obj, finalizer: str = "") -> Obj:
    """Make `owner` the controller of an object that has none."""

    def add(copy: Obj) -> None:
        copy["metadata"].setdefault("ownerReferences", []).append(objects.owner_reference(owner))
        if finalizer and not finalizers.is_held(copy, finalizer):
            finalizers.hold(copy, finalizer)

    return client.patch(resource, objects.key(obj), add)


def _release(client: Client, resource: str, owner: Obj, obj: Obj, finalizer: str) -> None:
    def remove(copy: Obj) -> None:
        set_references(copy, [ref for ref in copy["metadata"]["ownerReferences"] if ref["uid"] != objects.uid(owner)])
        if finalizer:
            finalizers.release(copy, finalizer)

    client.patch(resource, objects.key(obj), remove)


def set_references(copy: Obj, references: list[Obj]) -> None:
    """Write an object's ownerReferences, in place."""
    if references:
        copy["metadata"]["ownerReferences"] = references
    else:
        copy["metadata"].pop("ownerReferences", None)

"""The garbage collector: deletes what has lost its owners, and carries out foreground and orphan deletion.

Models pkg/controller/garbagecollector (garbagecollector, graph_builder). Its keys are ("", uid). An owner is looked up
in the dependent's own namespace, so one of another namespace counts as absent. References to kinds this
cluster does not serve keep their dependents alive, as upstream cannot resolve them either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers.base import Controller, Mapping
from pocketkube.errors import Conflict, NotFound
from pocketkube.objects import Key, Obj
from pocketkube.resources.base import DeleteOptions
from pocketkube.store import Event

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
Place = tuple[str, Key]
"""(resource id, key) of an object."""


class GarbageCollector(Controller):
    name = "garbage-collector-controller"
    every_kind = True

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._places: dict[str, Place] = {}
        """Where to find, by uid, the dependents and the owners that are being deleted."""
        self._dependents: dict[str, set[str]] = {}
        """uids of dependents by uid of the owner."""
        self._resources: dict[tuple[str, str], str] = {}
        self._namespaced: set[str] = set()

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        self._resources = {(kind.group, kind.kind): resource for resource, kind in self.client.kinds()}
        self._namespaced = {resource for resource, kind in self.client.kinds() if kind.namespaced}
        for resource, kind in self.client.kinds():
            if "delete" in kind.verbs:
                yield resource, partial(self._note, resource)

    # -- the graph

    def _note(self, resource: str, event: Event) -> Iterable[Key]:
        """Keep the graph current; yields what has to be looked at again."""
        obj, old = event.object, event.old
        uid = objects.uid(obj)
        owners, before = _owner_uids(obj), _owner_uids(old)
        if event.type == "DELETED":
            self._forget(uid, owners)
            for dependent in self._dependents.get(uid, ()):
                yield "", dependent
            for owner in owners:
                if owner in self._places:
                    yield "", owner
            return
        if owners != before:
            for owner in before - owners:
                self._unlink(uid, owner)
                yield "", owner
            for owner in owners:
                self._dependents.setdefault(owner, set()).add(uid)
        collects = objects.is_terminating(obj) and not {FOREGROUND, ORPHAN}.isdisjoint(_finalizers(obj))
        if owners or collects:
            self._places[uid] = resource, objects.key(obj)
        if owners != before or collects:
            yield "", uid
            # a new blocking dependent of an owner that waits for its dependents
            yield from (("", owner) for owner in owners if owner in self._places)

    def _forget(self, uid: str, owners: set[str]) -> None:
        self._places.pop(uid, None)
        for owner in owners:
            self._unlink(uid, owner)

    def _unlink(self, uid: str, owner: str) -> None:
        dependents = self._dependents.get(owner, set())
        dependents.discard(uid)
        if not dependents:
            self._dependents.pop(owner, None)

    def _find(self, uid: str) -> tuple[str, Obj] | None:
        if uid not in self._places:
            return None
        resource, key = self._places[uid]
        found = self.client.find(resource, *key)
        return (resource, found) if found is not None and objects.uid(found) == uid else None

    def _dependents_of(self, uid: str) -> list[tuple[str, Obj]]:
        found = (self._find(dependent) for dependent in sorted(self._dependents.get(uid, ())))
        return [place for place in found if place is not None]

    # -- what follows from it

    async def reconcile(self, at: Key) -> float | None:
        uid = at[1]
        place = self._find(uid)
        if place is None:
            return None
        resource, obj = place
        if objects.is_terminating(obj):
            finalizers = _finalizers(obj)
            if ORPHAN in finalizers:
                self._orphan_dependents(resource, obj)
            elif FOREGROUND in finalizers:
                self._delete_dependents(resource, obj)
            return None
        self._collect(resource, obj)
        return None

    def _orphan_dependents(self, resource: str, owner: Obj) -> None:
        for kind, dependent in self._dependents_of(objects.uid(owner)):
            self._patch(kind, dependent, partial(_drop_owners, {objects.uid(owner)}))
        self._patch(resource, owner, partial(_drop_finalizer, ORPHAN))

    def _delete_dependents(self, resource: str, owner: Obj) -> None:
        """Foreground: the owner goes when nothing that blocks it is left."""
        uid = objects.uid(owner)
        blocking = [place for place in self._dependents_of(uid) if _blocks(place[1], uid)]
        if not blocking:
            self._patch(resource, owner, partial(_drop_finalizer, FOREGROUND))
        for _, dependent in self._dependents_of(uid):
            if not objects.is_terminating(dependent):
                self.enqueue(("", objects.uid(dependent)))

    def _collect(self, resource: str, obj: Obj) -> None:
        """Delete an object none of whose owners is left; else drop the references that lead nowhere."""
        refs = obj["metadata"].get("ownerReferences") or []
        dangling, waiting, solid = set(), set(), False
        for ref in refs:
            owner, known = self._owner(resource, obj, ref)
            if not known:
                solid = True
            elif owner is None:
                dangling.add(ref["uid"])
            elif objects.is_terminating(owner) and FOREGROUND in _finalizers(owner):
                waiting.add(ref["uid"])
            else:
                solid = True
        if not refs:
            return
        if solid:
            if dangling or waiting:
                self._patch(resource, obj, partial(_drop_owners, dangling | waiting))
            return
        dependents = self._dependents_of(objects.uid(obj))
        if waiting and dependents:
            if any(objects.is_terminating(d) and FOREGROUND in _finalizers(d) for _, d in dependents):
                obj = self._patch(resource, obj, _unblock) or obj  # a circle would never end
            policy = "Foreground"
        elif ORPHAN in _finalizers(obj):
            policy = "Orphan"
        else:
            policy = "Foreground" if FOREGROUND in _finalizers(obj) else "Background"
        meta = obj["metadata"]
        options = DeleteOptions(propagation_policy=policy, uid=meta["uid"], resource_version=meta["resourceVersion"])
        try:
            self.client.delete(resource, objects.key(obj), options)
        except NotFound:
            return

    def _owner(self, resource: str, dependent: Obj, ref: Obj) -> tuple[Obj | None, bool]:
        """(the owner or None, whether that can be told at all)."""
        group = ref["apiVersion"].rpartition("/")[0]
        owner_resource = self._resources.get((group, ref["kind"]))
        if owner_resource is None:
            return None, False
        namespace = objects.namespace(dependent) if owner_resource in self._namespaced else ""
        if owner_resource in self._namespaced and resource not in self._namespaced:
            self._warn(dependent, ref, "")
            return None, False
        found = self.client.find(owner_resource, namespace, ref["name"])
        if found is not None and objects.uid(found) == ref["uid"]:
            return found, True
        if namespace and any(objects.uid(other) == ref["uid"] for other in self.client.list(owner_resource)):
            self._warn(dependent, ref, namespace)
        return None, True

    def _warn(self, dependent: Obj, ref: Obj, namespace: str) -> None:
        named = f"namespace: {namespace}, name: {ref['name']}, uid: {ref['uid']}"
        text = f'ownerRef [{ref["apiVersion"]}/{ref["kind"]}, {named}] does not exist in namespace "{namespace}"'
        self.client.record(dependent, "Warning", "OwnerRefInvalidNamespace", text)

    def _patch(self, resource: str, obj: Obj, change: Callable[[Obj], None]) -> Obj | None:
        try:
            return self.client.patch(resource, objects.key(obj), change)
        except (NotFound, Conflict):
            return None


def _owner_uids(obj: Obj | None) -> set[str]:
    return {ref["uid"] for ref in obj["metadata"].get("ownerReferences") or ()} if obj else set()


def _finalizers(obj: Obj) -> list[str]:
    return obj["metadata"].get("finalizers") or []


def _blocks(dependent: Obj, owner: str) -> bool:
    refs = dependent["metadata"].get("ownerReferences") or ()
    return any(ref["uid"] == owner and ref.get("blockOwnerDeletion") for ref in refs)


def _drop_owners(uids: set[str], copy: Obj) -> None:
    meta = copy["metadata"]
    kept = [ref for ref in meta.get("ownerReferences") or () if ref["uid"] not in uids]
    meta.pop("ownerReferences", None)
    if kept:
        meta["ownerReferences"] = kept


def _drop_finalizer(name: str, copy: Obj) -> None:
    meta = copy["metadata"]
    kept = [finalizer for finalizer in meta.get("finalizers") or () if finalizer != name]
    meta.pop("finalizers", None)
    if kept:
        meta["finalizers"] = kept


def _unblock(copy: Obj) -> None:
    for ref in copy["metadata"].get("ownerReferences") or ():
        ref.pop("blockOwnerDeletion", None)


CONTROLLER = GarbageCollector

"""The API's verbs over the store: create, get, list, update, patch, delete, with each kind's rules applied.

Models apiserver/pkg/registry/generic/registry/store.go and rest/{create,update,delete}.go. Verbs are synchronous and
therefore atomic on the event loop: what they checked still holds when they write. Callers pass decoded objects;
decoding and pruning by schema is the API server's work. Left out: managedFields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pocketkube import objects
from pocketkube.clock import Clock
from pocketkube.errors import AlreadyExists, BadRequest, Cause, Conflict, Forbidden, Invalid, NotFound
from pocketkube.objects import Obj
from pocketkube.resources import metadata, scan
from pocketkube.resources.base import DeleteOptions, Resource
from pocketkube.store import Event, Store

NAME_ATTEMPTS = 8
Warn = Callable[[str], None]


class Registry:
    """Every kind of one cluster and the verbs on them. `zone`: the cluster's addresses (resources.base.World)."""

    def __init__(self, store: Store, clock: Clock, zone: Mapping[str, str]) -> None:
        self.store = store
        self.clock = clock
        self.zone = zone
        self.resources: dict[str, Resource] = {cls.resource_id(): cls(self) for cls in scan()}

    # -- reading

    def find(self, resource: str, namespace: str, name: str) -> Obj | None:
        return self.store.get(resource, (namespace, name))

    def get(self, resource: str, namespace: str, name: str) -> Obj:
        """Raises NotFound."""
        found = self.find(resource, namespace, name)
        if found is None:
            raise NotFound.of(self.resources[resource].qualified, name)
        return found

    def objects(self, resource: str, namespace: str | None = None) -> list[Obj]:
        """All objects in key order; of one namespace, or of all."""
        return self.store.list(resource, namespace)

    def subscribe(self, resource: str, notify: Callable[[Event], None]) -> Callable[[], None]:
        return self.store.subscribe(resource, notify)

    # -- writing

    def create(self, resource: str, obj: Obj, *, dry_run: bool = False, warn: Warn | None = None) -> Obj:
        """Store a new object and return it. `obj` is taken over (changed in place and shared from now on)."""
        kind = self.resources[resource]
        meta = objects.meta(obj)
        self._check_namespace(kind, obj)
        obj["apiVersion"], obj["kind"] = kind.api_version, kind.kind
        for field in (
            "resourceVersion",
            "uid",
            "selfLink",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "managedFields",
        ):
            meta.pop(field, None)
        meta["creationTimestamp"] = self.clock.now()
        meta["uid"] = objects.new_uid()
        kind.default(obj)
        kind.admit(obj, None)
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = self._generate(kind, meta)
        kind.allocate(obj, None)
        if kind.has_status:
            obj["status"] = kind.initial_status(obj)
        kind.prepare_create(obj)
        if kind.bumps_generation:
            meta["generation"] = 1
        self._raise_invalid(kind, obj, [*metadata.validate(kind, obj), *kind.validate(obj)])
        self._warn(kind, obj, None, warn)
        kind.canonicalize(obj)
        if self.find(resource, *objects.key(obj)) is not None:
            raise AlreadyExists.of(kind.qualified, meta["name"])
        return obj if dry_run else self.store.create(resource, obj)

    def update(
        self,
        resource: str,
        obj: Obj,
        *,
        subresource: str = "",
        dry_run: bool = False,
        warn: Warn | None = None,
    ) -> Obj:
        """Replace an object (subresource "", "status", or one the kind handles); `obj` is taken over.

        A metadata.resourceVersion in `obj` must be the stored one, else Conflict; a write that changes nothing
        is not made. Removing the last finalizer of a terminating object removes it.
        """
        kind = self.resources[resource]
        old = self.find(resource, *objects.key(obj))
        if old is None:
            if kind.create_on_update and not subresource:
                return self.create(resource, obj, dry_run=dry_run, warn=warn)
            raise NotFound.of(kind.qualified, objects.name(obj))
        obj["apiVersion"], obj["kind"] = kind.api_version, kind.kind
        self._check_preconditions(kind, obj, old)
        self._keep_system_fields(obj, old)
        if subresource == "status":
            status = obj.get("status")
            meta = obj["metadata"]
            obj = {**objects.copy({k: v for k, v in old.items() if k != "status"}), "metadata": meta}
            if status is not None:
                obj["status"] = status
            kind.prepare_status(obj, old)
            causes = [*metadata.validate_update(kind, obj, old), *kind.validate_status(obj, old)]
        else:
            if kind.has_status:
                obj.pop("status", None)
                if "status" in old:
                    obj["status"] = old["status"]
            if subresource:
                causes = list(kind.update_subresource(subresource, obj, old))
            else:
                kind.default(obj)
                kind.admit(obj, old)
                kind.allocate(obj, old)
                kind.prepare_update(obj, old)
                causes = list(kind.validate_update(obj, old))
            if kind.bumps_generation and kind.generation_basis(obj) != kind.generation_basis(old):
                obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
            causes = [*metadata.validate_update(kind, obj, old), *causes]
        self._raise_invalid(kind, obj, causes)
        if not subresource:
            self._warn(kind, obj, old, warn)
        kind.canonicalize(obj)
        return self._write(kind, obj, old, dry_run)

    def patch(
        self,
        resource: str,
        namespace: str,
        name: str,
        change: Callable[[Obj], Obj | None],
        *,
        subresource: str = "",
        dry_run: bool = False,
        warn: Warn | None = None,
    ) -> Obj:
        """Update with `change`, which gets a copy and returns the new object (None: it changed the copy)."""
        new = objects.copy(self.get(resource, namespace, name))
        changed = change(new)
        result = new if changed is None else changed
        if objects.name(result) != name:
            raise BadRequest(
                f"the name of the object ({objects.name(result)}) does not match the name on the URL ({name})"
            )
        return self.update(resource, result, subresource=subresource, dry_run=dry_run, warn=warn)

    def delete(
        self, resource: str, namespace: str, name: str, options: DeleteOptions | None = None, *, dry_run: bool = False
    ) -> tuple[Obj, bool]:
        """Ask an object to go. Returns (object, True) when gone, (object, False) while grace or finalizers hold it."""
        kind = self.resources[resource]
        options = options or DeleteOptions()
        old = self.get(resource, namespace, name)
        kind.check_delete(old)
        self._check_delete_preconditions(kind, old, options)
        new = objects.copy(old)
        meta = new["metadata"]
        self._set_propagation(kind, meta, options)
        grace = kind.grace_period(old, options)
        held = kind.prepare_delete(new)
        finalizers = meta.get("finalizers")
        if not grace and not finalizers and not held:
            return (old, True) if dry_run else (self._remove(resource, old), True)
        earlier = meta.get("deletionGracePeriodSeconds")
        if "deletionTimestamp" not in meta or (grace is not None and earlier is not None and grace < earlier):
            self._mark_terminating(kind, meta, grace or 0)
        return self._write(kind, new, old, dry_run), False

    def _remove(self, resource: str, obj: Obj) -> Obj:
        return self.store.delete(resource, objects.key(obj))

    def _write(self, kind: Resource, new: Obj, old: Obj, dry_run: bool) -> Obj:
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        meta = new["metadata"]
        gone = "deletionTimestamp" in meta and not meta.get("finalizers") and kind.may_remove(new)
        if dry_run or (new == old and not gone):
            return new
        if gone:
            if new != old:
                self.store.update(kind.resource_id(), new)
            return self._remove(kind.resource_id(), new)
        return self.store.update(kind.resource_id(), new)

    # -- rules

    def _check_namespace(self, kind: Resource, obj: Obj) -> None:
        if not kind.namespaced:
            obj["metadata"].pop("namespace", None)
            return
        namespace = objects.namespace(obj)
        found = self.find("namespaces", "", namespace)
        if found is None:
            raise NotFound.of("namespaces", namespace)
        if objects.dig(found, "status", "phase") == "Terminating":
            name = obj["metadata"].get("name", "")
            refused = Forbidden.of(
                kind.qualified,
                name,
                f"unable to create new content in namespace {namespace} because it is being terminated",
            )
            details = refused.details if refused.details is not None else {}
            details["causes"] = [
                {
                    "reason": "NamespaceTerminating",
                    "message": f"namespace {namespace} is being terminated",
                    "field": "metadata.namespace",
                }
            ]
            refused.details = details
            raise refused

    def _generate(self, kind: Resource, meta: Obj) -> str:
        # upstream tries eight times before it gives the conflict to the caller
        base = meta["generateName"][:58]
        for _ in range(NAME_ATTEMPTS):
            name = base + objects.random_suffix()
            if self.find(kind.resource_id(), meta.get("namespace", ""), name) is None:
                return str(name)
        raise AlreadyExists.of(kind.qualified, name)

    def _check_preconditions(self, kind: Resource, obj: Obj, old: Obj) -> None:
        meta, stored = obj["metadata"], old["metadata"]
        version = meta.get("resourceVersion")
        if not version and not kind.unconditional_update:
            cause = Cause(
                "FieldValueInvalid", "metadata.resourceVersion", "Invalid value: 0: must be specified for an update"
            )
            raise Invalid.of(kind.qualified_kind, meta["name"], [cause])
        if version and version != stored["resourceVersion"]:
            raise Conflict.of(kind.qualified, meta["name"])
        given = meta.get("uid")
        if given and given != stored["uid"]:
            raise Conflict.of(
                kind.qualified,
                meta["name"],
                f"Precondition failed: UID in precondition: {given}, UID in object meta: {stored['uid']}",
            )

    def _keep_system_fields(self, obj: Obj, old: Obj) -> None:
        meta, stored = obj["metadata"], old["metadata"]
        for field in ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"):
            if field in stored:
                meta[field] = stored[field]
            else:
                meta.pop(field, None)
        for field in ("managedFields", "selfLink"):
            meta.pop(field, None)
        if "generateName" in stored:
            meta.setdefault("generateName", stored["generateName"])

    def _check_delete_preconditions(self, kind: Resource, old: Obj, options: DeleteOptions) -> None:
        stored = old["metadata"]
        for label, given, actual, guess in (
            ("UID", options.uid, stored["uid"], "deleted and then recreated"),
            ("ResourceVersion", options.resource_version, stored["resourceVersion"], "modified"),
        ):
            if given is not None and given != actual:
                why = (
                    f"the {label} in the precondition ({given}) does not match the {label} in record ({actual}). "
                    f"The object might have been {guess}"
                )
                raise Conflict.of(kind.qualified_kind, stored["name"], why)

    def _set_propagation(self, kind: Resource, meta: Obj, options: DeleteOptions) -> None:
        policy = options.propagation_policy
        if policy is None and options.orphan_dependents is not None:
            policy = "Orphan" if options.orphan_dependents else "Background"
        finalizers = list(meta.get("finalizers") or ())
        if policy is None:
            return
        wanted = {"Orphan": "orphan", "Foreground": "foregroundDeletion"}.get(policy)
        finalizers = [f for f in finalizers if f not in ("orphan", "foregroundDeletion")]
        if wanted:
            finalizers.append(wanted)
        if finalizers:
            meta["finalizers"] = finalizers
        else:
            meta.pop("finalizers", None)

    def _mark_terminating(self, kind: Resource, meta: Obj, grace: int) -> None:
        meta["deletionTimestamp"] = self.clock.later(grace)
        meta["deletionGracePeriodSeconds"] = grace
        if meta.get("generation"):
            meta["generation"] += 1

    def _raise_invalid(self, kind: Resource, obj: Obj, causes: Iterable[Cause]) -> None:
        found = list(causes)
        if found:
            raise Invalid.of(kind.qualified_kind, obj["metadata"].get("name", ""), found)

    def _warn(self, kind: Resource, new: Obj, old: Obj | None, warn: Warn | None) -> None:
        if warn is not None:
            for text in kind.warnings(new, old):
                warn(text)

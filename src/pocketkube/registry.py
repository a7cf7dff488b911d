"""The API's verbs over the store: create, get, list, update, patch, delete, with each kind's rules applied.

Models apiserver/pkg/registry/generic/registry/store.go and rest/{create,update,delete}.go. Verbs are synchronous and
therefore atomic on the event loop: what they checked still holds when they write. Callers pass decoded objects;
decoding and pruning by schema is the API server's work.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

from pocketkube import deletion, fields, objects
from pocketkube.admission import namespacelifecycle
from pocketkube.admission.asking import Review, join
from pocketkube.admission.chain import Chain
from pocketkube.admission.policies import Policies
from pocketkube.asked import Asked
from pocketkube.clock import Clock
from pocketkube.errors import AlreadyExists, BadRequest, Cause, Conflict, Invalid, NotFound
from pocketkube.fieldmanager.entries import Entries
from pocketkube.fieldmanager.writers import By
from pocketkube.objects import Obj
from pocketkube.rbac import Attributes
from pocketkube.resources import metadata, scan
from pocketkube.resources.base import DeleteOptions, Resource
from pocketkube.resources.definitions import Definitions
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
        """Every kind served, by resource id; of several versions, the stored one."""
        self.definitions = Definitions(self, self.resources)
        """Kinds that come and go with their CustomResourceDefinitions."""
        self.definitions.start()
        self.chain = Chain(self)
        self.policies = Policies(self)
        """Whoever writes asks for their `review`, with its own name, and gives it along."""
        self.webhooks: Callable[[Asked], Review | None] = _no_webhooks
        """As `policies.review`, of webhooks; the composition root says how."""
        self.ask: Callable[[str], Awaitable[Obj]] = _nobody_serves
        """GET a path of an API that another server serves, see `Client.ask`; the composition root says how."""
        self.reach: Callable[[Obj], Awaitable[None]] = _nobody_is_there
        """Whether the server of an APIService answers, see `Client.reach`; the composition root says how."""
        self.authorize: Callable[[Mapping[str, Any], Attributes], tuple[bool, str]] = _nobody_may
        """Whether a user (a UserInfo) may do something, and why; the composition root says how."""

    # -- reading

    def find(self, resource: str, namespace: str, name: str) -> Obj | None:
        found = self.store.get(resource, (namespace, name))
        if found is None or resource not in self.definitions.custom:
            return found
        return self.resources[resource].at_rest(found)

    def get(self, resource: str, namespace: str, name: str) -> Obj:
        """Raises NotFound."""
        found = self.find(resource, namespace, name)
        if found is None:
            kind = self.resources.get(resource)
            raise NotFound.of(kind.qualified if kind is not None else resource, name)
        return found

    def objects(self, resource: str, namespace: str | None = None) -> list[Obj]:
        """All objects in key order; of one namespace, or of all. None of a kind that is not there (yet)."""
        found = self.store.list(resource, namespace)
        if resource not in self.definitions.custom:
            return found
        return [self.resources[resource].at_rest(obj) for obj in found]

    def subscribe(self, resource: str, notify: Callable[[Event], None]) -> Callable[[], None]:
        """Events show objects as they are stored. A kind may be subscribed to before it exists, by `plural.group`."""
        return self.store.subscribe(resource, notify)

    # -- writing

    def review(self, asked: Asked | None, webhooks: Review | None = None) -> Review | None:
        """What policies say to a write, and then webhooks, if whoever writes can wait for them."""
        return join(self.policies.review(asked), webhooks)

    def create(
        self,
        resource: str,
        obj: Obj,
        *,
        dry_run: bool = False,
        warn: Warn | None = None,
        by: By | None = None,
        review: Review | None = None,
    ) -> Obj:
        """Store a new object and return it. `obj` is taken over (changed in place and shared from now on). `by`: who
        owns its fields from now on, nobody if None. `review`: of policies and webhooks, which may raise Unanswered."""
        kind = self._kind(resource, obj)
        meta = objects.meta(obj)
        namespacelifecycle.check(self, kind, obj)
        obj["apiVersion"], obj["kind"] = kind.api_version, kind.kind
        given = meta.pop("managedFields", None)
        for field in ("resourceVersion", "uid", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"):
            meta.pop(field, None)
        meta["creationTimestamp"] = self.clock.now()
        meta["uid"] = objects.new_uid()
        kind.default(obj)
        managed = self._managed(kind, obj, None, given, "", by)
        obj = self.chain.admit(kind, obj, None, review=review, managed=managed)
        meta = obj["metadata"]
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = self._generate(kind, meta)
        kind.allocate(obj, None, dry_run=dry_run)
        if kind.has_status:
            obj["status"] = kind.initial_status(obj)
        kind.prepare_create(obj)
        if kind.bumps_generation:
            meta["generation"] = 1
        self._raise_invalid(kind, obj, [*metadata.validate(kind, obj), *kind.validate(obj)])
        self._warn(kind, obj, None, warn)
        kind.canonicalize(obj)
        commits = self.chain.validate(kind, obj, None, dry_run=dry_run, warn=warn, review=review, managed=managed)
        found = self.find(resource, *objects.key(obj))
        if found is not None:
            raise _already_exists(kind, found)
        _note(obj, managed)
        encoded = kind.encode(obj)
        for commit in commits:
            commit()
        return kind.present(obj) if dry_run else kind.written(obj, self.store.create(resource, encoded))

    def update(
        self,
        resource: str,
        obj: Obj,
        *,
        subresource: str = "",
        dry_run: bool = False,
        warn: Warn | None = None,
        by: By | None = None,
        review: Review | None = None,
    ) -> Obj:
        """Replace an object (subresource "", "status", or one the kind handles); `obj` is taken over. `by`: who owns
        what changes, nobody if None.

        A metadata.resourceVersion in `obj` must be the stored one, else Conflict; a write that changes nothing
        is not made. Removing the last finalizer of a terminating object removes it.
        """
        kind = self._kind(resource, obj)
        stored = self.store.get(resource, objects.key(obj))
        if stored is None:
            if kind.create_on_update and not subresource:
                self._check_uid(kind, obj, {})
                return self.create(resource, obj, dry_run=dry_run, warn=warn, by=by, review=review)
            raise NotFound.of(kind.qualified, objects.name(obj))
        old = kind.present(stored)
        obj["apiVersion"], obj["kind"] = kind.api_version, kind.kind
        self._check_uid(kind, obj, old["metadata"])
        self._check_version(kind, obj, old)
        given = self._keep_system_fields(obj, old)
        if subresource == "status":
            status = obj.get("status")
            meta = obj["metadata"]
            obj = {**objects.copy({k: v for k, v in old.items() if k != "status"}), "metadata": meta}
            if status is not None:
                obj["status"] = status
            managed = self._managed(kind, obj, old, given, subresource, by)
            if review is not None:
                obj = self.chain.admit(kind, obj, old, subresource, review=review, managed=managed)
            kind.prepare_status(obj, old)
            causes = [*self._metadata_causes(kind, obj, old, status=True), *kind.validate_status(obj, old)]
        else:
            if kind.has_status and subresource not in kind.status_subresources:
                obj.pop("status", None)
                if "status" in old:
                    obj["status"] = old["status"]
            if subresource:
                managed = self._managed(kind, obj, old, given, subresource, by)
                obj = self.chain.admit(kind, obj, old, subresource, review=review, managed=managed)
                causes = list(kind.update_subresource(subresource, obj, old))
            else:
                kind.default(obj)
                managed = self._managed(kind, obj, old, given, subresource, by)
                obj = self.chain.admit(kind, obj, old, review=review, managed=managed)
                kind.allocate(obj, old, dry_run=dry_run)
                kind.prepare_update(obj, old)
                causes = list(kind.validate_update(obj, old))
            if kind.bumps_generation and kind.generation_basis(obj) != kind.generation_basis(old):
                obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
            causes = [*self._metadata_causes(kind, obj, old), *causes]
        self._raise_invalid(kind, obj, causes)
        if not subresource:
            self._warn(kind, obj, old, warn)
        kind.canonicalize(obj)
        if not subresource:
            kind.check_update(obj, old)
        commits = []
        if subresource != "status" or review is not None:
            commits = self.chain.validate(
                kind, obj, old, subresource, dry_run=dry_run, warn=warn, review=review, managed=managed
            )
        _note(obj, managed)
        obj["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        kind.encode(obj)  # which may have to be asked for: nothing is done before
        for commit in commits:
            commit()
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
        kind: Resource | None = None,
        by: By | None = None,
        review: Review | None = None,
    ) -> Obj:
        """Update with `change`, which gets a copy and returns the new object (None: it changed the copy). `kind`: the
        version to change it in, where there are several."""
        found = self.get(resource, namespace, name)
        new = objects.copy(found if kind is None else kind.present(found))
        if kind is not None and "managedFields" in new["metadata"]:  # a client may change them, too
            new["metadata"]["managedFields"] = objects.copy(list(new["metadata"]["managedFields"]))
        changed = change(new)
        result = new if changed is None else changed
        if objects.name(result) != name:
            raise BadRequest(
                f"the name of the object ({objects.name(result)}) does not match the name on the URL ({name})"
            )
        return self.update(resource, result, subresource=subresource, dry_run=dry_run, warn=warn, by=by, review=review)

    def delete(
        self,
        resource: str,
        namespace: str,
        name: str,
        options: DeleteOptions | None = None,
        *,
        dry_run: bool = False,
        review: Review | None = None,
    ) -> tuple[Obj, bool]:
        """Ask an object to go. Returns (object, True) when gone, (object, False) while grace or finalizers hold it."""
        kind = self._kind(resource, {})
        options = options or DeleteOptions()
        old = self.get(resource, namespace, name)
        kind.check_delete(old)
        deletion.check_preconditions(kind, old, options)
        new = objects.copy(old)
        meta = new["metadata"]
        if kind.prepare_delete(new):  # it stays for its controller
            if review is not None:
                review.remove(kind, old)
            meta.setdefault("deletionTimestamp", self.clock.now())
            deletion.set_propagation(kind, meta, options)
            return self._write(kind, new, old, dry_run), False
        graceful, pending = deletion.begin_grace(kind, new, options, self.clock)
        if pending:
            return old, False
        if review is not None:
            review.remove(kind, old)
        deletion.set_propagation(kind, meta, options)
        if not graceful:
            if not meta.get("finalizers"):
                return self._remove(kind, old, dry_run), True
            deletion.mark_terminating(meta, self.clock)
            return self._write(kind, new, old, dry_run), False
        # As upstream, an object that could have taken its time is written once more even if it goes at once.
        meta["resourceVersion"] = old["metadata"]["resourceVersion"]
        written = new if dry_run or new == old else self.store.update(resource, new)
        if meta.get("finalizers") or meta["deletionGracePeriodSeconds"]:
            return written, False
        return self._remove(kind, written, dry_run), True

    def _remove(self, kind: Resource, obj: Obj, dry_run: bool) -> Obj:
        return obj if dry_run else self.store.delete(kind.resource_id(), objects.key(obj))

    def _write(self, kind: Resource, new: Obj, old: Obj, dry_run: bool) -> Obj:
        new["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
        released = "deletionTimestamp" in old["metadata"] and not new["metadata"].get("finalizers")
        if released and kind.may_remove(new):
            self._remove(kind, old, dry_run)  # nobody sees the last change: what is deleted is what was stored
            return new
        resource, encoded = kind.resource_id(), kind.encode(new)
        if dry_run or encoded == self.store.get(resource, objects.key(new)):
            return kind.present(new)
        return kind.written(new, self.store.update(resource, encoded))

    # -- rules

    def _kind(self, resource: str, obj: Obj) -> Resource:
        """The rules for an object, by the version it is written in. Raises NotFound for a kind that is not there."""
        kind = self.resources.get(resource)
        if kind is None:
            raise NotFound("the server could not find the requested resource", details={})
        return kind.of(obj)

    def _generate(self, kind: Resource, meta: Obj) -> str:
        # upstream tries eight times before it gives the conflict to the caller
        base = meta["generateName"][:58]
        for _ in range(NAME_ATTEMPTS):
            name = base + objects.random_suffix()
            if self.find(kind.resource_id(), meta.get("namespace", ""), name) is None:
                return str(name)
        raise AlreadyExists.of(kind.qualified, name)

    def _check_uid(self, kind: Resource, obj: Obj, stored: Obj) -> None:
        given, actual = obj["metadata"].get("uid"), stored.get("uid", "")
        if given and given != actual:
            key = "/".join(filter(None, ("/registry", kind.storage_prefix or kind.plural, *objects.key(obj))))
            why = (
                f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
                f"Precondition failed: UID in precondition: {given}, UID in object meta: {actual}"
            )
            raise Conflict.of(kind.qualified, objects.name(obj), why)

    def _check_version(self, kind: Resource, obj: Obj, old: Obj) -> None:
        name, version = objects.name(obj), obj["metadata"].get("resourceVersion")
        if not version and not kind.unconditional_update:
            cause = fields.invalid("metadata.resourceVersion", 0, "must be specified for an update")
            raise Invalid.of(kind.qualified, name, [cause])  # upstream names the resource here, not the kind
        if version and version != old["metadata"]["resourceVersion"]:
            raise Conflict.of(kind.qualified, name)

    def _keep_system_fields(self, obj: Obj, old: Obj) -> Any:
        """Restore what nobody can write. The managedFields that came with the object are taken off and returned."""
        meta, stored = obj["metadata"], old["metadata"]
        for field in ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"):
            if field in stored:
                meta[field] = stored[field]
            else:
                meta.pop(field, None)
        meta.pop("selfLink", None)
        return meta.pop("managedFields", None)

    def _managed(
        self, kind: Resource, obj: Obj, old: Obj | None, given: Any, subresource: str, by: By | None
    ) -> Entries | None:
        """The managedFields of what is written, as it is before anybody but the writer has changed it."""
        if by is not None:
            return by.managed(kind, obj, old, given, subresource, self.clock.now())
        return None if old is None else old["metadata"].get("managedFields")

    def _metadata_causes(self, kind: Resource, new: Obj, old: Obj, *, status: bool = False) -> Iterator[Cause]:
        """Upstream looks at all metadata and at what changed for every kind, and again in the kinds' own validation."""
        yield from metadata.validate(kind, new, generic=True)
        yield from metadata.validate_update(kind, new, old, generic=True)
        yield from metadata.validate_update(kind, new, old)
        if kind.revalidates_metadata and not status:
            yield from metadata.validate(kind, new)

    def _raise_invalid(self, kind: Resource, obj: Obj, causes: Iterable[Cause]) -> None:
        found = list(causes)
        if found:
            raise Invalid.of(kind.qualified_kind, obj["metadata"].get("name", ""), found)

    def _warn(self, kind: Resource, new: Obj, old: Obj | None, warn: Warn | None) -> None:
        if warn is not None:
            for text in kind.warnings(new, old):
                warn(text)


def _note(obj: Obj, managed: Entries | None) -> None:
    if managed:
        obj["metadata"]["managedFields"] = managed
    else:
        obj["metadata"].pop("managedFields", None)


def _nobody_may(_: Mapping[str, Any], __: Attributes) -> tuple[bool, str]:
    return False, "this cluster has no rules"


def _no_webhooks(_: Asked) -> Review | None:
    return None


async def _nobody_serves(_: str) -> Obj:
    raise NotFound("the server could not find the requested resource", details={})


async def _nobody_is_there(_: Obj) -> None:
    raise ConnectionError("this cluster reaches no other servers")


def _already_exists(kind: Resource, found: Obj) -> AlreadyExists:
    error = AlreadyExists.of(kind.qualified, objects.name(found))
    if objects.is_terminating(found):
        error.message = f"object is being deleted: {error.message}"
    return error

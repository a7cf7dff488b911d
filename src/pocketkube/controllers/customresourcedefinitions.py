"""CustomResourceDefinitions: their names are accepted, their kinds established, and their objects go before them.

Models apiextensions-apiserver/pkg/controller/{status/naming,establish,apiapproval,finalizer}, which upstream runs in
the API server, as one controller. Left out: waiting before a kind is established where there are several servers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

from pocketkube import objects
from pocketkube.controllers.base import Controller, Mapping, own_key
from pocketkube.errors import NotFound, StatusError
from pocketkube.objects import Key, Obj
from pocketkube.resources.customresourcedefinitions import CLEANUP, set_condition
from pocketkube.store import DELETED, Event

DEFINITIONS = "customresourcedefinitions"
BATCH = 20
"""Objects deleted before the event loop gets its turn."""
_APPROVAL = {
    "Invalid": ("False", "InvalidAnnotation"),
    "Missing": ("False", "MissingAnnotation"),
    "Approved": ("True", "ApprovedAnnotation"),
    "Bypassed": ("False", "UnapprovedAnnotation"),
}


class CustomResourceDefinitions(Controller):
    name = "customresourcedefinition-controller"
    every_kind = True

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield DEFINITIONS, own_key
        for resource, kind in self.client.kinds():
            if kind.custom:
                yield resource, self._definition_of

    def _definition_of(self, event: Event) -> Iterable[Key]:
        """A definition that is going waits for its last object."""
        if event.type == DELETED:
            yield "", event.resource

    async def reconcile(self, at: Key) -> float | None:
        definition = self.client.find(DEFINITIONS, *at)
        if definition is None:
            self._reconsider(at)
            return None
        try:
            self._accept_names(at, definition)
            self._judge_approval(at, self.client.get(DEFINITIONS, *at))
            self._establish(at, self.client.get(DEFINITIONS, *at))
            await self._finish(at, self.client.get(DEFINITIONS, *at))
        except NotFound:
            return None
        return None

    def _reconsider(self, at: Key) -> None:
        """Names have become free: the other definitions of the group may get them now."""
        group = at[1].partition(".")[2]
        for other in self.client.list(DEFINITIONS):
            if objects.name(other) != at[1] and objects.spec(other).get("group") == group:
                self.enqueue(objects.key(other))

    # -- names

    def _accept_names(self, at: Key, definition: Obj) -> None:
        wanted, held = definition["spec"]["names"], definition["status"].get("acceptedNames") or {}
        if wanted == held:
            return
        accepted, reason, message = self._deconflict(definition)
        fine = reason == "NoConflicts"
        before = objects.condition(definition, "NamesAccepted") or {}
        if accepted == held and (before.get("reason"), before.get("message")) == (reason, message):
            return

        def write(copy: Obj) -> None:
            now = self.clock.now()
            copy["status"]["acceptedNames"] = accepted
            set_condition(copy, now, "NamesAccepted", "True" if fine else "False", reason, message)
            if objects.condition_status(definition, "Established") == "True":
                return
            if fine:
                text = "the initial names have been accepted"
                set_condition(copy, now, "Established", "False", "Installing", text)
            else:
                set_condition(copy, now, "Established", "False", "NotAccepted", "not all names are accepted")

        self.client.patch(DEFINITIONS, at, write, subresource="status")
        self._reconsider(at)

    def _deconflict(self, definition: Obj) -> tuple[Obj, str, str]:
        """(names to accept, reason and message of the condition); the last conflict found is told, as upstream."""
        wanted, held = definition["spec"]["names"], definition["status"].get("acceptedNames") or {}
        resources, kinds = self._taken(definition)
        accepted = dict(held)
        reason, message = "NoConflicts", "no conflicts found"

        def take(field: str, taken: set[str], conflict: str) -> tuple[str, str] | None:
            name = wanted.get(field, "")
            if name != held.get(field, "") and name in taken:
                return conflict, f'"{name}" is already in use'
            accepted[field] = name
            return None

        found = [take("plural", resources, "PluralConflict"), take("singular", resources, "SingularConflict")]
        own = held.get("shortNames") or []
        used = [name for name in wanted.get("shortNames") or () if name not in own and name in resources]
        if used:
            texts = [f'"{name}" is already in use' for name in used]
            found.append(("ShortNamesConflict", texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"))
        elif wanted.get("shortNames"):
            accepted["shortNames"] = wanted["shortNames"]
        else:
            accepted.pop("shortNames", None)
        found += [take("kind", kinds, "KindConflict"), take("listKind", kinds, "ListKindConflict")]
        if wanted.get("categories"):
            accepted["categories"] = wanted["categories"]
        else:
            accepted.pop("categories", None)
        conflicts = [one for one in found if one is not None]
        if conflicts:
            reason, message = conflicts[-1]
        return accepted, reason, message

    def _taken(self, definition: Obj) -> tuple[set[str], set[str]]:
        """(names of resources, names of kinds) that the definitions of the group have been given."""
        resources: set[str] = set()
        kinds: set[str] = set()
        for other in self._group(definition):
            names = objects.status(other).get("acceptedNames") or {}
            resources |= {names.get("plural", ""), names.get("singular", ""), *(names.get("shortNames") or ())}
            kinds |= {names.get("kind", ""), names.get("listKind", "")}
        return resources, kinds

    def _group(self, definition: Obj) -> Iterator[Obj]:
        group = definition["spec"]["group"]
        yield from (one for one in self.client.list(DEFINITIONS) if objects.spec(one).get("group") == group)

    # -- the other conditions

    def _establish(self, at: Key, definition: Obj) -> None:
        accepted = objects.condition_status(definition, "NamesAccepted") == "True"
        if not accepted or objects.condition_status(definition, "Established") == "True":
            return
        text = "the initial names have been accepted"
        self._set(at, "Established", "True", "InitialNamesAccepted", text)

    def _judge_approval(self, at: Key, definition: Obj) -> None:
        """For groups of the Kubernetes community."""
        if "k8s.io" not in at[1] and "kubernetes.io" not in at[1]:
            return
        from pocketkube.resources.custom.definition import approval

        state, why = approval(definition)
        if not state:
            return
        status, reason = _APPROVAL[state]
        before = objects.condition(definition, "KubernetesAPIApprovalPolicyConformant") or {}
        if (before.get("status"), before.get("reason"), before.get("message")) != (status, reason, why):
            self._set(at, "KubernetesAPIApprovalPolicyConformant", status, reason, why)

    def _set(self, at: Key, type_: str, status: str, reason: str, message: str, *, release: bool = False) -> None:
        def write(copy: Obj) -> None:
            set_condition(copy, self.clock.now(), type_, status, reason, message)
            if release:
                copy["metadata"]["finalizers"] = [f for f in copy["metadata"]["finalizers"] if f != CLEANUP]

        self.client.patch(DEFINITIONS, at, write, subresource="status")

    # -- the end

    async def _finish(self, at: Key, definition: Obj) -> None:
        if not objects.is_terminating(definition) or CLEANUP not in (definition["metadata"].get("finalizers") or ()):
            return
        if objects.condition_status(definition, "Established") != "True":
            text = "resource was never established"
            self._set(at, "Terminating", "False", "NeverEstablished", text, release=True)
            return
        if (objects.condition(definition, "Terminating") or {}).get("reason") != "InstanceDeletionInProgress":
            text = "CustomResource deletion is in progress"
            self._set(at, "Terminating", "True", "InstanceDeletionInProgress", text)
        await self._delete_objects(at[1])
        if not self.client.list(at[1]):
            text = "removed all instances"
            self._set(at, "Terminating", "False", "InstanceDeletionCompleted", text, release=True)

    async def _delete_objects(self, resource: str) -> None:
        """Ask every object to go; those with finalizers stay until somebody removes these."""
        refused: StatusError | None = None
        for done, obj in enumerate(self.client.list(resource), start=1):
            if objects.is_terminating(obj):
                continue
            try:
                self.client.delete(resource, objects.key(obj))
            except NotFound:
                pass
            except StatusError as error:
                refused = refused or error
            if done % BATCH == 0:
                await asyncio.sleep(0)
        if refused is not None:
            raise refused


CONTROLLER = CustomResourceDefinitions

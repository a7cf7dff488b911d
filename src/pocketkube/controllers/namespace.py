"""The namespace controller: empties a terminating namespace, tells how far it is, and lets it go.

Models pkg/controller/namespace/deletion/{namespaced_resources_deleter,status_condition_utils}.go with
OrderedNamespaceDeletion (pods first). Pods get their normal grace. While the server of an APIService does not answer,
nobody knows what it keeps: the namespace stays. Left out: deleting what such a server keeps.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

from pocketkube import objects
from pocketkube.controllers.base import BACKGROUND, Controller, Mapping, Retry, own_key
from pocketkube.errors import NotFound, StatusError
from pocketkube.objects import Key, Obj
from pocketkube.resources.apiservices import backend
from pocketkube.resources.base import Resource
from pocketkube.store import Event

FINALIZER = "kubernetes"
BATCH = 20
"""Objects deleted before the event loop gets its turn."""
_FINE = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}


class NamespaceController(Controller):
    name = "namespace-controller"
    every_kind = True

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "namespaces", own_key
        yield "apiservices", self._every_terminating_namespace
        for resource, kind in self.client.kinds():
            if kind.namespaced and "delete" in kind.verbs:
                yield resource, self._terminating_namespace

    def _every_terminating_namespace(self, _: Event) -> Iterable[Key]:
        return [objects.key(found) for found in self.client.list("namespaces") if objects.is_terminating(found)]

    def _terminating_namespace(self, event: Event) -> Iterable[Key]:
        name = objects.namespace(event.object)
        if event.type != "ADDED":
            found = self.client.find("namespaces", "", name)
            if found is not None and objects.is_terminating(found):
                yield "", name

    async def reconcile(self, at: Key) -> float | None:
        namespace = self.client.find("namespaces", *at)
        if namespace is None or not objects.is_terminating(namespace):
            return None
        if FINALIZER not in (objects.spec(namespace).get("finalizers") or ()):
            return None
        left, failures = await self._empty(at[1])
        unknown = self._undiscovered()
        try:
            self._report(at, left, failures, unknown)
            if not left and not failures and not unknown:
                self.client.patch("namespaces", at, _finalize, subresource="finalize")
        except NotFound:
            return None
        if failures:
            raise failures[0]
        if unknown:
            raise Retry(unknown)
        return None

    def _undiscovered(self) -> str:
        """Which versions' resources cannot be known, in discovery's words; "" when all are."""
        down = [
            f"{one['spec']['group']}/{one['spec']['version']}"
            for one in self.client.list("apiservices")
            if backend(one) is not None and objects.condition_status(one, "Available") != "True"
        ]
        if not down:
            return ""
        told = ", ".join(f"{version}: stale GroupVersion discovery: {version}" for version in sorted(down))
        why = f"unable to retrieve the complete list of server APIs: {told}"
        return f"Discovery failed for some groups, {len(down)} failing: {why}"

    async def _empty(self, namespace: str) -> tuple[list[tuple[Resource, list[Obj]]], list[StatusError]]:
        """Ask everything in the namespace to go, pods first. Returns what is still there, and what went wrong."""
        left: list[tuple[Resource, list[Obj]]] = []
        failures: list[StatusError] = []
        kinds = {r: kind for r, kind in self.client.kinds() if kind.namespaced and "delete" in kind.verbs}
        for resource in sorted(kinds, key=lambda name: name != "pods"):
            failures += await self._delete_all(resource, namespace)
            if remaining := self.client.list(resource, namespace):
                left.append((kinds[resource], remaining))
                if resource == "pods":
                    break
        return left, failures

    async def _delete_all(self, resource: str, namespace: str) -> list[StatusError]:
        failures = []
        for done, obj in enumerate(self.client.list(resource, namespace), start=1):
            if objects.is_terminating(obj):
                continue
            try:
                self.client.delete(resource, objects.key(obj), BACKGROUND)
            except NotFound:
                pass
            except StatusError as error:
                failures.append(error)
            if done % BATCH == 0:
                await asyncio.sleep(0)
        return failures

    def _report(
        self, at: Key, left: list[tuple[Resource, list[Obj]]], failures: list[StatusError], unknown: str
    ) -> None:
        """Write the status conditions; only what differs moves lastTransitionTime."""
        found = {type_: ("False", reason, message) for type_, (reason, message) in _FINE.items()}
        if unknown:
            found["NamespaceDeletionDiscoveryFailure"] = ("True", "DiscoveryFailed", unknown)
        if failures:
            texts = ", ".join(sorted(error.message for error in failures))
            found["NamespaceDeletionContentFailure"] = (
                "True",
                "ContentDeletionFailed",
                f"Failed to delete all resource types, {len(failures)} remaining: {texts}",
            )
        if left:
            counts = sorted(f"{k.plural}.{k.group} has {len(objs)} resource instances" for k, objs in left)
            text = f"Some resources are remaining: {', '.join(counts)}"
            found["NamespaceContentRemaining"] = ("True", "SomeResourcesRemain", text)
        held = Counter(f for _, objs in left for obj in objs for f in obj["metadata"].get("finalizers") or ())
        if held:
            counts = sorted(f"{finalizer} in {count} resource instances" for finalizer, count in held.items())
            text = f"Some content in the namespace has finalizers remaining: {', '.join(counts)}"
            found["NamespaceFinalizersRemaining"] = ("True", "SomeFinalizersRemain", text)

        def update(copy: Obj) -> None:
            status = copy.setdefault("status", {})
            old = {c["type"]: c for c in status.get("conditions") or ()}
            others = [c for type_, c in old.items() if type_ not in found]
            status["conditions"] = others + [self._condition(old.get(t), t, *says) for t, says in found.items()]

        self.client.patch("namespaces", at, update, subresource="status")

    def _condition(self, old: Obj | None, type_: str, status: str, reason: str, message: str) -> Obj:
        if old is not None and (old["status"], old.get("reason"), old.get("message")) == (status, reason, message):
            return old
        return {
            "type": type_,
            "status": status,
            "lastTransitionTime": self.clock.now(),
            "reason": reason,
            "message": message,
        }


def _finalize(copy: Obj) -> None:
    copy["spec"]["finalizers"] = [f for f in copy["spec"]["finalizers"] if f != FINALIZER]


CONTROLLER = NamespaceController

"""The autoregister controller: an APIService for every group and version this server itself answers for.

Models kube-aggregator/pkg/controllers/autoregister and controlplane/controller/crdregistration: what is built in is
written once after each start, what CustomResourceDefinitions bring always.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers.base import Controller, Mapping, own_key
from pocketkube.objects import Key, Obj
from pocketkube.resources.apiservices import ALWAYS, ANSWERED, AUTOMANAGED, CUSTOM, GROUP, ON_START, PRIORITIES


class Autoregister(Controller):
    name = "autoregister"

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._settled: set[Key] = set()
        """What was written once and is a user's now."""

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "apiservices", own_key

    async def run(self) -> None:
        self._look()
        stop = self.client.on_kinds(self._look)
        try:
            await super().run()
        finally:
            stop()

    def _look(self, resource: str = "") -> None:
        """Look at every version (of the custom kind's group): one may be new, or gone."""
        group = resource.partition(".")[2]
        for found in self.client.list("apiservices"):
            if not group or objects.spec(found).get("group") == group:
                self.enqueue(objects.key(found))
        for served, version, _ in self._served():
            if not group or served == group:
                self.enqueue(("", f"{version}.{served}"))

    def _served(self) -> Iterator[tuple[str, str, bool]]:
        """(group, version, whether definitions brought it) of everything this server answers for."""
        for group, version in ANSWERED:
            yield group, version, False
        for _, kind in self.client.kinds():
            if not kind.custom and kind.group != GROUP:
                yield kind.group, kind.version, False
                yield from ((other.group, other.version, False) for other in kind.other_versions)
        for custom in self.client.registry.definitions.versions():
            yield custom.group, custom.version, True

    async def reconcile(self, at: Key) -> float | None:
        wanted, found = self._wanted(at[1]), self.client.find("apiservices", *at)
        first = at not in self._settled
        if first or wanted is None or objects.labels(wanted)[AUTOMANAGED] == ALWAYS:
            self._settle(at, wanted, found, first)
        self._settled.add(at)  # not before: what fails comes back
        return None

    def _settle(self, at: Key, wanted: Obj | None, found: Obj | None, first: bool) -> None:
        if found is None:
            if wanted is not None:
                self.client.create("apiservices", wanted)
            return
        managed = objects.labels(found).get(AUTOMANAGED)
        if managed not in (ON_START, ALWAYS):
            return  # somebody's own
        if wanted is not None:
            self._restore(at, found, wanted)
        elif first or managed == ALWAYS:
            self.client.delete("apiservices", at)

    def _restore(self, at: Key, found: Obj, wanted: Obj) -> None:
        if found["spec"] == wanted["spec"]:
            return

        def change(copy: Obj) -> None:
            copy["spec"] = objects.copy(wanted["spec"])

        self.client.patch("apiservices", at, change)

    def _wanted(self, name: str) -> Obj | None:
        for group, version, custom in self._served():
            if f"{version}.{group}" == name:
                at_least, priority = CUSTOM if custom else PRIORITIES[group, version]
                spec = {"version": version, "groupPriorityMinimum": at_least, "versionPriority": priority}
                if group:
                    spec["group"] = group
                labels = {AUTOMANAGED: ALWAYS if custom else ON_START}
                return {"metadata": {"name": name, "labels": labels}, "spec": spec}
        return None


CONTROLLER = Autoregister

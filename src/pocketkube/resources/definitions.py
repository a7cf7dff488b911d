"""The kinds that CustomResourceDefinitions declare: registered as soon as they are Established, gone with them.

Follows the store, so that a kind is served from the moment its definition says so, and again right after a restart.
What a definition turns into is loaded with the first one (resources/custom).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from pocketkube import objects
from pocketkube.objects import Obj
from pocketkube.store import DELETED, Event

if TYPE_CHECKING:
    from pocketkube.resources.base import Resource, World
    from pocketkube.resources.custom.kind import CustomResource

_DEFINITIONS: Final = "customresourcedefinitions"
Notify = Callable[[str], None]


class Definitions:
    """Keeps `resources` (resource id -> declaration) in step with the definitions that `world` holds."""

    def __init__(self, world: World, resources: dict[str, Resource]) -> None:
        self.custom: dict[str, CustomResource] = {}
        """The stored version of each custom kind, by resource id."""
        self.by_webhook: set[str] = set()
        """Those whose versions a webhook makes of each other."""
        self._world = world
        self._resources = resources
        self._served: dict[str, Any] = {}
        """What each kind was made of, by resource id: as long as that is the same, the kind is."""
        self._notify: list[Notify] = []

    def start(self) -> None:
        """Serve what the world holds already, and follow it from now on."""
        for definition in self._world.objects(_DEFINITIONS):
            self._follow(definition)
        self._world.subscribe(_DEFINITIONS, self._changed)

    def versions(self) -> Iterator[CustomResource]:
        """Every served version of every custom kind."""
        for kind in self.custom.values():
            yield from (version for version in kind.versions.values() if version.served)

    def on_change(self, notify: Notify) -> Callable[[], None]:
        """Call `notify` with the id of a kind after it appeared, changed or vanished; returns the way to stop."""
        self._notify.append(notify)
        return lambda: self._notify.remove(notify)

    def _changed(self, event: Event) -> None:
        resource = self._follow(event.object) if event.type != DELETED else self._withdraw(objects.name(event.object))
        for notify in tuple(self._notify) if resource else ():
            notify(resource)

    def _follow(self, definition: Obj) -> str:
        """Serve what a definition says; the resource id if that changed anything."""
        name = objects.name(definition)
        if not _established(definition):
            return self._withdraw(name)
        made_of = (definition["spec"], definition["status"]["acceptedNames"], _is_terminating(definition))
        if self._served.get(name) == made_of:
            return ""
        from pocketkube.resources.custom.kind import declare

        kinds = [declared(self._world) for declared in declare(definition)]
        for kind in kinds:
            kind.versions = {one.version: one for one in kinds}
        self._served[name] = made_of
        self.custom[name] = self._resources[name] = kinds[0]
        (self.by_webhook.add if kinds[0].by_webhook else self.by_webhook.discard)(name)
        return name

    def _withdraw(self, name: str) -> str:
        self._resources.pop(name, None)
        self._served.pop(name, None)
        self.by_webhook.discard(name)
        return name if self.custom.pop(name, None) is not None else ""


def _established(definition: Obj) -> bool:
    return objects.condition_status(definition, "Established") == "True"


def _is_terminating(definition: Obj) -> bool:
    return objects.condition_status(definition, "Terminating") == "True"

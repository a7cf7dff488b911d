"""Keeps the FlowSchemas and PriorityLevelConfigurations that every cluster has as they are meant to be.

Models pkg/registry/flowcontrol/{rest,ensurer}: looked at at the start and every minute. Mandatory ones are put right;
suggested ones are, too, unless their annotation says otherwise, or there is none and somebody changed them. What is
annotated so and no longer meant to be goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers.base import Controller, Mapping
from pocketkube.objects import Key, Obj
from pocketkube.resources import internal
from pocketkube.resources.flow_spec import configuration
from pocketkube.resources.flow_spec.configuration import AUTOUPDATE, EXEMPT, FLOWSCHEMAS, LEVELS, MANDATORY

PERIOD: Final = 60.0
_TYPES: Final = {FLOWSCHEMAS: "FlowSchemaSpec", LEVELS: "PriorityLevelConfigurationSpec"}
_ALL: Final = ("", "")
_WORDS: Final = {**dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True)}
_WORDS.update(dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False))


class FlowControlConfiguration(Controller):
    name = "api-priority-and-fairness-config-producer-v1"

    def __init__(self, client: Client) -> None:
        super().__init__(Client(client.registry, self.name))  # the API server's, which owns what it writes by this name

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        return ()

    async def run(self) -> None:
        self.enqueue(_ALL)
        await super().run()

    async def reconcile(self, at: Key) -> float | None:
        known = set()
        for strategy, resource, wanted in configuration.wanted():
            known.add((resource, objects.name(wanted)))
            found = self.client.find(resource, "", objects.name(wanted))
            if found is None:
                self.client.create(resource, wanted)
            else:
                self._revise(resource, found, wanted, always=strategy == MANDATORY)
        for resource in (FLOWSCHEMAS, LEVELS):
            for found in self.client.list(resource):
                if (resource, objects.name(found)) not in known and _said(found):
                    self.client.delete(resource, objects.key(found))
        return PERIOD

    def _revise(self, resource: str, found: Obj, wanted: Obj, *, always: bool) -> None:
        said = _said(found)
        update = always or (said if said is not None else found["metadata"]["generation"] == 1)
        changed = update and not _alike(resource, found, wanted)
        if not changed and said == update:
            return

        def change(copy: Obj) -> None:
            if changed:
                copy["spec"] = wanted["spec"]
            if said != update:
                notes = copy["metadata"].get("annotations") or {}
                copy["metadata"]["annotations"] = {**notes, AUTOUPDATE: "true" if update else "false"}

        self.client.patch(resource, objects.key(found), change)


def _said(found: Obj) -> bool | None:
    """What its annotation says; None: nothing that counts."""
    return _WORDS.get(objects.annotations(found).get(AUTOUPDATE, ""))


def _alike(resource: str, found: Obj, wanted: Obj) -> bool:
    spec = found["spec"]
    if resource == LEVELS and objects.name(found) == EXEMPT:  # what it shares is for people to say
        if spec.get("exempt") is None:
            return False
        spec = {**spec, "exempt": wanted["spec"]["exempt"]}
    return internal.equal(_TYPES[resource], spec, wanted["spec"])


CONTROLLER = FlowControlConfiguration

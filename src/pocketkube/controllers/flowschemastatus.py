"""Tells in FlowSchemas' status whether their PriorityLevelConfiguration is there.

Models what apiserver/pkg/util/flowcontrol/apf_controller.go writes; here it is patched, not applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers.base import Controller, Mapping, own_key
from pocketkube.objects import Key, Obj
from pocketkube.resources.flow_spec.configuration import FLOWSCHEMAS, LEVELS
from pocketkube.resources.flowschemas import DANGLING
from pocketkube.store import Event


class FlowSchemaStatus(Controller):
    name = "api-priority-and-fairness-config-consumer-v1"

    def __init__(self, client: Client) -> None:
        super().__init__(Client(client.registry, self.name))  # the API server's, which owns what it writes by this name

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield FLOWSCHEMAS, own_key
        yield LEVELS, self._of_level

    def _of_level(self, event: Event) -> Iterator[Key]:
        if event.type == "MODIFIED":
            return
        for schema in self.client.list(FLOWSCHEMAS):
            if schema["spec"]["priorityLevelConfiguration"].get("name") == objects.name(event.object):
                yield objects.key(schema)

    async def reconcile(self, at: Key) -> float | None:
        schema = self.client.find(FLOWSCHEMAS, *at)
        if schema is None:
            return None
        level = schema["spec"]["priorityLevelConfiguration"]["name"]
        there = self.client.find(LEVELS, "", level) is not None
        text = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}" '
        said = {
            "type": DANGLING,
            "status": "False" if there else "True",
            "reason": "Found" if there else "NotFound",
            "message": text + ("and it exists" if there else "but there is no such object"),
        }
        found = objects.condition(schema, DANGLING) or {}
        if said.items() <= found.items():
            return None
        said["lastTransitionTime"] = self.clock.now()

        def tell(copy: Obj) -> None:
            status = copy.setdefault("status", {})
            others = [one for one in status.get("conditions") or () if one.get("type") != DANGLING]
            status["conditions"] = [*others, said]

        self.client.patch(FLOWSCHEMAS, at, tell, subresource="status")
        return None


CONTROLLER = FlowSchemaStatus

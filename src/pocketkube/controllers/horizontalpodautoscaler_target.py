"""What a HorizontalPodAutoscaler scales: any object whose kind has a scale subresource.

Models scaleForResourceMappings of pkg/controller/podautoscaler/horizontal.go, with the texts that the API server and
client-go's mapper have for what is not there.
"""

from __future__ import annotations

from dataclasses import dataclass

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.errors import Conflict, InternalError, NotFound
from pocketkube.objects import Obj
from pocketkube.resources import scaling
from pocketkube.resources.autoscaler_spec.reference import MalformedVersion, group_version
from pocketkube.resources.base import Resource


class NoScale(Exception):
    """It cannot be scaled; the text is upstream's."""


@dataclass(frozen=True)
class Target:
    """`replicas`: how many are asked for, `status_replicas`: how many there are. `uid`: of the object looked at."""

    kind: Resource
    at: objects.Key
    uid: str
    replicas: int
    status_replicas: int
    selector: str

    def rescale(self, client: Client, replicas: int) -> None:
        """Raises StatusError: Conflict when it has been scaled or made anew since it was looked at, while metrics were
        asked for."""

        def change(copy: Obj) -> None:
            current = scaling.of(self.kind, copy)["spec"].get("replicas", 0)
            if (objects.uid(copy), current) != (self.uid, self.replicas):
                raise Conflict.of(self.kind.qualified, self.at[1])
            scaling.set_replicas(self.kind, copy, replicas)

        client.patch(self.kind.resource_id(), self.at, change)


def find(client: Client, autoscaler: Obj) -> Target:
    """Raises NoScale."""
    ref = objects.spec(autoscaler).get("scaleTargetRef") or {}
    try:
        group, _ = group_version(ref.get("apiVersion", ""))
    except MalformedVersion as error:
        raise NoScale(str(error)) from None
    kind = next((one for _, one in client.kinds() if (one.group, one.kind) == (group, ref.get("kind"))), None)
    if kind is None:
        raise NoScale(f'no matches for kind "{ref.get("kind", "")}" in group "{group}"')
    name = str(ref.get("name", ""))
    if kind.scale is None:
        missing = NotFound.of(kind.qualified, name) if kind.custom else None
        raise NoScale(missing.message if missing else "the server could not find the requested resource")
    at = (objects.namespace(autoscaler) if kind.namespaced else "", name)
    found = client.find(kind.resource_id(), *at)
    if found is None:
        raise NoScale(NotFound.of(kind.qualified, name).message)
    if why := scaling.problem(kind, found):
        raise NoScale(InternalError(why).message)
    scale = scaling.of(kind, found)
    return Target(
        kind,
        at,
        objects.uid(found),
        scale["spec"].get("replicas", 0),
        scale["status"]["replicas"],
        scale["status"].get("selector", ""),
    )

"""configMap: the values of a ConfigMap as files, which follow its changes."""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.errors import NotFound
from pocketkube.kubelet.environment import bytes_of, missing_object
from pocketkube.kubelet.volumes.base import Context, MountError, ObjectVolume, Payload, select
from pocketkube.objects import Key, Obj

MISSING_KEY = "configmap references non-existent config key"


class VOLUME(ObjectVolume):
    type = "configMap"

    def payload(self) -> dict[str, Payload]:
        source = self.source
        return read(self.context, "configmaps", source.get("name", ""), source, source.get("defaultMode", 0o644))

    def depends_on(self) -> Iterable[tuple[str, Key]]:
        yield "configmaps", (objects.namespace(self.context.pod), self.source.get("name", ""))


def read(context: Context, resource: str, name: str, source: Obj, mode: int) -> dict[str, Payload]:
    """The files of a ConfigMap or Secret source: `items` and `optional` of `source` count. Raises MountError."""
    optional = bool(source.get("optional"))
    try:
        values = bytes_of(context.client.get(resource, objects.namespace(context.pod), name))
    except NotFound:
        if optional:
            return {}
        raise MountError(missing_object(resource, name)) from None
    text = MISSING_KEY if resource == "configmaps" else "references non-existent secret key"
    return select(values, source.get("items"), mode, optional=optional, missing=text)

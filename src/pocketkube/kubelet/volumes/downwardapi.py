"""downwardAPI: fields of the pod itself as files; labels and annotations follow their changes."""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.kubelet.environment import ConfigError, field_value, resource_value
from pocketkube.kubelet.volumes.base import Context, MountError, ObjectVolume, Payload
from pocketkube.objects import Key, Obj


class VOLUME(ObjectVolume):
    type = "downwardAPI"

    def payload(self) -> dict[str, Payload]:
        return read(self.context, self.source, self.source.get("defaultMode", 0o644))

    def depends_on(self) -> Iterable[tuple[str, Key]]:
        yield "pods", objects.key(self.context.pod)


def read(context: Context, source: Obj, mode: int) -> dict[str, Payload]:
    """The files of a downwardAPI source. Raises MountError."""
    pod = context.client.find("pods", *objects.key(context.pod)) or context.pod
    files = {}
    for item in source.get("items") or ():
        try:
            if item.get("fieldRef"):
                text = field_value(pod, item["fieldRef"]["fieldPath"], context.field_status)
            else:
                ref = item["resourceFieldRef"]
                container = next(
                    (c for c in objects.spec(pod)["containers"] if c["name"] == ref.get("containerName")), None
                )
                if container is None:
                    raise MountError(f"container {ref.get('containerName')} not found")
                text = resource_value(ref, container, context.allocatable)
        except ConfigError as error:
            raise MountError(str(error)) from None
        files[item["path"].strip("/")] = Payload(text.encode(), item.get("mode", mode))
    return files

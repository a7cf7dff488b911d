"""secret: the values of a Secret as files in memory, which follow its changes."""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.kubelet.volumes.base import ObjectVolume, Payload
from pocketkube.kubelet.volumes.configmap import read
from pocketkube.objects import Key


class VOLUME(ObjectVolume):
    type = "secret"

    def payload(self) -> dict[str, Payload]:
        source = self.source
        return read(self.context, "secrets", source.get("secretName", ""), source, source.get("defaultMode", 0o644))

    def depends_on(self) -> Iterable[tuple[str, Key]]:
        yield "secrets", (objects.namespace(self.context.pod), self.source.get("secretName", ""))

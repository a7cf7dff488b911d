"""image: the files of an image of the catalogue, read-only.

The image is pulled before each container that mounts it (kubelet/starting.py), as by kuberuntime, and its absence is
told like that of a container's own image. Left out: programs in it can be run (a runtime mounts it with noexec).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pocketkube.kubelet.filesystem.memory import MemoryTree
from pocketkube.kubelet.filesystem.rootfs import base_of
from pocketkube.kubelet.volumes.base import Volume

if TYPE_CHECKING:
    from pocketkube.images.base import Image

    AnyImage = type[Image]


class VOLUME(Volume):
    type = "image"
    read_only = True

    def set_up(self) -> None:
        self._tree = MemoryTree(now=self.context.clock.time)

    @property
    def reference(self) -> str:
        return str(self.source.get("reference", ""))

    @property
    def policy(self) -> str:
        return str(self.source.get("pullPolicy", "IfNotPresent"))

    def show(self, image: AnyImage) -> None:
        """The image is there."""
        self._tree = MemoryTree(base_of(image), now=self.context.clock.time, fstype="overlay", source="overlay")

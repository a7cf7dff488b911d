"""registry.k8s.io/build-image/debian-base: what the recycler of volumes runs in (controllers/recycling.py)."""

from __future__ import annotations

from typing import ClassVar

from pocketkube.images.base import Image
from pocketkube.images.linux import DEBIAN_FILES, programs


class IMAGE(Image):
    names: ClassVar[tuple[str, ...]] = ("registry.k8s.io/build-image/debian-base:bookworm-v1.0.6",)
    size = 37_000_000
    memory = 900 << 10
    cmd = ("sh",)
    files = DEBIAN_FILES
    commands = programs("bash")

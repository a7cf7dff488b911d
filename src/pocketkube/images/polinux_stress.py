"""docker.io/polinux/stress, which the documentation of memory limits uses: `stress` on Alpine."""

from __future__ import annotations

from pocketkube.images.base import Image
from pocketkube.images.linux import ALPINE_FILES, programs
from pocketkube.images.programs.stress import stress


class IMAGE(Image):
    names = ("docker.io/polinux/stress:latest", "docker.io/polinux/stress:1.0.4")
    size = 4_000_000
    memory = 1 << 20
    cmd = ("/usr/local/bin/stress",)
    files = ALPINE_FILES
    commands = {**programs("bash"), "/usr/local/bin/stress": stress}

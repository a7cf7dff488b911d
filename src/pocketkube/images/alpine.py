"""docker.io/library/alpine: ash and BusyBox's applets. Left out: apk, for nothing can be downloaded."""

from __future__ import annotations

from pocketkube.images.base import Image
from pocketkube.images.linux import ALPINE_FILES, programs
from pocketkube.images.multicall import busybox

_APPLETS = programs()


class IMAGE(Image):
    names = tuple(f"docker.io/library/alpine:{tag}" for tag in ("3", "3.22", "3.22.1", "latest"))
    size = 3_800_000
    memory = 400 << 10
    cmd = ("/bin/sh",)
    files = ALPINE_FILES
    commands = {**_APPLETS, "/bin/busybox": busybox}
    links = dict.fromkeys(_APPLETS, "/bin/busybox")

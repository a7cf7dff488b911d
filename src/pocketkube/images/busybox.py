"""docker.io/library/busybox: ash and the applets. Left out: what docs/fidelity.md lists, such as vi."""

from __future__ import annotations

from pocketkube.images.base import Image
from pocketkube.images.httpd import httpd
from pocketkube.images.linux import COMMON_FILES, programs
from pocketkube.images.multicall import busybox

_TAGS = (
    "1.36",
    "1.36.1",
    "1.36.1-glibc",
    "1.36.1-musl",
    "1.36-musl",
    "1.37",
    "1.37.0",
    "latest",
    "stable",
    "musl",
    "glibc",
)


class IMAGE(Image):
    names = (
        *(f"docker.io/library/busybox:{tag}" for tag in _TAGS),
        "registry.k8s.io/e2e-test-images/busybox:1.37.0-1",
        "registry.k8s.io/e2e-test-images/busybox:1.36.1-1",
    )
    size = 2_219_000
    memory = 400 << 10
    cmd = ("sh",)
    files = COMMON_FILES
    # The real image has every applet in /bin.
    commands = {
        **{f"/bin/{path.rsplit('/', 1)[-1]}": program for path, program in programs().items()},
        "/bin/httpd": httpd,
        "/bin/busybox": busybox,
        "/usr/bin/env": programs()["/usr/bin/env"],
    }
    hard_links = dict.fromkeys(commands.keys() - {"/bin/busybox"}, "/bin/busybox")

"""docker.io/library/nginx 1.27: serves files, redirects, proxies. Other versions are files of their own.

Left out, and refused at start with an [emerg] line: client certificates, `map`, `rewrite`, `if`, authentication,
caching, limits, stream.
"""

from __future__ import annotations

from typing import ClassVar

from pocketkube.images.base import Image
from pocketkube.images.linux import DEBIAN_FILES, programs
from pocketkube.images.programs.nginx import program

VERSION = "1.27.5"


class IMAGE(Image):
    names = (
        *(f"docker.io/library/nginx:{tag}" for tag in ("1.27", "1.27.5", "1.27-bookworm", "1.27-alpine", "mainline")),
        "registry.k8s.io/e2e-test-images/nginx:1.27-0",
    )
    size = 72_400_000
    memory = 5 << 20
    entrypoint: ClassVar[tuple[str, ...]] = ("/docker-entrypoint.sh",)
    cmd = ("nginx", "-g", "daemon off;")
    env = {"PATH": Image.env["PATH"], "NGINX_VERSION": VERSION}
    stop_signal = "SIGQUIT"
    files = {**DEBIAN_FILES, **program.files()}
    commands = {
        **programs("bash", "curl", "getent"),
        "/usr/sbin/nginx": program.nginx_for(VERSION),
        "/docker-entrypoint.sh": program.entrypoint,
    }

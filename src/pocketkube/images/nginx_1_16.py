"""docker.io/library/nginx 1.16, to which Kubernetes' documentation updates its Deployments: without an entrypoint
script and curl, which came later; otherwise as 1.27."""

from __future__ import annotations

from pocketkube.images import nginx
from pocketkube.images.base import Image
from pocketkube.images.programs.nginx.program import nginx_for

VERSION = "1.16.1"
_LATER = ("/usr/bin/curl", "/docker-entrypoint.sh")


class IMAGE(nginx.IMAGE):
    names = tuple(f"docker.io/library/nginx:{tag}" for tag in ("1.16", "1.16.1"))
    size = 50_500_000
    entrypoint = ()
    env = {"PATH": Image.env["PATH"], "NGINX_VERSION": VERSION}
    stop_signal = "SIGTERM"
    files = {path: content for path, content in nginx.IMAGE.files.items() if not path.startswith("/docker-entrypoint")}
    commands = {
        **{path: program for path, program in nginx.IMAGE.commands.items() if path not in _LATER},
        "/usr/sbin/nginx": nginx_for(VERSION),
    }

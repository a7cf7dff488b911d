"""docker.io/library/nginx 1.28, the stable branch: as 1.27 but for its name."""

from __future__ import annotations

from pocketkube.images import nginx
from pocketkube.images.base import Image
from pocketkube.images.programs.nginx.program import nginx_for

VERSION = "1.28.0"


class IMAGE(nginx.IMAGE):
    names = tuple(
        f"docker.io/library/nginx:{tag}"
        for tag in ("1.28", "1.28.0", "1.28-alpine", "stable", "stable-alpine", "latest", "alpine")
    )
    env = {"PATH": Image.env["PATH"], "NGINX_VERSION": VERSION}
    commands = {**nginx.IMAGE.commands, "/usr/sbin/nginx": nginx_for(VERSION)}

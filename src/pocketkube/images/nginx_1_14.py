"""docker.io/library/nginx 1.14, which Kubernetes' documentation deploys: as 1.16 but for its name."""

from __future__ import annotations

from pocketkube.images import nginx_1_16
from pocketkube.images.base import Image
from pocketkube.images.programs.nginx.program import nginx_for

VERSION = "1.14.2"


class IMAGE(nginx_1_16.IMAGE):
    names = tuple(f"docker.io/library/nginx:{tag}" for tag in ("1.14", "1.14.2"))
    size = 44_700_000
    env = {"PATH": Image.env["PATH"], "NGINX_VERSION": VERSION}
    commands = {**nginx_1_16.IMAGE.commands, "/usr/sbin/nginx": nginx_for(VERSION)}

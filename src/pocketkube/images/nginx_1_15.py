"""registry.k8s.io/e2e-test-images/nginx 1.15: what upstream's tests run before they roll out 1.27."""

from __future__ import annotations

from pocketkube.images import nginx
from pocketkube.images.base import Image
from pocketkube.images.programs.nginx.program import nginx_for

VERSION = "1.15.12"


class IMAGE(nginx.IMAGE):
    names = ("registry.k8s.io/e2e-test-images/nginx:1.15-4",)
    env = {"PATH": Image.env["PATH"], "NGINX_VERSION": VERSION}
    commands = {**nginx.IMAGE.commands, "/usr/sbin/nginx": nginx_for(VERSION)}

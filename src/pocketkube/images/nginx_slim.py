"""registry.k8s.io/nginx-slim, of which Kubernetes' documentation makes its StatefulSets: nginx without an entrypoint
script. Every tag behaves as nginx 1.27."""

from __future__ import annotations

from pocketkube.images import nginx


class IMAGE(nginx.IMAGE):
    names = tuple(f"registry.k8s.io/nginx-slim:{tag}" for tag in ("0.8", "0.21", "0.24", "0.27"))
    size = 82_000_000
    entrypoint = ()
    stop_signal = "SIGTERM"
    files = {path: content for path, content in nginx.IMAGE.files.items() if not path.startswith("/docker-entrypoint")}
    commands = {path: program for path, program in nginx.IMAGE.commands.items() if path != "/docker-entrypoint.sh"}

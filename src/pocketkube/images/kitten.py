"""registry.k8s.io/e2e-test-images/kitten: as nautilus, with another picture."""

from __future__ import annotations

from pocketkube.images import agnhost


class IMAGE(agnhost.IMAGE):
    names = tuple(f"registry.k8s.io/e2e-test-images/kitten:{tag}" for tag in ("1.7", "1.8"))
    cmd = ("test-webserver",)
    files = {**agnhost.IMAGE.files, "/data.json": b'{\n  "image": "kitten.jpg"\n}\n'}

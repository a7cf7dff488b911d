"""registry.k8s.io/e2e-test-images/nautilus: agnhost that serves a page's data. The picture it names is not there."""

from __future__ import annotations

from pocketkube.images import agnhost


class IMAGE(agnhost.IMAGE):
    names = tuple(f"registry.k8s.io/e2e-test-images/nautilus:{tag}" for tag in ("1.7", "1.8"))
    cmd = ("test-webserver",)
    files = {**agnhost.IMAGE.files, "/data.json": b'{\n  "image": "nautilus.jpg"\n}\n'}

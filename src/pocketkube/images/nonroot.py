"""registry.k8s.io/e2e-test-images/nonroot: debian-base whose image names a user that is not root."""

from __future__ import annotations

from pocketkube.images import debian_base


class IMAGE(debian_base.IMAGE):
    names = tuple(f"registry.k8s.io/e2e-test-images/nonroot:{tag}" for tag in ("1.4", "1.5"))
    user = 1234

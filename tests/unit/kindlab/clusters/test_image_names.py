"""Names of images, as engines know them."""

from pathlib import Path

import pytest

from kindlab.clusters.kindcli import Programs, full_name
from kindlab.engines import Engine


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("kindest/node:v1.36.4@sha256:099e", "docker.io/kindest/node:v1.36.4@sha256:099e"),
        ("registry.k8s.io/hpa-example", "registry.k8s.io/hpa-example"),
        ("localhost/mine:1", "localhost/mine:1"),
        ("laptop:5000/mine", "laptop:5000/mine"),
    ],
)
def test_podman_gets_the_registry_said(short: str, full: str) -> None:
    assert full_name(short) == full
    assert Programs(Engine("podman", "podman"), Path("kind"), "x").known(short) == full
    assert Programs(Engine("docker", "docker"), Path("kind"), "x").known(short) == short

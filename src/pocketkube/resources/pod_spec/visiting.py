"""All containers of a pod spec, in the order in which upstream's VisitContainersWithPath goes through them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube.objects import Obj

KINDS: Final = ("initContainers", "containers", "ephemeralContainers")


def containers(path: str, spec: Obj) -> Iterator[tuple[str, Obj]]:
    """(path, container) of each; `path` is the spec's."""
    for kind in KINDS:
        for index, container in enumerate(spec.get(kind) or ()):
            yield f"{path}.{kind}[{index}]", container


def contexts(path: str, spec: Obj) -> Iterator[tuple[str, Obj]]:
    """(path, security context, empty where there is none) of each container."""
    for at, container in containers(path, spec):
        yield f"{at}.securityContext", container.get("securityContext") or {}

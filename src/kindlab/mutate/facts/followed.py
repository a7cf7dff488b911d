"""Who answers behind each name once all Pods have been replaced (volumes.py does that): endpoints that were written
down by hand, or are left from a selector that is no more, lead nowhere then."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.mutate.fact import Fact
from kindlab.mutate.facts.services import everywhere, ports
from kindlab.mutate.scene import Scene

ORDER = 100


def look(scene: Scene) -> Iterator[Fact]:
    with everywhere(scene) as askers:
        for space, here_are in askers.items():
            here = [one for one in scene.services if one["metadata"]["namespace"] == space]
            for fact in ports(scene, here_are, here):
                if not fact.key.endswith("reaches of their Pods"):
                    yield Fact(f"with new Pods, {fact.key}", fact.value, fact.strong)


LOOK = look

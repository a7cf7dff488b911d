"""Whatever is asked for: no volume is promised twice, no node takes too many, no pod is far from its own.

As upstream, a claim without a volume counts by its class's provisioner: a limit is not kept for volumes that wait to be
chosen, so these here are not of a CSI driver."""

from __future__ import annotations

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.pocketkube.controllers.world import World, running
from tests.unit.pocketkube.scheduler.storing import bind, claim, csi, csi_node, selected, storage_class, user, volume

from pocketkube import claims, objects
from pocketkube.objects import Obj

DRIVER = "csi.example.com"
NODES = ("a", "b", "c")


class Binder:
    """Binds what is promised, and makes what is asked for on the node that was chosen."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.promises: dict[str, set[str]] = {}
        """Claims that a volume was ever promised to."""

    def step(self) -> bool:
        """Whether there was something to do."""
        for found in self.world.list("persistentvolumes"):
            ref = objects.spec(found).get("claimRef")
            if ref is None:
                continue
            self.promises.setdefault(objects.name(found), set()).add(ref["name"])
            if not claims.is_bound(self.world.get("persistentvolumeclaims", ref["name"])):
                bind(self.world, ref["name"], objects.name(found))
                return True
        for found in self.world.list("persistentvolumeclaims"):
            name = objects.name(found)
            node = selected(self.world, name)
            if node and not claims.is_bound(found):
                volume(
                    self.world, f"made-{name}", cls="made", size="9Gi", node=node, source=csi(f"made-{name}", DRIVER)
                )
                bind(self.world, name, f"made-{name}")
                return True
        return False


asked = st.tuples(st.sampled_from(["static", "made"]), st.integers(1, 4))
offered = st.tuples(st.sampled_from(["", *NODES]), st.integers(1, 4))


@settings(max_examples=40, deadline=None)
@given(
    limits=st.tuples(*(st.none() | st.integers(0, 3) for _ in NODES)),
    volumes=st.lists(offered, max_size=6),
    pods=st.lists(st.lists(asked, max_size=3), min_size=1, max_size=6),
    shared=st.booleans(),
)
def test_promises_limits_and_places_are_kept(
    limits: tuple[int | None, ...],
    volumes: list[tuple[str, int]],
    pods: list[list[tuple[str, int]]],
    shared: bool,
) -> None:
    asyncio.run(_scheduled(dict(zip(NODES, limits, strict=True)), volumes, pods, shared))


async def _scheduled(
    limits: dict[str, int | None],
    volumes: list[tuple[str, int]],
    pods: list[list[tuple[str, int]]],
    shared: bool,
) -> None:
    world = World()
    world.create("serviceaccounts", {"metadata": {"name": "default"}})
    for node, limit in limits.items():
        world.node(node)
        csi_node(world, node, limit, DRIVER)
    storage_class(world, "static", provisioner=claims.NO_PROVISIONER)
    storage_class(world, "made", provisioner=DRIVER)
    for number, (node, size) in enumerate(volumes):
        volume(world, f"v{number}", cls="static", size=f"{size}Gi", node=node)
    binder = Binder(world)
    async with running(world, []):
        for number, wanted in enumerate(pods):
            names = [f"c{number}-{i}" for i in range(len(wanted))]
            for name, (cls, size) in zip(names, wanted, strict=True):
                claim(world, name, cls=cls, size=f"{size}Gi")
            user(world, f"p{number}", *names)
            if shared and names:
                user(world, f"q{number}", names[0])
        await world.settle()
        while binder.step():
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await world.settle()
        while binder.step():
            await world.settle()
    assert all(len(found) == 1 for found in binder.promises.values())
    _check_places(world, limits)


def _check_places(world: World, limits: dict[str, int | None]) -> None:
    there: Counter[str] = Counter()
    counted: set[tuple[str, str]] = set()
    for pod in world.list("pods"):
        node = objects.spec(pod).get("nodeName")
        if not node:
            assert objects.condition(pod, "PodScheduled") is not None, "a pod that waits for nothing says why it waits"
            continue
        for name in claims.used_by(pod):
            used: Obj = world.get(
                "persistentvolumes", objects.spec(world.get("persistentvolumeclaims", name))["volumeName"]
            )
            assert claims.is_bound(world.get("persistentvolumeclaims", name))
            assert claims.node_matches(used, world.get("nodes", node))
            if "csi" in objects.spec(used) and (node, objects.name(used)) not in counted:
                counted.add((node, objects.name(used)))
                there[node] += 1
    for node, limit in limits.items():
        assert limit is None or there[node] <= limit

"""What lies in claims: which files workloads find in theirs, wherever they have them, and the bytes in those that no
Pod of the lab has mounted, which a stranger mounts."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.api import Obj
from kindlab.checks.verdict import CouldNotGrade
from kindlab.conditions import is_ready
from kindlab.mutate.fact import Fact
from kindlab.mutate.facts.volumes import LISTING, claims_of, digest, listed, places_of_claims
from kindlab.mutate.scene import HELD, Guest, Scene

ORDER = 85


def look(scene: Scene) -> Iterator[Fact]:
    yield from _found(scene)
    yield from _unused(scene)


def _found(scene: Scene) -> Iterator[Fact]:
    for party, pods in scene.parties().items():
        pod = next((one for one in pods if is_ready(one)), None)
        if pod is None or not (places := places_of_claims(pod)):
            continue
        names = set[str]()
        for container, folder in places.values():
            done = scene.run(pod, LISTING.format(folder), container)
            names |= {name for name, _, _ in listed(done[1])[2]} if done and done[0] == 0 else set()
        yield Fact(f"files that {party} finds in claims", scene.plain(", ".join(sorted(names)))[:300] or "none")


def _unused(scene: Scene) -> Iterator[Fact]:
    used = {(pod["metadata"]["namespace"], claim) for pod in scene.pods for claim in claims_of(pod).values()}
    for space in scene.cast.spaces.values():
        for claim in scene.api.list("PersistentVolumeClaim", space):
            name = claim["metadata"]["name"]
            if _can_be_read(claim) and (space, name) not in used:
                yield Fact(f"bytes in claim {scene.cast.called(name, space)}, which nobody uses", _bytes(scene, claim))


def _can_be_read(claim: Obj) -> bool:
    """One that is still to be bound would be bound by whoever mounts it."""
    bound = (claim.get("status") or {}).get("phase") == "Bound"
    return bound and claim["spec"].get("volumeMode", "Filesystem") == "Filesystem"


def _bytes(scene: Scene, claim: Obj) -> str:
    name = claim["metadata"]["name"]
    try:
        with scene.strangers({name: Guest(claim["metadata"]["namespace"], claim=name)}) as made:
            done = scene.run(made[name], LISTING.format(HELD))
    except CouldNotGrade:  # it does not start: no node has the volume
        done = None
    return digest(listed(done[1])[2]) if done and done[0] == 0 else "nobody can read them"


LOOK = look

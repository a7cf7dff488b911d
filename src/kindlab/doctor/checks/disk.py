"""Room on the disks: the engine's, where node images and add-ons go, and ours.

The sizes are estimates from the images' sizes in their registries (a node image unpacks to about 1 GB, the add-ons of
all labs to about 2 GB, the labs' own images to less than 1 GB): nothing was pulled where this was written. kind turns
off the kubelet's own eviction limits, so a full disk is met by whatever writes next.
"""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.doctor.facts import Facts
from kindlab.doctor.finding import Check, Finding, note, ok, problem

MIB, GIB = 1 << 20, 1 << 30
ENGINE_LEAST, ENGINE_WELL = 3 * GIB, 8 * GIB
HOME_LEAST, HOME_WELL = 200 * MIB, GIB


def look(facts: Facts) -> Iterator[Finding]:
    yield from _home(facts)
    engine = facts.engine
    # A root folder inside a virtual machine says nothing here, though a folder of that name may exist.
    root = engine.root if engine and engine.root and facts.own_kernel else ""
    room = facts.room(root) if root else None
    if engine is None or room is None:
        return
    if room < ENGINE_WELL:
        found = problem if room < ENGINE_LEAST else note
        yield found(
            f"{_size(room)} are free where {engine.name} keeps its images ({root})",
            "kindlab up --cluster kind and add-ons: the images of nodes and add-ons take about 4 GB",
            f"{engine.name} system prune (removes what no container uses; it asks first)",
            only=("kind",),
        )


def _home(facts: Facts) -> Iterator[Finding]:
    """Both clusters keep their kubeconfig there, pocket its volumes, too."""
    if not facts.writable(facts.home):
        yield problem(
            f"{facts.home} cannot be written to",
            "kindlab up: that is where clusters keep their state",
            "export KINDLAB_HOME=$HOME/kindlab-state (or make that folder yours)",
        )
        return
    room = facts.room(str(facts.home))
    if room is None:
        return
    if room < HOME_WELL:
        found = problem if room < HOME_LEAST else note
        yield found(
            f"{_size(room)} are free where clusters keep their state ({facts.home})",
            "kindlab up, and the labs on storage (11 to 16), which write to volumes there on pocket",
            "Free some space, or choose another disk: export KINDLAB_HOME=/path/on/another/disk",
        )
    else:
        yield ok(f"{_size(room)} of disk free")


def _size(size: int) -> str:
    return (
        f"{size / GIB:.0f} GB" if size >= 10 * GIB else f"{size / GIB:.1f} GB" if size >= GIB else f"{size // MIB} MB"
    )


CHECK = Check("disk", 41, ("kind", "pocket"), look)

"""Whole objects and whole elements of lists: one missing, one twice, one elsewhere, two the other way round."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from kindlab.api import Obj
from kindlab.labs import CLUSTER_KINDS
from kindlab.mutate.editing import Edit, drop, label, put, shown, spelled, walked
from kindlab.mutate.world import World

PLAIN_WORDS = ("args", "command")
"""Lists whose order and number is a program's business (workloads.py changes them)."""


def removed(obj: Obj, world: World) -> Iterator[Edit]:
    yield Edit("", label(obj), "nothing", ())


def element(obj: Obj, world: World) -> Iterator[Edit]:
    """One element of a list less."""
    for path, at in walked(obj):
        if isinstance(at, list) and path[-1] not in PLAIN_WORDS and "metadata" not in path:
            for number, one in enumerate(at):
                yield Edit(spelled((*path, number)), shown(one), "nothing", (drop(obj, (*path, number)),))


def order(obj: Obj, world: World) -> Iterator[Edit]:
    """The elements of a list the other way round: to all lists but a few it means nothing."""
    for path, at in walked(obj):
        if (
            isinstance(at, list)
            and len(at) > 1
            and path[-1] not in PLAIN_WORDS
            and all(isinstance(o, dict) for o in at)
        ):
            yield Edit(spelled(path), "as it was", "the other way round", (put(obj, path, at[::-1]),))


def twice(obj: Obj, world: World) -> Iterator[Edit]:
    """The same again under another name."""
    copied = copy.deepcopy(obj)
    copied["metadata"]["name"] = f"{obj['metadata']['name']}-copy"
    yield Edit("", label(obj), f"and {label(copied)}", (obj, copied))


def elsewhere(obj: Obj, world: World) -> Iterator[Edit]:
    """In another namespace of the lab."""
    if obj["kind"] in CLUSTER_KINDS:
        return
    here = obj["metadata"].get("namespace", world.spaces[0])
    for space in world.spaces:
        if space != here:
            moved = put(obj, ("metadata", "namespace"), space)
            yield Edit("metadata.namespace", here, space, (moved,))


OPERATORS = {"removed": removed, "element-less": element, "order": order, "twice": twice, "elsewhere": elsewhere}

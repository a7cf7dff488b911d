"""Selectors of Services, policies and autoscalers, and the labels of the Pods they mean. The selector of a workload is
changed together with its Pods' labels only: the API refuses one without the other."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.api import Obj
from kindlab.mutate.editing import Edit, Path, drop, dropping, put, setting, shown, spelled, template, value, walked
from kindlab.mutate.world import World

HELD = ("podSelector", "namespaceSelector", "labelSelector")


def places(obj: Obj) -> Iterator[tuple[Path, dict[str, str]]]:
    """Where labels are asked for."""
    if obj["kind"] == "Service" and obj["spec"].get("selector"):
        yield ("spec", "selector"), obj["spec"]["selector"]
    for path, at in walked(obj):
        if path and path[-1] in HELD and isinstance(at, dict) and at.get("matchLabels"):
            yield (*path, "matchLabels"), at["matchLabels"]


def key(obj: Obj, world: World) -> Iterator[Edit]:
    for path, asked in places(obj):
        for name, one in asked.items():
            wrong = {f"{n}s" if n == name else n: v for n, v in asked.items()}
            yield Edit(f"{spelled(path)}.{name}", f"{name}: {one}", f"{name}s: {one}", (put(obj, path, wrong),))


def other_value(obj: Obj, world: World) -> Iterator[Edit]:
    """Misspelt, and the value that other Pods have."""
    for path, asked in places(obj):
        for name, one in asked.items():
            others = [v for n, v in world.labels if n == name and v != one]
            for wrong in (f"{one}s", *others[:2]):
                yield from setting(obj, (*path, name), wrong)


def one_more(obj: Obj, world: World) -> Iterator[Edit]:
    """A label that the Pods meant do not carry, and one that they may."""
    for path, asked in places(obj):
        yield from setting(obj, path, {**asked, "release": "stable"})
        for name, one in world.labels:
            if name not in asked:
                yield from setting(obj, path, {**asked, name: one})


def one_less(obj: Obj, world: World) -> Iterator[Edit]:
    for path, asked in places(obj):
        for name in asked:
            yield from dropping(obj, (*path, name))


def instead(obj: Obj, world: World) -> Iterator[Edit]:
    """Another label of the same Pods: wider, or just as good."""
    for path, asked in places(obj):
        for other in world.objects:
            pod = template(other)
            carried = value(other, (*pod, "metadata", "labels")) if pod is not None else None
            if carried and asked.items() <= carried.items():
                for name in sorted(carried.keys() - asked.keys()):
                    yield from setting(obj, path, {name: carried[name]})


def pods_labels(obj: Obj, world: World) -> Iterator[Edit]:
    """Other labels of the Pods, with the workload's own selector where it asks for them."""
    pod = template(obj)
    meta = (*pod, "metadata", "labels") if pod is not None else ()
    match: Path = ("spec", "selector", "matchLabels")
    for name, one in (value(obj, meta) or {}).items() if meta else ():
        wrong = f"{one}-x"
        changed = put(obj, (*meta, name), wrong)
        if value(obj, (*match, name)) is not None:
            changed = put(changed, (*match, name), wrong)
        yield Edit(f"{spelled(meta)}.{name}", shown(one), wrong, (changed,))
        if value(obj, (*match, name)) is None:
            yield Edit(f"{spelled(meta)}.{name}", shown(one), "nothing", (drop(obj, (*meta, name)),))


def one_label_more(obj: Obj, world: World) -> Iterator[Edit]:
    """Labels that nobody asks for, and one by which somebody asks for other Pods."""
    pod = template(obj)
    if pod is None or not (carried := value(obj, (*pod, "metadata", "labels"))):
        return
    yield from setting(obj, (*pod, "metadata", "labels", "team"), "blue")
    for name, one in world.labels:
        if name not in carried:
            yield from setting(obj, (*pod, "metadata", "labels", name), one)


OPERATORS = {
    "selector-key": key,
    "selector-value": other_value,
    "selector-one-more": one_more,
    "selector-one-less": one_less,
    "selector-instead": instead,
    "labels-of-pods": pods_labels,
    "labels-one-more": one_label_more,
}

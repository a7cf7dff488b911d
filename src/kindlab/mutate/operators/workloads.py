"""What runs: how many, with which words, probes and settings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kindlab.api import Obj
from kindlab.mutate.editing import Edit, containers, drop, dropping, put, setting, spelled, value, walked
from kindlab.mutate.world import World

PROBES = ("readinessProbe", "livenessProbe", "startupProbe")
NUMBER = re.compile(r"\d{2,5}(?!\d)")


def replicas(obj: Obj, world: World) -> Iterator[Edit]:
    if obj["kind"] in ("Deployment", "StatefulSet"):
        now = obj["spec"].get("replicas", 1)
        for wrong in (now + 1, now - 1, 0):
            if wrong >= 0:
                yield from setting(obj, ("spec", "replicas"), wrong)


def words(obj: Obj, world: World) -> Iterator[Edit]:
    """Arguments: a number in one, one less, all of them."""
    for path, container in containers(obj):
        for part in ("args", "command"):
            for n, word in enumerate(container.get(part) or ()):
                at = (*path, part, n)
                if len(word) < 40 and (found := NUMBER.search(word)):
                    wrong = str(int(found[0]) + 1)
                    yield from setting(obj, at, f"{word[: found.start()]}{wrong}{word[found.end() :]}")
                elif len(word) < 40 and "=" in word:
                    yield from setting(obj, at, f"{word}x")
                if part == "args" and n and word.startswith("-"):
                    yield from dropping(obj, at)


def environment(obj: Obj, world: World) -> Iterator[Edit]:
    for path, container in containers(obj):
        for n, one in enumerate(container.get("env") or ()):
            at = (*path, "env", n)
            if one.get("value"):
                text = str(one["value"])
                yield from setting(obj, (*at, "value"), f"{text}x")
                if found := NUMBER.search(text):
                    wrong = f"{text[: found.start()]}{int(found[0]) + 1}{text[found.end() :]}"
                    yield from setting(obj, (*at, "value"), wrong)
                elif "://" in text:
                    yield from setting(obj, (*at, "value"), f"{text.rstrip('/')}:8999")
                    yield from setting(obj, (*at, "value"), f"{text.rstrip('/')}:80")
            yield from setting(obj, (*at, "name"), f"{one['name']}_X")


def probes(obj: Obj, world: World) -> Iterator[Edit]:
    for path, container in containers(obj):
        for kind in PROBES:
            if kind not in container:
                continue
            probe, at = container[kind], (*path, kind)
            yield from dropping(obj, at)
            other = PROBES[0] if kind != PROBES[0] else PROBES[1]
            if other not in container:
                moved = put(drop(obj, at), (*path, other), probe)
                yield Edit(spelled(at), kind, other, (moved,))
            for inner, now in walked(probe):
                where = (*at, *inner)
                if inner[-1:] == ("port",):
                    yield from setting(obj, where, now + 1 if isinstance(now, int) else f"{now[:13]}-x")
                elif inner == ("httpGet", "path"):
                    yield from setting(obj, where, "/echo?code=503&msg=x")
                elif inner[:2] == ("exec", "command") and len(inner) == 3 and "/" in str(now):
                    yield from setting(obj, where, f"{now}-x")
            yield from setting(obj, (*at, "periodSeconds"), 300)
            yield from setting(obj, (*at, "initialDelaySeconds"), 300)
            if kind != "livenessProbe":
                yield from setting(obj, at, {"exec": {"command": ["true"]}}, after="one that always passes")


def settings(obj: Obj, world: World) -> Iterator[Edit]:
    """How it is rolled out, what becomes of it, and how it grows."""
    for key in ("strategy", "minReadySeconds", "backoffLimit", "behavior"):
        yield from dropping(obj, ("spec", key))
    if obj["kind"] == "Deployment" and value(obj, ("spec", "strategy", "type")) != "Recreate":
        yield from setting(obj, ("spec", "strategy"), {"type": "Recreate"})
    for path, at in walked(obj):
        if not path or not isinstance(at, int) or isinstance(at, bool):
            continue
        if path[-1] in ("minReplicas", "maxReplicas", "averageUtilization", "completions", "parallelism"):
            yield from setting(obj, path, at + 1)
            yield from setting(obj, path, at * 4)
    for path, _ in containers(obj):
        yield from dropping(obj, (*path, "resources"))


def data(obj: Obj, world: World) -> Iterator[Edit]:
    """What is in a ConfigMap or a Secret."""
    if obj["kind"] not in ("ConfigMap", "Secret"):
        return
    for part in ("data", "stringData"):
        for key, text in (obj.get(part) or {}).items():
            if part == "stringData" or obj["kind"] == "ConfigMap":
                yield from setting(obj, (part, key), f"{text}x")
            moved = {f"{key}.x" if k == key else k: v for k, v in obj[part].items()}
            yield Edit(f"{part}.{key}", key, f"{key}.x", (put(obj, (part,), moved),))


OPERATORS = {
    "replicas": replicas,
    "arguments": words,
    "environment": environment,
    "probe": probes,
    "settings": settings,
    "data": data,
}

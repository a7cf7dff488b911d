"""Objects changed in one place: the original stays as it is, the place is named as `kubectl explain` spells it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kindlab.api import Obj
from kindlab.kinds import TEMPLATES

Path = tuple[str | int, ...]
"""Keys and list positions from the object's root."""


@dataclass(frozen=True)
class Edit:
    """One change of one object: `objects` stand in its place. `path` is where, `before` and `after` say what."""

    path: str
    before: str
    after: str
    objects: tuple[Obj, ...]


def spelled(path: Path) -> str:
    """`spec.ports[0].port`; keys with dots or slashes in brackets."""
    text = ""
    for step in path:
        if isinstance(step, int) or "." in step or "/" in step:
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def value(obj: Any, path: Path, default: Any = None) -> Any:
    """What is there, or the default."""
    for step in path:
        try:
            obj = obj[step]
        except (KeyError, IndexError, TypeError):
            return default
    return obj


def put(obj: Obj, path: Path, new: Any) -> Obj:
    """A copy with the value there; objects on the way are made."""
    made = copy.deepcopy(obj)
    at: Any = made
    for step in path[:-1]:
        at = at.setdefault(step, {}) if isinstance(at, dict) else at[step]
    at[path[-1]] = copy.deepcopy(new)
    return made


def drop(obj: Obj, path: Path) -> Obj:
    """A copy without it."""
    made = copy.deepcopy(obj)
    at: Any = made
    for step in path[:-1]:
        at = at[step]
    del at[path[-1]]
    return made


def setting(obj: Obj, path: Path, new: Any, *, after: str = "") -> Iterator[Edit]:
    """The edit that puts another value there; none where it is there already."""
    old = value(obj, path)
    if old != new:
        yield Edit(spelled(path), shown(old), after or shown(new), (put(obj, path, new),))


def dropping(obj: Obj, path: Path) -> Iterator[Edit]:
    """The edit that takes it away; none where there is nothing."""
    old = value(obj, path)
    if old is not None:
        yield Edit(spelled(path), shown(old), "nothing", (drop(obj, path),))


def shown(found: Any) -> str:
    """A value in few words."""
    if found is None:
        return "nothing"
    if isinstance(found, dict):
        inside = ", ".join(f"{key}: {shown(one)}" for key, one in found.items())
        return _short("{" + inside + "}")
    if isinstance(found, list):
        return _short("[" + ", ".join(map(shown, found)) + "]")
    if isinstance(found, bool):
        return "true" if found else "false"
    return _short(str(found).replace("\n", "\\n")) if found != "" else '""'


def _short(text: str, most: int = 70) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def walked(obj: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every place in an object with what is there, from the outside in."""
    yield path, obj
    inside = obj.items() if isinstance(obj, dict) else enumerate(obj) if isinstance(obj, list) else ()
    for step, one in inside:
        yield from walked(one, (*path, step))


def template(obj: Obj) -> Path | None:
    """Where the Pod is that an object describes (its metadata and spec); None when it describes none."""
    return () if obj["kind"] == "Pod" else TEMPLATES.get(obj["kind"])


def containers(obj: Obj) -> Iterator[tuple[Path, Obj]]:
    """The containers that an object describes, with where, init containers too."""
    pod = template(obj)
    if pod is None:
        return
    for part in ("initContainers", "containers"):
        for number, one in enumerate(value(obj, (*pod, "spec", part)) or ()):
            yield (*pod, "spec", part, number), one


def label(obj: Obj) -> str:
    """`Service/cart`, with its namespace where it names one."""
    meta = obj["metadata"]
    space = f"{meta['namespace']}/" if meta.get("namespace") else ""
    return f"{obj['kind']}/{space}{meta['name']}"

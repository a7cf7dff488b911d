"""An add-on as the course declares it: `cluster-config/addons/<name>/addon.toml`, read and checked, and the manifests
of our own beside it. What it says is all there is to know before a byte is downloaded."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kindlab import paths
from kindlab.downloads import Source
from kindlab.errors import Problem, UsageProblem
from kindlab.near import nearest

FORMAT = 1
FAULT = "This is a fault of the course, not yours: tell the people who run it."


@dataclass(frozen=True)
class Patch:
    """What we change in an object that comes from elsewhere: JSON Patch operations (RFC 6902), and why."""

    kind: str
    name: str
    why: str
    operations: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Sign:
    """What must be seen before the add-on is of use, beyond its programs running and its definitions being served: a
    condition that is True, or a field (words with dots, through lists) that somewhere has a value. Without a name any
    object of that kind will do."""

    kind: str
    name: str = ""
    condition: str = ""
    field: str = ""
    value: str = ""

    def __str__(self) -> str:
        what = f"condition {self.condition}" if self.condition else f"{self.field} {self.value}"
        return f"{what} of {self.kind.partition('.')[0]} {self.name}".rstrip()


@dataclass(frozen=True)
class Addon:
    """`gives`: words of needs. `requires`: names of other add-ons. `namespace`: of objects that name none though they
    lie in one. `images`: the references in its Pods, exactly as they are written there."""

    name: str
    folder: Path
    title: str
    version: str
    about: str
    gives: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    namespace: str = "default"
    sources: tuple[Source, ...] = ()
    images: tuple[str, ...] = ()
    patches: tuple[Patch, ...] = ()
    ready: tuple[Sign, ...] = ()
    traps: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.title} {self.version}"

    @property
    def manifests(self) -> list[Path]:
        """Those of our own."""
        return sorted(self.folder.glob("*.yaml"))

    @property
    def digest(self) -> str:
        """Of all that decides what is put on a cluster: what is downloaded is pinned in addon.toml."""
        content = hashlib.sha256()
        for file in (self.folder / "addon.toml", *self.manifests):
            content.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
        return content.hexdigest()


def all_addons() -> list[Addon]:
    """Every add-on of the course, by name. Raises Problem."""
    folder = paths.course() / "cluster-config" / "addons"
    return [read(file.parent) for file in sorted(folder.glob("*/addon.toml"))]


def find(name: str) -> Addon:
    """By its name. Raises UsageProblem."""
    every = {addon.name: addon for addon in all_addons()}
    if name in every:
        return every[name]
    near = nearest(name, every)
    raise UsageProblem(
        f"There is no add-on {name!r}.",
        f"Did you mean {near[0]}?" if near else f"The add-ons are: {', '.join(every)}.",
        "kindlab addons shows what each is for.",
    )


def with_requirements(addons: Iterable[Addon]) -> list[Addon]:
    """These and what they require, requirements first. Raises Problem for a circle, or a name that is none."""
    every = {addon.name: addon for addon in all_addons()}
    order: dict[str, Addon] = {}

    def add(addon: Addon, above: tuple[str, ...]) -> None:
        file = addon.folder / "addon.toml"
        for name in addon.requires:
            if name not in every:
                raise Problem(f"{file} cannot be used.", f"requires: there is no add-on {name}.", FAULT)
            if name in above:
                raise Problem(f"{file} cannot be used.", f"requires: {name} requires it, too.", FAULT)
            add(every[name], (*above, name))
        order.setdefault(addon.name, addon)

    for addon in addons:
        add(addon, (addon.name,))
    return list(order.values())


def for_needs(words: Iterable[str]) -> list[Addon]:
    """What gives these words of needs, and what that requires, in the order of installation."""
    wanted = set(words)
    return with_requirements(addon for addon in all_addons() if wanted & set(addon.gives))


# -- reading


def read(folder: Path) -> Addon:
    """Raises Problem that names the file and the key."""
    file = folder / "addon.toml"
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem(f"{file} cannot be read.", f"{error}.", FAULT) from error
    try:
        return _addon(folder, data)
    except (KeyError, TypeError, ValueError) as error:
        why = f"The key {error} is missing." if isinstance(error, KeyError) else f"{error}."
        raise Problem(f"{file} cannot be used.", why, FAULT) from error


def _addon(folder: Path, data: dict[str, Any]) -> Addon:
    _known(data, {*Addon.__dataclass_fields__, "format"} - {"name", "folder"}, "")
    if data["format"] != FORMAT:
        raise ValueError(f"format: {data['format']} is not {FORMAT}")
    return Addon(
        name=folder.name,
        folder=folder,
        title=_text(data, "title"),
        version=_text(data, "version"),
        about=_text(data, "about"),
        gives=_texts(data, "gives"),
        requires=_texts(data, "requires"),
        images=_texts(data, "images"),
        traps=_texts(data, "traps"),
        namespace=data.get("namespace", "default"),
        sources=tuple(Source(**_table(one, "sources", {"url", "sha256"})) for one in data.get("sources", ())),
        patches=tuple(_patch(one) for one in data.get("patches", ())),
        ready=tuple(_sign(one) for one in data.get("ready", ())),
    )


def _patch(data: dict[str, Any]) -> Patch:
    one = _table(data, "patches", set(Patch.__dataclass_fields__))
    return Patch(one["kind"], one["name"], one["why"], tuple(one["operations"]))


def _sign(data: dict[str, Any]) -> Sign:
    _known(data, set(Sign.__dataclass_fields__), "ready.")
    if not data["kind"] or bool(data.get("condition")) == bool(data.get("field") and data.get("value")):
        raise ValueError("ready: it needs a kind, and a condition, or a field and a value")
    return Sign(**data)


def _table(data: dict[str, Any], where: str, keys: set[str]) -> dict[str, Any]:
    _known(data, keys, f"{where}.")
    for key in sorted(keys):
        if not data.get(key):
            raise ValueError(f"{where}.{key} is missing or empty")
    return data


def _text(data: dict[str, Any], key: str) -> str:
    value = data[key]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key}: a text is needed, not {value!r}")
    return value


def _texts(data: dict[str, Any], key: str) -> tuple[str, ...]:
    value = data.get(key, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{key}: a list of texts is needed, not {value!r}")
    return tuple(value)


def _known(data: dict[str, Any], keys: set[str], where: str) -> None:
    if unknown := sorted(data.keys() - keys):
        raise ValueError(f"{where}{unknown[0]}: no such key; there are {', '.join(sorted(keys))}")

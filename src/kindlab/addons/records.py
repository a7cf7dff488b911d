"""What kindlab has installed on a cluster, written down there: a ConfigMap with one entry an add-on. It is written
before the first object and again after the last, so an installation that was cut short is known for one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from kindlab.addons.model import Addon
from kindlab.api import Api, ApiError, Obj
from kindlab.managed import MANAGED

WHERE, NAME = "kube-system", "kindlab-addons"


@dataclass(frozen=True)
class Ref:
    """One object: where to find it again."""

    type: str
    """apiVersion/kind."""
    namespace: str | None
    name: str

    @property
    def kind(self) -> str:
        return self.type.rpartition("/")[2]

    @classmethod
    def of(cls, obj: Obj) -> Ref:
        return cls(f"{obj['apiVersion']}/{obj['kind']}", obj["metadata"].get("namespace"), obj["metadata"]["name"])


@dataclass(frozen=True)
class Record:
    """`digest`: the add-on's, when it was installed. `objects`: in the order they were put there."""

    version: str
    digest: str
    complete: bool
    objects: tuple[Ref, ...] = ()


def of(api: Api, addon: Addon) -> Record | None:
    """None when it was never begun, or its entry is damaged (then it is done again). Raises ApiError."""
    found = api.get("ConfigMap", NAME, WHERE)
    try:
        data = json.loads(((found or {}).get("data") or {})[addon.name])
        return Record(**{**data, "objects": tuple(Ref(**one) for one in data["objects"])})
    except (KeyError, TypeError, ValueError):
        return None


def begun(api: Api, addon: Addon, objects: Iterable[Obj], before: Record | None) -> Record:
    """Write down what is about to be there, on top of what `before` left there."""
    refs = [Ref.of(obj) for obj in objects]
    old = [ref for ref in before.objects if ref not in refs] if before else []
    record = Record(addon.version, addon.digest, False, (*old, *refs))
    _write(api, addon.name, record)
    return record


def ended(api: Api, addon: Addon, record: Record, objects: Iterable[Obj]) -> None:
    """All of it is there and ready."""
    _write(api, addon.name, replace(record, complete=True, objects=tuple(Ref.of(obj) for obj in objects)))


def gone(api: Api, addon: Addon) -> None:
    _write(api, addon.name, None)


def _write(api: Api, name: str, record: Record | None) -> None:
    data = {name: json.dumps(asdict(record)) if record else None}
    try:
        api.patch("ConfigMap", NAME, WHERE, {"data": data})
    except ApiError as error:
        if error.code != 404:
            raise
        meta = {"name": NAME, "namespace": WHERE, "labels": dict(MANAGED)}
        if record:
            api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})

"""What operators may look at beside the object that they change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from kindlab.api import Obj
from kindlab.mutate.editing import walked


@dataclass(frozen=True)
class World:
    """What operators may look at beside the object: everything the solution holds, and the lab's namespaces."""

    objects: tuple[Obj, ...]
    spaces: tuple[str, ...]

    def names(self, kind: str) -> list[str]:
        return sorted({obj["metadata"]["name"] for obj in self.objects if obj["kind"] == kind})

    @cached_property
    def labels(self) -> list[tuple[str, str]]:
        """Every label that Pods of the solution carry."""
        metas = [at for obj in self.objects for path, at in walked(obj) if _is_pod_meta(obj, path)]
        return sorted({pair for meta in metas for pair in _labels(meta)})


def _is_pod_meta(obj: Obj, path: tuple[str | int, ...]) -> bool:
    return path[-2:] == ("template", "metadata") or (obj["kind"] == "Pod" and path == ("metadata",))


def _labels(meta: Obj) -> Iterable[tuple[str, str]]:
    return ((key, str(one)) for key, one in (meta.get("labels") or {}).items())

"""Namespaces: `spec.finalizers` keep one until the namespace controller has emptied it.

Models pkg/registry/core/namespace (strategy, storage), pkg/apis/core/validation ValidateNamespace*,
NamespaceLifecycle's immortal namespaces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

from pocketkube import fields, objects
from pocketkube.errors import Cause, Forbidden
from pocketkube.objects import Obj
from pocketkube.resources import formats, metadata
from pocketkube.resources.base import Column, Resource
from pocketkube.resources.columns import AGE, NAME, age, described

FINALIZER: Final = "kubernetes"
NAME_LABEL: Final = "kubernetes.io/metadata.name"
IMMORTAL: Final = frozenset({"default", "kube-system", "kube-public"})


class RESOURCE(Resource):
    kind = "Namespace"
    plural = "namespaces"
    short_names = ("ns",)
    namespaced = False
    verbs = ("create", "delete", "get", "list", "patch", "update", "watch")
    has_status = True
    returns_deleted = True
    subresources: ClassVar[Mapping[str, tuple[str, tuple[str, ...]]]] = {"finalize": ("Namespace", ("update",))}
    revalidates_metadata = True
    columns = described("namespaces", NAME, Column("Status"), AGE)

    def row(self, obj: Obj) -> list[Any]:
        return [objects.name(obj), objects.status(obj).get("phase", ""), age(self.world.clock, obj)]

    def fields(self, obj: Obj) -> Mapping[str, str]:
        phase = objects.status(obj).get("phase", "")
        return {"metadata.name": objects.name(obj), "name": objects.name(obj), "status.phase": phase}

    def default(self, obj: Obj) -> None:
        obj.setdefault("spec", {})
        if name := objects.name(obj):
            obj["metadata"].setdefault("labels", {})[NAME_LABEL] = name

    def initial_status(self, obj: Obj) -> Obj:
        return {"phase": "Active"}

    def prepare_create(self, obj: Obj) -> None:
        finalizers = list(obj["spec"].get("finalizers") or ())
        obj["spec"]["finalizers"] = finalizers if FINALIZER in finalizers else [*finalizers, FINALIZER]

    def prepare_update(self, new: Obj, old: Obj) -> None:
        _copy_finalizers(new, old)

    def update_subresource(self, subresource: str, new: Obj, old: Obj) -> Iterator[Cause]:
        """`finalize`: only here may spec.finalizers change."""
        yield from self.validate(new)

    def canonicalize(self, obj: Obj) -> None:
        # a generated name is known only now
        obj["metadata"].setdefault("labels", {})[NAME_LABEL] = objects.name(obj)

    def validate_name(self, name: str, *, prefix: bool = False) -> Iterable[str]:
        return formats.dns1123_label(name, prefix=prefix)

    def validate(self, obj: Obj) -> Iterator[Cause]:
        for index, name in enumerate(objects.spec(obj).get("finalizers") or ()):
            yield from _finalizer(f"spec.finalizers[{index}]", name)

    def validate_status(self, new: Obj, old: Obj) -> Iterator[Cause]:
        phase = objects.status(new).get("phase", "")
        if objects.is_terminating(new):
            if phase != "Terminating":
                yield fields.invalid(
                    "status.Phase", phase, "may only be 'Terminating' if `deletionTimestamp` is not empty"
                )
        elif phase != "Active":
            yield fields.invalid("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")

    def check_delete(self, obj: Obj) -> None:
        if objects.name(obj) in IMMORTAL:
            raise Forbidden.of("namespaces", objects.name(obj), "this namespace may not be deleted")

    def prepare_delete(self, obj: Obj) -> bool:
        first = not objects.is_terminating(obj)
        obj.setdefault("status", {})["phase"] = "Terminating"
        return first or bool(objects.spec(obj).get("finalizers"))

    def may_remove(self, obj: Obj) -> bool:
        return not objects.spec(obj).get("finalizers")


def _finalizer(path: str, name: str) -> Iterator[Cause]:
    for problem in formats.qualified_name(name):
        yield fields.invalid(path, name, problem)
    if "/" not in name and name not in metadata.STANDARD_FINALIZERS:
        yield fields.invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified")


def _copy_finalizers(new: Obj, old: Obj) -> None:
    kept = objects.spec(old).get("finalizers")
    new.setdefault("spec", {}).pop("finalizers", None)
    if kept:
        new["spec"]["finalizers"] = kept

"""Rules for metadata, the same for every kind.

Models apimachinery/pkg/api/validation/objectmeta.go. Left out: managedFields; fieldmanager passes
over those that are not well-formed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources.formats import (
    dns1035_label,
    dns1123_label,
    dns1123_subdomain,
    path_segment,
    qualified_name,
)
from pocketkube.selectors import label_value_errors

if TYPE_CHECKING:
    from pocketkube.resources.base import Resource

__all__ = [
    "ANNOTATIONS_LIMIT",
    "annotation_map",
    "dns1035_label",
    "dns1123_label",
    "dns1123_subdomain",
    "domain_prefixed_path",
    "immutable",
    "keep",
    "label_selector",
    "labels",
    "qualified_name",
    "validate",
    "validate_update",
]

ANNOTATIONS_LIMIT: Final = 256 * 1024
_HTTP_PATH: Final = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
IMMUTABLE: Final = "field is immutable"
STANDARD_FINALIZERS: Final = frozenset({"kubernetes", "orphan", "foregroundDeletion"})
_KEPT: Final = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def validate(kind: Resource, obj: Obj, *, generic: bool = False) -> Iterator[Cause]:
    """Field errors of a whole object's metadata; `generic`: as for any kind, without what core kinds ask."""
    meta = obj["metadata"]
    prefix, name = meta.get("generateName", ""), meta.get("name", "")
    if prefix:
        for problem in path_segment(prefix, prefix=True) if generic else kind.validate_name(prefix, prefix=True):
            yield fields.invalid("metadata.generateName", prefix, problem)
    if not name:
        yield fields.required("metadata.name", "name or generateName is required")
    else:
        for problem in path_segment(name) if generic else kind.validate_name(name):
            yield fields.invalid("metadata.name", name, problem)
    namespace = meta.get("namespace", "")
    if kind.namespaced and not namespace:
        yield fields.required("metadata.namespace")
    elif kind.namespaced:
        for problem in dns1123_label(namespace):
            yield fields.invalid("metadata.namespace", namespace, problem)
    elif namespace:
        yield fields.forbidden("metadata.namespace", "not allowed on this type")
    yield from _common(meta)
    yield from _finalizers(meta.get("finalizers") or ())
    if not generic and kind.knows_finalizers:
        yield from _known_finalizers(meta.get("finalizers") or ())


def validate_update(kind: Resource, new: Obj, old: Obj, *, generic: bool = False) -> Iterator[Cause]:
    """Field errors of changed metadata; `generic`: as for any kind, without what core kinds ask of finalizers."""
    meta, stored = new["metadata"], old["metadata"]
    if "deletionTimestamp" in stored:
        extra = sorted(set(meta.get("finalizers") or ()) - set(stored.get("finalizers") or ()))
        if extra:
            listed = "[]string{" + ", ".join(fields.show(f) for f in extra) + "}"
            yield fields.forbidden(
                "metadata.finalizers",
                f"no new finalizers can be added if the object is being deleted, found new finalizers {listed}",
            )
    for name in ("name", "namespace"):
        yield from immutable(f"metadata.{name}", meta.get(name, ""), stored.get(name, ""))
    for name in _KEPT:
        yield from immutable(f"metadata.{name}", meta.get(name), stored.get(name))
    yield from _common(meta)
    if not generic and kind.knows_finalizers:
        yield from _known_finalizers(meta.get("finalizers") or ())


def immutable(path: str, new: Any, old: Any) -> Iterator[Cause]:
    """`field is immutable` when a value changed."""
    if new != old:
        yield fields.invalid(path, new, IMMUTABLE)


def keep(new: Obj, old: Obj) -> None:
    """What came with a status counts for nothing, as with upstream's ResetObjectMetaForStatus."""
    new["metadata"] = {name: value for name, value in old["metadata"].items() if name != "managedFields"}


def labels(path: str, held: Mapping[str, str] | None) -> Iterator[Cause]:
    """Field errors of a label map."""
    for key, value in sorted((held or {}).items()):
        for problem in qualified_name(key):
            yield fields.invalid(path, key, problem)
        for problem in label_value_errors(value):
            yield fields.invalid(path, value, problem)


def annotation_map(path: str, held: Mapping[str, str] | None) -> Iterator[Cause]:
    """Field errors of an annotation map; keys may have upper case in the domain, too."""
    held = held or {}
    for key in sorted(held):
        for problem in qualified_name(key.lower()):
            yield fields.invalid(path, key, problem)
    if sum(len(k.encode()) + len(v.encode()) for k, v in held.items()) > ANNOTATIONS_LIMIT:
        yield fields.too_long(path, ANNOTATIONS_LIMIT)


def domain_prefixed_path(path: str, value: str) -> Iterator[Cause]:
    """Field errors of a name such as `acme.io/foo`."""
    if not value:
        yield fields.required(path)
        return
    host, _, rest = value.partition("/")
    if not host or not rest:
        yield fields.invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')
        return
    for problem in dns1123_subdomain(host):
        yield fields.invalid(path, host, problem)
    if not re.fullmatch(_HTTP_PATH, rest):
        yield fields.invalid(path, rest, f"Invalid path (regex used for validation is '{_HTTP_PATH}')")


def label_selector(path: str, selector: Obj | None) -> Iterator[Cause]:
    """Field errors of a LabelSelector (apimachinery/pkg/apis/meta/v1/validation)."""
    if selector is None:
        return
    yield from labels(f"{path}.matchLabels", selector.get("matchLabels"))
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        at = f"{path}.matchExpressions[{index}]"
        operator, values = expression.get("operator", ""), expression.get("values") or ()
        if operator in ("In", "NotIn"):
            if not values:
                yield fields.required(f"{at}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                yield fields.forbidden(
                    f"{at}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                )
        else:
            yield fields.invalid(f"{at}.operator", operator, "not a valid selector operator")
        for problem in qualified_name(expression.get("key", "")):
            yield fields.invalid(f"{at}.key", expression.get("key", ""), problem)
        for position, value in enumerate(values):
            for problem in label_value_errors(value):
                yield fields.invalid(f"{at}.values[{position}]", value, problem)


def _common(meta: Obj) -> Iterator[Cause]:
    yield from labels("metadata.labels", meta.get("labels"))
    yield from annotation_map("metadata.annotations", meta.get("annotations"))
    yield from _owners(meta.get("ownerReferences") or [])


def _owners(references: list[Obj]) -> Iterator[Cause]:
    path, first = "metadata.ownerReferences", ""
    for ref in references:
        version = ref.get("apiVersion", "")
        if not version.rpartition("/")[2]:
            yield fields.invalid(f"{path}.apiVersion", version, "version must not be empty")
        for name in ("kind", "name", "uid"):
            if not ref.get(name):
                yield fields.invalid(f"{path}.{name}", ref.get(name, ""), "must not be empty")
        if (version, ref.get("kind")) == ("v1", "Event"):
            yield fields.invalid(path, ref, "/v1, Kind=Event is disallowed from being an owner")
        if ref.get("controller"):
            current = f"{ref.get('kind', '')}/{ref.get('name', '')}"
            if first:
                yield fields.invalid(
                    path,
                    references,
                    "Only one reference can have Controller set to true. "
                    f'Found "true" in references for {first} and {current}',
                )
            else:
                first = current


def _finalizers(names: Iterable[str]) -> Iterator[Cause]:
    names = list(names)
    for name in names:
        for problem in qualified_name(name):
            yield fields.invalid("metadata.finalizers", name, problem)
    if {"orphan", "foregroundDeletion"} <= set(names):
        yield fields.invalid("metadata.finalizers", names, "finalizer orphan and foregroundDeletion cannot be both set")


def _known_finalizers(names: Iterable[str]) -> Iterator[Cause]:
    for index, name in enumerate(names):
        if "/" not in name and name not in STANDARD_FINALIZERS:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            yield fields.invalid(f"metadata.finalizers[{index}]", name, why)

"""What a PersistentVolumeClaim may say, and what of it may change.

Models ValidatePersistentVolumeClaim* (pkg/apis/core/validation) and pkg/api/persistentvolumeclaim, with the gates of
v1.36: a claim may name a class of volume attributes and take back a larger size; no data from another namespace.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from pocketkube import fields, objects, quantity
from pocketkube.claims import CLASS_ANNOTATION
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, internal, metadata
from pocketkube.resources.persistentvolume_spec import volumes

_IMMUTABLE: Final = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)
_BELOW: Final = "field can not be less than status.capacity"
_OWN_KIND: Final = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
_NO_MODE: Final = "at least 1 access mode is required"
_ATTRIBUTES: Final = "volumeAttributesClassName"
_RESIZE_STATUSES: Final = (
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizePending",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
)
_CLASS_DEPRECATED: Final = 'deprecated since v1.8; use "storageClassName" attribute instead'


def prepare(spec: Obj, old: Obj | None) -> None:
    """Drop sources of data that are not taken, and write in both fields what one of them says (KEP 1495), in place."""
    if _elsewhere(spec) and (old or {}).get("dataSourceRef") is None:
        spec.pop("dataSourceRef", None)
    had_source = old is not None and (old.get("dataSource") is not None or old.get("dataSourceRef") is not None)
    if not had_source and spec.get("dataSourceRef") is None and not _known_source(spec.get("dataSource")):
        spec.pop("dataSource", None)
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None:
        spec["dataSourceRef"] = dict(source)
    elif reference is not None and source is None and not reference.get("namespace"):
        spec["dataSource"] = {name: value for name, value in reference.items() if name != "namespace"}


def validate(spec: Obj, path: str = "spec", *, had_group: bool = False, selector: bool = True) -> Iterator[Cause]:
    """Field errors of the spec of a claim or of a claim's template at `path`.

    `had_group`: whether the stored claim has a source with an API group, which is not looked at again then;
    `selector`: whether to look at it (not where the stored claim has a wrong one).
    """
    modes = list(volumes.access_modes(f"{path}.accessModes", spec.get("accessModes") or (), _NO_MODE))
    yield from (cause for cause in modes if cause.reason == "FieldValueRequired")
    if selector:
        yield from metadata.label_selector(f"{path}.selector", spec.get("selector"))
    yield from (cause for cause in modes if cause.reason != "FieldValueRequired")
    at, asked = f"{path}.resources[storage]", objects.dig(spec, "resources", "requests", "storage")
    if asked is None:
        yield fields.required(at)
    else:
        yield from volumes.positive(at, asked)
    if spec.get("storageClassName"):
        yield from volumes.class_name(f"{path}.storageClassName", spec["storageClassName"])
    yield from volumes.volume_mode(f"{path}.volumeMode", spec.get("volumeMode"))
    yield from _sources(path, spec, had_group=had_group)
    if spec.get(_ATTRIBUTES):
        yield from volumes.class_name(f"{path}.{_ATTRIBUTES}", spec[_ATTRIBUTES])


def validate_update(new: Obj, old: Obj) -> Iterator[Cause]:
    """Field errors of a changed claim."""
    after, before = objects.spec(new), objects.spec(old)
    had_group = any((before.get(name) or {}).get("apiGroup") is not None for name in ("dataSource", "dataSourceRef"))
    known_selector = not list(metadata.label_selector("spec.selector", before.get("selector")))
    yield from validate(after, had_group=had_group, selector=known_selector)

    stored = objects.copy(before)
    prepare(stored, before)  # as the new one was, so that claims of old clients compare
    wanted = dict(after)
    if not stored.get("volumeName"):
        _take(stored, wanted, "volumeName")  # may be set once
    if _names_class_of_annotation(new, old):
        wanted.pop("storageClassName", None)
    else:
        yield from _class_annotation(new, old)
        if _names_first_class(new, old):
            _take(wanted, stored, "storageClassName")
    if objects.status(new).get("phase") == "Bound":
        _keep_mutable(wanted, stored)
    if not internal.equal("PersistentVolumeClaimSpec", stored, wanted):
        difference = internal.diff("PersistentVolumeClaimSpec", stored, wanted)
        yield fields.forbidden("spec", f"{_IMMUTABLE}\n{difference}")
    if _storage(after) < _storage(before) and _storage(after) <= _capacity(old):
        yield fields.forbidden("spec.resources.requests.storage", _BELOW)
    yield from metadata.immutable("volumeMode", after.get("volumeMode"), before.get("volumeMode"))
    current = objects.status(old).get("currentVolumeAttributesClassName")
    if after.get(_ATTRIBUTES) != before.get(_ATTRIBUTES) and current is not None and not after.get(_ATTRIBUTES):
        to = "nil" if after.get(_ATTRIBUTES) is None else "empty string"
        why = f"update to {to} is forbidden when status.currentVolumeAttributesClassName is not nil"
        yield fields.forbidden(f"spec.{_ATTRIBUTES}", why)


def validate_status(new: Obj) -> Iterator[Cause]:
    """Field errors of a changed status."""
    status = objects.status(new)
    if not objects.spec(new).get("accessModes"):
        yield fields.required("Spec.accessModes")
    for name, amount in sorted((status.get("capacity") or {}).items()):
        yield from volumes.basic(f"status.capacity[{name}]", amount)
    at = "status.allocatedResourceStatuses"
    for name, state in sorted((status.get("allocatedResourceStatuses") or {}).items()):
        yield from _resource_name(at, name)
        if state not in _RESIZE_STATUSES:
            yield fields.not_supported(at, name, _RESIZE_STATUSES)
    at = "status.allocatedResources"
    for name, amount in sorted((status.get("allocatedResources") or {}).items()):
        wrong = list(_resource_name(at, name))
        yield from wrong or volumes.basic(f"{at}[{name}]", amount)


def warnings(obj: Obj) -> Iterator[str]:
    """What a claim is warned about."""
    if CLASS_ANNOTATION in objects.annotations(obj):
        yield f"metadata.annotations[{CLASS_ANNOTATION}]: {_CLASS_DEPRECATED}"
    yield from spec_warnings("spec", objects.spec(obj))


def spec_warnings(path: str, spec: Obj) -> Iterator[str]:
    """What the spec of a claim, or of a claim's template at `path`, is warned about."""
    for name in ("requests", "limits"):
        amount = objects.dig(spec, "resources", name, "storage")
        if amount is not None and quantity.milli(amount) % 1000:
            shown = quantity.canonical(amount)
            yield f'{path}.resources.{name}[storage]: fractional byte value "{shown}" is invalid, must be an integer'


def _elsewhere(spec: Obj) -> bool:
    return bool((spec.get("dataSourceRef") or {}).get("namespace"))


def _known_source(source: Obj | None) -> bool:
    named = (source or {}).get("apiGroup") or "", (source or {}).get("kind")
    return named in (("", "PersistentVolumeClaim"), ("snapshot.storage.k8s.io", "VolumeSnapshot"))


def _sources(path: str, spec: Obj, *, had_group: bool) -> Iterator[Cause]:
    for name in ("dataSource", "dataSourceRef"):
        if spec.get(name) is not None:
            yield from _data_source(f"{path}.{name}", spec[name], had_group=had_group)
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is None or reference is None:
        return
    # what is printed is a path, and a path has nothing in it to print
    if reference.get("namespace"):
        yield fields.invalid(path, {}, "may not be specified when dataSourceRef.namespace is specified")
    elif any(source.get(name) != reference.get(name) for name in ("apiGroup", "kind", "name")):
        yield fields.invalid(path, {}, "must match dataSourceRef")


def _data_source(at: str, source: Obj, *, had_group: bool) -> Iterator[Cause]:
    for name in ("name", "kind"):
        if not source.get(name):
            yield fields.required(f"{at}.{name}")
    group, kind = source.get("apiGroup") or "", source.get("kind", "")
    if not group and kind != "PersistentVolumeClaim":
        yield fields.invalid(at, kind, _OWN_KIND)
    for problem in formats.dns1123_subdomain(group) if group and not had_group else ():
        yield fields.invalid(f"{at}.apiGroup", group, problem)
    for problem in formats.dns1123_label(source["namespace"]) if source.get("namespace") else ():
        yield fields.invalid(f"{at}.namespace", source["namespace"], problem)


def _take(target: Obj, source: Obj, name: str) -> None:
    """Make one field of `target` what it is in `source`, in place."""
    target.pop(name, None)
    if name in source:
        target[name] = source[name]


def _keep_mutable(wanted: Obj, stored: Obj) -> None:
    """What a bound claim may change is taken from what is stored, in place."""
    requests = objects.dig(wanted, "resources", "requests")
    if requests is not None:
        asked = objects.dig(stored, "resources", "requests", "storage")
        wanted["resources"] = {**wanted["resources"], "requests": {**requests, "storage": asked}}
    _take(wanted, stored, _ATTRIBUTES)


def _names_class_of_annotation(new: Obj, old: Obj) -> bool:
    """Whether a class that the annotation named moves into the field."""
    annotated, wanted = objects.annotations(old).get(CLASS_ANNOTATION), objects.spec(new).get("storageClassName")
    return (
        annotated is not None
        and objects.spec(old).get("storageClassName") is None
        and wanted == annotated
        and objects.annotations(new).get(CLASS_ANNOTATION, annotated) == annotated
    )


def _class_annotation(new: Obj, old: Obj) -> Iterator[Cause]:
    after, before = (objects.annotations(obj).get(CLASS_ANNOTATION, "") for obj in (new, old))
    yield from metadata.immutable(f"metadata.annotations.{CLASS_ANNOTATION}", after, before)


def _names_first_class(new: Obj, old: Obj) -> bool:
    """Whether a claim without a class gets one, as the binder does when a default class appears."""
    wanted = objects.spec(new).get("storageClassName")
    return (
        wanted is not None
        and objects.spec(old).get("storageClassName") is None
        and objects.annotations(old).get(CLASS_ANNOTATION, wanted) == wanted
    )


def _storage(spec: Obj) -> Decimal:
    return _amount(objects.dig(spec, "resources", "requests", "storage"))


def _capacity(obj: Obj) -> Decimal:
    return _amount(objects.dig(objects.status(obj), "capacity", "storage"))


def _amount(text: Any) -> Decimal:
    return quantity.parse(text if text is not None else "0")


def _resource_name(path: str, name: str) -> Iterator[Cause]:
    problems = formats.qualified_name(name)
    for problem in problems:
        yield fields.invalid(path, name, problem)
    if not problems and ("/" not in name or "kubernetes.io/" in name) and name != "storage":
        yield fields.not_supported(path, name, ("storage",), in_order=True)

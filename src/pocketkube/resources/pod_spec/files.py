"""Volumes made of what the API holds: Secrets, ConfigMaps, the pod's own fields, tokens.

Models validateSecretVolumeSource, validateConfigMapVolumeSource, validateDownwardAPIVolumeSource and
validateProjectedVolumeSource (pkg/apis/core/validation). Certificates and trust bundles are dropped before (defaults).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources.pod_spec.environment import field_ref, resource_ref
from pocketkube.resources.volume_sources import no_backsteps

_FIELDS: Final = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_MODE: Final = "must be a number between 0 and 0777 (octal), both inclusive"


def validate(at: str, type_: str, source: Obj) -> Iterator[Cause]:
    """Field errors of a source of the type, all of which hold files."""
    match type_:
        case "secret":
            yield from _keyed(at, source, "secretName")
        case "configMap":
            yield from _keyed(at, source, "name")
        case "downwardAPI":
            yield from _mode(f"{at}.defaultMode", source.get("defaultMode"))
            for item in source.get("items") or ():
                yield from _downward_file(at, item)
        case "projected":
            yield from _projected(at, source)


def _mode(path: str, mode: int | None) -> Iterator[Cause]:
    if mode is not None and not 0 <= mode <= 0o777:
        yield fields.invalid(path, mode, _MODE)


def _keyed(at: str, source: Obj, name: str) -> Iterator[Cause]:
    if not source.get(name):
        yield fields.required(f"{at}.{name}")
    yield from _mode(f"{at}.defaultMode", source.get("defaultMode"))
    for index, item in enumerate(source.get("items") or ()):
        yield from _item(f"{at}.items[{index}]", item)


def _item(at: str, item: Obj) -> Iterator[Cause]:
    for name in ("key", "path"):
        if not item.get(name):
            yield fields.required(f"{at}.{name}")
    yield from _inner_path(f"{at}.path", item.get("path", ""))
    yield from _mode(f"{at}.mode", item.get("mode"))


def _downward_file(at: str, item: Obj) -> Iterator[Cause]:
    if not item.get("path"):
        yield fields.required(f"{at}.path")
    yield from _inner_path(f"{at}.path", item.get("path", ""))
    field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if field is not None:
        yield from field_ref(f"{at}.fieldRef", field, _FIELDS)
        if resource is not None:
            yield fields.invalid(at, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif resource is not None:
        yield from resource_ref(f"{at}.resourceFieldRef", resource, volume=True)
    else:
        yield fields.required(at, "one of fieldRef and resourceFieldRef is required")
    yield from _mode(f"{at}.mode", item.get("mode"))


def _projected(path: str, projected: Obj) -> Iterator[Cause]:
    yield from _mode(f"{path}.defaultMode", projected.get("defaultMode"))
    taken: set[str] = set()

    def claim(target: str, shown: str) -> Iterator[Cause]:
        if target in taken:
            yield fields.invalid(path, shown, "conflicting duplicate paths")
        elif target:
            taken.add(target)

    for index, source in enumerate(projected.get("sources") or ()):
        at = f"{path}.sources[{index}]"
        for name in ("secret", "configMap"):
            found = source.get(name)
            if found is None:
                continue
            if not found.get("name"):
                yield fields.required(f"{at}.{name}.name")
            for position, item in enumerate(found.get("items") or ()):
                yield from _item(f"{at}.{name}.items[{position}]", item)
                yield from claim(item.get("path", ""), found.get("name", ""))
        for item in (source.get("downwardAPI") or {}).get("items") or ():
            yield from _downward_file(f"{at}.downwardAPI", item)
            yield from claim(item.get("path", ""), item.get("path", ""))
        if source.get("serviceAccountToken") is not None:
            yield from _token(path, f"{at}.serviceAccountToken", source["serviceAccountToken"])
        if sum(value is not None for value in source.values()) > 1:
            yield fields.forbidden(at, "may not specify more than 1 volume type per source")


def _token(path: str, at: str, token: Obj) -> Iterator[Cause]:
    seconds = token.get("expirationSeconds", 0)
    if seconds < 600:
        yield fields.invalid(f"{at}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    if seconds > 2**32:
        why = "may not specify a duration larger than 2^32 seconds"
        yield fields.invalid(f"{at}.expirationSeconds", seconds, why)
    if not token.get("path"):
        yield fields.required(f"{path}.path")
    else:
        yield from _inner_path(f"{path}.path", token["path"])


def descending(path: str, target: str) -> Iterator[Cause]:
    """Field errors of a path that must stay below where it starts."""
    if target.startswith("/"):
        yield fields.invalid(path, target, "must be a relative path")
    yield from no_backsteps(path, target)


def _inner_path(path: str, target: str) -> Iterator[Cause]:
    yield from descending(path, target)
    if target.startswith("..") and not target.startswith("../"):
        yield fields.invalid(path, target, "must not start with '..'")

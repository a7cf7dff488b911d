"""A container's environment: variables and where their values come from.

Models ValidateEnv, ValidateEnvFrom and the selectors below them (pkg/apis/core/validation).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from pocketkube import fields, quantity
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats

_FIELDS: Final = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_LABELS: Final = frozenset(
    (*_FIELDS, "metadata.annotations", "metadata.labels", "spec.restartPolicy", "spec.schedulerName", "status.phase")
)
_SIDES, _AMOUNTS = ("limits", "requests"), ("cpu", "memory", "ephemeral-storage")
_RESOURCES: Final = tuple(f"{side}.{amount}" for side in _SIDES for amount in _AMOUNTS)
_UNITS: Final = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_DIVISORS: Final = {
    "cpu": (("1m", "1"), "cpu resource"),
    "memory": (_UNITS, "memory resource"),
    "ephemeral-storage": (_UNITS, "local ephemeral storage resource"),
}
_SUBSCRIPT = re.compile(r"([^\[]+)\['(.*)'\]")
_SOURCES: Final = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")


def variables(path: str, env: Iterable[Obj]) -> Iterator[Cause]:
    """Field errors of env."""
    for index, variable in enumerate(env):
        at, name = f"{path}[{index}]", variable.get("name", "")
        if not name:
            yield fields.required(f"{at}.name")
        for problem in formats.env_name(name) if name else ():
            yield fields.invalid(f"{at}.name", name, problem)
        if variable.get("valueFrom") is not None:
            yield from _value_from(f"{at}.valueFrom", variable["valueFrom"], variable.get("value", ""))


def _value_from(at: str, source: Obj, value: str) -> Iterator[Cause]:
    found = [name for name in _SOURCES if source.get(name) is not None]
    for name in found:
        ref, path = source[name], f"{at}.{name}"
        match name:
            case "fieldRef":
                yield from field_ref(path, ref, _FIELDS)
            case "resourceFieldRef":
                yield from resource_ref(path, ref, volume=False)
            case "fileKeyRef":
                yield from _file_key(path, ref)
            case _:
                yield from _key(path, ref)
    if not found:
        listed = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        yield fields.invalid(at, "", f"must specify one of: {listed}")
    elif value:
        yield fields.invalid(at, "", "may not be specified when `value` is not empty")
    elif len(found) > 1:
        yield fields.invalid(at, "", "may not have more than one field specified at a time")


def _key(path: str, ref: Obj) -> Iterator[Cause]:
    for problem in formats.dns1123_subdomain(ref.get("name", "")):
        yield fields.invalid(f"{path}.name", ref.get("name", ""), problem)
    key = ref.get("key", "")
    if not key:
        yield fields.required(f"{path}.key")
    for problem in formats.config_key(key) if key else ():
        yield fields.invalid(f"{path}.key", key, problem)


def _file_key(path: str, ref: Obj) -> Iterator[Cause]:
    checks = (("key", formats.env_name), ("volumeName", formats.dns1123_label), ("path", _steps))
    for name, problems_of in checks:
        value = ref.get(name, "")
        if not value:
            yield fields.required(f"{path}.{name}")
        for problem in problems_of(value) if value else ():
            yield fields.invalid(f"{path}.{name}", value, problem)


def _steps(value: str) -> list[str]:
    return ["must not contain '..'"] if ".." in value.split("/") else []


def field_ref(path: str, ref: Obj, allowed: Iterable[str]) -> Iterator[Cause]:
    """Field errors of an ObjectFieldSelector; `allowed` are the paths this place takes."""
    version, field = ref.get("apiVersion", ""), ref.get("fieldPath", "")
    for name, value in (("apiVersion", version), ("fieldPath", field)):
        if not value:
            yield fields.required(f"{path}.{name}")
            return
    at = f"{path}.fieldPath"
    subscripted = _SUBSCRIPT.fullmatch(field)
    if version != "v1":
        yield fields.invalid(at, field, f"error converting fieldPath: unsupported pod version: {version}")
    elif subscripted:
        base, key = subscripted.groups()
        if base not in ("metadata.annotations", "metadata.labels"):
            why = f"error converting fieldPath: field label does not support subscript: {field}"
            yield fields.invalid(at, field, why)
            return
        key = key.lower() if base == "metadata.annotations" else key
        yield from (fields.invalid(path, key, problem) for problem in formats.qualified_name(key))
    elif field not in _LABELS and field != "spec.host":
        yield fields.invalid(at, field, f"error converting fieldPath: field label not supported: {field}")
    elif field.replace("spec.host", "spec.nodeName") not in allowed and field not in allowed:
        yield fields.not_supported(at, field, allowed)


def resource_ref(path: str, ref: Obj, *, volume: bool) -> Iterator[Cause]:
    """Field errors of a ResourceFieldSelector."""
    resource = ref.get("resource", "")
    if volume and not ref.get("containerName"):
        yield fields.required(f"{path}.containerName")
    elif not resource:
        yield fields.required(f"{path}.resource")
    elif resource not in _RESOURCES and not resource.startswith(("requests.hugepages-", "limits.hugepages-")):
        yield fields.not_supported(f"{path}.resource", resource, _RESOURCES)
    divisor = quantity.canonical(ref.get("divisor", "0"))
    units, noun = _DIVISORS.get(resource.partition(".")[2], (_UNITS, "hugepages resource"))
    known = resource in _RESOURCES or ".hugepages-" in resource
    if known and quantity.parse(divisor) and divisor not in units:
        listed = "1m and 1" if noun == "cpu resource" else ", ".join(units)
        yield fields.invalid(
            f"{path}.divisor", resource, f"only divisor's values {listed} are supported with the {noun}"
        )


def sources(path: str, found: Iterable[Obj]) -> Iterator[Cause]:
    """Field errors of envFrom."""
    for index, source in enumerate(found):
        at, prefix = f"{path}[{index}]", source.get("prefix", "")
        for problem in formats.env_name(prefix) if prefix else ():
            yield fields.invalid(f"{at}.prefix", prefix, problem)
        refs = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
        for name in refs:
            value = source[name].get("name", "")
            if not value:
                yield fields.required(f"{at}.{name}.name")
            for problem in formats.dns1123_subdomain(value, prefix=True) if value else ():
                yield fields.invalid(f"{at}.{name}.name", value, problem)
        if not refs:
            yield fields.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(refs) > 1:
            yield fields.invalid(path, "", "may not have more than one field specified at a time")

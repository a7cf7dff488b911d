"""Values as upstream's internal Go types print them, for the errors that show a difference.

Models diff.Diff (apimachinery/pkg/util/diff) and Semantic.DeepEqual of core.PodSpec, core.PersistentVolumeClaimSpec and
core.PersistentVolumeSource: Go field names in Go order, null for what is absent.
The fields are in data/internal-types.json: per type [Go name, manifest name, type], where a type is s(tring), i(nt),
b(ool), q(uantity), o (int or string), another type's name, or {p: pointer | l: list | m: map} to one; `?Name` is
found elsewhere.
"""

from __future__ import annotations

import difflib
import json
from functools import cache
from importlib import resources
from typing import Any, Final

from pocketkube import quantity
from pocketkube.objects import Obj

_ZERO: Final[dict[str, Any]] = {"s": "", "i": 0, "b": False, "q": "0", "o": 0}
# These live in the spec itself in manifests, and in the security context inside.
_MOVED: Final = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")


@cache
def types() -> dict[str, list[tuple[str, str, Any]]]:
    """The internal types, as the module's text says."""
    text = resources.files("pocketkube").joinpath("data/internal-types.json").read_text("utf-8")
    found: dict[str, list[tuple[str, str, Any]]] = json.loads(text)
    return found


def pod_spec_diff(old: Obj, new: Obj) -> str:
    """A unified diff of two pod specs, three lines of context, each line ended."""
    return diff("PodSpec", _with_moved(old), _with_moved(new))


def pod_spec(spec: Obj) -> Obj:
    """A pod spec as an error shows that prints one."""
    return _struct("PodSpec", _with_moved(spec))


def pod_template(template: Obj) -> Obj:
    """A pod template as an error shows that prints one: its metadata is that of the API."""
    held = template.get("metadata") or {}
    meta = {name: dict(sorted(held[name].items())) for name in ("labels", "annotations") if held.get(name)}
    others = {name: value for name, value in held.items() if value and name not in ("labels", "annotations")}
    return {**others, **meta, "Spec": pod_spec(template.get("spec") or {})}


def equal_pod_specs(one: Obj, other: Obj) -> bool:
    """As `equal`, of pod specs."""
    return equal("PodSpec", _with_moved(one), _with_moved(other))


def diff(type_: str, old: Obj, new: Obj) -> str:
    """A unified diff of two values of an internal type."""
    before, after = (_lines(type_, value) for value in (old, new))
    return "".join(list(difflib.unified_diff(before, after, n=3))[2:])


def equal(type_: str, one: Obj, other: Obj) -> bool:
    """Whether two values of an internal type are worth the same: absent is empty, `1Gi` is `1024Mi`."""
    return bool(_worth(type_, one) == _worth(type_, other))


def _worth(kind: Any, value: Any) -> Any:
    if kind == "q":
        return quantity.parse(value or "0")
    if isinstance(kind, str):
        if kind in _ZERO or kind.startswith("raw:"):
            return _value(kind, value)
        return [_worth(field, (value or {}).get(name)) for _, name, field in types()[kind]]
    if value is None or (not value and "p" not in kind):
        return None
    if "p" in kind:
        return _worth(kind["p"], value)
    if "l" in kind:
        return [_worth(kind["l"], item) for item in value]
    return {key: _worth(kind["m"], item) for key, item in value.items()}


def value_of(type_: str, value: Obj | None) -> Any:
    """A value as an error shows that prints an internal type."""
    return None if value is None else _struct(type_, value)


def _lines(type_: str, value: Obj) -> list[str]:
    text = json.dumps(_struct(type_, value), indent=1, ensure_ascii=False) + "\n"
    for character in "<>&":  # Go's encoder makes JSON safe to put into HTML
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.splitlines(keepends=True)


def _with_moved(spec: Obj) -> Obj:
    context = dict(spec.get("securityContext") or {})
    for name in _MOVED:
        if name in spec:
            context[f"?{name[0].upper()}{name[1:]}"] = spec[name]
    return {**spec, "securityContext": context}


def _struct(type_: str, value: Obj) -> Obj:
    return {go: _value(kind, value.get(name)) for go, name, kind in types()[type_]}


def _value(kind: Any, value: Any) -> Any:
    if isinstance(kind, str):
        if kind == "raw:LabelSelector":
            return selector(value)
        if kind.startswith("raw:"):
            return value
        if kind in _ZERO:
            return _ZERO[kind] if value is None else value
        return _struct(kind, value or {})
    if value is None:
        return None
    if "p" in kind:
        return _value(kind["p"], value)
    if "l" in kind:
        return [_value(kind["l"], item) for item in value] or None
    return {key: _value(kind["m"], item) for key, item in sorted(value.items())} or None


def selector(selector: Obj | None) -> Obj | None:
    """A type that is the same inside and outside, in the order it is declared in."""
    if selector is None:
        return None
    labels, expressions = selector.get("matchLabels"), selector.get("matchExpressions")
    shown: Obj = {"matchLabels": dict(sorted(labels.items()))} if labels else {}
    if expressions:
        names = ("key", "operator", "values")
        shown["matchExpressions"] = [{name: item[name] for name in names if name in item} for item in expressions]
    return shown

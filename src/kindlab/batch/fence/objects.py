"""Objects as a submission has them: fields may be missing, or hold what does not belong there. What reads them here
never raises; what is malformed is left to the API, which refuses it in its own words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kindlab.api import Obj
from kindlab.kinds import TEMPLATES


@dataclass(frozen=True)
class Said:
    """Why an object is refused, and what its student can do."""

    why: str
    then: str = ""


def label(obj: Obj) -> str:
    return f"{obj['kind'].lower()}/{name_of(obj)}"[:200]


def name_of(obj: Obj) -> str:
    return str(at(obj, "metadata").get("name", ""))


def group_of(obj: Obj) -> str:
    """The API group, "" for the core's."""
    group, slash, _ = str(obj.get("apiVersion", "")).partition("/")
    return group if slash else ""


def kind_of(obj: Obj) -> str:
    """As labs spell it: `Service`, `Deployment.apps`."""
    group = group_of(obj)
    return f"{obj['kind']}.{group}" if group else str(obj["kind"])


def at(obj: Any, *path: str) -> dict[str, Any]:
    """The mapping below a path, empty where there is none."""
    for key in path:
        obj = obj.get(key) if isinstance(obj, dict) else None
    return obj if isinstance(obj, dict) else {}


def items(obj: Any, key: str) -> list[dict[str, Any]]:
    """The mappings in a list of an object."""
    found = obj.get(key) if isinstance(obj, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def texts(obj: Any, key: str) -> list[str]:
    found = obj.get(key) if isinstance(obj, dict) else None
    return [str(one) for one in found] if isinstance(found, list) else []


def whole(value: Any, default: int = 0) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def pod_templates(obj: Obj) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(where, metadata, spec) of the Pod that the object is, or is to make."""
    if obj["kind"] == "Pod":
        yield "spec", at(obj, "metadata"), at(obj, "spec")
    elif path := TEMPLATES.get(obj["kind"]):
        template = at(obj, *path)
        yield ".".join((*path, "spec")), at(template, "metadata"), at(template, "spec")


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [c for key in ("initContainers", "containers", "ephemeralContainers") for c in items(spec, key)]


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a value, itself too. Its depth is bounded before (sizes.shape)."""
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from walk(one)
    elif isinstance(value, list):
        for one in value:
            yield from walk(one)

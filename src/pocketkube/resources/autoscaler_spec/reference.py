"""Field errors of the objects that a HorizontalPodAutoscaler names: what it scales, what a metric is about.

Models ValidateCrossVersionObjectReference and ValidateAPIVersion (pkg/apis/autoscaling/validation).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats


class MalformedVersion(ValueError):
    """No apiVersion; the message is upstream's."""


@dataclass(frozen=True)
class Lenience:
    """What an apiVersion may be that should not be."""

    without_group: bool = False
    anything: bool = False


def group_version(text: str) -> tuple[str, str]:
    """(group, version) of an apiVersion; raises MalformedVersion."""
    if text in ("", "/"):
        return "", ""
    group, slash, version = text.partition("/")
    if "/" in version:
        raise MalformedVersion(f"unexpected GroupVersion string: {text}")
    return (group, version) if slash else ("", group)


def reference(path: str, found: Obj, lenience: Lenience) -> Iterator[Cause]:
    for field in ("kind", "name"):
        value = found.get(field, "")
        if not value:
            yield fields.required(f"{path}.{field}")
        yield from (fields.invalid(f"{path}.{field}", value, problem) for problem in formats.path_segment(value))
    if why := version_problem(found.get("apiVersion", ""), lenience):
        yield fields.invalid(f"{path}.apiVersion", found.get("apiVersion", ""), why)


def version_problem(text: str, lenience: Lenience) -> str:
    """What is wrong with an apiVersion, or ""."""
    if lenience.anything:
        return ""
    try:
        group, _ = group_version(text)
    except MalformedVersion as error:
        return str(error)
    return "" if group or lenience.without_group else "apiVersion must specify API group"

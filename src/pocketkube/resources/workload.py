"""What Deployments, ReplicaSets, StatefulSets and DaemonSets have in common: replicas, a selector, a pod template.

Models ValidateReplicaSetSpec and ValidatePodTemplateSpecForReplicaSet (pkg/apis/apps/validation) and the warnings of
their strategies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pocketkube import fields, objects, selectors
from pocketkube.errors import BadRequest, Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, metadata
from pocketkube.resources.pod_spec import validation, warnings


def not_negative(path: str, value: int | None) -> Iterator[Cause]:
    """Field error of a number below zero."""
    if value is not None and value < 0:
        yield fields.invalid(path, value, formats.NOT_NEGATIVE)


def int_or_percent(path: str, value: int | str) -> Iterator[Cause]:
    """Field errors of a number that may be a percentage."""
    if isinstance(value, int):
        yield from not_negative(path, value)
    else:
        yield from (fields.invalid(path, value, problem) for problem in formats.percent(value))


def at_most_all(path: str, value: int | str) -> Iterator[Cause]:
    """The field error of a percentage above 100."""
    if isinstance(value, str) and not formats.percent(value) and number(value) > 100:
        yield fields.invalid(path, value, "must not be greater than 100%")


def number(value: int | str) -> int:
    """A number, or that of a percentage; 0 when it is neither."""
    if isinstance(value, int):
        return value
    digits = value.removesuffix("%")
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def selector(path: str, found: Obj | None, kind: str = "deployment") -> Iterator[Cause]:
    """Field errors of a selector, which must be there and say something. `kind`: as the text names it."""
    if found is None:
        yield fields.required(path)
        return
    yield from metadata.label_selector(path, found)
    if not found.get("matchLabels") and not found.get("matchExpressions"):
        yield fields.invalid(path, found, f"empty selector is invalid for {kind}")


def template(path: str, spec: Obj) -> Iterator[Cause]:
    """Field errors of a template of pods that always restart, and of a selector that does not select them."""
    found = spec.get("template") or {}
    try:
        matches = selectors.from_label_selector(spec.get("selector"))
    except BadRequest:
        yield fields.invalid("spec.selector", spec.get("selector"), "invalid label selector")
        return
    yield from selected(path, found, matches)
    yield from validation.template(path, found)
    yield from restarting(path, found, "ReplicaSet")


def selected(path: str, found: Obj, matches: selectors.LabelSelector) -> Iterator[Cause]:
    """The field error of a template whose labels the selector does not select."""
    held = objects.labels(found)
    if not matches.empty and not matches(held):
        shown = dict(sorted(held.items())) if held else None
        yield fields.invalid(f"{path}.metadata.labels", shown, "`selector` does not match template `labels`")


def restarting(path: str, found: Obj, kind: str) -> Iterator[Cause]:
    """Field errors of a template whose pods would end for good."""
    pod = objects.spec(found)
    if pod.get("restartPolicy") != "Always":
        yield fields.not_supported(f"{path}.spec.restartPolicy", pod.get("restartPolicy", ""), ("Always",))
    if pod.get("activeDeadlineSeconds") is not None:
        why = f"activeDeadlineSeconds in {kind} is not Supported"
        yield fields.forbidden(f"{path}.spec.activeDeadlineSeconds", why)


def status(found: Obj, *counts: str, ready: str = "readyReplicas") -> Iterator[Cause]:
    """Field errors of a status: the counts named must not exceed its replicas. `ready`: that count in the text."""
    for name, value in found.items():
        if isinstance(value, int):
            yield from not_negative(f"status.{name}", value)
    replicas = found.get("replicas", 0)
    for name in counts:
        if found.get(name, 0) > replicas:
            yield fields.invalid(f"status.{name}", found[name], "cannot be greater than status.replicas")
    available = found.get("availableReplicas", 0)
    if available > found.get("readyReplicas", 0):
        yield fields.invalid("status.availableReplicas", available, f"cannot be greater than {ready}")


def warned(new: Obj, old: Obj | None) -> Iterable[str]:
    """Warnings about names that make poor host names, and about the template."""
    if old is None:
        yield from name_warned(new)
    elif new["metadata"].get("generation") == old["metadata"].get("generation"):
        return
    yield from warnings.of_template("spec.template", objects.spec(new).get("template") or {})


def name_warned(new: Obj) -> Iterable[str]:
    """The warning about a name that makes a poor host name."""
    if problems := formats.dns1123_label(objects.name(new)):
        yield (
            "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; "
            f"a DNS label is recommended: [{' '.join(problems)}]"
        )

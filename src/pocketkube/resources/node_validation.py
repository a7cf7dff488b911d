"""What a Node may hold.

Models ValidateNode, ValidateNodeUpdate (pkg/apis/core/validation) and nodeWarnings (pkg/registry/core/node). Left out:
the annotations of taints and of pods to avoid, from before there were fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, resource_names
from pocketkube.selectors import label_value_errors

_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_FEATURE: Final = re.compile(r"[A-Z][a-zA-Z0-9]*(/[a-zA-Z][a-zA-Z0-9]*)*")
_FEATURE_LENGTH: Final = 253


def node(obj: Obj) -> Iterator[Cause]:
    """Field errors of a node, new or changed."""
    spec, status = objects.spec(obj), objects.status(obj)
    yield from _taints(spec.get("taints") or ())
    yield from _status(status)
    swap = objects.dig(status, "nodeInfo", "swap", "capacity")
    if swap is not None and swap <= 0:
        yield fields.invalid("metadata.nodeSwapStatus.capacity", swap, formats.POSITIVE)  # so it is upstream
    cidrs = spec.get("podCIDRs") or []
    for index, cidr in enumerate(cidrs):
        for problem in formats.cidr_legacy(cidr):
            yield fields.invalid(f"spec.podCIDRs[{index}]", cidr, problem)
    if len(cidrs) > 1 and (len(cidrs) > 2 or len({":" in cidr for cidr in cidrs}) < 2):
        yield fields.invalid("spec.podCIDRs", cidrs, "may specify no more than one CIDR for each IP family")


def update(new: Obj, old: Obj) -> Iterator[Cause]:
    """Field errors of a changed node, or of its status."""
    after, before = objects.spec(new), objects.spec(old)
    yield from _status(objects.status(new))
    seen: list[Obj] = []
    for index, address in enumerate(objects.status(new).get("addresses") or ()):
        if address in seen:
            shown = {"Type": address.get("type", ""), "Address": address.get("address", "")}
            yield fields.duplicate(f"status.addresses[{index}]", shown)
        seen.append(address)
    for name, called in (("podCIDRs", "podCIDR"), ("providerID", "providerID")):
        if before.get(name) and after.get(name) != before[name]:
            yield fields.forbidden(f"spec.{name}", f'node updates may not change {called} except from "" to valid')
    yield from _taints(after.get("taints") or ())
    if after.get("externalID", "") != before.get("externalID", ""):
        yield fields.forbidden("spec.externalID", "may not be updated")


def warnings(obj: Obj) -> Iterator[str]:
    """About a node that is created or changed."""
    spec = objects.spec(obj)
    if spec.get("externalID"):
        yield "spec.externalID: this field is deprecated, and is unused by Kubernetes"
    for index, cidr in enumerate(spec.get("podCIDRs") or ()):
        yield from formats.cidr_warnings(f"spec.podCIDRs[{index}]", cidr)


def _taints(taints: list[Obj] | tuple[Obj, ...]) -> Iterator[Cause]:
    """The paths are upstream's, though taints are in the spec."""
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        at, key, effect = f"metadata.taints[{index}]", taint.get("key", ""), taint.get("effect", "")
        for problem in formats.qualified_name(key):
            yield fields.invalid(f"{at}.key", key, problem)
        if problems := label_value_errors(taint.get("value", "")):
            yield fields.invalid(f"{at}.value", taint.get("value", ""), ";".join(problems))
        if not effect:
            yield fields.required(f"{at}.effect")
        elif effect not in _EFFECTS:
            yield fields.not_supported(f"{at}.effect", effect, _EFFECTS, in_order=True)
        if (key, effect) in seen:
            shown = {"Key": key, "Value": taint.get("value", ""), "Effect": effect, "TimeAdded": taint.get("timeAdded")}
            yield fields.duplicate(at, shown, "taints must be unique by key and effect pair")
        seen.add((key, effect))


def _status(status: Obj) -> Iterator[Cause]:
    for field in ("capacity", "allocatable"):
        for name, amount in (status.get(field) or {}).items():
            yield from resource_names.validate_amount(f"status.{field}.{name}", name, amount)
    features, at = status.get("declaredFeatures") or [], "status.declaredFeatures"
    for index, feature in enumerate(features):
        if why := _feature_problem(feature):
            yield fields.invalid(f"{at}[{index}]", feature, f"invalid feature name {fields.show(feature)}: {why}")
    for index, (one, next_) in enumerate(pairwise(features)):
        if one == next_:
            yield fields.duplicate(f"{at}[{index + 1}]", next_)
        elif one > next_:
            yield fields.invalid(f"{at}[{index + 1}]", next_, "list must be sorted alphabetically")


def _feature_problem(name: str) -> str:
    if len(name) > _FEATURE_LENGTH:
        return f"must be no more than {_FEATURE_LENGTH} characters"
    if not _FEATURE.fullmatch(name):
        return (
            "must start with an UpperCamelCase segment, with subsequent segments separated by '/' "
            "(e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"
        )
    return ""

"""The claims for devices that a pod names, and which of its containers use them.

Models validatePodResourceClaims and validateResourceClaimNames of pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, internal
from pocketkube.resources.pod_spec import visiting

_SOURCES: Final = ("resourceClaimName", "resourceClaimTemplateName")


def validate(path: str, spec: Obj) -> Iterator[Cause]:
    """Field errors of `resourceClaims`, and of what containers say of them."""
    known: list[str] = []
    for index, claim in enumerate(spec.get("resourceClaims") or ()):
        yield from _claim(f"{path}.resourceClaims[{index}]", claim, known)
    for at, container in visiting.containers(path, spec):
        used = (container.get("resources") or {}).get("claims")
        if used:
            yield from _used(f"{at}.resources.claims", used, known)


def _claim(path: str, claim: Obj, known: list[str]) -> Iterator[Cause]:
    name = claim.get("name", "")
    if not name:
        yield fields.required(f"{path}.name")
    elif name in known:
        yield fields.duplicate(f"{path}.name", name)
    else:
        yield from (fields.invalid(f"{path}.name", name, problem) for problem in formats.dns1123_label(name))
        known.append(name)
    given = [source for source in _SOURCES if claim.get(source) is not None]
    if len(given) != 1:
        shown = internal.value_of("PodResourceClaim", claim)
        both = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
        none = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
        yield fields.invalid(path, shown, both if given else none)
    for source in given:
        for problem in formats.dns1123_subdomain(claim[source]):
            yield fields.invalid(f"{path}.{source}", claim[source], problem)


def _used(path: str, used: list[Obj], known: list[str]) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, claim in enumerate(used):
        at, name, request = f"{path}[{index}]", claim.get("name", ""), claim.get("request", "")
        if not name:
            yield fields.required(at)
        elif name in seen:
            yield fields.duplicate(at, name)
        else:
            key = f"{name}/{request}" if request else name
            for problem in formats.dns1123_label(request) if request else ():
                yield fields.invalid(f"{at}.request", request, problem)
            if key in seen or (not request and any(one.startswith(f"{name}/") for one in seen)):
                yield fields.duplicate(at, key)
            seen.add(key)
        if name not in known:
            listed = f": {', '.join(sorted(known))}" if known else " which is empty"
            found = fields.not_found(at, name)
            text = f"{found.message}: must be one of the names in pod.spec.resourceClaims{listed}"
            yield Cause(found.reason, found.field, text)


def name_of(pod: Obj, claim: Obj) -> tuple[str | None, bool]:
    """(the name of the ResourceClaim that one of a pod's claims stands for, whether it must be the pod's own). Raises
    LookupError where none has been made of the template yet; the name is None where none is needed."""
    if claim.get("resourceClaimName") is not None:
        return str(claim["resourceClaimName"]), False
    statuses: list[Any] = (pod.get("status") or {}).get("resourceClaimStatuses") or []
    for status in statuses:
        if status.get("name") == claim.get("name"):
            return status.get("resourceClaimName"), True
    meta = pod["metadata"]
    raise LookupError(f'pod "{meta.get("namespace", "")}/{meta.get("name", "")}": ResourceClaim not created yet')

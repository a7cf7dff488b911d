"""LimitRanger: a namespace's LimitRanges fill in what containers do not say, and bound containers, pods and claims.

Models plugin/pkg/admission/limitranger. Of several violations the texts are in the order of the names (upstream: any).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar, Final

from pocketkube import amounts, objects, quantity
from pocketkube.admission.base import Plugin
from pocketkube.amounts import ZERO, Amount, Amounts
from pocketkube.errors import Forbidden
from pocketkube.objects import Obj
from pocketkube.podamounts import limits, requests
from pocketkube.resources.base import Resource

ANNOTATION: Final = "kubernetes.io/limit-ranger"


class PLUGIN(Plugin):
    order: ClassVar[int] = 30

    def admit(self, kind: Resource, new: Obj, old: Obj | None, subresource: str = "") -> None:
        if kind.resource_id() == "pods" and _is_about(kind, old, subresource):
            for limit_range in self.world.objects("limitranges", objects.namespace(new)):
                _fill_in(new, _of_type(limit_range, "Container"))

    def validate(self, kind: Resource, new: Obj, old: Obj | None, subresource: str = "", *, dry_run: bool) -> None:
        check = _VIOLATIONS.get(kind.resource_id())
        if check is None or not _is_about(kind, old, subresource):
            return
        for limit_range in self.world.objects("limitranges", objects.namespace(new)):
            found = list(dict.fromkeys(check(new, limit_range)))
            if found:
                why = found[0] if len(found) == 1 else f"[{', '.join(found)}]"
                raise Forbidden.of(kind.qualified, objects.name(new), why)


def _is_about(kind: Resource, old: Obj | None, subresource: str) -> bool:
    """Whether amounts may be new: those of pods change by a resize only. What is to be deleted is let be."""
    if old is not None and objects.is_terminating(old):
        return False
    if kind.resource_id() == "pods" and old is not None:
        return subresource == "resize"
    return not subresource


def _of_type(limit_range: Obj, type_: str) -> list[Obj]:
    return [limit for limit in objects.spec(limit_range).get("limits") or () if limit.get("type") == type_]


# -- filling in


def _fill_in(pod: Obj, bounds: list[Obj]) -> None:
    given = {
        side: {name: text for limit in bounds for name, text in (limit.get(field) or {}).items()}
        for side, field in (("requests", "defaultRequest"), ("limits", "default"))
    }
    told = []
    for field, called in (("containers", "container"), ("initContainers", "init container")):
        for container in objects.spec(pod).get(field) or ():
            for side, noun in (("requests", "request"), ("limits", "limit")):
                if added := _complete(container, side, given[side]):
                    told.append(f"{', '.join(added)} {noun} for {called} {container.get('name', '')}")
    if told:
        annotations = pod["metadata"].setdefault("annotations", {})
        annotations[ANNOTATION] = f"LimitRanger plugin set: {'; '.join(told)}"


def _complete(container: Obj, side: str, given: dict[str, str]) -> list[str]:
    """Add to a container's requests or limits what it does not say, in place; the names added."""
    said = (container.get("resources") or {}).get(side) or {}
    added = sorted(given.keys() - said.keys())
    if added:
        resources = container["resources"] = dict(container.get("resources") or {})
        resources[side] = {**said, **{name: given[name] for name in added}}
    return added


# -- bounding


def _violations_of_pod(pod: Obj, limit_range: Obj) -> Iterator[str]:
    spec = objects.spec(pod)
    for limit in objects.spec(limit_range).get("limits") or ():
        if limit.get("type") == "Container":
            for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
                said = container.get("resources") or {}
                yield from _violations(limit, amounts.of(said.get("requests")), amounts.of(said.get("limits")))
        elif limit.get("type") == "Pod":
            yield from _violations(limit, requests(spec), limits(spec))


def _violations(limit: Obj, asked: Amounts, allowed: Amounts) -> Iterator[str]:
    type_ = limit["type"]
    for name, text in sorted((limit.get("min") or {}).items()):
        yield from _below(type_, name, text, asked.get(name), allowed.get(name))
    for name, text in sorted((limit.get("max") or {}).items()):
        yield from _above(type_, name, text, asked.get(name), allowed.get(name))
    for name, text in sorted((limit.get("maxLimitRequestRatio") or {}).items()):
        yield from _apart(type_, name, text, asked.get(name, ZERO), allowed.get(name, ZERO))


def _violations_of_claim(claim: Obj, limit_range: Obj) -> Iterator[str]:
    asked = amounts.of(objects.dig(objects.spec(claim), "resources", "requests", default={}))
    for limit in _of_type(limit_range, "PersistentVolumeClaim"):
        for name, text in sorted((limit.get("min") or {}).items()):
            yield from _below(limit["type"], name, text, asked.get(name), None)
        for name, text in sorted((limit.get("max") or {}).items()):
            head = f"maximum {name} usage per {limit['type']} is {text}"
            if name not in asked:
                yield f"{head}.  No request is specified"
            elif asked[name].value > quantity.parse(text):
                yield f"{head}, but request is {asked[name]}"


def _below(type_: str, name: str, text: str, asked: Amount | None, allowed: Amount | None) -> Iterator[str]:
    head, least = f"minimum {name} usage per {type_} is {text}", quantity.parse(text)
    if asked is None:
        yield f"{head}.  No request is specified"
    elif asked.value < least:
        yield f"{head}, but request is {asked}"
    elif allowed is not None and allowed.value < least:
        yield f"{head}, but limit is {allowed}"


def _above(type_: str, name: str, text: str, asked: Amount | None, allowed: Amount | None) -> Iterator[str]:
    head, most = f"maximum {name} usage per {type_} is {text}", quantity.parse(text)
    if allowed is None:
        yield f"{head}.  No limit is specified"
    elif allowed.value > most:
        yield f"{head}, but limit is {allowed}"
    elif asked is not None and asked.value > most:
        yield f"{head}, but request is {asked}"


def _apart(type_: str, name: str, text: str, asked: Amount, allowed: Amount) -> Iterator[str]:
    head, most = f"{name} max limit to request ratio per {type_} is {text}", quantity.parse(text)
    if not asked.value:
        yield f"{head}, but no request is specified or request is 0"
    elif not allowed.value:
        yield f"{head}, but no limit is specified or limit is 0"
    elif allowed.value > most * asked.value:
        yield f"{head}, but provided ratio is {float(allowed.value / asked.value):f}"


_VIOLATIONS: Final[dict[str, Callable[[Obj, Obj], Iterator[str]]]] = {
    "pods": _violations_of_pod,
    "persistentvolumeclaims": _violations_of_claim,
}

"""RuntimeClass: a pod's class must be there, and brings overhead and where its pods can run.

Models plugin/pkg/admission/runtimeclass.
"""

from __future__ import annotations

from pocketkube import quantity
from pocketkube.admission.base import Plugin
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource
from pocketkube.resources.pod_spec.admission import refused


class PLUGIN(Plugin):
    order = 900

    def admit(self, kind: Resource, new: Obj, old: Obj | None, subresource: str = "") -> None:
        if kind.resource_id() != "pods" or subresource or old is not None:
            return
        found = self._class(new)
        if found is None:
            return
        overhead = (found.get("overhead") or {}).get("podFixed")
        if found.get("overhead") is not None:
            self._check_overhead(new, found)
            if overhead:
                new["spec"]["overhead"] = dict(overhead)
        scheduling = found.get("scheduling") or {}
        _select(new, scheduling.get("nodeSelector") or {})
        if scheduling.get("tolerations"):
            new["spec"]["tolerations"] = merged([*(new["spec"].get("tolerations") or ()), *scheduling["tolerations"]])

    def validate(self, kind: Resource, new: Obj, old: Obj | None, subresource: str = "", *, dry_run: bool) -> None:
        if kind.resource_id() != "pods" or subresource or old is not None:
            return
        found = self._class(new)
        if found is not None and found.get("overhead") is not None:
            self._check_overhead(new, found)
        elif new["spec"].get("overhead"):
            raise refused(new, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead")

    def _class(self, pod: Obj) -> Obj | None:
        name = pod["spec"].get("runtimeClassName")
        if not name:
            return None
        found = self.world.find("runtimeclasses", "", name)
        if found is None:
            raise refused(pod, f'pod rejected: RuntimeClass "{name}" not found')
        return found

    def _check_overhead(self, pod: Obj, found: Obj) -> None:
        own = pod["spec"].get("overhead") or {}
        wanted = found["overhead"].get("podFixed") or {}
        same = own.keys() == wanted.keys() and all(quantity.compare(own[n], wanted[n]) == 0 for n in own)
        if own and not same:
            raise refused(pod, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")


def _select(pod: Obj, wanted: Obj) -> None:
    if not wanted:
        return
    own = pod["spec"].get("nodeSelector") or {}
    for key, value in wanted.items():
        if own.get(key, value) != value:
            raise refused(
                pod,
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                f"pod.spec.nodeSelector[{key}] = {own[key]}",
            )
    pod["spec"]["nodeSelector"] = {**own, **wanted}


def merged(tolerations: list[Obj]) -> list[Obj]:
    """Without those that another one covers; of equal ones the first stays."""
    kept: list[Obj] = []
    for index, one in enumerate(tolerations):
        later = (other for other in tolerations[index + 1 :] if other != one)
        if not any(_covers(other, one) for other in kept) and not any(_covers(other, one) for other in later):
            kept.append(one)
    return kept


def _covers(wide: Obj, narrow: Obj) -> bool:
    """Whether `wide` tolerates all that `narrow` does."""
    if wide == narrow:
        return True
    operator = wide.get("operator", "")
    if narrow.get("key", "") != wide.get("key", "") and (wide.get("key") or operator != "Exists"):
        return False
    if wide.get("effect") and narrow.get("effect", "") != wide["effect"]:
        return False
    if wide.get("effect") == "NoExecute" and wide.get("tolerationSeconds") is not None:
        span = narrow.get("tolerationSeconds")
        if span is None or span > wide["tolerationSeconds"]:
            return False
    if operator in ("", "Equal"):
        return narrow.get("operator") == "Equal" and narrow.get("value", "") == wide.get("value", "")
    return bool(operator == "Exists")

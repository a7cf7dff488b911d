"""Priority: what a pod's PriorityClass says is written into the pod, and there is one default class at most.

Models plugin/pkg/admission/priority.
"""

from __future__ import annotations

from pocketkube import objects
from pocketkube.admission.base import Plugin
from pocketkube.errors import Forbidden
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource
from pocketkube.resources.pod_spec.admission import refused
from pocketkube.resources.priorityclasses import POLICIES

_KEPT = ("priority", "preemptionPolicy")


class PLUGIN(Plugin):
    order = 13

    def admit(self, kind: Resource, new: Obj, old: Obj | None, subresource: str = "") -> None:
        if kind.resource_id() != "pods" or subresource:
            return
        if old is None:
            self._resolve(new)
            return
        for field in _KEPT:  # an update that leaves them out does not mean to change them
            if new["spec"].get(field) is None and field in old["spec"]:
                new["spec"][field] = old["spec"][field]

    def validate(self, kind: Resource, new: Obj, old: Obj | None, subresource: str = "", *, dry_run: bool) -> None:
        if kind.resource_id() != "priorityclasses" or subresource or not new.get("globalDefault"):
            return
        default = self._default()
        if default is not None and (old is None or objects.name(default) != objects.name(new)):
            raise Forbidden.of(
                kind.qualified,
                objects.name(new),
                f"PriorityClass {objects.name(default)} is already marked as default. Only one default can exist",
            )

    def _default(self) -> Obj | None:
        """The class of pods that name none; of several (which only a race makes) the least."""
        defaults = (found for found in self.world.objects("priorityclasses") if found.get("globalDefault"))
        return min(defaults, key=lambda found: int(found.get("value", 0)), default=None)

    def _resolve(self, pod: Obj) -> None:
        spec = pod["spec"]
        name = spec.get("priorityClassName", "")
        if name:
            found = self.world.find("priorityclasses", "", name)
            if found is None:
                raise refused(pod, f"no PriorityClass with name {name} was found")
        else:
            found = self._default()
            if found is not None:
                spec["priorityClassName"] = objects.name(found)
        priority = found.get("value", 0) if found is not None else 0
        policy = found.get("preemptionPolicy", "") if found is not None else POLICIES[0]
        if spec.get("priority") is not None and spec["priority"] != priority:
            raise refused(
                pod,
                f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
                f"priority admission controller computed {priority} from the given PriorityClass name",
            )
        spec["priority"] = priority
        if not policy:
            return
        if spec.get("preemptionPolicy") is not None and spec["preemptionPolicy"] != policy:
            raise refused(
                pod,
                f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name",
            )
        spec["preemptionPolicy"] = policy

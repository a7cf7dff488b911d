"""Whether a node takes a pod: all filters, and what the node is promised to others already.

Models RunFilterPluginsWithNominatedPods (pkg/scheduler/framework/runtime). Left out of the filters of the default
profile: NodeDeclaredFeatures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pocketkube.scheduler import devices, filters, topology
from pocketkube.scheduler.filters import Cycle, Filter, Refusal
from pocketkube.scheduler.nodes import NodeState, PodInfo
from pocketkube.scheduler.volume_binding import binding
from pocketkube.scheduler.volume_limits import limits
from pocketkube.scheduler.volume_restrictions import restrictions, zone

FILTERS: tuple[Filter, ...] = (
    filters.named,
    filters.unschedulable,
    filters.taints,
    filters.node_affinity,
    filters.ports,
    filters.resources,
    restrictions,
    limits,
    binding,
    zone,
    topology.spread,
    topology.pod_affinity,
    devices.allocation,
)
Nominated = Callable[[str], Iterable[PodInfo]]
"""The pods that are to get the room that is being made on a node, by its name."""


def refusal(cycle: Cycle, state: NodeState, nominated: Nominated) -> Refusal | None:
    """Why the node does not take the pod; None: it does.

    Pods that are not less important and wait for room there count as if they had it; and the pod has to fit if they
    go elsewhere in the end, too.
    """
    info = cycle.info
    others = [o for o in nominated(state.name) if o.priority >= info.priority and o.uid != info.uid]
    if others:
        fuller = state.copy()
        for other in others:
            fuller.put(other)
        if (found := _first(cycle.with_node(fuller), fuller)) is not None:
            return found
    return _first(cycle, state)


def _first(cycle: Cycle, state: NodeState) -> Refusal | None:
    return next((found for each in FILTERS if (found := each(cycle, state)) is not None), None)

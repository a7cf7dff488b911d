"""kube-scheduler: puts each pod on a node, or says why none will take it.

Models pkg/scheduler with its default profile. Left out: preemption of pods with lower priority, dynamic resources,
image locality, extenders and profiles.
"""

from pocketkube.scheduler.scheduler import Scheduler

__all__ = ["Scheduler"]

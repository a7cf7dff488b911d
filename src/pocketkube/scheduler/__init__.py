"""kube-scheduler: puts each pod on a node, or says why none will take it.

Models pkg/scheduler with its default profile. Left out: dynamic resources, pod groups, declared features of nodes,
extenders and further profiles.
"""

from pocketkube.scheduler.scheduler import Scheduler

__all__ = ["Scheduler"]

"""A scheduler at work, and what came of it for a pod: its node, or what is said of it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from tests.unit.pocketkube.controllers.world import World, running

from pocketkube import objects

USELESS = "Preemption is not helpful for scheduling"
NOBODY = "No preemption victims found for incoming pod"


def scheduling(world: World) -> AbstractAsyncContextManager[World]:
    """The scheduler and the kubelet, and no controllers."""
    return running(world, [])


def node_of(world: World, pod: str) -> str:
    return str(objects.spec(world.get("pods", pod)).get("nodeName", ""))


def said(world: World, pod: str) -> str:
    """Why the pod has no node, as its condition has it."""
    condition = objects.condition(world.get("pods", pod), "PodScheduled")
    return str((condition or {}).get("message", ""))

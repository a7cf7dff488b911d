"""What follows from one look at a DaemonSet: the nodes that get a pod and the pods that go, first to have one on every
node that should, then to bring old ones up to date.

Models podsShouldBeOnNode and rollingUpdate of pkg/controller/daemon. Nodes come in the order of their names; upstream
takes them in the order of a Go map.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pocketkube import objects
from pocketkube.controllers import daemonset_pods, pods
from pocketkube.controllers.daemonset_history import HASH
from pocketkube.controllers.daemonset_look import Look
from pocketkube.objects import Obj

FIRST_REST, LONGEST_REST = 1.0, 900.0
"""Seconds between two failed pods that are replaced on a node, doubled each time, and the most they become."""


@dataclass
class Steps:
    create: list[str] = field(default_factory=list)
    """Nodes that get a pod."""
    delete: list[Obj] = field(default_factory=list)
    """Pods that go."""
    events: list[tuple[str, str, str]] = field(default_factory=list)
    """(type, reason, message) of what to tell about the set."""
    rest: float | None = None
    """Seconds until a failed pod may be replaced."""

    def __bool__(self) -> bool:
        return bool(self.create or self.delete)


class Failures:
    """When failed pods were last replaced, by set and node, and how long they rest by now."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, str], tuple[float, float]] = {}

    def wait(self, found: Obj, node: str, now: float) -> float:
        """Seconds until a failed pod of that node may be replaced; 0: now, and the next one has to wait longer."""
        at = objects.uid(found), objects.status(found).get("observedGeneration", 0), node
        last, rest = self._known.get(at, (0.0, 0.0))
        if rest and now < last + rest:
            return last + rest - now
        if now > last + 2 * LONGEST_REST:
            rest = 0.0
        self._known = {key: entry for key, entry in self._known.items() if now <= entry[0] + 2 * LONGEST_REST}
        self._known[at] = now, min(rest * 2, LONGEST_REST) or FIRST_REST
        return 0.0


def placing(look: Look, failures: Failures) -> Steps:
    """A pod on every node that should have one, no more than one (two while an update surges), none elsewhere."""
    steps = Steps()
    for node in look.nodes:
        there = look.pods.get(node)
        if there is None:
            if look.runs(node):
                steps.create.append(node)
        elif look.stays(node):
            running = _running(look, node, there, failures, steps)
            if not look.surges:
                steps.delete += daemonset_pods.oldest_first(running)[1:]
            elif running:
                steps.delete += _surplus(look, running)
            elif look.runs(node):
                steps.create.append(node)
        else:
            steps.delete += [pod for pod in there if not objects.is_terminating(pod)]
    for node, there in look.pods.items():
        if node not in look.nodes:  # what was scheduled is left to podgc
            steps.delete += [pod for pod in there if not objects.spec(pod).get("nodeName")]
    return steps


def _running(look: Look, node: str, there: list[Obj], failures: Failures, steps: Steps) -> list[Obj]:
    """The pods of a node that go on; those that have ended are deleted, failed ones not all too often."""
    running = []
    for pod in there:
        phase, name = objects.status(pod).get("phase"), "/".join(objects.key(pod))
        if objects.is_terminating(pod):
            continue
        if phase == "Failed":
            if wait := failures.wait(look.found, node, look.now):
                steps.rest = min(wait, steps.rest or wait)
                continue
            text = f"Found failed daemon pod {name} on node {node}, will try to kill it"
            steps.events.append(("Warning", "FailedDaemonPod", text))
            steps.delete.append(pod)
        elif phase == "Succeeded":
            text = f"Found succeeded daemon pod {name} on node {node}, will try to delete it"
            steps.events.append(("Normal", "SucceededDaemonPod", text))
            steps.delete.append(pod)
        else:
            running.append(pod)
    return running


def _surplus(look: Look, running: list[Obj]) -> list[Obj]:
    """All but the oldest new and the oldest old pod; of these the old one, too, as soon as it is not needed."""
    if len(running) == 1:
        return []
    ordered = daemonset_pods.oldest_first(running)
    new = [pod for pod in ordered if objects.labels(pod).get(HASH) == look.hash]
    old = [pod for pod in ordered if objects.labels(pod).get(HASH) != look.hash]
    surplus = new[1:] + old[1:]
    if new and old and (not pods.is_ready(old[0]) or look.is_available(new[0])):
        surplus.append(old[0])
    return surplus


def updating(look: Look) -> Steps:
    """A rolling update's next steps."""
    pairs = {node: _pair(look, node) for node in sorted({*look.pods, *look.wanted})}
    return _surging(look, pairs) if look.surge else _replacing(look, pairs)


Pair = tuple[Obj | None, Obj | None] | None
"""The new and the old pod of a node; None when there are several of one kind, which `placing` is to clear up."""


def _pair(look: Look, node: str) -> Pair:
    there = [pod for pod in look.pods.get(node, ()) if not objects.is_terminating(pod)]
    new = [pod for pod in there if look.is_updated(pod)]
    old = [pod for pod in there if not look.is_updated(pod)]
    if len(new) > 1 or len(old) > 1:
        return None
    return new[0] if new else None, old[0] if old else None


def _replacing(look: Look, pairs: dict[str, Pair]) -> Steps:
    """Old pods go, as many as may be missing; what is not available goes in any case, and counts."""
    unavailable = 0
    broken: list[Obj] = []
    candidates: list[Obj] = []
    for pair in pairs.values():
        new, old = pair or (None, None)
        if old is None or new is not None:
            unavailable += old is not None or not look.is_available(new)
        elif look.is_available(old):
            candidates.append(old)
        else:
            broken.append(old)
            unavailable += 1
    return Steps(delete=broken + candidates[: max(0, look.max_unavailable - unavailable)])


def _surging(look: Look, pairs: dict[str, Pair]) -> Steps:
    """New pods come beside old ones, as many as may be too many; an old one goes when its new one is available.

    A pod on a node that should not run one goes when there are enough without it."""
    surging = available = 0
    steps = Steps()
    candidates: list[str] = []
    leaving: list[Obj] = []
    for node, pair in pairs.items():
        if pair is None:
            surging += 1
            continue
        new, old = pair
        available += look.is_available(old or new)
        if old is None:
            continue
        if new is not None:
            if look.is_available(new):
                steps.delete.append(old)
            else:
                surging += 1
        elif look.is_available(old):
            if look.runs(node):
                candidates.append(node)
            else:
                leaving.append(old)
        elif look.runs(node):
            steps.create.append(node)
        else:
            steps.delete.append(old)
    steps.delete += leaving[: max(0, available - len(look.wanted))]
    steps.create += candidates[: max(0, look.surge - surging)]
    return steps

"""A sale day for a twin: a Pod like a Deployment's that computes as fast as it can, under an autoscaler like the
learner's with as much room. The Deployment itself is left alone, for it would stay grown for minutes."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field

from kindlab.api import Obj
from kindlab.checks.autoscalers import HPA, autoscaler_of, goes_by_cpu, is_hopeless, share
from kindlab.checks.live import LiveLab
from kindlab.checks.probe import IMAGE
from kindlab.clock import token_hex
from kindlab.conditions import condition
from kindlab.managed import MANAGED

LABEL = "kindlab-twin"
CALM = 150
"""Percent of the request at which an autoscaler that lets it be will let it be for good."""


@dataclass
class Twin:
    """`grown`: whether the autoscaler asked for more Pods; `seen`: what it saw, "" when there is none by the CPU."""

    lab: LiveLab
    deployment: str
    timeout: float = 120.0
    grown: bool = False
    seen: str = ""
    name: str = field(default_factory=lambda: f"{LABEL}-{token_hex(3)}")

    def rush(self) -> Twin:
        """Make it, wait for what comes of it, and remove it. It ends as soon as that is plain: whoever computes as
        fast as he can slows the others down."""
        try:
            if self._begin():
                self.grown = self.lab.eventually(HPA, self._wants_more, timeout=self.timeout) == "yes"
        finally:
            for kind in (HPA, "Deployment"):
                self.lab.api.delete(kind, self.name, self.lab.namespace)
            for pod in self.lab.list("Pod", f"{LABEL}={self.name}"):
                self.lab.api.delete("Pod", pod["metadata"]["name"], self.lab.namespace, grace=0)
        return self

    def _begin(self) -> bool:
        """Whether there is an autoscaler to be tried."""
        hpa, live = autoscaler_of(self.lab, self.deployment), self.lab.get("Deployment", self.deployment)
        for kind in (HPA, "Deployment"):
            for left in self.lab.list(kind, LABEL):  # by a grader that was killed
                self.lab.api.delete(kind, left["metadata"]["name"], self.lab.namespace)
        if hpa is None or live is None or not goes_by_cpu(hpa):
            return False
        labels = {LABEL: self.name}
        template = {"metadata": {"labels": labels}, "spec": _at_work(live["spec"]["template"]["spec"])}
        spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        self._create("apps/v1", "Deployment", spec)
        least = hpa["spec"].get("minReplicas", 1)
        ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": self.name}
        room = {"minReplicas": 1, "maxReplicas": min(2, 1 + hpa["spec"]["maxReplicas"] - least)}
        self._create("autoscaling/v2", HPA, {**hpa["spec"], **room, "scaleTargetRef": ref})
        return True

    def _create(self, version: str, kind: str, spec: Obj) -> None:
        labels = {**MANAGED, LABEL: self.name}
        meta = {"name": self.name, "labels": labels}
        self.lab.api.create({"apiVersion": version, "kind": kind, "metadata": meta, "spec": spec}, self.lab.namespace)

    def _wants_more(self, live: Iterable[Obj]) -> str | None:
        mine = next((h for h in live if h["metadata"]["name"] == self.name), None)
        if mine is None:
            return "no"
        used = share(mine)
        wanted = (mine.get("status") or {}).get("desiredReplicas") or 0
        self.seen = f"it sees {used}% of the request, and asks for {wanted} Pods"
        if wanted > 1:
            return "yes"
        limited = condition(mine, "ScalingLimited").get("reason") == "TooManyReplicas"
        return "no" if limited or is_hopeless(self.lab, mine) or (used or 0) > CALM else None


def _at_work(spec: Obj) -> Obj:
    """A Pod's spec with the same requests and limits, whose first container only computes."""
    pod = copy.deepcopy(spec)
    first = pod["containers"][0]
    for key in ("args", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"):
        first.pop(key, None)
    first |= {"image": IMAGE, "command": ["sh", "-c", "while true; do :; done"]}
    for key in ("affinity", "topologySpreadConstraints"):  # by which it might have to stay away from the others
        pod.pop(key, None)
    pod["terminationGracePeriodSeconds"] = 0
    return pod

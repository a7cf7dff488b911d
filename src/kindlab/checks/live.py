"""`lab`: the learner's namespace on the live cluster, as a grader sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from time import monotonic
from typing import TypeVar

from testinfra.host import Host

from kindlab.api import Api, ApiError, Obj
from kindlab.checks.host import pod_host
from kindlab.checks.probe import NAME as PROBE
from kindlab.checks.probe import Probe
from kindlab.checks.verdict import CheckFailed
from kindlab.checks.volumes import PREFIX as OF_VOLUMES
from kindlab.checks.volumes import Volumes
from kindlab.conditions import is_ready

T = TypeVar("T")
PATIENCE = 2.0
"""Seconds without a completed rollout after which the Pods are asked whether waiting helps."""


class Pods(tuple[Obj, ...]):
    """Some Pods."""

    @property
    def names(self) -> frozenset[str]:
        return frozenset(p["metadata"]["name"] for p in self)

    @property
    def ready(self) -> Pods:
        return Pods(p for p in self if is_ready(p))

    @property
    def addresses(self) -> frozenset[str]:
        return frozenset(p["status"]["podIP"] for p in self if p["status"].get("podIP"))

    def __str__(self) -> str:
        return ", ".join(sorted(self.names)) or "no Pods"


class LiveLab:
    """What checks are written with. Objects are plain dicts; reading never changes the cluster."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace

    @cached_property
    def probe(self) -> Probe:
        return Probe(self.api, self.namespace)

    @cached_property
    def volumes(self) -> Volumes:
        return Volumes(self.api, self.namespace)

    def get(self, kind: str, name: str) -> Obj | None:
        """One object of the lab's namespace, or None."""
        return self.api.get(kind, name, self.namespace)

    def list(self, kind: str, labels: str = "") -> list[Obj]:
        return self.api.list(kind, self.namespace, labels=labels)

    def require(self, kind: str, name: str) -> Obj:
        """One object; when there is none the check fails and says so."""
        found = self.get(kind, name)
        if found is None:
            there = ", ".join(o["metadata"]["name"] for o in self.list(kind)) or "none"
            raise CheckFailed(
                f"a {kind} named {name} in namespace {self.namespace}",
                f"the {kind}s there are: {there}",
                then=f"kubectl get {kind.lower()}s -n {self.namespace}",
            )
        return found

    def pods(self, labels: str = "") -> Pods:
        """The learner's Pods with these labels that are not being deleted (the grader's own are left out)."""
        found = [p for p in self.list("Pod", labels) if not p["metadata"].get("deletionTimestamp")]
        return Pods(
            p for p in found if not (p["metadata"]["name"] == PROBE or p["metadata"]["name"].startswith(OF_VOLUMES))
        )

    def host(self, pod: str, container: str = "") -> Host:
        """A testinfra Host for a Pod's container."""
        return pod_host(self.api, self.namespace, pod, container)

    def expect(
        self, fact: object, *, expected: str, seen: object, about: str = "", hop: str = "", then: str = ""
    ) -> None:
        """Fail the check unless `fact`. `about` (`svc/web`) is traced for the first broken hop; `hop` names it where
        the path begins before any Service."""
        __tracebackhide__ = True
        if not fact:
            raise CheckFailed(expected, str(seen), about=about, hop=hop, then=then)

    def eventually(
        self, kind: str, holds: Callable[[Iterable[Obj]], T], *, labels: str = "", timeout: float = 30.0
    ) -> T | None:
        """Wait on a watch until `holds(objects)` is true and return its value; None after `timeout` seconds."""
        for live in self.api.follow(kind, self.namespace, labels=labels, timeout=timeout):
            value = holds(live.values())
            if value:
                return value
        return None

    def settled(self, deployment: str, *, timeout: float = 60.0) -> Obj:
        """The Deployment once its rollout is complete, or as soon as it is clear that it will not be: then it is
        returned as it is, and checks look at its Pods. Waits at most `timeout` seconds."""
        deadline = monotonic() + timeout
        while True:
            live = self.require("Deployment", deployment)
            left = deadline - monotonic()
            if rolled_out(live) or left <= 0:
                return live
            done = self.eventually(
                "Deployment",
                lambda found: any(rolled_out(d) for d in found if d["metadata"]["name"] == deployment),
                timeout=min(PATIENCE, left),
            )
            if not done and not self._coming_up(live):
                return self.require("Deployment", deployment)

    def _coming_up(self, deployment: Obj) -> bool:
        """Whether waiting helps: some Pod is still being scheduled, pulled or started, without an error so far."""
        labels = ",".join(f"{k}={v}" for k, v in (deployment["spec"]["selector"].get("matchLabels") or {}).items())
        return any(is_coming_up(pod) for pod in self.pods(labels))

    def delete_pod(self, name: str) -> float:
        """Delete a Pod as `kubectl delete pod` does; returns when (monotonic seconds), for later comparison."""
        try:
            self.api.delete("Pod", name, self.namespace)
        except ApiError as error:
            if error.code != 404:
                raise
        return monotonic()


def is_coming_up(pod: Obj) -> bool:
    """Not running yet, and nothing has gone wrong so far."""
    if pod["status"].get("phase") != "Pending":
        return False
    if any(c["type"] == "PodScheduled" and c["status"] == "False" for c in pod["status"].get("conditions") or ()):
        return False
    waiting = [(c.get("state") or {}).get("waiting") or {} for c in pod["status"].get("containerStatuses") or ()]
    return all(w.get("reason") in (None, "ContainerCreating", "PodInitializing") for w in waiting)


def rolled_out(deployment: Obj) -> bool:
    """As `kubectl rollout status` decides."""
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
        and status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
    )

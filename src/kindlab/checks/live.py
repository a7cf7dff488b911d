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

T = TypeVar("T")


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
        """The learner's Pods with these labels that are not being deleted (the grader's own probe is left out)."""
        found = self.list("Pod", labels)
        return Pods(p for p in found if p["metadata"]["name"] != PROBE and not p["metadata"].get("deletionTimestamp"))

    def host(self, pod: str, container: str = "") -> Host:
        """A testinfra Host for a Pod's container."""
        return pod_host(self.api, self.namespace, pod, container)

    def expect(self, fact: object, *, expected: str, seen: object, about: str = "", then: str = "") -> None:
        """Fail the check unless `fact`. `about` (`svc/web`) is traced for the first broken hop."""
        __tracebackhide__ = True
        if not fact:
            raise CheckFailed(expected, str(seen), about=about, then=then)

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
        """The Deployment once its rollout is complete (or as it is after `timeout`: checks then look at the Pods)."""
        live = self.require("Deployment", deployment)
        if rolled_out(live):
            return live
        self.eventually(
            "Deployment",
            lambda found: any(rolled_out(d) for d in found if d["metadata"]["name"] == deployment),
            timeout=timeout,
        )
        return self.require("Deployment", deployment)

    def delete_pod(self, name: str) -> float:
        """Delete a Pod as `kubectl delete pod` does; returns when (monotonic seconds), for later comparison."""
        try:
            self.api.delete("Pod", name, self.namespace)
        except ApiError as error:
            if error.code != 404:
                raise
        return monotonic()


def is_ready(pod: Obj) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions") or ())


def rolled_out(deployment: Obj) -> bool:
    """As `kubectl rollout status` decides."""
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
        and status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
    )

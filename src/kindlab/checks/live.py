"""`lab`: the learner's namespace on the live cluster, as a grader sees it."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from testinfra.host import Host

from kindlab.api import Api, ApiError, Obj
from kindlab.checks import programs
from kindlab.checks.certificates import Certificate, certificates_of
from kindlab.checks.client import Client
from kindlab.checks.coming import is_coming_up
from kindlab.checks.door import Door, door_of
from kindlab.checks.enforcement import enforces_policies
from kindlab.checks.host import pod_host
from kindlab.checks.load import Load, load
from kindlab.checks.patience import Patience
from kindlab.checks.probe import Probe, Replies, enough
from kindlab.checks.snapshots import Snapshots
from kindlab.checks.trouble import OURS, is_own
from kindlab.checks.verdict import CheckFailed, CouldNotGrade
from kindlab.checks.visitor import Guest, visitor, visitors
from kindlab.checks.volumes import Volumes
from kindlab.clock import monotonic
from kindlab.conditions import is_ready
from kindlab.errors import UsageProblem
from kindlab.selectors import of_pods

T = TypeVar("T")
PROGRAMMED = 1.5
"""Seconds after which every node sends connections to a new endpoint."""
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


@dataclass(frozen=True)
class _Look:
    """At a moment (monotonic seconds): uid of a Deployment -> its generation, of a Pod -> whether it was ready."""

    at: float
    generations: Mapping[str, int]
    ready: Mapping[str, bool]

    def stays(self, deployment: Obj, pods: Pods) -> bool:
        """Whether its rollout has been given its time already: nobody has written the Deployment since, and its Pods
        that are not ready were there and not ready then. What a check has disturbed itself is something else."""
        meta = deployment["metadata"]
        same = self.generations.get(meta["uid"]) == meta.get("generation", 0)
        broken = [pod for pod in pods if not is_ready(pod)]
        return (
            monotonic() - self.at >= PATIENCE
            and same
            and bool(broken)
            and all(self.ready.get(pod["metadata"]["uid"], True) is False for pod in broken)
        )


class LiveLab:
    """What checks are written with. Objects are plain dicts; reading never changes the cluster."""

    def __init__(self, api: Api, namespace: str, prefix: str = "", variant: Mapping[str, str] | None = None) -> None:
        self.api = api
        self.namespace = namespace
        self.variant: Mapping[str, str] = variant or {}
        """What is this student's own (variants.py): `lab.variant["token"]`."""
        self._prefix = prefix
        self._patience = Patience()

    @cached_property
    def probe(self) -> Probe:
        return Probe(self.api, self.namespace)

    @cached_property
    def volumes(self) -> Volumes:
        return Volumes(self.api, self.namespace)

    @cached_property
    def snapshots(self) -> Snapshots:
        return Snapshots(self.api, self.namespace)

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
        return Pods(p for p in found if not p["metadata"]["name"].startswith(OURS))

    def pods_of(self, *deployments: str, timeout: float = 60.0) -> Pods:
        """The ready Pods of Deployments, settled, through each one's own selector: labels are the learner's choice.
        `timeout`: seconds that each has to settle."""
        found: builtins.list[Obj] = []
        for name in deployments:
            there = self.pods(of_pods(self.settled(name, timeout=timeout))).ready
            found += [pod for pod in there if not _is_anothers(pod, name)]
        return Pods(found)

    # -- names, which differ from learner to learner where many share a cluster (naming.py)

    def space(self, neighbour: str) -> str:
        """The lab's second namespace of that name: `lab.space("depot")` is 03-service-discovery-depot."""
        return f"{self.namespace}-{neighbour}"

    def own(self, name: str) -> str:
        """An object of the lab's without a namespace: `lab.own("photos")` is lab12-photos."""
        return f"{self._prefix}{name}"

    # -- who asks

    def beside(self, neighbour: str) -> LiveLab:
        """The same words in another namespace of the lab."""
        return LiveLab(self.api, self.space(neighbour), self._prefix, self.variant)

    def client(self, pod: str, container: str = "") -> Client:
        """The probe's words, spoken by one of the learner's running Pods, whose programs must be its image's."""
        try:
            client = Client(self.api, self.namespace, pod, container)
        except UsageProblem as error:
            if self.get("Pod", pod) is None:  # replaced, a moment ago
                raise CouldNotGrade(error.what) from error
            raise CheckFailed(f"Pod {pod} runs, to send requests", error.what, then=error.then) from error
        client.container = programs.vouch(self.api, self.namespace, pod, container, client.found)
        return client

    def visitor(
        self, *, labels: Mapping[str, str] | None = None, node: str = "", host_network: bool = False
    ) -> AbstractContextManager[Client]:
        """A client made for the block, with labels of its own, on a node, or in a node's own network: `with
        lab.visitor(labels={"role": "shop"}) as shop: shop.get("http://db")`."""
        return visitor(self.api, Guest(self.namespace, labels or {}, node, host_network))

    def elsewhere(self, *deployments: str) -> str:
        """A node where none of the Deployments' Pods runs, for a visitor: who asks on the same node also gets answers
        that nobody else does. "" where there is no such node, or nobody may say which there are."""
        return self.away_from(self.pods_of(*deployments))

    def away_from(self, pods: Pods) -> str:
        """The same for any Pods that run."""
        taken = {pod["spec"]["nodeName"] for pod in pods}
        try:
            ready = sorted(node["metadata"]["name"] for node in self.api.list("Node") if is_ready(node))
        except ApiError as error:
            if error.code != 403:
                raise
            return ""
        return next((name for name in ready if name not in taken), "")

    def visitors(self, guests: Mapping[str, Guest]) -> AbstractContextManager[dict[str, Client]]:
        """Several of them, in any namespaces, who start together: name of your choice -> client."""
        return visitors(self.api, guests)

    def load(
        self,
        url: str,
        *,
        clients: int = 8,
        timeout: float = 5.0,
        over: float = 0.0,
        client: Probe | None = None,
        options: str = "",
    ) -> AbstractContextManager[Load]:
        """Requests without a pause while the block lasts: `with lab.load("http://web") as load: ...`, then
        `load.replies`. The clients begin within `over` seconds, which is how long an answer takes;
        `options` are curl's."""
        return load(client or self.probe, url, clients=clients, timeout=timeout, over=over, options=options)

    def door(self, ingress_class: str) -> Door:
        """Where the controller of an IngressClass listens inside the cluster. Raises CouldNotGrade without one."""
        found = self.api.get("IngressClass", ingress_class)
        at = door_of(self.api, found["spec"].get("controller", "")) if found else None
        if at is None or not at.ready:
            raise CouldNotGrade(f"no controller of IngressClass {ingress_class} runs on this cluster")
        return at

    def need_policies(self) -> None:
        """For a check that sees a connection pass which policies should have stopped: raise CouldNotGrade where the
        network enforces none. Tried once; takes two seconds."""
        if not self._enforces_policies:
            raise CouldNotGrade("the network plugin of this cluster does not enforce NetworkPolicies")

    def can(self, word: str) -> bool:
        """Whether the cluster has what a word of `needs` means: for what a check does without where it is lacking."""
        from kindlab.needs import probed

        return probed(self.api, [word], self.namespace, patient=False)[word].has

    @cached_property
    def _enforces_policies(self) -> bool:
        return enforces_policies(self.api, self.namespace)

    def certificates(self) -> builtins.list[Certificate]:
        """Those that the namespace's Ingresses bring along."""
        return certificates_of(self.api, self.namespace)

    def host(self, pod: str, container: str = "") -> Host:
        """A testinfra Host for a Pod's container, whose programs must be its image's; of a Pod with several it is the
        one that kubectl takes."""
        self._disturbs()
        if not is_own(pod):
            container = programs.vouch(self.api, self.namespace, pod, container)
        return pod_host(self.api, self.namespace, pod, container)

    def expect(
        self, fact: object, *, expected: str, seen: object, about: str = "", hop: str = "", then: str = ""
    ) -> None:
        """Fail the check unless `fact`. `about` (`svc/web`) is traced for the first broken hop; `hop` names it where
        the path begins before any Service."""
        __tracebackhide__ = True
        if not fact:
            raise CheckFailed(expected, str(seen), about=about, hop=hop, then=then)

    def expect_answers(self, url: str, *, count: int = 10, client: Probe | None = None) -> None:
        """Fail unless every request is answered; a node may learn of a new endpoint a moment late."""
        __tracebackhide__ = True
        asker = client or self.probe
        replies = self._patience.until(
            lambda: asker.get_many(url, count=count), lambda found: found.ok, within=PROGRAMMED
        )
        self.expect(replies.ok, expected=f"every request to {url} answered", seen=replies, about=url)

    def expect_exactly(self, url: str, pods: Pods, *, client: Probe | None = None) -> None:
        """Fail unless every request to a Service that serves /hostname is answered, by each of these Pods and by no
        other; a Pod may be ready a moment before it is an endpoint."""
        __tracebackhide__ = True
        self.expect(pods, expected=f"ready Pods behind {url}", seen="there are none", about=url)
        asker = client or self.probe

        def exact(found: Replies) -> bool:
            return found.ok and found.bodies == pods.names

        replies = self._patience.until(
            lambda: asker.get_many(f"{url}/hostname", count=enough(len(pods))), exact, within=PROGRAMMED
        )
        self.expect(
            exact(replies),
            expected=f"every request to {url} answered, by exactly {pods}",
            seen=replies,
            about=url,
        )

    def eventually(
        self, kind: str, holds: Callable[[Iterable[Obj]], T], *, labels: str = "", timeout: float = 30.0
    ) -> T | None:
        """Wait on a watch until `holds(objects)` is true and return its value; None after `timeout` seconds."""
        for live in self.api.follow(kind, self.namespace, labels=labels, timeout=timeout):
            value = holds(live.values())
            if value:
                return value
        return None

    def until(self, ask: Callable[[], T], holds: Callable[[T], object], *, timeout: float | None = None) -> T:
        """For what cannot be watched: the answer of `ask`, asked again until it `holds` or until everything that was
        there when the grade began must have had its effect. `timeout`: seconds, after a change of the check's own."""
        return self._patience.until(ask, holds, timeout)

    def settled(self, deployment: str, *, timeout: float = 60.0) -> Obj:
        """The Deployment once its rollout is complete, or as soon as it is clear that it will not be: then it is
        returned as it is, and checks look at its Pods. Waits at most `timeout` seconds; not again for what has stayed
        as it was since the grade began."""
        deadline = monotonic() + timeout
        waited = False
        _ = self._first_look  # before what is waited for
        between = 1  # a look may fall between two steps of a rollout, when every Pod that is there is ready
        while True:
            live = self.require("Deployment", deployment)
            left = deadline - monotonic()
            if rolled_out(live) or left <= 0:
                return live
            if waited or not self._first_look.stays(live, self.pods(of_pods(live))):
                self._patience.renew()
                done = self.eventually(
                    "Deployment",
                    lambda found: any(rolled_out(d) for d in found if d["metadata"]["name"] == deployment),
                    timeout=min(PATIENCE, left),
                )
                if done:
                    continue
                live = self.require("Deployment", deployment)
            waited = True
            pods = self.pods(of_pods(live))
            left = deadline - monotonic()
            if not _is_observed(live) or any(is_coming_up(pod, within=left) for pod in pods):
                continue
            if not between or pods.ready != pods:
                return live
            between -= 1

    @cached_property
    def _first_look(self) -> _Look:
        """At all Deployments, when the first of them is asked for."""
        generations = {d["metadata"]["uid"]: d["metadata"].get("generation", 0) for d in self.list("Deployment")}
        ready = {p["metadata"]["uid"]: is_ready(p) for p in self.pods()}
        return _Look(monotonic(), generations, ready)

    def _disturbs(self) -> None:
        """A check may change something now: what is broken later has not been given its time yet."""
        self.__dict__.pop("_first_look", None)

    def delete_pod(self, name: str) -> float:
        """Delete a Pod as `kubectl delete pod` does; returns when (monotonic seconds), for later comparison."""
        self._disturbs()
        try:
            self.api.delete("Pod", name, self.namespace)
        except ApiError as error:
            if error.code != 404:
                raise
        return monotonic()


def rolled_out(deployment: Obj) -> bool:
    """As `kubectl rollout status` decides."""
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    return bool(
        _is_observed(deployment)
        and status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
    )


def _is_anothers(pod: Obj, deployment: str) -> bool:
    """Whether the Pod belongs to another Deployment that has the same labels (a copy under another name). A Deployment
    calls its ReplicaSets by its own name and the hash of the template, which is a label of their Pods."""
    digest = (pod["metadata"].get("labels") or {}).get("pod-template-hash")
    owners = [ref["name"] for ref in pod["metadata"].get("ownerReferences") or () if ref["kind"] == "ReplicaSet"]
    made_by = [name.removesuffix(f"-{digest}") for name in owners if digest and name.endswith(f"-{digest}")]
    return bool(made_by) and deployment not in made_by


def _is_observed(deployment: Obj) -> bool:
    """Whether the controller has seen what was written last; until then the Pods are those of before."""
    seen = deployment.get("status", {}).get("observedGeneration", 0)
    return bool(seen >= deployment["metadata"].get("generation", 0))

"""NetworkPolicies enforced: whose pod an address is, which policies select it, and what they allow it.

Models kindnet's agent (kube-network-policies) on all nodes at once. It follows pods, namespaces and policies by events,
so a change holds for the next connection; what is established is not looked at again. Policies are compiled when they
change, what isolates a pod is worked out when it is first asked for, and answers are kept until something changes that
they rest on. Left out: AdminNetworkPolicy and its successors.
"""

from __future__ import annotations

from dataclasses import dataclass

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.network.policy_rules import Compiled, Pod, Rule, compile_policy
from pocketkube.objects import Key, Obj
from pocketkube.selectors.labels import Labels
from pocketkube.store import DELETED, Event

MOST_ANSWERS = 65536
"""Answers kept; beyond that all are forgotten."""

Question = tuple[bool, Key, str, int, str]
"""(is it ingress, the pod, the other end, port, protocol)."""


@dataclass(frozen=True, slots=True)
class Isolation:
    """The union of the policies that select a pod; None: nothing isolates it in that direction."""

    ingress: tuple[Rule, ...] | None
    egress: tuple[Rule, ...] | None


class PolicyEngine:
    """A `Policy` for a Fabric, from the moment it is made."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._policies: dict[str, dict[str, Compiled]] = {}  # by namespace and name
        self._pods: dict[str, Pod] = {}  # by address
        self._known: dict[Key, Pod] = {}
        self._given: dict[Key, tuple[str, ...]] = {}
        self._isolated: dict[Key, Isolation] = {}
        self._answers: dict[Question, bool] = {}
        client.subscribe("networkpolicies", self._policy_changed)
        client.subscribe("pods", self._pod_changed)
        client.subscribe("namespaces", self._namespace_changed)
        for policy in client.list("networkpolicies"):
            self._add_policy(policy)
        for pod in client.list("pods"):
            self._follow(objects.key(pod), Pod.read(pod))

    def egress(self, source: str, destination: str, port: int, protocol: str) -> bool:
        """See Policy.egress."""
        pod = self._pods.get(source)
        return pod is None or self._allowed(False, pod, destination, port, protocol)

    def ingress(self, source: str, destination: str, port: int, protocol: str) -> bool:
        """See Policy.ingress."""
        pod = self._pods.get(destination)
        return pod is None or self._allowed(True, pod, source, port, protocol)

    def attached(self, pod: Obj, addresses: tuple[str, ...]) -> None:
        """See Policy.attached: what selects a pod isolates it before its first container starts."""
        at = objects.key(pod)
        self._given[at] = addresses
        self._follow(at, Pod.read(pod, addresses))

    def _allowed(self, ingress: bool, pod: Pod, address: str, port: int, protocol: str) -> bool:
        if pod.key[0] not in self._policies:
            return True
        question = (ingress, pod.key, address, port, protocol)
        answer = self._answers.get(question)
        if answer is None:
            if len(self._answers) >= MOST_ANSWERS:
                self._answers.clear()
            answer = self._answers[question] = self._work_out(ingress, pod, address, port, protocol)
        return answer

    def _work_out(self, ingress: bool, pod: Pod, address: str, port: int, protocol: str) -> bool:
        isolation = self._isolation(pod)
        rules = isolation.ingress if ingress else isolation.egress
        if rules is None:
            return True
        peer = self._pods.get(address)
        destination = pod if ingress else peer
        return any(rule.allows(address, peer, port, protocol, destination, self._namespace_labels) for rule in rules)

    def _isolation(self, pod: Pod) -> Isolation:
        found = self._isolated.get(pod.key)
        if found is None:
            selecting = [p for p in self._policies.get(pod.key[0], {}).values() if p.pods(pod.labels)]
            found = self._isolated[pod.key] = Isolation(
                _union([p.ingress for p in selecting]), _union([p.egress for p in selecting])
            )
        return found

    def _namespace_labels(self, name: str) -> Labels:
        namespace = self._client.find("namespaces", "", name)
        return objects.labels(namespace) if namespace is not None else {}

    # -- following

    def _policy_changed(self, event: Event) -> None:
        if event.type != DELETED:
            self._add_policy(event.object)
        else:
            namespace, name = objects.key(event.object)
            held = self._policies[namespace]
            del held[name]
            if not held:
                del self._policies[namespace]
        self._isolated.clear()
        self._answers.clear()

    def _add_policy(self, policy: Obj) -> None:
        namespace, name = objects.key(policy)
        self._policies.setdefault(namespace, {})[name] = compile_policy(policy)

    def _pod_changed(self, event: Event) -> None:
        at = objects.key(event.object)
        if event.type == DELETED:
            self._given.pop(at, None)
            self._follow(at, None)
        else:
            self._follow(at, Pod.read(event.object, self._given.get(at, ())))

    def _follow(self, at: Key, new: Pod | None) -> None:
        old = self._known.get(at)
        if old == new:
            return
        if old is not None:
            for address in old.addresses:
                if self._pods.get(address) is old:
                    del self._pods[address]
            del self._known[at]
        if new is not None:
            self._known[at] = new
            for address in new.addresses:
                self._pods[address] = new
        self._isolated.pop(at, None)
        self._answers.clear()

    def _namespace_changed(self, event: Event) -> None:
        if event.old is None or objects.labels(event.old) != objects.labels(event.object):
            self._answers.clear()


def _union(found: list[tuple[Rule, ...] | None]) -> tuple[Rule, ...] | None:
    isolating = [rules for rules in found if rules is not None]
    return tuple(rule for rules in isolating for rule in rules) if isolating else None

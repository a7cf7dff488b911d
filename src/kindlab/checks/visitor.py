"""Pods the grader makes for a moment to be somebody in particular: with labels that policies go by, on a node, in a
node's own network (which is how a client outside the Pod network looks to kube-proxy), listening where a server is
wanted.

Where a namespace enforces Pod Security, nobody is put into a node's network there. Such a guest then lives in a
namespace of the grader's own for as long as it is needed: a node's network belongs to no namespace, no policy selects
who is in it, and the short names of the lab's Services are among those that it looks for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from kindlab.api import Api, ApiError, Obj
from kindlab.checks.client import Client
from kindlab.checks.images import not_pulled
from kindlab.checks.probe import IMAGE, START_TIMEOUT
from kindlab.checks.room import room
from kindlab.checks.verdict import CouldNotGrade
from kindlab.clock import token_hex
from kindlab.conditions import is_ready
from kindlab.managed import MANAGED

PREFIX = "kindlab-visitor-"
LIFETIME = 600
"""Seconds after which a visitor whose grader was killed ends by itself."""
PRIVILEGED = {"pod-security.kubernetes.io/enforce": "privileged"}


@dataclass(frozen=True)
class Guest:
    """Who a visitor is to be. `serves`: a port on which it answers HTTP, /hostname with its name."""

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    node: str = ""
    host_network: bool = False
    serves: int = 0


@contextmanager
def visitors(api: Api, guests: Mapping[str, Guest]) -> Iterator[dict[str, Client]]:
    """A client for each guest, as long as the block lasts; they start together. Raises CouldNotGrade when a Pod does
    not get ready."""
    names = {key: f"{PREFIX}{token_hex(4)}" for key in guests}
    made: dict[str, tuple[str, str]] = {}
    with ExitStack() as own:
        try:
            for key, guest in guests.items():
                made[key] = (_make(api, names[key], guest, own), names[key])
            for namespace, name in made.values():
                _await(api, namespace, name)
            yield {key: Client(api, namespace, name) for key, (namespace, name) in made.items()}
        finally:
            for namespace, name in made.values():
                api.delete("Pod", name, namespace, grace=0)


@contextmanager
def visitor(api: Api, guest: Guest) -> Iterator[Client]:
    """One client that lasts as long as the block."""
    with visitors(api, {"": guest}) as clients:
        yield clients[""]


def may_stand_outside(api: Api, namespace: str) -> bool:
    """Whether there can be a guest in the network of a node. Nothing is made (dry run). Raises ApiError."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kindlab-try", "labels": PRIVILEGED}}
    pod = _manifest("kindlab-try", Guest(namespace, host_network=True))
    for path, asked in ((api.path("Pod", namespace), pod), (api.path("Namespace"), space)):
        try:
            api.request("POST", path, asked, query={"dryRun": "All"})
        except ApiError as error:
            if error.code != 403:
                raise
        else:
            return True
    return False


def _make(api: Api, name: str, guest: Guest, own: ExitStack) -> str:
    """Make the guest's Pod; returns the namespace it is in."""
    manifest = _manifest(name, guest)
    try:
        api.create(manifest, guest.namespace)
    except ApiError as error:
        if not guest.host_network or error.code != 403 or "PodSecurity" not in error.message:
            raise
    else:
        return guest.namespace
    namespace = own.enter_context(room(api, labels=PRIVILEGED))
    manifest["spec"]["dnsConfig"]["searches"] = [f"{guest.namespace}.svc.cluster.local"]
    api.create(manifest, namespace)
    return namespace


def _await(api: Api, namespace: str, name: str) -> None:
    for pods in api.follow("Pod", namespace, fields=f"metadata.name={name}", timeout=START_TIMEOUT):
        if any(is_ready(pod) for pod in pods.values()):
            return
        if said := next((said for pod in pods.values() if (said := not_pulled(pod))), ""):
            raise CouldNotGrade(f"the grader's own Pod {name} does not start: {said}")
    raise CouldNotGrade(
        f"the grader's own Pod {name} was not ready within {START_TIMEOUT:.0f} s (kubectl get events -n {namespace})"
    )


def _manifest(name: str, guest: Guest) -> Obj:
    container: Obj = {"name": "visitor", "image": IMAGE, "args": ["pause"]}
    if guest.serves:
        container["args"] = ["netexec", f"--http-port={guest.serves}", "--udp-port=-1"]
        container["readinessProbe"] = {"tcpSocket": {"port": guest.serves}, "periodSeconds": 1}
    spec: Obj = {
        "terminationGracePeriodSeconds": 0,
        "activeDeadlineSeconds": LIFETIME,
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "dnsConfig": {"options": [{"name": "timeout", "value": "2"}]},
        "containers": [container],
    }
    if guest.host_network:
        spec |= {"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}
    if guest.node:
        term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [guest.node]}]}
        required = {"nodeSelectorTerms": [term]}
        spec["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
        spec["tolerations"] = [{"operator": "Exists"}]
    meta = {"name": name, "labels": {**guest.labels, **MANAGED}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}

"""The end of a path: the name resolves, policies let the client through, and the port answers.

Traffic decides. Policies are read to say why nothing came back, never to call broken what works.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass

from kindlab.api import Api, ApiError, Obj
from kindlab.checks.client import Client
from kindlab.checks.probe import NAME as PROBE
from kindlab.checks.probe import TIMED_OUT, Replies
from kindlab.checks.verdict import CouldNotGrade
from kindlab.endpoints import SERVICE_LABEL
from kindlab.rights import FORBIDDEN
from kindlab.trace.hops import Trace
from kindlab.trace.policy import Policies, Refusal

REQUESTS = 24
"""Enough to meet an endpoint that does not answer: by chance one of two is missed once in 16 million."""


@dataclass(frozen=True)
class Endpoint:
    """A ready address of a slice. `port` 0 where a headless Service has none; `pod` "" where no Pod is behind it."""

    address: str
    port: int
    pod: str = ""
    node: str = ""

    def __str__(self) -> str:
        if not self.port:
            return self.address
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def ask(api: Api, service: Obj, port: Obj, endpoints: list[Endpoint], client: Client, path: Trace) -> None:
    """Send requests to a Service's port from the client, and add the hops DNS, NetworkPolicy (where one has a say) and
    Answer."""
    meta = service["metadata"]
    host = meta["name"] if client.namespace == meta["namespace"] else f"{meta['name']}.{meta['namespace']}"
    if port.get("protocol", "TCP") != "TCP":
        path.ok("Answer", f"port {port['port']} is {port['protocol']}: not tried")
        return
    name = f"{meta['name']}.{meta['namespace']}"
    try:
        addresses = client.addresses(name)
        if not addresses:
            _no_name(api, name, client, path)
            return
        path.ok("DNS", f"{name} resolves to {', '.join(addresses)}")
        if not port["port"]:
            path.ok("Answer", "the Service names no port: not tried")
            return
        refusal = refused(api, client.object, meta["namespace"], endpoints)
        for over, option in client.families(addresses).items():
            replies = client.get_many(f"http://{name}:{port['port']}/", count=REQUESTS, options=option)
            if not judge_policy(replies, refusal, client, path):
                return
            if not judge_answer(replies, service, port, host, path, over):
                return
    except CouldNotGrade as error:
        path.fail("Client", str(error), f"kubectl describe pod {client.pod} -n {client.namespace}")


def _no_name(api: Api, name: str, client: Client, path: Trace) -> None:
    refusal = _dns_refused(api, client)
    if refusal is not None:
        path.fail(
            "DNS",
            f"{client.pod} cannot ask for the name {name}: {refusal} (the cluster's DNS, port 53)",
            f"let UDP and TCP port 53 out, then try: kubectl describe networkpolicies -n {refusal.namespace}",
        )
        return
    path.fail(
        "DNS",
        f"the name {name} does not resolve inside the cluster",
        "kubectl get pods -n kube-system -l k8s-app=kube-dns",
    )


def _dns_refused(api: Api, client: Client) -> Refusal | None:
    try:
        servers = api.list("Pod", "kube-system", labels="k8s-app=kube-dns")
    except ApiError as error:
        if error.code != FORBIDDEN:
            raise
        return None
    policies, sender = Policies(api, client.namespace), client.object()
    found = [policies.refuses_dns(sender, server, 53) for server in servers]
    return found[0] if found and all(found) else None


def refused(api: Api, sender: Callable[[], Obj | None], namespace: str, endpoints: list[Endpoint]) -> Refusal | None:
    """The first refusal of a sending Pod by policies, over the endpoints that are Pods of `namespace`. The sender is
    looked up only where there are policies."""
    policies = Policies(api, namespace)
    pod_that_asks = sender() if policies.all else None
    if pod_that_asks is None:
        return None
    for endpoint in endpoints:
        pod = api.get("Pod", endpoint.pod, namespace) if endpoint.pod else None
        if pod is not None:
            found = policies.refuses(pod_that_asks, pod, endpoint.port)
            if found is not None:
                return found
    return None


def judge_policy(replies: Replies, refusal: Refusal | None, client: Client, path: Trace) -> bool:
    """Add the hop NetworkPolicy where policies have a say; False when it is the broken one."""
    if refusal is None:
        return True
    lost = [r for r in replies if r.exit == TIMED_OUT]
    if not lost:
        path.ok(
            "NetworkPolicy",
            f"{refusal}; yet the requests passed: this cluster's network does not enforce policies",
        )
        return True
    whose = "policies judge by the labels of the Pod that asks: to ask as another one, add --from POD; "
    path.fail(
        "NetworkPolicy",
        f"{len(lost)} of {len(replies)} requests of {client.pod} got no answer: {refusal}",
        f"{whose if client.pod == PROBE else ''}kubectl describe networkpolicies -n {refusal.namespace}",
    )
    return False


def judge_answer(replies: Replies, service: Obj, port: Obj, host: str, path: Trace, over: str) -> bool:
    """Add the hop Answer from what came back through the Service; False when it is broken. `over`: words for the IP
    family that was asked by."""
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    number = port["port"]
    broken = [r for r in replies if r.exit and r.exit not in (52, 56)]
    if not broken:
        evidence = f"port {number} answered {len(replies)} of {len(replies)} requests{over}"
        path.ok("Answer", evidence + redirect(replies, namespace))
        return True
    target = port.get("targetPort", number)
    why = f"{len(broken)} of {len(replies)} connections to {host}:{number}{over} failed: {broken[0]}"
    if any(r.exit == 7 for r in broken):
        some = "some Pods do not listen" if len(broken) < len(replies) else "nothing listens"
        if service["spec"].get("clusterIP") == "None":
            why += f"; a headless Service's name leads to the Pods themselves, and {some} on {number}"
        elif not service["spec"].get("selector"):
            why += f"; its EndpointSlices say which port, and {some} there"
        else:
            why += f"; the Service sends them to targetPort {target}, and {some} there"
        then = (
            "compare the targetPort with what the containers listen on: "
            f"kubectl get service {name} -n {namespace} -o yaml, kubectl describe pods -n {namespace}"
        )
    else:
        then = f"kubectl get endpointslices -n {namespace} -l {SERVICE_LABEL}={name} -o wide"
    path.fail("Answer", why, then)
    return False


def redirect(replies: Replies, namespace: str) -> str:
    """Where redirects lead and how to follow them, in a clause; "" when there is none."""
    to = next((r.location for r in replies if r.location and r.location.isprintable()), "")
    return f"; a redirect to {to}: kindlab why {shlex.quote(to)} -n {namespace}" if to else ""

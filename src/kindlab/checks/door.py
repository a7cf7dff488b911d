"""The ingress controller behind an IngressClass: its Service inside the cluster, found by the labels its charts set."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from kindlab.api import Api, ApiError, Obj
from kindlab.checks.certificates import Certificate
from kindlab.checks.probe import TIMED_OUT, Probe, Replies
from kindlab.conditions import is_ready
from kindlab.endpoints import SERVICE_LABEL, ready_targets
from kindlab.hosts import in_url
from kindlab.selectors import query

LABELS = {
    "traefik.io/ingress-controller": "app.kubernetes.io/name=traefik",
    "traefik.io/gateway-controller": "app.kubernetes.io/name=traefik",
    "k8s.io/ingress-nginx": "app.kubernetes.io/name=ingress-nginx,app.kubernetes.io/component=controller",
    "nginx.org/ingress-controller": "app.kubernetes.io/name=nginx-ingress",
    "haproxy.org/ingress-controller/haproxy": "app.kubernetes.io/name=kubernetes-ingress",
}
"""controller of an IngressClass or GatewayClass -> labels of its Pods and Service."""


@dataclass(frozen=True)
class Door:
    """Where a controller listens inside the cluster. `pod` is one of its ready Pods, "" for none."""

    namespace: str
    service: str
    address: str
    http: int
    https: int
    pod: str
    controller: str
    """The name an IngressClass or GatewayClass calls it by."""

    def __str__(self) -> str:
        return f"Service {self.service} in namespace {self.namespace}"

    @property
    def ready(self) -> bool:
        return bool(self.pod)

    @property
    def at(self) -> str:
        """The address as URLs and curl's options have it."""
        return in_url(self.address)

    def pod_object(self, api: Api) -> Obj | None:
        """None when it is not there, or not ours to see."""
        try:
            return api.get("Pod", self.pod, self.namespace)
        except ApiError as error:
            if error.code != 403:
                raise
            return None

    def ask(
        self, client: Probe, host: str, path: str, tls: bool, *, count: int, options: str = "", trust: str = ""
    ) -> Replies:
        """`count` GETs as a browser outside would make them, sent to the controller's own Service. `trust`: a file in
        the client with the certificates it trusts; without one certificates are not verified."""
        port, asked = (self.https, 443) if tls else (self.http, 80)
        url = f"http{'s' if tls else ''}://{host}{path}"
        verify = f"--cacert {trust}" if trust else "-k"
        options = f"{verify} --connect-to {host}:{asked}:{self.at}:{port} {options}".rstrip()
        return client.get_many(url, count=count, options=options)

    def shown(self, client: Probe, host: str, among: Iterable[Certificate]) -> Certificate | None:
        """Which of the certificates satisfies a client that asks for the host and trusts nothing else: the controller
        shows that one, it is for the host, and its time has come and is not over. None: no such one. Whoever is
        behind the controller need not answer: a client that waits for a page has accepted the certificate before."""
        candidates = list(among)
        asked = f"--connect-to {host}:443:{self.at}:{self.https} https://{host}/"
        tries = [
            f"printf %s {shlex.quote(one.pem)} > $f; "
            f"curl -s -o /dev/null -m 3 -w '%{{time_appconnect}} ' --cacert $f {asked}; echo $?"
            for one in candidates
        ]
        result = client.host.run(f"f=$(mktemp); {'; '.join([*tries, 'rm $f'])}")
        answers = zip(candidates, result.stdout.splitlines(), strict=False)
        return next((one for one, line in answers if _is_satisfied(*line.split())), None)


def _is_satisfied(handshake: str, code: str) -> bool:
    """`handshake`: the seconds it took, 0 when it has not ended well; `code`: curl's."""
    return int(code) == 0 or (int(code) == TIMED_OUT and float(handshake) > 0)


def door_of(api: Api, controller: str) -> Door | None:
    """The door of the controller that calls itself so; None when no Service of it is found."""
    labels = LABELS.get(controller)
    if labels is None:
        return None
    services = [s for s in api.list("Service", labels=labels) if s["spec"].get("clusterIP") not in (None, "", "None")]
    for service in services:
        ports = {p["port"] for p in service["spec"].get("ports") or ()}
        if not ports & {80, 443}:
            continue  # metrics, webhooks
        meta = service["metadata"]
        pod = min(_ready_pods(api, service), default="")
        return Door(meta["namespace"], meta["name"], service["spec"]["clusterIP"], 80, 443, pod, controller)
    return None


def _ready_pods(api: Api, service: Obj) -> set[str]:
    """Their names; who may not see the Pods of that namespace is told by the Service's endpoints."""
    name, space = service["metadata"]["name"], service["metadata"]["namespace"]
    try:
        pods = api.list("Pod", space, labels=query(service["spec"].get("selector")))
        return {pod["metadata"]["name"] for pod in pods if is_ready(pod)}
    except ApiError as error:
        if error.code != 403:
            raise
    return ready_targets(api.list("EndpointSlice.discovery.k8s.io", space, labels=f"{SERVICE_LABEL}={name}"))

"""An API of one's own: an APIService that leads to a Service, what is passed on, and what is said when it is not."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator

import pytest
from tests.parity.metrics.test_usage import available
from tests.parity.network.support import Place, pod

from kindlab.api import ApiError, Obj

GROUP = "parity.kindlab.example.com"
NAME, PATH = f"v1.{GROUP}", f"/apis/{GROUP}/v1"
SECURE = ("netexec", "--http-port=8443", "--tls-cert-file=/localhost.crt", "--tls-private-key-file=/localhost.key")
TAKES = 60.0
"""Seconds within which an API server has noticed: it looks at what failed again after 30 at the latest."""


@pytest.fixture
def register(here: Place) -> Iterator[Callable[..., None]]:
    """Make the APIService; it is gone before the namespace is asked to go, which it would hold."""

    def make(**spec: object) -> None:
        where = {"namespace": here.namespace, "name": "server", "port": 443}
        body = {"group": GROUP, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100, "service": where}
        made = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": NAME}}
        here.put({**made, "spec": {**body, **spec}})

    _forget(here)
    yield make
    _forget(here)


def _forget(here: Place) -> None:
    here.api.delete("APIService", NAME)
    here.gone("APIService", name=NAME)


def serve(here: Place) -> None:
    service = {"selector": {"app": "server"}, "ports": [{"name": "https", "port": 443, "targetPort": 8443}]}
    here.put({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "server"}, "spec": service})
    here.start(pod("server", *SECURE, labels={"app": "server"}))


def says(here: Place, reason: str) -> str:
    """The message of the condition, once that is its reason."""

    def holds(live: Obj) -> bool:
        return any(one.get("reason") == reason for one in live.get("status", {}).get("conditions") or ())

    live = here.wait("APIService", NAME, holds, timeout=TAKES)
    return str(next(one["message"] for one in live["status"]["conditions"] if one["type"] == "Available"))


def ask(here: Place, path: str, expected: Callable[[int, str], bool]) -> str:
    """What comes back, once it is as expected: the API server acts on a condition a moment after it is written."""
    deadline = time.monotonic() + TAKES
    last: tuple[int, str] = (0, "")
    while time.monotonic() < deadline:
        try:
            last = 200, here.request("GET", path, stream=True).data.decode()
        except ApiError as error:
            last = error.code, error.message
        if expected(*last):
            return last[1]
        time.sleep(0.1)
    raise AssertionError(f"GET {path} was not as expected: {last}")


def test_requests_reach_the_server_behind_it(here: Place, register: Callable[..., None]) -> None:
    register(insecureSkipTLSVerify=True)
    assert says(here, "ServiceNotFound") == f'service/server in "{here.namespace}" is not present'
    serve(here)
    here.wait("APIService", NAME, available, timeout=TAKES)
    ask(here, f"{PATH}/anything", lambda code, text: code == 200 and text.startswith("NOW: "))
    group = here.request("GET", f"/apis/{GROUP}")
    assert group["preferredVersion"] == {"groupVersion": f"{GROUP}/v1", "version": "v1"}
    assert GROUP in [one["name"] for one in here.request("GET", "/apis")["groups"]]
    here.api.delete("Pod", "server", here.namespace)
    message = says(here, "MissingEndpoints")
    assert (
        message == f'endpointslices for service/server in "{here.namespace}" have no addresses with port name "https"'
    )
    ask(here, f"{PATH}/anything", lambda code, text: code == 503 and "service unavailable" in text)


def test_a_server_is_trusted_by_its_certificate(here: Place, register: Callable[..., None]) -> None:
    authority = here.require("ConfigMap", "kube-root-ca.crt")["data"]["ca.crt"]
    register(caBundle=base64.b64encode(authority.encode()).decode())
    serve(here)
    message = says(here, "FailedDiscoveryCheck")
    assert f"{PATH}: Get " in message
    assert "tls: failed to verify certificate: x509: " in message


def test_a_server_that_says_no_is_none(here: Place, register: Callable[..., None]) -> None:
    service = {"selector": {"app": "server"}, "ports": [{"name": "https", "port": 443, "targetPort": 8443}]}
    here.put({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "server"}, "spec": service})
    here.start(pod("server", "netexec", "--http-port=8443", labels={"app": "server"}))
    register(insecureSkipTLSVerify=True)
    assert "http: server gave HTTP response to HTTPS client" in says(here, "FailedDiscoveryCheck")
    here.api.patch("APIService", NAME, None, {"spec": {"service": {"port": 444}}})
    assert says(here, "ServicePortError") == f'service/server in "{here.namespace}" is not listening on port 444'


def test_the_servers_own_versions_are_there_too(here: Place) -> None:
    found = here.api.get("APIService", "v1.apps")
    assert found is not None
    assert "service" not in found["spec"]
    assert found["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "onstart"}
    assert available(found)

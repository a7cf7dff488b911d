"""[sig-network] conformance of the API server's proxy: to Pods and Services, by every method, with links rewritten."""

from __future__ import annotations

import json
from http.client import HTTPResponse
from typing import Any

import pytest
from tests.parity.network.support import AGNHOST, Place, deployment, pod, port, service, together

from kindlab.api import ApiError

ATTEMPTS = 5
"""Of upstream's 20 for each address: what fails, fails at the first."""
METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]


def fetch(net: Place, path: str, method: str = "GET") -> tuple[int, str]:
    """(status, body) of a request through the proxy; redirects are not followed."""
    try:
        answer: Any = net.request(method, path, stream=True, accept="*/*")
    except ApiError as error:
        return error.code, error.message
    with answer:
        return answer.status, answer.data.decode()


def test_proxy_through_a_service_and_a_pod(net: Place) -> None:
    """[sig-network] Proxy version v1 should proxy through a service and a pod [Conformance]"""
    ports = [
        port(80, "dest1", name="portname1"),
        port(81, 162, name="portname2"),
        port(443, "tlsdest1", name="tlsportname1"),
        port(444, 462, name="tlsportname2"),
    ]
    served = {
        "SERVE_PORT_80": '<a href="/rewriteme">test</a>',
        "SERVE_PORT_1080": '<a href="/rewriteme">test</a>',
        "SERVE_PORT_160": "foo",
        "SERVE_PORT_162": "bar",
        "SERVE_TLS_PORT_443": '<a href="/tlsrewriteme">test</a>',
        "SERVE_TLS_PORT_460": "tls baz",
        "SERVE_TLS_PORT_462": "tls qux",
    }
    named = {"dest1": 160, "dest2": 162, "tlsdest1": 460, "tlsdest2": 462}
    container = {
        "name": "main",
        "image": AGNHOST,
        "command": ["/agnhost", "porter"],
        "env": [{"name": name, "value": value} for name, value in served.items()],
        "ports": [{"containerPort": 80}, *({"name": n, "containerPort": p} for n, p in named.items())],
        "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 1, "timeoutSeconds": 5},
    }
    net.start(service("proxy-service", *ports), deployment("proxy-service", replicas=1, containers=[container]))
    net.endpoints("proxy-service", 1)
    name = net.list("Pod", "app=proxy-service")[0]["metadata"]["name"]

    def of(plural: str, called: str, scheme: str, number: str) -> str:
        who = f"{scheme}:{called}:{number}" if scheme else f"{called}:{number}" if number else called
        return f"/api/v1/namespaces/{net.namespace}/{plural}/{who}/proxy"

    def by_service(scheme: str, number: str) -> str:
        return of("services", "proxy-service", scheme, number)

    def by_pod(scheme: str, number: str) -> str:
        return of("pods", name, scheme, number)

    def link(path: str, to: str) -> str:
        return f'<a href="{path}{to}">test</a>'

    expected = {
        by_service("", "portname1"): "foo",
        by_service("http", "portname1"): "foo",
        by_service("", "portname2"): "bar",
        by_service("http", "portname2"): "bar",
        by_service("https", "tlsportname1"): "tls baz",
        by_service("https", "tlsportname2"): "tls qux",
        by_pod("", ""): link(by_pod("", ""), "/rewriteme"),
        by_pod("", "1080"): link(by_pod("", "1080"), "/rewriteme"),
        by_pod("http", "1080"): link(by_pod("http", "1080"), "/rewriteme"),
        by_pod("", "160"): "foo",
        by_pod("http", "160"): "foo",
        by_pod("", "162"): "bar",
        by_pod("http", "162"): "bar",
        by_pod("https", "443"): link(by_pod("https", "443"), "/tlsrewriteme"),
        by_pod("https", "460"): "tls baz",
        by_pod("https", "462"): "tls qux",
    }
    for _ in range(ATTEMPTS):
        got = together(*(lambda path=path: fetch(net, f"{path}/") for path in expected))  # type: ignore[misc]
        assert dict(zip(expected, got, strict=True)) == {path: (200, text) for path, text in expected.items()}


@pytest.fixture
def porter(net: Place) -> Place:
    """A Pod `agnhost` that answers with what was asked, behind the Service `test-service`."""
    env = [{"name": "SERVE_PORT_80", "value": "foo"}]
    net.start(
        pod(
            "agnhost",
            command=["/agnhost", "porter", "--json-response"],
            env=env,
            labels={"test": "response"},
            restartPolicy="Never",
        ),
        service("test-service", port(80, 80), selector={"test": "response"}),
    )
    net.endpoints("test-service", 1)
    return net


@pytest.mark.parametrize("target", ["pods/agnhost", "services/test-service"])
def test_proxy_with_path(porter: Place, target: str) -> None:
    """[sig-network] Proxy version v1 A set of valid responses are returned for both pod and service ProxyWithPath
    [Conformance]"""
    base = f"/api/v1/namespaces/{porter.namespace}/{target}/proxy"
    for method in METHODS:
        status, body = fetch(porter, f"{base}/some/path/with/{method}", method)
        assert status == 200, body
        if method != "HEAD":
            assert json.loads(body) == {"Method": method, "Body": "foo"}


@pytest.mark.parametrize("target", ["pods/agnhost", "services/test-service"])
def test_proxy_without_path(porter: Place, target: str) -> None:
    """[sig-network] Proxy version v1 A set of valid responses are returned for both pod and service Proxy
    [Conformance]"""
    base = f"/api/v1/namespaces/{porter.namespace}/{target}/proxy"
    for method in METHODS:
        status, location = raw(porter, f"{base}?method={method}", method)
        if method in ("GET", "HEAD"):
            assert status == 301
            assert location.startswith(f"{base}/?method=")
        else:
            assert status == 200


def raw(net: Place, path: str, method: str) -> tuple[int, str]:
    """(status, Location) without following redirects, which the client would do by itself."""
    pool, headers = net.api.client.rest_client.pool_manager, {"Accept": "*/*"}
    net.api.client.update_params_for_auth(headers, [], ["BearerToken"])
    answer: HTTPResponse = pool.request(method, f"{net.api.server}{path}", headers=headers, redirect=False)
    return answer.status, answer.headers.get("Location", "")

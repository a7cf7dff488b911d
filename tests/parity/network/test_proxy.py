"""The API server's proxy: what browsers behind `kubectl proxy` rely on. test_conformance_proxy has upstream's tests."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
import urllib3
from tests.parity.network.support import Place, is_ready, pod, port, service


def ask(
    net: Place, method: str, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None
) -> urllib3.BaseHTTPResponse:
    """A request below the namespace, as the official client's connection sends it; redirects are not followed."""
    client = net.api.client
    sent = dict(headers or {})
    client.update_params_for_auth(sent, [], ["BearerToken"])
    url = f"{net.api.server}/api/v1/namespaces/{net.namespace}/{path}"
    pool: urllib3.PoolManager = client.rest_client.pool_manager
    return pool.request(method, url, body=body, headers=sent, redirect=False, retries=False, timeout=30)


def status(answer: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.data)
    assert found["kind"] == "Status"
    assert found["code"] == answer.status
    return found


@pytest.fixture(scope="module")
def echo(shared: Place) -> Place:
    """Pod and Service `echo`: porter, which tells the method it was asked with. Pod and Service `web`: netexec."""
    shared.start(
        pod(
            "echo", "porter", "--json-response", env=[{"name": "SERVE_PORT_80", "value": "foo"}], labels={"app": "echo"}
        ),
        service("echo", port(80, 80), selector={"app": "echo"}),
        pod(
            "web", "netexec", "--http-port=8080", ports=[{"name": "http", "containerPort": 8080}], labels={"app": "web"}
        ),
        service("web", port(80, "http", name="http"), port(81, 9, name="closed"), selector={"app": "web"}),
    )
    shared.endpoints("echo", pods=["echo"])
    shared.endpoints("web", pods=["web"])
    return shared


# -- what passes through


def test_a_named_a_numbered_and_an_only_port(echo: Place) -> None:
    for name in ("web:http", "web:80", "http:web:http", "http:web:80"):
        assert ask(echo, "GET", f"services/{name}/proxy/hostname").data == b"web", name
    for name in ("web", "web:8080", "http:web:8080"):
        assert ask(echo, "GET", f"pods/{name}/proxy/hostname").data == b"web", name


def test_the_query_and_the_status_pass_through(echo: Place) -> None:
    text = quote("tea & milk = ☕?")
    answer = ask(echo, "GET", f"services/web:http/proxy/echo?msg={text}&code=418")
    assert (answer.status, answer.data.decode()) == (418, "tea & milk = ☕?")


def test_large_answers_pass_through(echo: Place) -> None:
    script = quote("head -c 3000000 /dev/zero | tr '\\0' x")
    answer = ask(echo, "POST", f"services/web:http/proxy/shell?cmd={script}")
    assert answer.status == 200
    assert len(json.loads(answer.data)["output"]) == 3_000_000


def test_the_clients_credentials_stay_with_the_api_server(echo: Place) -> None:
    secret = {"Impersonate-User": "kubernetes-admin", "Impersonate-Group": "system:masters"}

    def seen(name: str, **headers: str) -> str:
        answer = ask(echo, "GET", f"services/web:http/proxy/header?key={name}", headers=headers)
        assert answer.status == 200, answer.data
        return answer.data.decode().strip()

    assert seen("Authorization") == ""
    for name in secret:
        assert seen(name, **secret) == ""
    assert seen("X-Mine", **{"X-Mine": "kept"}) == "kept"


def test_the_backend_is_told_who_asked_for_what(echo: Place) -> None:
    answer = ask(echo, "GET", "services/web:http/proxy/header?key=X-Forwarded-Uri")
    assert answer.data.decode() == f"/api/v1/namespaces/{echo.namespace}/services/web:http/proxy/header"
    assert ask(echo, "GET", "services/web:http/proxy/header?key=X-Forwarded-For").data.decode().strip() != ""


def test_redirects_of_the_backend_stay_below_the_proxy(echo: Place) -> None:
    here = f"/api/v1/namespaces/{echo.namespace}/services/web:http/proxy"
    answer = ask(echo, "GET", "services/web:http/proxy/redirect?location=/hostname&code=302")
    assert (answer.status, answer.headers["Location"]) == (302, f"{here}/hostname")
    elsewhere = quote("https://example.com/x", safe="")
    answer = ask(echo, "GET", f"services/web:http/proxy/redirect?location={elsewhere}&code=302")
    assert answer.headers["Location"] == "https://example.com/x"


# -- what goes wrong


def test_a_port_where_nobody_listens(echo: Place) -> None:
    address = echo.require("Pod", "web")["status"]["podIP"]
    answer = ask(echo, "GET", "services/web:closed/proxy/")
    found = status(answer)
    assert (answer.status, found["reason"]) == (503, "ServiceUnavailable")
    assert found["message"] == f"error trying to reach service: dial tcp {address}:9: connect: connection refused"


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("services/nope/proxy/", 404, 'services "nope" not found'),
        ("pods/nope/proxy/", 404, 'pods "nope" not found'),
        ("services/web/proxy/", 503, 'no endpoints available for service "web"'),
        ("services/web:nope/proxy/", 503, 'no endpoints available for service "web:nope"'),
        ("services/web:99/proxy/", 503, 'no service port 99 found for service "web"'),
        ("services/ftp:web:http/proxy/", 400, 'invalid service request "ftp:web:http"'),
    ],
)
def test_names_that_lead_nowhere(echo: Place, name: str, code: int, message: str) -> None:
    answer = ask(echo, "GET", name)
    assert (answer.status, status(answer)["message"]) == (code, message)


def test_a_service_without_a_ready_pod(net: Place) -> None:
    never = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    unready = pod("unready", "netexec", labels={"app": "unready"}, readinessProbe=never)
    net.put(unready, service("unready", port(80, 8080)), service("empty", port(80, 8080)))
    net.wait("Pod", "unready", lambda p: p["status"].get("podIP") and p["status"]["phase"] == "Running")
    assert not is_ready(net.require("Pod", "unready"))
    net.until(
        "EndpointSlice",
        lambda found: any(s.get("endpoints") for s in found),
        labels="kubernetes.io/service-name=unready",
    )
    for name in ("unready", "empty"):
        answer = ask(net, "GET", f"services/{name}/proxy/")
        assert (answer.status, status(answer)["reason"]) == (503, "ServiceUnavailable")
        assert status(answer)["message"] == f'no endpoints available for service "{name}"'


def test_a_pod_without_an_address(net: Place) -> None:
    net.put(pod("pending", nodeSelector={"no": "such"}))
    answer = ask(net, "GET", "pods/pending/proxy/")
    assert (answer.status, status(answer)["message"]) == (400, "address not allowed")


def test_who_may_not_proxy_is_told_so(net: Place) -> None:
    net.start(pod("web", "netexec"))
    headers = {"Impersonate-User": "somebody"}
    answer = ask(net, "GET", "pods/web:8080/proxy/hostname", headers=headers)
    assert answer.status == 403
    assert (
        f'User "somebody" cannot get resource "pods/proxy" in API group "" in the namespace "{net.namespace}"'
        in status(answer)["message"]
    )

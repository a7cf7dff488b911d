"""The API server's proxy: what test/e2e/network/proxy.go demands, and what browsers behind `kubectl proxy` rely on."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
import urllib3
from tests.parity.network.support import Place, deployment, is_ready, pod, port, service, together

ROUNDS = 5
VERBS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


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


# -- the conformance tests


def test_services_and_pods_answer_by_every_name_their_ports_have(net: Place) -> None:
    values = {
        "SERVE_PORT_80": '<a href="/rewriteme">test</a>',
        "SERVE_PORT_1080": '<a href="/rewriteme">test</a>',
        "SERVE_PORT_160": "foo",
        "SERVE_PORT_162": "bar",
        "SERVE_TLS_PORT_443": '<a href="/tlsrewriteme">test</a>',
        "SERVE_TLS_PORT_460": "tls baz",
        "SERVE_TLS_PORT_462": "tls qux",
    }
    named = {"dest1": 160, "dest2": 162, "tlsdest1": 460, "tlsdest2": 462}
    probe = {"httpGet": {"port": 80}, "initialDelaySeconds": 1, "timeoutSeconds": 5, "periodSeconds": 10}
    porter = deployment(
        "porter",
        command=["/agnhost", "porter"],
        replicas=1,
        env=[{"name": name, "value": value} for name, value in values.items()],
        ports=[{"containerPort": 80}, *({"name": n, "containerPort": p} for n, p in named.items())],
        readinessProbe=probe,
    )
    ports = (
        port(80, "dest1", name="portname1"),
        port(81, 162, name="portname2"),
        port(443, "tlsdest1", name="tlsportname1"),
        port(444, 462, name="tlsportname2"),
    )
    net.start(service("porter", *ports), porter)
    (name,) = net.endpoints("porter", 1)

    def link(scheme: str, number: str, to: str) -> str:
        return f'<a href="/api/v1/namespaces/{net.namespace}/pods/{spelled(scheme, name, number)}/proxy{to}">test</a>'

    def spelled(scheme: str, what: str, number: str) -> str:
        return f"{scheme}:{what}:{number}" if scheme else f"{what}:{number}" if number else what

    expected = {
        ("services", "", "portname1"): "foo",
        ("services", "http", "portname1"): "foo",
        ("services", "", "portname2"): "bar",
        ("services", "http", "portname2"): "bar",
        ("services", "https", "tlsportname1"): "tls baz",
        ("services", "https", "tlsportname2"): "tls qux",
        ("pods", "", ""): link("", "", "/rewriteme"),
        ("pods", "", "1080"): link("", "1080", "/rewriteme"),
        ("pods", "http", "1080"): link("http", "1080", "/rewriteme"),
        ("pods", "", "160"): "foo",
        ("pods", "http", "160"): "foo",
        ("pods", "", "162"): "bar",
        ("pods", "http", "162"): "bar",
        ("pods", "https", "443"): link("https", "443", "/tlsrewriteme"),
        ("pods", "https", "460"): "tls baz",
        ("pods", "https", "462"): "tls qux",
    }

    def attempt(kind: str, scheme: str, number: str) -> tuple[int, str]:
        what = "porter" if kind == "services" else name
        answer = ask(net, "GET", f"{kind}/{spelled(scheme, what, number)}/proxy/")
        return answer.status, answer.data.decode()

    for _ in range(ROUNDS):
        seen = together(*(lambda key=key: (key, attempt(*key)) for key in expected))  # type: ignore[misc]
        assert dict(seen) == {key: (200, body) for key, body in expected.items()}


@pytest.mark.parametrize("kind", ["pods", "services"])
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_reaches_a_path(echo: Place, kind: str, verb: str) -> None:
    answer = ask(echo, verb, f"{kind}/echo/proxy/some/path/with/{verb}")
    assert answer.status == 200
    if verb != "HEAD":
        assert json.loads(answer.data) == {"Method": verb, "Body": "foo"}


@pytest.mark.parametrize("kind", ["pods", "services"])
@pytest.mark.parametrize("verb", ["DELETE", "OPTIONS", "PATCH", "POST", "PUT"])
def test_every_verb_reaches_the_root(echo: Place, kind: str, verb: str) -> None:
    answer = ask(echo, verb, f"{kind}/echo/proxy?method={verb}")
    assert (answer.status, json.loads(answer.data)) == (200, {"Method": verb, "Body": "foo"})


@pytest.mark.parametrize("kind", ["pods", "services"])
@pytest.mark.parametrize("verb", ["GET", "HEAD"])
def test_the_root_without_its_slash_is_a_redirect(echo: Place, kind: str, verb: str) -> None:
    answer = ask(echo, verb, f"{kind}/echo/proxy?method={verb}")
    assert answer.status == 301
    wanted = f"/api/v1/namespaces/{echo.namespace}/{kind}/echo/proxy/?method={verb}"
    assert answer.headers["Location"] == wanted


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

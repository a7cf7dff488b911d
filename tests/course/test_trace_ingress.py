"""`kindlab why` for Ingresses and URLs: each way the path can be broken ends at its own hop."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.course.command import Run
from tests.course.test_trace import broken, deployment, names, put, service, why

from kindlab import trace
from kindlab.api import Api, Obj
from kindlab.checks.live import LiveLab
from kindlab.errors import UsageProblem

POLICY = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}


@pytest.fixture(autouse=True)
def controller(api: Api) -> None:
    """The controller of a cluster that has only just started is ready."""
    LiveLab(api, "traefik").settled("traefik")


def ingress(live: LiveLab, *paths: tuple[str, str], port: Any = 80, tls: str = "", **spec: Any) -> Obj:
    """Ingress `shop` for a host of its own, so that tests of one cluster do not meet; paths lead to Services."""
    every = [
        {"path": path, "pathType": "Prefix", "backend": {"service": {"name": name, "port": _port(port)}}}
        for path, name in paths or (("/", "web"),)
    ]
    host = spec.pop("host", f"shop.{live.namespace}.example")
    rule = {"http": {"paths": every}} | ({"host": host} if host else {})
    whole = {"ingressClassName": "traefik", "rules": [rule], **spec}
    if tls:
        whole["tls"] = [{"hosts": [host], "secretName": tls}]
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "shop"}, "spec": whole}


def _port(port: Any) -> Obj:
    return {"name": port} if isinstance(port, str) else {"number": port}


def pair(host: str, *, days: int = 30) -> tuple[bytes, bytes]:
    """(certificate, key) in PEM form, self-signed, valid until `days` from now."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=60)).not_valid_after(now + timedelta(days=days))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.sign(key, hashes.SHA256()).public_bytes(pem), private


def secret(certificate: bytes, key: bytes) -> Obj:
    data = {"tls.crt": base64.b64encode(certificate).decode(), "tls.key": base64.b64encode(key).decode()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "shop-tls"},
        "type": "kubernetes.io/tls",
        "data": data,
    }


def served(live: LiveLab) -> None:
    """Wait until the controller has taken the Ingress up: it writes its address into it."""
    assert live.eventually(
        "Ingress", lambda found: any((i.get("status") or {}).get("loadBalancer", {}).get("ingress") for i in found)
    )


def test_a_healthy_ingress_has_no_broken_hop(live: LiveLab, kindlab: Run) -> None:
    put(live, service(), deployment(), ingress(live, ("/", "web"), ("/deep", "web")))
    served(live)
    path = why(live, "ingress/shop")
    assert path.broken is None, path.broken
    host = f"shop.{live.namespace}.example"
    assert names(path) == [
        "Ingress",
        "IngressClass",
        *(f"{host}/: {hop}" for hop in ("Service", "Selector", "Ready Pods", "EndpointSlices", "Answer")),
        f"{host}/deep: Answer",
    ]
    assert all("8 of 8 requests: HTTP 200" in hop.evidence for hop in path.hops[-2:])
    done = kindlab("why", "ing/shop", "-n", live.namespace)
    assert done.returncode == 0, done.stdout
    assert "Every hop is in order." in done.stdout


def test_a_page_the_backend_does_not_have_is_no_broken_hop(live: LiveLab) -> None:
    put(live, service("files", 80), deployment("files", 1, image="nginx:1.27", args=[], port=80))
    put(live, ingress(live, ("/deep", "files")))
    served(live)
    path = why(live, "ingress/shop")
    assert path.broken is None, path.broken
    assert "the backend itself says 404 for /deep" in path.hops[-1].evidence


def test_a_url_takes_the_rule_that_serves_it(live: LiveLab) -> None:
    put(live, service(), service("orders"), deployment(), deployment("orders", 1))
    put(live, ingress(live, ("/", "web"), ("/orders", "orders")))
    served(live)
    host = f"shop.{live.namespace}.example"
    path = why(live, f"http://{host}/orders/hostname")
    assert path.broken is None or path.broken.name.endswith("Answer")
    rule = next(hop for hop in path.hops if hop.name == "Rule")
    assert rule.evidence == f"{host}/orders/hostname takes {host}/orders (Prefix) -> orders:80"
    searched = why(live, f"http://{host}/orders?colour=red")
    rule = next(hop for hop in searched.hops if hop.name == "Rule")
    assert rule.evidence == f"{host}/orders?colour=red takes {host}/orders (Prefix) -> orders:80"
    assert f"http://{host}/orders?colour=red through the controller" in searched.hops[-1].evidence
    assert why(live, f"http://{host}/ordersfoo").hops[2].evidence.endswith(f"takes {host}/ (Prefix) -> web:80")
    hop, evidence = broken(why(live, f"http://shpo.{live.namespace}.example/"))
    assert hop == "Rule"
    assert f"did you mean {host}?" in evidence


def test_an_ingress_that_is_not_there(live: LiveLab) -> None:
    put(live, ingress(live))
    assert broken(why(live, "ingress/shpo")) == (
        "Ingress",
        f"there is no Ingress shpo in namespace {live.namespace}; did you mean shop?",
    )


def test_a_class_nobody_serves(live: LiveLab) -> None:
    put(live, ingress(live, ingressClassName="nginx"))
    assert broken(why(live, "ingress/shop")) == ("IngressClass", "there is no IngressClass nginx; there are: traefik")


def test_a_class_whose_controller_is_not_installed(live: LiveLab) -> None:
    name = f"foreign-{live.namespace}"
    spec = {"controller": "example.com/gate"}
    live.api.create(
        {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": name}, "spec": spec}
    )
    try:
        put(live, ingress(live, ingressClassName=name))
        hop, evidence = broken(why(live, "ingress/shop"))
        assert hop == "Controller"
        assert evidence.startswith(f"class {name} is served by example.com/gate, and no controller of that name")
    finally:
        live.api.delete("IngressClass", name)


@pytest.mark.parametrize(
    ("backend", "port", "hop", "evidence"),
    [
        ("wbe", 80, "Service", "there is no Service wbe in namespace {ns}; did you mean web?"),
        ("web", 8080, "Service port", "Service web has no port 8080; it listens on 80"),
        ("web", "http", "Service port", "Service web has no port http; it listens on web"),
    ],
)
def test_a_backend_that_is_not_there(live: LiveLab, backend: str, port: Any, hop: str, evidence: str) -> None:
    put(live, service(), deployment(), ingress(live, ("/", backend), port=port))
    found, text = broken(why(live, "ingress/shop"))
    assert found == f"shop.{live.namespace}.example/: {hop}"
    assert text == evidence.format(ns=live.namespace)


def test_a_service_without_ready_pods_behind_an_ingress(live: LiveLab) -> None:
    put(live, service(), deployment(replicas=0), ingress(live))
    assert broken(why(live, "ingress/shop"))[0].endswith(": Selector")


@pytest.mark.parametrize("what", ["none", "other name", "expired", "foreign key", "no PEM"])
def test_a_certificate_that_cannot_serve_the_host(live: LiveLab, what: str) -> None:
    host = f"shop.{live.namespace}.example"
    good = pair(host)
    made = {
        "none": None,
        "other name": secret(*pair("elsewhere.example")),
        "expired": secret(*pair(host, days=-1)),
        "foreign key": secret(good[0], pair(host)[1]),
        "no PEM": secret(b"no certificate", good[1]),
    }[what]
    put(live, service(), deployment(), ingress(live, tls="shop-tls"))
    if made is not None:
        # the API server refuses a pair that does not fit in kubectl only; here the learner made it by hand
        live.api.create({**made, "type": "Opaque"}, live.namespace)
    hop, evidence = broken(why(live, "ingress/shop"))
    assert hop == "TLS"
    expected = {
        "none": f"there is no Secret shop-tls in namespace {live.namespace}",
        "other name": f"the certificate of Secret shop-tls is for elsewhere.example, not for {host}",
        "expired": "the certificate of Secret shop-tls expired on",
        "foreign key": "the key of Secret shop-tls does not belong to its certificate",
        "no PEM": "tls.crt of Secret shop-tls is not a certificate in PEM form",
    }[what]
    assert evidence.startswith(expected)


def test_a_certificate_in_order_and_https_answers(live: LiveLab) -> None:
    put(live, service(), deployment(), secret(*pair(f"shop.{live.namespace}.example")), ingress(live, tls="shop-tls"))
    served(live)
    path = why(live, f"https://shop.{live.namespace}.example/hostname")
    assert path.broken is None, path.broken
    assert "TLS" in names(path)
    assert path.hops[-1].evidence.startswith("https://")


def test_a_policy_that_shuts_the_controller_out(live: LiveLab) -> None:
    own = {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{"from": [{"podSelector": {}}]}]}
    put(live, service(), deployment(), ingress(live), {**POLICY, "metadata": {"name": "same-space"}, "spec": own})
    served(live)
    path = why(live, "ingress/shop")
    hop, evidence = broken(path)
    assert hop.endswith(": NetworkPolicy")
    assert "the controller's Pod (namespace traefik) cannot reach its backend" in evidence
    assert "NetworkPolicy same-space selects web-" in evidence
    assert why(live).broken is None, "inside the namespace all is well"


@pytest.mark.parametrize("closed", [True, False])
def test_a_policy_that_keeps_the_probe_in_is_not_what_clients_outside_meet(live: LiveLab, closed: bool) -> None:
    shut = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"] if closed else ["Egress"]}
    put(live, service(), deployment(), ingress(live))
    served(live)
    live.api.create({**POLICY, "metadata": {"name": "default-deny"}, "spec": shut}, live.namespace)
    path = why(live, "ingress/shop")
    if closed:
        hop, evidence = broken(path)
        assert hop.endswith(": NetworkPolicy")
        assert "the controller's Pod (namespace traefik) cannot reach its backend" in evidence
    else:
        assert path.broken is None
        assert "not tried: NetworkPolicy default-deny selects kindlab-probe" in path.hops[-1].evidence
        assert f"kindlab url ingress/shop -n {live.namespace}" in path.hops[-1].evidence


def test_an_external_name_is_asked_for_through_the_controller(live: LiveLab) -> None:
    target = {"type": "ExternalName", "externalName": "example.org"}
    put(live, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": target}, ingress(live))
    hop, evidence = broken(why(live, "ingress/shop"))
    assert hop.endswith(": Answer")
    assert "HTTP 404; the controller does not serve web, for it is an ExternalName" in evidence


def test_a_wrong_target_port_behind_an_ingress(live: LiveLab) -> None:
    put(live, service(target=9999), deployment(), ingress(live))
    path = why(live, "ingress/shop")
    hop, evidence = broken(path)
    assert hop.endswith(": Answer")
    assert "HTTP 502; nothing listens on targetPort 9999 of the Pods behind web" in evidence
    assert path.broken is not None
    assert path.broken.next == f"kindlab why svc/web -n {live.namespace}"


def test_a_port_of_udp_behind_an_ingress(live: LiveLab) -> None:
    udp = [{"name": "web", "port": 80, "targetPort": 8080, "protocol": "UDP"}]
    put(live, service(ports=udp), deployment(), ingress(live))
    hop, evidence = broken(why(live, "ingress/shop"))
    assert hop.endswith(": Service port")
    assert evidence == "port 80 of Service web is UDP, and an Ingress speaks HTTP over TCP"


def test_what_the_controller_warned_of_is_the_evidence(live: LiveLab) -> None:
    shop = ingress(live)
    shop["metadata"]["annotations"] = {"traefik.ingress.kubernetes.io/router.middlewares": "nope@file"}
    put(live, service(), deployment(), shop)
    assert live.eventually("Event", lambda found: any("nope@file" in e.get("message", "") for e in found))
    hop, evidence = broken(why(live, "ingress/shop"))
    assert hop.endswith(": Answer")
    assert 'middleware "nope@file" does not exist' in evidence


def test_a_secret_that_is_not_there_is_to_be_made(live: LiveLab) -> None:
    put(live, service(), deployment(), ingress(live, tls="cert"))
    path = why(live, "ingress/shop")
    assert broken(path)[0] == "TLS"
    assert path.broken is not None
    assert path.broken.next.startswith(f"kubectl create secret tls cert -n {live.namespace} ")


# -- Services: policies, and who asks


def test_a_policy_that_refuses_the_probe_but_not_the_pod_it_is_for(live: LiveLab) -> None:
    allowed = {"podSelector": {"matchLabels": {"app": "client"}}}
    spec = {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{"from": [allowed]}]}
    put(live, service(), deployment(), deployment("client", 1))
    assert live.pods("app=client").names
    [client] = live.pods("app=client").names
    live.api.create({**POLICY, "metadata": {"name": "only-clients"}, "spec": spec}, live.namespace)
    path = why(live)
    hop, evidence = broken(path)
    assert hop == "NetworkPolicy"
    assert "NetworkPolicy only-clients selects web-" in evidence
    assert path.broken is not None
    assert "--from POD" in path.broken.next
    asked = trace.trace(live.api, live.namespace, "svc/web", sender=client)
    assert asked.broken is None, asked.broken


def test_a_client_that_may_not_ask_for_names(live: LiveLab) -> None:
    put(live, service(), deployment())
    closed = {"podSelector": {}, "policyTypes": ["Egress"]}
    live.api.create({**POLICY, "metadata": {"name": "no-egress"}, "spec": closed}, live.namespace)
    hop, evidence = broken(why(live))
    assert hop == "DNS"
    assert "NetworkPolicy no-egress selects kindlab-probe" in evidence
    assert "port 53" in evidence


def test_a_sender_that_is_not_there(live: LiveLab) -> None:
    put(live, service(), deployment())
    with pytest.raises(UsageProblem, match="There is no Pod nobody"):
        trace.trace(live.api, live.namespace, "svc/web", sender="nobody")


@pytest.mark.parametrize("kind", ["cluster", "node", "here"])
def test_an_address_leads_to_its_service(live: LiveLab, api: Api, kind: str) -> None:
    put(live, service(type="NodePort"), deployment())
    [found] = live.list("Service")
    port = found["spec"]["ports"][0]["nodePort"]
    node = next(a["address"] for a in api.list("Node")[0]["status"]["addresses"] if a["type"] == "InternalIP")
    url = {
        "cluster": f"http://{found['spec']['clusterIP']}",
        "node": f"http://{node}:{port}",
        "here": f"http://127.0.0.1:{port}",
    }[kind]
    path = why(live, url)
    assert (path.target, path.broken) == ("svc/web", None)


def test_an_address_nobody_has(live: LiveLab) -> None:
    hop, evidence = broken(why(live, "http://10.96.255.254/"))
    assert hop == "Address"
    assert "is the address of no Service" in evidence

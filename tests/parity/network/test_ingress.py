"""Ingress by the controller of the course's clusters (class `traefik`), asked from a Pod as a browser would ask it."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.parity.network.support import PATIENCE, Place, deployment, port, service

from kindlab.api import Api, Obj

ECHO = "docker.io/hashicorp/http-echo:1.0"
PREFIX = "traefik.ingress.kubernetes.io/"
CLASS = "traefik"


class Answer(NamedTuple):
    status: int
    body: str
    location: str = ""


class Door:
    """The controller's Service, seen from the Pod `client` of a namespace with Services `web`, `other` and `net`."""

    def __init__(self, place: Place, address: str) -> None:
        self.place = place
        self.address = address

    @property
    def api(self) -> Api:
        return self.place.api

    def curl(self, host: str, path: str = "/", *options: str, tls: bool = False) -> str:
        """A shell command: the body, then a line with status and redirect."""
        scheme, number = ("https", 443) if tls else ("http", 80)
        resolve = f"{host}:{number}:{self.address}"
        words = ["curl", "-q", "-s", "-k", "--connect-timeout", "2", "--max-time", "10", "--resolve", resolve]
        words += ["-w", r"\n%{http_code} %{redirect_url}", *options, f"{scheme}://{host}{path}"]
        return " ".join(shlex.quote(word) for word in words)

    def get(self, host: str, path: str = "/", *options: str, tls: bool = False) -> Answer:
        ran = self.place.sh("client", self.curl(host, path, *options, tls=tls))
        body, _, last = ran.out.rpartition("\n")
        status, _, location = last.strip().partition(" ")
        return Answer(int(status or 0), body.strip(), location)

    def until(self, host: str, path: str = "/", *, status: int = 200, says: str = "", tls: bool = False) -> Answer:
        """Ask until that is the answer: a controller may take its time to follow a change."""
        ask = f"{self.curl(host, path, tls=tls)} > /tmp/answer"
        right = f"tail -n 1 /tmp/answer | grep -q '^{status} '"
        if says:
            right += f" && grep -qx {shlex.quote(says)} /tmp/answer"
        script = f"{ask}; {right} && echo yes"
        self.place.sh_until("client", script)
        return self.get(host, path, tls=tls)

    def ingress(
        self, host: str = "", *paths: Obj, annotations: dict[str, str] | None = None, name: str = "", **spec: Any
    ) -> str:
        """Make an Ingress with one rule; without paths, / leads to `web`. Returns its name."""
        spec.setdefault("ingressClassName", CLASS)
        if host or paths:
            rule: Obj = {"http": {"paths": list(paths) or [path()]}}
            if host:
                rule["host"] = host
            spec["rules"] = [rule]
        meta = {
            "name": name or f"i-{token_hex(4)}",
            "annotations": {k if "/" in k else PREFIX + k: v for k, v in (annotations or {}).items()},
        }
        spec = {key: value for key, value in spec.items() if value is not None}
        self.place.put({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": spec})
        return meta["name"]  # type: ignore[return-value]

    def secret(self, name: str, pair: Pair) -> None:
        data = {"tls.crt": pair.certificate, "tls.key": pair.key}
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/tls"}
        if self.api.get("Secret", name, self.place.namespace) is None:
            self.place.put({**secret, "data": encoded})
        else:
            self.api.patch("Secret", name, self.place.namespace, {"data": encoded})

    def trusts(self, host: str, pair: Pair) -> bool:
        """Whether the certificate shown for `host` is this one: curl is told to trust nothing else."""
        words = f"-s -o /dev/null --cacert /tmp/{host}.crt --connect-timeout 2 --resolve {host}:443:{self.address}"
        script = (
            f"printf %s {shlex.quote(pair.certificate)} > /tmp/{host}.crt; curl -q {words} https://{host}/; echo $?"
        )
        return self.place.sh("client", script).lines[-1] == "0"

    def until_trusted(self, host: str, pair: Pair) -> None:
        words = f"-s -o /dev/null --cacert /tmp/{host}.crt --connect-timeout 2 --resolve {host}:443:{self.address}"
        script = (
            f"printf %s {shlex.quote(pair.certificate)} > /tmp/{host}.crt; curl -q {words} https://{host}/ && echo yes"
        )
        self.place.sh_until("client", script)


class Pair(NamedTuple):
    """A self-signed certificate and its key, PEM."""

    certificate: str
    key: str


def pair(*hosts: str) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, hosts[0])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return Pair(
        certificate.public_bytes(pem).decode(),
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain).decode(),
    )


def path(text: str = "/", to: str = "web", number: int | str = 80, kind: str = "Prefix") -> Obj:
    backend_port = {"name": number} if isinstance(number, str) else {"number": number}
    return {"path": text, "pathType": kind, "backend": {"service": {"name": to, "port": backend_port}}}


def host() -> str:
    """A name nobody else uses: Ingresses of all namespaces share one controller."""
    return f"h{token_hex(4)}.example.com"


@pytest.fixture(scope="module")
def door(shared: Place) -> Door:
    found = shared.api.get("IngressClass", CLASS)
    if found is None or found["spec"].get("controller") != "traefik.io/ingress-controller":
        pytest.skip(f"this cluster has no IngressClass {CLASS} of traefik.io/ingress-controller")
    entry = shared.api.get("Service", "traefik", "traefik")
    if entry is None:
        pytest.skip("this cluster has the class traefik, but no Service traefik/traefik to send requests to")
    shared.start(
        *(
            deployment(name, f"-text={name}", "-listen=:5678", image=ECHO, replicas=1, ports=[{"containerPort": 5678}])
            for name in ("web", "other")
        ),
        deployment("net", "netexec", "--http-port=8080"),
        service("web", port(80, 5678, name="http")),
        service("other", port(8080, 5678, name="http-alt")),
        service("net", port(80, 8080)),
    )
    for name, count in (("web", 1), ("other", 1), ("net", 2)):
        shared.endpoints(name, count)
    return Door(shared, entry["spec"]["clusterIP"])


# -- rules


def test_a_host_is_served_and_another_is_not(door: Door) -> None:
    name = host()
    door.ingress(name)
    assert door.until(name).body == "web"
    assert door.get(name, "/any/path").body == "web"
    assert door.get(name.upper()).body == "web"
    answer = door.get(host())
    assert (answer.status, answer.body) == (404, "404 page not found")


def test_a_prefix_is_matched_element_by_element(door: Door) -> None:
    name = host()
    door.ingress(name, path("/foo"))
    door.until(name, "/foo")
    assert [door.get(name, at).status for at in ("/foo/", "/foo/bar", "/foo?x=1")] == [200, 200, 200]
    assert [door.get(name, at).status for at in ("/foobar", "/", "/Foo")] == [404, 404, 404]


def test_a_prefix_with_a_slash_at_its_end_is_the_same(door: Door) -> None:
    name = host()
    door.ingress(name, path("/foo/"))
    door.until(name, "/foo/bar")
    assert [door.get(name, at).status for at in ("/foo", "/foo/", "/foobar")] == [200, 200, 404]


def test_an_exact_path(door: Door) -> None:
    name = host()
    door.ingress(name, path("/exact", kind="Exact"))
    door.until(name, "/exact")
    assert [door.get(name, at).status for at in ("/exact?x=1", "/exact/", "/exact/more")] == [200, 404, 404]


def test_implementation_specific_is_a_prefix(door: Door) -> None:
    name = host()
    door.ingress(name, path("/foo", kind="ImplementationSpecific"))
    door.until(name, "/foo/bar")
    assert door.get(name, "/foobar").status == 404


def test_the_longest_path_wins(door: Door) -> None:
    name = host()
    door.ingress(name, path("/"), path("/api", "other", 8080))
    door.until(name, "/api/v1", says="other")
    assert [door.get(name, at).body for at in ("/", "/apis", "/api")] == ["web", "web", "other"]


def test_two_ingresses_share_a_host(door: Door) -> None:
    name = host()
    door.ingress(name, path("/"))
    door.ingress(name, path("/other", "other", 8080))
    door.until(name, "/other", says="other")
    assert door.until(name).body == "web"


def test_a_wildcard_stands_for_one_label(door: Door) -> None:
    name = host()
    door.ingress(f"*.{name}")
    door.until(f"a.{name}")
    assert door.get(f"b.{name}").status == 200
    assert [door.get(one).status for one in (name, f"a.b.{name}")] == [404, 404]


def test_a_port_by_its_name(door: Door) -> None:
    name = host()
    door.ingress(name, path("/", "other", "http-alt"))
    assert door.until(name).body == "other"


# -- what leads nowhere


def test_a_missing_service_is_404_until_it_is_there(door: Door) -> None:
    name, late = host(), f"late-{token_hex(3)}"
    door.ingress(name, path("/late", late), path("/here"))
    door.until(name, "/here")
    assert door.get(name, "/late").status == 404
    door.place.put(service(late, port(80, 5678), selector={"app": "other"}))
    assert door.until(name, "/late").body == "other"


def test_a_missing_port_is_404(door: Door) -> None:
    name = host()
    door.ingress(name, path("/bad", "web", 81), path("/here"))
    door.until(name, "/here")
    assert door.get(name, "/bad").status == 404


def test_no_endpoints_is_503(door: Door) -> None:
    name, empty = host(), f"empty-{token_hex(3)}"
    door.place.put(service(empty, port(80, 5678), selector={"app": "nobody"}))
    door.ingress(name, path("/", empty))
    assert door.until(name, status=503).body == "no available server"


def test_external_names_are_refused(door: Door) -> None:
    name, outside = host(), f"outside-{token_hex(3)}"
    place = door.place.namespace
    external = {"type": "ExternalName", "externalName": f"web.{place}.svc.cluster.local"}
    door.place.put(service(outside, port(80), selector={}, **external))
    door.ingress(name, path("/bad", outside), path("/here"))
    door.until(name, "/here")
    assert door.get(name, "/bad").status == 404


# -- whose an Ingress is


def test_the_default_class_is_filled_in_and_served(door: Door) -> None:
    found = door.api.get("IngressClass", CLASS)
    assert found is not None
    marked = (found["metadata"].get("annotations") or {}).get("ingressclass.kubernetes.io/is-default-class")
    if marked != "true":
        pytest.skip("the class traefik is not the default one here")
    name = host()
    made = door.ingress(name, ingressClassName=None)
    assert door.place.require("Ingress", made)["spec"]["ingressClassName"] == CLASS
    door.until(name)


def test_the_annotation_of_old_is_understood(door: Door) -> None:
    name = host()
    made = door.ingress(name, ingressClassName=None, annotations={"kubernetes.io/ingress.class": CLASS})
    assert "ingressClassName" not in door.place.require("Ingress", made)["spec"]
    door.until(name)


def test_an_ingress_of_another_class_is_left_alone(door: Door) -> None:
    name = host()
    made = door.ingress(name)
    door.until(name)
    door.place.update("Ingress", made, ingressClassName="somebody-elses")
    door.until(name, status=404)


def test_a_deleted_ingress_is_served_no_longer(door: Door) -> None:
    name = host()
    made = door.ingress(name)
    door.until(name)
    door.api.delete("Ingress", made, door.place.namespace)
    door.until(name, status=404)


def test_an_ingress_says_where_it_is_reached(door: Door) -> None:
    made = door.ingress(host())
    published = [{"hostname": "localhost"}]
    reached = door.place.wait("Ingress", made, lambda o: o["status"]["loadBalancer"].get("ingress"), timeout=PATIENCE)
    assert reached["status"]["loadBalancer"]["ingress"] == published


def test_the_default_backend_takes_what_nobody_else_wants(door: Door) -> None:
    name = host()
    door.ingress(name, path("/here"))
    made = door.ingress(defaultBackend=path("/", "other", 8080)["backend"])
    try:
        door.until(host(), "/anything", says="other")
        assert door.get(name, "/here").body == "web"
        assert door.get(name, "/elsewhere").body == "other"
    finally:
        door.api.delete("Ingress", made, door.place.namespace)
    door.until(name, "/elsewhere", status=404)


# -- TLS


def test_tls_ends_here_with_the_certificate_of_the_host(door: Door) -> None:
    one, two = host(), host()
    own, others = pair(one), pair(two)
    door.secret(f"tls-{one[:9]}", own)
    door.secret(f"tls-{two[:9]}", others)
    door.ingress(one, tls=[{"hosts": [one], "secretName": f"tls-{one[:9]}"}])
    door.ingress(two, path("/", "other", 8080), tls=[{"hosts": [two], "secretName": f"tls-{two[:9]}"}])
    door.until_trusted(one, own)
    door.until_trusted(two, others)
    assert not door.trusts(one, others)
    assert (door.get(one, tls=True).body, door.get(two, tls=True).body) == ("web", "other")


def test_an_ingress_with_tls_is_served_in_the_clear_too(door: Door) -> None:
    name = host()
    door.secret(f"tls-{name[:9]}", pair(name))
    door.ingress(name, tls=[{"hosts": [name], "secretName": f"tls-{name[:9]}"}])
    assert door.until(name, tls=True).body == "web"
    assert door.get(name).body == "web"


def test_a_wildcard_certificate(door: Door) -> None:
    name = host()
    own = pair(f"*.{name}")
    door.secret(f"tls-{name[:9]}", own)
    door.ingress(f"a.{name}", tls=[{"hosts": [f"a.{name}"], "secretName": f"tls-{name[:9]}"}])
    door.until_trusted(f"a.{name}", own)


def test_a_renewed_certificate_is_shown(door: Door) -> None:
    name = host()
    old, new = pair(name), pair(name)
    door.secret(f"tls-{name[:9]}", old)
    door.ingress(name, tls=[{"hosts": [name], "secretName": f"tls-{name[:9]}"}])
    door.until_trusted(name, old)
    door.secret(f"tls-{name[:9]}", new)
    door.until_trusted(name, new)
    assert not door.trusts(name, old)


def test_a_missing_secret_means_the_default_certificate(door: Door) -> None:
    name = host()
    own = pair(name)
    door.ingress(name, tls=[{"hosts": [name], "secretName": f"tls-{name[:9]}"}])
    assert door.until(name, tls=True).body == "web"
    assert not door.trusts(name, own)
    door.secret(f"tls-{name[:9]}", own)
    door.until_trusted(name, own)


# -- annotations


def test_entry_points_can_be_chosen(door: Door) -> None:
    clear, secure = host(), host()
    door.ingress(clear, annotations={"router.entrypoints": "web"})
    door.ingress(secure, annotations={"router.entrypoints": "websecure"})
    door.until(clear)
    door.until(secure, tls=True)
    assert door.get(clear, tls=True).status == 404
    assert door.get(secure).status == 404


def test_a_redirect_to_https(door: Door) -> None:
    if door.api.get("ConfigMap", "traefik-file-provider", "traefik") is None:
        pytest.skip("Traefik has no file provider here, so no middleware redirect-to-https@file")
    name = host()
    door.ingress(name, annotations={"router.middlewares": "redirect-to-https@file"})
    door.until(name, tls=True)
    door.until(name, "/a?b=c", status=301)
    assert door.get(name, "/a?b=c") == Answer(301, "Moved Permanently", f"https://{name}/a?b=c")
    assert door.get(name, "/", "-X", "POST").status == 308
    assert door.get(name, tls=True).body == "web"


def test_a_middleware_that_is_not_there_takes_the_route_away(door: Door) -> None:
    name = host()
    door.ingress(name, path("/here"))
    door.ingress(name, path("/bad"), annotations={"router.middlewares": "missing@file"})
    door.until(name, "/here")
    assert door.get(name, "/bad").status == 404


# -- traffic


def test_backends_see_who_asked_for_what(door: Door) -> None:
    name = host()
    door.ingress(name, path("/", "net"))
    door.until(name, "/hostname")
    assert door.get(name, "/echo?msg=hello").body == "hello"
    assert door.get(name, "/header?key=X-Forwarded-Host").body == name
    assert door.get(name, "/header?key=X-Forwarded-Proto").body == "http"
    assert door.get(name, "/header?key=X-Forwarded-Proto", tls=True).body == "https"
    assert door.get(name, "/header?key=X-Forwarded-Port", tls=True).body == "443"
    client = door.place.require("Pod", "client")["status"]["podIP"]
    assert door.get(name, "/header?key=X-Real-Ip").body == client
    assert door.get(name, "/header?key=X-Forwarded-For", "-H", "X-Forwarded-For: 192.0.2.1").body == client


def test_requests_are_balanced_over_the_endpoints(door: Door) -> None:
    name = host()
    door.ingress(name, path("/", "net"))
    door.until(name, "/hostname")
    ask = door.curl(name, "/hostname").replace(r"\n%{http_code} %{redirect_url}", r"\n")
    ran = door.place.sh("client", f"for i in 1 2 3 4 5 6 7 8 9 10; do {ask}; done")
    assert {ran.lines.count(one) for one in set(ran.lines)} == {5}, ran.out  # in turns, straight to the endpoints
    assert len(set(ran.lines)) == 2


def test_no_request_is_lost_while_rules_change(door: Door) -> None:
    name, busy = host(), host()
    door.ingress(name)
    door.until(name)
    for index in range(5):
        door.ingress(busy, path(f"/{index}"), name=f"busy-{index}")
    ask = door.curl(name, "/", "-o", "/dev/null").replace(r"\n%{http_code} %{redirect_url}", r"%{http_code}\n")
    script = f"for i in $(seq 150); do {ask}; done | sort | uniq -c"
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(door.place.sh, "client", script, timeout=120)
        for index in range(5):
            door.api.delete("Ingress", f"busy-{index}", door.place.namespace)
            door.ingress(busy, path(f"/new-{index}"), name=f"busy-new-{index}")
        ran = asking.result()
    assert ran.lines == ["150 200"], ran.out + ran.err


def test_a_rollout_behind_an_ingress_is_followed(door: Door) -> None:
    name, rolled = host(), f"rolled-{token_hex(3)}"
    first = deployment(rolled, "-text=first", "-listen=:5678", image=ECHO, replicas=1)
    door.place.start(first, service(rolled, port(80, 5678)))
    door.ingress(name, path("/", rolled))
    door.until(name, says="first")
    containers = [{"name": "main", "args": ["-text=second", "-listen=:5678"]}]
    door.place.merge("Deployment", rolled, {"spec": {"template": {"spec": {"containers": containers}}}})
    door.until(name, says="second")


# -- the controller itself; last, for nothing is served meanwhile


@pytest.fixture
def controller(door: Door) -> Iterator[Place]:
    """The namespace of the controller, whose Deployment has as many Pods afterwards as before."""
    place = Place(door.api, "traefik")
    replicas = place.require("Deployment", "traefik")["spec"]["replicas"]
    yield place
    door.api.patch("Deployment", "traefik", "traefik", {"spec": {"replicas": replicas}})
    place.endpoints("traefik", replicas)


def test_two_pods_of_it_know_the_same(door: Door, controller: Place) -> None:
    name = host()
    door.ingress(name)
    door.until(name)
    door.api.patch("Deployment", "traefik", "traefik", {"spec": {"replicas": 2}})
    controller.endpoints("traefik", 2)
    late = host()
    door.ingress(late)
    door.until(late)
    ask = door.curl(late, "/", "-o", "/dev/null").replace(r"\n%{http_code} %{redirect_url}", r"%{http_code}\n")
    in_a_row = (
        f'n=0; missed=0; while [ $n -lt 40 ] && [ $missed -lt 30 ]; do if [ "$({ask})" = 200 ]; then n=$((n+1)); '
        "else n=0; missed=$((missed+1)); sleep 1; fi; done; echo $n"
    )
    assert door.place.sh("client", in_a_row).lines == ["40"]


def test_without_its_pod_nothing_is_served(door: Door, controller: Place) -> None:
    name = host()
    door.ingress(name)
    door.until(name)
    door.api.patch("Deployment", "traefik", "traefik", {"spec": {"replicas": 0}})
    door.place.sh_until("client", f"{door.curl(name)} > /dev/null; [ $? -eq 7 ] && echo refused", seconds=90)
    door.api.patch("Deployment", "traefik", "traefik", {"spec": {"replicas": 1}})
    controller.endpoints("traefik", 1)
    assert door.until(name).body == "web"

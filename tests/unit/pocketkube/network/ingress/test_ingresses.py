"""Ingresses to routes: whose they are, what they match, what is refused and how it is told."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

import pytest
from tests.unit.pocketkube.network.conftest import World

from pocketkube.network.ingress.certificates import default_pair, names_in
from pocketkube.network.ingress.ingresses import Translation, translate
from pocketkube.network.ingress.matching import Routes
from pocketkube.network.ingress.routes import PathKind, RequireTls, Rule
from pocketkube.network.ingress.settings import Settings
from pocketkube.objects import Obj

SETTINGS = Settings(middlewares={"redirect-to-https@file": RequireTls()})
TRAEFIK = "traefik.ingress.kubernetes.io/"


class Shop(World):
    """A namespace with a Service `web` on ports 80 (http) and 8443 (https-admin), and the class `traefik`."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0
        self.ingress_class("traefik")
        self.service("web", "10.96.0.7", {"name": "http", "port": 80}, {"name": "https-admin", "port": 8443})

    def ingress_class(self, name: str, controller: str = "traefik.io/ingress-controller") -> None:
        self.apply("ingressclasses", {"metadata": {"name": name}, "spec": {"controller": controller}})

    def ingress(self, name: str, *rules: Obj, annotations: dict[str, str] | None = None, **spec: Any) -> Obj:
        self.made += 1
        meta = {
            "name": name,
            "namespace": "lab",
            "uid": name,
            "annotations": {key if "/" in key else TRAEFIK + key: value for key, value in (annotations or {}).items()},
            "creationTimestamp": f"2026-01-01T00:00:{self.made:02}Z",
        }
        spec.setdefault("ingressClassName", "traefik")
        spec = {key: value for key, value in spec.items() if value is not None}
        if rules:
            spec["rules"] = list(rules)
        return self.apply("ingresses", {"kind": "Ingress", "metadata": meta, "spec": spec})

    def secret(self, name: str, **data: bytes) -> None:
        encoded = {key.replace("_", "."): base64.b64encode(value).decode() for key, value in data.items()}
        self.apply("secrets", {"metadata": {"name": name, "namespace": "lab"}, "data": encoded})

    def read(self, settings: Settings = SETTINGS) -> Translation:
        return translate(self.client, settings)


def to(service: str = "web", port: int | str = 80) -> Obj:
    return {"service": {"name": service, "port": {"name" if isinstance(port, str) else "number": port}}}


def path(text: str | None = "/", kind: str = "Prefix", backend: Obj | None = None) -> Obj:
    return {"pathType": kind, "backend": backend or to(), **({"path": text} if text is not None else {})}


def rule(*paths: Obj, host: str = "") -> Obj:
    return {"http": {"paths": list(paths or (path(),))}, **({"host": host} if host else {})}


def rules(found: Translation, port: int = 80) -> list[Rule]:
    return [one for listener in found.table.listeners if listener.port == port for one in listener.rules]


@pytest.fixture
def shop() -> Shop:
    return Shop()


# -- whose an Ingress is


def test_only_classes_of_the_controller(shop: Shop) -> None:
    shop.ingress_class("second")
    shop.ingress_class("other", "example.com/other")
    for name, given in (("a", "traefik"), ("b", "second"), ("c", "other"), ("d", "missing"), ("e", None)):
        shop.ingress(name, rule(), ingressClassName=given)
    shop.ingress("f", rule(), ingressClassName=None, annotations={"kubernetes.io/ingress.class": "traefik"})
    shop.ingress("g", rule(), ingressClassName=None, annotations={"kubernetes.io/ingress.class": "nginx"})
    assert [one["metadata"]["name"] for one in shop.read().served] == ["a", "b", "e", "f"]


def test_one_class_alone(shop: Shop) -> None:
    shop.ingress_class("second")
    for name, given in (("a", "traefik"), ("b", "second"), ("c", None)):
        shop.ingress(name, rule(), ingressClassName=given)
    shop.ingress("d", rule(), ingressClassName=None, annotations={"kubernetes.io/ingress.class": "second"})
    assert [one["metadata"]["name"] for one in shop.read(Settings(ingress_class="second")).served] == ["b", "d"]


# -- what is matched


def test_hosts_and_paths(shop: Shop) -> None:
    shop.ingress(
        "web", rule(path("/a/"), path("/b", "Exact"), path("/c", "ImplementationSpecific"), host="*.example.com")
    )
    shop.ingress("all", rule(path(None, "ImplementationSpecific")))
    found = rules(shop.read())
    assert [(one.hosts, one.match.path, one.match.path_kind) for one in found] == [
        (("*.example.com",), "/a", PathKind.PREFIX),
        (("*.example.com",), "/b", PathKind.EXACT),
        (("*.example.com",), "/c", PathKind.PREFIX),
        ((), "/", PathKind.PREFIX),
    ]
    assert not any(one.wide for one in found)
    assert [one.order for one in found] == [
        ("2026-01-01T00:00:01Z", "lab/web", 0),
        ("2026-01-01T00:00:01Z", "lab/web", 1),
        ("2026-01-01T00:00:01Z", "lab/web", 2),
        ("2026-01-01T00:00:02Z", "lab/all", 0),
    ]


def test_what_is_implementation_specific_may_be_asked_for(shop: Shop) -> None:
    both = rule(path("^/v[0-9]+", "ImplementationSpecific"), path("/p"))
    shop.ingress("web", both, annotations={"router.pathmatcher": "PathRegexp"})
    assert [one.match.path_kind for one in rules(shop.read())] == [PathKind.REGEX, PathKind.PREFIX]
    shop.ingress("web", both, annotations={"router.pathmatcher": "Glob"})
    found = shop.read()
    assert [one.match.path for one in rules(found)] == ["/p"]
    assert "must be one of Path, PathPrefix, PathRegexp" in found.problems[0].message


def test_a_rule_without_paths_is_none(shop: Shop) -> None:
    shop.ingress("web", {"host": "a.b"})
    assert rules(shop.read()) == []


def test_ports_by_number_and_by_name(shop: Shop) -> None:
    shop.ingress("web", rule(path("/1", backend=to(port="http")), path("/2", backend=to(port=8443))))
    found = [one.backends[0] for one in rules(shop.read())]
    assert [(one.namespace, one.service, one.port, one.scheme) for one in found] == [
        ("lab", "web", 80, "http"),
        ("lab", "web", 8443, "https"),
    ]


def test_the_default_backend(shop: Shop) -> None:
    shop.ingress("first", defaultBackend=to())
    shop.ingress("second", defaultBackend=to(port="https-admin"))
    found = shop.read()
    assert [(one.owner, one.fallback, one.backends[0].port) for one in rules(found)] == [
        ("Ingress lab/first", True, 80)
    ]
    assert [(one.about["metadata"]["name"], one.reason) for one in found.problems] == [
        ("second", "DefaultBackendTaken")
    ]


def test_a_default_backend_beside_rules_is_ignored_as_traefik_ignores_it(shop: Shop) -> None:
    shop.ingress("web", rule(host="a.b"), defaultBackend=to())
    found = shop.read()
    assert [one.fallback for one in rules(found)] == [False]
    assert [one.reason for one in found.problems] == ["DefaultBackendIgnored"]


# -- what is not served


@pytest.mark.parametrize(
    ("backend", "reason", "log"),
    [
        (to("missing"), "ServiceNotFound", "service not found"),
        (to(port=81), "ServicePortNotFound", "service port not found"),
        (to("outside"), "ExternalNameNotAllowed", "externalName services not allowed: lab/outside"),
        ({"resource": {"kind": "Bucket", "name": "b"}}, "ResourceBackend", "resource backends are not supported"),
    ],
)
def test_what_leads_nowhere_is_told_and_the_rest_is_served(shop: Shop, backend: Obj, reason: str, log: str) -> None:
    shop.service("outside", "", type="ExternalName", externalName="example.com")
    shop.ingress("web", rule(path("/bad", backend=backend), path("/good"), host="a.b"))
    found = shop.read()
    assert [one.match.path for one in rules(found)] == ["/good"]
    problem = found.problems[0]
    assert (problem.reason, problem.fields["error"], problem.fields["ingress"]) == (reason, log, "web")
    assert problem.message.startswith("a.b/bad is not served (404): ")


def test_annotations_that_cannot_be_understood_spoil_the_ingress(shop: Shop) -> None:
    shop.ingress("web", rule(), annotations={"router.entrypoint": "web"})
    found = shop.read()
    assert rules(found) == []
    assert [(one.reason, one.fields["error"]) for one in found.problems] == [
        ("BadAnnotation", "field not found, node: entrypoint")
    ]


def test_annotations_without_effect_are_told(shop: Shop) -> None:
    shop.ingress("web", rule(), annotations={"router.priority": "42"})
    found = shop.read()
    assert len(rules(found)) == 1
    assert [one.message for one in found.problems] == [
        "annotation traefik.ingress.kubernetes.io/router.priority is without effect in pocketkube"
    ]


# -- where it is served


@pytest.mark.parametrize(
    ("annotations", "ports"),
    [
        ({}, [80, 443]),
        ({"router.entrypoints": "web"}, [80]),
        ({"router.entrypoints": "websecure"}, [443]),
        ({"router.entrypoints": "web, websecure"}, [80, 443]),
        ({"router.tls": "true"}, [443]),
        ({"router.tls": "false"}, [80, 443]),
        ({"router.entrypoints": "mail"}, []),
    ],
)
def test_entry_points(shop: Shop, annotations: dict[str, str], ports: list[int]) -> None:
    shop.ingress("web", rule(), annotations=annotations)
    found = shop.read()
    assert [listener.port for listener in found.table.listeners if listener.rules] == ports
    assert [one.reason for one in found.problems] == ([] if ports else ["EntryPointNotFound"])
    assert [(listener.port, listener.tls) for listener in found.table.listeners] == [(80, False), (443, True)]


def test_tls_in_the_spec_does_not_close_the_clear_entry_point(shop: Shop) -> None:
    shop.ingress("web", rule(host="a.b"), tls=[{"hosts": ["a.b"]}])
    found = shop.read()
    assert (len(rules(found, 80)), len(rules(found, 443)), found.problems) == (1, 1, [])


def test_redirects_concern_the_clear_entry_point(shop: Shop) -> None:
    shop.ingress("web", rule(), annotations={"router.middlewares": "redirect-to-https@file"})
    found = shop.read()
    assert [one.filters for one in rules(found, 80)] == [(RequireTls(),)]
    assert [one.filters for one in rules(found, 443)] == [()]


def test_a_missing_middleware_takes_the_rule_away(shop: Shop) -> None:
    shop.ingress("web", rule(), annotations={"router.middlewares": "lab-redirect@kubernetescrd"})
    found = shop.read()
    assert rules(found) == []
    assert found.problems[0].fields["error"] == 'middleware "lab-redirect@kubernetescrd" does not exist'
    assert "redirect-to-https@file" in found.problems[0].message


# -- certificates


@cache
def pair() -> tuple[bytes, bytes]:
    return default_pair()


def test_a_pair_is_offered_once_for_the_names_it_holds(shop: Shop) -> None:
    chain, key = pair()
    shop.secret("cert", tls_crt=chain, tls_key=key)
    shop.ingress("a", rule(), tls=[{"hosts": ["a.b"], "secretName": "cert"}])
    shop.ingress("b", rule(), tls=[{"secretName": "cert"}])
    clear, secure = shop.read().table.listeners
    assert clear.certificates == ()
    assert [(one.hosts, one.chain) for one in secure.certificates] == [((), chain)]
    assert len(names_in(chain)) == 1


def test_broken_secrets_are_told_and_do_not_hurt_the_rules(shop: Shop) -> None:
    chain, key = pair()
    shop.secret("half", tls_crt=chain)
    shop.secret("empty", tls_crt=chain, tls_key=b"")
    shop.secret("other-key", tls_crt=chain, tls_key=default_pair()[1])
    shop.secret("nonsense", tls_crt=b"x", tls_key=b"y")
    for name in ("missing", "half", "empty", "other-key", "nonsense"):
        shop.ingress(
            name, rule(host=f"{name}.example.com"), tls=[{"hosts": [f"{name}.example.com"], "secretName": name}]
        )
    found = shop.read()
    assert len(rules(found, 443)) == 5
    assert found.table.listeners[1].certificates == ()
    told = {one.about["metadata"]["name"]: (one.reason, one.fields["error"]) for one in found.problems}
    assert told["missing"] == ("TLSSecretNotFound", "secret lab/missing does not exist")
    assert told["half"][1] == "secret lab/half is missing the following TLS data entries: tls.key"
    assert told["empty"][1] == "secret lab/empty contains the following empty TLS data entries: tls.key"
    assert "does not belong to the certificate" in told["other-key"][1]
    assert "no PEM certificate" in told["nonsense"][1]
    assert all("is shown the default certificate" in one.message for one in found.problems)
    assert not any("PRIVATE KEY" in one.message or key.decode() in one.message for one in found.problems)


def test_a_broken_pair_keeps_the_next_secret(shop: Shop) -> None:
    chain, key = pair()
    shop.secret("bad", tls_crt=b"x", tls_key=b"y")
    shop.secret("good", tls_crt=chain, tls_key=key)
    shop.ingress("web", rule(), tls=[{"secretName": "bad"}, {"secretName": "good"}])
    assert len(shop.read().table.listeners[1].certificates) == 1


def test_after_a_missing_secret_the_rest_is_not_read(shop: Shop) -> None:
    chain, key = pair()
    shop.secret("good", tls_crt=chain, tls_key=key)
    shop.ingress("web", rule(), tls=[{"secretName": "missing"}, {"secretName": "good"}])
    assert shop.read().table.listeners[1].certificates == ()


@pytest.mark.parametrize(("given", "scheme"), [("https", "https"), ("h2c", "h2c"), ("ftp", None)])
def test_the_scheme_of_a_service(shop: Shop, given: str, scheme: str | None) -> None:
    service = shop.service("web", "10.96.0.7", {"name": "http", "port": 80})
    annotations = {TRAEFIK + "service.serversscheme": given, TRAEFIK + "service.sticky.cookie": "true"}
    shop.apply("services", {**service, "metadata": {**service["metadata"], "annotations": annotations}})
    shop.ingress("web", rule())
    found = shop.read()
    assert [one.backends[0].scheme for one in rules(found)] == ([scheme] if scheme else [])
    assert "NotModelled" in [one.reason for one in found.problems]


def test_the_table_is_the_same_while_nothing_changes(shop: Shop) -> None:
    """A table that equals the last one costs the reverse proxy nothing, and frozen rules keep their turns."""
    shop.ingress("web", rule(host="a.b"))
    assert shop.read().table == shop.read().table
    assert Routes(shop.read().table.listeners[0].rules).broken == []

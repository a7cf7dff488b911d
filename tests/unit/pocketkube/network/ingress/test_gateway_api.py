"""Gateways and HTTPRoutes as routing rules and conditions, from plain objects; no cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.client import Client
from pocketkube.network.ingress import gateways, httproutes
from pocketkube.network.ingress.gateway import GatewayApi
from pocketkube.network.ingress.gateways import CLASSES, CONTROLLER, GATEWAYS, GRANTS, GROUP, ROUTES, OpenListener
from pocketkube.network.ingress.httproutes import Attached, hostnames
from pocketkube.network.ingress.routes import Certificate, HeaderChange, Mirror, PathChange, PathKind, Redirect, Rewrite
from pocketkube.objects import Obj

PORTS = {80: False, 443: True}


class World:
    def __init__(self, **objects: list[Obj]) -> None:
        self.kinds = {
            CLASSES: [obj("", "traefik", controllerName=CONTROLLER)],
            GATEWAYS: objects.get("gateways", []),
            ROUTES: objects.get("routes", []),
            GRANTS: objects.get("grants", []),
            "services": objects.get("services", [service("shop", "web")]),
            "namespaces": objects.get("namespaces", [obj("", "shop", labels={"team": "a"}), obj("", "other")]),
        }

    def list(self, resource: str, namespace: str | None = None) -> list[Obj]:
        return [o for o in self.kinds[resource] if namespace in (None, o["metadata"]["namespace"])]

    def find(self, resource: str, namespace: str, name: str) -> Obj | None:
        found = (o for o in self.list(resource, namespace) if o["metadata"]["name"] == name)
        return next(found, None)


def obj(namespace: str, name: str, *, labels: dict[str, str] | None = None, kind: str = "", **spec: Any) -> Obj:
    meta = {"namespace": namespace, "name": name, "labels": labels or {}, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"kind": kind, "metadata": meta, "spec": spec}


def service(namespace: str, name: str, *ports: Obj, **spec: Any) -> Obj:
    return obj(namespace, name, ports=list(ports) or [{"port": 80, "name": "http"}], **spec)


def gateway(*listeners: Obj, name: str = "edge", **spec: Any) -> Obj:
    shown = list(listeners) or [{"name": "http", "port": 80, "protocol": "HTTP"}]
    return obj("shop", name, kind="Gateway", gatewayClassName="traefik", listeners=shown, **spec)


def route(*rules: Obj, namespace: str = "shop", parent: Obj | None = None, **spec: Any) -> Obj:
    spec.setdefault("parentRefs", [{"name": "edge", **(parent or {})}])
    spec["rules"] = list(rules) or [{"backendRefs": [{"name": "web", "port": 80}]}]
    return obj(namespace, "web", kind="HTTPRoute", **spec)


def certificate(namespace: str, name: str) -> Certificate:
    if name != "tls":
        raise ValueError(f'secret "{name}" not found')
    return Certificate(("shop.example",), b"chain", b"key")


def run(world: World) -> tuple[list[OpenListener], list[Attached]]:
    found = gateways.listeners(world, PORTS, certificate)
    return found, httproutes.attach(world, found)


def conditions(world: World) -> tuple[tuple[bool, str], tuple[bool, str]]:
    """((accepted, reason), (resolved, reason)) of the only route's only parent."""
    _, [attached] = run(world)
    [attachment] = attached.attachments
    return attachment.accepted[:2], attachment.resolved[:2]


FINE = (True, "Accepted"), (True, "ResolvedRefs")


def test_a_route_attaches_and_leads_to_its_service() -> None:
    world = World(gateways=[gateway()], routes=[route()])
    [listener], [attached] = run(world)
    assert not listener.wrong
    assert listener.attached == 1
    [rule] = attached.rules[0]
    assert (rule.match.path, rule.match.path_kind) == ("/", PathKind.PREFIX)
    assert [(b.namespace, b.service, b.port, b.weight, b.answer) for b in rule.backends] == [
        ("shop", "web", 80, 1, None)
    ]
    assert rule.wide
    assert conditions(world) == FINE


def test_gateways_of_other_classes_and_their_routes_are_left_alone() -> None:
    foreign = gateway()
    foreign["spec"]["gatewayClassName"] = "istio"
    assert run(World(gateways=[foreign], routes=[route()])) == ([], [])


@pytest.mark.parametrize(
    ("listener", "type_", "reason"),
    [
        ({"port": 81, "protocol": "HTTP"}, "Accepted", "PortUnavailable"),
        ({"port": 443, "protocol": "HTTP"}, "Accepted", "PortUnavailable"),
        (
            {"port": 80, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "tls"}]}},
            "Accepted",
            "PortUnavailable",
        ),
        ({"port": 80, "protocol": "TCP"}, "Accepted", "UnsupportedProtocol"),
        ({"port": 443, "protocol": "HTTPS", "tls": {"mode": "Passthrough"}}, "Accepted", "UnsupportedProtocol"),
        ({"port": 443, "protocol": "HTTPS", "tls": {}}, "ResolvedRefs", "InvalidCertificateRef"),
        (
            {"port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "gone"}]}},
            "ResolvedRefs",
            "InvalidCertificateRef",
        ),
        (
            {"port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "tls", "kind": "ConfigMap"}]}},
            "ResolvedRefs",
            "InvalidCertificateRef",
        ),
        (
            {"port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "tls", "namespace": "other"}]}},
            "ResolvedRefs",
            "RefNotPermitted",
        ),
        (
            {"port": 80, "protocol": "HTTP", "allowedRoutes": {"kinds": [{"kind": "TLSRoute"}]}},
            "ResolvedRefs",
            "InvalidRouteKinds",
        ),
    ],
)
def test_a_listener_that_cannot_be_served_says_why(listener: Obj, type_: str, reason: str) -> None:
    [found], [attached] = run(World(gateways=[gateway({"name": "l", **listener})], routes=[route()]))
    assert [w[:2] for w in found.wrong if w[0] != "Programmed"] == [(type_, reason)]
    assert not attached.attachments[0].accepted[0], "a route is accepted by listeners that can be served"
    assert attached.rules == {}


def test_a_certificate_of_another_namespace_needs_a_grant() -> None:
    tls = {"certificateRefs": [{"name": "tls", "namespace": "other"}]}
    grant = obj(
        "other",
        "ok",
        **{"from": [{"group": GROUP, "kind": "Gateway", "namespace": "shop"}], "to": [{"group": "", "kind": "Secret"}]},
    )
    world = World(gateways=[gateway({"name": "l", "port": 443, "protocol": "HTTPS", "tls": tls})], grants=[grant])
    [found], _ = run(world)
    assert not found.wrong
    assert found.certificates[0].hosts == ("shop.example",)


@pytest.mark.parametrize(
    ("parent", "accepted"),
    [
        ({}, (True, "Accepted")),
        ({"sectionName": "http"}, (True, "Accepted")),
        ({"sectionName": "other"}, (False, "NoMatchingParent")),
        ({"port": 80}, (True, "Accepted")),
        ({"port": 81}, (False, "NoMatchingParent")),
    ],
)
def test_the_parent_reference_chooses_listeners(parent: Obj, accepted: tuple[bool, str]) -> None:
    assert conditions(World(gateways=[gateway()], routes=[route(parent=parent)]))[0] == accepted


@pytest.mark.parametrize(
    ("allowed", "namespace", "reason"),
    [
        ({"from": "Same"}, "shop", "Accepted"),
        ({"from": "Same"}, "other", "NotAllowedByListeners"),
        ({"from": "All"}, "other", "Accepted"),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}, "shop", "Accepted"),
        ({"from": "Selector", "selector": {"matchLabels": {"team": "a"}}}, "other", "NotAllowedByListeners"),
    ],
)
def test_a_listener_says_whose_routes_it_takes(allowed: Obj, namespace: str, reason: str) -> None:
    listener = {"name": "l", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": allowed}}
    world = World(
        gateways=[gateway(listener)],
        routes=[route(namespace=namespace, parent={"namespace": "shop"})],
        services=[service(namespace, "web")],
    )
    assert conditions(world)[0][1] == reason


@pytest.mark.parametrize(
    ("listener", "names", "both"),
    [
        ("", [], ()),
        ("", ["a.example"], ("a.example",)),
        ("a.example", [], ("a.example",)),
        ("a.example", ["a.example", "b.example"], ("a.example",)),
        ("*.example", ["A.Example", "x.y.example", "example"], ("a.example", "x.y.example")),
        ("a.example", ["*.example"], ("a.example",)),
        ("*.a.example", ["*.example"], ("*.a.example",)),
        ("a.example", ["b.example"], None),
        ("*.example", ["example"], None),
    ],
)
def test_hostnames_are_the_intersection(listener: str, names: list[str], both: tuple[str, ...] | None) -> None:
    assert hostnames(listener, names) == both


def test_no_common_hostname_is_said() -> None:
    listener = {"name": "l", "port": 80, "protocol": "HTTP", "hostname": "a.example"}
    world = World(gateways=[gateway(listener)], routes=[route(hostnames=["b.example"])])
    assert conditions(world)[0] == (False, "NoMatchingListenerHostname")


@pytest.mark.parametrize(
    ("ref", "reason"),
    [
        ({"name": "gone", "port": 80}, "BackendNotFound"),
        ({"name": "web", "port": 81}, "BackendNotFound"),
        ({"name": "web", "kind": "Bucket", "group": "s3.example", "port": 80}, "InvalidKind"),
        ({"name": "web", "namespace": "other", "port": 80}, "RefNotPermitted"),
        ({"name": "alias", "port": 80}, "BackendNotFound"),
        ({"name": "web", "port": 53}, "UnsupportedProtocol"),
        ({"name": "web", "port": 90}, "UnsupportedProtocol"),
        ({"name": "web", "port": 80, "filters": [{"type": "ExtensionRef"}]}, "InvalidKind"),
    ],
)
def test_a_backend_that_leads_nowhere_answers_500_and_is_named(ref: Obj, reason: str) -> None:
    ports = [{"port": 80}, {"port": 53, "protocol": "UDP"}, {"port": 90, "appProtocol": "redis"}]
    services = [service("shop", "web", *ports), service("other", "web")]
    services += [service("shop", "alias", type="ExternalName")]
    good = {"name": "web", "port": 80, "weight": 9}
    world = World(gateways=[gateway()], routes=[route({"backendRefs": [ref, good]})], services=services)
    _, [attached] = run(world)
    [rule] = attached.rules[0]
    assert [(b.answer, b.weight) for b in rule.backends] == [(500, 1), (None, 9)]
    assert conditions(world) == ((True, "Accepted"), (False, reason))


def test_a_grant_opens_another_namespace() -> None:
    grant = obj(
        "other",
        "ok",
        **{
            "from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": "shop"}],
            "to": [{"group": "", "kind": "Service", "name": "web"}],
        },
    )
    ref = {"name": "web", "namespace": "other", "port": 80}
    world = World(
        gateways=[gateway()], routes=[route({"backendRefs": [ref]})], services=[service("other", "web")], grants=[grant]
    )
    assert conditions(world) == FINE


@pytest.mark.parametrize(
    ("port", "scheme"),
    [
        ({"port": 80}, "http"),
        ({"port": 443}, "https"),
        ({"port": 443, "appProtocol": "http"}, "http"),
        ({"port": 80, "name": "https-web"}, "https"),
        ({"port": 80, "appProtocol": "kubernetes.io/ws"}, "http"),
        ({"port": 80, "appProtocol": "HTTPS"}, "https"),
        ({"port": 80, "appProtocol": "kubernetes.io/h2c"}, "h2c"),
    ],
)
def test_the_port_of_the_service_says_what_it_speaks(port: Obj, scheme: str) -> None:
    ref = {"name": "web", "port": port["port"]}
    world = World(gateways=[gateway()], routes=[route({"backendRefs": [ref]})], services=[service("shop", "web", port)])
    _, [attached] = run(world)
    assert [b.scheme for b in attached.rules[0][0].backends] == [scheme]


def test_references_are_judged_whoever_takes_the_route() -> None:
    rule = {"backendRefs": [{"name": "gone", "port": 80}]}
    world = World(gateways=[gateway()], routes=[route(rule, parent={"sectionName": "other"})])
    assert conditions(world) == ((False, "NoMatchingParent"), (False, "BackendNotFound"))


def test_a_rewrite_of_nothing_is_500() -> None:
    rewrite = {"type": "URLRewrite", "urlRewrite": {}}
    world = World(
        gateways=[gateway()], routes=[route({"filters": [rewrite], "backendRefs": [{"name": "web", "port": 80}]})]
    )
    _, [attached] = run(world)
    assert [b.answer for b in attached.rules[0][0].backends] == [500]


@pytest.mark.parametrize("rule", [{}, {"backendRefs": []}, {"backendRefs": [{"name": "web", "port": 80, "weight": 0}]}])
def test_a_rule_nobody_answers_is_500(rule: Obj) -> None:
    _, [attached] = run(World(gateways=[gateway()], routes=[route(rule)]))
    assert [b.answer for b in attached.rules[0][0].backends] == [500]


def test_matches_and_filters_are_translated() -> None:
    to_b = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/b"}
    quarter = {"backendRef": {"name": "web", "port": 80}, "fraction": {"numerator": 1, "denominator": 4}}
    exact = {
        "path": {"type": "Exact", "value": "/a"},
        "method": "GET",
        "headers": [{"name": "X-Canary", "value": "yes"}],
        "queryParams": [{"name": "v", "value": "[0-9]+", "type": "RegularExpression"}],
    }
    filters = {
        "RequestHeaderModifier": {"set": [{"name": "A", "value": "1"}], "remove": ["B"]},
        "ResponseHeaderModifier": {"add": [{"name": "C", "value": "2"}]},
        "URLRewrite": {"hostname": "h", "path": to_b},
        "RequestMirror": quarter,
    }
    rule = {
        "matches": [exact, {"path": {"type": "RegularExpression", "value": "/x.*"}}],
        "filters": [{"type": t, t[0].lower() + t[1:].replace("RL", "rl"): f} for t, f in filters.items()],
        "backendRefs": [{"name": "web", "port": 80, "weight": 3}],
        "timeouts": {"request": "1m30s", "backendRequest": "500ms"},
    }
    _, [attached] = run(World(gateways=[gateway()], routes=[route(rule)]))
    first, second = attached.rules[0]
    assert (first.match.path_kind, first.match.method) == (PathKind.EXACT, "GET")
    assert [(h.name, h.value, h.regex) for h in first.match.headers] == [("X-Canary", "yes", False)]
    assert [(q.name, q.regex) for q in first.match.query] == [("v", True)]
    assert second.match.path_kind is PathKind.REGEX
    assert first.order < second.order
    assert (first.request_timeout, first.backend_timeout) == (90, 0.5)
    request, response, rewrite, mirror = first.filters
    assert request == HeaderChange(set=(("A", "1"),), remove=("B",))
    assert response == HeaderChange(add=(("C", "2"),), response=True)
    assert rewrite == Rewrite("h", PathChange("/b", prefix=True))
    assert isinstance(mirror, Mirror)
    assert mirror.percent == 25.0


def test_a_redirect_asks_no_backend() -> None:
    rule = {"filters": [{"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}]}
    world = World(gateways=[gateway()], routes=[route(rule)])
    _, [attached] = run(world)
    [only] = attached.rules[0]
    assert only.backends == ()
    assert only.filters == (Redirect(scheme="https", status=301),)
    assert conditions(world) == FINE


def test_a_mirror_that_leads_nowhere_is_left_out_and_named() -> None:
    mirror = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "gone", "port": 80}}}
    world = World(
        gateways=[gateway()], routes=[route({"filters": [mirror], "backendRefs": [{"name": "web", "port": 80}]})]
    )
    _, [attached] = run(world)
    [rule] = attached.rules[0]
    assert rule.filters == ()
    assert rule.backends[0].answer is None
    assert conditions(world)[1] == (False, "BackendNotFound")


def test_a_filter_nobody_knows_is_never_skipped() -> None:
    unknown = {"type": "ExtensionRef", "extensionRef": {"group": "x.example", "kind": "Auth", "name": "login"}}
    world = World(
        gateways=[gateway()], routes=[route({"filters": [unknown], "backendRefs": [{"name": "web", "port": 80}]})]
    )
    _, [attached] = run(world)
    assert [b.answer for b in attached.rules[0][0].backends] == [500]
    assert conditions(world)[1] == (False, "InvalidKind")


LABELS = st.sampled_from(["a", "b"])
NAMES = st.lists(LABELS, min_size=1, max_size=3).map(".".join)
PATTERNS = st.tuples(st.sampled_from(["", "*."]), NAMES).map("".join)


def matches(pattern: str, name: str) -> bool:
    return not pattern or name == pattern or (pattern.startswith("*.") and name.endswith(pattern[1:]))


@given(listener=st.one_of(st.just(""), PATTERNS), names=st.lists(PATTERNS, max_size=3), asked=NAMES)
def test_a_name_is_served_where_listener_and_route_both_have_it(listener: str, names: list[str], asked: str) -> None:
    both = hostnames(listener, names)
    served = both is not None and (not both or any(matches(one, asked) for one in both))
    assert served == (matches(listener, asked) and (not names or any(matches(name, asked) for name in names)))


class Stored(World):
    """A client's part that writes."""

    def __init__(self, **objects: list[Obj]) -> None:
        super().__init__(**objects)
        self.kinds["secrets"] = []
        self.now = 0.0
        self.written: list[tuple[str, str]] = []

    @property
    def clock(self) -> Stored:
        return self

    def time(self) -> float:
        return self.now

    def patch(self, resource: str, key: tuple[str, str], change: Callable[[Obj], None], *, subresource: str) -> None:
        assert subresource == "status"
        found = self.find(resource, *key)
        assert found is not None
        change(found)
        self.written.append((resource.partition(".")[0], key[1]))

    def turn(self) -> None:
        api = GatewayApi(cast(Client, self), PORTS, [{"hostname": "localhost"}])
        api.listeners()
        api.report(())
        self.now += 60


def said(conditions: list[Obj]) -> dict[str, tuple[str, str, str]]:
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in conditions}


def test_what_is_found_is_written_once() -> None:
    world = Stored(gateways=[gateway()], routes=[route()])
    world.turn()
    assert world.written == [("gatewayclasses", "traefik"), ("gateways", "edge"), ("httproutes", "web")]
    world.turn()
    assert len(world.written) == 3, "nothing has changed"
    status = world.kinds[GATEWAYS][0]["status"]
    assert said(status["conditions"])["Programmed"][:2] == ("True", "Programmed")
    assert status["addresses"] == [{"type": "Hostname", "value": "localhost"}]
    assert said(world.kinds[ROUTES][0]["status"]["parents"][0]["conditions"])["Accepted"] == ("True", "Accepted", "")


def test_one_wrong_listener_makes_the_gateway_wrong_and_the_other_is_served() -> None:
    secure = {"name": "s", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "gone"}]}}
    world = Stored(gateways=[gateway({"name": "http", "port": 80, "protocol": "HTTP"}, secure)], routes=[route()])
    world.turn()
    status = world.kinds[GATEWAYS][0]["status"]
    assert said(status["conditions"]) == {"Accepted": ("False", "ListenersNotValid", "All Listeners must be valid")}
    good, wrong = (said(one["conditions"]) for one in status["listeners"])
    assert {kind: one[0] for kind, one in good.items()} == {
        "Accepted": "True",
        "ResolvedRefs": "True",
        "Programmed": "True",
    }
    text = 'Cannot load CertificateRef shop/gone: getting secret: secret "gone" not found'
    assert wrong == {
        "ResolvedRefs": ("False", "InvalidCertificateRef", text),
        "Programmed": ("False", "Invalid", "Invalid CertificateRefs"),
    }
    assert [one["attachedRoutes"] for one in status["listeners"]] == [1, 1]


def test_a_condition_keeps_its_time_while_its_status_stays() -> None:
    world = Stored(gateways=[gateway()], routes=[route()])
    world.turn()
    [kept] = world.kinds[ROUTES]
    world.kinds["services"].clear()
    world.turn()
    times = {c["type"]: c["lastTransitionTime"] for c in kept["status"]["parents"][0]["conditions"]}
    assert times == {"Accepted": "1970-01-01T00:00:00Z", "ResolvedRefs": "1970-01-01T00:01:00Z"}


def test_a_route_without_our_parents_keeps_what_others_say() -> None:
    world = Stored(gateways=[gateway()], routes=[route()])
    world.turn()
    [left] = world.kinds[ROUTES]
    other = {"controllerName": "example.com/other", "parentRef": {"name": "x"}, "conditions": []}
    left["status"]["parents"].append(other)
    left["spec"]["parentRefs"] = [{"name": "x"}]
    world.turn()
    assert left["status"]["parents"] == [other]


def test_attack_thousands_of_routes_are_told_a_few_a_turn() -> None:
    routes = [obj("shop", f"r{n}", kind="HTTPRoute", parentRefs=[{"name": "edge"}], rules=[]) for n in range(100)]
    told = Stored(gateways=[gateway()], routes=routes)
    seen = []
    for _ in range(4):
        told.turn()
        seen.append(len(told.written))
    assert seen == [40, 80, 102, 102]  # the class and the Gateway first
    assert told.written[:2] == [("gatewayclasses", "traefik"), ("gateways", "edge")]

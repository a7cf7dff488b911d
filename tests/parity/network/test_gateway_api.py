"""Gateways, who may attach to them and refer to what, told as the Gateway API's conformance tests tell it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import pytest
from tests.parity.network.gateway_support import (
    API,
    CLASS,
    CONTROLLER,
    GROUP,
    Case,
    Edge,
    backend,
    filtered,
    host,
    listener,
    obj,
    prefix,
    rule,
    says,
)
from tests.parity.network.support import NGINX, Place, deployment, port, service
from tests.parity.network.test_ingress import Pair, pair

from kindlab import workspace
from kindlab.api import MERGE_PATCH, Obj

FINE = {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("True", "ResolvedRefs")}


@pytest.fixture(scope="module")
def away(edge: Edge) -> Iterator[str]:
    """Another namespace, with a backend `far` of its own and the label `room`."""
    name = f"{edge.namespace[:50]}-away"
    workspace.make_namespace(edge.api, name)
    edge.api.patch("Namespace", name, None, {"metadata": {"labels": {"room": name}}})
    site = 'server { listen 8080; location / { return 200 "backend-name=far\\n"; } }'
    mount = {"name": "site", "mountPath": "/etc/nginx/conf.d/default.conf", "subPath": "far"}
    far = deployment(
        "far",
        image=NGINX,
        replicas=1,
        volumeMounts=[mount],
        volumes=[{"name": "site", "configMap": {"name": "site"}}],
        readinessProbe={"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
    )
    place = Place(edge.api, name)
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "site"}, "data": {"far": site}}
    place.start(config, far, service("far", port(8080, 8080)))
    place.endpoints("far", 1)
    yield name
    edge.api.delete("Namespace", name)


def secret(edge: Edge, found: Pair | None = None, *, namespace: str = "", name: str = "", **data: str) -> str:
    """A TLS Secret: made, or (with a `name` that is there) changed. Returns its name."""
    given = data if found is None else {"tls.crt": found.certificate, "tls.key": found.key}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in given.items()}
    space = namespace or edge.namespace
    if name:
        edge.api.patch("Secret", name, space, {"data": encoded})
        return name
    name = f"s-{token_hex(4)}"
    whole = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/tls"}
    edge.api.create({**whole, "data": encoded}, space)
    return name


def trusted(edge: Edge, name: str, found: Pair) -> None:
    """Wait until the certificate shown for a name is this one: curl is told to trust nothing else."""
    file = f"/tmp/{name}.crt"
    edge.place.run("client", "sh", "-c", f"cat > {file}", stdin=found.certificate.encode())
    curl = f"curl -q -s -o /dev/null --cacert {file} --connect-timeout 2 --resolve {name}:443:{edge.address}"
    edge.place.sh_until("client", f"{curl} https://{name}/ && echo yes")


def secured(*names: str, namespace: str = "") -> Obj:
    """A listener's tls."""
    more = {"namespace": namespace} if namespace else {}
    return {"certificateRefs": [{"name": name, **more} for name in names]}


# -- classes and Gateways


def test_the_class_says_what_it_supports_and_follows_changes(edge: Edge) -> None:
    name = f"c-{token_hex(4)}"
    edge.api.create(obj("GatewayClass", name, {"controllerName": CONTROLLER}))
    try:
        made = edge.place.wait("GatewayClass", name, lambda c: accepted(c))
        edge.api.patch("GatewayClass", name, None, {"spec": {"description": "changed"}})
        after = edge.place.wait("GatewayClass", name, lambda c: c["metadata"]["generation"] == 2 and accepted(c))
        [before], [now] = made["status"]["conditions"], after["status"]["conditions"]
        assert before["lastTransitionTime"] == now["lastTransitionTime"]
        features = [f["name"] for f in after["status"]["supportedFeatures"]]
        assert features == sorted(features)
        assert {"Gateway", "HTTPRoute", "ReferenceGrant"} <= set(features)
    finally:
        edge.api.delete("GatewayClass", name)


def accepted(one: Obj) -> bool:
    conditions = (one.get("status") or {}).get("conditions") or []
    return says(conditions, one["metadata"]["generation"], {"Accepted": ("True", "")})


def test_a_gateway_of_another_controller_is_left_alone(edge: Edge) -> None:
    name = f"c-{token_hex(4)}"
    edge.api.create(obj("GatewayClass", name, {"controllerName": "example.com/other"}))
    try:
        other = edge.gateway(gatewayClassName=name)
        made = edge.route(parents=[{"name": other}, {"name": "gate"}])
        edge.route_is(made, **FINE)  # it has one parent status only: that of our Gateway
        conditions = edge.place.require("Gateway", other)["status"]["conditions"]
        assert {(c["type"], c["status"], c["reason"]) for c in conditions} == {
            ("Accepted", "Unknown", "Pending"),
            ("Programmed", "Unknown", "Pending"),
        }
    finally:
        edge.api.delete("GatewayClass", name)


def test_a_gateway_has_an_address_and_says_that_it_is_programmed(edge: Edge) -> None:
    found = edge.place.wait("Gateway", "gate", accepted)
    wanted = {"Accepted": ("True", "Accepted"), "Programmed": ("True", "Programmed")}
    assert says(found["status"]["conditions"], found["metadata"]["generation"], wanted)
    assert [address["value"] for address in found["status"]["addresses"]]
    edge.listener_is("gate", "http", kinds=True, **FINE, Programmed=("True", "Programmed"))


def test_listeners_come_and_go(edge: Edge) -> None:
    one, two = host(), host()
    gate = edge.gateway(listener("one", hostname=one))
    edge.route(hosts=[one, two], parents=[{"name": gate}])
    edge.expect(Case(one, to="v1"), Case(two, status=404))
    edge.listener_is(gate, "one", attached=1, **FINE)
    path = edge.place.path("Gateway", gate)
    both = {"spec": {"listeners": [listener("one", hostname=one), listener("two", hostname=two)]}}
    edge.place.request("PATCH", path, both, content_type=MERGE_PATCH)
    edge.expect(Case(one, to="v1"), Case(two, to="v1"))
    edge.listener_is(gate, "two", attached=1, **FINE)
    only = {"spec": {"listeners": [listener("two", hostname=two)]}}
    edge.place.request("PATCH", path, only, content_type=MERGE_PATCH)
    edge.expect(Case(one, status=404), Case(two, to="v1"))
    left = edge.listener_is(gate, "two", attached=1, **FINE)
    assert [each["name"] for each in left["status"]["listeners"]] == ["two"]
    assert left["metadata"]["generation"] == 3


def test_a_gateway_that_goes_takes_its_routes_with_it(edge: Edge) -> None:
    name = host()
    gate = edge.gateway()
    made = edge.route(hosts=[name], parents=[{"name": gate}])
    edge.expect(Case(name, to="v1"))
    edge.api.delete("Gateway", gate, edge.namespace)
    edge.expect(Case(name, status=404))
    edge.api.create(obj("Gateway", gate, {"gatewayClassName": CLASS, "listeners": [listener()]}), edge.namespace)
    edge.expect(Case(name, to="v1"))
    edge.route_is(made, **FINE)


@pytest.mark.parametrize(
    ("kinds", "serves"), [(["GRPCWeb"], False), (["HTTPRoute", "GRPCWeb"], True)], ids=["only", "among others"]
)
def test_route_kinds_that_nobody_knows(edge: Edge, kinds: list[str], serves: bool) -> None:
    named = [{"group": GROUP, "kind": kind} for kind in kinds]
    gate = edge.gateway(listener(allowedRoutes={"kinds": named}))
    edge.listener_is(gate, "http", kinds=serves, attached=0, ResolvedRefs=("False", "InvalidRouteKinds"))


@pytest.mark.parametrize("which", ["missing", "group", "kind", "malformed"])
def test_certificates_that_cannot_be_used(edge: Edge, which: str) -> None:
    more = {"group": {"group": "wrong.example"}, "kind": {"kind": "ConfigMap"}}.get(which, {})
    name = "gone" if which == "missing" else secret(edge, **{"tls.crt": "Hello world", "tls.key": "Hello world"})
    gate = edge.gateway(listener("https", 443, tls={"certificateRefs": [{"name": name, **more}]}))
    edge.listener_is(gate, "https", kinds=True, attached=0, ResolvedRefs=("False", "InvalidCertificateRef"))


def test_routes_are_counted(edge: Edge) -> None:
    name = host()
    gate = edge.gateway(listener(hostname=name))
    broken = edge.gateway(listener("tls", 443, tls=secured("gone")))
    for _ in range(2):
        edge.route(hosts=[], parents=[{"name": gate}])
    refused = edge.route(hosts=["not.example.net"], parents=[{"name": gate}])
    unresolved = edge.route(rule(to="gone"), parents=[{"name": broken, "sectionName": "tls"}])
    edge.listener_is(gate, "http", attached=2, **FINE)
    edge.route_is(refused, Accepted=("False", "NoMatchingListenerHostname"))
    # also where the listener cannot be served
    edge.listener_is(broken, "tls", attached=1, ResolvedRefs=("False", ""), Programmed=("False", ""))
    edge.route_is(unresolved, ResolvedRefs=("False", "BackendNotFound"))


def test_conditions_are_of_the_newest_generation(edge: Edge) -> None:
    name = host()
    made = edge.route(hosts=[name])
    before = edge.route_is(made, **FINE)
    change = {"spec": {"hostnames": [name, host()]}}
    edge.place.request("PATCH", edge.place.path("HTTPRoute", made), change, content_type=MERGE_PATCH)
    after = edge.place.wait("HTTPRoute", made, lambda r: r["metadata"]["generation"] == 2)
    after = edge.route_is(made, **FINE)
    times = [[c["lastTransitionTime"] for c in r["status"]["parents"][0]["conditions"]] for r in (before, after)]
    assert times[0] == times[1], "the time is that of the last change of the status, not of the generation"


# -- which listeners a route attaches to


@pytest.mark.parametrize(
    ("parent", "reason"),
    [({"sectionName": "other"}, ""), ({"port": 81}, ""), ({"sectionName": "http", "port": 81}, "")],
    ids=["section", "port", "both"],
)
def test_a_parent_that_matches_no_listener(edge: Edge, parent: Obj, reason: str) -> None:
    if "port" in parent:
        edge.needs("HTTPRouteParentRefPort")
    gate = edge.gateway()
    made = edge.route(parents=[{"name": gate, **parent}])
    edge.route_is(made, Accepted=("False", "NoMatchingParent"))
    edge.listener_is(gate, "http", attached=0)


def test_a_listener_for_other_kinds_takes_no_route(edge: Edge) -> None:
    gate = edge.gateway(listener(allowedRoutes={"kinds": [{"kind": "GRPCRoute"}]}))
    made = edge.route(parents=[{"name": gate}])
    edge.route_is(made, Accepted=("False", "NotAllowedByListeners"), ResolvedRefs=("True", ""))
    edge.listener_is(gate, "http", attached=0)


def test_routes_of_other_namespaces(edge: Edge, away: str) -> None:
    closed, labelled, opened = host(), host(), host()
    chosen = {"from": "Selector", "selector": {"matchLabels": {"room": away}}}
    gate = edge.gateway(
        listener("closed", hostname=closed),
        listener("labelled", hostname=labelled, allowedRoutes={"namespaces": chosen}),
        listener("opened", hostname=opened, allowedRoutes={"namespaces": {"from": "All"}}),
    )
    parents = [{"name": gate, "namespace": edge.namespace, "sectionName": at} for at in ("labelled", "opened")]
    edge.route(rule(to="far"), hosts=[], parents=parents, namespace=away)
    shut = [{"name": gate, "namespace": edge.namespace, "sectionName": "closed"}]
    refused = edge.route(rule(to="far"), hosts=[], parents=shut, namespace=away)
    edge.expect(Case(closed, status=404), Case(labelled, to="far"), Case(opened, to="far"))
    edge.route_is(refused, away, Accepted=("False", "NotAllowedByListeners"))
    edge.listener_is(gate, "closed", attached=0)
    edge.api.patch("Namespace", away, None, {"metadata": {"labels": {"room": "other"}}})
    edge.expect(Case(labelled, status=404), Case(opened, to="far"))
    edge.api.patch("Namespace", away, None, {"metadata": {"labels": {"room": away}}})
    edge.expect(Case(labelled, to="far"))


def test_hostnames_of_listener_and_route_are_intersected(edge: Edge) -> None:
    end = host()
    gate = edge.gateway(
        listener("one", hostname=f"very.specific.{end}"),
        listener("two", hostname=f"*.wild.{end}"),
        listener("three", hostname=f"*.any.{end}"),
    )
    parents = [{"name": gate}]
    edge.route(rule(prefix("/s1")), hosts=[f"non.matching.{end}", f"very.specific.{end}"], parents=parents)
    edge.route(rule(prefix("/s2"), to="v2"), hosts=[f"*.{end.partition('.')[2]}", f"*.specific.{end}"], parents=parents)
    edge.route(rule(prefix("/s3"), to="v3"), hosts=[f"*.any.{end}"], parents=parents)
    edge.route(rule(prefix("/s4")), hosts=[f"one.wild.{end}", f"wild.{end}"], parents=parents)
    none = edge.route(rule(prefix("/s5")), hosts=[f"specific.but.wrong.{end}"], parents=parents)
    edge.expect(
        Case(f"very.specific.{end}", "/s1", to="v1"),
        Case(f"non.matching.{end}", "/s1", status=404),
        Case(f"foo.specific.{end}", "/s2", status=404),
        Case(f"very.specific.{end}", "/s2", to="v2"),
        Case(f"a.any.{end}", "/s3", to="v3"),
        Case(f"a.b.any.{end}", "/s3", to="v3"),
        Case(f"any.{end}", "/s3", status=404),
        Case(f"one.wild.{end}", "/s4", to="v1"),
        Case(f"two.wild.{end}", "/s4", status=404),
        Case(f"wild.{end}", "/s4", status=404),
        Case(f"specific.but.wrong.{end}", "/s5", status=404),
    )
    edge.route_is(none, Accepted=("False", "NoMatchingListenerHostname"))


def test_listeners_of_one_port_with_other_hosts(edge: Edge) -> None:
    end = host()
    gate = edge.gateway(
        listener("one", hostname=end),
        listener("two", hostname=f"foo.{end}"),
        listener("three", hostname=f"*.{end}"),
    )
    for section, to in (("one", "v1"), ("two", "v2"), ("three", "v3")):
        edge.route(rule(to=to), hosts=[], parents=[{"name": gate, "sectionName": section}])
    edge.expect(
        Case(end, to="v1"),
        Case(f"foo.{end}", to="v2"),
        *(Case(f"{label}.{end}", to="v3") for label in ("baz", "boo", "multiple.prefixes")),
        Case(f"no.{host()}", status=404),
    )


# -- references to other namespaces


def test_a_backend_of_another_namespace_needs_a_grant(edge: Edge, away: str) -> None:
    name = host()
    far = [backend("far", namespace=away)]
    made = edge.route(rule(prefix("/far"), to=far), rule(prefix("/")), hosts=[name])
    come = {"group": GROUP, "kind": "HTTPRoute", "namespace": edge.namespace}
    go = {"group": "", "kind": "Service", "name": "far"}
    edge.expect(Case(name, "/far", status=500), Case(name, to="v1"))
    edge.route_is(made, Accepted=("True", "Accepted"), ResolvedRefs=("False", "RefNotPermitted"))
    for other in (
        (come | {"namespace": away}, go),
        (come | {"kind": "Gateway"}, go),
        (come | {"group": "wrong.example"}, go),
        (come, go | {"kind": "Secret"}),
        (come, go | {"name": "another"}),
        (come, go | {"group": "wrong.example"}),
    ):
        edge.grant(away, *other)
    edge.grant(edge.namespace, come, go)  # not where the backend is
    edge.expect(Case(name, "/far", status=500), Case(name, to="v1"))
    right = edge.grant(away, come, go)
    edge.expect(Case(name, "/far", to="far"))
    edge.route_is(made, **FINE)
    edge.api.delete("ReferenceGrant", right, away)
    edge.expect(Case(name, "/far", status=500), Case(name, to="v1"))
    edge.route_is(made, ResolvedRefs=("False", "RefNotPermitted"))


@pytest.mark.parametrize("wide", [False, True], ids=["one Secret", "all Secrets"])
def test_a_certificate_of_another_namespace_needs_a_grant(edge: Edge, away: str, wide: bool) -> None:
    name = host()
    found = pair(name)
    at = secret(edge, found, namespace=away)
    gate = edge.gateway(listener("https", 443, hostname=name, tls=secured(at, namespace=away)))
    edge.listener_is(gate, "https", kinds=True, ResolvedRefs=("False", "RefNotPermitted"))
    come = {"group": GROUP, "kind": "Gateway", "namespace": edge.namespace}
    go = {"group": "", "kind": "Secret"}
    for other in (
        (come | {"kind": "HTTPRoute"}, go),
        (come, go | {"name": "another"}),
        (come | {"namespace": away}, go),
    ):
        edge.grant(away, *other)
    edge.listener_is(gate, "https", kinds=True, ResolvedRefs=("False", "RefNotPermitted"))
    right = edge.grant(away, come, go if wide else go | {"name": at})
    edge.listener_is(gate, "https", attached=0, **FINE)
    edge.route(hosts=[], parents=[{"name": gate}])
    edge.expect(Case(name, to="v1", tls=True))
    trusted(edge, name, found)
    edge.api.delete("ReferenceGrant", right, away)
    edge.listener_is(gate, "https", ResolvedRefs=("False", "RefNotPermitted"))


# -- TLS


def test_names_of_one_tls_port(edge: Edge) -> None:
    one, two = host(), host()
    first, second = pair(one), pair(two)
    gate = edge.gateway(
        listener("one", 443, hostname=one, tls=secured(secret(edge, first))),
        listener("two", 443, hostname=two, tls=secured(secret(edge, second))),
        listener("clear", hostname=one),
    )
    edge.route(hosts=[], parents=[{"name": gate, "sectionName": "one"}])
    edge.route(rule(to="v2"), hosts=[], parents=[{"name": gate, "sectionName": "two"}])
    edge.expect(
        Case(one, to="v1", tls=True),
        Case(two, to="v2", tls=True),
        Case(host(), status=404, tls=True),
        Case(one, status=404),
    )
    trusted(edge, one, first)
    trusted(edge, two, second)


def test_redirects_that_came_with_tls(edge: Edge) -> None:
    edge.needs("HTTPRouteSchemeRedirect", "HTTPRoutePortRedirect")
    name = host()
    gate = edge.gateway(listener("https", 443, hostname=name, tls=secured(secret(edge, pair(name)))))
    changes: list[tuple[Obj, str]] = [
        ({"hostname": "example.org"}, "https://example.org/0"),
        ({"port": 443}, f"https://{name}/1"),
        ({"port": 8443}, f"https://{name}:8443/2"),
        ({"scheme": "http"}, f"http://{name}/3"),
        ({"scheme": "http", "port": 80}, f"http://{name}/4"),
        ({"scheme": "http", "port": 8080}, f"http://{name}:8080/5"),
    ]
    rules = [
        rule(prefix(f"/{n}"), to=None, filters=[filtered("RequestRedirect", change)])
        for n, (change, _) in enumerate(changes)
    ]
    edge.route(*rules, hosts=[], parents=[{"name": gate}])
    edge.expect(
        *(Case(name, f"/{n}", status=302, tls=True, location=location) for n, (_, location) in enumerate(changes))
    )


def test_a_certificate_is_rotated(edge: Edge) -> None:
    name = host()
    old, new = pair(name), pair(name)
    at = secret(edge, old)
    gate = edge.gateway(listener("https", 443, hostname=name, tls=secured(at)))
    edge.route(hosts=[], parents=[{"name": gate}])
    edge.expect(Case(name, to="v1", tls=True))
    trusted(edge, name, old)
    secret(edge, new, name=at)
    trusted(edge, name, new)
    edge.api.delete("Secret", at, edge.namespace)
    edge.listener_is(gate, "https", ResolvedRefs=("False", "InvalidCertificateRef"), attached=1)


# -- what people look at


def test_kubectl_shows_columns(edge: Edge) -> None:
    def columns(kind: str) -> list[str]:
        table = edge.api.request("GET", edge.place.path(kind), accept="application/json;as=Table;v=v1;g=meta.k8s.io")
        return [column["name"] for column in table["columnDefinitions"] if not column["priority"]]

    assert columns("GatewayClass") == ["Name", "Controller", "Accepted", "Age"]
    assert columns("Gateway") == ["Name", "Class", "Address", "Programmed", "Age"]
    assert columns("HTTPRoute") == ["Name", "Hostnames", "Age"]
    assert columns("ReferenceGrant") == ["Name", "Age"]


def test_kinds_are_explained(edge: Edge) -> None:
    """`kubectl explain httproute.spec.rules` reads this."""
    paths = edge.api.request("GET", "/openapi/v3")["paths"]
    document: dict[str, Any] = edge.api.request("GET", paths[f"apis/{API}"]["serverRelativeURL"])
    [route] = [
        schema
        for schema in document["components"]["schemas"].values()
        if {"group": GROUP, "kind": "HTTPRoute", "version": "v1"}
        in (schema.get("x-kubernetes-group-version-kind") or ())
    ]
    rules = route["properties"]["spec"]["properties"]["rules"]["items"]["properties"]
    assert {"name", "matches", "filters", "backendRefs", "timeouts"} <= set(rules)

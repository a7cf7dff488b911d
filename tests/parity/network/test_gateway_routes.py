"""HTTPRoutes: what they match and what they do to a request, told as the Gateway API's conformance tests tell it."""

from __future__ import annotations

import pytest
from tests.parity.network.gateway_support import (
    Case,
    Edge,
    backend,
    exact,
    filtered,
    host,
    listener,
    pairs,
    prefix,
    rule,
)
from tests.parity.network.support import pod, port, service

CHANGE = {
    "set": pairs(X_Set="new"),
    "add": pairs(X_Add="more"),
    "remove": ["X-Remove"],
}


# -- matching


def test_a_route_leads_to_its_backend(edge: Edge) -> None:
    name = host()
    made = edge.route(hosts=[name])
    edge.expect(Case(name, to="v1"), Case(name, "/any/path", to="v1", got={"uri": "/any/path"}))
    edge.route_is(made, Accepted=("True", "Accepted"), ResolvedRefs=("True", "ResolvedRefs"))


def test_paths_and_headers(edge: Edge) -> None:
    name = host()
    one, two = ({"headers": pairs(version=value)} for value in ("one", "two"))
    edge.route(rule(prefix("/"), one), rule(prefix("/v2"), two, to="v2"), hosts=[name])
    edge.expect(
        *(Case(name, path, to="v1") for path in ("/", "/example", "/v2example", "/foo/v2/example")),
        *(Case(name, path, to="v2") for path in ("/v2", "/v2/", "/v2/example")),
        Case(name, headers={"Version": "one"}, to="v1"),
        Case(name, headers={"Version": "two"}, to="v2"),
    )


def test_exact_paths(edge: Edge) -> None:
    name = host()
    edge.route(rule(exact("/one")), rule(exact("/two"), to="v2"), hosts=[name])
    edge.expect(
        Case(name, "/one", to="v1"),
        Case(name, "/two", to="v2"),
        *(Case(name, path, status=404) for path in ("/", "/one/example", "/one/", "/Two")),
    )


def test_which_of_several_paths_is_taken(edge: Edge) -> None:
    name = host()
    edge.route(
        rule(exact("/match")),
        rule(exact("/match/exact"), to="v2"),
        rule(exact("/match/exact/one"), to="v3"),
        rule(prefix("/match/"), to="v3"),
        rule(prefix("/match/prefix/")),
        rule(prefix("/match/prefix/one"), to="v2"),
        hosts=[name],
    )
    edge.expect(
        Case(name, "/match/exact/one", to="v3"),
        Case(name, "/match/exact", to="v2"),
        Case(name, "/match", to="v1"),
        Case(name, "/match/prefix/one/any", to="v2"),
        Case(name, "/match/prefix/any", to="v1"),
        Case(name, "/match/any", to="v3"),
    )


def test_headers(edge: Edge) -> None:
    name = host()
    edge.route(
        rule({"headers": pairs(version="one")}),
        rule({"headers": pairs(version="two")}, to="v2"),
        rule({"headers": pairs(version="two", color="orange")}),
        rule({"headers": pairs(color="blue")}, {"headers": pairs(color="green")}),
        rule({"headers": pairs(color="red")}, {"headers": pairs(color="yellow")}, to="v2"),
        hosts=[name],
    )
    edge.expect(
        Case(name, headers={"Version": "one"}, to="v1"),
        Case(name, headers={"Version": "two"}, to="v2"),
        Case(name, headers={"Version": "two", "Color": "orange"}, to="v1"),
        Case(name, headers={"Version": "two", "Color": "blue"}, to="v2"),
        *(Case(name, headers={"Color": color}, to="v1") for color in ("blue", "green")),
        *(Case(name, headers={"Color": color}, to="v2") for color in ("red", "yellow")),
        *(Case(name, headers=given, status=404) for given in ({"Color": "orange"}, {"Other": "one"}, {})),
    )


def test_methods(edge: Edge) -> None:
    edge.needs("HTTPRouteMethodMatching")
    name = host()
    edge.route(
        rule({"method": "POST"}),
        rule({"method": "GET"}, to="v2"),
        rule(prefix("/path1", method="GET")),
        rule({"method": "PUT", "headers": pairs(version="one")}, to="v2"),
        rule(prefix("/path2", method="POST", headers=pairs(version="two")), to="v3"),
        rule(prefix("/path5")),
        rule({"method": "PATCH"}, to="v2"),
        rule({"headers": pairs(version="four")}, to="v3"),
        hosts=[name],
    )
    edge.expect(
        Case(name, method="POST", to="v1"),
        Case(name, to="v2"),
        Case(name, method="HEAD", status=404),
        Case(name, "/path1", to="v1"),
        Case(name, method="PUT", headers={"Version": "one"}, to="v2"),
        Case(name, method="PUT", status=404),
        Case(name, "/path2", method="POST", headers={"Version": "two"}, to="v3"),
        Case(name, "/path5", method="PATCH", to="v1"),  # the path counts more than the method
        Case(name, method="PATCH", headers={"Version": "four"}, to="v2"),  # and that more than headers
    )


def test_query_parameters(edge: Edge) -> None:
    edge.needs("HTTPRouteQueryParamMatching")
    name = host()
    edge.route(
        rule({"queryParams": pairs(animal="whale")}),
        rule({"queryParams": pairs(animal="dolphin")}, to="v2"),
        rule({"queryParams": pairs(animal="dolphin", color="blue")}, {"queryParams": pairs(ANIMAL="Whale")}, to="v3"),
        rule(prefix("/path2", queryParams=pairs(animal="whale"), headers=pairs(version="two")), to="v3"),
        rule(prefix("/path5")),
        rule({"queryParams": pairs(animal="hydra")}, to="v2"),
        rule({"headers": pairs(version="four")}, to="v3"),
        hosts=[name],
    )
    edge.expect(
        Case(name, "/?animal=whale", to="v1"),
        Case(name, "/?animal=dolphin", to="v2"),
        Case(name, "/?animal=dolphin&color=blue", to="v3"),
        Case(name, "/?ANIMAL=Whale", to="v3"),
        Case(name, "/?animal=whale&other=irrelevant", to="v1"),
        Case(name, "/?animal=dolphin&color=yellow", to="v2"),
        Case(name, "/path2?animal=whale", headers={"Version": "two"}, to="v3"),
        Case(name, "/path5?animal=hydra", to="v1"),
        Case(name, "/?animal=hydra", headers={"Version": "four"}, to="v3"),
        *(Case(name, path, status=404) for path in ("/", "/?color=blue", "/?animal=dog", "/?animal=whaledolphin")),
    )


def test_two_routes_of_one_host(edge: Edge) -> None:
    name, other = host(), host()
    edge.route(rule(prefix("/"), {"headers": pairs(version="one")}), hosts=[name, other])
    edge.route(rule(prefix("/v2"), {"headers": pairs(version="two")}, to="v2"), hosts=[name])
    edge.expect(
        *(Case(name, path, to="v1") for path in ("/", "/example")),
        *(Case(other, path, to="v1") for path in ("/example", "/v2")),
        *(Case(name, path, to="v2") for path in ("/v2", "/v2/example")),
        Case(name, "/example", headers={"Version": "one"}, to="v1"),
        Case(name, headers={"Version": "two"}, to="v2"),
    )


def test_a_named_rule(edge: Edge) -> None:
    edge.needs("HTTPRouteNamedRouteRule")
    name = host()
    edge.route(rule(prefix("/named"), name="named-rule"), rule(prefix("/unnamed"), to="v2"), hosts=[name])
    edge.expect(Case(name, "/named", to="v1"), Case(name, "/unnamed", to="v2"))


# -- backends


def test_headless_services_and_hand_made_slices(edge: Edge) -> None:
    name, place = host(), edge.place
    address = place.list("Pod", "app=v1")[0]["status"]["podIP"]
    place.put(
        service("headless", port(8080, 8080, name="first"), selector={"app": "v1"}, clusterIP="None"),
        service("manual", port(8080, 8080, name="first"), selector={}),
        service("headless-manual", port(8080, 8080, name="first"), selector={}, clusterIP="None"),
    )
    for one in ("manual", "headless-manual"):
        place.put(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {"name": one, "labels": {"kubernetes.io/service-name": one}},
                "addressType": "IPv6" if ":" in address else "IPv4",
                "ports": [{"name": "first", "port": 8080, "protocol": "TCP"}],
                "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            }
        )
    names = ("headless", "manual", "headless-manual")
    edge.route(*(rule(exact(f"/{one}"), to=one) for one in names), hosts=[name])
    edge.expect(*(Case(name, f"/{one}", to="v1") for one in names))


def test_weights(edge: Edge) -> None:
    """70:30:0, and a canary of 90:10.

    A controller may draw lots: with 300 requests of which 30 should go to the canary, fewer than 10 or more than 56
    come of lots in about 1 of 100,000 runs each. (Traefik and pocket take turns, so that they hit the ratio itself.)
    """
    name, canary = host(), host()
    three = [backend("v1", weight=70), backend("v2", weight=30), backend("v3", weight=0)]
    edge.route(rule(to=three), hosts=[name])
    edge.route(rule(to=[backend("v1", weight=90), backend("v2", weight=10)]), hosts=[canary])
    edge.expect(Case(name), Case(canary))
    seen = [answer.told["backend-name"] for answer in edge.ask(Case(name), 100)]
    assert 50 <= seen.count("v1") <= 90, seen
    assert seen.count("v2") == 100 - seen.count("v1"), "a weight of 0 takes nothing"
    seen = [answer.told["backend-name"] for answer in edge.ask(Case(canary), 300)]
    assert 10 <= seen.count("v2") <= 56, seen
    assert seen.count("v1") + seen.count("v2") == 300


def test_each_backend_has_its_own_header_changes(edge: Edge) -> None:
    edge.needs("HTTPRouteBackendRequestHeaderModification")
    name = host()
    both = [
        backend(one, filters=[filtered("RequestHeaderModifier", {"set": pairs(Backend=one)})]) for one in ("v1", "v2")
    ]
    edge.route(rule(to=both), hosts=[name])
    edge.expect(Case(name))
    told = [answer.told for answer in edge.ask(Case(name), 40)]
    assert {(one["backend-name"], one["backend"]) for one in told} == {("v1", "v1"), ("v2", "v2")}


def test_a_backend_that_does_not_exist(edge: Edge) -> None:
    name = host()
    made = edge.route(rule(prefix("/gone"), to="gone"), rule(prefix("/"), to="v1"), hosts=[name])
    edge.expect(Case(name, "/gone", status=500), Case(name, to="v1"))
    edge.route_is(made, Accepted=("True", "Accepted"), ResolvedRefs=("False", "BackendNotFound"))


def test_a_backend_of_a_kind_nobody_knows(edge: Edge) -> None:
    name = host()
    made = edge.route(rule(to=[backend("v1", kind="Unknown", group="example.com")]), hosts=[name])
    edge.expect(Case(name, status=500))
    edge.route_is(made, Accepted=("True", "Accepted"), ResolvedRefs=("False", "InvalidKind"))


# -- filters


def test_headers_of_the_request_are_changed(edge: Edge) -> None:
    name = host()
    edge.route(rule(filters=[filtered("RequestHeaderModifier", CHANGE)]), hosts=[name])
    given = {"X-Set": "old", "X-Add": "old", "X-Remove": "old", "X-Other": "kept"}
    spelled = {"x-set": "old", "X-ADD": "old", "x-Remove": "old"}
    changed = {"x-set": "new", "x-add": "more", "x-remove": ""}
    edge.expect(
        Case(name, got=changed),
        Case(name, headers=given, got={**changed, "x-other": "kept"} | {"x-add": "old, more"}),
        Case(name, headers=spelled, got=changed | {"x-add": "old, more"}),
    )


def test_headers_of_the_answer_are_changed(edge: Edge) -> None:
    edge.needs("HTTPRouteResponseHeaderModification")
    name, plain = host(), host()
    edge.route(rule(filters=[filtered("ResponseHeaderModifier", CHANGE)]), hosts=[name])
    edge.route(hosts=[plain])
    old: dict[str, str | None] = dict.fromkeys(("x-set", "x-add", "x-remove", "x-other"), "from the backend")
    edge.expect(
        Case(plain, has=old),
        Case(name, has=old | {"x-set": "new", "x-add": "from the backend,more", "x-remove": None}),
    )


def test_headers_both_ways(edge: Edge) -> None:
    edge.needs("HTTPRouteResponseHeaderModification")
    name = host()
    both = [filtered(kind, CHANGE) for kind in ("RequestHeaderModifier", "ResponseHeaderModifier")]
    edge.route(rule(filters=both), hosts=[name])
    edge.expect(Case(name, got={"x-set": "new", "x-add": "more"}, has={"x-set": "new", "x-remove": None}))


def test_the_path_is_rewritten(edge: Edge) -> None:
    edge.needs("HTTPRoutePathRewrite")
    name = host()

    def rewrite(path: str, value: str, kind: str = "ReplacePrefixMatch") -> dict[str, object]:
        key = kind[0].lower() + kind[1:]
        change = [filtered("URLRewrite", {"path": {"type": kind, key: value}})]
        return rule(prefix(path), filters=[*change, filtered("RequestHeaderModifier", CHANGE)])

    edge.route(
        rewrite("/prefix/one", "/one"),
        rewrite("/strip", "/"),
        rewrite("/full/one", "/one", "ReplaceFullPath"),
        hosts=[name],
    )
    edge.expect(
        Case(name, "/prefix/one/two?q=1", to="v1", got={"uri": "/one/two?q=1", "x-set": "new"}),
        Case(name, "/strip/three", to="v1", got={"uri": "/three"}),
        Case(name, "/strip", to="v1", got={"uri": "/"}),
        Case(name, "/full/one/two", to="v1", got={"uri": "/one"}),
    )


def test_the_host_is_rewritten(edge: Edge) -> None:
    edge.needs("HTTPRouteHostRewrite")
    name = host()
    edge.route(
        rule(prefix("/one"), filters=[filtered("URLRewrite", {"hostname": "one.example.org"})]),
        rule(prefix("/"), to="v2"),
        hosts=[name],
    )
    edge.expect(
        Case(name, "/one", to="v1", got={"host": "one.example.org", "uri": "/one"}),
        Case(name, "/two", to="v2", got={"host": name}),
    )


def test_a_redirect_to_another_host(edge: Edge) -> None:
    name = host()
    away = {"hostname": "example.org"}
    edge.route(
        rule(prefix("/temporary"), to=None, filters=[filtered("RequestRedirect", away)]),
        rule(prefix("/permanent"), to=None, filters=[filtered("RequestRedirect", away | {"statusCode": 301})]),
        hosts=[name],
    )
    edge.expect(
        Case(name, "/temporary?a=b", status=302, location="http://example.org/temporary?a=b"),
        Case(name, "/permanent", status=301, location="http://example.org/permanent"),
    )


@pytest.mark.parametrize("status", [303, 307, 308])
def test_redirects_of_other_statuses(edge: Edge, status: int) -> None:
    edge.needs(f"HTTPRoute{status}RedirectStatusCode")
    name = host()
    change = {"hostname": "example.org", "statusCode": status}
    edge.route(rule(to=None, filters=[filtered("RequestRedirect", change)]), hosts=[name])
    edge.expect(Case(name, "/x", status=status, location="http://example.org/x"))


def test_a_redirect_to_another_path(edge: Edge) -> None:
    edge.needs("HTTPRoutePathRedirect")
    name = host()
    part = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/new"}}
    whole = {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/whole"}}
    away = {"hostname": "example.org"}
    edge.route(
        rule(prefix("/part"), to=None, filters=[filtered("RequestRedirect", part)]),
        rule(prefix("/full"), to=None, filters=[filtered("RequestRedirect", whole)]),
        rule(prefix("/part-away"), to=None, filters=[filtered("RequestRedirect", part | away)]),
        rule(prefix("/full-301"), to=None, filters=[filtered("RequestRedirect", whole | {"statusCode": 301})]),
        hosts=[name],
    )
    edge.expect(
        Case(name, "/part/lemon", status=302, location=f"http://{name}/new/lemon"),
        Case(name, "/full/path/original", status=302, location=f"http://{name}/whole"),
        Case(name, "/part-away", status=302, location="http://example.org/new"),
        Case(name, "/full-301", status=301, location=f"http://{name}/whole"),
    )


@pytest.mark.parametrize(
    ("change", "location"),
    [
        ({"port": 8083}, "http://{}:8083/"),
        ({"port": 80}, "http://{}/"),
        ({"scheme": "https"}, "https://{}/"),
        ({"scheme": "https", "port": 443}, "https://{}/"),
        ({"scheme": "https", "port": 8443}, "https://{}:8443/"),
        ({"scheme": "http"}, "http://{}/"),
        ({"hostname": "example.org", "port": 8083, "scheme": "https"}, "https://example.org:8083/"),
    ],
    ids=str,
)
def test_a_redirect_to_another_port_and_scheme(edge: Edge, change: dict[str, object], location: str) -> None:
    edge.needs("HTTPRouteSchemeRedirect", "HTTPRoutePortRedirect")
    name = host()
    edge.route(rule(to=None, filters=[filtered("RequestRedirect", change)]), hosts=[name])
    edge.expect(Case(name, status=302, location=location.format(name)))


def mirror(to: str, **more: object) -> dict[str, object]:
    return filtered("RequestMirror", {"backendRef": backend(to), **more})


def copies(edge: Edge, version: str, path: str) -> int:
    """How often a backend's log has a path."""
    return sum(f" {path} " in line for line in edge.log(f"app={version}").splitlines())


def test_requests_are_mirrored(edge: Edge) -> None:
    edge.needs("HTTPRouteRequestMirror", "HTTPRouteRequestMultipleMirrors")
    name, path = host(), f"/{host()}"
    change = filtered("RequestHeaderModifier", CHANGE)
    edge.route(rule(to="v1", filters=[mirror("v2"), mirror("v3"), change]), hosts=[name])
    edge.expect(Case(name, "/ready", to="v1"))
    edge.expect(Case(name, path, to="v1", got={"x-set": "new", "x-add": "more"}))
    for version in ("v1", "v2", "v3"):
        edge.until(lambda v=version: copies(edge, v, path) == 1, f"{version} should have seen the request once")


def test_a_part_of_the_requests_is_mirrored(edge: Edge) -> None:
    """Of 200 requests 20% and 50%. By lot, fewer than 16 or more than 66 (60, 140) come once in 50,000 runs."""
    edge.needs("HTTPRouteRequestPercentageMirror")
    name, path = host(), f"/{host()}"
    half = mirror("v3", fraction={"numerator": 1, "denominator": 2})
    edge.route(rule(to="v1", filters=[mirror("v2", percent=20), half]), hosts=[name])
    edge.expect(Case(name, "/ready", to="v1"))
    assert len(edge.ask(Case(name, path), 200)) == 200
    assert copies(edge, "v1", path) == 200
    edge.until(lambda: 16 <= copies(edge, "v2", path) <= 66, "about 40 requests should have been mirrored to v2")
    edge.until(lambda: 60 <= copies(edge, "v3", path) <= 140, "about 100 requests should have been mirrored to v3")


@pytest.mark.parametrize("which", ["request", "backendRequest"])
def test_time_outs(edge: Edge, which: str) -> None:
    edge.needs("HTTPRouteRequestTimeout" if which == "request" else "HTTPRouteBackendTimeout")
    name, patient, slow = host(), host(), "/shell?cmd=sleep%201"
    edge.route(rule(to="net", timeouts={which: "500ms"}), hosts=[name])
    edge.route(rule(to="net", timeouts={which: "0s"}), hosts=[patient])
    edge.expect(Case(name, "/shell?cmd=true"), Case(name, slow, status=504), Case(patient, slow))


def test_websockets_pass(edge: Edge) -> None:
    edge.needs("HTTPRouteBackendProtocolWebSocket")
    name, place = host(), edge.place
    head = r"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfrom the backend\n"
    serve = f"while true; do (printf '{head}'; sleep 3) | nc -l -p 8080; done"
    place.start(pod("socket", command=["sh", "-c", serve], labels={"app": "socket"}))
    place.put(service("socket", {**port(8080, 8080), "appProtocol": "kubernetes.io/ws"}))
    place.endpoints("socket", 1)
    edge.route(rule(to="socket"), hosts=[name])
    words = [
        f"GET / HTTP/1.1\\r\\nHost: {name}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
    ]
    request = "\\r\\n".join([*words, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "\\r\\n"])
    ask = f"(printf '{request}'; sleep 1; echo from the client; sleep 1) | nc -w 3 {edge.address} 80"
    place.sh_until("client", f"{ask} | grep 'from the backend'")
    edge.until(lambda: "from the client" in edge.log("app=socket"), "the client's bytes should have come through")


def test_a_change_drops_no_request(edge: Edge) -> None:
    name, place = host(), edge.place
    made = edge.route(hosts=[name])
    edge.expect(Case(name, to="v1"))
    curl = f"curl -q -s -o /dev/null -w '%{{http_code}}\\n' --resolve {name}:80:{edge.address} http://{name}/"
    watch = f"for n in $(seq 150); do {curl}; done"
    place.sh("client", f"({watch}) > /tmp/codes 2>&1 & echo started")
    for to in ("v2", "v3", "v1", "v2"):
        place.request(
            "PATCH",
            place.path("HTTPRoute", made),
            {"spec": {"rules": [rule(to=to)]}},
            content_type="application/merge-patch+json",
        )
        edge.expect(Case(name, to=to))
    ran = place.sh_until("client", "[ $(wc -l < /tmp/codes) = 150 ] && sort /tmp/codes | uniq -c")
    assert [line.split() for line in ran.lines] == [["150", "200"]]


def test_both_ports_may_lead_elsewhere(edge: Edge) -> None:
    edge.needs("HTTPRouteParentRefPort")
    name = host()
    gate = edge.gateway(listener("one", hostname=name), listener("two", hostname="*." + name))
    edge.route(hosts=[], parents=[{"name": gate, "port": 80, "sectionName": "one"}])
    edge.route(rule(to="v2"), hosts=[], parents=[{"name": gate, "sectionName": "two"}])
    refused = edge.route(rule(to="v3"), parents=[{"name": gate, "port": 81}])
    edge.expect(Case(name, to="v1"), Case(f"a.{name}", to="v2"), Case(f"a.b.{name}", to="v2"))
    edge.route_is(refused, Accepted=("False", "NoMatchingParent"))

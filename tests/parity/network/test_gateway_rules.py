"""What the Gateway API's definitions refuse, with the rule's message: the cases of its own tests of them (v1.5)."""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_hex
from typing import Any

import pytest
from tests.parity.network.gateway_support import (
    API,
    CLASS,
    CONTROLLER,
    GROUP,
    backend,
    exact,
    filtered,
    listener,
    obj,
    pairs,
    prefix,
    rule,
)

from kindlab.api import Api, ApiError, Obj

BUNDLE = "gateway.networking.k8s.io/bundle-version"


@pytest.fixture(scope="module", autouse=True)
def definitions(api: Api) -> None:
    found = api.get("CustomResourceDefinition", f"httproutes.{GROUP}")
    version = (found or {"metadata": {}})["metadata"].get("annotations", {}).get(BUNDLE, "none")
    if not version.startswith("v1.5."):
        pytest.skip(f"these are the rules of the Gateway API v1.5; this cluster has {version}")


def judge(api: Api, given: Obj, says: str) -> None:
    """Ask whether the object would be taken; `says`: what a refusal must say, "" when it must be taken."""
    path = api.path(given["kind"], "default")
    if not says:
        api.request("POST", path, given, query={"dryRun": "All"})
        return
    with pytest.raises(ApiError) as refusal:
        api.request("POST", path, given, query={"dryRun": "All"})
    assert refusal.value.code == 422
    assert says in refusal.value.message


def route(*rules: Obj, **spec: Any) -> Obj:
    return obj("HTTPRoute", f"r-{token_hex(4)}", {"rules": list(rules), **spec})


def gateway(*listeners: Obj, **spec: Any) -> Obj:
    return obj("Gateway", f"g-{token_hex(4)}", {"gatewayClassName": CLASS, "listeners": list(listeners), **spec})


def path(value: str, kind: str = "PathPrefix") -> Obj:
    return route(rule({"path": {"type": kind, "value": value}}))


def filters(*given: Obj, to: str | None = "v1", matches: Sequence[Obj] = ()) -> Obj:
    return route(rule(*matches, to=to, filters=list(given)))


def inner(*given: Obj, matches: Sequence[Obj] = ()) -> Obj:
    return route(rule(*matches, to=[backend("v1", filters=list(given))]))


TWO = "['Exact', 'PathPrefix']"
LETTERS = "(matching ^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$)"
VALID = f"must only contain valid characters {LETTERS} for types {TWO}"
STRIP = {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}
WHOLE = {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/x"}}
HEADERS = {"set": pairs(a="b")}
MIRROR = {"backendRef": backend("v1")}
ONE = "exactly one PathPrefix match must be specified"
MATCHES = "the total number of matches across all rules in a route must be less than 128"
GATE = {"name": "g"}

ROUTES = [
    (path("foo"), f"value must be an absolute path and start with '/' when type one of {TWO}"),
    (path("/."), f"must not end with '/.' when type one of {TWO}"),
    (path("/.."), f"must not end with '/..' when type one of {TWO}"),
    (path("/foo/./bar", "Exact"), f"must not contain '/./' when type one of {TWO}"),
    (path("/foo/../bar", "Exact"), f"must not contain '/../' when type one of {TWO}"),
    (path("/foo//bar"), f"must not contain '//' when type one of {TWO}"),
    (path("/foo%2fbar"), f"must not contain '%2f' when type one of {TWO}"),
    (path("/foo%2Fbar"), f"must not contain '%2F' when type one of {TWO}"),
    (path("/foo#bar"), f"must not contain '#' when type one of {TWO}"),
    (path("/path", "FooBar"), 'supported values: "Exact", "PathPrefix", "RegularExpression"'),
    (path("/path`", "Exact"), VALID),
    (path("/path%zz"), VALID),
    (path("/path/[a-z]?", "RegularExpression"), ""),
    (path("/.well-known/x%20y"), ""),
    (path("/" + "a" * 1024), "Too long: may not be more than 1024 bytes"),
    (route(rule(to=[{"name": "web"}])), "Must have port for Service reference"),
    (route(rule(to=[{"name": "web", "kind": "Bucket", "group": "s3.example.com"}])), ""),
    (route(rule(to=[backend("web", port=0)])), "should be greater than or equal to 1"),
    (route(rule(to=[backend("web", weight=1000001)])), "should be less than or equal to 1000000"),
    (filters(filtered("RequestHeaderModifier", HEADERS)), ""),
    (
        filters({"type": "RequestHeaderModifier", "requestMirror": MIRROR}),
        "filter.requestHeaderModifier must be specified for RequestHeaderModifier filter.type",
    ),
    (
        filters({"type": "RequestHeaderModifier", "requestMirror": MIRROR}),
        "filter.requestMirror must be nil if the filter.type is not RequestMirror",
    ),
    (
        filters({"type": "RequestMirror", "requestHeaderModifier": HEADERS}),
        "filter.requestHeaderModifier must be nil if the filter.type is not RequestHeaderModifier",
    ),
    *(
        (filters({"type": kind}), f"filter.{kind[0].lower()}{kind[1:]} must be specified for {kind} filter.type")
        for kind in ("ResponseHeaderModifier", "RequestMirror", "RequestRedirect", "ExtensionRef")
    ),
    (filters({"type": "URLRewrite"}), "filter.urlRewrite must be specified for URLRewrite filter.type"),
    (filters({"type": "CORS"}), "filter.cors must be specified for CORS filter.type"),
    (filters({"type": "Magic"}), 'Unsupported value: "Magic"'),
    (
        filters(filtered("RequestRedirect", {"scheme": "https"})),
        "RequestRedirect filter must not be used together with backendRefs",
    ),
    (filters(filtered("RequestRedirect", {"statusCode": 304}), to=None), "Unsupported value: 304"),
    (filters(filtered("RequestRedirect", STRIP), to=None, matches=[prefix("/a")]), ""),
    (
        filters(filtered("RequestRedirect", STRIP), to=None, matches=[exact("/a")]),
        f"When using RequestRedirect filter with path.replacePrefixMatch, {ONE}",
    ),
    (
        filters(filtered("URLRewrite", STRIP), matches=[prefix("/a"), prefix("/b")]),
        f"When using URLRewrite filter with path.replacePrefixMatch, {ONE}",
    ),
    (filters(filtered("URLRewrite", WHOLE), matches=[exact("/a"), prefix("/b")]), ""),
    (
        inner(filtered("RequestRedirect", STRIP), matches=[exact("/a")]),
        f"Within backendRefs, when using RequestRedirect filter with path.replacePrefixMatch, {ONE}",
    ),
    (
        inner(filtered("URLRewrite", STRIP), matches=[exact("/a")]),
        f"Within backendRefs, When using URLRewrite filter with path.replacePrefixMatch, {ONE}",
    ),
    (inner(filtered("URLRewrite", STRIP), matches=[prefix("/a")]), ""),
    (
        filters(filtered("URLRewrite", STRIP), filtered("RequestRedirect", {"scheme": "https"}), to=None),
        "May specify either httpRouteFilterRequestRedirect or httpRouteFilterRequestRewrite, but not both",
    ),
    *(
        (filters(filtered(kind, content), filtered(kind, content)), f"{kind} filter cannot be repeated")
        for kind, content in (
            ("RequestHeaderModifier", HEADERS),
            ("ResponseHeaderModifier", HEADERS),
            ("URLRewrite", WHOLE),
        )
    ),
    (
        filters(*[filtered("RequestRedirect", {"scheme": "https"})] * 2, to=None),
        "RequestRedirect filter cannot be repeated",
    ),
    (filters({"type": "CORS", "cors": {}}, {"type": "CORS", "cors": {}}), "CORS filter cannot be repeated"),
    (filters(filtered("RequestMirror", MIRROR), filtered("RequestMirror", MIRROR)), ""),
    (
        filters(filtered("RequestMirror", MIRROR | {"percent": 5, "fraction": {"numerator": 1}})),
        "Only one of percent or fraction may be specified in HTTPRequestMirrorFilter",
    ),
    (
        filters(filtered("RequestMirror", MIRROR | {"fraction": {"numerator": 5, "denominator": 4}})),
        "numerator must be less than or equal to denominator",
    ),
    (
        filters(filtered("URLRewrite", {"path": {"type": "ReplaceFullPath"}})),
        "replaceFullPath must be specified when type is set to 'ReplaceFullPath'",
    ),
    (
        filters(filtered("URLRewrite", {"path": {"type": "ReplacePrefixMatch", "replaceFullPath": "/x"}})),
        "type must be 'ReplaceFullPath' when replaceFullPath is set",
    ),
    (
        filters(filtered("URLRewrite", {"path": {"type": "ReplacePrefixMatch"}})),
        "replacePrefixMatch must be specified when type is set to 'ReplacePrefixMatch'",
    ),
    (
        filters(filtered("URLRewrite", {"path": {"type": "ReplaceFullPath", "replacePrefixMatch": "/x"}})),
        "type must be 'ReplacePrefixMatch' when replacePrefixMatch is set",
    ),
    (
        filters(filtered("RequestHeaderModifier", {"set": pairs(a="1") + pairs(a="2")})),
        "Duplicate value",
    ),
    (
        filters({"type": "CORS", "cors": {"allowOrigins": ["*", "https://a.example"]}}),
        "AllowOrigins cannot contain '*' alongside other origins",
    ),
    (filters({"type": "CORS", "cors": {"allowOrigins": ["xpto.com"]}}), "should match"),
    (filters({"type": "CORS", "cors": {"allowMethods": ["BAZINGA"]}}), 'Unsupported value: "BAZINGA"'),
    (filters({"type": "CORS", "cors": {"allowOrigins": ["https://*.a.example:8443"], "maxAge": 1}}), ""),
    (route(*(rule(*(prefix(f"/{n}/{m}") for m in range(9))) for n in range(15))), MATCHES),
    (route(*(rule(*(prefix(f"/{n}/{m}") for m in range(8))) for n in range(16))), ""),
    (route(*(rule(*(prefix(f"/{m}") for m in range(64))) for _ in range(3))), MATCHES),
    (route(rule(*(prefix(f"/{m}") for m in range(65)))), "must have at most 64 items"),
    (route(*(rule() for _ in range(17))), "must have at most 16 items"),
    (route(rule({"method": "BREW"})), 'Unsupported value: "BREW"'),
    (route(rule({"headers": pairs(a="1") + pairs(a="2")})), "Duplicate value"),
    (route(rule(timeouts={"request": "1s", "backendRequest": "2s"})), "backendRequest timeout cannot be longer"),
    (route(rule(timeouts={"request": "0s", "backendRequest": "2s"})), ""),
    (route(rule(timeouts={"request": "1m", "backendRequest": "59s"})), ""),
    (route(rule(timeouts={"request": "1.5s"})), "should match"),
    (route(rule(timeouts={"request": "10"})), "should match"),
    (
        route(rule(), parentRefs=[GATE, GATE | {"sectionName": "a"}]),
        "sectionName must be specified when parentRefs includes 2 or more references to the same parent",
    ),
    (
        route(rule(), parentRefs=[GATE | {"sectionName": "a"}, GATE | {"sectionName": "a"}]),
        "sectionName must be unique when parentRefs includes 2 or more references to the same parent",
    ),
    (
        route(rule(), parentRefs=[GATE, GATE]),
        "sectionName must be unique when parentRefs includes 2 or more references to the same parent",
    ),
    (route(rule(), parentRefs=[GATE | {"sectionName": "a"}, GATE | {"sectionName": "b"}]), ""),
    (route(rule(), parentRefs=[GATE, {"name": "another"}]), ""),
    (route(rule(), parentRefs=[GATE, GATE | {"namespace": "other"}]), ""),
    (route(rule(), hostnames=["*.example.com", "a.b"]), ""),
    (route(rule(), hostnames=["a.*.example.com"]), "should match"),
    (route(rule(), hostnames=["a.example.com:80"]), "should match"),
]

TLS = {"certificateRefs": [{"name": "cert"}]}
KEYS = "keys must be in the form of an optional DNS subdomain prefix followed by a required name segment"
GATEWAYS = [
    (gateway(listener()), ""),
    (gateway(), "should have at least 1 items"),
    (gateway({**listener(), "tls": TLS}), "tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']"),
    (
        gateway(listener("https", 443, tls={**TLS, "mode": "Passthrough"})),
        "tls mode must be Terminate for protocol HTTPS",
    ),
    (gateway({**listener(), "protocol": "TLS", "tls": TLS}), ""),
    (gateway({**listener(), "protocol": "TLS"}), "tls mode must be set for protocol TLS"),
    (
        gateway(listener("https", 443, tls={"mode": "Terminate"})),
        "certificateRefs or options must be specified when mode is Terminate",
    ),
    (
        gateway({**listener(hostname="a.example.com"), "protocol": "UDP"}),
        "hostname must not be specified for protocols ['TCP', 'UDP']",
    ),
    (gateway(listener("a"), listener("a", 81)), "Duplicate value"),
    (gateway(listener("a"), listener("a", 81)), "Listener name must be unique within the Gateway"),
    (gateway({**listener(), "protocol": "TCP", "tls": TLS}), "tls must not be specified for protocols"),
    (
        gateway({**listener(hostname="a.example.com"), "protocol": "TCP"}),
        "hostname must not be specified for protocols",
    ),
    (gateway(listener("https", 443, tls={"options": {"a.example/b": "c"}})), ""),
    (gateway({**listener("https", 443), "protocol": "HTTPS"}), ""),
    (gateway({**listener(), "protocol": "TLS", "tls": {"mode": "Terminate"}}), "certificateRefs or options must be"),
    (gateway(listener("a", hostname="a.example.com"), listener("b", 81, hostname="a.example.com")), ""),
    (
        gateway(listener(), addresses=[{"value": "1.2.3.4:8080"}]),
        'Invalid value: "1.2.3.4:8080": spec.addresses[0].value in body must be of type ipv4',
    ),
    (gateway(listener(), addresses=[{"type": "IPAddress"}, {"type": "Hostname"}, {"type": "Hostname"}]), ""),
    (
        gateway(listener("a"), listener("b")),
        "Combination of port, protocol and hostname must be unique for each listener",
    ),
    (gateway(listener("a", hostname="a.example.com"), listener("b", hostname="b.example.com")), ""),
    (gateway(listener("a", hostname="a.example.com"), listener("b")), ""),
    (gateway(listener("Upper")), "should match"),
    (gateway(listener(number=0)), "should be greater than or equal to 1"),
    (gateway(listener(allowedRoutes={"namespaces": {"from": "None"}})), 'Unsupported value: "None"'),
    (gateway(listener(), addresses=[{"value": "1.2.3.4"}, {"type": "Hostname", "value": "a.example"}]), ""),
    (gateway(listener(), addresses=[{"value": "not an address"}]), "must validate one and only one schema (oneOf)"),
    (
        gateway(listener(), addresses=[{"type": "Hostname", "value": "a b"}]),
        "Hostname value must be empty or contain only valid characters",
    ),
    (
        gateway(listener(), addresses=[{"value": "1.2.3.4"}, {"value": "1.2.3.4"}]),
        "IPAddress values must be unique",
    ),
    (
        gateway(listener(), addresses=[{"type": "Hostname", "value": "a.example"}] * 2),
        "Hostname values must be unique",
    ),
    (gateway(listener(), infrastructure={"labels": {"a b": "c"}}), f"Label {KEYS}"),
    (gateway(listener(), infrastructure={"annotations": {"a b": "c"}}), f"Annotation {KEYS}"),
    (gateway(listener(), infrastructure={"labels": {f"l{n}": "c" for n in range(9)}}), "must have at most 8 items"),
    (gateway(listener(), infrastructure={"labels": {"a.example/b": "c"}}), ""),
]
OTHERS = [
    (obj("ReferenceGrant", "g", {"from": [], "to": []}), "should have at least 1 items"),
    (obj("ReferenceGrant", "g", {"from": [{"group": GROUP, "kind": "HTTPRoute"}], "to": []}), "Required value"),
    (obj("GatewayClass", "c", {"controllerName": "nopath"}), "should match"),
    (obj("GatewayClass", "c", {"controllerName": CONTROLLER, "description": "d" * 65}), "Too long"),
]


@pytest.mark.parametrize(
    ("given", "says"), [*ROUTES, *GATEWAYS, *OTHERS], ids=lambda v: v if isinstance(v, str) else ""
)
def test_an_object_is_taken_or_refused(api: Api, given: Obj, says: str) -> None:
    judge(api, given, says)


def test_the_controller_of_a_class_stays(api: Api) -> None:
    name = f"c-{token_hex(4)}"
    api.create(obj("GatewayClass", name, {"controllerName": "example.com/one"}))
    try:
        with pytest.raises(ApiError, match="Value is immutable"):
            api.patch("GatewayClass", name, None, {"spec": {"controllerName": "example.com/two"}})
    finally:
        api.delete("GatewayClass", name)


def test_defaults_are_filled_in(api: Api) -> None:
    made = api.request("POST", api.path("HTTPRoute", "default"), obj("HTTPRoute", "d", {}), query={"dryRun": "All"})
    assert made["spec"]["rules"] == [{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}]}]
    old = obj("HTTPRoute", "d", {"rules": [{"backendRefs": [backend("web")]}], "parentRefs": [{"name": "g"}]})
    made = api.request("POST", api.path("HTTPRoute", "default"), old, query={"dryRun": "All"})
    assert made["spec"]["parentRefs"] == [{"group": GROUP, "kind": "Gateway", "name": "g"}]
    assert made["spec"]["rules"][0]["backendRefs"] == [
        {"group": "", "kind": "Service", "name": "web", "port": 8080, "weight": 1}
    ]
    given = gateway(listener(), gatewayClassName="of-nobody")
    made = api.create(given, "default")
    api.delete("Gateway", given["metadata"]["name"], "default")
    assert made["spec"]["listeners"][0]["allowedRoutes"] == {"namespaces": {"from": "Same"}}
    assert [(c["type"], c["reason"]) for c in made["status"]["conditions"]] == [
        ("Accepted", "Pending"),
        ("Programmed", "Pending"),
    ]


def test_the_older_version_is_served_too(api: Api) -> None:
    older = API.replace("v1", "v1beta1")
    given = {**route(rule()), "apiVersion": older}
    path = api.path("HTTPRoute", "default").replace("/v1/", "/v1beta1/")
    assert api.request("POST", path, given, query={"dryRun": "All"})["apiVersion"] == older

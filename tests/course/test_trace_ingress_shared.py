"""`kindlab why` for Ingresses that others have a say in: rivals, entry points, foreign annotations, redirects."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.course.test_trace import broken, deployment, names, put, service, why
from tests.course.test_trace_ingress import ingress, served

from kindlab import trace, workspace
from kindlab.api import Api, Obj
from kindlab.checks.live import LiveLab

ROUTER = "traefik.ingress.kubernetes.io/router."


@pytest.fixture(autouse=True)
def controller(api: Api) -> None:
    """The controller of a cluster that has only just started is ready."""
    LiveLab(api, "traefik").settled("traefik")


@pytest.fixture
def elsewhere(api: Api, live: LiveLab) -> Iterator[LiveLab]:
    """A second namespace."""
    name = f"other-{live.namespace}"[:60]  # behind the first by name too: where both are of one second that decides
    workspace.make_namespace(api, name)
    yield LiveLab(api, name)
    workspace.remove_namespace(api, name)


def annotated(made: Obj, **annotations: str) -> Obj:
    return {**made, "metadata": {**made["metadata"], "annotations": annotations}}


def host(live: LiveLab) -> str:
    return f"shop.{live.namespace}.example"


def hop(path: trace.Trace, name: str) -> str:
    return next(h.evidence for h in path.hops if h.name.endswith(name))


def test_annotations_for_another_controller_are_told_and_break_nothing(live: LiveLab) -> None:
    name = "nginx.ingress.kubernetes.io/rewrite-target"
    put(live, service(), deployment(), annotated(ingress(live), **{name: "/"}))
    served(live)
    path = why(live, "ingress/shop")
    assert path.broken is None
    assert names(path)[:3] == ["Ingress", "IngressClass", "Annotations"]
    assert hop(path, "Annotations") == (
        f"annotation {name} is for another controller (ingress-nginx) and has no effect here; "
        f"to remove: kubectl annotate ingress shop -n {live.namespace} {name}-"
    )


def test_annotations_for_several_other_controllers_are_told_together(live: LiveLab) -> None:
    both = ["nginx.ingress.kubernetes.io/rewrite-target", "nginx.ingress.kubernetes.io/ssl-redirect"]
    put(live, annotated(ingress(live), **dict.fromkeys([*both, "haproxy.org/path-rewrite"], "/")))
    told = hop(why(live, "ingress/shop"), "Annotations")
    assert told.startswith("annotation haproxy.org/path-rewrite is for another controller (HAProxy's ")
    assert (
        f"; annotations {', '.join(both)} are for another controller (ingress-nginx) and have no effect here;" in told
    )


def test_two_ingresses_that_claim_the_same(live: LiveLab, elsewhere: LiveLab) -> None:
    put(live, service(), deployment(), ingress(live))
    served(live)
    put(elsewhere, service(), deployment(), ingress(elsewhere, host=host(live)))
    served(elsewhere)
    url = f"http://{host(live)}/hostname"
    first = why(live, url)
    assert first.broken is None
    assert hop(first, "Rivals") == (
        f"Ingress shop in namespace {elsewhere.namespace} has {host(live)}/ (Prefix) -> web:80: both claim it; "
        "the requests were answered by this one's backend"
    )
    second = why(elsewhere, url)
    assert broken(second)[0].endswith("Rivals")
    assert broken(second)[1] == (
        f"the requests were answered by another route: Ingress shop in namespace {live.namespace} has "
        f"{host(live)}/ (Prefix) -> web:80"
    )
    for one, other in ((live, elsewhere), (elsewhere, live)):  # the page / shows the time: never the same
        found, evidence = broken(why(one, "ingress/shop"))
        assert found.endswith("Rivals")
        assert evidence.startswith(f"Ingress shop in namespace {other.namespace} has ")
        assert evidence.endswith("both claim it; which one serves it is the controller's choice")


def test_what_is_claimed_twice_for_one_backend_or_by_other_schemes_is_no_quarrel(live: LiveLab) -> None:
    twin = ingress(live)
    twin["metadata"] = {"name": "twin"}
    put(live, service(), service("other", selector={"app": "web"}), deployment(), ingress(live), twin)
    secure = annotated(ingress(live, ("/", "other")), **{f"{ROUTER}entrypoints": "websecure"})
    secure["metadata"]["name"] = "secure"
    put(live, secure)
    served(live)
    path = why(live, "ingress/shop")
    assert path.broken is None
    assert not any(name.endswith("Rivals") for name in names(path))


def test_an_answer_of_another_route_is_no_proof(live: LiveLab, elsewhere: LiveLab) -> None:
    put(elsewhere, service(), deployment(), ingress(elsewhere, host=f"*.{live.namespace}.example"))
    served(elsewhere)
    unserved = annotated(ingress(live), **{f"{ROUTER}middlewares": "nope@file"})
    put(live, service(), deployment(), unserved)
    assert live.eventually("Event", lambda found: any("nope@file" in e.get("message", "") for e in found))
    found, evidence = broken(why(live, f"http://{host(live)}/hostname"))
    assert found.endswith("Rivals")
    assert f"by another route: Ingress shop in namespace {elsewhere.namespace} has *." in evidence


@pytest.mark.parametrize(("point", "scheme", "closed"), [("websecure", "https", "http"), ("web", "http", "https")])
def test_an_ingress_is_asked_by_the_scheme_it_is_open_for(live: LiveLab, point: str, scheme: str, closed: str) -> None:
    put(live, service(), deployment(), annotated(ingress(live), **{f"{ROUTER}entrypoints": point}))
    served(live)
    path = why(live, "ingress/shop")
    assert path.broken is None
    assert hop(path, "Answer").startswith(f"{scheme}://{host(live)}/ through the controller: 8 of 8 requests: HTTP 200")
    assert why(live, f"{scheme}://{host(live)}/").broken is None
    wrong = why(live, f"{closed}://{host(live)}/deep")
    assert broken(wrong)[0] == "Entry point"
    assert broken(wrong)[1].endswith(f"open it for {scheme} only, not for {closed}")
    assert wrong.broken is not None
    assert wrong.broken.next == f"kindlab why {scheme}://{host(live)}/deep -n {live.namespace}"


def test_the_certificate_of_an_ingress_that_is_closed_for_https_breaks_nothing(live: LiveLab) -> None:
    put(live, service(), deployment(), annotated(ingress(live, tls="none"), **{f"{ROUTER}entrypoints": "web"}))
    served(live)
    path = why(live, "ingress/shop")
    assert path.broken is None
    assert hop(path, "Answer").startswith("http://")


def test_an_ingress_whose_annotations_open_nothing(live: LiveLab) -> None:
    shut = {f"{ROUTER}entrypoints": "web", f"{ROUTER}tls": "true"}
    put(live, service(), deployment(), annotated(ingress(live), **shut))
    found, evidence = broken(why(live, "ingress/shop"))
    assert found == "Entry point"
    assert evidence.endswith("neither http nor https: an entry point without TLS takes no router with TLS")


def test_a_redirect_is_told_with_where_it_leads(live: LiveLab) -> None:
    put(live, service(), deployment(), annotated(ingress(live), **{f"{ROUTER}middlewares": "redirect-to-https@file"}))
    served(live)
    path = why(live, f"http://{host(live)}/hostname")
    assert path.broken is None
    to = f"https://{host(live)}/hostname"
    assert hop(path, "Answer").endswith(f": HTTP 301; a redirect to {to}: kindlab why {to} -n {live.namespace}")
    assert hop(why(live, to), "Answer").endswith("HTTP 200")


def test_a_name_in_a_namespace_that_is_not_there(live: LiveLab) -> None:
    put(live, ingress(live, host="web.localhost"))
    path = why(live, "http://web.nowhere")
    found, evidence = broken(path)
    assert found == "Rule"
    assert ", and there is no namespace nowhere, in which a Service web could be; hosts with rules: " in evidence
    assert "did you mean" not in evidence
    assert path.broken is not None
    assert path.broken.next == "kubectl get namespaces"


def test_a_path_that_a_known_host_has_no_rule_for(live: LiveLab) -> None:
    put(live, service(), deployment(), ingress(live, ("/app1", "web")))
    found, evidence = broken(why(live, f"http://{host(live)}/app10"))
    assert found == "Rule"
    theirs = f"{host(live)}/app1 (Prefix) -> web:80"
    assert evidence.endswith(f"a rule for {host(live)}/app10; of that host there are: {theirs}")

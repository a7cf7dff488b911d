"""`kindlab url`: what it prints can be opened from this machine; what cannot says how it could."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from tests.course.command import Run
from tests.course.test_trace import deployment, put, service
from tests.course.test_trace_ingress import ingress
from tests.ports import free_port

from kindlab import urls
from kindlab.checks.live import LiveLab
from kindlab.clusters.pocket import Pocket
from kindlab.errors import Problem


def opened(url: str, host: str = "") -> str:
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize("kind", ["NodePort", "LoadBalancer"])
def test_a_service_that_is_open_is_opened(live: LiveLab, kindlab: Run, kind: str) -> None:
    put(live, service(type=kind), deployment())
    if kind == "LoadBalancer":
        assert live.eventually("Service", lambda found: any((s["status"].get("loadBalancer")) for s in found))
    found = json.loads(kindlab("url", "svc/web", "-n", live.namespace, "--json").stdout)
    assert found["notes"] == []
    assert found["urls"]
    for url in found["urls"]:
        assert opened(f"{url}/hostname") in live.pods("app=web").names


@pytest.mark.parametrize(("spec", "what"), [({}, "It is of type ClusterIP"), ({"clusterIP": "None"}, "It is headless")])
def test_a_service_that_is_not_open_says_how_it_could_be(
    live: LiveLab, kindlab: Run, spec: dict[str, str], what: str
) -> None:
    put(live, service(**spec))
    done = kindlab("url", "svc/web", "-n", live.namespace)
    assert done.returncode == 2 or done.returncode == 3
    said = " ".join((done.stdout + done.stderr).split())
    assert what in said
    assert f"kindlab kubectl port-forward -n {live.namespace} svc/web 8000:80" in said


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ({"type": "ExternalName", "externalName": "example.org", "selector": None, "ports": None}, "of example.org"),
        ({"selector": None}, "port-forward pod/NAME"),
    ],
)
def test_what_cannot_be_forwarded_is_not_said_to_be(
    live: LiveLab, kindlab: Run, spec: dict[str, str], what: str
) -> None:
    put(live, service(**spec))
    done = kindlab("url", "svc/web", "-n", live.namespace)
    said = " ".join((done.stdout + done.stderr).split())
    assert what in said
    assert "port-forward -n" not in said


def test_source_ranges_are_told_with_the_address(live: LiveLab, kindlab: Run) -> None:
    put(live, service(type="LoadBalancer", loadBalancerSourceRanges=["10.0.0.0/8"]))
    assert live.eventually("Service", lambda found: any((s["status"].get("loadBalancer")) for s in found))
    found = json.loads(kindlab("url", "svc/web", "-n", live.namespace, "--json").stdout)
    assert found["urls"]
    assert "Only clients of 10.0.0.0/8 pass" in found["notes"][0]


def test_what_is_not_there_names_what_is(live: LiveLab, kindlab: Run) -> None:
    put(live, service())
    done = kindlab("url", "svc/wbe", "-n", live.namespace)
    said = " ".join((done.stdout + done.stderr).split())
    assert f"There is no Service wbe in namespace {live.namespace}. Those there are: web." in said
    assert kindlab("url", "pod/web", "-n", live.namespace).returncode == 2


def test_an_ingress_on_a_cluster_without_http_ports(live: LiveLab, kindlab: Run) -> None:
    put(live, ingress(live))
    done = kindlab("url", "ingress/shop", "-n", live.namespace)
    assert done.returncode != 0
    assert "No port of this machine leads to the controller" in " ".join((done.stdout + done.stderr).split())


def test_an_ingress_is_opened_by_its_url(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINDLAB_HOME", str(tmp_path_factory.mktemp("urls")))
        patch.delenv("KINDLAB_HTTP_PORT", raising=False)
        cluster = Pocket("urls", http_port=free_port(), https_port=free_port())
        try:
            api = cluster.up(lambda text: None).api()
            LiveLab(api, "traefik").settled("traefik")
            live = LiveLab(api, "default")
            shop = ingress(live, host=None)
            put(
                live,
                service(),
                deployment(),
                shop,
                {**ingress(live, ("/hostname", "web")), "metadata": {"name": "named"}},
            )
            assert live.eventually(
                "Ingress", lambda found: all((i.get("status") or {}).get("loadBalancer") for i in found)
            )
            [url] = urls.for_target(cluster, api, "default", "ingress/shop").urls
            assert opened(f"{url}hostname") in live.pods("app=web").names
            found = urls.for_target(cluster, api, "default", "ingress/named")
            [note] = found.notes
            assert found.urls[0].startswith("http://shop.default.example:")
            assert "--resolve shop.default.example:" in note
            assert opened(url + "hostname", host="shop.default.example") in live.pods("app=web").names
            for point, name in (("web", "open"), ("websecure", "secure")):
                kept = ingress(live, tls="shop-tls" if name == "open" else "", host="shop.localhost")
                entry = {"traefik.ingress.kubernetes.io/router.entrypoints": point}
                put(live, {**kept, "metadata": {"name": name, "annotations": entry}})
            [plain] = urls.for_target(cluster, api, "default", "ingress/open").urls
            assert plain.startswith("http://shop.localhost")
            [locked] = urls.for_target(cluster, api, "default", "ingress/secure").urls
            assert locked.startswith("https://shop.localhost")
            patch.setattr(cluster, "ingress_urls", lambda api, ingress: {"http": "http://127.0.0.1:8080"})
            with pytest.raises(Problem, match="open it for https only, and the cluster's https port is not open here"):
                urls.for_target(cluster, api, "default", "ingress/secure")
            neither = {**entry, "traefik.ingress.kubernetes.io/router.tls": "true"}
            neither["traefik.ingress.kubernetes.io/router.entrypoints"] = "web"
            put(live, {**ingress(live), "metadata": {"name": "neither", "annotations": neither}})
            with pytest.raises(Problem, match="an entry point without TLS only"):
                urls.for_target(cluster, api, "default", "ingress/neither")
            put(live, {**ingress(live, host=None, ingressClassName="nginx"), "metadata": {"name": "classless"}})
            [note] = urls.for_target(cluster, api, "default", "ingress/classless").notes
            assert note.startswith("There is no IngressClass nginx: no controller serves this Ingress")
        finally:
            cluster.down(lambda text: None)

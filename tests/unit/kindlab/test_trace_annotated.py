"""What annotations do to an Ingress: whose they are, and by which scheme it is open."""

import pytest

from kindlab.trace import annotated

TRAEFIK = "traefik.io/ingress-controller"
ROUTER = "traefik.ingress.kubernetes.io/router."


def ingress(**annotations: str) -> dict[str, object]:
    return {"metadata": {"name": "shop", "annotations": annotations}}


@pytest.mark.parametrize(
    ("name", "whose"),
    [
        ("nginx.ingress.kubernetes.io/rewrite-target", "ingress-nginx"),
        ("alb.ingress.kubernetes.io/scheme", "AWS Load Balancer Controller"),
        ("haproxy.org/path-rewrite", "HAProxy's Ingress controller"),
        ("public.ingress.kubernetes.io/any", "public"),
    ],
)
def test_annotations_of_other_controllers(name: str, whose: str) -> None:
    assert annotated.foreign(ingress(**{name: "x"}), TRAEFIK) == [(name, whose)]


def test_a_controllers_own_and_everybodys_annotations() -> None:
    named = ingress(
        **{f"{ROUTER}middlewares": "x", "cert-manager.io/cluster-issuer": "x", "kubernetes.io/ingress.class": "x"},
        plain="x",
    )
    assert annotated.foreign(named, TRAEFIK) == []
    nginx = ingress(**{"nginx.ingress.kubernetes.io/rewrite-target": "/"})
    assert annotated.foreign(nginx, "k8s.io/ingress-nginx") == []
    assert annotated.foreign({"metadata": {"name": "bare"}}, TRAEFIK) == []


@pytest.mark.parametrize(
    ("given", "opened"),
    [
        ({}, {"http", "https"}),
        ({"entrypoints": "web"}, {"http"}),
        ({"EntryPoints": " websecure "}, {"https"}),
        ({"entrypoints": "web, websecure"}, {"http", "https"}),
        ({"entrypoints": "metrics"}, {"http", "https"}),
        ({"tls": "true"}, {"https"}),
        ({"tls": "false"}, {"http", "https"}),
        ({"entrypoints": "web", "tls": "true"}, set()),
        ({"tls.options": "default"}, {"https"}),
    ],
)
def test_the_schemes_an_ingress_is_open_for(given: dict[str, str], opened: set[str]) -> None:
    made = ingress(**{ROUTER + name: value for name, value in given.items()})
    assert annotated.schemes(made, TRAEFIK) == opened
    assert annotated.schemes(made, "k8s.io/ingress-nginx") == annotated.BOTH

"""What annotations do to an Ingress, as far as a trace must know: those without effect, and by which scheme it is open.

Left out: what a controller's own annotations mean otherwise; traffic shows that.
"""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.api import Obj

BOTH = frozenset({"http", "https"})
TRAEFIK = "traefik.ingress.kubernetes.io/"
ENTRY_POINTS = {"web": "http", "websecure": "https"}
"""Traefik's entry points, as its chart names them."""
_TRUE = ("1", "t", "true")
_OWNERS = {
    "alb.ingress.kubernetes.io": ("AWS Load Balancer Controller", "ingress.k8s.aws/"),
    "appgw.ingress.kubernetes.io": ("Azure Application Gateway", "azure/application-gateway"),
    "haproxy-ingress.github.io": ("HAProxy Ingress", "haproxy-ingress.github.io/"),
    "haproxy.org": ("HAProxy's Ingress controller", "haproxy.org/"),
    "ingress.cilium.io": ("Cilium", "cilium.io/"),
    "konghq.com": ("Kong", "ingress-controllers.konghq.com/"),
    "nginx.com": ("NGINX Ingress Controller", "nginx.org/"),
    "nginx.ingress.kubernetes.io": ("ingress-nginx", "k8s.io/ingress-nginx"),
    "nginx.org": ("NGINX Ingress Controller", "nginx.org/"),
    "projectcontour.io": ("Contour", "projectcontour.io/"),
    "traefik.ingress.kubernetes.io": ("Traefik", "traefik.io/"),
}
"""Domain of annotations -> (whose they are, how the name of that controller begins)."""
_OTHERS = ".ingress.kubernetes.io"
"""What stands before it names the controller, by custom."""


def foreign(ingress: Obj, controller: str) -> list[tuple[str, str]]:
    """(annotation, whose it is) of those that are for another controller than the one that serves the Ingress."""
    return list(_foreign(ingress["metadata"].get("annotations") or {}, controller))


def _foreign(annotations: dict[str, str], controller: str) -> Iterator[tuple[str, str]]:
    for name in sorted(annotations):
        domain, slash, _ = name.partition("/")
        if slash and domain in _OWNERS:
            owner, runs = _OWNERS[domain]
        elif slash and domain.endswith(_OTHERS):
            owner = runs = domain.removesuffix(_OTHERS)
        else:
            continue
        if runs not in controller:
            yield name, owner


def schemes(ingress: Obj, controller: str) -> frozenset[str]:
    """Those of http and https the Ingress is open for. Only Traefik lets an Ingress choose: by entry points, where one
    of a name not known here may be either; and by a router's TLS, which closes it for http."""
    given = {
        name.removeprefix(TRAEFIK).lower(): value
        for name, value in (ingress["metadata"].get("annotations") or {}).items()
        if name.startswith(TRAEFIK) and controller.startswith("traefik.io/")
    }
    points = [point for word in given.get("router.entrypoints", "").split(",") if (point := word.strip())]
    known = points and all(point in ENTRY_POINTS for point in points)
    found = frozenset(ENTRY_POINTS[point] for point in points) if known else BOTH
    tls = given.get("router.tls", "").lower() in _TRUE or any(name.startswith("router.tls.") for name in given)
    return found & {"https"} if tls else found

"""Traefik's annotations on an Ingress (`traefik.ingress.kubernetes.io/router.*`) and on its Services.

Models parseRouterConfig of Traefik 3.7: names in any case, a value that cannot be understood or a name it does not know
spoils the whole Ingress. What it knows and pocketkube does not (priorities, TLS options, observability, sticky cookies,
middlewares of a Service) is kept apart, to be told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "traefik.ingress.kubernetes.io/"
PATH_MATCHERS: Final = ("Path", "PathPrefix", "PathRegexp")
_KNOWN: Final = ("router.priority", "router.rulesyntax", "router.tls.", "router.observability.")
_KNOWN_OF_SERVICES: Final = (
    "service.serverstransport",
    "service.passhostheader",
    "service.middlewares",
    "service.sticky",
    "service.nativelb",
    "service.nodeportlb",
)
_TRUE: Final = ("1", "t", "true")
_FALSE: Final = ("0", "f", "false")


class BadAnnotation(ValueError):
    """The text is Traefik's."""


@dataclass(frozen=True, slots=True)
class Router:
    """What the annotations of an Ingress ask for."""

    entry_points: tuple[str, ...] = ()
    """Empty for the default ones."""
    middlewares: tuple[str, ...] = ()
    tls: bool = False
    path_matcher: str = "PathPrefix"
    """For paths of type ImplementationSpecific."""
    left_out: tuple[str, ...] = ()
    """Annotations that Traefik knows and that are without effect here."""


def router_annotations(annotations: Mapping[str, str]) -> Router:
    """Raises BadAnnotation."""
    entry_points: tuple[str, ...] = ()
    middlewares: tuple[str, ...] = ()
    tls, matcher, left_out = False, "PathPrefix", []
    for full, name, value in _own(annotations, "router."):
        if name == "router.entrypoints":
            entry_points = _listed(value)
        elif name == "router.middlewares":
            middlewares = _listed(value)
        elif name == "router.pathmatcher":
            matcher = value
        elif name == "router.tls":
            if value.lower() not in (*_TRUE, *_FALSE):
                raise BadAnnotation(f"{full}: {value!r} is neither true nor false")
            tls = tls or value.lower() in _TRUE
        elif name.startswith(_KNOWN):
            tls = tls or name.startswith("router.tls.")
            left_out.append(full)
        else:
            raise BadAnnotation(f"field not found, node: {name.removeprefix('router.').partition('.')[0]}")
    return Router(entry_points, middlewares, tls, matcher, tuple(left_out))


def service_annotations(annotations: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """(scheme of the servers or "", annotations that are without effect here). Raises BadAnnotation."""
    scheme, left_out = "", []
    for full, name, value in _own(annotations, "service."):
        if name == "service.serversscheme":
            scheme = value
        elif name.startswith(_KNOWN_OF_SERVICES):
            left_out.append(full)
        else:
            raise BadAnnotation(f"field not found, node: {name.removeprefix('service.').partition('.')[0]}")
    return scheme, tuple(left_out)


def _own(annotations: Mapping[str, str], kind: str) -> Iterator[tuple[str, str, str]]:
    """(annotation, its name below the prefix in lower case, value)."""
    for full, value in sorted(annotations.items()):
        name = full.removeprefix(PREFIX).lower()
        if full.startswith(PREFIX) and name.startswith(kind):
            yield full, name, value


def _listed(value: str) -> tuple[str, ...]:
    return tuple(piece for piece in (part.strip() for part in value.split(",")) if piece)

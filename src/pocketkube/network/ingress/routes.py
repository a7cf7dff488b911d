"""What the reverse proxy serves: listeners, rules, matches, filters and backends, whoever asked for them.

Ingresses and Gateway API routes are both translated into these; they hold no Kubernetes objects. Everything is frozen:
a change makes a new `Table`, and requests under way keep the one they began with. Precedence is the Gateway API's
(HTTPRouteRule.matches), which is a superset of Ingress': the most specific host, then Exact before the longest Prefix,
then method, header count, query count, then the older owner, then the owner's name, then the order of the rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class PathKind(Enum):
    EXACT = "Exact"
    PREFIX = "PathPrefix"
    """Element-wise: /foo matches /foo, /foo/ and /foo/bar, never /foobar."""
    REGEX = "RegularExpression"
    """Python's, found anywhere in the path, as Traefik does; one that does not compile is a `Problem`."""


@dataclass(frozen=True, slots=True)
class ValueMatch:
    """A header (name in any case) or a query parameter that must have a value; `regex` matches the whole value."""

    name: str
    value: str
    regex: bool = False


@dataclass(frozen=True, slots=True)
class Match:
    """All parts must hold. `method` "" is any."""

    path: str = "/"
    path_kind: PathKind = PathKind.PREFIX
    method: str = ""
    headers: tuple[ValueMatch, ...] = ()
    query: tuple[ValueMatch, ...] = ()


# -- filters, in the order they are listed in a rule


@dataclass(frozen=True, slots=True)
class HeaderChange:
    """On the request, or (`response`) on the answer. Names in any case."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()
    response: bool = False


@dataclass(frozen=True, slots=True)
class PathChange:
    """The whole path, or (`prefix`) only the part the rule's PREFIX match covers, gives way to `value`."""

    value: str
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Redirect:
    """Answer with `status` and a Location; None keeps what the request had. No backend is asked."""

    scheme: str | None = None
    hostname: str | None = None
    port: int | None = None
    path: PathChange | None = None
    status: int = 302


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What the backend is asked for instead."""

    hostname: str | None = None
    path: PathChange | None = None


@dataclass(frozen=True, slots=True)
class Mirror:
    """A copy of the request goes to `backend`, its answer is thrown away; of `percent` of the requests."""

    backend: Backend
    percent: float = 100.0


@dataclass(frozen=True, slots=True)
class RequireTls:
    """A request that came in the clear is redirected to https (301 for GET and HEAD, else 308), port 443 left out."""

    port: int = 443


Filter = HeaderChange | Redirect | Rewrite | Mirror | RequireTls


# -- where requests go


@dataclass(frozen=True, slots=True)
class Backend:
    """One port of a Service, its endpoints looked up when a request comes; or (`answer`) a reference that leads
    nowhere, for which requests that choose it get that status."""

    namespace: str
    service: str
    port: int
    """The Service's port number."""
    weight: int = 1
    filters: tuple[Filter, ...] = ()
    scheme: str = "http"
    """http, https (the backend speaks TLS, its certificate is not verified), or h2c (not supported: 502)."""
    answer: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """`hosts`: names in lower case, `*.example.com` for any (how many labels: `wide`), empty for every host."""

    owner: str
    """`Ingress shop/web`, `HTTPRoute shop/web`: for logs and access logs."""
    match: Match
    backends: tuple[Backend, ...]
    hosts: tuple[str, ...] = ()
    wide: bool = False
    """A wildcard stands for one label (Ingress), or for one or more (`wide`: the Gateway API)."""
    filters: tuple[Filter, ...] = ()
    order: tuple[str, str, int] = ("", "", 0)
    """(creation timestamp, namespace/name, index): ties go to the smaller."""
    request_timeout: float | None = None
    """Seconds for the whole exchange; 504 after that."""
    backend_timeout: float | None = None
    """Seconds for one try of one backend."""
    fallback: bool = False
    """An Ingress' default backend: taken only when no other rule matches."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM texts and the names it is offered for; `*.example.com` covers one label. None: its own names."""

    hosts: tuple[str, ...]
    chain: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Listener:
    """One port of the controller. Rules say themselves for which hosts they are."""

    port: int
    tls: bool
    rules: tuple[Rule, ...] = ()
    certificates: tuple[Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Everything that is served. Several listeners may have one port: their rules and certificates are put together."""

    listeners: tuple[Listener, ...] = ()

"""What a rule's filters make of a request: an answer at once, or a changed request and changes kept for the answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pocketkube.network.ingress.request import Header, Request
from pocketkube.network.ingress.routes import (
    Filter,
    HeaderChange,
    Mirror,
    PathChange,
    Redirect,
    RequireTls,
    Rewrite,
    Rule,
)
from pocketkube.network.ingress.targets import Target, host_of, port_of

FRAMING = frozenset((b"content-length", b"transfer-encoding", b"connection", b"upgrade"))
STANDARD_PORTS = {"http": 80, "https": 443}
_ESCAPED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/!$&'()*+,;=:@%")


@dataclass(slots=True)
class Outgoing:
    """The request as the backend gets it, and what remains to be done for it."""

    target: Target
    authority: str
    headers: list[Header]
    answers: list[HeaderChange] = field(default_factory=list)
    mirrors: list[Mirror] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Moved:
    """An answer with a Location."""

    status: int
    location: str


def apply(filters: Iterable[Filter], request: Request, rule: Rule, out: Outgoing) -> Moved | None:
    """Change `out` by every filter in order, or say where the client is sent."""
    for one in filters:
        if isinstance(one, HeaderChange):
            if one.response:
                out.answers.append(one)
            else:
                out.headers, authority = changed(out.headers, one)
                out.authority = authority if authority is not None else out.authority
        elif isinstance(one, Rewrite):
            out.authority = one.hostname if one.hostname is not None else out.authority
            if one.path is not None:
                path = new_path(one.path, out.target.path, rule.match.path)
                out.target = Target(path, path, out.target.query)
        elif isinstance(one, Mirror):
            out.mirrors.append(one)
        elif isinstance(one, Redirect):
            return Moved(one.status, location(one, request, rule))
        elif not request.tls:
            assert isinstance(one, RequireTls)
            status = 301 if request.method in ("GET", "HEAD") else 308
            return Moved(status, location(Redirect("https", None, one.port), request, rule))
    return None


def changed(headers: list[Header], change: HeaderChange) -> tuple[list[Header], str | None]:
    """The headers after set, add and remove, and what Host was set to, if it was. Framing is not theirs to change."""
    authority = None
    for name, value in change.set:
        key = name.lower().encode("latin-1")
        if key == b"host":
            authority = value
        elif key not in FRAMING:
            headers = [header for header in headers if header[0] != key]
            headers.append((key, value.encode("latin-1", "replace")))
    added = [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in change.add]
    headers = headers + [header for header in added if header[0] not in FRAMING]
    removed = {name.lower().encode("latin-1") for name in change.remove} - FRAMING
    return [header for header in headers if header[0] not in removed] if removed else headers, authority


def location(redirect: Redirect, request: Request, rule: Rule) -> str:
    """The Gateway API's rules: a port that is not given is the new scheme's own, or the one asked for if it stays."""
    scheme = redirect.scheme or request.scheme
    asked = port_of(request.authority)
    port = redirect.port
    if port is None and redirect.scheme is None and asked:
        port = int(asked)
    host = redirect.hostname if redirect.hostname is not None else _name(request.authority)
    where = "" if port is None or port == STANDARD_PORTS.get(scheme) else f":{port}"
    path = request.target.path
    if redirect.path is not None:
        path = new_path(redirect.path, path, rule.match.path)
    query = f"?{request.target.query}" if request.target.query else ""
    return f"{scheme}://{host}{where}{path}{query}"


def new_path(change: PathChange, path: str, prefix: str) -> str:
    """`path` changed; `prefix` is what the rule's match covers."""
    if not change.prefix:
        return _escaped(change.value) or "/"
    covered = _escaped(prefix.rstrip("/"))
    rest = path[len(covered) :] if path.startswith(covered) else path
    joined = _escaped(change.value).rstrip("/") + ("/" + rest.lstrip("/") if rest else "")
    return joined or "/"


def _name(authority: str) -> str:
    return f"[{host_of(authority)}]" if authority.startswith("[") else authority.partition(":")[0]


def _escaped(path: str) -> str:
    if all(character in _ESCAPED for character in path):
        return path
    return "".join(c if c in _ESCAPED else "".join(f"%{byte:02X}" for byte in c.encode()) for c in path)

"""A request target as Traefik reads it: normalised once, then used for matching and for the backend alike.

Unreserved characters are decoded and other escapes upper-cased, `.`, `..` and empty segments are removed, so that what
is matched is what the backend gets. An escaped reserved character (`%2F`) stays escaped: it never separates segments.
Left out: targets with a fragment, broken escapes, or a scheme other than http and https, which are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, urlsplit

_SIMPLE = re.compile(r"(?:/[A-Za-z0-9_~!$&'()*+,;=:@-][A-Za-z0-9._~!$&'()*+,;=:@-]*)*/?")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")
_WIDE = re.compile(r"(?:%[89A-F][0-9A-F])+")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_KEPT = frozenset(":/?#[]@!$&'()*+,;=%\\\0")
_HOST = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*")


class BadTarget(ValueError):
    """The target (or Host) cannot be understood: 400."""


@dataclass(frozen=True, slots=True)
class Target:
    """`path` is escaped, as it is sent on; `routing` is what rules are compared with; `query` has no question mark."""

    path: str
    routing: str
    query: str = ""
    authority: str | None = None
    """Of a target in absolute form: it replaces the Host header."""

    @property
    def sent(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path


@lru_cache(maxsize=1024)
def parse(target: str) -> Target:
    """Raises BadTarget. `*` is kept as it is: no rule matches it."""
    if target == "*":
        return Target("*", "*")
    authority = None
    if not target.startswith("/"):
        try:
            parts = urlsplit(target)
        except ValueError:
            raise BadTarget("malformed request target") from None
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise BadTarget("malformed request target")
        authority = parts.netloc.rpartition("@")[2]
        target = target.split("://", 1)[1].removeprefix(parts.netloc)
        if not target.startswith("/"):
            target = "/" + target
    path, _, query = target.partition("?")
    if "#" in target:
        raise BadTarget("the request target has a fragment")
    query = query.replace(";", "&")  # Traefik does so before it passes the query on
    if _SIMPLE.fullmatch(path):
        return Target(path, path, query, authority)
    if _BROKEN.search(path):
        raise BadTarget("invalid URL escape")
    path = clean(_ESCAPE.sub(_normal, path))
    return Target(path, _routing(path), query, authority)


def clean(path: str) -> str:
    """Without `.`, `..` and empty segments; a slash at the end stays."""
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    slash = "/" if kept and segments[-1] in ("", ".", "..") else ""
    return "/" + "/".join(kept) + slash


def host_of(authority: str) -> str:
    """The name in a Host header as rules spell it: no port, lower case, no dot at the end. Raises BadTarget."""
    if not _HOST.fullmatch(authority):
        raise BadTarget("malformed Host header")
    name = authority if authority.startswith("[") else authority.partition(":")[0]
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    return name.lower().removesuffix(".")


def port_of(authority: str) -> str:
    """The port in a Host header, or ""."""
    port = authority.rpartition("]")[2].rpartition(":")
    return port[2] if port[1] and port[2].isdigit() else ""


def _normal(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if character in _UNRESERVED else escape[0].upper()


def _routing(path: str) -> str:
    """Decoded but for reserved characters."""
    return _WIDE.sub(lambda run: unquote(run[0]), _ESCAPE.sub(_decoded_unless_reserved, path))


def _decoded_unless_reserved(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return escape[0] if character in _KEPT or ord(character) > 127 else character

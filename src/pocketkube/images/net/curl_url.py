"""URLs as curl takes them: a scheme is optional, ports have defaults, relative references are joined (RFC 3986)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urljoin

PORTS = {"http": 80, "https": 443}
_URL = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?:(?P<user>[^/?#@]*)@)?(?P<place>[^/?#]*)(?P<rest>.*)", re.S
)


class BadUrl(Exception):
    """`code` is curl's exit code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Url:
    """`target` is what goes into the request line; `user` is name:password from the URL or empty."""

    scheme: str
    host: str
    port: int
    target: str
    user: str = ""

    @classmethod
    def parse(cls, text: str, *, as_is: bool = False) -> Url:
        """`as_is` keeps `..` in the path. Raises BadUrl."""
        found = _URL.match(re.sub(r"(?i)\A(https?://)/", r"\1", text))
        assert found is not None  # every part is optional
        scheme = (found["scheme"] or "http").lower()
        if scheme not in PORTS:
            raise BadUrl(1, f'Protocol "{scheme}" not supported or disabled in libcurl')
        host, colon, port = found["place"].rpartition(":")
        if not colon or found["place"].endswith("]"):
            host, port = found["place"], ""
        if port and not (port.isdigit() and int(port) < 65536):
            raise BadUrl(3, "URL using bad/illegal format or missing URL")
        if not host or re.search(r"[\s<>\"{}|\\^`]", host):
            raise BadUrl(3, "URL using bad/illegal format or missing URL")
        rest = found["rest"].partition("#")[0]
        if " " in rest:
            raise BadUrl(3, "URL using bad/illegal format or missing URL")
        if not as_is:
            rest = without_dots(rest)
        target = quote(rest if rest.startswith("/") else f"/{rest}", safe="!\"$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
        return cls(scheme, host, int(port or PORTS[scheme]), target, unquote(found["user"] or ""))

    def appended(self, name: str) -> Url:
        """With a file's name at the end, when the path ends in a slash."""
        return replace(self, target=self.target + quote(name)) if self.target.endswith("/") else self

    @property
    def name(self) -> str:
        """The host without the brackets that an IPv6 address has in a URL."""
        return self.host.strip("[]")

    @property
    def place(self) -> tuple[str, str, int]:
        return self.scheme, self.host.lower(), self.port

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def host_header(self) -> str:
        host = self.host.removesuffix(".") or self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def with_query(self, query: str) -> Url:
        joint = "&" if "?" in self.target else "?"
        return replace(self, target=f"{self.target}{joint}{query}")

    def join(self, reference: str) -> Url:
        """Where a Location leads. Raises BadUrl."""
        joined = Url.parse(urljoin(str(self), reference.strip().replace(" ", "%20")))
        return replace(joined, user=self.user) if joined.place == self.place else joined

    def __str__(self) -> str:
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.target}"


def without_dots(target: str) -> str:
    """RFC 3986's removal of `.` and `..` from the path, the query left alone."""
    path, mark, query = target.partition("?")
    if not re.search(r"/\.\.?(/|\Z)", path):
        return target
    kept: list[str] = []
    words = path.split("/")[1:]
    for number, word in enumerate(words):
        if word == "..":
            del kept[-1:]
        elif word != ".":
            kept.append(word)
        if word in (".", "..") and number == len(words) - 1:
            kept.append("")
    return "/" + "/".join(kept) + mark + query

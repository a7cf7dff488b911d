"""Links in proxied answers: what points at the backend's root is made to point below the proxy's path.

Models apimachinery's pkg/util/proxy/transport.go: the Location header, and the attributes of HTML that hold a URL.
Start tags are written anew as golang.org/x/net/html does, everything else stays as it was, byte for byte.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from html import unescape
from posixpath import normpath
from typing import Final
from urllib.parse import urlsplit, urlunsplit

_URLS: Final = {
    "a": {"href"}, "applet": {"codebase"}, "area": {"href"}, "audio": {"src"}, "base": {"href"},
    "blockquote": {"cite"}, "body": {"background"}, "button": {"formaction"}, "command": {"icon"}, "del": {"cite"},
    "embed": {"src"}, "form": {"action"}, "frame": {"longdesc", "src"}, "head": {"profile"}, "html": {"manifest"},
    "iframe": {"longdesc", "src"}, "img": {"longdesc", "src", "usemap"}, "input": {"src", "usemap", "formaction"},
    "ins": {"cite"}, "link": {"href"}, "object": {"classid", "codebase", "data", "usemap"}, "q": {"cite"},
    "script": {"src"}, "source": {"src"}, "video": {"poster", "src"},
}  # fmt: skip
_RAW: Final = frozenset(
    ("iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style", "textarea", "title", "xmp")
)
_TAG: Final = re.compile(r"[A-Za-z][^\s/>]*+")
_GAP: Final = re.compile(r"[\s/]*+")
_KEY: Final = re.compile(r"=?[^\s/=>]++|=")
_EQUALS: Final = re.compile(r"\s*+=\s*+")
_BARE: Final = re.compile(r"[^\s>]*+")
LARGEST_PAGE: Final = 4 << 20
"""Bytes of a page whose links are rewritten, as it comes and once inflated; a larger one passes as it is."""
_ESCAPES: Final = str.maketrans({"&": "&amp;", "'": "&#39;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "\r": "&#13;"})


@dataclass(frozen=True, slots=True)
class Links:
    """`prefix` is the proxy's path up to and with `/proxy`; `backend` and `asked` are the hosts (with ports) that the
    answering server may call itself by: its address, and the Host header it was sent."""

    prefix: str
    backend: str
    asked: str

    def rewrite(self, url: str) -> str:
        """Other hosts' and relative URLs stay as they are. Raises ValueError for what is no URL."""
        parts = urlsplit(url)
        if (parts.netloc and parts.netloc not in (self.backend, self.asked)) or not parts.path.startswith("/"):
            return url
        scheme, host = (parts.scheme, parts.netloc) if parts.netloc == self.asked else ("", "")
        path = parts.path if parts.path.startswith(self.prefix) else joined(self.prefix, parts.path)
        return urlunsplit((scheme, host, path, parts.query, parts.fragment))


def joined(*parts: str) -> str:
    """path.Join, with the last part's trailing slash kept."""
    path = normpath("/".join(part for part in parts if part))
    if path.startswith("//"):
        path = path[1:]
    return path + "/" if parts[-1].endswith("/") and not path.endswith("/") else path


def html(body: bytes, encoding: str, links: Links) -> bytes | None:
    """The page with its links rewritten, compressed as it was; None for an encoding that is not understood.

    Raises ValueError for a body that is not what `encoding` says.
    """
    try:
        if encoding == "gzip":
            return gzip.compress(_page(_inflated(body, 16 + zlib.MAX_WBITS), links))
        if encoding == "deflate":  # Go writes the bare form
            packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            page = _page(_inflated(body, -zlib.MAX_WBITS), links)
            return packer.compress(page) + packer.flush()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"the body is not {encoding}: {error}") from None
    return _page(body, links) if not encoding else None


def _inflated(body: bytes, bits: int) -> bytes:
    """Raises zlib.error, ValueError for a page that is too large (and a kilobyte may hold a gigabyte)."""
    unpacker = zlib.decompressobj(bits)
    found = unpacker.decompress(body, LARGEST_PAGE)
    if unpacker.unconsumed_tail:
        raise ValueError(f"the page is larger than {LARGEST_PAGE} bytes")
    if not unpacker.eof:
        raise zlib.error("incomplete stream")
    return found


def _page(body: bytes, links: Links) -> bytes:
    text = body.decode("utf-8", "surrogateescape")
    return _Rewriter(text, links.rewrite).result().encode("utf-8", "surrogateescape")


class _Rewriter:
    """Goes over a page once, from tag to tag as golang.org/x/net/html does: one that does not end ends the search.

    (html.parser begins anew behind every `<`, and takes hours for a megabyte of them.)
    """

    def __init__(self, text: str, rewrite: Callable[[str], str]) -> None:
        self._text = text
        self._rewrite = rewrite
        self._out: list[str] = []
        self._done = 0
        """Up to where the text is in `_out`."""

    def result(self) -> str:
        at = 0
        while at >= 0 and (at := self._text.find("<", at)) >= 0:
            at = self._token(at)
        return "".join([*self._out, self._text[self._done :]])

    def _token(self, at: int) -> int:
        """Where what begins at `<` ends; -1: nowhere."""
        text = self._text
        if text.startswith("<!--", at):
            return _behind(text, "-->", at + 4)
        if text[at + 1 : at + 2] in ("!", "?", "/"):
            return _behind(text, ">", at + 2)
        name = _TAG.match(text, at + 1)
        return self._tag(at, name[0].lower(), name.end()) if name else at + 1

    def _tag(self, start: int, tag: str, at: int) -> int:
        text, written = self._text, [f"<{tag}"]
        while True:
            gap = _GAP.match(text, at)
            at = gap.end() if gap else at
            if at >= len(text):
                return -1
            if text[at] == ">":
                break
            key = _KEY.match(text, at)
            value, at = self._value(key.end() if key else at + 1)
            if value is None:
                return -1
            name = key[0].lower() if key else ""
            value = unescape(value)
            if name in _URLS.get(tag, ()):
                with suppress(ValueError):
                    value = self._rewrite(value)
            written.append(f' {name}="{value.translate(_ESCAPES)}"')
        closed = text[at - 1] == "/" and gap is not None and gap[0].endswith("/")
        self._out += (text[self._done : start], "".join(written), "/>" if closed else ">")
        self._done = at + 1
        if tag not in _RAW or closed:
            return at + 1
        ends = re.compile(f"</{tag}", re.IGNORECASE).search(text, at)  # what is in between is no HTML
        return ends.start() if ends else -1

    def _value(self, at: int) -> tuple[str | None, int]:
        """The value of the attribute whose name ends here, and where it ends; None: nowhere."""
        equals = _EQUALS.match(self._text, at)
        if equals is None:
            return "", at
        at = equals.end()
        quote = self._text[at : at + 1]
        if quote in ("'", '"') and quote:
            end = self._text.find(quote, at + 1)
            return (self._text[at + 1 : end], end + 1) if end >= 0 else (None, at)
        bare = _BARE.match(self._text, at)
        return (bare[0], bare.end()) if bare else ("", at)


def _behind(text: str, mark: str, at: int) -> int:
    found = text.find(mark, at)
    return found + len(mark) if found >= 0 else -1

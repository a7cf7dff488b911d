"""Links in proxied answers: what points at the backend's root is made to point below the proxy's path.

Models apimachinery's pkg/util/proxy/transport.go: the Location header, and the attributes of HTML that hold a URL.
Start tags are written anew as golang.org/x/net/html does, everything else stays as it was, byte for byte.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from html.parser import HTMLParser
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
            return gzip.compress(_page(gzip.decompress(body), links))
        if encoding == "deflate":  # Go writes the bare form
            packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
            page = _page(zlib.decompress(body, -zlib.MAX_WBITS), links)
            return packer.compress(page) + packer.flush()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"the body is not {encoding}: {error}") from None
    return _page(body, links) if not encoding else None


def _page(body: bytes, links: Links) -> bytes:
    text = body.decode("utf-8", "surrogateescape")
    return _Rewriter(text, links.rewrite).result().encode("utf-8", "surrogateescape")


class _Rewriter(HTMLParser):
    def __init__(self, text: str, rewrite: Callable[[str], str]) -> None:
        super().__init__(convert_charrefs=False)
        self._text = text
        self._rewrite = rewrite
        self._lines = [0]
        for line in text.split("\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)
        self._out: list[str] = []
        self._done = 0
        """Up to where the text is in `_out`."""

    def result(self) -> str:
        self.feed(self._text)
        self.close()
        return "".join([*self._out, self._text[self._done :]])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._replace(tag, attrs, ">")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._replace(tag, attrs, "/>")

    def _replace(self, tag: str, attrs: list[tuple[str, str | None]], end: str) -> None:
        line, column = self.getpos()
        start = self._lines[line - 1] + column
        written = [f"<{tag}"]
        for name, value in attrs:
            value = value or ""
            if name in _URLS.get(tag, ()):
                with suppress(ValueError):
                    value = self._rewrite(value)
            written.append(f' {name}="{value.translate(_ESCAPES)}"')
        self._out += (self._text[self._done : start], "".join(written), end)
        self._done = start + len(self.get_starttag_text() or "")

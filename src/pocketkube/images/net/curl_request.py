"""What curl sends: the body that -d, -F, -T and --json make, and the headers in curl's order."""

from __future__ import annotations

import base64
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from pocketkube.images.coreutils.options import whole
from pocketkube.images.net.curl_options import Options
from pocketkube.images.net.curl_url import Url
from pocketkube.kubelet.process import Process
from pocketkube.network.http import Headers, header

FORM = "application/x-www-form-urlencoded"


@dataclass
class Body:
    """`headers` are those the body brings along, after Content-Length."""

    method: str = "GET"
    data: bytes = b""
    headers: Headers = field(default_factory=list)
    sent: bool = False
    """There is a body, be it empty."""
    chunked: bool = False
    """Its length was not known before."""


async def body_of(process: Process, options: Options) -> Body:
    """Raises OSError for files that cannot be read."""
    if "upload-file" in options.values:
        path = options.values["upload-file"]
        content = await whole(process, path)
        return Body("PUT", content, [("Expect", "100-continue")] if content else [], True, path in ("-", "."))
    if options.forms:
        return await _multipart(process, options)
    if not options.data:
        return Body()
    pieces: list[bytes] = []
    for name, value in options.data:
        joint = b"" if name == "json" or not pieces else b"&"
        pieces.append(joint + await _data(process, options, name, value))
    json = any(name == "json" for name, _ in options.data)
    return Body("POST", b"".join(pieces), [] if json else [("Content-Type", FORM)], True)


async def warn(process: Process, options: Options, text: str) -> None:
    if "silent" not in options.flags:
        await process.error(f"Warning: {text}")


def read_headers(process: Process, options: Options) -> list[str]:
    """The lines of -H, those of its @FILE among them."""
    lines: list[str] = []
    for given in options.headers:
        if given.startswith("@"):
            with suppress(OSError):
                text = process.fs.read_bytes(process.path(given[1:])).decode("latin-1")
                lines += [line for line in text.splitlines() if line]
        else:
            lines.append(given)
    return lines


async def _data(process: Process, options: Options, name: str, value: str) -> bytes:
    if name == "data-urlencode":
        key, equals, content = value.partition("=")
        if equals:
            return ((f"{key}=" if key else "") + quote_plus(content)).encode()
        key, at, path = value.partition("@")
        content = (await whole(process, path)).decode(errors="surrogateescape") if at else value
        return ((f"{key}=" if at and key else "") + quote_plus(content)).encode()
    if value.startswith("@") and name != "data-raw":
        try:
            read = await whole(process, value[1:])
        except OSError:
            await warn(process, options, f"Failed to open {value[1:]}!")
            text = f'Couldn\'t read data from file "{value[1:]}", this makes an empty POST.'
            await warn(process, options, text)
            read = b""
        return read if name in ("data-binary", "json") else read.replace(b"\r", b"").replace(b"\n", b"")
    return value.encode(errors="surrogateescape")


async def _multipart(process: Process, options: Options) -> Body:
    boundary = "-" * 24 + secrets.token_hex(8)
    out = b""
    for form in options.forms:
        name, _, value = form.partition("=")
        value, *parameters = value.split(";")
        disposition, kind, content = f'form-data; name="{name}"', "", value.encode()
        if value[:1] in ("@", "<"):
            content = await whole(process, value[1:])
        if value.startswith("@"):
            disposition += f'; filename="{value.rpartition("/")[2].lstrip("@")}"'
            kind = "application/octet-stream" if not value.endswith(".txt") else "text/plain"
        kind = next((p[5:] for p in parameters if p.startswith("type=")), kind)
        out += f"--{boundary}\r\nContent-Disposition: {disposition}\r\n".encode()
        out += (f"Content-Type: {kind}\r\n".encode() if kind else b"") + b"\r\n" + content + b"\r\n"
    out += f"--{boundary}--\r\n".encode()
    return Body("POST", out, [("Content-Type", f"multipart/form-data; boundary={boundary}")], True)


def build(url: Url, options: Options, body: Body, version: str, lines: list[str], cookies: str = "") -> Headers:
    """Request headers in the order curl writes them; -H replaces, adds, or (with no value) removes one.

    `lines` are what -H gave, `cookies` those of the jar.
    """
    custom: Headers = []
    removed: set[str] = set()
    for line in lines:
        name, colon, value = line.partition(":")
        if colon and value.strip():
            custom.append((name.strip(), value.strip()))
        elif colon:
            removed.add(name.strip().lower())
        elif line.endswith(";"):
            custom.append((line[:-1].strip(), ""))
    if any(name == "json" for name, _ in options.data):
        given = {name.lower() for name, _ in custom}
        kind = "application/json"
        custom = [(k, kind) for k in ("Content-Type", "Accept") if k.lower() not in given | removed] + custom
    taken = removed | {name.lower() for name, _ in custom}
    headers: Headers = []

    def add(name: str, value: str) -> None:
        if name.lower() not in taken:
            headers.append((name, value))

    if "host" in {name.lower() for name, _ in custom}:
        headers.append(("Host", header(custom, "host")))
        custom = [(name, value) for name, value in custom if name.lower() != "host"]
    else:
        headers.append(("Host", url.host_header))
    user = options.values.get("user") or url.user
    if user:
        token = base64.b64encode((user if ":" in user else f"{user}:").encode()).decode()
        add("Authorization", f"Basic {token}")
    elif "oauth2-bearer" in options.values:
        add("Authorization", f"Bearer {options.values['oauth2-bearer']}")
    if options.values.get("range"):
        add("Range", f"bytes={options.values['range']}")
    agent = options.values.get("user-agent", f"curl/{version}")
    if agent:
        add("User-Agent", agent)
    add("Accept", "*/*")
    if "compressed" in options.flags:
        add("Accept-Encoding", "identity")
    if "referer" in options.values:
        add("Referer", options.values["referer"])
    cookies = "; ".join(filter(None, [cookies, *(c for c in options.cookies if "=" in c)]))
    if cookies:
        add("Cookie", cookies)
    if "time-cond" in options.values:
        add("If-Modified-Since", options.values["time-cond"])
    headers += custom
    if body.chunked:
        add("Transfer-Encoding", "chunked")
    elif body.sent:
        add("Content-Length", str(len(body.data)))
    if body.sent:
        for name, value in body.headers:
            add(name, value)
    return headers

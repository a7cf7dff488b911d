"""What curl sends: the body that -d, -F, -T and --json make, and the headers in curl's order."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field
from urllib.parse import quote

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


async def body_of(process: Process, options: Options) -> Body:
    """Raises OSError for files that cannot be read."""
    if "upload-file" in options.values:
        return Body("PUT", await whole(process, options.values["upload-file"]), [], True)
    if options.forms:
        return await _multipart(process, options)
    if not options.data:
        return Body()
    pieces: list[bytes] = []
    for name, value in options.data:
        joint = b"" if name == "json" or not pieces else b"&"
        pieces.append(joint + await _data(process, name, value))
    kind = "application/json" if any(name == "json" for name, _ in options.data) else FORM
    headers = [("Content-Type", kind)] + ([("Accept", kind)] if kind != FORM else [])
    return Body("POST", b"".join(pieces), headers, True)


async def _data(process: Process, name: str, value: str) -> bytes:
    if name == "data-urlencode":
        key, equals, content = value.partition("=")
        if equals:
            return ((f"{key}=" if key else "") + quote(content, safe="")).encode()
        key, at, path = value.partition("@")
        content = (await whole(process, path)).decode(errors="surrogateescape") if at else value
        return ((f"{key}=" if at and key else "") + quote(content, safe="")).encode()
    if value.startswith("@") and name != "data-raw":
        read = await whole(process, value[1:])
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


def build(url: Url, options: Options, body: Body, version: str) -> Headers:
    """Request headers in the order curl writes them; -H replaces, adds, or (with no value) removes one."""
    custom: Headers = []
    removed: set[str] = set()
    for line in options.headers:
        name, colon, value = line.partition(":")
        if colon and value.strip():
            custom.append((name.strip(), value.strip()))
        elif colon:
            removed.add(name.strip().lower())
        elif line.endswith(";"):
            custom.append((line[:-1].strip(), ""))
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
    if "range" in options.values:
        add("Range", f"bytes={options.values['range']}")
    agent = options.values.get("user-agent", f"curl/{version}")
    if agent:
        add("User-Agent", agent)
    add("Accept", header(body.headers, "accept") or "*/*")
    if "compressed" in options.flags:
        add("Accept-Encoding", "identity")
    if "referer" in options.values:
        add("Referer", options.values["referer"])
    if "=" in options.values.get("cookie", ""):
        add("Cookie", options.values["cookie"])
    headers += custom
    if body.sent:
        add("Content-Length", str(len(body.data)))
        for name, value in body.headers:
            if name != "Accept":
                add(name, value)
    return headers

"""What curl says about a transfer: the progress meter, and the variables of --write-out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Protocol

from pocketkube.images.net.curl_options import Options
from pocketkube.kubelet.process import Process
from pocketkube.network.http import Headers, header
from pocketkube.network.stream import Address

METER_HEAD = (
    "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n"
    "                                 Dload  Upload   Total   Spent    Left  Speed\n"
)


class Sink(Protocol):
    """Where a body goes: standard output or a file."""

    async def write(self, data: bytes, /) -> Any: ...


def is_terminal(stream: object) -> bool:
    return getattr(stream, "terminal", None) is not None


@dataclass
class Report:
    """One transfer. Times are seconds since `started`, 0 for what has not happened."""

    url: str
    started: float
    effective: str = ""
    method: str = "GET"
    scheme: str = ""
    code: int = 0
    error: str = ""
    status: int = 0
    headers: Headers = field(default_factory=list)
    http_version: str = "0"
    got: int = 0
    downloaded: int = 0
    uploaded: int = 0
    header_size: int = 0
    request_size: int = 0
    hops: int = 0
    connects: int = 0
    redirect: str = ""
    number: int = 0
    file: str = ""
    verified: int = 0
    local: Address = ("", 0)
    remote: Address = ("", 0)
    namelookup: float = 0.0
    connect: float = 0.0
    appconnect: float = 0.0
    pretransfer: float = 0.0
    first_byte: float = 0.0
    total: float = 0.0

    def connected(self, local: Address, remote: Address, now: float) -> None:
        self.local, self.remote = local, remote
        self.connect = now - self.started
        self.connects += 1

    def variables(self) -> dict[str, str | int | float | None]:
        """What %{name} may name, as --write-out '%{json}' types it."""
        return {
            "content_type": header(self.headers, "content-type") or None,
            "errormsg": self.error.partition("\n")[0] or None,
            "exitcode": self.code,
            "http_code": self.status,
            "filename_effective": self.file or None,
            "http_connect": 0,
            "http_version": self.http_version.removesuffix(".0")
            if self.http_version.startswith("2")
            else self.http_version,
            "local_ip": self.local[0],
            "local_port": self.local[1],
            "method": self.method,
            "num_connects": self.connects,
            "num_certs": 0,
            "certs": None,
            "num_headers": len(self.headers),
            "num_redirects": self.hops,
            "proxy_ssl_verify_result": 0,
            "redirect_url": self.redirect or None,
            "remote_ip": self.remote[0],
            "remote_port": self.remote[1],
            "response_code": self.status,
            "scheme": self.scheme.upper(),
            "size_download": self.downloaded,
            "size_header": self.header_size,
            "size_request": self.request_size,
            "size_upload": self.uploaded,
            "speed_download": int(self.downloaded / self.total) if self.total else 0,
            "speed_upload": int(self.uploaded / self.total) if self.total else 0,
            "ssl_verify_result": self.verified,
            "time_appconnect": self.appconnect,
            "time_connect": self.connect,
            "time_namelookup": self.namelookup,
            "time_pretransfer": self.pretransfer,
            "time_redirect": 0.0,
            "time_starttransfer": self.first_byte,
            "time_total": self.total,
            "url": self.url,
            "url_effective": self.effective,
            "urlnum": self.number,
        }


_PART = re.compile(r"%\{([^}]*)\}|%header\{([^}]*)\}|%%|\\([nrt\\])|%(?=$)", re.S)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


async def write_out(process: Process, text: str, report: Report) -> None:
    """--write-out: to standard output, from %{stderr} on to standard error."""
    variables = report.variables()
    out = process.stdout
    end = 0

    async def say(piece: str) -> None:
        if piece:
            await out.write(piece.encode())

    for found in _PART.finditer(text):
        await say(text[end : found.start()])
        end = found.end()
        name, wanted, escape = found.groups()
        if escape:
            await say(_ESCAPES[escape])
        elif wanted is not None:
            await say(header(report.headers, wanted))
        elif name is None:
            await say("%")
        elif name in ("stderr", "stdout"):
            out = process.stderr if name == "stderr" else process.stdout
        elif name == "onerror":
            if not report.code:
                return
        elif name == "header_json":
            names = dict.fromkeys(key.lower() for key, _ in report.headers)
            every = [
                f"{json.dumps(n)}:{json.dumps([v for k, v in report.headers if k.lower() == n], separators=(',', ':'))}"
                for n in names
            ]
            await say("{" + ",\n".join(every) + "\n}")
        elif name == "json":
            await say(json.dumps({**variables, "curl_version": "libcurl/7.88.1"}, separators=(",", ":")))
        elif name not in variables:
            await process.error(f"curl: unknown --write-out variable: '{name}'")
        else:
            await say(_shown(name, variables[name]))
    await say(text[end:])


def _shown(name: str, value: str | float | None) -> str:
    if name in ("http_code", "response_code", "http_connect"):
        return f"{value:03d}"
    if isinstance(value, float):
        return f"{value:.6f}"
    return "" if value is None else str(value)


class Meter:
    """The progress meter on standard error, shown unless -s, or when the body goes to a terminal."""

    def __init__(self, process: Process, flags: set[str], options: Options, target: str | None) -> None:
        hidden = {"silent", "no-progress-meter", "head"} & flags or (target == "-" and is_terminal(process.stdout))
        self._process = process
        self._on = not hidden
        self._started = process.clock.monotonic()
        self._total = 0
        self._got = 0
        self._begun = False

    async def begin(self) -> None:
        if self._on and not self._begun:
            self._begun = True
            await self._process.error(METER_HEAD + self._line(), end="")

    def expect(self, size: int) -> None:
        self._total, self._got = size, 0

    def got(self, size: int) -> None:
        self._got += size

    async def end(self, *, failed: bool = False) -> None:
        if self._on and self._begun:
            await self._process.error(("" if failed else "\r" + self._line()[1:]), end="\n")

    def _line(self) -> str:
        total = max(self._total, self._got)
        percent = 100 if self._got else 0
        took = self._process.clock.monotonic() - self._started
        speed = int(self._got / took) if took > 0 and self._got else 0
        share = f"{percent:3d} {_short(total)}  {percent:3d} {_short(self._got)}    0     0 "
        return f"\r{share}{_short(speed, 6)}      0 --:--:-- --:--:-- --:--:-- {_short(speed)}"


def _short(number: int, width: int = 5) -> str:
    for unit, size in (("", 1), ("k", 1024), ("M", 1024**2), ("G", 1024**3)):
        text = f"{number // size}{unit}"
        if len(text) <= 5:
            break
    return text.rjust(width)

"""What programs written in Go share: answers of net/http, lines of log and klog, flags, durations, deaths by signal."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import signal
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from pocketkube.duration import go_seconds
from pocketkube.images import golang_tls
from pocketkube.kubelet.process import Process, ProcessExit
from pocketkube.network.http import Headers, Request, Response, header, serve
from pocketkube.network.sockets import Listener
from pocketkube.network.stream import Stream

CHUNKED_ABOVE = 2048
"""net/http buffers that much before it must decide how to frame a body."""
_HTML = re.compile(
    rb"\s*<(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|!--)[\s>]",
    re.IGNORECASE,
)


def errno_text(error: OSError) -> str:
    """syscall.Errno's text: the C library's in lower case."""
    return os.strerror(error.errno or 0).lower()


def http_date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")


def sniff(body: bytes) -> str:
    """http.DetectContentType, as far as text, HTML, XML and binary go."""
    head = body[:512]
    if _HTML.match(head):
        return "text/html; charset=utf-8"
    if head.lstrip().startswith(b"<?xml"):
        return "text/xml; charset=utf-8"
    binary = any(byte < 9 or 13 < byte < 27 or 27 < byte < 32 or byte == 11 for byte in head)
    return "application/octet-stream" if binary else "text/plain; charset=utf-8"


def answer(
    process: Process, request: Request, body: bytes = b"", status: int = 200, headers: Headers | None = None
) -> Response:
    """A response as net/http frames it: the handler's headers sorted, then Date, Content-Length, Content-Type."""
    given = sorted(headers or [])
    names = {name.lower() for name, _ in given}
    out = list(given)
    if "date" not in names:
        out.append(("Date", http_date(process.clock.time())))
    chunked = len(body) > CHUNKED_ABOVE and request.http_version == "1.1" and "content-length" not in names
    if not chunked and "content-length" not in names and status >= 200 and status not in (204, 304):
        out.append(("Content-Length", str(len(body))))
    if body and "content-type" not in names:
        out.append(("Content-Type", sniff(body)))
    if "close" in request.header("connection").lower() and "connection" not in names:
        out.append(("Connection", "close"))
    if chunked:
        out.append(("Transfer-Encoding", "chunked"))
    return Response(status, out, body)


def error(process: Process, request: Request, text: str, status: int) -> Response:
    """http.Error."""
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")]
    return answer(process, request, text.encode() + b"\n", status, headers)


def redirect(process: Process, request: Request, location: str, status: int) -> Response:
    """http.Redirect: a location without scheme is made absolute against the request's path."""
    from pocketkube.network.http import reason_phrase

    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", location) and not location.startswith("/"):
        location = request.path.rpartition("/")[0] + "/" + location
    headers = [("Location", location)]
    body = b""
    if request.method in ("GET", "HEAD"):
        headers.append(("Content-Type", "text/html; charset=utf-8"))
    if request.method == "GET":
        escaped = location.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;")
        body = f'<a href="{escaped}">{reason_phrase(status)}</a>.\n\n'.encode()
    return answer(process, request, body, status, headers)


def klog_line(process: Process, text: str, source: str = "log.go:244", level: str = "I") -> str:
    now = datetime.fromtimestamp(process.clock.time(), UTC)
    return f"{level}{now:%m%d %H:%M:%S.%f} {process.pid:7d} {source}] {text}"


async def klog(process: Process, text: str, source: str = "log.go:244", level: str = "I") -> None:
    """A line of klog on standard error; log.Printf goes there too, once klog has redirected it."""
    await process.error(klog_line(process, text, source, level))


async def log(process: Process, text: str) -> None:
    """log.Printf with its standard flags."""
    now = datetime.fromtimestamp(process.clock.time(), UTC)
    await process.error(f"{now:%Y/%m/%d %H:%M:%S} {text}")


def duration(text: str) -> float | None:
    """time.ParseDuration in seconds; None when it is none."""
    try:
        return go_seconds(text)
    except ValueError:
        return None


def format_duration(seconds: float) -> str:
    """time.Duration's String: `1.5s`, `2m0s`, `12.345µs`."""
    if not seconds:
        return "0s"
    sign, nanoseconds = ("-" if seconds < 0 else ""), round(abs(seconds) * 1e9)

    def short(value: float, unit: str) -> str:
        return f"{sign}{value:.9f}".rstrip("0").rstrip(".") + unit

    if nanoseconds < 1000:
        return f"{sign}{nanoseconds}ns"
    if nanoseconds < 10**6:
        return short(nanoseconds / 1e3, "µs")
    if nanoseconds < 10**9:
        return short(nanoseconds / 1e6, "ms")
    whole, rest = divmod(nanoseconds, 60 * 10**9)
    tail = f"{rest / 1e9:.9f}".rstrip("0").rstrip(".") + "s"
    hours, minutes = divmod(whole, 60)
    return sign + (f"{hours}h" if hours else "") + (f"{minutes}m" if whole else "") + tail


def dial_error(network: str, address: str, failure: OSError) -> str:
    """net.OpError's text."""
    if isinstance(failure, TimeoutError) and failure.errno is None:
        return f"dial {network} {address}: i/o timeout"
    text = {
        errno.ECONNREFUSED: "connection refused",
        errno.ETIMEDOUT: "connection timed out",
        errno.EHOSTUNREACH: "no route to host",
        errno.ENETUNREACH: "network is unreachable",
    }.get(failure.errno or 0, errno_text(failure))
    return f"dial {network} {address}: connect: {text}"


def die_on_signals(process: Process, *numbers: int) -> None:
    """A Go program that does not ask for a signal dies of it, as process 1 too: there the runtime exits with 2."""
    if process.pid == 1:
        for number in numbers or (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            process.on_signal(number, lambda _: process.finish(2))


class Flags:
    """Values of pflag's `--name=value`, `--name value`, `-n value`, or of the flag package's `-name=value`."""

    def __init__(self, defaults: dict[str, Any], short: dict[str, str] | None = None) -> None:
        self.values = dict(defaults)
        self.rest: list[str] = []
        self._short = short or {}

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def parse(self, words: list[str]) -> str | None:
        """The text of the first error, if any."""
        words = list(words)
        while words:
            word = words.pop(0)
            if word == "--":
                self.rest += words
                break
            if not word.startswith("-") or word == "-":
                self.rest.append(word)
                continue
            name, equals, value = word.lstrip("-").partition("=")
            if not word.startswith("--") and name[:1] in self._short:
                if len(name) > 1:
                    value, equals = name[1:] + equals + value, "="
                name = self._short[name[0]]
            if name not in self.values:
                return (
                    f"unknown flag: --{name}"
                    if word.startswith("--")
                    else f"unknown shorthand flag: '{name[:1]}' in {word}"
                )
            kind = type(self.values[name])
            if kind is bool and not equals:
                self.values[name] = True
                continue
            if not equals:
                if not words:
                    return f"flag needs an argument: --{name}"
                value = words.pop(0)
            problem = self._set(name, kind, value)
            if problem:
                return f'invalid argument "{value}" for "--{name}" flag: {problem}'
        return None

    def _set(self, name: str, kind: type, value: str) -> str | None:
        if kind is bool:
            if value.lower() not in ("true", "false", "1", "0", "t", "f"):
                return f'strconv.ParseBool: parsing "{value}": invalid syntax'
            self.values[name] = value.lower() in ("true", "1", "t")
        elif kind is int:
            if not re.fullmatch(r"[-+]?\d+", value):
                return f'strconv.ParseInt: parsing "{value}": invalid syntax'
            self.values[name] = int(value)
        elif kind is float:
            seconds = duration(value)
            if seconds is None:
                return f'time: invalid duration "{value}"'
            self.values[name] = seconds
        else:
            self.values[name] = value
        return None


Handle = Callable[[Request], Awaitable[Response]]


class Server:
    """net/http's Server: connections in tasks, graceful shutdown; TLS with a context (`golang_tls.context`), whose
    failed handshakes go to `log`."""

    def __init__(
        self,
        listener: Listener,
        handler: Handle,
        context: ssl.SSLContext | None = None,
        log: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self._listener = listener
        self._handler = handler
        self._context = context
        self._log = log
        self._busy = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def serve(self) -> None:
        async with asyncio.TaskGroup() as connections:
            try:
                async for stream in self._listener:
                    connections.create_task(self._connection(stream))
            finally:
                self._listener.close()

    async def _connection(self, stream: Stream) -> None:
        try:
            secure = await golang_tls.accept(stream, self._context, self._log) if self._context else stream
            await serve(secure, self._one)
        except ProcessExit:
            raise
        except (OSError, ValueError):
            stream.close()

    async def _one(self, request: Request) -> Response:
        self._busy += 1
        self._idle.clear()
        try:
            return await self._handler(request)
        finally:
            self._busy -= 1
            if not self._busy:
                self._idle.set()

    async def shutdown(self) -> None:
        """Stop listening and wait until no request is being answered."""
        self._listener.close()
        await self._idle.wait()


def exit_later(process: Process) -> Callable[[int], None]:
    """A function that ends the program with a code from wherever it runs, as os.Exit does."""
    return process.finish


async def listen(process: Process, port: int, fatal: Callable[[Process, str], Awaitable[None]]) -> Listener:
    """net.Listen on all addresses, of both families as Go does; a port in use ends the program as log.Fatal does."""
    try:
        return process.net.listen(port, "::")
    except OSError as failure:
        text = os.strerror(failure.errno or 0).lower()
        await fatal(process, f"listen tcp :{port}: bind: {text}")
        raise ProcessExit(1) from None


def first(request: Request, name: str) -> str:
    """http.Request.FormValue: a body parameter before one of the query."""
    from urllib.parse import parse_qsl

    if request.method in ("POST", "PUT", "PATCH") and request.header("content-type").startswith(
        "application/x-www-form-urlencoded"
    ):
        for key, value in parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True):
            if key == name:
                return value
    return request.query.get(name, "")


def canonical(headers: Headers) -> dict[str, list[str]]:
    """http.Header: canonical names, Host apart."""
    out: dict[str, list[str]] = {}
    for name, value in headers:
        if name.lower() != "host":
            out.setdefault("-".join(part.capitalize() for part in name.split("-")), []).append(value)
    return out


__all__ = [
    "Flags", "Server", "answer", "canonical", "dial_error", "die_on_signals", "duration", "error", "exit_later",
    "first",
    "format_duration", "header", "http_date", "klog", "klog_line", "listen", "log", "redirect", "sniff",
]  # fmt: skip

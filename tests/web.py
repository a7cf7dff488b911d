"""A web server for tests, on this machine and a free port: it serves what it is given, records what it is asked, and
misbehaves when it is told to."""

from __future__ import annotations

import contextlib
import re
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

Answer = Callable[[BaseHTTPRequestHandler, bytes], None]
"""Answers one request; the bytes are the file that was asked for."""


class Web:
    """`files` by path; `ranges`: whether it knows them; `instead`: answers that the next requests get, one each.

    `asked` are the words of each request's first line and its Range, as ("GET", "/kind", "bytes=5-").
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.instead: list[Answer] = []
        self.asked: list[tuple[str, str, str | None]] = []
        self.ended = threading.Event()
        self.url = ""

    @property
    def ranges_asked(self) -> list[str | None]:
        return [found for _, _, found in self.asked]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append((handler.command, handler.path, handler.headers.get("Range")))
        path = urlsplit(handler.path).path
        if self.instead:
            self.instead.pop(0)(handler, self.files.get(path, b""))
        elif path in self.files:
            self._file(handler, self.files[path])
        else:
            status(404)(handler, b"")

    def _file(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", "")) if self.ranges else None
        first = int(asked[1]) if asked else 0
        if asked and first >= len(body):
            status(416)(handler, b"")
            return
        extra = {"Content-Range": f"bytes {first}-{len(body) - 1}/{len(body)}"} if asked else {}
        send(handler, 206 if asked else 200, body[first:], extra)


def send(handler: BaseHTTPRequestHandler, code: int, body: bytes, extra: dict[str, str] | None = None) -> None:
    handler.send_response(code)
    for name, value in {"Content-Length": str(len(body)), **(extra or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
    with contextlib.suppress(OSError):  # who asked may have gone
        handler.wfile.write(body)


def status(code: int, **headers: str) -> Answer:
    """Answers with a status and nothing else; `headers` have _ for -."""
    return lambda handler, body: send(handler, code, b"", {k.replace("_", "-"): v for k, v in headers.items()})


def cut(at: int) -> Answer:
    """Announces the whole file, whatever range was asked for, and breaks off after so many bytes."""

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[:at])

    return answer


def forward(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """What a proxy does with http."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(handler.path) as got:
        send(handler, got.status, got.read())


@contextlib.contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """A server until the block ends; `url` is its address without a slash at the end."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.answer(self)

        def do_CONNECT(self) -> None:
            web.answer(self)

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *args: object) -> None:
            """Who asked went away in the middle: many a test does."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    web.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield web
    finally:
        web.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()

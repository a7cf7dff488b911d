"""A tiny scripted API server, for testing the replay without a cluster."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import yaml


@dataclass(frozen=True)
class Request:
    """What the server got. `body` is the text as sent."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str


@dataclass
class Fake:
    """Answers by `(method, path)`: a list is served one by one (the last stays), a callable gets the request.

    Namespaces and what every namespace holds are answered by default; everything else is 404. An answer is (code, body)
    or (code, body, headers). A body that is a list of bytes is streamed.
    """

    script: dict[tuple[str, str], Any] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    kubeconfig: Path = Path()
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def answer(self, request: Request) -> tuple[Any, ...]:
        with self.arrived:
            self.requests.append(request)
            self.arrived.notify_all()
        scripted = self.script.get((request.method, request.path))
        if isinstance(scripted, list):
            scripted = scripted.pop(0) if len(scripted) > 1 else scripted[0]
        if callable(scripted):
            scripted = scripted(request)
        return scripted if scripted is not None else self._default(request)

    def _default(self, request: Request) -> tuple[int, Any]:
        if (request.method, request.path) == ("GET", "/api/v1/nodes"):
            return 200, {"items": [{"metadata": {"name": "node-1"}, "spec": {}}]}
        if (request.method, request.path) == ("POST", "/api/v1/namespaces"):
            return 201, {}
        if request.method == "GET" and request.path.endswith(("/serviceaccounts/default", "/kube-root-ca.crt")):
            return 200, {}
        return 404, {"kind": "Status", "code": 404}

    def sent(self, method: str, path: str) -> list[Request]:
        return [request for request in self.requests if (request.method, request.path) == (method, path)]


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[Fake]:
    """A Fake listening on a free port; `kubeconfig` in `folder` has token t0 for it."""
    fake = Fake()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake.answer))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    fake.kubeconfig = folder / "kubeconfig"
    fake.kubeconfig.write_text(kubeconfig(f"http://127.0.0.1:{server.server_address[1]}"))
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def kubeconfig(server: str, **user: str) -> str:
    return yaml.safe_dump(
        {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": {"server": server}}],
            "users": [{"name": "u", "user": user or {"token": "t0"}}],
        }
    )


def _handler(answer: Callable[[Request], tuple[Any, ...]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode(errors="replace")
            query = dict(parse_qsl(url.query, keep_blank_values=True))
            code, value, *rest = answer(Request(self.command, url.path, query, dict(self.headers), body))
            self.send_response(code)
            for name, text in rest[0] if rest else []:
                self.send_header(name, text)
            if isinstance(value, list):
                self.send_header("Connection", "close")
                self.end_headers()
                for line in value:
                    self.wfile.write(line() if callable(line) else line)
                    self.wfile.flush()
                self.close_connection = True
                return
            data = value.encode() if isinstance(value, str) else json.dumps(value).encode()
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

        def log_message(self, *_: Any) -> None:
            pass

    return Handler

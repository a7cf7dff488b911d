"""nginx answering: choice of server and location, static files, redirects, proxying, its own pages and log lines."""

from __future__ import annotations

import itertools
import mimetypes
import posixpath
import re
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from urllib.parse import quote

from pocketkube.images.golang import http_date
from pocketkube.images.programs.agnhost.files import not_modified
from pocketkube.images.programs.nginx.config import Config, Location, Server
from pocketkube.kubelet.process import Process
from pocketkube.network import http
from pocketkube.network.http import Request, Response
from pocketkube.network.resolver import ResolutionError, lookup
from pocketkube.network.stream import Stream
from pocketkube.regex import perl

REASONS = {
    301: "Moved Permanently", 302: "Moved Temporarily", 303: "See Other", 304: "Not Modified",
    307: "Temporary Redirect",
    308: "Permanent Redirect", 400: "Bad Request", 401: "Authorization Required", 403: "Forbidden", 404: "Not Found",
    405: "Not Allowed", 412: "Precondition Failed", 413: "Request Entity Too Large",
    416: "Requested Range Not Satisfiable",
    429: "Too Many Requests", 500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway",
    503: "Service Temporarily Unavailable", 504: "Gateway Time-out",
}  # fmt: skip
_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "proxy-connection"}


class Page(Exception):
    """Answer with a status, and a body of nginx's own making unless one is given."""

    def __init__(self, status: int, body: bytes | None = None, location: str = "") -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.location = location
        self.at: Location | None = None
        """Whose add_header applies: where it was decided."""


class Nginx:
    def __init__(self, process: Process, config: Config, version: str, port: int) -> None:
        self.process = process
        self.config = config
        self.version = version
        self.port = port
        self.scheme = "https" if port in config.contexts else "http"
        self.turns = itertools.count()
        self.connections = itertools.count(1)

    async def answer(self, request: Request) -> Response:
        server = self.server(request)
        location: Location = server
        try:
            if not request.host and request.http_version == "1.1":
                raise Page(400)
            path = posixpath.normpath("/" + request.path.lstrip("/"))
            if request.path.endswith("/") and path != "/":
                path += "/"
            response, location = await self.inside(server, request, path)
        except Page as page:
            response, location = await self.page(request, server, page), page.at or server
        keep = "close" not in request.header("connection").lower() and request.http_version != "1.0"
        response = self.finish(request, response, location, keep)
        await self.log(request, response, location)
        return response

    def server(self, request: Request) -> Server:
        """The server whose name the Host header has, else the default of the port."""
        here = [server for server in self.config.servers if any(port == self.port for _, port in server.ports)]
        name = re.sub(r":\d+$", "", request.host).lower()
        for server in here:
            for wanted in server.names:
                if wanted == name or (wanted.startswith("*.") and name.endswith(wanted[1:])):
                    return server
                if wanted.startswith("~") and perl(wanted[1:], fold=True).search(name):
                    return server
        return next((server for server in here if server.default), here[0])

    async def inside(self, server: Server, request: Request, path: str, depth: int = 0) -> tuple[Response, Location]:
        if depth > 10:
            raise Page(500)
        if "return" in server.settings:
            self.returned(server.settings["return"], request, path)
        location = choose(server, path)
        try:
            self.allowed(location, request)
            settings = location.settings
            if "return" in settings:
                self.returned(settings["return"], request, path)
            if "proxy_pass" in settings:
                return await self.proxy(location, request, path), location
            if "try_files" in settings:
                for candidate in settings["try_files"][:-1]:
                    target = self.expand(candidate, request, path)
                    where = self.file(location, target.rstrip("/"))
                    if target.endswith("/") and self.process.fs.is_dir(where):
                        return await self.static(server, location, request, target, depth), location
                    if not target.endswith("/") and self.process.fs.is_file(where):
                        return await self.static(server, location, request, target, depth), location
                last = settings["try_files"][-1]
                if last.startswith("="):
                    raise Page(int(last[1:]))
                return await self.inside(server, request, self.expand(last, request, path).partition("?")[0], depth + 1)
            return await self.static(server, location, request, path, depth), location
        except Page as page:
            page.at = page.at or location
            other = location.error_pages.get(page.status)
            if not other or depth:
                raise
            if not other.startswith("/"):
                raise Page(302, location=other) from None
            try:
                response, _ = await self.inside(server, Request("GET", other, request.headers), other, depth + 1)
            except Page:
                raise page from None
            response.status = page.status
            response.reason = REASONS.get(page.status)
            response.headers = [h for h in response.headers if h[0] not in ("Last-Modified", "Accept-Ranges")]
            return response, location

    def allowed(self, location: Location, request: Request) -> None:
        for allow, who in location.rules:
            if who == "all" or ip_address(request.remote[0]) in ip_network(who, strict=False):
                if not allow:
                    raise Page(403)
                return

    def returned(self, words: list[str], request: Request, path: str) -> None:
        status = int(words[0]) if words[0].isdecimal() else 302
        text = self.expand(words[-1], request, path) if len(words) > 1 or not words[0].isdecimal() else ""
        if status in (301, 302, 303, 307, 308):
            raise Page(status, location=text)
        raise Page(status, text.encode() if text or len(words) > 1 else (b"" if status < 300 else None))

    def expand(self, text: str, request: Request, path: str) -> str:
        """nginx's variables."""
        query = request.target.partition("?")[2]
        values = {
            "uri": path, "document_uri": path, "request_uri": request.target, "args": query, "query_string": query,
            "is_args": "?" if query else "", "host": re.sub(r":\d+$", "", request.host).lower() or "_",
            "http_host": request.host, "scheme": self.scheme, "request_method": request.method,
            "hostname": self.process.hostname,
            "remote_addr": request.remote[0], "remote_port": str(request.remote[1]), "server_addr": request.local[0],
            "server_port": str(self.port), "server_name": (self.server(request).names or [""])[0],
            "nginx_version": self.version, "request": f"{request.method} {request.target} HTTP/{request.http_version}",
            "server_protocol": f"HTTP/{request.http_version}", "proxy_add_x_forwarded_for": ", ".join(
                filter(None, (request.header("x-forwarded-for"), request.remote[0]))
            ), "proxy_host": "", "remote_user": "", "pid": str(self.process.pid),
            "time_iso8601": datetime.fromtimestamp(self.process.clock.time(), UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00"),
            "msec": f"{self.process.clock.time():.3f}",
        }  # fmt: skip

        def one(found: re.Match[str]) -> str:
            name = found.group(1) or found.group(2)
            if name.startswith("http_") and name not in values:
                wanted = name[5:].replace("_", "-").lower()
                return ", ".join(value for key, value in request.headers if key.lower() == wanted)
            if name.startswith("arg_"):
                return request.query.get(name[4:], "")
            return values.get(name, "")

        return re.sub(r"\$\{(\w+)\}|\$(\w+)", one, text)

    def file(self, location: Location, path: str) -> str:
        alias = location.settings.get("alias")
        if alias:
            return alias[0] + path.removeprefix(location.path)
        return (location.settings.get("root") or ["/etc/nginx/html"])[0].rstrip("/") + path

    async def static(self, server: Server, location: Location, request: Request, path: str, depth: int) -> Response:
        if request.method not in ("GET", "HEAD"):
            raise Page(405)
        fs = self.process.fs
        where = self.file(location, path)
        try:
            found = fs.stat(where)
            if found.kind == "directory":
                if not path.endswith("/"):
                    query = request.target.partition("?")[2]
                    raise Page(301, location=f"{quote(path)}/" + (f"?{query}" if query else ""))
                for name in location.settings.get("index", ["index.html"]):
                    if fs.is_file(posixpath.join(where, name)):
                        return await self.send(request, posixpath.join(where, name))
                if location.settings.get("autoindex") == ["on"]:
                    return self.listing(where, path)
                await self.error(f'directory index of "{where}" is forbidden', request)
                raise Page(403)
            return await self.send(request, where)
        except PermissionError:
            await self.error(f'open() "{where}" failed (13: Permission denied)', request)
            raise Page(403) from None
        except OSError:
            await self.error(f'open() "{where}" failed (2: No such file or directory)', request)
            raise Page(404) from None

    async def send(self, request: Request, where: str) -> Response:
        fs = self.process.fs
        found, body = fs.stat(where), fs.read_bytes(where)
        suffix = posixpath.splitext(where)[1].lstrip(".").lower()
        kind = self.config.types.get(suffix) or mimetypes.types_map.get("." + suffix) or "application/octet-stream"
        kind = {"text/javascript": "application/javascript"}.get(kind, kind)
        etag = f'"{int(found.mtime):x}-{found.size:x}"'
        headers = [("Last-Modified", http_date(found.mtime)), ("ETag", etag)]
        if etag in request.header("if-none-match") or (
            not request.header("if-none-match") and not_modified(request, found.mtime)
        ):
            return Response(304, headers, b"", "Not Modified")
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), *headers]
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", request.header("range").strip())
        if wanted and any(wanted.groups()) and body:
            first, last = wanted.groups()
            start = int(first) if first else max(0, len(body) - int(last))
            stop = min(int(last) + 1, len(body)) if first and last else len(body)
            if start >= len(body) or start >= stop:
                raise Page(416)
            part = body[start:stop]
            headers[1] = ("Content-Length", str(len(part)))
            headers.append(("Content-Range", f"bytes {start}-{stop - 1}/{len(body)}"))
            return Response(206, headers, part, "Partial Content")
        headers.append(("Accept-Ranges", "bytes"))
        return Response(200, headers, body, "OK")

    def listing(self, where: str, path: str) -> Response:
        rows = []
        fs = self.process.fs
        names = [name for name in fs.listdir(where) if not name.startswith(".")]
        for name in sorted(names, key=lambda name: (not fs.is_dir(posixpath.join(where, name)), name)):
            found = fs.stat(posixpath.join(where, name))
            shown = name + "/" if found.kind == "directory" else name
            size = "-" if found.kind == "directory" else str(found.size)
            when = datetime.fromtimestamp(found.mtime, UTC).strftime("%d-%b-%Y %H:%M")
            label = shown if len(shown) <= 50 else shown[:47] + "..>"
            rows.append(f'<a href="{quote(shown)}">{label}</a>{" " * (51 - len(label))}{when}{size:>20}\r\n')
        title = f"Index of {path}"
        text = (
            f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<h1>{title}</h1><hr><pre>"
            f'<a href="../">../</a>\r\n{"".join(rows)}</pre><hr></body>\r\n</html>\r\n'
        )
        return Response(200, [("Content-Type", "text/html")], text.encode(), "OK")

    async def proxy(self, location: Location, request: Request, path: str) -> Response:
        target = self.expand(location.settings["proxy_pass"][0], request, path)
        found = re.fullmatch(r"http://([^/:]+)(?::(\d+))?(/.*)?", target)
        if not found:
            raise Page(500)
        host, port, base = found.group(1), int(found.group(2) or 80), found.group(3)
        named = host + (f":{found.group(2)}" if found.group(2) else "")
        if host in self.config.upstreams:
            peers = self.config.upstreams[host]
            peer, _, peer_port = peers[next(self.turns) % len(peers)].partition(":")
            host, port = peer, int(peer_port or 80)
        url = request.target
        if base is not None:
            url = base + request.target.removeprefix(location.path)
        given = {words[0].lower(): self.expand(words[1], request, path) for words in location.proxy_headers}
        headers = [("Host", given.pop("host", named).replace("$proxy_host", named)), ("Connection", "close")]
        headers += [
            (k, v) for k, v in request.headers if k.lower() not in _HOP | {"host", "content-length"} | set(given)
        ]
        headers += [
            (words[0], given[words[0].lower()]) for words in location.proxy_headers if given.get(words[0].lower())
        ]
        timeout = _seconds(location.settings.get("proxy_connect_timeout", ["60s"])[0])
        try:
            addresses = await lookup(self.process, host.strip("[]"))
            answer = await http.request(
                lambda: self.connect(addresses, port, timeout),
                request.method,
                url,
                headers,
                request.body,
            )
        except TimeoutError:
            await self.error("upstream timed out (110: Connection timed out) while connecting to upstream", request)
            raise Page(504) from None
        except ConnectionRefusedError:
            await self.error("connect() failed (111: Connection refused) while connecting to upstream", request)
            raise Page(502) from None
        except ResolutionError:
            await self.error(f"{host} could not be resolved", request)
            raise Page(502) from None
        except (OSError, http.ProtocolError):
            await self.error(
                "upstream prematurely closed connection while reading response header from upstream", request
            )
            raise Page(502) from None
        kept = [(k, v) for k, v in answer.headers if k.lower() not in _HOP | {"server", "date"}]
        return Response(answer.status, kept, answer.body, answer.reason)

    async def connect(self, addresses: list[str], port: int, timeout: float) -> Stream:
        """To the first address that takes the connection: the others are tried as other servers would be."""
        for address in addresses[:-1]:
            with suppress(OSError):
                return await self.process.net.connect(address, port, timeout=timeout)
        return await self.process.net.connect(addresses[-1], port, timeout=timeout)

    async def page(self, request: Request, server: Server, page: Page) -> Response:
        headers: list[tuple[str, str]] = []
        body = page.body
        if body is not None:
            suffix = posixpath.splitext(request.path)[1].lstrip(".").lower()
            kind = self.config.types.get(suffix) or (server.settings.get("default_type") or ["text/plain"])[0]
            headers.append(("Content-Type", kind))
        else:
            title = f"{page.status} {REASONS.get(page.status, '')}".rstrip()
            body = (
                f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
                f"<hr><center>nginx/{self.version}</center>\r\n</body>\r\n</html>\r\n"
            ).encode()
            headers.append(("Content-Type", "text/html"))
        headers.append(("Content-Length", str(len(body))))
        if where := page.location:
            if where.startswith("/"):
                where = self.absolute((page.at or server).settings, request, where)
            headers.append(("Location", where))
        return Response(page.status, headers, body, REASONS.get(page.status))

    def absolute(self, settings: dict[str, list[str]], request: Request, path: str) -> str:
        """Where a redirect to a path leads: to the host the client named, and the port where this server listens."""
        if settings.get("absolute_redirect") == ["off"]:
            return path
        usual = self.port == (443 if self.scheme == "https" else 80) or settings.get("port_in_redirect") == ["off"]
        host = re.sub(r":\d+$", "", request.host).lower() or self.process.hostname
        return f"{self.scheme}://{host}{'' if usual else f':{self.port}'}{path}"

    def finish(self, request: Request, response: Response, location: Location, keep: bool) -> Response:
        """Server, Date and Connection, where nginx puts them; add_header's last."""
        first = [("Server", f"nginx/{self.version}"), ("Date", http_date(self.process.clock.time()))]
        connection = [("Connection", "keep-alive" if keep else "close")]
        ordered = [h for name in ("Content-Type", "Content-Length", "Last-Modified",
        "Location") for h in response.headers
                   if h[0] == name]  # fmt: skip
        rest = [header for header in response.headers if header not in ordered]
        extra = []
        for words in location.headers:
            if response.status in (200, 201, 204, 206, 301, 302, 303, 304, 307, 308) or words[-1] == "always":
                extra.append((words[0], self.expand(words[1], request, request.path)))
        return Response(response.status, [*first, *ordered, *connection, *rest, *extra], response.body, response.reason)

    async def log(self, request: Request, response: Response, location: Location) -> None:
        if location.settings.get("access_log") == ["off"]:
            return
        now = datetime.fromtimestamp(self.process.clock.time(), UTC)
        body = response.body if isinstance(response.body, bytes) else b""
        size = 0 if request.method == "HEAD" else len(body)
        line = (
            f'{request.remote[0]} - - [{now:%d/%b/%Y:%H:%M:%S +0000}] "{request.method} {request.target} '
            f'HTTP/{request.http_version}" {response.status} {size} "{request.header("referer") or "-"}" '
            f'"{request.header("user-agent") or "-"}" "{request.header("x-forwarded-for") or "-"}"'
        )
        await self.process.print(line)

    async def error(self, text: str, request: Request) -> None:
        name = (self.server(request).names or [""])[0]
        await notice(
            self.process,
            f"*{next(self.connections)} {text}, client: {request.remote[0]}, server: {name}, request: "
            f'"{request.method} {request.target} HTTP/{request.http_version}", host: "{request.host}"',
            "error",
            worker=True,
        )


def choose(server: Location, path: str) -> Location:
    """The location for a path: exact, then the longest prefix unless a regular expression matches."""
    best: Location | None = None
    for location in server.locations:
        if location.modifier == "=" and location.path == path:
            return location
        if location.modifier in ("", "^~") and path.startswith(location.path):
            best = location if best is None or len(location.path) > len(best.path) else best
    if best is None or best.modifier != "^~":
        for location in server.locations:
            fold = location.modifier == "~*"
            if location.modifier in ("~", "~*") and perl(location.path, fold=fold).search(path):
                return choose(location, path) if location.locations else location
    if best is None:
        return server
    return choose(best, path) if best.locations else best


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)(ms|s|m)?", text)
    return float(found.group(1)) * {"ms": 0.001, "m": 60}.get(found.group(2) or "s", 1) if found else 60.0


async def notice(process: Process, text: str, level: str = "notice", *, worker: bool = False) -> None:
    now = datetime.fromtimestamp(process.clock.time(), UTC)
    pid = process.pid
    await process.error(
        f"{now:%Y/%m/%d %H:%M:%S} [{level}] {pid + 28 if worker else pid}#{pid + 28 if worker else pid}: {text}"
    )

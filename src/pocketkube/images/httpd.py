"""BusyBox httpd: static files from a folder. Left out: CGI, authentication, proxying, the configuration file."""

from __future__ import annotations

import asyncio
import mimetypes
import posixpath
import signal

from pocketkube.images.coreutils.options import fail, parse, reason
from pocketkube.images.golang import http_date
from pocketkube.kubelet.process import Process
from pocketkube.network.http import Request, Response, serve_forever

_ERRORS = {
    404: ("Not Found", "The requested URL was not found"),
    403: ("Forbidden", ""),
    501: ("Not Implemented", "The requested method is not recognized"),
}


async def httpd(process: Process) -> int:
    """`httpd [-f] [-v] [-p [IP:]PORT] [-h HOME]`; without -f it goes to the background."""
    options = await parse(process, "fivp:u:r:h:c:m:e:d:")
    home = options.get("h", ".")
    address, _, port = str(options.get("p", "80")).rpartition(":")
    if not process.fs.is_dir(process.path(home)):
        await fail(process, f"can't change directory to '{home}': No such file or directory")
    try:
        listener = process.net.listen(int(port), address or "::")
    except ValueError:
        await fail(process, f"invalid number '{port}'")
        raise
    except OSError as error:
        await fail(process, f"bind: {reason(error)}")
        raise
    if process.pid == 1:
        process.on_signal(signal.SIGTERM, None)
    root = process.fs.realpath(process.path(home))

    async def work(server: Process) -> int:
        async def handle(request: Request) -> Response:
            response = _answer(server, request, root)
            if "v" in options:
                await server.error(f"[::ffff:{request.remote[0]}]:{request.remote[1]}: response:{response.status}")
            return response

        await serve_forever(listener, handle)
        return 0

    if "f" in options:
        return await work(process)
    process.spawn(process.argv, main=work)
    await asyncio.sleep(0)
    return 0


def _answer(process: Process, request: Request, root: str) -> Response:
    if request.method not in ("GET", "HEAD"):
        return _error(process, 501)
    path = posixpath.normpath("/" + request.path)
    where = posixpath.join(root, path.lstrip("/"))
    fs = process.fs
    try:
        if fs.is_dir(where):
            if not request.path.endswith("/"):
                headers = [*_common(process, 302), ("Location", f"{request.path}/")]
                return Response(302, headers, b"", "Found")
            where = posixpath.join(where, "index.html")
        body = fs.read_bytes(where)
        found = fs.stat(where)
    except PermissionError:
        return _error(process, 403)
    except OSError:
        return _error(process, 404)
    kind = mimetypes.guess_type(where)[0] or "application/octet-stream"
    headers = [
        ("Date", http_date(process.clock.time())),
        ("Connection", "close"),
        ("Content-type", kind),
        ("Accept-Ranges", "bytes"),
        ("Last-Modified", http_date(found.mtime)),
        ("ETag", f'"{int(found.mtime):x}-{found.size:x}"'),
        ("Content-Length", str(len(body))),
    ]
    return Response(200, headers, body)


def _common(process: Process, status: int) -> list[tuple[str, str]]:
    return [("Date", http_date(process.clock.time())), ("Connection", "close"), ("Content-type", "text/html")]


def _error(process: Process, status: int) -> Response:
    phrase, text = _ERRORS[status]
    title = f"{status} {phrase}"
    body = f"<HTML><HEAD><TITLE>{title}</TITLE></HEAD>\n<BODY><H1>{title}</H1>\n{text}\n</BODY></HTML>\n"
    return Response(status, _common(process, status), body.encode(), phrase)

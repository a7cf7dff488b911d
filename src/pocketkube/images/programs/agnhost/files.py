"""http.FileServer: files, directory lists, index.html. Left out: ranges, If-None-Match."""

from __future__ import annotations

import mimetypes
import posixpath
from email.utils import parsedate_to_datetime
from html import escape
from urllib.parse import quote

from pocketkube.images import golang
from pocketkube.kubelet.process import Process
from pocketkube.network.http import Headers, Request, Response

_KINDS = {".html": "text/html; charset=utf-8", ".htm": "text/html; charset=utf-8", ".txt": "text/plain; charset=utf-8",
          ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".json": "application/json",
          ".xml": "text/xml; charset=utf-8"}  # fmt: skip


def serve_files(process: Process, request: Request, root: str, headers: Headers) -> Response:
    """Answer with the file `root` has for the request's path; `headers` come along."""
    path = posixpath.normpath("/" + request.path)
    where = posixpath.join(root, path.lstrip("/"))
    fs = process.fs
    common = [*headers]

    def failed(text: str, status: int) -> Response:
        # http.Error drops the headers that describe content it does not send.
        kept = [(name, value) for name, value in common if name != "Cache-Control"]
        plain = [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")]
        return golang.answer(process, request, f"{text}\n".encode(), status, [*kept, *plain])

    try:
        found = fs.stat(where)
        if request.path.endswith("/index.html"):
            return golang.answer(process, request, b"", 301, [*common, ("Location", "./")])
        if found.kind == "directory":
            if not request.path.endswith("/"):
                return golang.answer(
                    process, request, b"", 301, [*common, ("Location", posixpath.basename(path) + "/")]
                )
            if fs.is_file(posixpath.join(where, "index.html")):
                where = posixpath.join(where, "index.html")
                found = fs.stat(where)
            else:
                return _folder(process, request, where, common, found.mtime)
        elif request.path.endswith("/"):
            return golang.answer(process, request, b"", 301, [*common, ("Location", "../" + posixpath.basename(path))])
        body = fs.read_bytes(where)
    except PermissionError:
        return failed("403 Forbidden", 403)
    except OSError:
        return failed("404 page not found", 404)
    kind = _KINDS.get(posixpath.splitext(where)[1]) or mimetypes.guess_type(where)[0] or golang.sniff(body)
    common += [("Accept-Ranges", "bytes"), ("Last-Modified", golang.http_date(found.mtime)), ("Content-Type", kind)]
    common.append(("Content-Length", str(len(body))))
    return golang.answer(process, request, body, 200, common)


def _folder(process: Process, request: Request, where: str, headers: Headers, changed: float) -> Response:
    rows = []
    for name in process.fs.listdir(where):
        shown = name + "/" if process.fs.is_dir(posixpath.join(where, name)) else name
        rows.append(f'<a href="{quote(shown)}">{escape(shown)}</a>\n')
    text = '<!doctype html>\n<meta name="viewport" content="width=device-width">\n<pre>\n' + "".join(rows) + "</pre>\n"
    kept = [*headers, ("Content-Type", "text/html; charset=utf-8"), ("Last-Modified", golang.http_date(changed))]
    return golang.answer(process, request, text.encode(), 200, kept)


def not_modified(request: Request, changed: float) -> bool:
    """If-Modified-Since against a file's time."""
    try:
        return int(changed) <= parsedate_to_datetime(request.header("if-modified-since")).timestamp()
    except (ValueError, TypeError):
        return False

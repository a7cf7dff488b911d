"""registry.k8s.io/hpa-example: Apache with one PHP page that computes a million square roots and says `OK!`.

The page's computing is declared, not done (`Meter.burn`): it takes the time that the container's share of its node's
cores gives it. Left out: PHP itself, so the page cannot be changed, and other files of /var/www/html are not served.
"""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime

from pocketkube.images.base import Image
from pocketkube.images.golang import http_date
from pocketkube.images.linux import DEBIAN_FILES, programs
from pocketkube.kubelet.process import Process
from pocketkube.network.http import Request, Response, serve_forever

PAGE_SECONDS = 0.1
"""Core seconds of one page, nominal: it is between 0.05 and 0.2 on the machines of today."""
_WORKERS = 150
"""MaxRequestWorkers: further requests wait."""
_SERVER = "Apache/2.4.10 (Debian)"
_PHP = "5.6.14"
_PAGE = b"""<?php
  $x = 0.0001;
  for ($i = 0; $i <= 1000000; $i++) {
    $x += sqrt($x);
  }
  echo "OK!";
?>
"""
_NOT_FOUND = """<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">
<html><head>
<title>404 Not Found</title>
</head><body>
<h1>Not Found</h1>
<p>The requested URL {path} was not found on this server.</p>
<hr>
<address>{server} Server at {host} Port 80</address>
</body></html>
"""


async def apache(process: Process) -> int:
    workers = asyncio.Semaphore(_WORKERS)

    async def handle(request: Request) -> Response:
        async with workers:
            response, size = await _page(process, request)
        now = datetime.fromtimestamp(process.clock.time(), UTC)
        await process.print(
            f"{request.remote[0]} - - [{now:%d/%b/%Y:%H:%M:%S} +0000] "
            f'"{request.method} {request.target} HTTP/{request.http_version}" {response.status} '
            f'{size} "{request.header("referer") or "-"}" "{request.header("user-agent") or "-"}"'
        )
        return response

    process.on_signal(signal.SIGTERM, lambda _: process.finish(0))
    listener = process.net.listen(80, "::")
    address = process.net.address
    for _ in range(2):
        await process.error(
            "AH00558: apache2: Could not reliably determine the server's fully qualified domain name, using "
            f"{address}. Set the 'ServerName' directive globally to suppress this message"
        )
    await _notice(process, "mpm_prefork", f"AH00163: {_SERVER} PHP/{_PHP} configured -- resuming normal operations")
    await _notice(process, "core", "AH00094: Command line: 'apache2 -D FOREGROUND'")
    await serve_forever(listener, handle)
    return 0


async def _notice(process: Process, module: str, text: str) -> None:
    now = datetime.fromtimestamp(process.clock.time(), UTC)
    await process.error(f"[{now:%a %b %d %H:%M:%S.%f %Y}] [{module}:notice] [pid {process.pid}] {text}")


async def _page(process: Process, request: Request) -> tuple[Response, int]:
    """The answer, and how long it is."""
    headers = [("Date", http_date(process.clock.time())), ("Server", _SERVER)]
    if request.path not in ("/", "/index.php"):
        text = _NOT_FOUND.format(path=request.path, server=_SERVER, host=request.host.partition(":")[0])
        kind = ("Content-Type", "text/html; charset=iso-8859-1")
        return Response(404, [*headers, ("Content-Length", str(len(text))), kind], text.encode()), len(text)
    await process.meter.burn(PAGE_SECONDS)
    headers += [("X-Powered-By", f"PHP/{_PHP}"), ("Content-Length", "3"), ("Content-Type", "text/html; charset=UTF-8")]
    return Response(200, headers, b"OK!"), 3


class IMAGE(Image):
    names = ("registry.k8s.io/hpa-example:latest",)
    size = 164_000_000
    memory = 11 << 20
    cmd = ("apache2-foreground",)
    workdir = "/var/www/html"
    env = {"PATH": Image.env["PATH"], "PHP_INI_DIR": "/usr/local/etc/php", "PHP_VERSION": _PHP}
    files = {**DEBIAN_FILES, "/var/www/html/index.php": _PAGE}
    commands = {**programs("bash", "curl"), "/usr/local/bin/apache2-foreground": apache}

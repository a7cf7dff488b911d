"""A reverse proxy to the API server for `kubectl proxy`: adds who we are, streams both ways.

As kubectl's, it answers only to the Hosts of this machine, so that no web page can use it through a name of its own
(DNS rebinding), to no page of another site, and refuses exec and attach. Left out: upgrades (WebSockets, port-forward),
static files, unix sockets, filters of one's own.
"""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress

import aiohttp
from aiohttp import web
from yarl import URL

from kindlab.kubectl.access import Access
from kindlab.kubectl.session import GET_KUBECTL, Refused, Session

HOSTS = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
REFUSED_PATHS = re.compile(r"/api/.*/pods/.*/(exec|attach)")
HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "upgrade"}
HOP |= {"transfer-encoding"}
"""Headers of one connection, which are not passed on."""
OURS = {"host", "authorization", "content-length", *HOP}


async def serve(session: Session, address: str, port: int) -> None:
    """Until it is cancelled. Raises Refused when the port cannot be had."""
    async with Access(session.api) as access:

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await _pass_on(access, request)

        server = web.Server(handle, access_log=None, handler_cancellation=True)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)  # a watch would never end by itself
        await runner.setup()
        try:
            site = web.TCPSite(runner, address, port)
            await site.start()
        except OSError as error:
            await runner.cleanup()
            why = os.strerror(error.errno).lower() if error.errno else str(error)
            raise Refused(f"error: listen tcp {address}:{port}: bind: {why}") from error
        host, number = runner.addresses[0][:2]
        session.say(f"Starting to serve on {f'[{host}]' if ':' in host else host}:{number}")
        session.out.flush()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await runner.cleanup()


def is_foreign(origin: str, host: str) -> bool:
    """Whether a page of another site asks: a browser lets it post, only not read. (kubectl lets it.)

    A page of another port of this machine is one, too: 8080 leads to Pods.
    """
    return bool(origin) and origin.partition("://")[2].lower() != host.lower()


async def _pass_on(access: Access, request: web.BaseRequest) -> web.StreamResponse:
    foreign = is_foreign(request.headers.get("Origin", ""), request.host)
    if foreign or not HOSTS.fullmatch(request.host) or REFUSED_PATHS.match(request.path):
        return web.Response(status=403, text="Forbidden\n")
    if "Upgrade" in request.headers:
        text = f"kindlab's stand-in for kubectl proxies no upgrades (WebSockets). {GET_KUBECTL}\n"
        return web.Response(status=501, text=text)
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in OURS]
    try:
        answer = await access.session.request(
            request.method,
            URL(access.url(request.raw_path), encoded=True),
            headers=[*headers, *access.headers().items()],
            data=request.content if request.body_exists else None,
            allow_redirects=False,
            skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
            **access.options(),
        )
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return web.Response(status=500, text=f"{error}\n")
    async with answer:
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in HOP:
                response.headers.add(name, value)
        with suppress(ConnectionError, aiohttp.ClientError):  # one of the two is gone, and the other hears of it
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
        return response

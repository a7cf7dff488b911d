"""How to reach the API server from asyncio: what the official client read from the kubeconfig, for aiohttp.

Requests that go on for as long as somebody listens (port-forward, proxy) run side by side, which the official client's
blocking calls cannot. Left out: SOCKS proxies.
"""

from __future__ import annotations

import ssl
from functools import cached_property
from typing import Any

import aiohttp

from kindlab.api import Api


class Access:
    """An aiohttp session to one API server; use as `async with Access(api) as access`."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._settings = api.client.configuration

    async def __aenter__(self) -> Access:
        self.session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=30),
            connector=aiohttp.TCPConnector(limit=0),
            auto_decompress=False,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    def url(self, path: str) -> str:
        return self.api.server.rstrip("/") + path

    def headers(self) -> dict[str, str]:
        """Who we are; asked anew for each request, for tokens run out."""
        found = self._settings.auth_settings().values()
        return {setting["key"]: setting["value"] for setting in found if setting["in"] == "header" and setting["value"]}

    def options(self) -> dict[str, Any]:
        """Keyword arguments of aiohttp's requests: whom to trust, and the way there."""
        options: dict[str, Any] = {"ssl": self._tls, "server_hostname": self._settings.tls_server_name or None}
        if self._settings.proxy:
            options |= {"proxy": self._settings.proxy, "proxy_headers": self._settings.proxy_headers}
        return options

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._settings.ssl_ca_cert)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # clusters' own CAs are older than these rules
        if not self._settings.verify_ssl:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self._settings.cert_file:
            context.load_cert_chain(self._settings.cert_file, self._settings.key_file)
        return context

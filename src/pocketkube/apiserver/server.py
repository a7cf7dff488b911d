"""The HTTPS server: connections, TLS, authentication, and errors turned into Status answers.

Listens on a loopback address only. HTTP/1.1. One catch-all handler; `routes` takes it from there.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any, Final

from aiohttp import web

from pocketkube.apiserver import respond, routes
from pocketkube.apiserver.aggregation.servers import Servers
from pocketkube.apiserver.api import Api
from pocketkube.apiserver.authentication import ANONYMOUS, Authenticator
from pocketkube.apiserver.body import LIMIT
from pocketkube.apiserver.connections import Connections
from pocketkube.apiserver.flows import Flows
from pocketkube.apiserver.pki import Pki
from pocketkube.apiserver.policy import Policy
from pocketkube.apiserver.request import Query, Request, split_path
from pocketkube.apiserver.streams.runtime import Dialer, PodRuntime
from pocketkube.apiserver.tokens import Tokens
from pocketkube.apiserver.webhooks.servers import Webhooks
from pocketkube.errors import InternalError, StatusError, StoreFull
from pocketkube.registry import Registry

log = logging.getLogger(__name__)

COMPACTION_INTERVAL: Final = 300.0
"""Seconds; kube-apiserver's --etcd-compaction-interval."""


class ApiServer:
    """Serves `registry`. `runtime` reaches running containers, `dialer` what listens in the cluster (None: 503).

    `anonymous`: requests without credentials are system:anonymous's, not 401. `port` 0 lets the system choose;
    `start` returns the one taken. A taken port raises OSError (EADDRINUSE).
    """

    def __init__(
        self,
        registry: Registry,
        *,
        pki: Pki,
        runtime: PodRuntime | None = None,
        dialer: Dialer | None = None,
        anonymous: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.port = port
        self.tokens = Tokens(registry, pki)
        self._host = host
        self._pki = pki
        self._registry = registry
        self._runtime = runtime
        self._dialer = dialer
        self.servers = Servers(registry, dialer, pki.front_proxy)
        """Other servers, which answer for groups of their own (APIServices)."""
        self.policy = Policy(registry)
        self.flows = Flows(registry)
        self.webhooks = Webhooks(registry, dialer)
        registry.webhooks = self.webhooks.asking
        self._authenticator = Authenticator(pki.token, self.tokens, anonymous=anonymous)
        self._api: Api | None = None
        self._runner: web.ServerRunner | None = None

    async def start(self) -> int:
        """Listen; returns the port."""
        listener = socket.create_server((self._host, self.port), backlog=512)
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        self._api = Api(
            self._registry,
            self.tokens,
            self._authenticator,
            self._runtime,
            self.port,
            self._dialer,
            servers=self.servers,
            policy=self.policy,
            flows=self.flows,
            webhooks=self.webhooks,
        )
        server = Connections(self._handle, request_factory=_make_request, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        try:
            await self._runner.setup()
            site = web.SockSite(self._runner, listener, ssl_context=self._pki.tls_context())
            await site.start()
        except BaseException:
            listener.close()
            raise
        return self.port

    async def run(self) -> None:
        """Let lists no longer go back to what was five minutes ago; every five minutes, as etcd is compacted."""
        while True:
            revision = self._registry.store.revision
            await self._registry.clock.sleep(COMPACTION_INTERVAL)
            if self._api is not None:
                self._api.compacted = revision

    async def stop(self) -> None:
        """End watches, logs and sessions at once, let short requests finish, close the port. May be called twice."""
        runner, self._runner = self._runner, None
        if runner is None or self._api is None:
            return
        self._api.stopping = True
        self._api.stop_following()
        self.servers.stop_following()
        self.policy.stop_following()
        self.flows.stop_following()
        self.webhooks.hooks.stop_following()
        for task in tuple(self._api.streams):
            task.cancel()
        transports = [connection.transport for connection in runner.server.connections] if runner.server else []
        await runner.cleanup()
        # closing TLS politely waits for the client; one that does not answer must not hold the port
        for transport in transports:
            if transport is not None:
                transport.abort()
        await asyncio.sleep(0)

    async def _handle(self, http: web.BaseRequest) -> web.StreamResponse:
        api = self._api
        assert api is not None  # there are no requests before start
        request: Request | None = None
        try:
            path, query = split_path(http.raw_path)
            request = Request(http, http.method, path, Query(query), ANONYMOUS)
            request.user = self._authenticator.user(http)
            response = await routes.dispatch(api, request)
        except StatusError as error:
            response = respond.failure(error, request)
        except StoreFull as error:
            return respond.failure(InternalError(f"the cluster's state could not be written: {error}"))
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception:
            log.exception("%s %s", http.method, http.raw_path)
            return respond.failure(InternalError("unexpected error, see the cluster's log"))
        if request is not None:
            response.headers.update(request.flow)
        return response


def _make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: asyncio.Task[None]) -> web.BaseRequest:
    return web.BaseRequest(message, payload, protocol, writer, task, protocol._loop, client_max_size=LIMIT)

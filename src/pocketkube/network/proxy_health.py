"""What kube-proxy answers on its node: health check node ports, its own health on 10256 and its mode on 10249.

Models pkg/proxy/healthcheck: a load balancer in front of a Service with external policy Local asks every node's health
check node port how many endpoints are there, and sends traffic to those that answer 200. Rules are in force as soon
as they are known here, so the proxy itself is always healthy; /healthz alone also looks at whether the node is going.
Left out: /metrics and /configz on 10249.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from email.utils import formatdate

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.network.http import Handler, Request, Response, serve_forever
from pocketkube.network.podnetwork import PodNetwork
from pocketkube.network.proxy import Proxy
from pocketkube.network.sockets import Listener
from pocketkube.objects import Key, Obj
from pocketkube.store import Event

HEALTHZ, METRICS = 10256, 10249
MODE = "iptables"
GOING = "ToBeDeletedByClusterAutoscaler"


class ProxyHealth:
    """Of one node. `run()` until cancelled."""

    def __init__(self, client: Client, proxy: Proxy, network: PodNetwork, node: str) -> None:
        self._client = client
        self._proxy = proxy
        self._network = network
        self._node = node
        self._open: dict[Key, tuple[int, Listener]] = {}
        self._changed: dict[Key, None] = {}
        self._wake = asyncio.Event()

    async def run(self) -> None:
        stop = self._client.subscribe("services", self._note)
        self._changed.update(dict.fromkeys(objects.key(service) for service in self._client.list("services")))
        try:
            async with asyncio.TaskGroup() as servers:
                servers.create_task(serve_forever(self._listen(HEALTHZ), self._health))
                servers.create_task(serve_forever(self._network.listen(METRICS, "127.0.0.1"), _metrics))
                while True:
                    while self._changed:
                        at = next(iter(self._changed))
                        del self._changed[at]
                        self._sync(at, servers)
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            stop()
            for _, listener in self._open.values():
                listener.close()
            self._open.clear()

    def _note(self, event: Event) -> None:
        if _health_port(event.object) or (event.old is not None and _health_port(event.old)):
            self._changed[objects.key(event.object)] = None
            self._wake.set()

    def _sync(self, at: Key, servers: asyncio.TaskGroup) -> None:
        service = self._client.find("services", *at)
        wanted = _health_port(service) if service is not None else 0
        port, listener = self._open.get(at, (0, None))
        if port == wanted:
            return
        if listener is not None:
            listener.close()
            del self._open[at]
        if wanted and service is not None:
            try:
                listener = self._listen(wanted)
            except OSError as error:
                text = (
                    f'node {self._node} failed to start healthcheck "{at[0]}/{at[1]}" on port {wanted}: '
                    f"listen tcp4 0.0.0.0:{wanted}: bind: {(error.strerror or str(error)).lower()}"
                )
                self._client.record(service, "Warning", "FailedToStartServiceHealthcheck", text)
                return
            self._open[at] = wanted, listener
            servers.create_task(serve_forever(listener, self._local(at)), name=f"health check of {at[0]}/{at[1]}")

    def _listen(self, port: int) -> Listener:
        return self._network.listen(port, "::" if any(":" in a for a in self._network.addresses) else "0.0.0.0")

    def _local(self, at: Key) -> Handler:
        async def answer(request: Request) -> Response:
            count = self._proxy.local_endpoints(at, self._node)
            body = (
                f'{{\n\t"service": {{\n\t\t"namespace": "{at[0]}",\n\t\t"name": "{at[1]}"\n\t}},\n'
                f'\t"localEndpoints": {count},\n\t"serviceProxyHealthy": true\n}}'
            )
            return _json(200 if count else 503, body, ("X-Load-Balancing-Endpoint-Weight", str(count)))

        return answer

    async def _health(self, request: Request) -> Response:
        if request.path not in ("/healthz", "/livez"):
            return _not_found()
        now = self._client.clock.now_micro()
        body: dict[str, object] = {"lastUpdated": now, "currentTime": now}
        healthy = True
        if request.path == "/healthz":
            healthy = self._eligible()
            body["nodeEligible"] = healthy
        body |= {"healthy": True, "status": {kind: {"lastUpdated": now, "healthy": True} for kind in self._families()}}
        return _json(200 if healthy else 503, json.dumps(body, separators=(",", ":")))

    def _eligible(self) -> bool:
        node = self._client.find("nodes", "", self._node)
        if node is None or objects.is_terminating(node):
            return False
        return all(taint["key"] != GOING for taint in objects.spec(node).get("taints") or ())

    def _families(self) -> Iterator[str]:
        for kind, sign in (("IPv4", "."), ("IPv6", ":")):
            if any(sign in address for address in self._network.addresses if address not in ("127.0.0.1", "::1")):
                yield kind


async def _metrics(request: Request) -> Response:
    if request.path == "/proxyMode":
        return _text(200, MODE)
    return _text(200, "ok") if request.path == "/healthz" else _not_found()


def _health_port(service: Obj) -> int:
    """The health check node port; 0 for none (the API gives one where the policy asks for it)."""
    return int(objects.spec(service).get("healthCheckNodePort") or 0)


def _json(status: int, body: str, *headers: tuple[str, str]) -> Response:
    sent = [("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff"), *headers]
    return Response(status, [*sent, ("Date", formatdate(usegmt=True))], body.encode())


def _text(status: int, body: str) -> Response:
    sent = [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")]
    return Response(status, [*sent, ("Date", formatdate(usegmt=True))], body.encode())


def _not_found() -> Response:
    return _text(404, "404 page not found\n")

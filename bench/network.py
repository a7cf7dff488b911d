"""The data plane's figures, from inside: the cluster runs in this process, the client is an address of its fabric."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter

import uvloop
from dnslib import DNSRecord

from bench.cases import Figure
from pocketkube import objects
from pocketkube.client import Client
from pocketkube.cluster import Cluster, Config
from pocketkube.network import http
from pocketkube.network.podnetwork import PodNetwork
from pocketkube.network.route import Sender
from pocketkube.objects import Obj
from pocketkube.store import Event

NAMESPACE = "bench"
LABELS = {"app": "web"}
AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"


def service_http() -> Iterator[Figure]:
    """Requests to a ClusterIP with 3 netexec pods behind it, 8 at a time."""
    each, kept = uvloop.run(_service_http())
    target = ">= 1,500"
    yield Figure("HTTP through a Service, 3 endpoints: a connection each", each, "/s", target, 0)
    yield Figure("HTTP through a Service, 3 endpoints: kept connections", kept, "/s", target, 0)


def endpoint_latency() -> Iterator[Figure]:
    """From a Pod's condition Ready, or its deletion, until the proxy sends there, or no longer, and DNS says so."""
    ready, gone = uvloop.run(_endpoint_latency())
    yield Figure("a Pod Ready: endpoint in proxy and DNS", ready * 1000, "ms", "<= 20", 1)
    yield Figure("a Pod deleted: endpoint out of proxy and DNS", gone * 1000, "ms", "<= 20", 1)


def endpointslices() -> Iterator[Figure]:
    """5,000 endpoints in one Service; one Pod changes."""
    slices, rewritten, took = uvloop.run(_endpointslices())
    yield Figure("5,000 endpoints: slices", slices, "", "50", 0)
    yield Figure("5,000 endpoints, one Pod changes: slices rewritten", rewritten, "", "1", 0)
    yield Figure("5,000 endpoints, one Pod changes: until it is written", took * 1000, "ms", "", 1)


CASES: list[Callable[[], Iterator[Figure]]] = [service_http, endpoint_latency, endpointslices]


# -- how


@contextlib.asynccontextmanager
async def cluster() -> AsyncIterator[tuple[Cluster, Client, PodNetwork]]:
    """A cluster, its admin, and the network of a client that is like a pod on the first worker."""
    async with Cluster(Config(Path(os.environ["KINDLAB_HOME"]) / "inside", host_ports=False)) as running:
        client = Client(running.registry, "bench")
        client.create("namespaces", {"metadata": {"name": NAMESPACE}})
        await _until(client, lambda: client.find("serviceaccounts", NAMESPACE, "default") is not None)
        yield running, client, running.fabric.attach("10.244.1.254", "bench", node="pocket-worker")


async def _service_http() -> tuple[float, float]:
    async with cluster() as (_, client, network):
        for number in range(3):
            client.create("pods", _pod(f"web-{number}"))
        _service(client, "web")
        await _until(client, lambda: len(_ready(client)) == 3)
        address = client.get("services", NAMESPACE, "web")["spec"]["clusterIP"]
        headers = [("Host", "web"), ("User-Agent", "bench")]

        async def one() -> None:
            answer = await http.request(lambda: network.connect(address, 80), "GET", "/hostname", headers)
            assert answer.status == 200

        async def each(count: int) -> None:
            for _ in range(count):
                await one()

        async def kept(count: int) -> None:
            exchange = http.Exchange(await network.connect(address, 80))
            for _ in range(count):
                await exchange.send("GET", "/hostname", headers)
                assert (await exchange.head()).status == 200
                async for _ in exchange.body():
                    pass
            exchange.stream.close()

        return await _rate(each, 6000), await _rate(kept, 12000)


async def _rate(work: Callable[[int], Coroutine[None, None, None]], count: int, at_once: int = 8) -> float:
    began = perf_counter()
    await asyncio.gather(*(work(count // at_once) for _ in range(at_once)))
    return count / (perf_counter() - began)


async def _endpoint_latency() -> tuple[float, float]:
    async with cluster() as (running, client, network):
        _service(client, "web", clusterIP="None")
        _service(client, "proxied")
        address = client.get("services", NAMESPACE, "proxied")["spec"]["clusterIP"]
        became: dict[str, float] = {}

        def note(event: Event) -> None:
            if objects.condition_status(event.object, "Ready") == "True":
                became.setdefault(objects.name(event.object), perf_counter())

        client.subscribe("pods", note)
        sender = Sender(network.address, "pocket-worker")

        def proxied() -> str | None:
            try:
                route = running.fabric.route(sender, address, 80, "TCP")
            except ConnectionRefusedError:
                return None
            return route.address if route is not None else None

        dns = network.bind_udp()
        dns.connect(("10.96.0.10", 53))
        question = DNSRecord.question(f"web.{NAMESPACE}.svc.cluster.local").pack()

        async def named() -> list[str]:
            while True:
                with contextlib.suppress(ConnectionRefusedError, TimeoutError):  # CoreDNS is starting
                    dns.send(question)
                    async with asyncio.timeout(1):
                        data, _ = await dns.recvfrom()
                    return [str(record.rdata) for record in DNSRecord.parse(data).rr]
                await asyncio.sleep(0.01)

        await named()
        ready, gone = [], []
        for number in range(9):
            name = f"web-{number}"
            client.create("pods", _pod(name))
            while name not in became:  # noqa: ASYNC110 - asked again and again on purpose
                await asyncio.sleep(0)
            while proxied() is None or not await named():  # noqa: ASYNC110 - asked again and again on purpose
                await asyncio.sleep(0)
            ready.append(perf_counter() - became[name])
            began = perf_counter()
            client.delete("pods", (NAMESPACE, name))
            while _ready(client) or await named():  # noqa: ASYNC110 - asked again and again on purpose
                await asyncio.sleep(0)
            gone.append(perf_counter() - began)
            await _until(client, lambda name=name: client.find("pods", NAMESPACE, name) is None)
        return median(ready), median(gone)


async def _endpointslices() -> tuple[int, int, float]:
    async with cluster() as (_, client, _network):
        written: list[str] = []
        for number in range(5000):
            client.create("pods", _pod(f"p-{number}", nodeName="nobody"))
        client.create("nodes", {"metadata": {"name": "nobody"}})  # no kubelet: what is written of its pods stays
        for number in range(5000):
            _set_ready(client, number, "True")
        _service(client, "web")
        await _until(client, lambda: len(_ready(client)) == 5000)
        client.subscribe("endpointslices", lambda event: written.append(objects.name(event.object)))
        slices = len(client.list("endpointslices", NAMESPACE))
        took = []
        for number in range(5):
            await asyncio.sleep(1)  # the controller rests after so much work
            written.clear()
            began = perf_counter()
            _set_ready(client, number * 997, "False")
            await _until(client, lambda number=number: len(_ready(client)) == 4999 - number)
            took.append(perf_counter() - began)
            assert len(written) == 1, written
        return slices, len(written), median(took)


def _set_ready(client: Client, number: int, status: str) -> None:
    def change(pod: Obj) -> None:
        address = f"10.250.{number // 250}.{number % 250 + 1}"
        pod["status"] |= {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "conditions": [{"type": "Ready", "status": status, "lastTransitionTime": client.clock.now()}],
        }

    client.patch("pods", (NAMESPACE, f"p-{number}"), change, subresource="status")


def _pod(name: str, **spec: object) -> Obj:
    container = {"name": "c", "image": AGNHOST, "args": ["netexec", "--http-port=8080"]}
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": LABELS},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1, **spec},
    }


def _service(client: Client, name: str, **spec: object) -> None:
    body = {"selector": LABELS, "ports": [{"port": 80, "targetPort": 8080}], **spec}
    client.create("services", {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": body})


def _ready(client: Client) -> set[str]:
    """Names of the pods that are ready endpoints."""
    return {
        endpoint["targetRef"]["name"]
        for piece in client.list("endpointslices", NAMESPACE)
        for endpoint in piece.get("endpoints") or ()
        if endpoint["conditions"]["ready"]
    }


async def _until(client: Client, holds: Callable[[], bool]) -> None:
    changed = asyncio.Event()
    stops = [client.subscribe(r, lambda _: changed.set()) for r in ("pods", "endpointslices", "serviceaccounts")]
    try:
        async with asyncio.timeout(120):
            while not holds():
                changed.clear()
                await changed.wait()
    finally:
        for stop in stops:
            stop()

"""Traefik as a program: flags, what it follows, what it logs, how it ends. What it routes: network/ingress."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.pocketkube.images.conftest import Pod, Running
from tests.unit.pocketkube.resources.direct import namespace, registry

from pocketkube.client import Client
from pocketkube.images.programs.traefik.flags import BadFlag, parse
from pocketkube.network import http
from pocketkube.network.fabric import Fabric
from pocketkube.network.http import Request, Response
from pocketkube.network.ingress.settings import EntryPoint
from pocketkube.objects import Obj

IMAGE = "docker.io/library/traefik:v3.7.11"
ADDON = list(yaml.safe_load_all(resources.files("pocketkube").joinpath("data/addons/traefik.yaml").read_text()))
REAL = Path(__file__).parents[4] / "cluster-config" / "addons" / "traefik" / "traefik.yaml"
FLAGS = ["--entryPoints.traefik.address=:8080", "--entryPoints.web.address=:80", "--entryPoints.websecure.address=:443"]
FLAGS += ["--entryPoints.websecure.http.tls=true", "--ping=true", "--log.level=INFO", "--providers.kubernetesingress"]
FLAGS += ["--providers.kubernetesingress.ingressendpoint.hostname=localhost"]


def addon(kind: str) -> Obj:
    found: Obj = next(obj for obj in ADDON if obj["kind"] == kind)
    return found


def arguments() -> list[str]:
    found: list[str] = addon("Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
    return found


class Shop:
    """A registry with a Service `web`, its one endpoint a server of this test's, and Traefik in a Pod beside it."""

    def __init__(self, fabric: Fabric, make: Callable[..., Pod], *, lent: bool = True) -> None:
        self.registry = registry()
        namespace(self.registry, "shop")
        self.pod = make(IMAGE, "traefik")
        self.backend = fabric.attach("10.244.1.99", "web", node="node-1")
        self.asked = asyncio.Event()
        self.running: list[Running] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        controller = {"controller": "traefik.io/ingress-controller"}
        self.registry.create("ingressclasses", {"metadata": {"name": "traefik"}, "spec": controller})
        self.create("services", "web", spec={"ports": [{"name": "http", "port": 80, "targetPort": 8080}]})
        self.create(
            "endpointslices",
            "web-1",
            labels={"kubernetes.io/service-name": "web"},
            addressType="IPv4",
            endpoints=[{"addresses": ["10.244.1.99"], "conditions": {"ready": True}}],
            ports=[{"name": "http", "port": 8080, "protocol": "TCP"}],
        )
        if lent:
            self.pod.namespace.services = {"ingress": Client(self.registry, "traefik")}

    def create(self, resource: str, name: str, *, labels: dict[str, str] | None = None, **fields: Any) -> Obj:
        meta = {"name": name, "namespace": "shop", "labels": labels or {}}
        return self.registry.create(resource, {"metadata": meta, **fields})

    def ingress(self, name: str, host: str, service: str = "web", **spec: Any) -> Obj:
        backend = {"service": {"name": service, "port": {"number": 80}}}
        rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
        return self.create("ingresses", name, spec={"ingressClassName": "traefik", "rules": [rule], **spec})

    async def serve(self) -> None:
        await http.serve_forever(self.backend.listen(8080), self._answer)

    async def _answer(self, request: Request) -> Response:
        self.asked.set()
        await self.go_on.wait()
        return Response(200, [("Content-Type", "text/plain")], b"hello")

    async def start(self, *flags: str) -> Running:
        running = self.pod.start("/entrypoint.sh", *(flags or FLAGS))
        self.running.append(running)
        await running.says("Starting provider aggregator")
        return running

    async def get(self, host: str, port: int = 80, target: str = "/") -> tuple[int, bytes]:
        answer = await http.request(
            lambda: self.backend.connect(self.pod.net.address, port), "GET", target, [("Host", host)], b"", 20
        )
        return answer.status, answer.body

    async def becomes(self, host: str, status: int) -> None:
        async with asyncio.timeout(10):
            while (await self.get(host))[0] != status:  # noqa: ASYNC110 - that is what is waited for
                await asyncio.sleep(0)

    def events(self) -> list[tuple[str, str, int]]:
        found = self.registry.objects("events", "shop")
        return [(event["involvedObject"]["name"], event["reason"], event["count"]) for event in found]


@pytest.fixture
async def shop(fabric: Fabric, pod: Callable[..., Pod]) -> AsyncIterator[Shop]:
    made = Shop(fabric, pod)
    serving = asyncio.ensure_future(made.serve())
    await asyncio.sleep(0)
    yield made
    for running in made.running:
        running.process.signal(signal.SIGKILL)
        await running.ended()
    serving.cancel()


# -- flags


def test_every_flag_of_the_addon_is_modelled() -> None:
    static = parse(arguments())
    assert static.left_out == []
    assert static.entry_points == [EntryPoint("web", 80), EntryPoint("websecure", 443, tls=True)]
    assert (static.ping_port, static.ingress, static.gateway) == (8080, True, True)
    assert static.published == static.gateway_addresses == ({"hostname": "localhost"},)


def _without_the_charts_labels(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if k not in ("helm.sh/chart", "app.kubernetes.io/managed-by")}
        return {key: _without_the_charts_labels(one) for key, one in kept.items()}
    return [_without_the_charts_labels(one) for one in value] if isinstance(value, list) else value


def test_the_addon_is_what_a_real_cluster_gets_from_this_course() -> None:
    """But for its rights, which the program here does not use, and a sysctl, which the fabric has no use for."""
    real = {(obj["kind"], obj["metadata"]["name"]): obj for obj in yaml.safe_load_all(REAL.read_text())}
    del real["Deployment", "traefik"]["spec"]["template"]["spec"]["securityContext"]["sysctls"]
    rights = {key for key in real if key[0] in ("ClusterRole", "ClusterRoleBinding")}
    here = {(obj["kind"], obj["metadata"]["name"]): _without_the_charts_labels(obj) for obj in ADDON}
    assert {key: obj for key, obj in real.items() if key not in rights} == here
    assert len(rights) == 2


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("--nonsense=1", "field not found, node: nonsense"),
        ("serve", "field not found, node: serve"),
        ("--entryPoints.web.address=80/udp", "invalid address '80/udp'"),
        ("--log.level=LOUD", "invalid log level: LOUD"),
    ],
)
def test_flags_that_do_not_exist_end_it(word: str, text: str) -> None:
    with pytest.raises(BadFlag, match=text):
        parse([word])


def test_flags_that_are_not_modelled_are_told() -> None:
    words = ["--providers.docker=true", "--providers.kubernetesingress.strictPrefixMatching=false", "--api.dashboard"]
    assert parse(words).left_out == words[:2]


async def test_a_bad_flag_ends_the_program(pod: Callable[..., Pod]) -> None:
    ran = await pod(IMAGE).run("/entrypoint.sh", "traefik", "--nonsense")
    assert (ran.status, ran.err) == (
        1,
        "command traefik error: failed to decode configuration from flags: field not found, node: nonsense\n",
    )


# -- at work


async def test_it_follows_ingresses_and_answers_ping(shop: Shop) -> None:
    running = await shop.start()
    assert await shop.get("traefik", 8080, "/ping") == (200, b"OK")
    assert await shop.get("a.example.com") == (404, b"404 page not found\n")
    shop.ingress("web", "a.example.com")
    await shop.becomes("a.example.com", 200)
    await running.says("Updated ingress status ingress=web namespace=shop")
    status = shop.registry.get("ingresses", "shop", "web")["status"]
    assert status == {"loadBalancer": {"ingress": [{"hostname": "localhost"}]}}
    shop.registry.delete("ingresses", "shop", "web")
    await shop.becomes("a.example.com", 404)


async def test_a_status_is_restored_and_taken_back(shop: Shop) -> None:
    shop.ingress("web", "a.example.com")
    await shop.start()
    await shop.becomes("a.example.com", 200)

    def state() -> Any:
        return shop.registry.get("ingresses", "shop", "web")["status"]["loadBalancer"]

    assert state() == {"ingress": [{"hostname": "localhost"}]}
    shop.registry.patch(
        "ingresses", "shop", "web", lambda obj: obj["status"].update(loadBalancer={}), subresource="status"
    )
    async with asyncio.timeout(10):
        while not state():  # noqa: ASYNC110
            await asyncio.sleep(0)
    shop.registry.patch("ingresses", "shop", "web", lambda obj: obj["spec"].update(ingressClassName="other"))
    await shop.becomes("a.example.com", 404)
    assert state() == {}


async def test_what_is_wrong_is_told_once(shop: Shop) -> None:
    shop.ingress("web", "a.example.com", "missing", tls=[{"hosts": ["a.example.com"], "secretName": "none"}])
    running = await shop.start()
    await running.says("Cannot create service")
    shop.ingress("other", "b.example.com")  # another turn
    await shop.becomes("b.example.com", 200)
    assert shop.events() == [("web", "TLSSecretNotFound", 1), ("web", "ServiceNotFound", 1)]
    tls, line = [text for text in running.out.splitlines() if " ERR " in text]
    assert line.endswith(
        ' ERR Cannot create service error="service not found" ingress=web namespace=shop providerName=kubernetes '
        "serviceName=missing servicePort=&ServiceBackendPort{Name:,Number:80,}"
    )
    assert 'ERR Error configuring TLS error="secret shop/none does not exist" ingress=web' in tls
    message = shop.registry.objects("events", "shop")[1]["message"]
    assert message == (
        "a.example.com/ is not served (404): service not found. There is no Service 'missing' in namespace shop: "
        "create it, or correct the name"
    )


async def test_outside_its_namespace_it_is_lent_nothing(fabric: Fabric, pod: Callable[..., Pod]) -> None:
    alone = Shop(fabric, pod, lent=False)
    alone.ingress("web", "a.example.com")
    running = await alone.start()
    await running.says("is forbidden")
    assert (await alone.get("a.example.com"))[0] == 404
    assert (await alone.get("traefik", 8080, "/ping"))[0] == 200
    running.process.signal(signal.SIGTERM)
    assert (await running.ended()).status == 0


async def test_the_access_log_is_off_until_asked_for(shop: Shop) -> None:
    shop.ingress("web", "a.example.com")
    running = await shop.start(*FLAGS, "--accesslog=true")
    await shop.becomes("a.example.com", 200)
    await running.says('"GET / HTTP/1.1" 200')


async def test_middlewares_come_from_files(shop: Shop) -> None:
    shop.pod.fs.mkdir("/etc/traefik/dynamic", parents=True)
    shop.pod.fs.write_bytes("/etc/traefik/dynamic/config.yml", addon("ConfigMap")["data"]["config.yml"].encode())
    shop.pod.fs.write_bytes("/etc/traefik/dynamic/more.yaml", b"tcp: {routers: {a: {rule: x}}}")
    meta = {"name": "web", "namespace": "shop"}
    annotations = {"traefik.ingress.kubernetes.io/router.middlewares": "redirect-to-https@file"}
    made = shop.ingress("web", "a.example.com")
    shop.registry.update("ingresses", {**made, "metadata": {**made["metadata"], **meta, "annotations": annotations}})
    running = await shop.start(*FLAGS, "--providers.file.directory=/etc/traefik/dynamic")
    await shop.becomes("a.example.com", 301)
    assert "pocketkube leaves out tcp.routers.a.rule" in running.out


async def test_it_finishes_what_is_under_way_before_it_goes(shop: Shop) -> None:
    shop.ingress("web", "a.example.com")
    running = await shop.start()
    await shop.becomes("a.example.com", 200)
    shop.asked.clear()
    shop.go_on.clear()
    asking = asyncio.ensure_future(shop.get("a.example.com"))
    await shop.asked.wait()
    running.process.signal(signal.SIGTERM)
    await running.says("Stopping server gracefully")
    assert (await shop.get("traefik", 8080, "/ping"))[0] == 503
    with pytest.raises(ConnectionRefusedError):
        await shop.get("a.example.com")
    shop.go_on.set()
    assert await asking == (200, b"hello")
    ended = await running.ended()
    assert ended.status == 0
    assert [line.partition(" INF ")[2] for line in ended.out.splitlines()[-4:]] == [
        "I have to go...",
        "Stopping server gracefully",
        "Server stopped",
        "Shutting down",
    ]


async def test_a_request_that_never_ends_is_cut_off(shop: Shop) -> None:
    shop.ingress("web", "a.example.com")
    running = await shop.start()
    await shop.becomes("a.example.com", 200)
    shop.asked.clear()
    shop.go_on.clear()
    asking = asyncio.ensure_future(shop.get("a.example.com"))
    await shop.asked.wait()
    running.process.signal(signal.SIGTERM)
    assert (await running.ended()).status == 0
    with pytest.raises((OSError, http.ProtocolError)):
        await asking

"""metrics-server: what it answers, to whom, and what it makes of the readings it gets."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.pocketkube.images.conftest import Pod, Running

from pocketkube.apiserver.pki import Pki
from pocketkube.client import Client
from pocketkube.images.programs.metrics_server.storage import Storage
from pocketkube.kubelet.usage import ContainerUsage, NodeUsage, Usage
from pocketkube.network import http, tls
from pocketkube.objects import Obj
from pocketkube.quantity import parse
from pocketkube.registry import Registry
from pocketkube.store import Store

IMAGE = "registry.k8s.io/metrics-server/metrics-server:v0.8.1"
API = "/apis/metrics.k8s.io/v1beta1"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
MIB = 1 << 20


def reading(time: float, *containers: ContainerUsage, node: str = "node-1", cpu: float = 0.0) -> NodeUsage:
    return NodeUsage(node, time, 0.0, Usage(cpu, 300 * MIB), containers)


def used(cpu: float, memory: int = 5 * MIB, *, name: str = "c", pod: str = "a", started: float = 0.0) -> ContainerUsage:
    return ContainerUsage("test", pod, name, started, Usage(cpu, memory))


# -- what it keeps


def test_a_rate_takes_two_readings() -> None:
    storage = Storage()
    storage.store([reading(10.0, used(1.0), cpu=2.0)])
    assert not storage.ready
    assert storage.node("node-1") is None
    assert storage.pod(("test", "a")) is None
    storage.store([reading(12.0, used(1.5), cpu=2.5)])
    assert storage.ready
    node, pod = storage.node("node-1"), storage.pod(("test", "a"))
    assert node is not None
    assert (node.time, node.window, node.usage) == (12.0, 2.0, {"cpu": "250m", "memory": "300Mi"})
    assert pod is not None
    assert pod[1] == {"c": {"cpu": "250m", "memory": "5Mi"}}


def test_a_container_that_started_anew_starts_anew() -> None:
    storage = Storage()
    for moment, container in (10.0, used(5.0)), (12.0, used(0.1, started=11.0)):
        storage.store([reading(moment, container)])
    assert storage.pod(("test", "a")) is None
    storage.store([reading(14.0, used(0.3, started=11.0))])
    found = storage.pod(("test", "a"))
    assert found is not None
    assert found[1]["c"]["cpu"] == "100m"


def test_a_pod_is_told_of_once_every_container_is() -> None:
    storage = Storage()
    storage.store([reading(10.0, used(1.0))])
    storage.store([reading(12.0, used(1.0), used(0.0, name="late", started=11.0))])
    assert storage.pod(("test", "a")) is None
    storage.store([reading(14.0, used(1.0), used(0.0, name="late", started=11.0))])
    found = storage.pod(("test", "a"))
    assert found is not None
    assert set(found[1]) == {"c", "late"}
    storage.store([reading(16.0)])
    assert storage.pod(("test", "a")) is None, "what is gone is forgotten"


@given(st.lists(st.tuples(st.floats(0.01, 60), st.floats(0, 8), st.integers(0, 1 << 40)), min_size=2, max_size=8))
def test_what_was_used_is_what_is_told(looks: list[tuple[float, float, int]]) -> None:
    storage, now, cpu = Storage(), 100.0, 0.0
    for step, cores, memory in looks:
        now, cpu = now + step, cpu + cores * step
        storage.store([reading(now, used(cpu, memory))])
    found = storage.pod(("test", "a"))
    assert found is not None
    step, cores, memory = looks[-1]
    assert float(parse(found[1]["c"]["cpu"])) == pytest.approx(cores, abs=1e-6)
    assert parse(found[1]["c"]["memory"]) == memory
    assert found[0].window == pytest.approx(step)


def test_nobody_divides_by_no_time() -> None:
    storage = Storage()
    for _ in range(3):
        storage.store([reading(10.0, used(1.0))])
    assert storage.pod(("test", "a")) is None


# -- what it answers


class Server:
    """The program in a pod, with a registry to know nodes and pods by, and somebody to ask it."""

    def __init__(self, pod: Pod, folder: Path) -> None:
        self.pod, self.pki = pod, Pki(folder / "pki")
        self.registry = Registry(Store(None), pod.net.fabric.clock, {})
        for name in "kube-system", "test":
            self.registry.create("namespaces", {"metadata": {"name": name}})
        self.registry.create("serviceaccounts", {"metadata": {"name": "default", "namespace": "test"}})
        meta = {"name": "extension-apiserver-authentication", "namespace": "kube-system"}
        data = {"requestheader-client-ca-file": self.pki.front_proxy_ca_pem}
        self.registry.create("configmaps", {"metadata": meta, "data": data})
        client = Client(self.registry, "metrics-server")
        pod.namespace.services = {"usage": self._usage, "metrics": client}

    def _usage(self) -> list[NodeUsage]:
        now = self.registry.clock.time()
        containers = used(now / 4), used(0.0, name="side"), used(0.0, pod="done")
        return [reading(now, *containers, cpu=now / 2)]

    def node(self, name: str, **labels: str) -> None:
        self.registry.create("nodes", {"metadata": {"name": name, "labels": labels}})

    def runs(self, name: str, phase: str = "Running", **labels: str) -> None:
        meta = {"name": name, "namespace": "test", "labels": labels}
        spec = {"containers": [{"name": "c", "image": "busybox"}]}
        self.registry.create("pods", {"metadata": meta, "spec": spec})

        def write(copy: Obj) -> None:
            copy["status"]["phase"] = phase

        self.registry.patch("pods", "test", name, write, subresource="status")

    async def start(self, *arguments: str) -> Running:
        words = (
            "--cert-dir=/tmp",
            "--secure-port=10250",
            "--kubelet-insecure-tls",
            "--metric-resolution=1s",
            *arguments,
        )
        running = self.pod.start("/metrics-server", *words)
        await running.says("Serving securely on [::]:10250")
        return running

    async def ask(self, path: str, method: str = "GET", *, proxied: bool = True, **headers: str) -> tuple[int, Any]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if proxied:
            context.load_cert_chain(*self.pki.front_proxy)

        async def connect() -> tls.TlsStream:
            return await tls.client(await self.pod.net.connect("127.0.0.1", 10250), context, "x")

        sent = [("Host", "x"), ("X-Remote-User", "somebody"), *headers.items()]
        answer = await http.request(connect, method, path, sent, b"", 20)
        return answer.status, json.loads(answer.text) if "json" in answer.header("content-type") else answer.text


@pytest.fixture
def server(pod: Callable[..., Pod], tmp_path: Path) -> Server:
    return Server(pod(IMAGE, "metrics"), tmp_path)


@pytest.fixture
async def measured(server: Server) -> AsyncIterator[Server]:
    """Of the nodes node-1 is measured; of the pods a is, b is too young, done has finished. c uses a quarter core."""
    server.node("node-1", zone="a")
    server.node("node-2")
    server.runs("a", app="m", n="1")
    server.runs("b", app="m", n="2")
    server.runs("done", "Succeeded", app="m")
    running = await server.start()
    async with asyncio.timeout(20):
        while (await server.ask("/readyz"))[0] != 200:
            pass
    yield server
    running.process.signal(signal.SIGTERM)
    assert (await running.ended()).status == 0


async def test_discovery(measured: Server) -> None:
    assert [group["name"] for group in (await measured.ask("/apis"))[1]["groups"]] == ["metrics.k8s.io"]
    assert (await measured.ask("/apis/metrics.k8s.io"))[1]["preferredVersion"]["version"] == "v1beta1"
    found = (await measured.ask(API))[1]["resources"]
    assert [(one["name"], one["kind"], one["verbs"]) for one in found] == [
        ("nodes", "NodeMetrics", ["get", "list"]),
        ("pods", "PodMetrics", ["get", "list"]),
    ]


async def test_objects_and_lists(measured: Server) -> None:
    code, node = await measured.ask(f"{API}/nodes/node-1")
    assert (code, node["kind"], node["metadata"]["labels"]) == (200, "NodeMetrics", {"zone": "a"})
    assert node["usage"]["memory"] == "300Mi"
    code, nodes = await measured.ask(f"{API}/nodes")
    assert (nodes["kind"], [one["metadata"]["name"] for one in nodes["items"]]) == ("NodeMetricsList", ["node-1"])
    for path in f"{API}/pods", f"{API}/namespaces/test/pods", f"{API}/namespaces/test/pods?labelSelector=n%3D1":
        code, pods = await measured.ask(path)
        assert (pods["kind"], [one["metadata"]["name"] for one in pods["items"]]) == ("PodMetricsList", ["a"])
        assert "kind" not in pods["items"][0]
        containers = {one["name"]: one["usage"] for one in pods["items"][0]["containers"]}
        assert float(parse(containers["c"]["cpu"])) == pytest.approx(0.25, abs=1e-6)
        assert containers["side"] == {"cpu": "0", "memory": "5Mi"}
    for none in "labelSelector=n%3D2", "fieldSelector=metadata.name%3Db":
        assert (await measured.ask(f"{API}/pods?{none}"))[1]["items"] == []


async def test_tables(measured: Server) -> None:
    _, table = await measured.ask(f"{API}/namespaces/test/pods", Accept=TABLE)
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "cpu", "memory", "Window"]
    (row,) = table["rows"]
    assert (row["cells"][0], row["cells"][2]) == ("a", "10Mi")
    assert row["object"]["kind"] == "PartialObjectMetadata"


@pytest.mark.parametrize(
    ("method", "path", "code", "message"),
    [
        ("GET", "nodes/nope", 404, 'node "nope" not found'),
        ("GET", "nodes/node-2", 404, 'nodemetrics.metrics.k8s.io "node-2" not found'),
        ("GET", "namespaces/test/pods/nope", 404, 'pods "nope" not found'),
        ("GET", "namespaces/test/pods/done", 404, 'pods "done" not found'),
        ("GET", "namespaces/test/pods/b", 404, 'podmetrics.metrics.k8s.io "test/b" not found'),
        ("GET", "services", 404, "the server could not find the requested resource"),
        ("DELETE", "nodes/node-1", 405, "the server does not allow this method on the requested resource"),
        ("GET", "pods?watch=true", 405, 'watch is not supported on resources of kind "pods.metrics.k8s.io"'),
        ("GET", "pods?fieldSelector=spec.nodeName%3Dx", 400, "field label not supported: spec.nodeName"),
        ("GET", "pods?labelSelector=a%20b", 400, None),
    ],
)
async def test_errors(measured: Server, method: str, path: str, code: int, message: str | None) -> None:
    status, body = await measured.ask(f"{API}/{path}", method)
    assert (status, body["kind"]) == (code, "Status")
    assert message in (None, body["message"])


async def test_it_answers_the_api_server_alone(measured: Server) -> None:
    status, body = await measured.ask(f"{API}/nodes", proxied=False)
    assert (status, body["reason"]) == (403, "Forbidden")
    assert body["message"] == f'forbidden: User "system:anonymous" cannot get path "{API}/nodes"'
    assert await measured.ask("/livez", proxied=False) == (200, "ok")


async def test_before_the_second_look_it_is_not_ready(server: Server) -> None:
    await server.start("--metric-resolution=1h")
    status, text = await server.ask("/readyz")
    assert (status, text.splitlines()[-1]) == (500, "readyz check failed")
    assert "[-]metric-storage-ready failed: reason withheld" in text
    assert await server.ask("/livez") == (200, "ok")


async def test_elsewhere_it_is_lent_nothing(server: Server) -> None:
    server.pod.namespace.services = {}
    ran = await server.pod.run("/metrics-server", "--cert-dir=/tmp")
    assert ran.status == 1
    assert "run this one there" in ran.err


async def test_a_flag_it_does_not_have_ends_it(server: Server) -> None:
    ran = await server.pod.run("/metrics-server", "--no-such-flag")
    assert (ran.status, ran.err) == (1, "Error: unknown flag: --no-such-flag\n")

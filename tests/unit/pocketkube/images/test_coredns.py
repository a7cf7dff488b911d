import asyncio
import signal
from importlib import resources
from typing import Any

import pytest
import yaml
from tests.unit.pocketkube.network.conftest import World

from pocketkube.images import coredns
from pocketkube.images.corefile import CorefileError, parse
from pocketkube.kubelet.filesystem import FileSystem
from pocketkube.kubelet.pid_namespace import PidNamespace
from pocketkube.kubelet.process import Process
from pocketkube.network import resolver
from pocketkube.network.dns import Zone
from pocketkube.network.fabric import Fabric
from pocketkube.network.http import Response, request

MANIFESTS = list(yaml.safe_load_all(resources.files("pocketkube").joinpath("data/addons/coredns.yaml").read_text()))
COREFILE = next(m for m in MANIFESTS if m["kind"] == "ConfigMap")["data"]["Corefile"]


class Output:
    def __init__(self) -> None:
        self.text = ""

    async def write(self, data: bytes, /) -> None:
        self.text += data.decode()


class Dns:
    """A coredns process of its own and somebody to ask it."""

    def __init__(self, text: str = COREFILE) -> None:
        world = World()
        world.clock.speed = 50
        world.apply("namespaces", {"metadata": {"name": "lab"}})
        world.service("web", "10.96.0.7", {"port": 80})
        self.fabric = Fabric(world.clock)
        self.fabric.attach("172.18.0.3", "worker")
        self.net = self.fabric.attach("10.244.1.2", "coredns", node="worker")
        self.client = self.fabric.attach("10.244.1.3", "client", node="worker")
        fs = FileSystem()
        fs.mkdir("/etc/coredns", parents=True)
        fs.write_bytes("/etc/coredns/Corefile", text.encode())
        fs.write_bytes("/etc/resolv.conf", b"nameserver 10.244.1.2\noptions timeout:5 attempts:1\n")
        self.namespace = PidNamespace(fs=fs, net=self.net, commands={}, clock=world.clock)
        self.namespace.services = {"dns": Zone(world.client, {})}
        self.asking = PidNamespace(fs=fs, net=self.client, commands={}, clock=world.clock)
        self.log = Output()

    def start(self) -> Process:
        argv = ["/coredns", "-conf", "/etc/coredns/Corefile"]
        return self.namespace.spawn(coredns.main, argv, env={}, fds={1: self.log, 2: self.log})

    async def started(self) -> Process:
        process = self.start()
        async with asyncio.timeout(10):
            while "CoreDNS-" not in self.log.text:  # noqa: ASYNC110
                await asyncio.sleep(0)
        return process

    async def lookup(self, name: str) -> list[str]:
        asking = Process(self.asking, 1, ["x"], env={}, cwd="/", fds={}, parent=None, uid=0, gid=0)
        return await resolver.lookup(asking, name)

    async def get(self, port: int, path: str) -> Response:
        return await request(lambda: self.client.connect("10.244.1.2", port), "GET", path, [("Host", "dns")])


async def test_it_answers_and_says_that_it_is_well() -> None:
    dns = Dns()
    await dns.started()
    assert await dns.lookup("web.lab.svc.cluster.local") == ["10.96.0.7"]
    assert ((await dns.get(8080, "/health")).text, (await dns.get(8181, "/ready")).text) == ("OK", "OK")
    assert 'coredns_dns_requests_total{family="1",proto="udp"} 1' in (await dns.get(9153, "/metrics")).text
    lines = dns.log.text.splitlines()
    assert lines[1] == ".:53"
    assert lines[2].startswith("[INFO] plugin/reload: Running configuration SHA512 = ")
    assert lines[3] == "CoreDNS-1.14.2"


async def test_it_serves_on_while_it_is_a_lame_duck() -> None:
    dns = Dns()
    process = await dns.started()
    process.signal(signal.SIGTERM)
    assert await dns.lookup("web.lab.svc.cluster.local") == ["10.96.0.7"]
    assert await process.wait() == 0
    assert "[INFO] plugin/health: Going into lameduck mode for 5s\n" in dns.log.text
    with pytest.raises(resolver.TemporaryFailure):
        await dns.lookup("web.lab.svc.cluster.local")
    with pytest.raises(ConnectionRefusedError):
        await dns.get(8080, "/health")


async def test_a_broken_corefile_ends_it_with_coredns_own_words() -> None:
    dns = Dns(COREFILE.replace("loadbalance", "loadbalanse"))
    assert await dns.start().wait() == 1
    line = 1 + COREFILE.splitlines().index("    loadbalance")
    text = f"/etc/coredns/Corefile:{line} - Error during parsing: Unknown directive 'loadbalanse'\n"
    assert dns.log.text.endswith(text)


async def test_without_the_kubernetes_plugin_it_is_not_ready() -> None:
    dns = Dns(".:53 {\n    health\n    ready\n}\n")
    await dns.started()
    assert (await dns.get(8181, "/ready")).status == 503
    with pytest.raises(resolver.TemporaryFailure):
        await dns.lookup("web.lab.svc.cluster.local")


async def test_two_in_one_pod_clash() -> None:
    dns = Dns()
    await dns.started()
    assert await dns.start().wait() == 1
    assert dns.log.text.endswith("Listen: listen tcp :53: bind: address already in use\n")


def test_a_block_that_does_not_end() -> None:
    with pytest.raises(CorefileError, match=r"^C:2 - Error during parsing: Unexpected EOF$"):
        parse(".:53 {\n    errors\n", "C")


def test_the_manifests_are_those_of_kubeadm() -> None:
    by_kind: dict[str, Any] = {m["kind"]: m for m in MANIFESTS}
    access = ["ServiceAccount", "ClusterRole", "ClusterRoleBinding"]
    assert list(by_kind) == [*access, "ConfigMap", "Deployment", "Service"]
    assert by_kind["Service"]["spec"]["clusterIP"] == "$(DNS_IP)"  # the tenth address of the Service range
    template = by_kind["Deployment"]["spec"]["template"]
    assert template["metadata"]["labels"] == by_kind["Service"]["spec"]["selector"] == {"k8s-app": "kube-dns"}
    assert template["spec"]["containers"][0]["image"] in coredns.IMAGE.names


async def logged(dns: Dns, text: str) -> None:
    async with asyncio.timeout(10):
        while text not in dns.log.text:  # noqa: ASYNC110
            await asyncio.sleep(0)


def rewrite(dns: Dns, text: str) -> None:
    dns.namespace.fs.write_bytes("/etc/coredns/Corefile", text.encode())


async def test_a_changed_corefile_is_taken_without_a_break() -> None:
    dns = Dns()
    await dns.started()
    rewrite(dns, COREFILE.replace("prometheus :9153", "prometheus :9154").replace("    ready\n", ""))
    await logged(dns, "[INFO] Reloading complete\n")
    assert dns.log.text.count("Running configuration SHA512 = ") == 2
    assert (await dns.get(9154, "/metrics")).status == 200
    for gone in (9153, 8181):
        with pytest.raises(ConnectionRefusedError):
            await dns.get(gone, "/metrics")
    assert await dns.lookup("web.lab.svc.cluster.local") == ["10.96.0.7"]


async def test_a_corefile_that_breaks_is_told_and_the_old_one_goes_on() -> None:
    dns = Dns()
    await dns.started()
    rewrite(dns, COREFILE.replace("loadbalance", "loadbalanse"))
    line = 1 + COREFILE.splitlines().index("    loadbalance")
    why = f"/etc/coredns/Corefile:{line} - Error during parsing: Unknown directive 'loadbalanse'"
    await logged(dns, f"[ERROR] plugin/reload: Corefile changed but reload failed: {why}\n")
    assert f"[ERROR] Restart failed: {why}\n" in dns.log.text
    assert await dns.lookup("web.lab.svc.cluster.local") == ["10.96.0.7"]
    assert "coredns_reload_failed_total 1\n" in (await dns.get(9153, "/metrics")).text
    rewrite(dns, COREFILE + "# mended\n")
    await logged(dns, "[INFO] Reloading complete\n")


async def test_without_reload_a_change_needs_a_restart() -> None:
    text = COREFILE.replace("    reload\n", "")
    dns = Dns(text)
    await dns.started()
    assert "plugin/reload" not in dns.log.text
    rewrite(dns, "nonsense {\n")
    await dns.namespace.clock.sleep(60)
    assert "Reloading" not in dns.log.text


async def test_what_is_cached_grows_old() -> None:
    dns = Dns()
    await dns.started()

    async def ttl() -> int:
        asking = Process(dns.asking, 1, ["x"], env={}, cwd="/", fds={}, parent=None, uid=0, gid=0)
        question = resolver.question("example.com", "A")
        reply = await resolver.exchange(asking, question, "10.244.1.2", timeout=5)
        return int(reply.rr[0].ttl)

    assert await ttl() == 30
    await dns.namespace.clock.sleep(10)
    assert 0 < await ttl() <= 20
    await dns.namespace.clock.sleep(30)
    assert await ttl() == 30


async def test_without_forward_other_names_fail() -> None:
    forward = COREFILE[COREFILE.index("    forward") : COREFILE.index("    cache")]
    dns = Dns(COREFILE.replace(forward, ""))
    await dns.started()
    assert await dns.lookup("web.lab.svc.cluster.local") == ["10.96.0.7"]
    with pytest.raises(resolver.TemporaryFailure):
        await dns.lookup("example.com")

"""The resolver of the nodes: what a Pod with dnsPolicy Default asks."""

from __future__ import annotations

import asyncio

import pytest
from dnslib import RCODE

from pocketkube.clock import Clock
from pocketkube.kubelet.filesystem import FileSystem
from pocketkube.kubelet.pid_namespace import PidNamespace
from pocketkube.kubelet.process import Process
from pocketkube.network import resolver
from pocketkube.network.fabric import OUTSIDE, Fabric
from pocketkube.network.outside import OutsideResolver


@pytest.mark.parametrize("tcp", [False, True])
async def test_it_recurses_and_knows_little(tcp: bool) -> None:
    fabric = Fabric(Clock())
    fabric.attach("172.18.0.3", "worker")
    net = fabric.attach("10.244.1.2", "client", node="worker")
    namespace = PidNamespace(fs=FileSystem(), net=net, commands={}, clock=fabric.clock)
    process = Process(namespace, 1, ["x"], env={}, cwd="/", fds={}, parent=None, uid=0, gid=0)
    serving = asyncio.create_task(OutsideResolver(fabric.outside).run())
    await asyncio.sleep(0)
    try:
        question = resolver.question("example.com", "A")
        found = await resolver.exchange(process, question, OUTSIDE, timeout=5, tcp=tcp)
        assert [str(rr.rdata) for rr in found.rr] == ["192.0.2.10"]
        assert (found.header.ra, found.header.aa) == (1, 0)
        question = resolver.question("web.lab.svc.cluster.local", "A")
        missing = await resolver.exchange(process, question, OUTSIDE, timeout=5, tcp=tcp)
        assert missing.header.rcode == RCODE.NXDOMAIN
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

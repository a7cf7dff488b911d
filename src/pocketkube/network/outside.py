"""DNS outside the cluster: the resolver of the nodes, and what CoreDNS keeps of its answers.

There is no outside: NAMES are known, every other name is NXDOMAIN. Nodes (and Pods with dnsPolicy Default) ask at the
gateway of their network, as with Docker; CoreDNS, whose `forward` leads there too, takes the answers without a packet.
`Cache` models CoreDNS' `cache`: what is kept is answered with the seconds it has left. Left out:
prefetch, serving what is stale.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from dnslib import QTYPE, RCODE, RR, SOA, DNSRecord

from pocketkube.network.dns_message import TTL, Answer, address_record, converse, pack, parse, refusal
from pocketkube.network.podnetwork import PodNetwork
from pocketkube.network.sockets import Listener

NAMES = {"example.com": "192.0.2.10", "www.example.com": "192.0.2.10"}
PORT = 53
CACHE_SIZE = 9984
"""Answers that are kept: 256 shards of 39."""

Resolve = Callable[[list[str], int], Answer]


def resolve(labels: list[str], qtype: int) -> Answer:
    """The answer for a name outside the cluster."""
    name = ".".join(labels)
    address = NAMES.get(name.lower())
    if address is not None and qtype == QTYPE.A:
        return Answer(answer=[address_record(name, address)])
    if name.lower() == "example.com" or name.lower().endswith(".example.com"):
        soa = SOA("ns.example.com", "hostmaster.example.com", (1, 7200, 1800, 86400, 300))
        authority = RR(".".join(labels[-2:]), QTYPE.SOA, ttl=TTL, rdata=soa)
    else:
        soa = SOA("a.root-servers.net", "nstld.verisign-grs.com", (1, 1800, 900, 604800, 300))
        authority = RR(".", QTYPE.SOA, ttl=TTL, rdata=soa)
    return Answer(RCODE.NXDOMAIN if address is None else RCODE.NOERROR, authority=[authority])


class Cache:
    """A `Resolve` that asks another one, and only once while an answer lives. `now` is in seconds."""

    def __init__(self, ask: Resolve, now: Callable[[], float], most: int) -> None:
        self._ask = ask
        self._now = now
        self._most = most
        self._kept: dict[tuple[str, int], tuple[float, Answer]] = {}

    def __call__(self, labels: list[str], qtype: int) -> Answer:
        key, now = (".".join(labels).lower(), qtype), self._now()
        until, found = self._kept.get(key, (0.0, None))
        if found is None or now >= until:
            found = self._ask(labels, qtype)
            ttls = [rr.ttl for rr in (*found.answer, *found.authority)]
            until = now + min([*ttls, self._most])
            if len(self._kept) >= CACHE_SIZE:
                self._kept.clear()
            self._kept[key] = until, found
        left = max(0, int(until - now))
        name = ".".join(labels)

        def aged(record: RR) -> RR:
            same = str(record.rname).rstrip(".").lower() == key[0]
            return RR(name if same else record.rname, record.rtype, ttl=left, rdata=record.rdata)

        return Answer(found.rcode, [aged(rr) for rr in found.answer], [aged(rr) for rr in found.authority])


class OutsideResolver:
    """Serves `resolve` at port 53 of a network until it is cancelled: a resolver that recurses."""

    def __init__(self, net: PodNetwork) -> None:
        self._net = net

    async def run(self) -> None:
        with self._net.share().bind_udp(PORT, "::") as socket, self._net.share().listen(PORT, "::") as listener:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._connections(listener, tasks))
                while True:
                    query, sender = await socket.recvfrom()
                    if response := respond(query, resolve, over_tcp=False, recursive=True):
                        socket.sendto(response, sender)

    async def _connections(self, listener: Listener, tasks: asyncio.TaskGroup) -> None:
        async for stream in listener:
            tasks.create_task(converse(stream, partial(respond, resolve=resolve, over_tcp=True, recursive=True)))


def respond(query: bytes, resolve: Resolve, *, over_tcp: bool, recursive: bool = False) -> bytes:
    """The response to one query message, whatever its name."""
    asked = parse(query)
    if not isinstance(asked, DNSRecord):
        return asked
    found = refusal(asked) or resolve([label.decode() for label in asked.q.qname.label], asked.q.qtype)
    return pack(asked, found, over_tcp=over_tcp, recursive=recursive)

"""The cluster's DNS server: queries in, answers out, byte for byte as CoreDNS sends them for `cluster.local`.

Models CoreDNS 1.14 with kubeadm's Corefile (kubernetes, loadbalance, forward): NODATA and NXDOMAIN with the SOA in the
authority section, TTL 30, the query's case kept, CNAMEs followed inside the domain, no compression unless the answer
is too long, truncation after that, the EDNS record echoed. There is no outside: `forward` is a stand-in that knows
OUTSIDE and answers every other name with NXDOMAIN. Left out: IPv6 reverse names, the cache's counted-down TTLs.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from dnslib import CLASS, CNAME, NS, PTR, QTYPE, RCODE, RR, SOA, SRV, TXT, A, DNSBuffer, DNSHeader, DNSRecord

from pocketkube.client import Client
from pocketkube.network.dns_names import NO_PORT, Item, Names, NoSuchName

TTL = 30
OUTSIDE = {"example.com": "192.0.2.10", "www.example.com": "192.0.2.10"}
"""Names outside the cluster that the stand-in for a real upstream knows."""
LONGEST_CHAIN = 8


@dataclass
class Answer:
    """The sections of a response, before the wire."""

    rcode: int = RCODE.NOERROR
    answer: list[RR] = field(default_factory=list)
    authority: list[RR] = field(default_factory=list)
    additional: list[RR] = field(default_factory=list)


class Zone:
    """Answers for one cluster. `settings` has `cluster_domain` and `dns_ip`."""

    def __init__(self, client: Client, settings: Mapping[str, str]) -> None:
        self.domain = settings.get("cluster_domain", "cluster.local")
        self._dns_ip = settings.get("dns_ip", "10.96.0.10")
        self._names = Names(client, self.domain)
        self._depth = self.domain.count(".") + 1
        self._zone_labels = self.domain.lower().split(".")

    def answer(self, query: bytes, *, over_tcp: bool) -> bytes:
        """The response to one query message; b"" for what is no query at all."""
        try:
            asked = DNSRecord.parse(query)
        except Exception:  # dnslib raises many kinds; whatever it is, the message is malformed
            return _format_error(query)
        if asked.header.qr or not asked.questions:
            return _format_error(query)
        if asked.header.opcode != 0 or asked.q.qclass != CLASS.IN:
            return self._pack(asked, Answer(RCODE.NOTIMP if asked.header.opcode else RCODE.REFUSED), over_tcp)
        labels = [label.decode() for label in asked.q.qname.label]
        return self._pack(asked, self.resolve(labels, asked.q.qtype), over_tcp)

    def resolve(self, labels: list[str], qtype: int) -> Answer:
        """The answer for a name (labels in the query's case)."""
        lower = [label.lower() for label in labels]
        if lower[-self._depth :] == self._zone_labels:
            return self._inside(labels, lower[: -self._depth], qtype)
        if lower[-2:] == ["in-addr", "arpa"] and len(lower) == 6:
            try:
                names = self._names.reverse(".".join(reversed(lower[:4])))
            except NoSuchName:
                return self._outside(labels, qtype)
            name = ".".join(labels)
            records = [RR(name, QTYPE.PTR, ttl=TTL, rdata=PTR(target)) for target in names]
            zone = ".".join(labels[-2:])
            return Answer(answer=records) if qtype == QTYPE.PTR else Answer(authority=[self._soa(zone)])
        return self._outside(labels, qtype)

    def _inside(self, labels: list[str], below: list[str], qtype: int) -> Answer:
        name, zone = ".".join(labels), ".".join(labels[-self._depth :])
        if not below and qtype == QTYPE.SOA:
            return Answer(answer=[self._soa(zone)])
        if not below and qtype == QTYPE.NS:
            return self._name_servers(zone)
        if below == ["dns-version"]:
            version = [RR(name, QTYPE.TXT, ttl=TTL, rdata=TXT("1.1.0"))] if qtype == QTYPE.TXT else []
            return Answer(answer=version, authority=[] if version else [self._soa(zone)])
        try:
            items = self._names.lookup(below)
        except NoSuchName:
            return Answer(RCODE.NXDOMAIN, authority=[self._soa(zone)])
        found = Answer()
        if qtype in (QTYPE.A, QTYPE.AAAA):
            found.answer = self._addresses(name, items, qtype, ())
        elif qtype == QTYPE.CNAME:
            found.answer = [_alias(name, item) for item in items[:1] if item.alias]
        elif qtype == QTYPE.SRV:
            found.answer, found.additional = _srv(name, items)
        if not found.answer:
            found.authority = [self._soa(zone)]
        return found

    def _addresses(self, name: str, items: list[Item], qtype: int, seen: tuple[str, ...]) -> list[RR]:
        """A records in random order; an alias is followed, and dropped when it leads nowhere inside the domain."""
        aliases: list[RR] = []
        addresses: list[RR] = []
        for item in items:
            if not item.alias:
                if qtype == QTYPE.A and all(str(rr.rdata) != item.host for rr in addresses):
                    addresses.append(_address(name, item.host))
                continue
            target = item.host.lower()
            if target == name.lower() or target in seen or len(seen) >= LONGEST_CHAIN:
                continue
            labels = target.split(".")
            if labels[-self._depth :] != self._zone_labels:
                aliases += [_alias(name, item), *self._outside(item.host.split("."), qtype).answer]
                continue
            try:
                behind = self._names.lookup(labels[: -self._depth])
            except NoSuchName:
                continue
            further = self._addresses(item.host, behind, qtype, (*seen, name.lower()))
            if further:
                aliases += [_alias(name, item), *further]
        random.shuffle(addresses)
        return aliases + addresses

    def _name_servers(self, zone: str) -> Answer:
        host = f"kube-dns.kube-system.svc.{zone}"
        return Answer(answer=[RR(zone, QTYPE.NS, ttl=TTL, rdata=NS(host))], additional=[_address(host, self._dns_ip)])

    def _outside(self, labels: list[str], qtype: int) -> Answer:
        name = ".".join(labels)
        address = OUTSIDE.get(name.lower())
        if address is not None and qtype == QTYPE.A:
            return Answer(answer=[_address(name, address)])
        if name.lower() == "example.com" or name.lower().endswith(".example.com"):
            soa = SOA("ns.example.com", "hostmaster.example.com", (1, 7200, 1800, 86400, 300))
            authority = RR(".".join(labels[-2:]), QTYPE.SOA, ttl=TTL, rdata=soa)
        else:
            soa = SOA("a.root-servers.net", "nstld.verisign-grs.com", (1, 1800, 900, 604800, 300))
            authority = RR(".", QTYPE.SOA, ttl=TTL, rdata=soa)
        return Answer(RCODE.NXDOMAIN if address is None else RCODE.NOERROR, authority=[authority])

    def _soa(self, zone: str) -> RR:
        times = (self._names.changed, 7200, 1800, 86400, 30)
        return RR(zone, QTYPE.SOA, ttl=TTL, rdata=SOA(f"ns.dns.{zone}", f"hostmaster.{zone}", times))

    def _pack(self, asked: DNSRecord, found: Answer, over_tcp: bool) -> bytes:
        edns = [rr for rr in asked.ar if rr.rtype == QTYPE.OPT][:1]
        limit = 65535
        if not over_tcp:
            limit = max(512, int(edns[0].rclass)) if edns else 512
        wire = _wire(asked, found, edns, _Uncompressed())
        if len(wire) <= limit:
            return wire
        wire = _wire(asked, found, edns, DNSBuffer())
        while len(wire) > limit:
            for section in (found.additional, found.authority, found.answer):
                if section:
                    section.pop()
                    break
            wire = _wire(asked, found, edns, DNSBuffer(), truncated=True)
        return wire


class _Uncompressed(DNSBuffer):  # type: ignore[misc]
    """CoreDNS compresses names only when the message would not fit otherwise."""

    def encode_name(self, name: object) -> None:
        self.encode_name_nocompress(name)


def _wire(asked: DNSRecord, found: Answer, edns: list[RR], buffer: DNSBuffer, *, truncated: bool = False) -> bytes:
    head = DNSHeader(
        id=asked.header.id,
        qr=1,
        aa=0 if found.rcode in (RCODE.REFUSED, RCODE.NOTIMP) else 1,
        tc=int(truncated),
        rd=asked.header.rd,
        ra=0,
        rcode=found.rcode,
        q=1,
        a=len(found.answer),
        auth=len(found.authority),
        ar=len(found.additional) + len(edns),
    )
    head.pack(buffer)
    asked.q.pack(buffer)
    for record in (*found.answer, *found.authority, *found.additional, *edns):
        record.pack(buffer)
    return bytes(buffer.data)


def _format_error(query: bytes) -> bytes:
    if len(query) < 12 or query[2] & 0x80:
        return b""
    return query[:2] + bytes([0x80 | (query[2] & 0x79), RCODE.FORMERR]) + bytes(8)


def _address(name: str, address: str) -> RR:
    return RR(name, QTYPE.A, ttl=TTL, rdata=A(address))


def _alias(name: str, item: Item) -> RR:
    return RR(name, QTYPE.CNAME, ttl=TTL, rdata=CNAME(item.host))


def _srv(name: str, items: list[Item]) -> tuple[list[RR], list[RR]]:
    """SRV records and the addresses of their targets; the weights of all add up to 100."""
    weight = max(1, 100 // len(items)) if items else 0
    answer: dict[tuple[str, int], RR] = {}
    extra: dict[tuple[str, str], RR] = {}
    for item in items:
        if item.alias or item.port == NO_PORT:
            continue
        answer.setdefault(
            (item.name, item.port), RR(name, QTYPE.SRV, ttl=TTL, rdata=SRV(0, weight, item.port, item.name))
        )
        extra.setdefault((item.name, item.host), _address(item.name, item.host))
    additional = list(extra.values())
    random.shuffle(additional)
    return list(answer.values()), additional

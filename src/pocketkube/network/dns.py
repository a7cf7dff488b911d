"""The cluster's DNS server: queries in, answers out, byte for byte as CoreDNS sends them for `cluster.local`.

Models CoreDNS 1.14 with kubeadm's Corefile (kubernetes, loadbalance, forward): NODATA and NXDOMAIN with the SOA in the
authority section, TTL 30, the query's case kept, CNAMEs followed inside the domain, reverse names of both families.
What is not the cluster's is asked `outside` (see there).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from ipaddress import IPv6Address

from dnslib import CNAME, NS, PTR, QTYPE, RCODE, RR, SOA, SRV, TXT, DNSRecord

from pocketkube.client import Client
from pocketkube.network import outside as world_outside
from pocketkube.network.addresses import is_ipv6
from pocketkube.network.dns_message import TTL, Answer, address_record, pack, parse, refusal
from pocketkube.network.dns_names import NO_PORT, Item, Names, NoSuchName
from pocketkube.network.outside import Resolve

LONGEST_CHAIN = 8


class Zone:
    """Answers for one cluster. `settings` has `cluster_domain` and `dns_ip`."""

    def __init__(self, client: Client, settings: Mapping[str, str]) -> None:
        self.domain = settings.get("cluster_domain", "cluster.local")
        self._dns_ip = settings.get("dns_ip", "10.96.0.10")
        self._names = Names(client, self.domain)
        self._depth = self.domain.count(".") + 1
        self._zone_labels = self.domain.lower().split(".")

    def answer(self, query: bytes, *, over_tcp: bool, outside: Resolve = world_outside.resolve) -> bytes:
        """The response to one query message; b"" for what is no query at all. `outside` knows all other names."""
        asked = parse(query)
        if not isinstance(asked, DNSRecord):
            return asked
        labels = [label.decode() for label in asked.q.qname.label]
        return pack(asked, refusal(asked) or self.resolve(labels, asked.q.qtype, outside), over_tcp=over_tcp)

    def resolve(self, labels: list[str], qtype: int, outside: Resolve = world_outside.resolve) -> Answer:
        """The answer for a name (labels in the query's case)."""
        lower = [label.lower() for label in labels]
        if lower[-self._depth :] == self._zone_labels:
            return self._inside(labels, lower[: -self._depth], qtype, outside)
        address = reversed_address(lower)
        if address is None:
            return outside(labels, qtype)
        try:
            names = self._names.reverse(address)
        except NoSuchName:
            return outside(labels, qtype)
        records = [RR(".".join(labels), QTYPE.PTR, ttl=TTL, rdata=PTR(target)) for target in names]
        zone = ".".join(labels[-2:])
        return Answer(answer=records) if qtype == QTYPE.PTR else Answer(authority=[self._soa(zone)])

    def _inside(self, labels: list[str], below: list[str], qtype: int, outside: Resolve) -> Answer:
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
            found.answer = self._addresses(name, items, qtype, (), outside)
        elif qtype == QTYPE.CNAME:
            found.answer = [_alias(name, item) for item in items[:1] if item.alias]
        elif qtype == QTYPE.SRV:
            found.answer, found.additional = _srv(name, items)
        if not found.answer:
            found.authority = [self._soa(zone)]
        return found

    def _addresses(self, name: str, items: list[Item], qtype: int, seen: tuple[str, ...], outside: Resolve) -> list[RR]:
        """A or AAAA records in random order; an alias is followed, and dropped when it leads nowhere inside."""
        aliases: list[RR] = []
        addresses: dict[str, RR] = {}
        for item in items:
            if not item.alias:
                if is_ipv6(item.host) == (qtype == QTYPE.AAAA):
                    addresses.setdefault(item.host, address_record(name, item.host))
                continue
            target = item.host.lower()
            if target == name.lower() or target in seen or len(seen) >= LONGEST_CHAIN:
                continue
            labels = target.split(".")
            if labels[-self._depth :] != self._zone_labels:
                aliases += [_alias(name, item), *outside(item.host.split("."), qtype).answer]
                continue
            try:
                behind = self._names.lookup(labels[: -self._depth])
            except NoSuchName:
                continue
            further = self._addresses(item.host, behind, qtype, (*seen, name.lower()), outside)
            if further:
                aliases += [_alias(name, item), *further]
        found = list(addresses.values())
        random.shuffle(found)
        return aliases + found

    def _name_servers(self, zone: str) -> Answer:
        host = f"kube-dns.kube-system.svc.{zone}"
        return Answer(
            answer=[RR(zone, QTYPE.NS, ttl=TTL, rdata=NS(host))],
            additional=[address_record(host, ip) for ip in self._dns_ips()],
        )

    def _dns_ips(self) -> list[str]:
        return self._names.cluster_ips("kube-system", "kube-dns") or [self._dns_ip]

    def _soa(self, zone: str) -> RR:
        times = (self._names.changed, 7200, 1800, 86400, 30)
        return RR(zone, QTYPE.SOA, ttl=TTL, rdata=SOA(f"ns.dns.{zone}", f"hostmaster.{zone}", times))


def reversed_address(labels: list[str]) -> str | None:
    """The address whose reverse name this is (4.3.2.1.in-addr.arpa, nibbles of ip6.arpa), lower case."""
    match labels[-2:]:
        case ["in-addr", "arpa"] if len(labels) == 6:
            return ".".join(reversed(labels[:4]))
        case ["ip6", "arpa"] if len(labels) == 34 and all(len(nibble) == 1 for nibble in labels[:32]):
            try:
                return str(IPv6Address(int("".join(reversed(labels[:32])), 16)))
            except ValueError:
                return None
    return None


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
        extra.setdefault((item.name, item.host), address_record(item.name, item.host))
    additional = list(extra.values())
    random.shuffle(additional)
    return list(answer.values()), additional

"""dig of BIND 9.18: a question as typed, the answer as it came, in master file columns.

Left out: +trace, +multiline, batch files (-f), TSIG, other classes than IN and CH.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from dnslib import CLASS, EDNS0, QTYPE, RCODE, RR, DNSRecord, EDNSOption

from pocketkube.kubelet.process import Process
from pocketkube.network import resolver
from pocketkube.network.addresses import LOOPBACK, canonical, is_address, is_ipv6

VERSION = "9.18.37"
COOKIE = 10
SECTIONS = ("answer", "authority", "additional")
_USAGE = """Usage:  dig [@global-server] [domain] [q-type] [q-class] {q-opt}
            {global-d-opt} host [@local-server] {local-d-opt}
            [ host [@local-server] {local-d-opt} [...]]

Use "dig -h" (or "dig -h | more") for complete list of options"""
_SWITCHES = {
    "answer", "authority", "additional", "question", "comments", "stats", "cmd", "short", "search", "showsearch", "tcp",
    "recurse", "edns", "cookie", "ttlid", "cl", "all", "dnssec", "ignore", "adflag", "cdflag", "identify",
}  # fmt: skip
_SAME = {
    "vc": "tcp",
    "rec": "recurse",
    "defname": "search",
    "ttl": "ttlid",
    "class": "cl",
    "noal": "noall",
    "ad": "adflag",
}


@dataclass
class Lookup:
    """One question and how to ask and show it."""

    name: str = "."
    qtype: str = ""
    server: str = ""
    port: int = 53
    time: float = 5
    tries: int = 3
    bufsize: int = 1232
    family: str = ""
    """The only one to ask over: 4 or 6."""
    on: set[str] = field(
        default_factory=lambda: {
            *SECTIONS,
            "question",
            "comments",
            "stats",
            "cmd",
            "recurse",
            "edns",
            "cookie",
            "ttlid",
            "cl",
        }
    )


class Usage(Exception):
    """The complaint about the command line."""


async def main(process: Process) -> int:
    try:
        lookups = _parse(process.argv[1:])
    except Usage as error:
        await process.error(f"{error}\n{_USAGE}")
        return 1
    status = 0
    for lookup in lookups:
        status = await _Dig(process, lookup).run() or status
    return status


class _Dig:
    def __init__(self, process: Process, lookup: Lookup) -> None:
        self.process = process
        self.lookup = lookup
        self.conf = resolver.resolv_conf(process)
        arguments = " ".join(process.argv[1:])
        self.banner = f"\n; <<>> DiG {VERSION} <<>> {arguments}\n;; global options: +cmd\n"

    async def run(self) -> int:
        lookup = self.lookup
        servers = self.conf.servers
        if lookup.server:
            try:
                servers = await resolver.lookup(self.process, lookup.server)
            except resolver.ResolutionError:
                await self.process.error(f"dig: couldn't get address for '{lookup.server}': not found")
                return 10
        if lookup.family:
            over_ipv6 = lookup.family == "6"
            servers = [s for s in servers if is_ipv6(s) == over_ipv6] or [LOOPBACK[over_ipv6]]
        names = list(self.conf.candidates(lookup.name)) if "search" in lookup.on else [lookup.name]
        for name in names:
            try:
                message = self._question(name)
            except resolver.BadName:
                await self.process.error(f"dig: '{name}' is not a legal name (label too long)")
                return 10
            raw, how, took = await self._ask(message, servers)
            if raw is None:
                banner = self.banner if self._shows_banner() else ""
                await self.process.print(f"{banner};; no servers could be reached")
                return 9
            answer = DNSRecord.parse(raw)
            last = name == names[-1] or answer.header.rcode != RCODE.NXDOMAIN
            if last or "showsearch" in lookup.on:
                await self._show(answer, raw, how, took)
            if last:
                return 0
        return 0

    def _question(self, name: str) -> DNSRecord:
        lookup = self.lookup
        message = resolver.question(name.rstrip(".") or ".", lookup.qtype or "A")
        message.header.rd = int("recurse" in lookup.on)
        if "edns" in lookup.on:
            cookie = [EDNSOption(COOKIE, secrets.token_bytes(8))] if "cookie" in lookup.on else []
            message.add_ar(EDNS0(udp_len=lookup.bufsize, flags="do" if "dnssec" in lookup.on else "", opts=cookie))
        return message

    async def _ask(self, message: DNSRecord, servers: list[str]) -> tuple[bytes | None, tuple[str, str], float]:
        """(raw answer or None, (server, transport), seconds it took)."""
        lookup = self.lookup
        tcp = "tcp" in lookup.on or lookup.qtype == "ANY"
        for server in servers:
            for _ in range(lookup.tries):
                began = self.process.clock.monotonic()
                ask = resolver.over_tcp if tcp else resolver.over_udp
                try:
                    raw = await ask(self.process, message, server, lookup.port, lookup.time)
                    if not tcp and raw[2] & 2 and "ignore" not in lookup.on:
                        await self._say(";; Truncated, retrying in TCP mode.\n")
                        tcp = True
                        raw = await resolver.over_tcp(self.process, message, server, lookup.port, lookup.time)
                except OSError as error:
                    why = "timed out" if isinstance(error, TimeoutError) else (error.strerror or "").lower()
                    await self._say(f";; communications error to {server}#{lookup.port}: {why}\n")
                    continue
                took = self.process.clock.monotonic() - began
                return raw, (server, "TCP" if tcp else "UDP"), took
        return None, ("", ""), 0.0

    async def _say(self, text: str) -> None:
        await self.process.print(text, end="")

    def _shows_banner(self) -> bool:
        return "cmd" in self.lookup.on and "short" not in self.lookup.on

    async def _show(self, answer: DNSRecord, raw: bytes, how: tuple[str, str], took: float) -> None:
        on, lookup = self.lookup.on, self.lookup
        if "short" in on:
            await self._say("".join(f"{rdata(rr)}\n" for rr in answer.rr))
            return
        out = self.banner if self._shows_banner() else ""
        if "comments" in on:
            out += ";; Got answer:\n" + _header(answer, raw)
        if "question" in on:
            out += ";; QUESTION SECTION:\n" if "comments" in on else ""
            out += _line(f";{answer.q.qname}", [(32, CLASS.get(answer.q.qclass)), (40, QTYPE.get(answer.q.qtype))], 1)
            out += "\n" if "comments" in on else ""
        additional = [rr for rr in answer.ar if rr.rtype != QTYPE.OPT]
        for title, records in zip(SECTIONS, (answer.rr, answer.auth, additional), strict=True):
            if title in on and records:
                out += f";; {title.upper()} SECTION:\n" if "comments" in on else ""
                out += "".join(self._record(rr) for rr in records)
                out += "\n" if "comments" in on else ""
        if "stats" in on:
            when = time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(self.process.clock.time()))
            server = f"{how[0]}#{lookup.port}({lookup.server or how[0]}) ({how[1]})"
            out += f";; Query time: {int(took * 1000)} msec\n;; SERVER: {server}\n;; WHEN: {when}\n"
            out += f";; MSG SIZE  rcvd: {len(raw)}\n\n"
        await self._say(out)

    def _record(self, rr: RR) -> str:
        columns = [(24, str(rr.ttl))] if "ttlid" in self.lookup.on else []
        columns += [(32, CLASS.get(rr.rclass))] if "cl" in self.lookup.on else []
        return _line(str(rr.rname), [*columns, (40, QTYPE.get(rr.rtype)), (48, rdata(rr))])


def _header(answer: DNSRecord, raw: bytes) -> str:
    head, out = answer.header, ""
    if str(answer.q.qname).lower().endswith(".local."):
        out += ";; WARNING: .local is reserved for Multicast DNS\n"
        out += ";; You are currently testing what happens when an mDNS query is leaked to DNS\n"
    flags = [name for name in ("qr", "aa", "tc", "rd", "ra", "ad", "cd") if getattr(head, name)]
    out += f";; ->>HEADER<<- opcode: QUERY, status: {RCODE.get(head.rcode)}, id: {head.id}\n"
    counts = f"QUERY: {head.q}, ANSWER: {head.a}, AUTHORITY: {head.auth}, ADDITIONAL: {head.ar}"
    out += f";; flags: {' '.join(flags)}; {counts}\n"
    if head.rd and not head.ra:
        out += ";; WARNING: recursion requested but not available\n"
    out += "\n"
    for rr in answer.ar:
        if rr.rtype == QTYPE.OPT:
            do = " do" if rr.edns_do else ""
            out += f";; OPT PSEUDOSECTION:\n; EDNS: version: {rr.edns_ver}, flags:{do}; udp: {rr.edns_len}\n"
            for option in rr.rdata:
                if option.code == COOKIE:
                    out += f"; COOKIE: {option.data.hex()} (echoed)\n"
    return out


def _line(owner: str, columns: list[tuple[int, str]], hidden: int = 0) -> str:
    """Fields at tab stops as BIND's master file style sets them; `hidden` leading characters do not count."""
    line, at = owner, len(owner) - hidden
    for stop, text in columns:
        to = max(stop, at + 1)
        tabs = to // 8 - at // 8
        line += "\t" * tabs + " " * (to % 8 if tabs else to - at) + text
        at = to + len(text)
    return f"{line}\n"


def rdata(rr: RR) -> str:
    """A record's data as master files write it."""
    if rr.rtype == QTYPE.SOA:
        return f"{rr.rdata.mname} {rr.rdata.rname} {' '.join(map(str, rr.rdata.times))}"
    return canonical(str(rr.rdata)) if rr.rtype == QTYPE.AAAA else str(rr.rdata)


def _parse(words: list[str]) -> list[Lookup]:
    """Options before the first name hold for all, later ones for theirs. Raises Usage."""
    common, lookups, words = Lookup(), [], list(words)
    current = common

    def asked(name: str) -> Lookup:
        fresh = replace(common, name=name, on=set(common.on))
        lookups.append(fresh)
        return fresh

    while words:
        word = words.pop(0)
        if word.startswith("@"):
            current.server = word[1:]
        elif word.startswith("+"):
            _plus(current, word[1:])
        elif word.startswith("-") and len(word) > 1:
            letter, value = word[1], word[2:]
            if letter in "46":
                common.family = current.family = letter
                continue
            if letter not in "xtqpcb":
                raise Usage(f"Invalid option: {word}")
            value = value or (words.pop(0) if words else "")
            if letter == "x":
                if not is_address(value):
                    raise Usage(f"Invalid IP address {value}")
                current = replace(asked(ip_address(value).reverse_pointer), qtype="PTR")
                lookups[-1] = current
            elif letter == "t":
                current.qtype = value.upper()
            elif letter == "q":
                current = asked(value)
            elif letter == "p":
                current.port = int(value) if value.isdigit() else 53
        elif word.upper() in QTYPE.reverse and word.upper() != "IN" and (lookups or word.isupper()):
            current.qtype = word.upper()
        elif word.upper() in ("IN", "CH"):
            continue
        else:
            current = asked(word)
    unknown = next((k.qtype for k in (common, *lookups) if k.qtype and k.qtype not in QTYPE.reverse), None)
    if unknown:
        raise Usage(f";; Warning, ignoring invalid type {unknown}")
    return lookups or [replace(common, qtype=common.qtype or "NS")]


def _plus(lookup: Lookup, text: str) -> None:
    name, equals, value = text.partition("=")
    if name in ("time", "timeout", "tries", "retry", "bufsize", "ndots") and value.isdigit():
        number = int(value)
        if name in ("time", "timeout"):
            lookup.time = max(1, number)
        elif name in ("tries", "retry"):
            lookup.tries = max(1, number + (name == "retry"))
        elif name == "bufsize":
            lookup.bufsize = number
        return
    off = name.startswith("no") and (_SAME.get(name[2:], name[2:]) in _SWITCHES)
    switch = name[2:] if off else name
    switch = _SAME.get(switch, switch)
    if switch not in _SWITCHES or (equals and switch != "edns"):
        raise Usage(f"Invalid option: +{text}")
    group = {*SECTIONS, "question", "comments", "stats"}
    changed = {*group, "cmd"} if switch == "all" and off else group if switch == "all" else {switch}
    changed |= {"search"} if switch == "showsearch" and not off else set()
    lookup.on = lookup.on - changed if off else lookup.on | changed


COMMANDS = {"dig": main}

"""nslookup, three times: BusyBox 1.36's (the applet), that of BusyBox up to 1.28, which asks the C library, and BIND
9.18's (`bind`). They agree in nothing but their name.

Left out: BIND's interactive commands.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from dnslib import QTYPE, RCODE, RR, DNSError, DNSRecord

from pocketkube.kubelet.process import Process, ProcessExit
from pocketkube.network import resolver
from pocketkube.network.addresses import canonical, host_port, is_address


def _arguments(words: list[str]) -> tuple[list[str], str, int]:
    """(operands, record type or "", port)."""
    operands, qtype, port = [], "", 53
    for word in words:
        name, _, value = word.lstrip("-").partition("=")
        if not word.startswith("-"):
            operands.append(word)
        elif name in ("type", "query", "querytype", "q"):
            qtype = value.upper()
        elif name == "port" and value.isdigit():
            port = int(value)
    return operands, qtype, port


def _reversed(address: str) -> str:
    return ip_address(address).reverse_pointer


def _record(rr: RR) -> str:
    name, kind = str(rr.rname).rstrip("."), QTYPE.get(rr.rtype)
    if kind in ("A", "AAAA"):
        return f"Name:\t{name}\nAddress: {canonical(str(rr.rdata))}\n"
    if kind == "SOA":
        labels = ("origin", "mail addr", "serial", "refresh", "retry", "expire", "minimum")
        values = (str(rr.rdata.mname).rstrip("."), str(rr.rdata.rname).rstrip("."), *rr.rdata.times)
        return f"{name}\n" + "".join(f"\t{k} = {v}\n" for k, v in zip(labels, values, strict=True))
    words = {"CNAME": "canonical name", "PTR": "name", "SRV": "service", "TXT": "text", "NS": "nameserver"}
    return f"{name}\t{words.get(kind, 'mail exchanger' if kind == 'MX' else f'rdata_{rr.rtype}')} = {rr.rdata}\n"


# -- BusyBox


async def busybox(process: Process) -> int:
    operands, qtype, port = _arguments(process.argv[1:])
    if not operands:
        usage = "nslookup [-type=QUERY_TYPE] [-debug] HOST [DNS_SERVER]\n\nQuery DNS about HOST"
        await process.error(f"BusyBox v1.36.1 multi-call binary.\n\nUsage: {usage}")
        return 1
    conf = resolver.resolv_conf(process)
    server = conf.servers[0]
    if len(operands) > 1:
        try:
            server = await resolver.first(process, operands[1])
        except resolver.ResolutionError:
            await process.error(f"nslookup: bad address '{operands[1]}'")
            return 1
    name = operands[0]
    if is_address(name) and not qtype:
        questions = [(_reversed(name), "PTR")]
    else:
        # a name with a dot is asked as it is; the others with every search domain, never alone
        names = [name] if "." in name or not conf.search else [f"{name}.{d}" for d in conf.search]
        # both types leave at once; the empty AAAA answer is there first
        questions = [(n, t) for t in ([qtype] if qtype else ["AAAA", "A"]) for n in names]
    header = f"Server:\t\t{server}\nAddress:\t{host_port(server, port)}\n\n"
    failed = False
    for asked, kind in questions:
        if kind not in QTYPE.reverse:
            await process.error(f'nslookup: unknown query type "{kind}"')
            return 1
        try:
            reply = await resolver.exchange(process, resolver.question(asked, kind), server, port=port, timeout=5)
        except resolver.BadName:
            await process.error(f"nslookup: bad address '{name}'")
            return 1
        except (OSError, DNSError) as error:
            if isinstance(error, ConnectionRefusedError):
                await process.error(f"nslookup: write to '{server}': Connection refused")
            await process.print(";; connection timed out; no servers could be reached\n")
            return 1
        body = "".join(_record(rr) for rr in reply.rr)
        if reply.header.rcode != RCODE.NOERROR:
            failed = True
            body = f"** server can't find {asked}: {RCODE.get(reply.header.rcode)}\n"
        await process.print(f"{header}{body}")
        header = ""
    return int(failed)


async def busybox_1_28(process: Process) -> int:
    """`nslookup HOST [SERVER]`: names as every program finds them, with search domains, and the names of addresses."""
    operands, _, _ = _arguments(process.argv[1:])
    if not operands or len(operands) > 2:
        usage = (
            "nslookup [HOST] [SERVER]\n\nQuery the nameserver for the IP address of the given HOST\noptionally using "
        )
        await process.error(f"BusyBox v1.28.4 multi-call binary.\n\nUsage: {usage}a specified DNS server")
        return 1
    conf = resolver.resolv_conf(process)
    if len(operands) > 1:
        try:
            conf = replace(conf, servers=[await resolver.first(process, operands[1])])
        except resolver.ResolutionError:
            await process.error(f"nslookup: bad address '{operands[1]}'")
            return 1
    await process.print(await _old_answer(process, conf, "Server:", conf.servers[0], [conf.servers[0]]))
    name = operands[0]
    try:
        found = [name] if is_address(name) else await _old_addresses(process, conf, name)
    except resolver.ResolutionError:
        found = []
    if not found:
        await process.error(f"nslookup: can't resolve '{name}'")
        return 1
    await process.print((await _old_answer(process, conf, "Name:", name, found)).rstrip("\n"))
    return 0


async def _old_addresses(process: Process, conf: resolver.ResolvConf, name: str) -> list[str]:
    for candidate in conf.candidates(name):
        found: list[str] = []
        for kind in ("A", "AAAA"):
            reply = await _old_query(process, conf, candidate, kind)
            found += [canonical(str(rr.rdata)) for rr in reply.rr if QTYPE.get(rr.rtype) == kind] if reply else []
        if found:
            return found
    return []


async def _old_answer(process: Process, conf: resolver.ResolvConf, header: str, name: str, addresses: list[str]) -> str:
    lines = [f"{header:<10} {name}"]
    for number, address in enumerate(addresses, 1):
        reply = await _old_query(process, conf, _reversed(address), "PTR")
        host = next((str(rr.rdata).rstrip(".") for rr in reply.rr if QTYPE.get(rr.rtype) == "PTR"), "") if reply else ""
        lines.append(f"Address {number}: {address}{f' {host}' if host else ''}")
    return "\n".join(lines) + "\n"


async def _old_query(process: Process, conf: resolver.ResolvConf, name: str, kind: str) -> DNSRecord | None:
    try:
        return await resolver.query(process, name, kind, conf)
    except (resolver.ResolutionError, OSError, DNSError):
        return None


# -- BIND


class _Unreachable(Exception):
    pass


async def bind(process: Process) -> int:
    operands, qtype, port = _arguments(process.argv[1:])
    if not operands:
        await process.error("nslookup: interactive mode is not there; give a name")
        return 1
    return await _Bind(process, operands[1] if len(operands) > 1 else "", port).run(operands[0], qtype)


class _Bind:
    def __init__(self, process: Process, server: str, port: int) -> None:
        self.process = process
        self.conf = resolver.resolv_conf(process)
        self.named = server
        self.port = port
        self.server = ""

    async def run(self, name: str, qtype: str) -> int:
        servers = self.conf.servers
        if self.named:
            try:
                servers = await resolver.lookup(self.process, self.named)
            except resolver.ResolutionError:
                await self.process.print(f"nslookup: couldn't get address for '{self.named}': not found")
                return 1
        reverse = is_address(name) and not qtype
        names = [_reversed(name)] if reverse else list(self.conf.candidates(name))
        try:
            reply, found = await self._search(names, "PTR" if reverse else qtype or "A", servers)
            return await self._show(name, found, reply, servers, reverse=reverse, both=not (reverse or qtype))
        except _Unreachable:
            await self.process.print(";; no servers could be reached\n")
            return 1

    async def _search(self, names: list[str], qtype: str, servers: list[str]) -> tuple[DNSRecord, str]:
        for name in names:
            reply = await self._ask(name, qtype, servers)
            if reply.header.rcode != RCODE.NXDOMAIN:
                break
        return reply, name

    async def _show(
        self, name: str, found: str, reply: DNSRecord, servers: list[str], *, reverse: bool, both: bool
    ) -> int:
        say = self.process.print
        if not reverse:
            await say(f"Server:\t\t{self.named or self.server}\nAddress:\t{self.server}#{self.port}\n")
        if reply.header.rcode != RCODE.NOERROR:
            asked = found if reverse else name.rstrip(".")
            await say(f"** server can't find {asked}: {RCODE.get(reply.header.rcode)}\n")
            return 1
        if not reply.rr and not both:
            await say(f"*** Can't find {name}: No answer\n")
            return 0
        await say("".join(_record(rr) for rr in reply.rr), end="")
        if both:
            chased = next((str(rr.rdata) for rr in reversed(reply.rr) if rr.rtype == QTYPE.CNAME), found).rstrip(".")
            further = await self._ask(chased, "AAAA", servers)
            if further.header.rcode != RCODE.NOERROR:
                await say(f"** server can't find {chased}: {RCODE.get(further.header.rcode)}\n")
                return 1
            if not reply.rr and not further.rr:
                await say(f"*** Can't find {name}: No answer")
            await say("".join(_record(rr) for rr in further.rr if rr.rtype == QTYPE.AAAA), end="")
        await say()
        return 0

    async def _ask(self, name: str, qtype: str, servers: list[str]) -> DNSRecord:
        """One question to the servers in turn. Raises _Unreachable."""
        for position, server in enumerate(servers):
            more = position + 1 < len(servers)
            for _ in range(3):
                try:
                    message = resolver.question(name, qtype)
                    reply = await resolver.exchange(self.process, message, server, port=self.port, timeout=5)
                except resolver.BadName:
                    await self.process.print(f"nslookup: '{name}' is not a legal name (label too long)")
                    raise ProcessExit(1) from None
                except OSError as error:
                    why = "timed out" if isinstance(error, TimeoutError) else (error.strerror or "").lower()
                    await self.process.print(f";; communications error to {server}#{self.port}: {why}")
                    continue
                if not reply.header.ra:
                    await self.process.print(
                        f";; Got recursion not available from {server}{', trying next server' if more else ''}"
                    )
                    if more:
                        break
                self.server = server
                return reply
        raise _Unreachable


COMMANDS = {"nslookup": busybox}

"""What libc does inside a container when a program asks for a host's addresses.

Models getaddrinfo with `files dns`: /etc/hosts first, then /etc/resolv.conf's search list, ndots, timeout and attempts
over UDP, TCP when the answer was cut short; addresses in the order of RFC 6724. Only the families that the pod has are
asked for, as with AI_ADDRCONFIG. Left out: sortlist, rotate, single-request, glibc's own older table (with it unique
local IPv6 addresses come before IPv4).
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from dnslib import QTYPE, RCODE, DNSError, DNSRecord

from pocketkube.network.addresses import LOOPBACK, is_address, is_ipv6, is_loopback, literal, wildcard
from pocketkube.network.dns_message import read

if TYPE_CHECKING:
    from pocketkube.kubelet.process import Process

PORT = 53
IPV4, IPV6 = 4, 6
POLICIES = tuple(
    (ip_network(prefix), precedence, label)
    for prefix, precedence, label in (
        ("::1/128", 50, 0),
        ("::ffff:0:0/96", 35, 4),
        ("2002::/16", 30, 2),
        ("2001::/32", 5, 5),
        ("fc00::/7", 3, 13),
        ("::/0", 40, 1),
    )
)
"""RFC 6724, section 2.1: (prefix, precedence, label), narrower ones first. IPv4 is looked up as mapped."""
MOST_SERVERS = 3
"""libc's MAXNS: further nameserver lines are ignored."""


class ResolutionError(Exception):
    """A name has no address; the text is getaddrinfo's."""


class NotFound(ResolutionError):
    """EAI_NONAME: every candidate was answered, none has an address."""

    def __init__(self) -> None:
        super().__init__("Name or service not known")


class TemporaryFailure(ResolutionError):
    """EAI_AGAIN: no server answered, or only with failures."""

    def __init__(self) -> None:
        super().__init__("Temporary failure in name resolution")


class NoAnswer(TemporaryFailure):
    """No server answered at all."""


class BadName(ResolutionError):
    """A name that cannot exist: a label is empty or too long."""

    def __init__(self) -> None:
        super().__init__("Name or service not known")


@dataclass(frozen=True)
class ResolvConf:
    """/etc/resolv.conf as libc reads it; `timeout` in seconds."""

    servers: list[str] = field(default_factory=lambda: ["127.0.0.1"])
    search: list[str] = field(default_factory=list)
    ndots: int = 1
    timeout: int = 5
    attempts: int = 2

    @classmethod
    def parse(cls, text: str) -> ResolvConf:
        servers: list[str] = []
        search: list[str] = []
        numbers = {"ndots": 1, "timeout": 5, "attempts": 2}
        for line in text.splitlines():
            words = line.split()
            if not words or words[0][0] in "#;":
                continue
            key, values = words[0], words[1:]
            if key == "nameserver" and values:
                servers.append(values[0])
            elif key in ("search", "domain"):
                search = [v.rstrip(".") for v in values]
            elif key == "options":
                for option in values:
                    name, _, value = option.partition(":")
                    if name in numbers and value.isdigit():
                        numbers[name] = int(value)
        most = {"ndots": 15, "timeout": 30, "attempts": 5}
        limited = {k: min(v, most[k]) for k, v in numbers.items()}
        return cls(servers[:MOST_SERVERS] or ["127.0.0.1"], search, **limited)

    def candidates(self, name: str) -> Iterator[str]:
        """The full names to ask for, in order, without a trailing dot."""
        if name.endswith("."):
            yield name[:-1]
            return
        as_is_first = name.count(".") >= self.ndots
        if as_is_first:
            yield name
        for domain in self.search:
            yield f"{name}.{domain}" if domain else name
        if not as_is_first:
            yield name


def resolv_conf(process: Process) -> ResolvConf:
    return ResolvConf.parse(_text(process, "/etc/resolv.conf"))


def hosts(process: Process) -> Iterator[tuple[str, list[str]]]:
    """(address, names) of every line of /etc/hosts."""
    for line in _text(process, "/etc/hosts").splitlines():
        words = line.partition("#")[0].split()
        if len(words) > 1:
            yield words[0], words[1:]


async def lookup(process: Process, name: str, version: int | None = None) -> list[str]:
    """The addresses of a host name (an address is its own), the best to try first; never empty.

    `version` IPV4 or IPV6 leaves the other family out. Raises NotFound, TemporaryFailure.
    """
    if is_address(name):
        found = [str(ip_address(name))]
    else:
        wanted = name.rstrip(".").lower()
        found = [a for a, names in hosts(process) if is_address(a) and wanted in (n.lower() for n in names)]
        if not found and wanted == "localhost":
            found = list(LOOPBACK.values())
    found = [a for a in found if version in (None, ip_address(a).version)]
    return order(process, found) if found else await ask(process, name, version)


async def first(process: Process, name: str, version: int | None = None) -> str:
    """The one address that BusyBox and Go's ResolveTCPAddr take: IPv4 if there is any. Raises as `lookup`."""
    found = await lookup(process, name, version)
    return next((address for address in found if not is_ipv6(address)), found[0])


async def ask(process: Process, name: str, version: int | None = None) -> list[str]:
    """As `lookup`, from DNS only."""
    if is_address(name):
        raise NotFound
    conf = resolv_conf(process)
    own = {ip_address(address).version for address in process.net.addresses}
    kinds = [
        kind for kind, number in (("A", IPV4), ("AAAA", IPV6)) if version == number or (not version and number in own)
    ]
    failed = silent = False
    for candidate in conf.candidates(name):
        if silent and candidate != name:
            continue  # who is silent for one domain is not asked for the next; the name as it is still gets its try
        try:
            if len(kinds) == 1:
                replies = [await query(process, candidate, kinds[0], conf)]
            else:  # both leave at once: what is not answered takes no longer than one would
                both = (query(process, candidate, kind, conf) for kind in kinds)
                answers = await asyncio.gather(*both, return_exceptions=True)
                replies = [found for found in answers if isinstance(found, DNSRecord)]
                if not replies and isinstance(answers[0], BaseException):
                    raise answers[0]
        except TemporaryFailure as failure:
            failed, silent = True, silent or isinstance(failure, NoAnswer)
            continue
        except BadName:
            continue
        records = [record for reply in replies for record in reply.rr]
        addresses = [literal(str(r.rdata)) for r in records if r.rtype in (QTYPE.A, QTYPE.AAAA)]
        if addresses:
            return order(process, list(dict.fromkeys(addresses)))
    raise TemporaryFailure if failed else NotFound


def order(process: Process, addresses: list[str]) -> list[str]:
    """Sorted by RFC 6724: what can be reached, with a source of the same kind, of higher precedence first."""
    if len(addresses) < 2 or not any(map(is_ipv6, addresses)):
        return addresses
    own = {is_ipv6(address): address for address in process.net.addresses}

    def rank(address: str) -> tuple[bool, bool, int]:
        source = address if is_loopback(address) else own.get(is_ipv6(address))
        precedence, label = _policy(address)
        return source is None, source is None or _policy(source)[1] != label, -precedence

    return sorted(addresses, key=rank)


def _policy(address: str) -> tuple[int, int]:
    """(precedence, label) of an address."""
    found = ip_address(address if is_ipv6(address) else f"::ffff:{address}")
    return next((precedence, label) for prefix, precedence, label in POLICIES if found in prefix)


def question(name: str, qtype: str) -> DNSRecord:
    """A query message. Raises BadName."""
    try:
        return DNSRecord.question(name, qtype)
    except (DNSError, UnicodeError):
        raise BadName from None


async def query(process: Process, name: str, qtype: str, conf: ResolvConf) -> DNSRecord:
    """Ask the servers in turn until one answers. Raises NoAnswer, TemporaryFailure, BadName."""
    message = question(name, qtype)
    failure: type[TemporaryFailure] = NoAnswer
    for _ in range(conf.attempts):
        for server in conf.servers:
            try:
                response = await exchange(process, message, server, timeout=conf.timeout)
            except (OSError, DNSError):
                continue
            if response.header.rcode in (RCODE.NOERROR, RCODE.NXDOMAIN):
                return response
            failure = TemporaryFailure
    raise failure


async def exchange(
    process: Process, message: DNSRecord, server: str, *, port: int = PORT, timeout: float, tcp: bool = False
) -> DNSRecord:
    """One question to one server; over TCP when told so or when the UDP answer was cut short.

    Raises TimeoutError, ConnectionRefusedError, OSError, DNSError.
    """
    if not tcp:
        response = read(await over_udp(process, message, server, port, timeout))
        if not response.header.tc:
            return response
    return read(await over_tcp(process, message, server, port, timeout))


async def over_udp(process: Process, message: DNSRecord, server: str, port: int, timeout: float) -> bytes:
    """The raw answer, cut short or not. Raises TimeoutError, ConnectionRefusedError."""
    with process.net.bind_udp(0, wildcard(server)) as socket:
        socket.connect((server, port))
        socket.send(message.pack())
        async with process.clock.timeout(timeout):
            while True:
                data, _ = await socket.recvfrom()
                if int.from_bytes(data[:2], "big") == message.header.id:
                    return data


async def over_tcp(process: Process, message: DNSRecord, server: str, port: int, timeout: float) -> bytes:
    """The raw answer. Raises OSError."""
    async with process.clock.timeout(timeout):
        stream = await process.net.connect(server, port, timeout=timeout)
        try:
            packed = message.pack()
            await stream.write(len(packed).to_bytes(2, "big") + packed)
            data = b""
            while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2], "big"):
                more = await stream.read()
                if not more:
                    raise ConnectionResetError(errno.ECONNRESET, "end of file")
                data += more
            return data[2:]
        finally:
            stream.close()


def _text(process: Process, path: str) -> str:
    try:
        return process.fs.read_bytes(path).decode(errors="replace")
    except OSError:
        return ""

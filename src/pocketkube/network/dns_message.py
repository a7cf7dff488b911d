"""DNS messages as CoreDNS puts them on the wire: an answer's sections, and how they are packed.

Names are not compressed unless the answer would be too long otherwise; after that it is cut short, TC set. The EDNS
record of the query is echoed. Over TCP each message follows its length.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from functools import lru_cache

from dnslib import AAAA, CLASS, QTYPE, RCODE, RR, A, DNSBuffer, DNSHeader, DNSRecord

from pocketkube.network.addresses import is_ipv6
from pocketkube.network.stream import Stream

TTL = 30
_LONGEST_KEPT = 512
"""Bytes of a message that is worth keeping."""


@dataclass
class Answer:
    """The sections of a response, before the wire."""

    rcode: int = RCODE.NOERROR
    answer: list[RR] = field(default_factory=list)
    authority: list[RR] = field(default_factory=list)
    additional: list[RR] = field(default_factory=list)


def address_record(name: str, address: str) -> RR:
    """A or AAAA."""
    if is_ipv6(address):
        return RR(name, QTYPE.AAAA, ttl=TTL, rdata=AAAA(address))
    return RR(name, QTYPE.A, ttl=TTL, rdata=A(address))


def parse(query: bytes) -> DNSRecord | bytes:
    """The query, or what is sent back for something that is none."""
    try:
        asked = read(query)
    except Exception:  # dnslib raises many kinds; whatever it is, the message is malformed
        return _format_error(query)
    return _format_error(query) if asked.header.qr or not asked.questions else asked


def read(message: bytes) -> DNSRecord:
    """What a message says, a record of the caller's own whose sections nobody may change: the same few questions and
    answers come again and again, and to read one takes as long as everything else about it. Raises what dnslib does."""
    kept = _read(bytes(message[2:])) if len(message) <= _LONGEST_KEPT else DNSRecord.parse(message)
    record, record.header = copy(kept), copy(kept.header)
    record.header.id = int.from_bytes(message[:2], "big")
    return record


@lru_cache(maxsize=512)
def _read(after_id: bytes) -> DNSRecord:
    return DNSRecord.parse(bytes(2) + after_id)


def refusal(asked: DNSRecord) -> Answer | None:
    """The answer to what is no ordinary question; None: it is one."""
    if asked.header.opcode == 0 and asked.q.qclass == CLASS.IN:
        return None
    return Answer(RCODE.NOTIMP if asked.header.opcode else RCODE.REFUSED)


def pack(asked: DNSRecord, found: Answer, *, over_tcp: bool, recursive: bool = False) -> bytes:
    """The response on the wire. `recursive`: from a resolver, which offers recursion and is no authority."""
    edns = [rr for rr in asked.ar if rr.rtype == QTYPE.OPT][:1]
    limit = 65535
    if not over_tcp:
        limit = max(512, int(edns[0].rclass)) if edns else 512
    wire = _wire(asked, found, edns, _Uncompressed(), recursive=recursive)
    if len(wire) <= limit:
        return wire
    wire = _wire(asked, found, edns, DNSBuffer(), recursive=recursive)
    while len(wire) > limit:
        for section in (found.additional, found.authority, found.answer):
            if section:
                section.pop()
                break
        wire = _wire(asked, found, edns, DNSBuffer(), recursive=recursive, truncated=True)
    return wire


class _Uncompressed(DNSBuffer):  # type: ignore[misc]
    """CoreDNS compresses names only when the message would not fit otherwise."""

    def encode_name(self, name: object) -> None:
        self.encode_name_nocompress(name)


def _wire(
    asked: DNSRecord, found: Answer, edns: list[RR], buffer: DNSBuffer, *, recursive: bool, truncated: bool = False
) -> bytes:
    no_authority = recursive or found.rcode in (RCODE.REFUSED, RCODE.NOTIMP, RCODE.SERVFAIL)
    head = DNSHeader(
        id=asked.header.id,
        qr=1,
        aa=0 if no_authority else 1,
        tc=int(truncated),
        rd=asked.header.rd,
        ra=int(recursive),
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


async def converse(stream: Stream, answer: Callable[[bytes], bytes]) -> None:
    """Answer the queries of one TCP connection, each message after its length (two bytes), to its end; closes it."""
    data = b""
    with suppress(ConnectionError):
        try:
            while more := await stream.read():
                data += more
                while len(data) >= 2 and len(data) >= 2 + (size := int.from_bytes(data[:2], "big")):
                    response = answer(data[2 : 2 + size])
                    data = data[2 + size :]
                    await stream.write(len(response).to_bytes(2, "big") + response)
        finally:
            stream.close()

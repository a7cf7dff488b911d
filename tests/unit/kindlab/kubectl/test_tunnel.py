"""Frames of a forwarded connection, and what the words of port-forward mean."""

import asyncio
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kindlab.kubectl import forwarding, session, tunnel
from kindlab.kubectl.session import Refused
from kindlab.kubectl.verbs.port_forward import parse


@given(st.lists(st.tuples(st.binary(max_size=50), st.booleans()), max_size=8), st.integers(1, 40))
def test_frames_survive_pieces_of_any_size(sent: list[tuple[bytes, bool]], size: int) -> None:
    wire = b"".join(tunnel.data(tunnel.BYTES, payload, fin=fin) for payload, fin in sent)
    wire += tunnel.control(tunnel.PING, struct.pack(">I", 7))
    decoder = tunnel.Decoder()
    found = [frame for at in range(0, len(wire), size) for frame in decoder.feed(wire[at : at + size])]
    assert [(f.payload, f.fin) for f in found[:-1]] == sent
    assert all((f.kind, f.stream) == (tunnel.DATA, tunnel.BYTES) for f in found[:-1])
    assert found[-1] == tunnel.Frame(tunnel.PING, 7, struct.pack(">I", 7), False)


def test_two_streams_are_opened() -> None:
    errors, data = tunnel.Decoder().feed(tunnel.opening(8080))
    assert (errors.kind, errors.stream, errors.fin) == (tunnel.SYN_STREAM, tunnel.ERRORS, True)
    assert (data.kind, data.stream, data.fin) == (tunnel.SYN_STREAM, tunnel.BYTES, False)
    inflate = zlib.decompressobj()
    for frame, kind in ((errors, b"error"), (data, b"data")):
        block = inflate.decompress(frame.payload[10:])
        assert struct.unpack_from(">I", block) == (3,)
        assert b"streamtype" + struct.pack(">I", len(kind)) + kind in block
        assert b"port" + struct.pack(">I", 4) + b"8080" in block


@pytest.mark.parametrize(
    ("text", "ports"), [("8080:80", (8080, 80)), ("80", (80, 80)), (":80", (0, 80)), ("0:80", (0, 80))]
)
def test_ports(text: str, ports: tuple[int, int]) -> None:
    assert parse([text]) == [ports]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x:80", "error: error parsing local port 'x': strconv.ParseUint: parsing \"x\": invalid syntax"),
        (
            ":65536",
            "error: error parsing remote port '65536': strconv.ParseUint: parsing \"65536\": value out of range",
        ),
        ("80:0", "error: remote port must be > 0"),
        ("1:2:3", "error: invalid port format '1:2:3'"),
    ],
)
def test_ports_that_are_none(text: str, says: str) -> None:
    with pytest.raises(Refused) as refused:
        parse([text])
    assert str(refused.value) == says


def test_addresses() -> None:
    both = [("127.0.0.1", True), ("::1", True)]
    assert forwarding.addresses(["localhost"]) == both
    assert forwarding.addresses(["localhost", "10.0.0.1"]) == [("10.0.0.1", False), *both]
    with pytest.raises(Refused, match="error: web is not a valid IP"):
        forwarding.addresses(["web"])


async def test_a_notebook_is_told_to_use_a_terminal() -> None:
    """Its kernel runs an event loop, as this test does."""
    with pytest.raises(Refused, match="Run it in a terminal"):
        session.until_interrupted(lambda: asyncio.sleep(0), code=0)

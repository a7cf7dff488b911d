"""A command's streams over one WebSocket, against a server of a few lines."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from websocket import ABNF, WebSocket, WebSocketTimeoutException

from kindlab.checks.streams import STDERR, STDOUT, Session


class Socket:
    """What comes, one frame after the other; then nothing for a while."""

    def __init__(self, *frames: tuple[int, bytes], protocol: str = "v5.channel.k8s.io") -> None:
        self.frames, self.protocol = list(frames), protocol
        self.sent: list[bytes] = []
        self.closed = ""

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0

    def recv_data_frame(self, *, control_frame: bool) -> tuple[int, Any]:
        if not self.frames:
            raise WebSocketTimeoutException("timed out")
        opcode, data = self.frames.pop(0)
        return opcode, SimpleNamespace(data=data)

    def send(self, data: bytes, opcode: int) -> None:
        assert opcode == ABNF.OPCODE_BINARY
        self.sent.append(data)

    def getsubprotocol(self) -> str:
        return self.protocol

    def close(self) -> None:
        self.closed += "said "

    def shutdown(self) -> None:
        self.closed += "shut"


def session(socket: Socket) -> Session:
    return Session(cast(WebSocket, socket))


def test_streams_are_told_apart_and_what_is_none_is_passed_over() -> None:
    text = ABNF.OPCODE_BINARY
    socket = Socket(
        (text, b"\x01one "),
        (ABNF.OPCODE_PING, b"\x01no output"),
        (text, b""),
        (text, b"\x02wrong"),
        (text, b"\xff\x01"),
        (text, b"\x01two"),
        (text, b'\x03{"status":"Success"}'),
        (ABNF.OPCODE_CLOSE, b"\x03\xe8"),
    )
    found = session(socket)
    assert found.drain(1)
    assert (found.received[STDOUT], found.received[STDERR]) == (b"one two", b"wrong")
    assert found.status() == {"status": "Success"}
    found.close()
    assert socket.closed == "shut"


def test_a_command_that_does_not_end_is_told_so_and_ended() -> None:
    socket = Socket((ABNF.OPCODE_BINARY, b"\x01some"))
    found = session(socket)
    assert not found.drain(1)
    assert found.received[STDOUT] == b"some"
    assert found.status() == {}
    found.close()
    assert socket.closed == "said shut"


@pytest.mark.parametrize(("protocol", "end"), [("v5.channel.k8s.io", [b"\xff\x00"]), ("v4.channel.k8s.io", [])])
def test_the_end_of_what_is_to_be_read_is_said_where_that_can_be(protocol: str, end: list[bytes]) -> None:
    socket = Socket(protocol=protocol)
    session(socket).send(b"text")
    assert socket.sent == [b"\x00text", *end]


def test_no_more_is_received_than_is_wanted() -> None:
    frames = [(ABNF.OPCODE_BINARY, b"\x01" + b"x" * 10) for _ in range(5)]
    socket = Socket(*frames)
    found = session(socket)
    assert not found.drain(1, 25)
    assert (found.overflowed, len(found.received[STDOUT]), len(socket.frames)) == (True, 30, 2)
    whole = session(Socket(*frames, (ABNF.OPCODE_CLOSE, b"\x03\xe8")))
    assert whole.drain(1, 50)
    assert not whole.overflowed

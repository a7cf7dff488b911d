"""gRPC over Streams: one unary call, and a server of unary methods. h2 frames HTTP/2, messages stay bytes.

Left out: streaming calls, messages that fill HTTP/2's first window (64 KiB), compression, TLS (wrap the stream).
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from pocketkube.network.http import ByteStream

FRAME = 16384
"""Bytes of a frame that every peer takes."""
LARGEST = 4 << 20
"""Bytes of a message, grpc-go's own limit."""
_TAKEN = 64 << 10
"""Bytes of a request that a server takes."""
OK, NOT_FOUND, EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 0, 5, 8, 12, 13, 14
_NAMES = {
    1: "Canceled",
    2: "Unknown",
    3: "InvalidArgument",
    4: "DeadlineExceeded",
    NOT_FOUND: "NotFound",
    EXHAUSTED: "ResourceExhausted",
    INTERNAL: "Internal",
    UNIMPLEMENTED: "Unimplemented",
    UNAVAILABLE: "Unavailable",
}

Headers = list[tuple[str, str]]


class GrpcError(Exception):
    """A call's status that is not OK. As grpc-go prints one."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"rpc error: code = {_NAMES.get(code, f'Code({code})')} desc = {message}")
        self.code = code
        self.message = message


Method = Callable[[bytes], Awaitable[bytes]]
"""From the request's message to the answer's. Raises GrpcError."""


def _framed(message: bytes) -> bytes:
    return b"\0" + struct.pack(">I", len(message)) + message


def _send(connection: h2.connection.H2Connection, number: int, message: bytes, *, last: bool) -> None:
    data = _framed(message)
    for start in range(0, len(data), FRAME):
        connection.send_data(number, data[start : start + FRAME], end_stream=last and start + FRAME >= len(data))


def _unframed(data: bytes) -> bytes:
    """The one message of a body. Raises GrpcError."""
    if len(data) < 5 or data[0] or len(data) != 5 + struct.unpack(">I", data[1:5])[0]:
        raise GrpcError(INTERNAL, "malformed message")
    return data[5:]


async def call(stream: ByteStream, authority: str, path: str, message: bytes, *, agent: str) -> bytes:
    """The answer's message. Raises GrpcError; OSError as the stream does."""
    config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
    connection = h2.connection.H2Connection(config)
    connection.initiate_connection()
    number = connection.get_next_available_stream_id()
    headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", authority),
        ("content-type", "application/grpc"),
        ("user-agent", agent),
        ("te", "trailers"),
    ]
    connection.send_headers(number, headers)
    _send(connection, number, message, last=True)
    await stream.write(connection.data_to_send())
    body, answered = bytearray(), Headers()
    while True:
        data = await stream.read()
        if not data:
            raise GrpcError(UNAVAILABLE, "error reading from server: EOF")
        try:
            events = connection.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            raise GrpcError(UNAVAILABLE, f"connection error: {error}") from None
        for event in events:
            if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                answered += [(str(name), str(value)) for name, value in event.headers]
            elif isinstance(event, h2.events.DataReceived):
                body += event.data
                if len(body) > LARGEST + 5:
                    raise _too_large(len(body), LARGEST)
                connection.acknowledge_received_data(event.flow_controlled_length, number)
            elif isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
                raise GrpcError(UNAVAILABLE, "the connection is draining")
            elif isinstance(event, h2.events.StreamEnded):
                return _answer(dict(answered), bytes(body))
        await stream.write(connection.data_to_send())


def _answer(headers: dict[str, str], body: bytes) -> bytes:
    status = headers.get("grpc-status")
    if status is None:
        code = headers.get(":status", "")
        text = f"unexpected HTTP status code received from server: {code}; malformed header: missing HTTP content-type"
        raise GrpcError(UNIMPLEMENTED if code == "404" else UNAVAILABLE, text)
    if int(status) != OK:
        raise GrpcError(int(status), headers.get("grpc-message", ""))
    return _unframed(body)


def _too_large(size: int, most: int) -> GrpcError:
    return GrpcError(EXHAUSTED, f"grpc: received message larger than max ({size} vs. {most})")


async def serve(stream: ByteStream, methods: Mapping[str, Method]) -> None:
    """Answer the calls of one connection until it ends; closes it. `methods` by path (`/package.Service/Method`)."""
    config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
    connection = h2.connection.H2Connection(config)
    connection.initiate_connection()
    calls: dict[int, tuple[str, bytearray]] = {}
    try:
        await stream.write(connection.data_to_send())
        while data := await stream.read():
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    path = next((str(value) for name, value in event.headers if str(name) == ":path"), "")
                    calls[event.stream_id] = (path, bytearray())
                elif isinstance(event, h2.events.DataReceived):
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    if len(calls[event.stream_id][1]) <= _TAKEN:
                        calls[event.stream_id][1].extend(event.data)  # what is too large is refused at its end
                elif isinstance(event, h2.events.StreamReset):
                    calls.pop(event.stream_id, None)
                elif isinstance(event, h2.events.StreamEnded):
                    path, body = calls.pop(event.stream_id)
                    await _reply(connection, event.stream_id, methods, path, bytes(body))
            await stream.write(connection.data_to_send())
    except (h2.exceptions.ProtocolError, ConnectionError):
        with suppress(ConnectionError):
            await stream.write(connection.data_to_send())
    finally:
        stream.close()


async def _reply(
    connection: h2.connection.H2Connection, number: int, methods: Mapping[str, Method], path: str, body: bytes
) -> None:
    head = [(":status", "200"), ("content-type", "application/grpc")]
    try:
        method = methods.get(path)
        if method is None:
            service, _, name = path.removeprefix("/").rpartition("/")
            known = any(other.startswith(f"/{service}/") for other in methods)
            text = f"unknown method {name} for service {service}" if known else f"unknown service {service}"
            raise GrpcError(UNIMPLEMENTED, text)
        if len(body) > _TAKEN:
            raise _too_large(len(body), _TAKEN)
        message = await method(_unframed(body))
    except GrpcError as error:
        trailers = [("grpc-status", str(error.code)), ("grpc-message", error.message)]
        connection.send_headers(number, head + trailers, end_stream=True)
        return
    connection.send_headers(number, head)
    _send(connection, number, message, last=False)
    connection.send_headers(number, [("grpc-status", str(OK))], end_stream=True)

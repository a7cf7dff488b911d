"""gRPC between two ends of a stream, and the messages of its health protocol."""

import asyncio
import contextlib

import h2.config
import h2.connection
import h2.events
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pocketkube.network import grpc, grpc_health
from pocketkube.network.stream import Stream


async def echo(message: bytes) -> bytes:
    return message[::-1]


async def broken(message: bytes) -> bytes:
    raise grpc.GrpcError(grpc.INTERNAL, "out of order")


METHODS = {"/a.Service/Echo": echo, "/a.Service/Broken": broken}


async def called(path: str, message: bytes = b"abc") -> bytes:
    client, server = Stream.pair(("10.244.1.2", 40000), ("10.244.1.3", 80))
    serving = asyncio.create_task(grpc.serve(server, METHODS))
    try:
        return await grpc.call(client, "10.244.1.3:80", path, message, agent="test")
    finally:
        client.close()
        await serving


async def test_a_call_and_its_answer() -> None:
    assert await called("/a.Service/Echo") == b"cba"
    assert await called("/a.Service/Echo", b"") == b""
    assert await called("/a.Service/Echo", b"x" * 30_000) == b"x" * 30_000


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/a.Service/Broken", "rpc error: code = Internal desc = out of order"),
        ("/a.Service/None", "rpc error: code = Unimplemented desc = unknown method None for service a.Service"),
        ("/b.Service/Echo", "rpc error: code = Unimplemented desc = unknown service b.Service"),
    ],
)
async def test_a_call_that_fails(path: str, text: str) -> None:
    with pytest.raises(grpc.GrpcError) as raised:
        await called(path)
    assert str(raised.value) == text


async def test_a_server_that_speaks_something_else() -> None:
    client, server = Stream.pair(("10.244.1.2", 40000), ("10.244.1.3", 80))
    await server.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    server.write_eof()
    with pytest.raises(grpc.GrpcError) as raised:
        await grpc.call(client, "10.244.1.3:80", "/a.Service/Echo", b"", agent="test")
    assert raised.value.code == grpc.UNAVAILABLE


async def test_a_server_that_goes_away() -> None:
    client, server = Stream.pair(("10.244.1.2", 40000), ("10.244.1.3", 80))
    server.close()
    with pytest.raises((grpc.GrpcError, ConnectionError)):
        await grpc.call(client, "10.244.1.3:80", "/a.Service/Echo", b"", agent="test")


async def test_a_client_that_speaks_something_else_ends_the_connection_only() -> None:
    client, server = Stream.pair(("10.244.1.2", 40000), ("10.244.1.3", 80))
    await client.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 4)
    await grpc.serve(server, METHODS)


@given(st.text(max_size=300))
def test_a_request_reads_as_it_was_written(service: str) -> None:
    assert grpc_health.decode_request(grpc_health.encode_request(service)) == service


@given(st.integers(0, 127))
def test_a_status_reads_as_it_was_written(status: int) -> None:
    assert grpc_health.decode_response(grpc_health.encode_response(status)) == status


@given(st.binary(min_size=1, max_size=20))
def test_what_is_no_message_is_a_value_error(data: bytes) -> None:
    for decode in (grpc_health.decode_request, grpc_health.decode_response):
        try:
            decode(data)
        except ValueError:
            continue


async def test_a_server_whose_answer_never_ends_is_given_up() -> None:
    client, server = Stream.pair(("10.244.1.2", 40000), ("10.244.1.3", 80))

    async def talk() -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        with contextlib.suppress(BrokenPipeError, ConnectionError):
            while data := await server.read():
                for event in connection.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        connection.send_headers(1, [(":status", "200"), ("content-type", "application/grpc")])
                while connection.streams and connection.local_flow_control_window(1) >= grpc.FRAME:
                    connection.send_data(1, bytes(grpc.FRAME))
                await server.write(connection.data_to_send())

    talking = asyncio.create_task(talk())
    with pytest.raises(grpc.GrpcError, match=r"ResourceExhausted desc = grpc: received message larger than max"):
        await grpc.call(client, "10.244.1.3:80", "/a.Service/Echo", b"", agent="test")
    client.close()
    await talking


async def test_a_request_that_is_too_large_is_not_kept() -> None:
    client, server = Stream.pair(("10.244.1.2", 40000), ("10.244.1.3", 80))
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    connection.initiate_connection()
    connection.send_headers(
        1, [(":method", "POST"), (":scheme", "http"), (":path", "/a.Service/Echo"), (":authority", "a")]
    )
    serving = asyncio.create_task(grpc.serve(server, METHODS))
    answered: dict[str, str] = {}
    sent = 0
    while "grpc-status" not in answered:
        while sent < 1 << 20 and connection.local_flow_control_window(1) >= grpc.FRAME:
            sent += grpc.FRAME
            connection.send_data(1, bytes(grpc.FRAME), end_stream=sent == 1 << 20)
        await client.write(connection.data_to_send())
        for event in connection.receive_data(await client.read()):
            if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                answered |= {str(name): str(value) for name, value in event.headers}
    assert answered["grpc-status"] == str(grpc.EXHAUSTED)
    assert int(answered["grpc-message"].split("(")[1].split()[0]) <= (64 << 10) + grpc.FRAME
    client.close()
    await serving

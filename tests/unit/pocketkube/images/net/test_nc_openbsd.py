"""agnhost's nc, as upstream's network tests use it."""

from __future__ import annotations

import asyncio

from tests.unit.pocketkube.images.net.conftest import Lab

from pocketkube.images.net.nc_openbsd import nc


async def serve(lab: Lab, answer: bytes, *, keep: bool = False) -> tuple[str, asyncio.Task[None]]:
    server = lab.pod("server")
    listener = server.net.listen(80)

    async def work() -> None:
        async for stream in listener:
            await stream.read()
            await stream.write(answer)
            if not keep:
                stream.close()

    return server.net.address, asyncio.create_task(work())


async def test_the_answer_is_printed_and_success_is_told(lab: Lab) -> None:
    address, task = await serve(lab, b"400 Bad Request")
    ran = await lab.pod("client").run("nc", "-v", "-t", "-w", "2", address, "80", stdin=b"hostName\n", main=nc)
    assert (ran.code, ran.out) == (0, "400 Bad Request")
    assert ran.err == f"Connection to {address} 80 port [tcp/http] succeeded!\n"
    task.cancel()


async def test_silence_ends_it_without_a_failure(lab: Lab) -> None:
    address, task = await serve(lab, b"x", keep=True)
    ran = await lab.pod("client").run("nc", "-w", "1", address, "80", stdin=b"hostName\n", main=nc)
    assert (ran.code, ran.out) == (0, "x")
    task.cancel()


async def test_a_refused_connection_is_told_with_v_only(lab: Lab) -> None:
    address = lab.pod("server").net.address
    client = lab.pod("client")
    loud = await client.run("nc", "-vz", "-w", "2", address, "81", main=nc)
    assert (loud.code, loud.err) == (1, f"nc: connect to {address} port 81 (tcp) failed: Connection refused\n")
    quiet = await client.run("nc", "-z", "-w", "2", address, "81", main=nc)
    assert (quiet.code, quiet.err) == (1, "")


async def test_datagrams_are_answered_and_a_refusal_is_silent(lab: Lab) -> None:
    server, client = lab.pod("server"), lab.pod("client")
    refused = await client.run("nc", "-v", "-u", "-w", "2", server.net.address, "90", stdin=b"hi\n", main=nc)
    assert (refused.code, refused.out) == (0, "")
    socket = server.net.bind_udp(90)

    async def work() -> None:
        data, sender = await socket.recvfrom()
        socket.sendto(data.upper(), sender)

    task = asyncio.create_task(work())
    ran = await client.run("nc", "-v", "-u", "-w", "2", server.net.address, "90", stdin=b"hi\n", main=nc)
    assert (ran.code, ran.out) == (0, "HI\n")
    await task


async def test_a_range_of_ports_is_scanned(lab: Lab) -> None:
    server = lab.pod("server")
    server.net.listen(8081)
    ran = await lab.pod("client").run("nc", "-vz", server.net.address, "8080-8082", main=nc)
    assert ran.code == 0
    assert ran.err.count("succeeded!") == 1


async def test_listening_takes_one_conversation(lab: Lab) -> None:
    server, client = lab.pod("server"), lab.pod("client")
    task = asyncio.create_task(server.run("nc", "-l", "-p", "7000", main=nc))
    while not list(server.net.sockets()):  # noqa: ASYNC110
        await asyncio.sleep(0)
    await client.run("nc", "-N", server.net.address, "7000", stdin=b"hello", main=nc)
    assert (await task).out == "hello"

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

from tests.unit.pocketkube.network.ingress.harness import rule, site, table

from pocketkube.clock import Clock
from pocketkube.network import http
from pocketkube.network.ingress.routes import Backend, Table


async def test_a_request_reaches_an_endpoint_with_forwarded_headers() -> None:
    async with site(rule("/a", hosts=("shop.example.com",))) as here:
        pod = here.serve()
        spoof = [
            ("X-Forwarded-For", "6.6.6.6"),
            ("X_Real_Ip", "6.6.6.6"),
            ("Connection", "x-secret"),
            ("X-Secret", "s"),
        ]
        said = await here.told("/a/b?c=d", host="Shop.Example.com.:8080", headers=spoof)
        assert said["server"] == pod.address
        assert said["target"] == "/a/b?c=d"
        assert said["headers"] == {
            "host": "Shop.Example.com.:8080",
            "x-forwarded-for": "10.244.1.9",
            "x-forwarded-host": "Shop.Example.com.:8080",
            "x-forwarded-port": "8080",
            "x-forwarded-proto": "http",
            "x-forwarded-server": "traefik",
            "x-real-ip": "10.244.1.9",
        }


async def test_errors_are_worded_as_traefik_words_them() -> None:
    async with site(rule("/none"), rule("/refused", backends=(Backend("shop", "dead", 80),))) as here:
        here.pod("dead")
        plain = "text/plain; charset=utf-8"
        nothing = await here.get("/other-host")
        assert (nothing.status, nothing.text, nothing.header("content-type")) == (404, "404 page not found\n", plain)
        names = [name for name, _ in nothing.headers]
        assert names == ["Content-Type", "X-Content-Type-Options", "Date", "Content-Length"]
        empty = await here.get("/none")
        assert (empty.status, empty.text, empty.header("content-type")) == (503, "no available server\n", plain)
        refused = await here.get("/refused")
        assert (refused.status, refused.text, refused.header("content-type")) == (502, "Bad Gateway", "")


async def test_endpoints_take_turns_and_weights_are_ratios() -> None:
    stable, canary = Backend("shop", "web", 80, weight=9), Backend("shop", "canary", 80, weight=1)
    async with site(rule(backends=(stable, canary))) as here:
        pods = [here.serve(), here.serve()]
        here.serve("canary")
        servers = [(await here.told())["server"] for _ in range(40)]
        assert [servers.count(pod.address) for pod in pods] == [18, 18]


async def test_two_hundred_tables_without_a_failed_request() -> None:
    async with site() as here:
        here.serve()
        stop, progress = asyncio.Event(), asyncio.Event()
        served = 0

        async def hammer() -> None:
            nonlocal served
            exchange = http.Exchange(await here.connect())
            while not stop.is_set():
                await exchange.send("GET", "/", [("Host", "h")])
                head = await exchange.head()
                body = b"".join([piece async for piece in exchange.body()])
                assert head.status == 200, body
                assert json.loads(body)["target"] == "/"
                served += 1
                progress.set()

        async with asyncio.TaskGroup() as clients:
            for _ in range(4):
                clients.create_task(hammer())
            for number in range(200):
                here.update(table(rule(), rule(f"/{number}")))
                before = served
                while served < before + 3:
                    progress.clear()
                    await progress.wait()
            stop.set()
        assert served > 600


async def test_a_port_that_vanishes_finishes_its_requests() -> None:
    came, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: http.Request) -> http.Response:
        came.set()
        await go_on.wait()
        return http.Response(200, [], b"done")

    async with site(port=81) as here:
        here.serve(handler=slow)
        idle = await here.connect(81)
        slow_one = await here.connect(81)
        await slow_one.write(b"GET / HTTP/1.1\r\nHo")
        asking = asyncio.create_task(here.get(port=81))
        await came.wait()
        here.update(Table())
        assert await idle.read() == b""
        go_on.set()
        answer = await asking
        assert (answer.status, answer.body, answer.header("connection")) == (200, b"done", "close")
        await slow_one.write(b"st: h\r\n\r\n")
        assert (await slow_one.read()).startswith(b"HTTP/1.1 200 OK\r\n")


async def test_clients_that_leave_in_the_middle_leave_nothing_behind() -> None:
    async def slow(request: http.Request) -> http.Response:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(50):
                yield b"x" * 1000
                await asyncio.sleep(0)

        return http.Response(200, [], pieces())

    partial = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + b"x" * 70000
    whole = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    async with site(clock=Clock(speed=100)) as here:  # some wait until they are given up
        here.serve(handler=slow)

        async def leave(number: int) -> None:
            stream = await here.connect()
            with suppress(ConnectionError):
                await stream.write((whole[:number], whole * 3, partial)[number % 3])
                for _ in range(number):
                    await asyncio.sleep(0)
                if number % 5 == 0:
                    await stream.read()
            (stream.close if number % 2 else stream.abort)()

        async with asyncio.TaskGroup() as clients:
            for number in range(1, 120):
                clients.create_task(leave(number))
        assert (await here.get()).status == 200
        async with asyncio.timeout(20):
            await here.proxy.drain()
        here.proxy.pool.close()
        assert [one for one in here.client.sockets() if one.state == "ESTABLISHED"] == []
        assert [one for one in here.net.sockets() if one.state != "LISTEN"] == []

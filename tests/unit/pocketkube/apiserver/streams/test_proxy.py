from __future__ import annotations

import asyncio
import base64
import gzip
import io
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from hashlib import sha1
from typing import Any

import aiohttp
import pytest
from tests.unit.pocketkube.apiserver.world import NAMESPACE, World
from yarl import URL

from pocketkube.network import http
from pocketkube.network.stream import Stream
from pocketkube.objects import Obj

BELOW = f"/api/v1/namespaces/{NAMESPACE}"
POD = "10.244.0.5"


def place_pod(world: World, name: str, address: str, *ports: int) -> None:
    container: Obj = {"name": "c", "image": "busybox", "ports": [{"containerPort": p} for p in ports]}
    spec = {"containers": [container], "nodeName": "node-1"}
    world.registry.create("pods", {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})
    if address:

        def give(pod: Obj) -> None:
            pod["status"].update(podIP=address, podIPs=[{"ip": address}])

        world.registry.patch("pods", NAMESPACE, name, give, subresource="status")


def place_service(world: World, name: str, *endpoints: Obj, ports: tuple[tuple[str, int, int], ...]) -> None:
    spec = {"ports": [{"name": called, "port": port} for called, port, _ in ports], "clusterIP": "None"}
    world.registry.create("services", {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})
    labels = {"kubernetes.io/service-name": name}
    world.registry.create(
        "endpointslices",
        {
            "metadata": {"name": f"{name}-1", "namespace": NAMESPACE, "labels": labels},
            "addressType": "IPv4",
            "endpoints": list(endpoints),
            "ports": [{"name": called, "port": target, "protocol": "TCP"} for called, _, target in ports],
        },
    )


def endpoint(address: str, pod: str = "", *, ready: bool = True) -> Obj:
    found: Obj = {"addresses": [address], "conditions": {"ready": ready}}
    if pod:
        found["targetRef"] = {"kind": "Pod", "namespace": NAMESPACE, "name": pod}
    return found


class Backend:
    """An HTTP server in a pod that keeps what it was asked and answers as told."""

    def __init__(self) -> None:
        self.asked: http.Request | None = None
        self.answer = http.Response(200, [("Content-Type", "text/plain")], b"hello")

    async def __call__(self, stream: Stream) -> None:
        await http.serve(stream, self._reply)

    async def _reply(self, request: http.Request) -> http.Response:
        self.asked = request
        return self.answer

    def header(self, name: str) -> str:
        assert self.asked is not None
        return self.asked.header(name)


@pytest.fixture
def backend(world: World) -> Backend:
    place_pod(world, "p", POD, 8080)
    place_pod(world, "bare", "10.244.0.6")
    place_pod(world, "lost", "")
    place_service(world, "web", endpoint(POD, "p"), ports=(("http", 80, 8080), ("closed", 81, 9)))
    found = Backend()
    world.network.listening[POD, 8080] = found
    return found


# -- where it goes


@pytest.mark.parametrize(
    ("path", "dialled"),
    [
        ("services/web:http", (POD, 8080, False)),
        ("services/web:80", (POD, 8080, False)),
        ("services/http:web:80", (POD, 8080, False)),
        ("services/https:web:http", (POD, 8080, True)),
        ("pods/p", (POD, 8080, False)),
        ("pods/p:81", (POD, 81, False)),
        ("pods/https:p:443", (POD, 443, True)),
        ("pods/bare", ("10.244.0.6", 80, False)),
        ("pods/https:bare:", ("10.244.0.6", 443, True)),
    ],
)
async def test_names(world: World, backend: Backend, path: str, dialled: Any) -> None:
    await world.get(f"{BELOW}/{path}/proxy/")
    assert world.network.dialled == [dialled]


async def test_nodes(world: World, backend: Backend) -> None:
    world.registry.create("nodes", {"metadata": {"name": "n"}})

    def give(node: Obj) -> None:
        node.setdefault("status", {})["addresses"] = [{"type": "InternalIP", "address": "172.18.0.3"}]

    world.registry.patch("nodes", "", "n", give, subresource="status")
    for name in ("n", "n:10250", "n:9100", "https:n:9100"):
        await world.get(f"/api/v1/nodes/{name}/proxy/")
    address = "172.18.0.3"
    kubelet = (address, 10250, True)
    assert world.network.dialled == [kubelet, kubelet, (address, 9100, False), (address, 9100, True)]
    assert (await world.get("/api/v1/nodes/ghost/proxy/"))[1]["message"] == 'nodes "ghost" not found'


async def test_only_ready_pods_of_the_namespace_are_chosen(world: World, backend: Backend) -> None:
    place_pod(world, "q", "10.244.0.7", 80)
    place_service(
        world,
        "many",
        endpoint("10.244.0.8"),  # no pod
        endpoint("10.244.0.9", "q"),  # another pod's address
        endpoint("10.244.0.6", "bare", ready=False),
        endpoint("10.244.0.7", "q"),
        ports=(("", 80, 80),),
    )
    for _ in range(20):
        await world.get(f"{BELOW}/services/many/proxy/")
    assert set(world.network.dialled) == {("10.244.0.7", 80, False)}


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("services/nope/proxy/", 404, 'services "nope" not found'),
        ("services/web/proxy/", 503, 'no endpoints available for service "web"'),
        ("services/web:no/proxy/", 503, 'no endpoints available for service "web:no"'),
        ("services/web:99/proxy/", 503, 'no service port 99 found for service "web"'),
        ("services/ftp:web:80/proxy/", 400, 'invalid service request "ftp:web:80"'),
        ("services/a:b:c:d/proxy/", 400, 'invalid service request "a:b:c:d"'),
        ("services/:80/proxy/", 400, 'invalid service request ":80"'),
        ("pods/nope/proxy/", 404, 'pods "nope" not found'),
        ("pods/lost/proxy/", 400, "address not allowed"),
        ("pods/p:http/proxy/", 400, 'invalid pod request "p:http": the port must be a number'),
        (
            "services/web:closed/proxy/",
            503,
            f"error trying to reach service: dial tcp {POD}:9: connect: connection refused",
        ),
        ("pods/p:9999/proxy/", 503, f"error trying to reach service: dial tcp {POD}:9999: i/o timeout"),
    ],
)
async def test_what_leads_nowhere(world: World, backend: Backend, path: str, code: int, message: str) -> None:
    seen, body = await world.get(f"{BELOW}/{path}")
    assert (seen, body["message"]) == (code, message)


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.1.1", "::1", "224.0.0.1", "0.0.0.0"])
async def test_addresses_that_are_nobodys(world: World, address: str) -> None:
    place_pod(world, "odd", address)
    code, body = await world.get(f"{BELOW}/pods/odd:80/proxy/")
    assert (code, body["message"]) == (400, "address not allowed")
    assert world.network.dialled == []


# -- what is asked


@pytest.mark.parametrize(
    ("sent", "target"),
    [
        ("/proxy/", "/"),
        ("/proxy/a/b", "/a/b"),
        ("/proxy/a/b/", "/a/b/"),
        ("/proxy/a?x=1&y=%20z&x=2", "/a?x=1&y=%20z&x=2"),
        ("/proxy/a%20b/%C3%A9", "/a%20b/%C3%A9"),
        ("/proxy/a//b/../c", "/a/c"),
        ("/proxy/a;v=1/@b:c", "/a;v=1/@b:c"),
    ],
)
async def test_the_path_and_the_query(world: World, backend: Backend, sent: str, target: str) -> None:
    url = URL(f"{world.url}{BELOW}/pods/p{sent}", encoded=True)
    async with world.http.get(url) as response:
        assert response.status == 200
    assert backend.asked is not None
    assert backend.asked.target == target


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_every_method_and_its_body(world: World, backend: Backend, method: str) -> None:
    code, body = await world.ask(method, f"{BELOW}/pods/p/proxy/x", "text", content_type="text/plain")
    assert (code, body) == (200, "hello")
    assert backend.asked is not None
    assert (backend.asked.method, backend.asked.body) == (method, b"text")
    assert backend.header("Content-Type") == "text/plain"


async def test_no_other_methods(world: World, backend: Backend) -> None:
    assert (await world.ask("TRACE", f"{BELOW}/pods/p/proxy/"))[0] == 405
    assert (await world.ask("OPTIONS", f"{BELOW}/pods/p/log"))[0] == 405


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_the_root_without_its_slash_is_a_redirect(world: World, backend: Backend, method: str) -> None:
    async with world.http.request(method, f"{BELOW}/pods/p/proxy?a=b", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (301, f"{BELOW}/pods/p/proxy/?a=b")
    assert world.network.dialled == []
    assert await world.post(f"{BELOW}/pods/p/proxy?a=b", "x") == (200, "hello")


async def test_credentials_stay_here(world: World, backend: Backend) -> None:
    headers = {
        "Impersonate-User": "kubernetes-admin",
        "Impersonate-Group": "system:masters",
        "Impersonate-Extra-Scope": "x",
        "X-Remote-User": "me",
        "X-Remote-Extra-A": "b",
        "Sec-WebSocket-Protocol": "base64url.bearer.authorization.k8s.io.c2VjcmV0, mine",
        "X-Mine": "kept",
    }
    async with world.http.get(f"{BELOW}/pods/p/proxy/", headers=headers) as response:
        assert response.status == 200
    assert backend.asked is not None
    text = json.dumps(backend.asked.headers)
    assert "authorization" not in {name.lower() for name, _ in backend.asked.headers}
    assert world.pki.token not in text
    for word in ("Impersonate", "X-Remote", "c2VjcmV0"):
        assert word.lower() not in text.lower()
    assert (backend.header("X-Mine"), backend.header("Sec-WebSocket-Protocol")) == ("kept", "mine")


async def test_headers_of_the_connection_stay_here(world: World, backend: Backend) -> None:
    backend.answer.headers += [
        ("Connection", "X-Hop"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Access-Control-Allow-Origin", "*"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
    ]
    sent = {"Connection": "keep-alive, X-Mine", "X-Mine": "1", "TE": "trailers", "Proxy-Authorization": "Basic eA=="}
    async with world.http.get(f"{BELOW}/pods/p/proxy/", headers=sent) as response:
        assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]
        for name in ("X-Hop", "Keep-Alive", "Access-Control-Allow-Origin"):
            assert name not in response.headers
    assert [backend.header(n) for n in ("X-Mine", "Proxy-Authorization", "TE")] == ["", "", "trailers"]


async def test_the_backend_is_told_who_asked_for_what(world: World, backend: Backend) -> None:
    path = f"{BELOW}/services/web:http/proxy/a/"
    async with world.http.get(path, headers={"X-Forwarded-For": "10.0.0.1", "Host": "example.com"}):
        pass
    assert backend.header("X-Forwarded-For") == "10.0.0.1, 127.0.0.1"
    assert (backend.header("X-Forwarded-Uri"), backend.header("Host")) == (path, "example.com")


async def test_who_may_not_is_told_so(world: World, backend: Backend) -> None:
    code, body = await world.get(f"{BELOW}/services/web:http/proxy/", Impersonate_User="somebody")
    text = f'User "somebody" cannot get resource "services/proxy" in API group "" in the namespace "{NAMESPACE}"'
    assert code == 403
    assert text in body["message"]
    assert world.network.dialled == []


async def test_without_credentials_nothing_is_dialled(world: World, backend: Backend) -> None:
    async with world.session(token=None) as http, http.get(f"{BELOW}/pods/p/proxy/") as response:
        assert response.status == 401
    assert world.network.dialled == []


# -- bodies


async def test_bodies_stream_both_ways_at_the_same_time(world: World) -> None:
    """An answer begins before the request has ended: neither body is held back."""
    place_pod(world, "p", POD, 8080)

    async def echo(stream: Stream) -> None:
        while not (await stream.read()).endswith(b"\r\n\r\n"):
            pass
        await stream.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while data := await stream.read():
            await stream.write(data)
            if data.endswith(b"0\r\n\r\n"):
                break
        stream.close()

    world.network.listening[POD, 8080] = echo
    answered: asyncio.Queue[bytes] = asyncio.Queue()

    async def parts() -> AsyncIterator[bytes]:
        yield b"first"
        assert b"first" in await answered.get()
        yield b"second"

    async with asyncio.timeout(20), world.http.post(f"{BELOW}/pods/p/proxy/", data=parts()) as response:
        answered.put_nowait(await response.content.readany())
        assert b"second" in await response.content.read()


async def test_large_bodies_pass_whole(world: World, backend: Backend) -> None:
    """More than the API server takes as an object."""
    data = bytes(range(256)) * 40_000
    backend.answer.body = data
    async with world.http.post(f"{BELOW}/pods/p/proxy/", data=io.BytesIO(data)) as response:
        assert response.headers["Content-Length"] == str(len(data))
        assert await response.read() == data
    assert backend.asked is not None
    assert backend.asked.body == data


async def test_compressed_requests_are_passed_on_as_they_are(world: World, backend: Backend) -> None:
    packed = gzip.compress(b"text")
    headers = {"Content-Encoding": "gzip"}
    async with world.http.post(f"{BELOW}/pods/p/proxy/", data=packed, headers=headers) as response:
        assert response.status == 200
    assert backend.asked is not None
    assert (backend.asked.body, backend.header("Content-Encoding")) == (packed, "gzip")


async def test_who_waits_to_be_told_to_go_on_is_told(world: World, backend: Backend) -> None:
    async with world.http.post(f"{BELOW}/pods/p/proxy/", data=b"text", expect100=True) as response:
        assert response.status == 200
    assert backend.asked is not None
    assert backend.asked.body == b"text"


async def test_head_and_answers_without_a_body(world: World, backend: Backend) -> None:
    backend.answer = http.Response(200, [("Content-Length", "5"), ("Content-Type", "text/html")], b"")
    async with world.http.head(f"{BELOW}/pods/p/proxy/x") as response:
        assert (response.status, response.headers["Content-Length"]) == (200, "5")
    backend.answer = http.Response(204)
    async with world.http.get(f"{BELOW}/pods/p/proxy/x") as response:
        assert (response.status, await response.read()) == (204, b"")


async def test_links_and_redirects_stay_below_the_proxy(world: World, backend: Backend) -> None:
    here = f"{BELOW}/services/web:http/proxy"
    backend.answer = http.Response(200, [("Content-Type", "text/html; charset=utf-8")], b'<a href="/x">y</a>')
    assert await world.get(f"{here}/page") == (200, f'<a href="{here}/x">y</a>')
    backend.answer = http.Response(302, [("Location", "/x?y=z"), ("Content-Type", "text/html")], b'<a href="/x">')
    async with world.http.get(f"{here}/page", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, f"{here}/x?y=z")
        assert await response.text() == '<a href="/x">'


# -- backends that misbehave


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (b"", "EOF"),
        (
            b"SSH-2.0-OpenSSH\r\n",
            'net/http: HTTP/1.x transport connection broken: malformed HTTP response "SSH-2.0-OpenSSH"',
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "net/http: HTTP/1.x transport connection broken: unexpected EOF"),
    ],
)
async def test_what_is_no_answer(world: World, says: bytes, why: str) -> None:
    place_pod(world, "p", POD, 8080)

    async def serve(stream: Stream) -> None:
        await stream.read()
        await stream.write(says)
        stream.close()

    world.network.listening[POD, 8080] = serve
    code, body = await world.get(f"{BELOW}/pods/p/proxy/")
    assert (code, body["reason"]) == (503, "ServiceUnavailable")
    assert body["message"] == f"error trying to reach service: {why}"


async def test_a_reset_is_no_answer(world: World) -> None:
    place_pod(world, "p", POD, 8080)

    async def serve(stream: Stream) -> None:
        await stream.read()
        stream.abort()

    world.network.listening[POD, 8080] = serve
    _, body = await world.get(f"{BELOW}/pods/p/proxy/")
    assert body["message"].endswith("read: connection reset by peer")


async def test_an_answer_that_is_cut_short_is_not_made_whole(world: World) -> None:
    place_pod(world, "p", POD, 8080)

    async def serve(stream: Stream) -> None:
        await stream.read()
        await stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
        stream.close()

    world.network.listening[POD, 8080] = serve
    async with world.http.get(f"{BELOW}/pods/p/proxy/") as response:
        assert response.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()


async def test_attack_a_page_that_never_ends_passes_as_it_comes(world: World) -> None:
    place_pod(world, "p", POD, 8080)

    async def serve(stream: Stream) -> None:
        await stream.read()
        await stream.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                await stream.write(b'<a href="/x">' * 1000)

    world.network.listening[POD, 8080] = serve
    async with world.http.get(f"{BELOW}/pods/p/proxy/") as response:
        assert response.status == 200
        assert (await response.content.readexactly(26)) == b'<a href="/x">' * 2


async def test_a_client_that_leaves_closes_the_connection(world: World) -> None:
    place_pod(world, "p", POD, 8080)
    closed = asyncio.Event()

    async def serve(stream: Stream) -> None:
        await stream.read()
        await stream.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        while await stream.read():
            pass
        closed.set()

    world.network.listening[POD, 8080] = serve
    async with world.session() as http:
        response = await http.get(f"{BELOW}/pods/p/proxy/")
        assert await response.content.readany() == b"x"
        response.close()
    async with asyncio.timeout(20):
        await closed.wait()


# -- upgrades


async def test_websockets_pass_through(world: World) -> None:
    place_pod(world, "p", POD, 8080)
    seen: list[bytes] = []

    async def serve(stream: Stream) -> None:
        head = await stream.read()
        seen.append(head)
        key = next(
            line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        lines = [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"]
        lines += [b"Sec-WebSocket-Accept: " + accept, b"", b""]
        await stream.write(b"\r\n".join(lines) + b"\x82\x05first")
        frame = await stream.read()
        masked = bytes(b ^ frame[2 + i % 4] for i, b in enumerate(frame[6:]))
        await stream.write(bytes((0x82, len(masked))) + masked)
        await stream.read()
        stream.close()

    world.network.listening[POD, 8080] = serve
    async with asyncio.timeout(20), world.http.ws_connect(f"{BELOW}/pods/p/proxy/ws?a=b") as socket:
        assert (await socket.receive()).data == b"first"
        await socket.send_bytes(b"second")
        assert (await socket.receive()).data == b"second"
    (head,) = seen
    assert head.startswith(b"GET /ws?a=b HTTP/1.1\r\n")
    assert world.pki.token.encode() not in head


@pytest.mark.parametrize(("answered", "code"), [(200, 500), (403, 403)])
async def test_a_backend_that_does_not_switch(world: World, backend: Backend, answered: int, code: int) -> None:
    backend.answer = http.Response(answered, [("Content-Type", "text/plain")], b"no")
    headers = {"Connection": "Upgrade", "Upgrade": "mine"}
    seen, body = await world.get(f"{BELOW}/pods/p/proxy/", **headers)
    assert seen == code
    assert body == "no" if code == 403 else body["message"] == "invalid upgrade response: status code 200"


async def test_a_backend_that_cannot_be_reached_for_an_upgrade(world: World, backend: Backend) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "mine"}
    code, body = await world.get(f"{BELOW}/pods/p:9/proxy/", **headers)
    assert (code, body["message"]) == (500, f"error dialing backend: dial tcp {POD}:9: connect: connection refused")

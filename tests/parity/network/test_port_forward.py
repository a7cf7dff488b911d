"""Port-forward through the official Python client: what test/e2e/kubectl/portforward.go demands, and some more."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kubernetes import client as kubernetes
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import portforward
from kubernetes.stream.ws_client import PortForward, create_websocket, get_websocket_url
from tests.parity.network.support import BUSYBOX, Place, pod, together
from websocket import WebSocket, WebSocketBadStatusException

SECONDS = 30


@contextmanager
def forwarded(net: Place, name: str, *ports: int) -> Iterator[PortForward]:
    # the client swaps a method of the object it is given: each call needs one of its own
    configuration = net.api.client.configuration
    core = kubernetes.CoreV1Api(kubernetes.ApiClient(configuration))
    core.api_client.default_headers.update(net.api.client.default_headers)
    session = portforward(
        core.connect_get_namespaced_pod_portforward, name, net.namespace, ports=",".join(map(str, ports))
    )
    try:
        yield session
    finally:
        session.close()


def open_websocket(net: Place, name: str, port: int) -> WebSocket:
    """The connection below: what the client's own threads make of it is left out."""
    headers: dict[str, str] = {"sec-websocket-protocol": "v4.channel.k8s.io"}
    net.api.client.update_params_for_auth(headers, [], ["BearerToken"])
    path = f"{net.api.server}/api/v1/namespaces/{net.namespace}/pods/{name}/portforward"
    url = get_websocket_url(path, [("ports", str(port))])
    return create_websocket(net.api.client.configuration, url, headers)


def connected(session: PortForward, port: int) -> socket.socket:
    found: socket.socket = session.socket(port)
    found.settimeout(SECONDS)
    return found


def read_all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def get(session: PortForward, port: int, path: str) -> bytes:
    connection = connected(session, port)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    return read_all(connection)


def waiting_pod(expected: str, chunks: int, size: int, interval: int, address: str) -> dict[str, Any]:
    """Upstream's pod: one container that takes a single connection, and one that sees whether it listens."""
    env = {
        "BIND_PORT": "80",
        "EXPECTED_CLIENT_DATA": expected,
        "CHUNKS": str(chunks),
        "CHUNK_SIZE": str(size),
        "CHUNK_INTERVAL": str(interval),
        "BIND_ADDRESS": address,
    }
    listens = ["sh", "-c", "netstat -na | grep LISTEN | grep -v 8080 | grep 80"]
    probe = {"exec": {"command": listens}, "initialDelaySeconds": 1, "timeoutSeconds": 60, "periodSeconds": 1}
    made = pod("pfpod", "netexec", readinessProbe=probe, restartPolicy="Never")
    (first,) = made["spec"]["containers"]
    second = {
        "name": "tester",
        "image": first["image"],
        "args": ["port-forward-tester"],
        "env": [{"name": name, "value": value} for name, value in env.items()],
    }
    made["spec"]["containers"] = [first, second]
    return made


def log_of_tester(net: Place) -> str:
    """What the tester has written, once it has ended."""

    def ended(found: dict[str, Any]) -> bool:
        states = {s["name"]: s["state"] for s in found["status"].get("containerStatuses") or ()}
        return "terminated" in states.get("tester", {})

    net.wait("Pod", "pfpod", ended)
    core = kubernetes.CoreV1Api(net.api.client)
    log: str = core.read_namespaced_pod_log("pfpod", net.namespace, container="tester")
    return log


# -- upstream's tests


@pytest.mark.parametrize("address", ["0.0.0.0", "localhost"])
def test_a_client_that_sends_nothing_and_disconnects(net: Place, address: str) -> None:
    net.start(waiting_pod("abc", 1, 1, 1, address))
    with forwarded(net, "pfpod", 80) as session:
        connected(session, 80)
        connected(session, 80).close()
    log = log_of_tester(net)
    assert "Accepted client connection" in log
    assert "Expected to read 3 bytes from client, but got 0 instead" in log


@pytest.mark.parametrize("address", ["0.0.0.0", "localhost"])
def test_a_client_that_sends_what_is_expected(net: Place, address: str) -> None:
    net.start(waiting_pod("abc", 10, 10, 100, address))
    with forwarded(net, "pfpod", 80) as session:
        connection = connected(session, 80)
        connection.sendall(b"abc")
        assert read_all(connection) == b"x" * 100
    log = log_of_tester(net)
    for line in ("Accepted client connection", "Received expected client data", "Done"):
        assert line in log


@pytest.mark.parametrize("address", ["0.0.0.0", "localhost"])
def test_a_server_that_speaks_first(net: Place, address: str) -> None:
    net.start(waiting_pod("", 10, 10, 100, address))
    with forwarded(net, "pfpod", 80) as session:
        assert read_all(connected(session, 80)) == b"x" * 100
    log = log_of_tester(net)
    assert "Accepted client connection" in log
    assert "Done" in log


@pytest.mark.parametrize("address", ["0.0.0.0", "localhost"])
def test_the_frames_of_the_websocket(net: Place, address: str) -> None:
    net.start(waiting_pod("def", 10, 10, 100, address))
    websocket = open_websocket(net, "pfpod", 80)
    websocket.settimeout(SECONDS)
    try:
        assert websocket.getheaders()["sec-websocket-protocol"] == "v4.channel.k8s.io"
        assert [websocket.recv(), websocket.recv()] == [b"\x00\x50\x00", b"\x01\x50\x00"]
        websocket.send_binary(b"\x00def")
        received = b""
        while len(received) < 100:
            frame = websocket.recv()
            assert frame[:1] == b"\x00"
            received += frame[1:]
        assert received == b"x" * 100
    finally:
        websocket.close()
    assert "Received expected client data" in log_of_tester(net)


def test_a_pod_that_is_removed_ends_its_connections(net: Place) -> None:
    net.start(pod("web", "netexec", "--http-port=80"))
    with forwarded(net, "web", 80) as session:
        connection = connected(session, 80)
        connection.sendall(b"GET /hostname HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"web" in connection.recv(4096)
        net.api.delete("Pod", "web", net.namespace)
        assert read_all(connection) == b""


# -- further


@pytest.fixture(scope="module")
def web(shared: Place) -> Place:
    bulk = "while true; do head -c 20000000 /dev/zero | nc -l -p 7001 -s 127.0.0.1; done"
    count = "while true; do nc -l -p 7000 | sha256sum; done"
    made = pod("web", "netexec", "--http-port=8080")
    made["spec"]["containers"] += [
        {"name": name, "image": BUSYBOX, "command": ["sh", "-c", script]}
        for name, script in (("source", bulk), ("sink", count))
    ]
    shared.start(made)
    return shared


def test_the_pod_sees_its_own_loopback(web: Place) -> None:
    with forwarded(web, "web", 8080) as session:
        assert b"\r\n\r\n127.0.0.1:" in get(session, 8080, "/clientip")


def test_several_ports_at_once(web: Place) -> None:
    with forwarded(web, "web", 8080, 7001) as session:
        connection = connected(session, 7001)
        assert len(connection.recv(1000)) > 0
        assert get(session, 8080, "/hostname").endswith(b"\r\n\r\nweb")
        read_all(connection)  # the client's thread does not survive a socket that is closed under it


def test_many_connections_at_once(web: Place) -> None:
    def one(number: int) -> bytes:
        with forwarded(web, "web", 8080) as session:
            return get(session, 8080, f"/echo?msg=number-{number}").rpartition(b"\r\n\r\n")[2]

    answers = together(*(lambda number=number: one(number) for number in range(20)))  # type: ignore[misc]
    assert answers == [f"number-{number}".encode() for number in range(20)]


def test_twenty_megabytes_out_of_a_pod(web: Place) -> None:
    with forwarded(web, "web", 7001) as session:
        assert len(read_all(connected(session, 7001))) == 20_000_000


def test_twenty_megabytes_into_a_pod(web: Place) -> None:
    data = bytes(range(250)) * 80_000
    with forwarded(web, "web", 7000) as session:
        connection = connected(session, 7000)
        connection.sendall(data)
    core, wanted = kubernetes.CoreV1Api(web.api.client), hashlib.sha256(data).hexdigest()
    lines = core.read_namespaced_pod_log(
        "web", web.namespace, container="sink", follow=True, _preload_content=False, _request_timeout=SECONDS
    )
    assert any(wanted.encode() in line for line in lines)
    lines.close()


def test_a_port_where_nobody_listens(web: Place) -> None:
    with forwarded(web, "web", 81) as session:
        assert read_all(connected(session, 81)) == b""
        text = session.error(81)
    assert text.startswith("error forwarding port 81 to pod ")
    assert "failed to connect to localhost:81 inside namespace" in text
    assert "IPv4: dial tcp4 127.0.0.1:81: connect: connection refused" in text


@pytest.mark.parametrize(("name", "code"), [("nope", 404), ("pending", 400)])
def test_pods_that_cannot_be_reached(net: Place, name: str, code: int) -> None:
    net.put(pod("pending", nodeSelector={"no": "such"}))
    with pytest.raises(WebSocketBadStatusException) as refused:
        open_websocket(net, name, 80)
    assert refused.value.status_code == code


def test_who_may_not_forward_is_told_so(net: Place) -> None:
    net.put(pod("pending", nodeSelector={"no": "such"}))
    core = kubernetes.CoreV1Api(kubernetes.ApiClient(net.api.client.configuration, "Impersonate-User", "somebody"))
    with pytest.raises(ApiException) as refused:
        core.connect_get_namespaced_pod_portforward("pending", net.namespace, ports=80)
    assert refused.value.status == 403
    assert 'cannot get resource \\"pods/portforward\\"' in refused.value.body

"""Traffic that comes in from this machine: a real socket on 127.0.0.1, the ingress controller, an endpoint."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from time import perf_counter, sleep

from bench import load
from bench.cases import NAMESPACE, Figure, until_endpoints, web
from kindlab import workspace
from kindlab.clusters.pocket import Pocket

HOST = "web.bench.test"
REQUEST = f"GET /hostname HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n".encode()


def ingress() -> Iterator[Figure]:
    port = _free_port()
    pocket = Pocket("bench", http_port=port, https_port=0)
    began = perf_counter()
    api = pocket.up(lambda text: None).api()
    try:
        _until_answered(port, 404)
        yield Figure("kindlab up, to the ingress controller answering", perf_counter() - began, "s", "<= 3")
        workspace.make_namespace(api, NAMESPACE)
        web(api, 3)
        until_endpoints(api, 3)
        backend = {"service": {"name": "web", "port": {"number": 80}}}
        path = {"path": "/", "pathType": "Prefix", "backend": backend}
        spec = {"ingressClassName": "traefik", "rules": [{"host": HOST, "http": {"paths": [path]}}]}
        meta = {"name": "web"}
        api.create({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": spec}, NAMESPACE)
        _until_answered(port, 200)
        address = ("127.0.0.1", port)
        load.flat_out(address, REQUEST, seconds=1)
        full = load.flat_out(address, REQUEST, seconds=5)
        yield Figure("ingress, 3 endpoints", full.rate, "/s", ">= 800", 0)
        half = load.at_pace(address, REQUEST, rate=full.rate / 2, seconds=5)
        yield Figure("ingress: p99 at half load", half.p99 * 1000, "ms", "<= 50", 1)
    finally:
        pocket.down(lambda text: None)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _until_answered(port: int, status: int, seconds: float = 60) -> None:
    end = perf_counter() + seconds
    while perf_counter() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/", headers={"Host": HOST})
            if connection.getresponse().status == status:
                return
        except (OSError, http.client.HTTPException):
            pass  # the controller is not there yet
        finally:
            connection.close()
        sleep(0.02)
    raise TimeoutError(f"the ingress controller did not answer {status} for {HOST} within {seconds} s")

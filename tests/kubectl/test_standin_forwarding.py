"""The stand-in's port-forward, proxy and get -w, as people start them: a process of its own, ended with Ctrl-C."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from kindlab import workspace
from kindlab.clusters.base import Status

pytestmark = pytest.mark.xdist_group("pocket")

NAMESPACE = "standin-edge"
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "api" / "traffic-04-port-forward.yaml"
KINDLAB = Path(sys.executable).with_name("kindlab")
IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
SCENARIO = yaml.safe_load(GOLDEN.read_text(encoding="utf-8"))["steps"]
ERRORS = [
    s for s in SCENARIO if s.get("kind") == "kubectl" and s["args"][0] == "port-forward" and not s.get("background")
]
"""What a real kubectl refused on a real cluster, and in which words."""
ECHO = """
apiVersion: v1
kind: Pod
metadata: {name: tools}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: counting, image: busybox:1.36, command: [sh, -c, "while true; do nc -l -p 7000 | wc -c; done"]}
  - name: source
    image: busybox:1.36
    command: [sh, -c, "while true; do head -c 30000000 /dev/zero | nc -l -p 7001; done"]
"""


class Beside:
    """The stand-in running while the test goes on."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [KINDLAB, "kubectl", "-n", NAMESPACE, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PATH": "/nonexistent"},  # where there is a kubectl, it would be taken
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"it ended: {self.process.communicate()[1]}"
        return line

    def end(self, number: int | None = signal.SIGINT) -> tuple[int, str, str]:
        """(exit code, the rest of its output, its errors)."""
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@contextmanager
def running(*words: str) -> Iterator[Beside]:
    beside = Beside(*words)
    try:
        yield beside
    finally:
        beside.process.kill()
        beside.process.communicate()


def port(line: str, remote: int) -> int:
    found = re.fullmatch(rf"Forwarding from 127\.0\.0\.1:(\d+) -> {remote}\n", line)
    assert found, line
    return int(found[1])


def get(number: int, path: str = "/hostname", host: str = "") -> str:
    headers = {"Host": host} if host else {}
    request = urllib.request.Request(f"http://127.0.0.1:{number}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=20) as response:
        return str(response.read().decode())


@pytest.fixture(scope="module")
def world(pocket: Status) -> Iterator[None]:
    """The recording's objects, and Pods that count and send bytes."""
    api = pocket.api()
    workspace.make_namespace(api, NAMESPACE)
    for step in SCENARIO:
        if step.get("method") == "POST" and step["id"] != "create-server-again":
            spec = {k: v for k, v in step["body"]["spec"].items() if k != "clusterIP"}
            api.create({**step["body"], "spec": spec}, NAMESPACE)
    api.create(yaml.safe_load(ECHO), NAMESPACE)
    for live in api.follow("Pod", NAMESPACE):
        ready = [
            p
            for p in live.values()
            if any(c["type"] == "Ready" and c["status"] == "True" for c in p["status"].get("conditions", ()))
        ]
        if len(ready) == 3:
            break
    yield
    workspace.remove_namespace(api, NAMESPACE)


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("step", ERRORS, ids=lambda step: str(step["id"]))
def test_what_is_refused_is_refused_in_kubectl_s_words(step: dict) -> None:
    words = [word for word in step["args"][:-2] if not re.match(r"-n", word)]
    with running(*words) as beside:
        assert beside.end(None) == (step["exit"], step["stdout"], step["stderr"])


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("target", ["pod/srv", "srv", "deploy/dep", "svc/web"])
def test_to_a_pod_a_deployment_and_a_service(target: str) -> None:
    remote = ":http" if target in ("svc/web", "srv") else ":8080"
    with running("port-forward", "--address", "127.0.0.1", target, remote) as beside:
        number = port(beside.line(), 8080)
        assert get(number).startswith("dep-" if target == "deploy/dep" else "srv")
        assert beside.end() == (0, f"Handling connection for {number}\n", "")


@pytest.mark.usefixtures("world")
def test_localhost_is_both_families_where_there_are_both() -> None:
    with running("port-forward", "pod/srv", ":8080") as beside:
        number = port(beside.line(), 8080)
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            return
        assert beside.line() == f"Forwarding from [::1]:{number} -> 8080\n"


@pytest.mark.usefixtures("world")
def test_several_ports_and_many_connections() -> None:
    with running("port-forward", "--address=127.0.0.1", "svc/web", ":80", ":http") as beside:
        ports = [port(beside.line(), 8080) for _ in range(2)]
        with ThreadPoolExecutor(30) as pool:
            answers = set(pool.map(lambda n: get(ports[n % 2]), range(90)))
        assert answers == {"srv"}
        code, out, err = beside.end()
        assert (code, err) == (0, "")
        assert sorted(out.splitlines()) == sorted(f"Handling connection for {ports[n % 2]}" for n in range(90))


@pytest.mark.usefixtures("world")
def test_much_in_either_direction_and_a_half_close(pocket: Status) -> None:
    """The Pod hears when the client has sent everything, and what it says then still arrives."""
    with running("port-forward", "--address=127.0.0.1", "tools", ":7000", ":7001") as beside:
        counting, source = (port(beside.line(), remote) for remote in (7000, 7001))
        with socket.create_connection(("127.0.0.1", counting), timeout=30) as client:
            client.sendall(bytes(5_000_000))
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/tools/log"
        log = pocket.api().request("GET", path, query={"container": "counting", "follow": "true"}, stream=True)
        assert next(iter(log)).strip() == b"5000000"
        log.close()
        with socket.create_connection(("127.0.0.1", source), timeout=30) as client:
            total = 0
            while data := client.recv(1 << 20):
                total += len(data)
            assert total == 30_000_000
    with running("port-forward", "--address=127.0.0.1", "srv", ":8080") as beside:
        number = port(beside.line(), 8080)
        with socket.create_connection(("127.0.0.1", number), timeout=30) as client:
            client.sendall(b"GET /hostname HTTP/1.0\r\n\r\n")
            client.shutdown(socket.SHUT_WR)
            with client.makefile() as answer:
                assert answer.read().endswith("srv")


@pytest.mark.usefixtures("world")
def test_a_client_that_does_not_read_holds_up_nobody() -> None:
    with running("port-forward", "--address=127.0.0.1", "tools", ":7000", ":7001") as beside:
        counting, source = (port(beside.line(), remote) for remote in (7000, 7001))
        with socket.create_connection(("127.0.0.1", source), timeout=30) as stalled:
            assert stalled.recv(1)
            with socket.create_connection(("127.0.0.1", counting), timeout=30) as client:
                client.sendall(b"hello")
                client.shutdown(socket.SHUT_WR)
                assert client.recv(1) == b""
        assert beside.end()[0] == 0


@pytest.mark.usefixtures("world")
def test_a_pod_that_is_deleted_is_lost(pocket: Status) -> None:
    api = pocket.api()
    spec = {"terminationGracePeriodSeconds": 0, "containers": [{"name": "c", "image": IMAGE, "args": ["netexec"]}]}
    api.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "brief"}, "spec": spec}, NAMESPACE)
    for live in api.follow("Pod", NAMESPACE, fields="metadata.name=brief"):
        if any(p["status"].get("phase") == "Running" for p in live.values()):
            break
    with running("port-forward", "--address=127.0.0.1", "brief", ":8080") as beside:
        number = port(beside.line(), 8080)
        api.delete("Pod", "brief", NAMESPACE, wait=True)
        with socket.create_connection(("127.0.0.1", number), timeout=30) as client:
            assert client.recv(1) == b""
        code, _, err = beside.end(None)
        assert code == 1
        assert err.endswith("error: lost connection to pod\n")


@pytest.mark.usefixtures("world")
def test_a_closed_port_of_the_pod_is_the_end() -> None:
    with running("port-forward", "--address=127.0.0.1", "svc/web", ":81") as beside:
        number = port(beside.line(), 9999)
        with socket.create_connection(("127.0.0.1", number), timeout=30) as client:
            assert client.recv(1) == b""
        code, out, err = beside.end(None)
        assert (code, out) == (1, f"Handling connection for {number}\n")
        first, last = err.splitlines()
        assert (
            f'"Unhandled Error" err="an error occurred forwarding {number} -> 9999: error forwarding port 9999' in first
        )
        assert "dial tcp4 127.0.0.1:9999: connect: connection refused" in first
        assert last == "error: lost connection to pod"


@pytest.mark.usefixtures("world")
def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with running("port-forward", "--address=127.0.0.1", "srv", f"{number}:8080") as beside:
            listener = f"unable to create listener: Error listen tcp4 127.0.0.1:{number}: bind: address already in use"
            assert beside.end(None) == (
                1,
                "",
                f"Unable to listen on port {number}: Listeners failed to create with the following errors: "
                f"[{listener}]\n"
                f"error: unable to listen on any of the requested ports: [{{{number} 8080}}]\n",
            )


def answers(number: int, path: str, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{number}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def proxy(pocket: Status) -> Iterator[int]:
    with running("proxy", "--port=0") as beside:
        found = re.fullmatch(r"Starting to serve on 127\.0\.0\.1:(\d+)\n", beside.line())
        assert found
        yield int(found[1])
        assert beside.end()[0] == 130


@pytest.mark.usefixtures("world")
def test_the_proxy_adds_who_we_are(proxy: int) -> None:
    base = f"/api/v1/namespaces/{NAMESPACE}"
    assert answers(proxy, f"{base}/services/web:http/proxy/hostname") == (200, "srv")
    assert answers(proxy, "/readyz")[0] == 200
    code, text = answers(proxy, f"{base}/services/nope", Accept="application/json")
    assert code == 404
    assert 'services \\"nope\\" not found' in text
    body = yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "posted"}}).encode()
    url = f"http://127.0.0.1:{proxy}{base}/configmaps"
    posted = urllib.request.Request(url, data=body, headers={"Content-Type": "application/yaml"})
    with urllib.request.urlopen(posted, timeout=20) as response:
        assert response.status == 201
    watched = f"{url}?watch=true&fieldSelector=metadata.name%3Dposted&resourceVersion=0"
    with urllib.request.urlopen(watched, timeout=20) as response:
        assert b'"ADDED"' in response.readline()  # at once, though the watch goes on


def test_the_proxy_refuses_other_hosts_and_what_kubectl_s_does(proxy: int) -> None:
    assert answers(proxy, "/version", Host="evil.example.com") == (403, "Forbidden\n")
    assert answers(proxy, "/version", Host=f"127.0.0.1.example.com:{proxy}") == (403, "Forbidden\n")
    assert answers(proxy, "/version", Host="localhost")[0] == 200
    assert answers(proxy, "/api/v1/namespaces/x/pods/y/exec?command=ls") == (403, "Forbidden\n")
    assert answers(proxy, "/version", Upgrade="websocket")[0] == 501


def test_the_proxy_stays_on_this_machine(pocket: Status) -> None:
    with running("proxy", "--port=0", "--address=0.0.0.0") as beside:
        code, out, err = beside.end(None)
        assert (code, out) == (1, "")
        assert "loopback addresses only" in err
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        running("proxy", f"--port={taken.getsockname()[1]}") as beside,
    ):
        assert beside.end(None)[2] == (
            f"error: listen tcp 127.0.0.1:{taken.getsockname()[1]}: bind: address already in use\n"
        )


@pytest.mark.usefixtures("world")
def test_get_goes_on_with_the_changes(pocket: Status) -> None:
    api = pocket.api()
    with running("get", "svc", "web", "-w") as beside:
        assert beside.line().split()[:2] == ["NAME", "TYPE"]
        assert beside.line().split()[:2] == ["web", "ClusterIP"]
        api.patch("Service", "web", NAMESPACE, {"spec": {"type": "NodePort"}})
        assert beside.line().split()[:2] == ["web", "NodePort"]
        api.patch("Service", "web", NAMESPACE, {"spec": {"type": "ClusterIP"}})
        assert beside.line().split()[:2] == ["web", "ClusterIP"]
        assert beside.end() == (130, "", "")


@pytest.mark.usefixtures("world")
def test_get_goes_on_with_custom_columns(pocket: Status) -> None:
    api = pocket.api()
    columns = "NAME:.metadata.name,AFFINITY:.spec.sessionAffinity,OPEN:.spec.publishNotReadyAddresses"
    with running("get", "svc", "web", "-w", "-o", f"custom-columns={columns}") as beside:
        assert beside.line().split() == ["NAME", "AFFINITY", "OPEN"]
        assert beside.line().split() == ["web", "None", "<none>"]
        api.patch("Service", "web", NAMESPACE, {"spec": {"publishNotReadyAddresses": True}})
        assert beside.line().split() == ["web", "None", "true"]
        api.patch("Service", "web", NAMESPACE, {"spec": {"publishNotReadyAddresses": None}})
        assert beside.line().split() == ["web", "None", "<none>"]
        assert beside.end()[0] == 130

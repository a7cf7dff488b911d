"""kubectl port-forward, proxy, exec and cp, over WebSocket and over SPDY, as new and old kubectls do them."""

import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.kubectl.conftest import KUBECTL, Kubectl

pytestmark = [
    pytest.mark.kubectl,
    pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on this machine (set KUBECTL, or put it on PATH)"),
]

OTHERS = [path for path in sorted(Path(KUBECTL).resolve().parent.glob("kubectl.1.*"))] if KUBECTL else []
"""Other versions beside the one that is tested, named kubectl.1.27 and the like."""
WAYS = {"websocket": "true", "spdy": "false"}
AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
WEB = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: {AGNHOST}
        args: [netexec, --http-port=8080]
        ports: [{{name: http, containerPort: 8080}}]
      - name: page
        image: {AGNHOST}
        args: [porter]
        env: [{{name: SERVE_PORT_8081, value: '<a href="/here">x</a>'}}]
      - name: source
        image: busybox:1.36
        command: [sh, -c, "while true; do head -c 30000000 /dev/zero | nc -l -p 7001; done"]
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  selector: {{app: web}}
  ports:
  - {{name: http, port: 80, targetPort: http}}
  - {{name: page, port: 81, targetPort: 8081}}
  - {{name: closed, port: 82, targetPort: 9}}
"""


@pytest.fixture
def web(kubectl: Kubectl) -> Kubectl:
    kubectl.ok("apply", "-f", "-", stdin=WEB)
    kubectl.ok("rollout", "status", "deployment/web", "--timeout=60s")
    return kubectl


@pytest.fixture(params=WAYS)
def way(kubectl: Kubectl, request: pytest.FixtureRequest) -> str:
    for name in ("KUBECTL_PORT_FORWARD_WEBSOCKETS", "KUBECTL_REMOTE_COMMAND_WEBSOCKETS"):
        kubectl.environment[name] = WAYS[request.param]
    return str(request.param)


class Beside:
    """kubectl running while the test goes on. `ports`: the local ones, by the remote."""

    def __init__(self, kubectl: Kubectl, args: tuple[str, ...], program: str | None = None) -> None:
        command = [program or str(KUBECTL), "-n", kubectl.namespace, *args]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=kubectl.environment,
            cwd=kubectl.home,
        )
        self.ports: dict[int, int] = {}

    def line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"kubectl ended: {self.process.communicate()[1]}"
        return line

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """(exit code, what it wrote to standard error)."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


@contextmanager
def forwarding(kubectl: Kubectl, *args: str, count: int = 1, program: str | None = None) -> Iterator[Beside]:
    beside = Beside(kubectl, ("port-forward", *args), program)
    try:
        while len(beside.ports) < count:
            found = re.match(r"Forwarding from [\d.]+:(\d+) -> (\d+)$", beside.line())
            if found:
                beside.ports[int(found[2])] = int(found[1])
        yield beside
    finally:
        beside.process.kill()
        beside.process.communicate()


def get(port: int, path: str = "/hostname") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as response:
        return str(response.read().decode())


def pod_of(kubectl: Kubectl) -> str:
    return kubectl.ok("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name}")


@pytest.mark.usefixtures("way")
def test_to_a_pod_a_deployment_and_a_service(web: Kubectl) -> None:
    pod = pod_of(web)
    for target, remote in (
        (f"pod/{pod}", ":8080"),
        ("deployment/web", ":http"),
        ("svc/web", ":80"),
        ("svc/web", ":http"),
    ):
        with forwarding(web, target, remote) as beside:
            assert get(beside.ports[8080]) == pod, (target, remote)
            assert beside.end() == (0, ""), (target, remote)


@pytest.mark.usefixtures("way")
def test_several_ports_and_many_connections(web: Kubectl) -> None:
    pod = pod_of(web)
    with forwarding(web, f"pod/{pod}", ":8080", ":8081", count=2) as beside:
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda n: get(beside.ports[8080], f"/echo?msg={n}"), range(100)))
        assert answers == [str(n) for n in range(100)]
        assert get(beside.ports[8081], "/") == '<a href="/here">x</a>'


def test_the_local_port_and_address_that_were_asked_for(web: Kubectl) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with forwarding(web, "--address", "127.0.0.1", "svc/web", f"{port}:80") as beside:
        assert beside.ports == {8080: port}
        assert get(port) == pod_of(web)


@pytest.mark.usefixtures("way")
def test_a_client_that_breaks_off_leaves_the_others_alone(web: Kubectl) -> None:
    with forwarding(web, "svc/web", ":80") as beside, forwarding(web, f"pod/{pod_of(web)}", ":7001") as bulk:
        with socket.create_connection(("127.0.0.1", bulk.ports[7001]), timeout=20) as broken:
            assert broken.recv(1)
        assert get(beside.ports[8080]) == pod_of(web)
        assert bulk.process.poll() is None


@pytest.mark.usefixtures("way")
def test_thirty_megabytes(web: Kubectl) -> None:
    size = 0
    with (
        forwarding(web, f"pod/{pod_of(web)}", ":7001") as beside,
        socket.create_connection(("127.0.0.1", beside.ports[7001]), timeout=20) as connection,
    ):
        while part := connection.recv(1 << 20):
            size += len(part)
    assert size == 30_000_000


@pytest.mark.usefixtures("way")
def test_a_port_where_nobody_listens(web: Kubectl) -> None:
    with forwarding(web, "svc/web", ":82") as beside:
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            get(beside.ports[9])
        code, errors = beside.ended()
    assert code == 1
    assert "error forwarding port 9 to pod" in errors
    assert "connect: connection refused" in errors
    assert errors.endswith("error: lost connection to pod\n")


@pytest.mark.usefixtures("way")
def test_a_pod_that_goes_away(web: Kubectl) -> None:
    pod = pod_of(web)
    with forwarding(web, f"pod/{pod}", ":8080") as beside:
        assert get(beside.ports[8080]) == pod
        web.ok("delete", "pod", pod, "--now")
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            get(beside.ports[8080])
        code, errors = beside.ended()
    assert code == 1
    assert "network namespace for sandbox" in errors
    assert errors.endswith("error: lost connection to pod\n")


def test_what_cannot_be_forwarded(kubectl: Kubectl) -> None:
    never = '{"spec":{"nodeSelector":{"no":"such"}}}'
    kubectl.ok("run", "pending", f"--image={AGNHOST}", f"--overrides={never}")
    done = kubectl.run("port-forward", "pod/pending", ":80", "--pod-running-timeout=1s")
    assert done.stderr == "error: unable to forward port because pod is not running. Current status=Pending\n"
    assert (
        kubectl.run("port-forward", "pod/nope", ":80").stderr == 'Error from server (NotFound): pods "nope" not found\n'
    )


@pytest.mark.usefixtures("way")
def test_exec_and_cp(web: Kubectl) -> None:
    pod = pod_of(web)
    failed = web.run("exec", pod, "-c", "web", "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (failed.returncode, failed.stdout) == (7, "out\n")
    assert failed.stderr == "err\ncommand terminated with exit code 7\n"
    text = "line\n" * 200_000
    assert web.ok("exec", "-i", pod, "-c", "web", "--", "cat", stdin=text) == text
    data = os.urandom(2_000_000)
    (web.home / "a").write_bytes(data)
    web.ok("cp", "a", f"{pod}:/tmp/b", "-c", "web")
    web.ok("cp", f"{pod}:/tmp/b", "c", "-c", "web")
    assert (web.home / "c").read_bytes() == data


@pytest.mark.usefixtures("way")
def test_attach(kubectl: Kubectl) -> None:
    kubectl.ok(
        "run", "echo", "-i", "--image=busybox:1.36", "--restart=Never", "--command", "--", "cat", stdin="hello\n"
    )
    assert kubectl.ok("logs", "echo") == "hello\n"


@pytest.mark.parametrize("program", OTHERS, ids=lambda path: path.name)
def test_other_versions(web: Kubectl, program: Path) -> None:
    pod = pod_of(web)
    for setting in WAYS.values():
        for name in ("KUBECTL_PORT_FORWARD_WEBSOCKETS", "KUBECTL_REMOTE_COMMAND_WEBSOCKETS"):
            web.environment[name] = setting
        with forwarding(web, f"pod/{pod}", ":8080", program=str(program)) as beside:
            assert get(beside.ports[8080]) == pod
            assert beside.end() == (0, "")
        done = subprocess.run(
            [program, "-n", web.namespace, "exec", "-i", pod, "-c", "web", "--", "sh", "-c", "cat; exit 3"],
            input="through\n",
            capture_output=True,
            text=True,
            env=web.environment,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (3, "through\n")


def test_kubectl_proxy(web: Kubectl) -> None:
    beside = Beside(web, ("proxy", "--port=0"))
    try:
        found = re.match(r"Starting to serve on 127\.0\.0\.1:(\d+)$", beside.line())
        assert found
        port, below = int(found[1]), f"/api/v1/namespaces/{web.namespace}/services"
        assert get(port, "/readyz") == "ok"
        assert get(port, f"{below}/web:http/proxy/hostname") == pod_of(web)
        assert get(port, f"{below}/web:81/proxy") == f'<a href="{below}/web:81/proxy/here">x</a>'
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(port, f"{below}/web:closed/proxy/")
        assert refused.value.code == 503
        assert b"connect: connection refused" in refused.value.read()
        assert get(port, f"{below}/web:http/proxy/header?key=Authorization").strip() == ""
    finally:
        beside.end(signal.SIGTERM)

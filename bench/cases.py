"""The figures of design section 6 that exist so far. Each case brings up its own cluster and yields Figures."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

import requests
import yaml

from bench import client
from kindlab import labs, states, workspace
from kindlab.api import Api
from kindlab.clusters.base import Status
from kindlab.clusters.pocket import Pocket
from kindlab.grading import runner
from kindlab.labs import Lab

NAMESPACE = "bench"


@dataclass
class Figure:
    what: str
    value: float
    unit: str
    target: str
    digits: int = 2


@contextlib.contextmanager
def cluster() -> Iterator[tuple[Status, float]]:
    """A fresh cluster and the seconds it took to be ready."""
    began = perf_counter()
    pocket = Pocket("bench", http_port=0, https_port=0)
    status = pocket.up(lambda text: None)
    seconds = perf_counter() - began
    try:
        yield status, seconds
    finally:
        pocket.down(lambda text: None)


@contextlib.contextmanager
def larger_cluster(workers: int) -> Iterator[tuple[Status, float]]:
    """As `cluster`, with more workers, which kindlab has no word for."""
    state = Path(os.environ["KINDLAB_HOME"]) / "larger"
    began = perf_counter()
    command = [sys.executable, "-m", "pocketkube", "--no-host-ports", "--state", str(state), "--workers", str(workers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            answer = next(said for said in map(json.loads, process.stdout) if "step" not in said)
            kubeconfig = answer["ready"]["kubeconfig"]
            yield Status("larger", "pocket", kubeconfig, "pocket", True), perf_counter() - began
        finally:
            process.terminate()


def help_text() -> Iterator[Figure]:
    kindlab = Path(sys.executable).with_name("kindlab")
    yield Figure("kindlab --help", median(_timed([str(kindlab), "--help"]) for _ in range(5)), "s", "<= 0.2")


def start() -> Iterator[Figure]:
    with cluster() as (_, first):
        pass
    ups = [first]
    for _ in range(4):
        with cluster() as (_, seconds):
            ups.append(seconds)
    yield Figure("kindlab up --cluster pocket, to all nodes Ready", median(ups), "s", "<= 1.0")


def hundred_pods() -> Iterator[Figure]:
    yield from _pods(100, "<= 2")


def thousand_pods() -> Iterator[Figure]:
    yield from _pods(1000, "<= 20, <= 600 MB")


def _pods(count: int, target: str) -> Iterator[Figure]:
    # a node takes 110 Pods, as everywhere: a thousand need more workers than kindlab up makes
    with cluster() if count <= 200 else larger_cluster(workers=count // 100 + 1) as (status, _):
        api = status.api()
        workspace.make_namespace(api, NAMESPACE)
        began = perf_counter()
        web(api, count)
        until_endpoints(api, count)
        yield Figure(f"Deployment of {count} Pods behind a Service: to ready", perf_counter() - began, "s", target)
        yield Figure(f"memory with {count} Pods", _rss(status), "MB", "<= 600 at 1,000", 0)
        if count > 100:
            return
        gone = []
        for _ in range(9):
            gone.append(_endpoint_gone(api) * 1000)
            until_endpoints(api, count)
        yield Figure("a Pod deleted: its endpoint no longer ready", median(gone), "ms", "<= 20", 1)
        began = perf_counter()
        api.delete("Namespace", NAMESPACE, wait=True)
        yield Figure("namespace with 100 Pods deleted", perf_counter() - began, "s", "<= 1")


def api_verbs() -> Iterator[Figure]:
    """Eight threads of Python requests: the client limits these figures as much as the server does."""
    with cluster() as (status, _):
        workspace.make_namespace(status.api(), NAMESPACE)
        base, session = _session(status)
        url = f"{base}/api/v1/namespaces/{NAMESPACE}/configmaps"

        def create(n: int) -> None:
            body = {"metadata": {"name": f"c{n}"}, "data": {"k": "v"}}
            assert session().post(url, json=body).status_code == 201

        def get(n: int) -> None:
            assert session().get(f"{url}/c{n}").status_code == 200

        yield Figure("API: create", _rate(create, 1000), "/s", "real 551, goal 1,500", 0)
        yield Figure("API: get", _rate(get, 1000), "/s", "real 1,095, goal 3,000", 0)
        lists = []
        for _ in range(9):
            began = perf_counter()
            found = session().get(url)
            lists.append(perf_counter() - began)
            assert len(found.json()["items"]) >= 1000
        yield Figure("API: list of 1,000 small objects", median(lists) * 1000, "ms", "<= 50 (real 21)", 1)


def api_verbs_fast() -> Iterator[Figure]:
    """Eight connections of a client that costs little: the server's own figures."""
    with cluster() as (status, _):
        workspace.make_namespace(status.api(), NAMESPACE)
        server, ca, token = credentials(status)
        path, count = f"/api/v1/namespaces/{NAMESPACE}/configmaps", 2000
        bodies = [json.dumps({"metadata": {"name": f"c{n}"}, "data": {"k": "v"}}).encode() for n in range(count)]
        creates = [client.request("POST", path, token, body) for body in bodies]
        gets = [client.request("GET", f"{path}/c{n}", token) for n in range(count)] * 2
        yield Figure("API, fast client: create", client.rate(server, ca, creates, b"201"), "/s", ">= 1,500", 0)
        yield Figure("API, fast client: get", client.rate(server, ca, gets, b"200"), "/s", ">= 3,000", 0)


def idle() -> Iterator[Figure]:
    """A cluster that nobody uses, its add-ons running: CPU time over 20 seconds (six leases are renewed in them)."""
    with cluster() as (status, _):
        until_addons(status.api())
        sleep(3)
        before = cpu_seconds(status)
        sleep(20)
        yield Figure("idle CPU", (cpu_seconds(status) - before) / 20 * 100, "%", "about 0.1", 2)
        yield Figure("idle memory, the add-ons running", _rss(status), "MB", "<= 120", 0)


def solved_labs() -> Iterator[Figure]:
    """Every lab with its reference solution in place and converged, graded one after the other on one cluster."""
    with cluster() as (status, _):
        api, every = status.api(), labs.all_labs()
        seconds = [_solved(lab, api) for lab in every]
    for lab, took in zip(every, seconds, strict=True):
        yield Figure(f"lab {lab.slug}, solved and converged, graded", took, "s", "<= 5")
    yield Figure(f"all {len(every)} labs, solved, graded", sum(seconds), "s", "<= 40 (01 to 10), <= 60 (all 16)")


def _solved(lab: Lab, api: Api) -> float:
    solution = next(state for state in states.states(lab) if state.name == "solution")
    states.bring_about(solution, api)
    assert runner.grade(lab, api).points == lab.max_points
    again = runner.grade(lab, api)
    assert again.points == lab.max_points
    workspace.remove_namespaces(api, lab)
    return again.seconds


CASES: list[Callable[[], Iterator[Figure]]] = [
    help_text,
    start,
    idle,
    hundred_pods,
    api_verbs,
    api_verbs_fast,
    solved_labs,
    thousand_pods,
]


# -- shared


def web(api: Api, count: int) -> None:
    labels = {"app": "web"}
    container = {
        "name": "web",
        "image": "registry.k8s.io/e2e-test-images/agnhost:2.63.0",
        "args": ["netexec", "--http-port=8080"],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
    }
    api.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "replicas": count,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
                },
            },
        },
        NAMESPACE,
    )
    ports = [{"port": 80, "targetPort": 8080}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    api.create({**service, "spec": {"selector": labels, "ports": ports}}, NAMESPACE)


def until_addons(api: Api) -> None:
    sidecars = ("attacher", "provisioner", "resizer", "snapshotter")
    waiting = {"kube-system/coredns", "kube-system/snapshot-controller", "traefik/traefik"}
    waiting |= {"local-path-storage/local-path-provisioner", *(f"kube-system/csi-hostpath-{name}" for name in sidecars)}
    for live in api.follow("Deployment", None, timeout=60):
        available = {key for key, found in live.items() if (found.get("status") or {}).get("availableReplicas")}
        if waiting <= available:
            return
    raise TimeoutError(f"{sorted(waiting)} did not become available within 60 s")


def _ready_targets(slices: Any) -> set[str]:
    return {
        e["targetRef"]["name"]
        for s in slices
        for e in s.get("endpoints") or ()
        if (e.get("conditions") or {}).get("ready")
    }


def until_endpoints(api: Api, count: int) -> None:
    for live in api.follow("EndpointSlice", NAMESPACE, timeout=300):
        if len(_ready_targets(live.values())) == count:
            return
    raise TimeoutError(f"{count} endpoints were not ready within 300 s")


def _endpoint_gone(api: Api) -> float:
    watch = api.follow("EndpointSlice", NAMESPACE, timeout=60)
    name = sorted(_ready_targets(next(watch).values()))[0]
    began = perf_counter()
    api.delete("Pod", name, NAMESPACE)
    for live in watch:
        if name not in _ready_targets(live.values()):
            return perf_counter() - began
    raise TimeoutError(name)


def _session(status: Status) -> tuple[str, Callable[[], requests.Session]]:
    """The server's URL and one session a thread."""
    server, ca, token = credentials(status)
    local = threading.local()

    def session() -> requests.Session:
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.trust_env = False  # REQUESTS_CA_BUNDLE would win over `verify`
            local.session.verify = str(ca)
            local.session.headers["Authorization"] = f"Bearer {token}"
        return local.session  # type: ignore[no-any-return]

    return server, session


def credentials(status: Status) -> tuple[str, Path, str]:
    """The server's URL, the file of its certificate authority and the admin's token."""
    assert status.kubeconfig is not None
    config = yaml.safe_load(Path(status.kubeconfig).read_text())
    server, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    ca = Path(status.kubeconfig).with_name("bench-ca.crt")
    ca.write_bytes(base64.b64decode(server["certificate-authority-data"]))
    return server["server"], ca, user["token"]


def _rate(call: Callable[[int], None], count: int) -> float:
    with ThreadPoolExecutor(8) as pool:
        began = perf_counter()
        list(pool.map(call, range(count)))
        return count / (perf_counter() - began)


def _rss(status: Status) -> float:
    """Resident memory of the cluster's process in MB, as Linux counts it."""
    assert status.kubeconfig is not None
    text = Path(f"/proc/{_pid(status)}/status").read_text()
    line = next(line for line in text.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def cpu_seconds(status: Status) -> float:
    """CPU seconds the cluster's process has used, as Linux counts them."""
    fields = Path(f"/proc/{_pid(status)}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pid(status: Status) -> str:
    assert status.kubeconfig is not None
    return Path(status.kubeconfig).with_name("pid").read_text().strip()


def _timed(command: list[str]) -> float:
    began = perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return perf_counter() - began

"""Where the probe's Pod runs: not on a node that has lost its power, which the cluster notices only after a while."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kindlab.api import Api, Obj
from kindlab.checks import probe
from kindlab.checks.probe import Replies, Reply
from kindlab.checks.verdict import CouldNotGrade

READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


class Fake:
    """A cluster that puts the probe on the first of `nodes` that it may be put on; of those `dead` is silent,
    and nobody has noticed."""

    def __init__(self, *nodes: str, dead: str, live: str = "") -> None:
        self.nodes, self.dead = nodes, dead
        self.pod: Obj | None = None
        self.made = 0
        if live:
            spec = {**probe._manifest([])["spec"], "nodeName": live}
            self.pod = {"metadata": {"name": probe.NAME}, "spec": spec, "status": READY}

    def get(self, *_: Any) -> Obj | None:
        return self.pod

    def delete(self, *_: Any, **__: Any) -> None:
        self.pod = None

    def create(self, manifest: Obj, namespace: str) -> None:
        assert self.pod is None
        self.made += 1
        rather = manifest["spec"].get("affinity", {}).get("nodeAffinity", {})
        terms = rather.get("preferredDuringSchedulingIgnoredDuringExecution", ())
        shunned = [v for term in terms for e in term["preference"]["matchFields"] for v in e["values"]]
        node = next((n for n in self.nodes if n not in shunned), self.nodes[0])
        status = {"phase": "Pending"} if node == self.dead else READY
        self.pod = {"metadata": {"name": probe.NAME}, "spec": {**manifest["spec"], "nodeName": node}, "status": status}

    def follow(self, *_: Any, **__: Any) -> Iterator[dict[str, Obj]]:
        yield {probe.NAME: self.pod} if self.pod else {}


@pytest.fixture(autouse=True)
def hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands in a Pod of a dead node fail."""

    def host(api: Any, namespace: str, pod: str) -> Any:
        def run(command: str) -> Any:
            if api.pod["spec"]["nodeName"] == api.dead:
                raise CouldNotGrade("dial tcp: i/o timeout")
            return SimpleNamespace(rc=0)

        return SimpleNamespace(run=run, node=api.pod["spec"]["nodeName"])

    monkeypatch.setattr(probe, "pod_host", host)


def placed(api: Fake) -> str:
    return str(cast(Any, probe.Probe(cast(Api, api), "shop").host).node)


def test_a_node_that_says_nothing_is_avoided() -> None:
    assert placed(Fake("a", "b", dead="a")) == "b"


def test_a_probe_that_is_there_and_answers_stays() -> None:
    api = Fake("a", "b", dead="a", live="b")
    assert placed(api) == "b"
    assert api.made == 0


def test_a_probe_that_is_ready_on_a_dead_node_is_made_again_elsewhere() -> None:
    assert placed(Fake("a", "b", dead="a", live="a")) == "b"


def test_where_no_node_answers_it_says_so() -> None:
    with pytest.raises(CouldNotGrade, match="was not ready within"):
        placed(Fake("a", dead="a"))


def test_only_a_name_is_who_answered() -> None:
    def said(body: str) -> str:
        return str(Replies([Reply(200, body, 0)]))

    assert said("web-6c9-x\n") == "1 request: answered by web-6c9-x"
    assert said("version 1.0") == "1 request: answered by version 1.0"
    assert said("{}") == "1 request: HTTP 200 '{}'"
    assert said("<h1>shop</h1>") == "1 request: HTTP 200 '<h1>shop</h1>'"


@pytest.mark.parametrize(
    "change",
    [
        {"containers": [{"name": "probe", "image": "busybox:1.36"}]},
        {"containers": [{"name": "probe", "image": probe.IMAGE, "args": ["netexec"]}]},
        {"containers": [{"name": "probe", "image": probe.IMAGE, "args": ["pause"], "env": [{"name": "http_proxy"}]}]},
        {
            "containers": [
                {"name": "probe", "image": probe.IMAGE, "args": ["pause"], "volumeMounts": [{"mountPath": "/"}]}
            ]
        },
        {"containers": [{"name": "other", "image": probe.IMAGE, "args": ["pause"]}]},
        {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["web"]}]},
        {"dnsConfig": {"nameservers": ["10.0.0.1"]}},
    ],
)
def test_a_pod_that_stands_in_the_probes_place_is_made_anew(change: dict[str, Any]) -> None:
    cluster = Fake("a", dead="", live="a")
    assert cluster.pod is not None
    cluster.pod["spec"] |= change
    assert probe.Probe(cast(Api, cluster), "lab").host
    assert cluster.made == 1


def test_the_probe_that_is_there_is_used_again_whatever_the_cluster_has_added() -> None:
    cluster = Fake("a", dead="", live="a")
    assert cluster.pod is not None
    cluster.pod["spec"]["containers"][0]["volumeMounts"] = [{"mountPath": probe.TOKEN}]
    cluster.pod["spec"]["containers"].append({"name": "istio-proxy", "image": "istio"})
    assert probe.Probe(cast(Api, cluster), "lab").host
    assert cluster.made == 0


FORGED = "web-1\n200 \n--kindlab--0\nweb-2\n200 \n--kindlab--0\nweb-3"
"""What one Pod answers, to be taken for three; and for a request to another URL that was answered."""


class Shell(probe.Probe):
    """Runs the scripts here, where every request is answered with FORGED."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        curl = folder / "curl"
        curl.write_text(f"#!/bin/sh\nprintf '{FORGED}\\n200 '\n".replace("\n200 \n", "\\n200 \\n"), encoding="utf-8")
        curl.chmod(0o700)

    @property
    def host(self) -> Any:
        def run(script: str) -> Any:
            env = {**os.environ, "PATH": f"{self.path}:{os.environ['PATH']}"}
            done = subprocess.run(["/bin/sh", "-c", script], env=env, capture_output=True, text=True, check=False)
            return SimpleNamespace(rc=done.returncode, stdout=done.stdout, stderr=done.stderr)

        return SimpleNamespace(run=run)


@pytest.mark.skipif(os.name == "nt", reason="a shell of Unix")
def test_an_answer_cannot_pose_as_several(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    assert [(reply.code, reply.exit, reply.body) for reply in shell.get_many("http://web", count=2)] == [
        (200, 0, FORGED)
    ] * 2
    assert [reply.body for reply in shell.get_each(["http://web", "http://db"]).values()] == [FORGED] * 2


class Server:
    """A web server that answers with the number of the connection, or on `silent` ones not at all; `keeps` them
    open though it is asked not to."""

    def __init__(self, silent: frozenset[int] = frozenset(), keeps: bool = False) -> None:
        self.silent, self.keeps = silent, keeps
        self.connections = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/hostname"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self.socket.accept()
            self.connections += 1
            threading.Thread(target=self._answer, args=(connection, self.connections), daemon=True).start()

    def _answer(self, connection: socket.socket, number: int) -> None:
        with connection:
            while connection.recv(1 << 16):
                if number in self.silent:
                    return
                body = f"web-{number}"
                close = "" if self.keeps else "Connection: close\r\n"
                connection.sendall(f"HTTP/1.1 200 OK\r\n{close}Content-Length: {len(body)}\r\n\r\n{body}".encode())
                if not self.keeps:
                    return


class Real(Shell):
    """Runs the scripts here, with this machine's curl."""

    def __init__(self) -> None:
        self.path = Path("/usr/bin")
        self.scripts: list[str] = []

    @property
    def host(self) -> Any:
        inner = super().host

        def run(script: str) -> Any:
            self.scripts.append(script)
            return inner.run(script)

        return SimpleNamespace(run=run)


curl = pytest.mark.skipif(shutil.which("curl") is None or os.name == "nt", reason="no curl on this machine")


@curl
def test_many_requests_are_one_command_and_each_has_its_own_connection() -> None:
    server, probing = Server(), Real()
    replies = probing.get_many(server.url, count=12)
    assert replies.ok
    assert [reply.body for reply in replies] == [f"web-{n}" for n in range(1, 13)]
    assert len(probing.scripts) == 1


@curl
def test_what_follows_a_request_without_an_answer_is_asked_all_the_same() -> None:
    server, probing = Server(silent=frozenset({3, 5})), Real()
    replies = probing.get_many(server.url, count=7)
    assert [reply.exit for reply in replies] == [0, 0, 52, 0, 52, 0, 0]
    assert [reply.body for reply in replies if reply.ok] == ["web-1", "web-2", "web-4", "web-6", "web-7"]


@curl
def test_three_in_a_row_without_an_answer_end_a_series_also_where_the_first_is_among_many() -> None:
    replies = Real().get_many(Server(silent=frozenset(range(3, 20))).url, count=10)
    assert [reply.exit for reply in replies] == [0, 0, 52, 52, 52]
    refused = Real().get_many("http://127.0.0.1:1/", count=10)
    assert [reply.exit for reply in refused] == [probe.REFUSED] * 3


@curl
def test_a_server_that_keeps_a_connection_open_gets_a_new_one_for_each_request() -> None:
    replies = Real().get_many(Server(keeps=True).url, count=4)
    assert [reply.body for reply in replies] == [f"web-{n}" for n in (1, 2, 3, 4)]


@curl
def test_no_more_is_asked_once_all_have_answered() -> None:
    server, probing = Server(), Real()
    assert len(probing.get_many(server.url, count=50, until={"web-1", "web-2"})) == 2 * probe.EAGER
    assert len(probing.get_many(server.url, count=50, until={"web-0", "web-2"})) == 50


@curl
def test_a_url_that_means_something_in_patterns_is_asked_for_as_it_is() -> None:
    server, probing = Server(), Real()
    assert probing.get_many(f"{server.url}#top", count=3).ok
    assert server.connections == 3


@pytest.mark.skipif(os.name == "nt", reason="a shell of Unix")
def test_a_name_with_several_addresses_is_resolved_anew_for_each_request(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    getent = tmp_path / "getent"
    getent.write_text(
        "#!/bin/sh\nprintf '10.0.0.1 STREAM web\\n10.0.0.1 DGRAM\\n10.0.0.2 STREAM\\n'\n", encoding="utf-8"
    )
    getent.chmod(0o700)
    assert shell._at_once("http://web", 5, 1, "") == []
    assert len(shell.get_many("http://web", count=5)) == 5


@pytest.mark.parametrize("pods", [1, 2, 4])
def test_enough_requests_miss_none_of_several_nor_one_beside_them(pods: int) -> None:
    assert (pods + 1) * (1 - 1 / (pods + 1)) ** probe.enough(pods) < 1e-6

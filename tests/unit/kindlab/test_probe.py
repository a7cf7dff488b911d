"""Where the probe's Pod runs: not on a node that has lost its power, which the cluster notices only after a while."""

from __future__ import annotations

import os
import subprocess
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

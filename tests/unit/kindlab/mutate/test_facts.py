"""Facts whose words may not hang on what is an answer's own choice: numbers of ports, folders, who signs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from kindlab.api import Obj
from kindlab.checks.door import Door
from kindlab.mutate.cast import Cast
from kindlab.mutate.facts import outside, runs, volumes
from kindlab.mutate.scene import Answer, Scene

NODE = {"status": {"addresses": [{"type": "InternalIP", "address": "172.18.0.2"}]}}


class Nodes:
    """A scene with one Service, behind whose node ports `who` answers, "" for nobody."""

    def __init__(self, ports: list[Obj], who: str) -> None:
        self.cast, self.who = Cast({"": "lab"}), who
        self.api = SimpleNamespace(list=lambda kind: [NODE])
        self.services = [{"metadata": {"name": "web", "namespace": "lab"}, "spec": {"ports": ports}}]

    def ask(self, asker: Obj, questions: dict[str, Any]) -> dict[str, list[Answer]]:
        return {at: [Answer(0, 200, self.who) if self.who else Answer(7, 0, "")] for at in questions}

    def plain(self, text: str) -> str:
        return f"<{text}>"


@pytest.mark.parametrize("port", [80, 8080])
def test_who_answers_at_node_ports_is_known_whatever_their_numbers(port: int) -> None:
    ports = [{"port": port, "nodePort": 30000 + port}, {"port": 9000, "nodePort": 30001}]
    found = {fact.key: fact for fact in outside._nodes(cast(Scene, Nodes(ports, "web")), {})}
    assert found["ports of the nodes for web are answered by"].value == "<web>"
    assert found["ports of the nodes for web are answered"].value == "yes"
    assert found["ports of the nodes for web are answered"].strong


@pytest.mark.parametrize("ports", [[], [{"port": 80, "nodePort": 30080}]])
def test_that_nobody_answers_there_counts_only_where_it_must_be_so(ports: list[Obj]) -> None:
    found = {fact.key: fact for fact in outside._nodes(cast(Scene, Nodes(ports, "")), {})}
    assert found["ports of the nodes for web are answered by"].value == "nobody"
    assert not found["ports of the nodes for web are answered by"].strong
    assert not found["ports of the nodes for web are answered"].strong


class Hosts:
    """A scene with a controller; `shown`: host -> what curl says of the certificate, of others the controller's own."""

    def __init__(self, shown: dict[str, str]) -> None:
        self.shown, self.cast = shown, Cast({"": "lab"})
        self.cast.urls = {(host, path) for host in ("shop.test", "blog.test") for path in ("/", "/nowhere")}

    def run(self, asker: Obj, script: str) -> tuple[int, str]:
        own = next((said for host, said in self.shown.items() if f" https://{host}/" in script), "subject: DEFAULT")
        return 0, own


@pytest.mark.parametrize("signer", ["itself", "an authority"])
def test_a_certificate_of_its_own_is_one_that_not_every_name_gets(signer: str) -> None:
    scene = cast(Scene, Hosts({"shop.test": f"subject: CN=shop.test, issuer: {signer}"}))
    door = Door("traefik", "traefik", "10.96.0.1", 80, 443, "traefik-1", "c")
    found = {fact.key: fact.value for fact in outside._certificates(scene, {}, "c", door)}
    assert found == {
        "outside, the certificate for shop.test by c": "its own",
        "outside, the certificate for blog.test by c": "as for any name",
    }


def test_a_run_of_a_cron_job_is_tried_once_and_is_there_to_be_looked_at() -> None:
    pod = {"serviceAccountName": "own", "serviceAccount": "own", "containers": []}
    template = {"spec": {"backoffLimit": 2, "ttlSecondsAfterFinished": 5, "template": {"spec": pod}}}
    cron = {"metadata": {"name": "backup", "namespace": "lab"}, "spec": {"jobTemplate": template}}
    spec = runs._job(cron, "nobody")["spec"]
    assert spec == {
        "backoffLimit": 0,
        "suspend": False,
        "template": {"spec": {"serviceAccountName": "nobody", "containers": []}},
    }
    assert runs._job(cron, "")["spec"]["template"]["spec"] == pod
    assert template["spec"]["backoffLimit"] == 2


def test_a_snapshot_is_told_by_its_claim_and_whether_it_can_be_used() -> None:
    snapshot: Obj = {"spec": {"source": {"persistentVolumeClaimName": "data-0"}}}
    assert runs._words(snapshot) == "a snapshot of data-0, which does not get ready"
    assert runs._words({**snapshot, "status": {"readyToUse": True}}) == "a snapshot of data-0"


class Disk:
    """A scene with ready Pods of one workload, each with its folder of the disk; `written`: folders with the mark."""

    def __init__(self, folders: dict[str, str]) -> None:
        self.folders, self.written = folders, set[str]()

    def parties(self) -> dict[str, list[Obj]]:
        return {"diary": [self._pod(name) for name in self.folders]}

    def _pod(self, name: str) -> Obj:
        mount = {"name": "d", "mountPath": f"/of-{name}"}
        claim = {"name": "d", "persistentVolumeClaim": {"claimName": "diary"}}
        spec = {"containers": [{"name": "c", "volumeMounts": [mount]}], "volumes": [claim]}
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        return {"metadata": {"name": name}, "spec": spec, "status": ready}

    def run(self, pod: Obj, script: str, container: str = "") -> tuple[int, str]:
        folder = self.folders[pod["metadata"]["name"]]
        if "echo here" in script:
            self.written.add(folder)
        return (0 if folder in self.written else 1), ""


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        ({"a": "one", "b": "one"}, ["read by all"]),
        ({"a": "one", "b": "another"}, ["not read by all"]),
        ({"a": "one"}, []),
    ],
)
def test_pods_of_a_workload_are_asked_for_what_one_of_them_writes(folders: dict[str, str], words: list[str]) -> None:
    found = list(volumes._together(cast(Scene, Disk(folders))))
    assert [fact.value for fact in found] == words
    assert all(fact.key == "what a Pod of diary writes into claim diary is" for fact in found)

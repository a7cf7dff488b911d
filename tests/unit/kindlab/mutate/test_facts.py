"""Facts whose words may not hang on what is an answer's own choice: numbers of ports, folders, who signs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kindlab.api import Obj
from kindlab.checks.door import LABELS, Door
from kindlab.checks.verdict import CouldNotGrade
from kindlab.mutate.cast import Cast
from kindlab.mutate.facts import contents, network, outside, runs, services, volumes
from kindlab.mutate.scene import Answer, Guest, Question, Scene

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


READY: Obj = {"conditions": [{"type": "Ready", "status": "True"}], "podIP": "10.244.1.5"}


def ready_pod(name: str, node: str = "one") -> Obj:
    container = {"name": "c", "ports": [{"name": "web", "containerPort": 8080}]}
    meta = {"name": name, "namespace": "lab", "labels": {"app": "web"}}
    return {"metadata": meta, "spec": {"nodeName": node, "containers": [container]}, "status": READY}


class Routed:
    """A scene with a Service and the Pods of one workload; from a node it answers with these of them."""

    def __init__(self, spec: Obj, **answering: list[str]) -> None:
        self.cast, self.answering = Cast({"": "lab"}), answering
        self.workers, self.apart = ["one", "two"], "other"
        self.cast.service_ports["web"] = {80}
        self.services = [{"metadata": {"name": "web", "namespace": "lab"}, "spec": spec}]
        self.pods = [ready_pod(name) for name in ("web-1", "web-2")]

    @contextmanager
    def strangers(self, guests: dict[str, Guest]) -> Iterator[dict[str, Obj]]:
        yield {
            key: {"metadata": {"namespace": one.space}, "spec": {"nodeName": one.node}} for key, one in guests.items()
        }

    def ask(self, asker: Obj, questions: dict[str, Question]) -> dict[str, list[Answer]]:
        names = self.answering[asker["spec"]["nodeName"]]
        return {at: [Answer(0, 200, name) for name in names] or [Answer(28, 0, "")] for at in questions}

    def party(self, pod: Obj) -> str:
        return "web"

    def parties(self) -> dict[str, list[Obj]]:
        return {}

    def plain(self, text: str) -> str:
        return "<web>"


@pytest.mark.parametrize(
    ("worker", "other", "who", "share"),
    [
        (["web-1", "web-2"], ["web-1", "web-2"], "<web>", "each"),
        (["web-1", "web-2"], [], "<web> and silence", "each"),
        (["web-1"], ["web-2"], "<web>", "one of several"),
    ],
)
def test_a_service_that_keeps_to_a_node_is_asked_where_none_of_its_pods_is(
    worker: list[str], other: list[str], who: str, share: str
) -> None:
    scene = cast(Scene, Routed({"ports": [{"port": 80}]}, one=worker, other=other))
    with services.everywhere(scene) as askers:
        found = {fact.key: fact.value for fact in services.ports(scene, askers["lab"], scene.services)}
    assert found["http://web:80 is answered by"] == who
    assert found["http://web:80 reaches of their Pods"] == share


@pytest.mark.parametrize(
    ("spec", "urls"),
    [
        ({"ports": [{"port": 80}]}, {"http://web.lab:80/"}),
        ({"ports": [{"port": 81}]}, {"http://web.lab:80/", "http://web.lab:81/"}),
        ({"ports": [{"port": 80, "protocol": "UDP"}]}, {"http://web.lab:80/"}),
        ({"publishNotReadyAddresses": True, "ports": [{"port": 80}]}, {"http://10.244.1.5:80/"}),
        ({"publishNotReadyAddresses": True, "ports": [{"port": 80, "targetPort": "web"}]}, {"http://10.244.1.5:8080/"}),
    ],
)
def test_a_service_is_asked_on_all_its_ports_and_never_the_strangers_behind_it(spec: Obj, urls: set[str]) -> None:
    scene = cast(Scene, Routed({"selector": {"app": "web"}, **spec}))
    assert {question.url for question in network._targets(scene).values()} == urls


def test_nobody_is_asked_whether_it_reaches_its_own_service() -> None:
    scene = cast(Scene, Routed({"selector": {"app": "web"}, "ports": [{"port": 81}]}))
    own, (stranger, other) = scene.pods[0], (ready_pod("stranger"), ready_pod("other"))
    other["metadata"]["labels"] = {"app": "shop"}
    scene.pods.append(other)
    assert network._own(scene, own) == {"Service web on port 80", "Service web on port 81"}
    assert network._own(scene, other) == set()
    assert network._own(scene, stranger) == set()  # has the labels, and is no endpoint


class Folder(Disk):
    """A scene with a Pod that has a claim at a folder of the author's choice, in which these files lie."""

    def __init__(self, name: str, files: str) -> None:
        super().__init__({name: files})

    def run(self, pod: Obj, script: str, container: str = "") -> tuple[int, str]:
        (files,) = self.folders.values()
        assert f'cd "/of-{pod["metadata"]["name"]}"' in script
        return 0, f"ext4 rw\n1024\n{files}"

    def plain(self, text: str) -> str:
        return text


@pytest.mark.parametrize("name", ["data", "html"])
@pytest.mark.parametrize(("files", "words"), [("./ledger 644 abc\n", "./ledger"), ("", "none")])
def test_files_of_a_claim_are_found_wherever_it_is(name: str, files: str, words: str) -> None:
    (fact,) = contents._found(cast(Scene, Folder(name, files)))
    assert (fact.key, fact.value) == ("files that diary finds in claims", words)


class Claims:
    """A scene with a Pod that uses claim used, and another claim; `listed`: what lies in that, None where it cannot be
    mounted."""

    def __init__(self, phase: str, mode: str, listed: str | None) -> None:
        self.cast, self.listed = Cast({"": "lab"}), listed
        volume = {"name": "d", "persistentVolumeClaim": {"claimName": "used"}}
        self.pods = [{"metadata": {"namespace": "lab"}, "spec": {"volumes": [volume]}}]
        other = {"metadata": {"name": "copy", "namespace": "lab"}, "spec": {"volumeMode": mode}}
        claims = [{"metadata": {"name": "used"}, "spec": {}, "status": {"phase": "Bound"}}]
        claims.append({**other, "status": {"phase": phase}})
        self.api = SimpleNamespace(list=lambda kind, space: claims)

    @contextmanager
    def strangers(self, guests: dict[str, Guest]) -> Iterator[dict[str, Obj]]:
        if self.listed is None:
            raise CouldNotGrade("it does not start")
        yield {key: {"claim": guest.claim} for key, guest in guests.items()}

    def run(self, pod: Obj, script: str) -> tuple[int, str]:
        assert pod["claim"] == "copy"
        return 0, self.listed or ""


def said_of(phase: str, mode: str, listed: str | None) -> list[str]:
    return [fact.value for fact in contents._unused(cast(Scene, Claims(phase, mode, listed)))]


def test_a_claim_that_nobody_uses_is_read() -> None:
    (ledger,) = said_of("Bound", "Filesystem", "ext4 rw\n1024\n./ledger 644 abc\n")
    (prices,) = said_of("Bound", "Filesystem", "ext4 rw\n1024\n./prices 644 def\n")
    assert ledger != prices
    assert said_of("Bound", "Filesystem", None) == ["nobody can read them"]


@pytest.mark.parametrize(("phase", "mode"), [("Pending", "Filesystem"), ("Bound", "Block")])
def test_but_none_that_it_would_bind_or_that_has_no_files(phase: str, mode: str) -> None:
    assert said_of(phase, mode, "") == []


class Front(Nodes):
    """A scene whose door is answered by these, one after the other."""

    def __init__(self, *who: str) -> None:
        super().__init__([], "")
        self.answers = [Answer(0, 200, one) if one else Answer(0, 404, "nobody") for one in who]
        self.cast.urls = {("shop.test", "/")}

    def ask(self, asker: Obj, questions: dict[str, Any]) -> dict[str, list[Answer]]:
        return {at: self.answers for at in questions}

    def plain(self, text: str) -> str:
        return f"<{text}>"

    def run(self, asker: Obj, script: str) -> tuple[int, str]:
        return 0, ""


@pytest.mark.parametrize(
    ("who", "status", "mostly"),
    [
        (["stable"] * 6, "200", "<stable>"),
        (["stable"] * 5 + ["canary"], "200", "<stable>"),
        (["stable", "canary"] * 3, "200", "nobody in particular"),
        ([""] * 6, "404", "HTTP 404"),
    ],
)
def test_that_a_host_answers_is_known_whoever_it_is_by_chance(
    who: list[str], status: str, mostly: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door("traefik", "traefik", "10.96.0.1", 80, 443, "traefik-1", "c")
    monkeypatch.setattr(outside, "door_of", lambda api, controller: door)
    found = {fact.key: fact.value for fact in outside._doors(cast(Scene, Front(*who)), {})}
    for one in LABELS:
        assert found[f"outside, the status of http://shop.test/ by {one}"] == status
        assert found[f"outside, http://shop.test/ by {one} is mostly answered by"] == mostly

"""Add-ons on a cluster that has none: an embedded one started without, which the course knows as somebody else's.

The course here is a copy with the real add-on traefik and stand-ins for the rest, whose files come from a web server of
this test's. Traefik's program is the embedded cluster's model of it, so what is shown is that the manifest is
taken, that the order is right and the door opens; not that the real image starts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from tests.course.command import ROOT, Run, runner
from tests.golden.cluster import pocket
from tests.web import Web, serving

from kindlab import addons, labs, manifests, workspace
from kindlab.addons import installing, model, putting, ready, records
from kindlab.addons.records import Ref
from kindlab.api import Api, Obj
from kindlab.checks.live import LiveLab
from kindlab.clusters.base import Status
from kindlab.conditions import condition, is_ready
from kindlab.errors import Problem

pytestmark = pytest.mark.xdist_group("addons")
SPACE = "addons-shop"
LOOK = "apiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: default}}\n"


def silent(text: str) -> None:
    """A step that nobody watches."""


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving() as found:
        found.files["/crds.yaml"] = resources.files("pocketkube").joinpath("data/addons/gateway-api.yaml").read_bytes()
        yield found


@pytest.fixture(scope="module")
def course(web: Web, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("course")
    for name in ("labs", "solutions", "graders", "notebooks"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "cluster-config" / "addons" / "traefik", folder / "cluster-config" / "addons" / "traefik")
    digest = hashlib.sha256(web.files["/crds.yaml"]).hexdigest()
    source = f'[[sources]]\nurl = "{web.url}/crds.yaml"\nsha256 = "{digest}"\n'
    declare(folder, "gateway-api", source, version="1.5.1")
    return folder


def declare(course: Path, name: str, more: str = "", *, version: str = "1.0.0", **manifests: str) -> addons.Addon:
    """Write an add-on's folder anew."""
    folder = course / "cluster-config" / "addons" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    title = "Gateway API" if name == "gateway-api" else name.title()
    head = f'format = 1\ntitle = "{title}"\nversion = "{version}"\nabout = "a stand-in"\n'
    (folder / "addon.toml").write_text(head + more)
    for file, text in manifests.items():
        (folder / f"{file}.yaml").write_text(text)
    return model.read(folder)


@pytest.fixture(scope="module")
def kubeconfig() -> Iterator[Path]:
    with pocket() as found:
        yield found


@pytest.fixture(scope="module")
def api(kubeconfig: Path) -> Api:
    return Api(kubeconfig)


@pytest.fixture(scope="module")
def kindlab(kubeconfig: Path, course: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = tmp_path_factory.mktemp("home")
    run = runner(
        KINDLAB_COURSE=str(course),
        KINDLAB_HOME=str(home / "state"),
        KINDLAB_WORK=str(home / "work"),
        KINDLAB_CACHE=str(home / "cache"),
        KUBECONFIG=str(kubeconfig),
    )
    taken = run("up", "--cluster", "current", "--yes")
    assert taken.returncode == 0, taken.stderr
    return run


@pytest.fixture(autouse=True)
def here(course: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For what a test calls itself."""
    monkeypatch.setenv("KINDLAB_COURSE", str(course))
    monkeypatch.setenv("KINDLAB_CACHE", str(tmp_path))
    for name in ("NO_PROXY", "no_proxy"):  # the web server is on this machine
        monkeypatch.setenv(name, "127.0.0.1")


def states(api: Api) -> dict[str, str]:
    return {addon.name: addons.state(api, addon).word for addon in addons.all_addons()}


def bring(api: Api) -> list[str]:
    """Traefik and what it requires; what had to be installed."""
    installed, problems = addons.bring(api, ["ingress"], silent)
    assert problems == []
    return installed


def versions(api: Api, *names: str) -> dict[str, str]:
    """Of every object of these add-ons: kind and name -> resourceVersion."""
    found = {}
    for name in names:
        record = records.of(api, addons.find(name))
        assert record is not None
        for ref in record.objects:
            live = api.get(ref.type, ref.name, ref.namespace)
            assert live is not None, ref
            if ref.kind != "Deployment":  # whose status changes by itself
                found[f"{ref.kind} {ref.name}"] = live["metadata"]["resourceVersion"]
            else:
                found[f"{ref.kind} {ref.name}"] = str(live["metadata"]["generation"])
    return found


def deployment(name: str, **pod: Any) -> str:
    labels = {"app": name}
    container = {"name": "main", "image": pod.pop("image", "registry.k8s.io/pause:3.10")}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], **pod}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    meta = {"name": name, "namespace": "default"}
    return json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec})


@contextlib.contextmanager
def removed(api: Api, addon: addons.Addon) -> Iterator[None]:
    try:
        yield
    finally:
        addons.remove(api, addon, silent)
        shutil.rmtree(addon.folder)


# -- Traefik, as a real cluster gets it


def test_without_a_network_it_says_all_that_is_missing_and_touches_nothing(kindlab: Run, api: Api, web: Web) -> None:
    before = api.get("ConfigMap", records.NAME, records.WHERE)
    done = kindlab("addons", "install", "traefik", "--offline", "--yes", KINDLAB_CACHE="/nowhere")
    assert done.returncode == 3
    assert done.stderr.splitlines()[0] == "1 file is not in the cache, and nothing may be downloaded."
    assert f"  file  {web.url}/crds.yaml" in done.stderr
    assert "  image docker.io/traefik:v3.7.11" in done.stderr
    assert done.stderr.splitlines()[-1] == "Where there is a network, once: kindlab addons fetch gateway-api"
    assert api.get("ConfigMap", records.NAME, records.WHERE) == before


def test_a_cluster_that_is_not_ours_is_not_changed_unasked(kindlab: Run) -> None:
    done = kindlab("addons", "install", "traefik")
    assert done.returncode == 2
    assert "without a terminal" in done.stderr
    assert "--yes" in done.stderr


def test_an_interrupted_installation_is_finished_and_the_door_opens(kindlab: Run, api: Api) -> None:
    def interrupted(this: Api, obj: Obj) -> bool:
        if obj["kind"] == "Service":
            raise KeyboardInterrupt
        return putting.put(this, obj)

    gateway, traefik = addons.for_needs(["ingress"])
    addons.install(api, gateway, silent)
    if addons.state(api, traefik).word == "absent":  # when this test gets its second chance it is there
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(installing, "put", interrupted)
            with pytest.raises(KeyboardInterrupt):
                addons.install(api, traefik, silent)
        assert states(api) == {"gateway-api": "installed", "traefik": "not finished"}
    fetched = kindlab("addons", "fetch")
    assert fetched.returncode == 0, fetched.stderr
    assert "docker.io/traefik:v3.7.11" in fetched.stdout
    done = kindlab("addons", "install", "--labs", "06,07", "--offline", "--yes")
    assert done.returncode == 0, done.stderr
    assert "Traefik 3.7.11 is " in done.stdout
    listed = json.loads(kindlab("addons", "--json").stdout)["addons"]
    assert {addon["name"]: addon["state"] for addon in listed} == {"gateway-api": "installed", "traefik": "installed"}
    assert listed[0]["labs"] == listed[1]["labs"] == ["06", "07", "16"]
    workspace.make_namespace(api, SPACE)
    try:
        assert_answers(api)
    finally:
        workspace.remove_namespace(api, SPACE)


def assert_answers(api: Api) -> None:
    """An Ingress of the default class leads a request to a Pod."""
    labels = {"app": "web"}
    container = {"name": "web", "image": "registry.k8s.io/e2e-test-images/agnhost:2.53", "args": ["netexec"]}
    meta: Obj = {"name": "web", "namespace": SPACE}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**meta, "labels": labels},
        "spec": {"containers": [container]},
    }
    service = {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rule = {"host": "shop.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    api.create(pod)
    api.create({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service})
    ingress = api.create(
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": {"rules": [rule]}}
    )
    assert ingress["spec"]["ingressClassName"] == "traefik", "it is the default class"
    for pods in api.follow("Pod", SPACE, fields="metadata.name=web"):
        if all(map(is_ready, pods.values())):
            break
    lab = LiveLab(api, SPACE)
    door = lab.door("traefik")
    replies = lab.until(
        lambda: door.ask(lab.probe, "shop.example", "/hostname", False, count=1), lambda found: found.ok, timeout=30.0
    )
    assert [reply.body for reply in replies] == ["web"]


def test_a_second_installation_changes_nothing_though_all_of_it_is_put_there_again(api: Api) -> None:
    bring(api)
    before = versions(api, "gateway-api", "traefik")
    assert bring(api) == []
    api.delete("ConfigMap", records.NAME, records.WHERE)  # now nothing is known of it, and all is put there again
    assert states(api)["traefik"] == "absent"
    assert bring(api) == ["Gateway API 1.5.1", "Traefik 3.7.11"]
    assert versions(api, "gateway-api", "traefik") == before


def test_the_start_of_a_lab_brings_back_what_somebody_has_deleted_on_a_kind_cluster_of_ours(api: Api) -> None:
    bring(api)
    api.delete("Service", "traefik", "traefik")
    lab = labs.find("06")
    assert addons.for_lab(Status("mine", "current", str(api.kubeconfig), None, ready=True), lab, silent) == []
    assert states(api)["traefik"] == "not ready", "on other clusters nothing is installed unasked"
    assert addons.for_lab(Status("ours", "kind", str(api.kubeconfig), None, ready=True), lab, silent) == []
    assert states(api)["traefik"] == "installed"


def test_what_another_needs_or_a_lab_may_need_stays(kindlab: Run, api: Api) -> None:
    bring(api)
    with pytest.raises(Problem) as found:
        addons.remove(api, addons.find("gateway-api"), silent)
    assert found.value.what == "Gateway API 1.5.1 stays: traefik needs it."
    workspace.make_namespace(api, "06-ingress")
    try:
        done = kindlab("addons", "remove", "traefik", "--yes")
    finally:
        workspace.remove_namespace(api, "06-ingress")
    assert done.returncode == 3
    assert "06-ingress is on the cluster and may need it." in done.stderr


# -- what goes otherwise, with stand-ins


def test_an_image_that_cannot_be_pulled_is_named(api: Api, course: Path) -> None:
    addon = declare(course, "stall", pods=deployment("stall", image="registry.example/none:v1"))
    said: list[str] = []
    with removed(api, addon), pytest.raises(Problem) as found:
        addons.install(api, addon, said.append, unpulled=0.0)
    assert found.value.what == "Stall 1.0.0 is not ready: the image registry.example/none:v1 cannot be pulled."
    assert found.value.why.startswith("stall-")
    assert "kindlab addons install stall" in found.value.then
    assert any("Deployment default/stall" in text for text in said), said


def test_what_is_not_ready_in_time_is_said_with_the_pod_that_waits(api: Api, course: Path) -> None:
    addon = declare(course, "nowhere", pods=deployment("nowhere", nodeSelector={"zone": "none"}))
    with removed(api, addon):
        with pytest.raises(Problem):
            addons.install(api, addon, silent, patience=0.0)
        for pods in api.follow("Pod", "default", labels="app=nowhere"):
            if any(condition(pod, "PodScheduled").get("status") == "False" for pod in pods.values()):
                break
        with pytest.raises(Problem) as found:
            addons.install(api, addon, silent, patience=0.0)
    assert found.value.what == "Nowhere 1.0.0 is not ready: Deployment nowhere in namespace default does not run."
    assert "finds no node: 0/1 nodes are available" in found.value.why


def test_another_version_takes_the_place_of_the_first(api: Api, course: Path) -> None:
    both = {"kept": LOOK.format(kind="ConfigMap", name="kept"), "old": LOOK.format(kind="ConfigMap", name="old")}
    first = declare(course, "greeter", **both)
    with removed(api, first):
        assert addons.install(api, first, silent)
        second = declare(course, "greeter", version="2.0.0", kept=both["kept"] + "data: {greeting: hello}\n")
        assert addons.state(api, second) == addons.State("other version", "1.0.0")
        assert addons.install(api, second, silent)
        assert addons.state(api, second) == addons.State("installed", "2.0.0")
        kept = api.get("ConfigMap", "kept", "default")
        assert kept is not None
        assert kept["data"] == {"greeting": "hello"}
        assert api.get("ConfigMap", "old", "default") is None
        assert addons.remove(api, second, silent)
        assert api.get("ConfigMap", "kept", "default") is None
        assert not addons.remove(api, second, silent)


def test_what_somebody_else_has_put_there_is_not_taken_over_and_good_enough_if_it_works(api: Api, course: Path) -> None:
    addon = declare(course, "taken", kept=LOOK.format(kind="ConfigMap", name="theirs"))
    api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": "default"}})
    with removed(api, addon), pytest.raises(Problem, match="by another hand") as found:
        addons.install(api, addon, silent)
    assert "ConfigMap default/theirs" in found.value.why
    bring(api)
    able = declare(course, "taken", 'gives = ["ingress"]\n', kept=LOOK.format(kind="ConfigMap", name="theirs"))
    with removed(api, able):
        assert not addons.install(api, able, silent), "the cluster can do what it would bring"
        assert addons.state(api, able).word == "absent"
    assert api.get("ConfigMap", "theirs", "default") is not None
    api.delete("ConfigMap", "theirs", "default")


def test_what_somebody_else_has_put_in_place_of_ours_since_then_stays(api: Api, course: Path) -> None:
    """Their objects have the names of ours, which the record on the cluster still has."""
    addon = declare(course, "replaced", a=LOOK.format(kind="ConfigMap", name="same"), b=DEFINITION)
    theirs = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "same", "namespace": "default"}},
        manifests.parse(DEFINITION, "theirs")[0],
    ]
    bell = {"apiVersion": "addons.example/v1", "kind": "Bell", "metadata": {"name": "big", "namespace": "default"}}
    try:
        with removed(api, addon):
            assert addons.install(api, addon, silent)
            for obj in theirs:
                name, space = obj["metadata"]["name"], obj["metadata"].get("namespace")
                api.delete(obj["kind"], name, space, wait=True)
                api.create(obj)
            ready.definition(api, Ref.of(theirs[1]), monotonic() + 30)
            api.create(bell)
        assert api.get("ConfigMap", "same", "default") is not None
        assert api.get("Bell.addons.example", "big", "default") is not None
    finally:
        api.delete("ConfigMap", "same", "default")
        api.delete("CustomResourceDefinition", "bells.addons.example", wait=True)


DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: bells.addons.example}
spec:
  group: addons.example
  scope: Namespaced
  names: {kind: Bell, listKind: BellList, plural: bells, singular: bell}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
"""
IN_TOWER = """
apiVersion: addons.example/v1
kind: Bell
metadata: {name: big, namespace: addons-tower}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: song, namespace: addons-tower}
---
apiVersion: v1
kind: Namespace
metadata: {name: addons-tower}
"""


@pytest.mark.parametrize("theirs", [False, True], ids=["our-definition", "their-definition"])
def test_the_order_is_right_whatever_the_files_say_and_definitions_of_others_stay_theirs(
    api: Api, course: Path, theirs: bool
) -> None:
    addon = declare(course, "tower", a=IN_TOWER, b=DEFINITION)
    if theirs:
        api.create(manifests.parse(DEFINITION, "theirs")[0])
    try:
        with removed(api, addon):
            assert addons.install(api, addon, silent)
            small = {"apiVersion": "addons.example/v1", "kind": "Bell"}
            api.create({**small, "metadata": {"name": "small", "namespace": "default"}})
            assert addons.lost_with(api, addon) == ([] if theirs else ["Bell default/small"])
            definition = api.get("CustomResourceDefinition", "bells.addons.example")
            assert definition is not None
            assert ("labels" in definition["metadata"]) is not theirs
            assert api.get("Bell.addons.example", "big", "addons-tower") is not None
            assert addons.state(api, addon).word == "installed"
        assert api.get("Namespace", "addons-tower") is None
        assert (api.get("CustomResourceDefinition", "bells.addons.example") is not None) is theirs
    finally:
        api.delete("CustomResourceDefinition", "bells.addons.example", wait=True)

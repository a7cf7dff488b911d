"""Learners who share a cluster: each with a prefix, and with rights in namespaces of their own and nowhere else."""

import json
from pathlib import Path

import pytest
from tests.course.shared import Pupil, enrol

from kindlab import workspace
from kindlab.api import Api, ApiError
from kindlab.clusters.base import Status
from kindlab.errors import Problem

pytestmark = pytest.mark.xdist_group("shared")  # one cluster, not one a worker
SERVICES, DISCOVERY = "alice-02-services", "alice-03-service-discovery"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("school")


@pytest.fixture(scope="module")
def alice(another: Status, folder: Path) -> Pupil:
    return enrol(another, folder, "alice", "--labs", "02,03")


@pytest.fixture(scope="module")
def bob(another: Status, folder: Path) -> Pupil:
    """Who may not even look at nodes."""
    return enrol(another, folder, "bob", "--labs", "02", "--no-reading")


def test_she_may_do_everything_in_her_namespaces_and_nothing_elsewhere(alice: Pupil) -> None:
    with pytest.raises(ApiError, match="cannot create resource"):
        alice.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "more"}})
    with pytest.raises(ApiError, match="cannot list resource"):
        alice.api.list("Pod")
    alice.api.replace({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hers"}}, SERVICES)
    assert "hers" in {one["metadata"]["name"] for one in alice.api.list("ConfigMap", SERVICES)}
    alice.api.delete("ConfigMap", "hers", SERVICES)


def test_a_lab_with_a_neighbour_runs_from_start_to_reset(alice: Pupil, folder: Path) -> None:
    started = alice.kindlab("start", "03")
    assert started.returncode == 0, started.stderr
    depot = alice.api.list("Pod", f"{DISCOVERY}-depot")
    assert {pod["metadata"]["labels"]["app"] for pod in depot} == {"prices", "rates"}
    notebook = (folder / "alice/work/03-service-discovery/03-service-discovery.ipynb").read_text(encoding="utf-8")
    assert f"-n {DISCOVERY}-depot" in notebook
    why = alice.kindlab("why", "svc/rates", "--json")
    assert json.loads(why.stdout)["namespace"] == DISCOVERY
    task = ("--task", "desk-across-namespaces")
    failed = alice.kindlab("check", "03", *task, "--json")
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert f"-n {DISCOVERY}" in json.loads(failed.stdout)["tasks"][0]["next"]
    assert f"{DISCOVERY}-depot" in alice.kindlab("hint", "03", "1").stdout
    assert alice.kindlab("solve", "03").returncode == 0
    passed = alice.kindlab("check", "03", "--json")
    assert json.loads(passed.stdout)["points"] == 40, passed.stdout
    before = uids(alice.api, DISCOVERY)
    reset = alice.kindlab("reset", "03", "--yes")
    assert reset.returncode == 0, reset.stderr
    assert not before & uids(alice.api, DISCOVERY)
    assert alice.kindlab("check", "03", *task).returncode == 1
    assert "alice-03" in alice.kindlab("kubectl", "get", "pods", "-o", "jsonpath={.items[0].metadata.namespace}").stdout


def test_two_learners_do_not_disturb_each_other(alice: Pupil, bob: Pupil, folder: Path) -> None:
    copied = folder / "bob/work/02-services/catalog-service.yaml"  # as she has lent it to him
    copied.parent.mkdir(parents=True, exist_ok=True)
    copied.write_text("# kubectl apply -n alice-02-services", encoding="utf-8")
    for pupil in (alice, bob):
        started = pupil.kindlab("start", "02")
        assert started.returncode == 0, started.stderr
    assert "made for another prefix: catalog-service.yaml;" in started.stdout
    assert alice.kindlab("solve", "02").returncode == 0
    his = uids(bob.api, "bob-02-services")
    task = ("check", "02", "--task", "cart-selector", "--json")
    outcomes = {pupil: json.loads(pupil.kindlab(*task).stdout)["outcome"] for pupil in (alice, bob)}
    assert outcomes == {alice: "passed", bob: "failed"}
    hers = uids(alice.api, SERVICES)
    assert bob.kindlab("reset", "02", "--yes").returncode == 0
    assert hers == uids(alice.api, SERVICES)
    assert not his & uids(bob.api, "bob-02-services")


def test_what_was_not_granted_is_said_with_whom_to_ask(alice: Pupil, bob: Pupil) -> None:
    refused = alice.kindlab("start", "08")
    assert refused.returncode == 3
    assert "alice-08-network-policy, alice-08-network-policy-partner" in refused.stderr
    assert "kindlab rights --prefix alice --user YOU --labs 08" in " ".join(refused.stderr.split())
    blind = bob.kindlab("why", "node/pocket-worker")
    assert blind.returncode == 3
    assert "cannot get resource" in blind.stderr
    assert "Whoever runs the cluster can grant more" in " ".join(blind.stderr.split())


def test_an_emptied_namespace_keeps_what_the_instructor_and_the_cluster_have_put_there(
    another: Status, alice: Pupil
) -> None:
    api, admin = alice.api, another.api()
    bindings = {b["metadata"]["name"] for b in api.list("RoleBinding", SERVICES)}
    rbac = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    own = {"kind": "ServiceAccount", "name": "robot", "namespace": SERVICES}
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "class"},
        "spec": {"hard": {"pods": "99"}},
    }
    admin.replace(quota, SERVICES)
    for obj in (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine"}},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": "look"}, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "robots-look"},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "look"},
            "subjects": [own],
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
        },
    ):
        api.replace(obj, SERVICES)
    workspace.remove_namespace(api, SERVICES)
    left = {kind: {o["metadata"]["name"] for o in api.list(kind, SERVICES)} for kind in (
        "ServiceAccount", "ConfigMap", "ResourceQuota", "RoleBinding", "Role", "Secret", "Pod", "Service", "Deployment",
        "PersistentVolumeClaim", "EndpointSlice",
    )}  # fmt: skip
    kept = {
        "ServiceAccount": {"default"},
        "ConfigMap": {"kube-root-ca.crt"},
        "ResourceQuota": {"class"},
        "RoleBinding": bindings,
    }
    assert left == {kind: kept.get(kind, set()) for kind in left}


def test_what_does_not_go_is_named_with_what_holds_it(alice: Pupil) -> None:
    meta = {"name": "held", "finalizers": ["example.com/somebody"]}
    alice.api.replace({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}, SERVICES)
    try:
        with pytest.raises(Problem, match="ConfigMap held") as raised:
            emptied_within_a_moment(alice.api)
        assert "example.com/somebody" in raised.value.why
    finally:
        alice.api.patch("ConfigMap", "held", SERVICES, {"metadata": {"finalizers": None}})


def emptied_within_a_moment(api: Api) -> None:
    from kindlab.emptying import empty

    empty(api, SERVICES, timeout=0.1)


def uids(api: Api, namespace: str) -> set[str]:
    return {o["metadata"]["uid"] for kind in ("Service", "Deployment") for o in api.list(kind, namespace)}

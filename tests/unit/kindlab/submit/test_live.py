"""Live objects as somebody would have written them."""

import pytest

from kindlab import labs, naming
from kindlab.submit.live import _is_by_hand, _says, cleaned

SERVERS = {
    "uid": "1",
    "resourceVersion": "5",
    "generation": 2,
    "creationTimestamp": "2026-11-22T10:00:00Z",
    "managedFields": [{}],
    "finalizers": ["x"],
}


@pytest.fixture
def lab():
    return labs.find("02")


def live(kind, spec=None, **meta):
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": "x", "namespace": "02-services", **SERVERS, **meta},
        **({"spec": spec} if spec is not None else {}),
        "status": {"phase": "Running"},
    }


def test_what_the_server_wrote_goes(lab):
    notes = {
        "deployment.kubernetes.io/revision": "3",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "mine": "1",
    }
    assert cleaned(live("ConfigMap", annotations=notes, labels={"app": "x"}), lab) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "x", "labels": {"app": "x"}, "annotations": {"mine": "1"}},
    }


def test_addresses_and_nodes_are_chosen_anew(lab):
    service = {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "ports": [{"port": 80, "nodePort": 30080}]}
    assert cleaned(live("Service", service), lab)["spec"] == {"ports": [{"port": 80, "nodePort": 30080}]}
    assert cleaned(live("Service", {"clusterIP": "None"}), lab)["spec"] == {"clusterIP": "None"}
    pod = {
        "nodeName": "worker",
        "priority": 0,
        "volumes": [{"name": "kube-api-access-abcde"}, {"name": "data"}],
        "containers": [
            {"name": "a", "volumeMounts": [{"name": "kube-api-access-abcde"}, {"name": "data"}]},
            {"name": "b"},
        ],
        "tolerations": [{"key": "node.kubernetes.io/not-ready", "tolerationSeconds": 300}],
    }
    assert cleaned(live("Pod", pod), lab)["spec"] == {
        "volumes": [{"name": "data"}],
        "containers": [{"name": "a", "volumeMounts": [{"name": "data"}]}, {"name": "b"}],
    }


def test_bindings_of_controllers_go_and_those_of_people_stay(lab):
    bound = {"pv.kubernetes.io/bound-by-controller": "yes"}
    assert cleaned(live("PersistentVolumeClaim", {"volumeName": "pvc-1"}, annotations=bound), lab)["spec"] == {}
    assert cleaned(live("PersistentVolumeClaim", {"volumeName": "mine"}), lab)["spec"] == {"volumeName": "mine"}
    claim = {"name": "c", "namespace": "02-services", "uid": "9", "resourceVersion": "3"}
    assert cleaned(live("PersistentVolume", {"claimRef": claim}), lab)["spec"] == {
        "claimRef": {"name": "c", "namespace": "02-services"}
    }
    assert cleaned(live("PersistentVolume", {"claimRef": claim}, annotations=bound), lab)["spec"] == {}


def test_a_job_is_counted_by_its_next_controller(lab):
    labels = {"controller-uid": "1", "batch.kubernetes.io/job-name": "x"}
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": {**labels, "app": "x"}}, "spec": {}},
    }
    found = cleaned(live("Job", spec, labels=labels), lab)
    assert found["spec"] == {"template": {"metadata": {"labels": {"app": "x"}}, "spec": {}}}
    assert "labels" not in found["metadata"]


@pytest.mark.parametrize(
    ("obj", "by_hand"),
    [
        (live("ConfigMap"), True),
        (live("ConfigMap") | {"metadata": {"name": "kube-root-ca.crt"}}, False),
        (live("ServiceAccount") | {"metadata": {"name": "default"}}, False),
        (live("Secret") | {"type": "kubernetes.io/service-account-token"}, False),
        (live("Secret") | {"type": "Opaque"}, True),
        (live("Pod", ownerReferences=[{"kind": "ReplicaSet"}]), False),
        (live("Pod", deletionTimestamp="2026-11-22T10:00:00Z"), False),
        (live("Pod") | {"metadata": {"name": "kindlab-probe"}}, False),
        (live("Pod", labels={"app.kubernetes.io/managed-by": "kindlab"}), False),
        (live("EndpointSlice", labels={"endpointslice.kubernetes.io/managed-by": "controller"}), False),
        (live("EndpointSlice"), True),
        (live("PersistentVolume", annotations={"pv.kubernetes.io/provisioned-by": "d"}), False),
    ],
)
def test_what_somebody_made_by_hand(obj, by_hand):
    assert _is_by_hand(obj) is by_hand


def test_what_may_not_be_put_again_is_compared_by_what_it_says():
    there = {"a": [{"name": "x", "default": 1}], "b": "c"}
    assert _says(there, {"a": [{"name": "x"}]})
    assert not _says(there, {"a": [{"name": "y"}]})
    assert not _says(there, {"a": [{"name": "x"}, {"name": "z"}]})


def test_a_prefix_goes(lab):
    mine = (
        "http://web.alice-02-services.svc alice-lab02-x malice-02-services alice-02-servicesx work/02-services/a.yaml"
    )
    bare = "http://web.02-services.svc lab02-x malice-02-services alice-02-servicesx work/02-services/a.yaml"
    assert naming.bare(mine, "02-services", "alice") == bare
    text = (lab.folder / "lab.md").read_text(encoding="utf-8")
    assert naming.bare(naming.spelled(text, lab.slug, "alice"), lab.slug, "alice") == text

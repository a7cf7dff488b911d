"""`kindlab why pod/NAME`: for each way a Pod can be stuck it ends at the hop that is broken, and at no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.course.command import Run
from tests.course.test_trace import AGNHOST, broken, names, why

from kindlab.api import Obj
from kindlab.checks.live import LiveLab
from kindlab.conditions import is_ready

BUSYBOX = "registry.k8s.io/e2e-test-images/busybox:1.37.0-1"


def pod(name: str = "web", *command: str, container: Obj | None = None, **spec: Any) -> Obj:
    main: Obj = {"name": "main", "image": BUSYBOX if command else AGNHOST, **(container or {})}
    if command:
        main["command"] = ["sh", "-c", *command]
    else:
        main.setdefault("args", ["pause"])
    whole = {"terminationGracePeriodSeconds": 0, "containers": [main], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": whole}


def put(live: LiveLab, *objects: Obj) -> None:
    for obj in objects:
        live.api.create(obj, live.namespace)


def until(live: LiveLab, holds: Callable[[Obj], Any], name: str = "web") -> None:
    assert live.eventually("Pod", lambda pods: any(p["metadata"]["name"] == name and holds(p) for p in pods))


def waits(*reasons: str) -> Callable[[Obj], bool]:
    """Whether a container waits for one of these reasons."""

    def holds(live: Obj) -> bool:
        status = live["status"]
        listed = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
        return any((s.get("state") or {}).get("waiting", {}).get("reason") in reasons for s in listed)

    return holds


def told(live: LiveLab, *reasons: str) -> None:
    assert live.eventually("Event", lambda found: any(e["reason"] in reasons for e in found))


def is_unscheduled(live: Obj) -> bool:
    return any(c["type"] == "PodScheduled" and c.get("message") for c in live["status"].get("conditions") or ())


def test_a_ready_pod_has_no_broken_hop(live: LiveLab, kindlab: Run) -> None:
    put(live, pod())
    until(live, is_ready)
    path = why(live, "pod/web")
    assert path.broken is None
    assert names(path) == ["Pod", "Scheduling", "Container main", "Ready"]
    done = kindlab("why", "po/web", "-n", live.namespace, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["target"] == "pod/web"


def test_no_pod_names_the_near_one(live: LiveLab) -> None:
    put(live, pod("frontend"))
    name, evidence = broken(why(live, "pod/fronted"))
    assert (name, evidence.rpartition("; ")[2]) == ("Pod", "did you mean frontend?")


def test_gates(live: LiveLab) -> None:
    put(live, pod(schedulingGates=[{"name": "example.com/hold"}]))
    path = why(live, "pod/web")
    assert broken(path)[0] == "Gates"
    assert "example.com/hold" in broken(path)[1]


@pytest.mark.parametrize(
    ("spec", "container", "expected", "then"),
    [
        (
            {"nodeSelector": {"disk": "ssd"}},
            {},
            "nodeSelector wants disk=ssd, it has no such label",
            "kubectl get nodes",
        ),
        ({}, {"resources": {"requests": {"cpu": "5000"}}}, "the Pod asks for 5000000m", "ask for less"),
        ({"schedulerName": "mine"}, {}, "it waits for a scheduler called mine", "kubectl describe pod web"),
    ],
)
def test_no_node_takes_it(live: LiveLab, spec: Obj, container: Obj, expected: str, then: str) -> None:
    put(live, pod(container=container, **spec))
    if "schedulerName" not in spec:
        until(live, is_unscheduled)
    path = why(live, "pod/web")
    name, evidence = broken(path)
    assert name == "Scheduling"
    assert expected in evidence
    assert path.broken is not None
    assert path.broken.next.startswith(then)


def test_a_claim_that_is_not_there_is_followed_with_its_own_trace(live: LiveLab) -> None:
    put(live, pod(volumes=[{"name": "disk", "persistentVolumeClaim": {"claimName": "data"}}]))
    until(live, is_unscheduled)
    path = why(live, "pod/web")
    assert broken(path)[0] == "Scheduling"
    assert path.broken is not None
    assert path.broken.next == f"kindlab why pvc/data -n {live.namespace}"


def test_put_on_a_node_that_cannot_take_it(live: LiveLab) -> None:
    node = live.api.list("Node")[-1]["metadata"]["name"]
    put(live, pod(nodeName=node, nodeSelector={"disk": "ssd"}))
    until(live, lambda p: p["status"].get("phase") == "Failed")
    path = why(live, "pod/web")
    name, evidence = broken(path)
    assert name == "Pod"
    assert "NodeAffinity" in evidence
    assert path.broken is not None
    assert "without asking the scheduler" in path.broken.next


def test_put_on_a_node_that_is_not_there(live: LiveLab) -> None:
    put(live, pod(nodeName="nowhere"))
    assert broken(why(live, "pod/web"))[1].startswith("there is no Node nowhere")


def test_an_image_that_nobody_has(live: LiveLab) -> None:
    put(live, pod(container={"image": "registry.k8s.io/e2e-test-images/agnhorst:2.63.0"}))
    until(live, waits("ErrImagePull", "ImagePullBackOff"))
    path = why(live, "pod/web")
    name, evidence = broken(path)
    assert name == "Container main"
    assert evidence.startswith("its image registry.k8s.io/e2e-test-images/agnhorst:2.63.0 cannot be had.")
    assert path.broken is not None
    assert f"kubectl set image pod/web main=IMAGE -n {live.namespace}" in path.broken.next
    embedded = live.api.list("Node")[0]["status"]["nodeInfo"]["osImage"].startswith("pocketkube")
    assert ("docs/fidelity.md" in evidence) is embedded


def test_an_image_that_nobody_has_is_corrected_in_what_made_the_pod(live: LiveLab) -> None:
    labels = {"app": "web"}
    image = "registry.k8s.io/e2e-test-images/agnhorst:2.63.0"
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image}]}}
    meta = {"name": "web"}
    spec: Obj = {"selector": {"matchLabels": labels}, "template": template}
    put(live, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec})
    once = {**template, "spec": {**template["spec"], "restartPolicy": "Never"}}
    put(live, {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"template": once}})
    stuck = waits("ErrImagePull", "ImagePullBackOff")
    assert live.eventually("Pod", lambda pods: len(pods) == 2 and all(map(stuck, pods)))
    broken_one = why(live, "deployment/web").broken
    assert broken_one is not None
    assert broken_one.next.endswith(f"kubectl set image deployment/web main=IMAGE -n {live.namespace}")
    broken_one = why(live, "job/web").broken
    assert broken_one is not None
    assert f"kubectl delete job web -n {live.namespace} and make it again" in broken_one.next


def test_a_configmap_that_is_called_otherwise(live: LiveLab) -> None:
    put(live, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"colour": "red"}})
    put(live, pod(container={"envFrom": [{"configMapRef": {"name": "setings"}}]}))
    until(live, waits("CreateContainerConfigError"))
    path = why(live, "pod/web")
    assert "did you mean settings?" in broken(path)[1]
    assert path.broken is not None
    assert path.broken.next.startswith("kubectl create configmap setings")


def test_a_key_that_the_configmap_has_not(live: LiveLab) -> None:
    put(live, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"colour": "red"}})
    source = {"configMapKeyRef": {"name": "settings", "key": "color"}}
    put(live, pod(container={"env": [{"name": "COLOUR", "valueFrom": source}]}))
    until(live, waits("CreateContainerConfigError"))
    assert broken(why(live, "pod/web"))[1].endswith("; its keys are: colour")


def test_a_volume_of_a_secret_that_is_not_there(live: LiveLab) -> None:
    mount = {"volumeMounts": [{"name": "keys", "mountPath": "/keys"}]}
    put(live, pod(container=mount, volumes=[{"name": "keys", "secret": {"secretName": "keys"}}]))
    told(live, "FailedMount")
    path = why(live, "pod/web")
    name, evidence = broken(path)
    assert name == "Volumes"
    assert 'secret "keys" not found' in evidence
    assert path.broken is not None
    assert path.broken.next.startswith("kubectl create secret generic keys")


def test_a_program_that_ends_again_and_again(live: LiveLab) -> None:
    put(live, pod("web", "echo starting; echo 'no database at db:5432' >&2; exit 3"))
    until(live, waits("CrashLoopBackOff"))
    path = why(live, "pod/web")
    name, evidence = broken(path)
    assert name == "Container main"
    assert "its program ended with an error (exit code 3)" in evidence
    assert "starting | no database at db:5432" in evidence
    assert path.broken is not None
    assert path.broken.next == f"kubectl logs web -n {live.namespace} -c main --previous"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 0", "a container that ends is started again: its program has to go on"),
        ("no-such-command", "its command was not found (exit code 127)"),
    ],
)
def test_what_exit_codes_mean(live: LiveLab, script: str, words: str) -> None:
    put(live, pod("web", script))
    until(live, waits("CrashLoopBackOff"))
    assert words in broken(why(live, "pod/web"))[1]


def test_a_pod_that_has_failed_for_good(live: LiveLab) -> None:
    put(live, pod("web", "echo out of paper; exit 1", restartPolicy="Never"))
    until(live, lambda p: p["status"].get("phase") == "Failed")
    name, evidence = broken(why(live, "pod/web"))
    assert name == "Pod"
    assert evidence.endswith("its program ended with an error (exit code 1); the last it printed: out of paper")


def test_a_pod_that_is_done(live: LiveLab) -> None:
    put(live, pod("web", "true", restartPolicy="Never"))
    until(live, lambda p: p["status"].get("phase") == "Succeeded")
    path = why(live, "pod/web")
    assert path.broken is None
    assert path.hops[0].evidence.startswith("web is done")


def test_init_containers_go_first(live: LiveLab) -> None:
    first = {"name": "first", "image": BUSYBOX, "command": ["sh", "-c", "until false; do sleep 1; done"]}
    put(live, pod(initContainers=[first]))
    until(live, lambda p: (p["status"].get("initContainerStatuses") or [{}])[0].get("state", {}).get("running"))
    path = why(live, "pod/web")
    assert broken(path) == ("Init container first", "it still runs, and the others wait for its end")


def test_a_readiness_probe_that_does_not_pass(live: LiveLab) -> None:
    probe = {"httpGet": {"path": "/healthz", "port": 8081}, "periodSeconds": 1}
    put(live, pod(container={"args": ["netexec"], "readinessProbe": probe}))
    told(live, "Unhealthy")
    name, evidence = broken(why(live, "pod/web"))
    assert name == "Container main"
    assert "its readiness probe (GET http://...:8081/healthz) does not pass; Readiness probe failed" in evidence


def test_a_liveness_probe_that_kills(live: LiveLab) -> None:
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    put(live, pod("web", "sleep 100000", container={"livenessProbe": probe}))
    until(live, waits("CrashLoopBackOff"))
    assert "failed liveness probe, will be restarted" in broken(why(live, "pod/web"))[1]


def test_a_readiness_gate_that_nobody_opens(live: LiveLab) -> None:
    put(live, pod(readinessGates=[{"conditionType": "example.com/checked"}]))
    conditions = "ContainersReady"
    until(
        live,
        lambda p: any(c["type"] == conditions and c["status"] == "True" for c in p["status"].get("conditions") or ()),
    )
    name, evidence = broken(why(live, "pod/web"))
    assert name == "Readiness gates"
    assert "example.com/checked" in evidence


def test_a_pod_that_waits_for_its_finalizer(live: LiveLab) -> None:
    held = pod()
    held["metadata"]["finalizers"] = ["example.com/hold"]
    put(live, held)
    until(live, is_ready)
    live.api.delete("Pod", "web", live.namespace)
    until(live, lambda p: p["metadata"].get("deletionTimestamp"))
    assert broken(why(live, "pod/web"))[1].endswith("finalizers: example.com/hold")
    live.api.patch("Pod", "web", live.namespace, {"metadata": {"finalizers": None}})

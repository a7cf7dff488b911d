"""Pods as objects on a node: their lives, debugging, resizing, what they ask of the kernel and of the runtime.

After upstream's conformance tests (test/e2e/common/node and test/e2e/node: pods, ephemeral_containers, pod_resize,
sysctl, runtimeclass, podtemplates, pod_admission)."""

from __future__ import annotations

from collections.abc import Iterator
from secrets import token_hex

import pytest
from tests.parity.network.support import BUSYBOX, START, Place, pod
from tests.parity.node.support import FOREVER, event, logs, output, over, printing, restarts, status_of

from kindlab.api import STRATEGIC_PATCH, ApiError, Obj


def sleeping(name: str = "p", **fields: object) -> Obj:
    return pod(name, image=BUSYBOX, command=["sh", "-c", FOREVER], **fields)


def test_generation_counts_what_changes(here: Place) -> None:
    here.start(sleeping())
    assert here.require("Pod", "p")["metadata"]["generation"] == 1
    here.merge("Pod", "p", {"metadata": {"labels": {"a": "b"}}})
    assert here.require("Pod", "p")["metadata"]["generation"] == 1
    here.merge("Pod", "p", {"spec": {"activeDeadlineSeconds": 5000}})
    assert here.require("Pod", "p")["metadata"]["generation"] == 2
    here.wait("Pod", "p", lambda live: live["status"].get("observedGeneration") == 2)


def test_a_deadline_that_is_set_later(here: Place) -> None:
    here.start(sleeping())
    here.merge("Pod", "p", {"spec": {"activeDeadlineSeconds": 2}})
    live = over(here, "p", "Failed")
    assert live["status"]["reason"] == "DeadlineExceeded"


def test_a_collection_goes_at_once(here: Place) -> None:
    here.start(*(sleeping(f"p{number}", labels={"type": "many"}) for number in range(3)))
    here.request("DELETE", here.path("Pod"), query={"labelSelector": "type=many"})
    here.gone("Pod", labels="type=many")


def test_qos_classes(here: Place) -> None:
    same = {"cpu": "100m", "memory": "10Mi"}
    made = sleeping()
    made["spec"]["containers"][0]["resources"] = {"limits": same, "requests": same}
    here.put(made, sleeping("q"))
    assert here.require("Pod", "p")["status"]["qosClass"] == "Guaranteed"
    assert here.require("Pod", "q")["status"]["qosClass"] == "BestEffort"


def debugger(name: str, **fields: object) -> Obj:
    return {"name": name, "image": BUSYBOX, "command": ["sh", "-c", FOREVER], **fields}


def debug(here: Place, *containers: Obj) -> Obj:
    path = f"{here.path('Pod', 'p')}/ephemeralcontainers"
    body = {"spec": {"ephemeralContainers": list(containers)}}
    return here.request("PATCH", path, body, content_type=STRATEGIC_PATCH)


def test_an_ephemeral_container_sees_its_target(here: Place) -> None:
    here.start(sleeping())
    assert here.sh("p", "echo found > /note").ok
    debug(here, debugger("debugger", targetContainerName="main"))

    def running(live: Obj) -> bool:
        return "running" in (status_of(live, "debugger", "ephemeralContainerStatuses").get("state") or {})

    here.wait("Pod", "p", running, timeout=START)
    assert here.sh("p", "cat /proc/1/root/note", container="debugger").out == "found\n"
    assert "sleep" in here.sh("p", "ps", container="debugger").out
    assert here.sh("p", "ls /note", container="debugger").code == 1
    live = here.require("Pod", "p")
    assert status_of(live, "debugger", "ephemeralContainerStatuses")["ready"] is False
    assert restarts(live) == 0
    debug(here, debugger("second", command=["sh", "-c", "echo seen"]))

    def ended(live: Obj) -> bool:
        return "terminated" in (status_of(live, "second", "ephemeralContainerStatuses").get("state") or {})

    here.wait("Pod", "p", ended, timeout=START)
    assert logs(here, "p", "second") == "seen\n"
    assert len(here.require("Pod", "p")["spec"]["ephemeralContainers"]) == 2


def test_ephemeral_containers_are_only_added(here: Place) -> None:
    with pytest.raises(ApiError) as raised:
        here.put(sleeping(ephemeralContainers=[debugger("d")]))
    assert "spec.ephemeralContainers: Forbidden: cannot be set on create" in str(raised.value)
    here.put(sleeping())
    debug(here, debugger("one"))
    with pytest.raises(ApiError) as raised:
        debug(here, debugger("one", image="other"))
    assert 'existing ephemeral containers "one" may not be changed' in str(raised.value)
    with pytest.raises(ApiError) as raised:
        debug(here, debugger("two", targetContainerName="none"))
    assert 'targetContainerName: Not found: "none"' in str(raised.value)


def resize(here: Place, **resources: Obj) -> Obj:
    body = {"spec": {"containers": [{"name": "main", "resources": resources}]}}
    return here.request("PATCH", f"{here.path('Pod', 'p')}/resize", body, content_type=STRATEGIC_PATCH)


@pytest.mark.parametrize("policy", ["NotRequired", "RestartContainer"])
def test_a_pod_is_resized_in_place(here: Place, policy: str) -> None:
    made = sleeping()
    made["spec"]["containers"][0] |= {
        "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}, "limits": {"cpu": "40m", "memory": "64Mi"}},
        "resizePolicy": [{"resourceName": "cpu", "restartPolicy": policy}],
    }
    here.start(made)
    resize(here, requests={"cpu": "25m"}, limits={"cpu": "50m"})

    def given(live: Obj) -> bool:
        found = (status_of(live).get("resources") or {}).get("limits") or {}
        return found.get("cpu") == "50m" and bool(status_of(live).get("ready"))

    live = here.wait("Pod", "p", given, timeout=START)
    assert status_of(live)["allocatedResources"]["cpu"] == "25m"
    assert restarts(live) == (1 if policy == "RestartContainer" else 0)
    event(here, "p", "ResizeCompleted")
    kinds = {c["type"] for c in here.require("Pod", "p")["status"]["conditions"]}
    assert not {"PodResizePending"} & kinds


def test_what_cannot_be_resized(here: Place) -> None:
    made = sleeping()
    made["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "20m"}}
    here.start(made)
    for resources, text in (
        ({"requests": {"cpu": None}}, "resource requests cannot be removed"),
        ({"requests": {"ephemeral-storage": "1Mi"}}, "only cpu and memory resources are mutable"),
        ({"requests": {"cpu": "10000"}}, "node didn't have enough allocatable resources"),
    ):
        with pytest.raises(ApiError) as raised:
            resize(here, **resources)
        assert text in str(raised.value)


def test_a_safe_sysctl(here: Place) -> None:
    context = {"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "1"}]}
    made = printing("p", "/bin/sysctl kernel.shm_rmid_forced", securityContext=context)
    assert output(here, made) == "kernel.shm_rmid_forced = 1\n"


def test_sysctls_that_are_none_and_one_that_is_not_safe(here: Place) -> None:
    names = ["foo-", "kernel.shmmax", "safe-and-unsafe", "bar.."]
    with pytest.raises(ApiError) as raised:
        here.put(sleeping(securityContext={"sysctls": [{"name": name, "value": "0"} for name in names]}))
    said = str(raised.value)
    assert 'spec.securityContext.sysctls[0].name: Invalid value: "foo-"' in said
    assert 'spec.securityContext.sysctls[3].name: Invalid value: "bar.."' in said
    assert "safe-and-unsafe" not in said
    assert "kernel.shmmax" not in said
    here.put(sleeping(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "10000000000"}]}))
    assert over(here, "p", "Failed")["status"]["reason"] == "SysctlForbidden"
    event(here, "p", "SysctlForbidden")


@pytest.fixture
def runtime(here: Place) -> Iterator[str]:
    """A RuntimeClass with overhead."""
    name = f"parity-{token_hex(3)}"
    body = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": "runc"}
    here.api.create({**body, "overhead": {"podFixed": {"cpu": "10m", "memory": "1Mi"}}})
    yield name
    if here.api.get("RuntimeClass", name) is not None:
        here.api.delete("RuntimeClass", name, None)


def test_runtime_classes(here: Place, runtime: str) -> None:
    live = here.start(sleeping(runtimeClassName=runtime))[0]
    assert live["spec"]["overhead"] == {"cpu": "10m", "memory": "1Mi"}
    with pytest.raises(ApiError) as raised:
        here.put(sleeping("q", runtimeClassName="none-such"))
    assert raised.value.code == 403
    assert 'pod rejected: RuntimeClass "none-such" not found' in str(raised.value)
    here.api.delete("RuntimeClass", runtime, None)
    with pytest.raises(ApiError) as raised:
        here.put(sleeping("q", runtimeClassName=runtime))
    assert raised.value.code == 403


def test_pod_templates(here: Place) -> None:
    body = {"metadata": {"labels": {"pod": "x"}}, "spec": {"containers": [{"name": "c", "image": BUSYBOX}]}}
    here.put({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "t"}, "template": body})
    here.merge("PodTemplate", "t", {"metadata": {"labels": {"patched": "yes"}}})
    held = here.require("PodTemplate", "t")
    assert held["metadata"]["labels"] == {"patched": "yes"}
    assert held["template"]["spec"]["restartPolicy"] == "Always"
    held["metadata"]["annotations"] = {"updated": "true"}
    here.api.replace(held, here.namespace)
    here.request("DELETE", here.path("PodTemplate"), query={"labelSelector": "patched=yes"})
    here.gone("PodTemplate")


def test_processes_that_are_shared(here: Place) -> None:
    other = {"name": "other", "image": BUSYBOX, "command": ["sh", "-c", FOREVER]}
    made = sleeping(shareProcessNamespace=True)
    made["spec"]["containers"].append(other)
    here.start(made)
    assert "pause" in here.sh("p", "cat /proc/1/cmdline", container="main").out
    assert len(here.sh("p", "ps | grep -c 'sleep 10000[0]'", container="main").out.split()) == 1
    assert here.sh("p", "ps", container="main").out.count("sleep 100000") >= 2


def test_a_pod_for_another_system(here: Place) -> None:
    made = sleeping()
    made["spec"]["os"] = {"name": "windows"}
    made["spec"]["nodeName"] = here.list("Node")[0]["metadata"]["name"]
    here.put(made)
    assert over(here, "p", "Failed")["status"]["reason"] == "PodOSNotSupported"

"""Volumes that live with their Pod, or on its node: what containers see in them."""

from __future__ import annotations

import pytest
from tests.parity.storage.support import Disks, claim, phase, pod

from kindlab.api import Obj


def empty(name: str = "scratch", **source: str) -> Obj:
    return {"name": name, "emptyDir": source}


def test_containers_of_a_pod_share_an_empty_dir(disks: Disks) -> None:
    disks.start(pod("user", empty(), containers=["reader"]))
    disks.ok("user", "echo hello > /scratch/greeting")
    assert disks.ok("user", "cat /scratch/greeting", "reader") == "hello"


def test_an_empty_dir_outlives_its_container(disks: Disks) -> None:
    script = "test -f /scratch/kept && sleep 100000 || { echo first > /scratch/kept; sleep 1; exit 1; }"
    crashing = pod("user", empty())
    crashing["spec"]["containers"][0]["command"] = ["sh", "-c", script]
    disks.put(crashing)
    disks.wait(
        "Pod",
        "user",
        lambda p: any(s["restartCount"] > 0 and s.get("ready") for s in p["status"].get("containerStatuses") or ()),
    )
    assert disks.ok("user", "cat /scratch/kept") == "first"


def test_an_empty_dir_goes_with_its_pod(disks: Disks) -> None:
    disks.start(pod("user", empty()))
    disks.ok("user", "echo x > /scratch/file")
    disks.end("user")
    disks.start(pod("user", empty()))
    assert disks.ok("user", "ls /scratch") == ""


def test_an_empty_dir_in_memory_is_a_tmpfs_of_its_size(disks: Disks) -> None:
    disks.start(pod("user", empty(medium="Memory", sizeLimit="1Mi")))
    assert "tmpfs" in disks.ok("user", "mount | grep ' /scratch '")
    assert disks.ok("user", "df -kP /scratch | tail -n 1 | tr -s ' ' | cut -d ' ' -f 2") == "1024"
    assert "No space left" in disks.fails("user", "head -c 2000000 /dev/zero > /scratch/big").err


def test_a_pod_that_outgrows_its_empty_dir_is_evicted(disks: Disks) -> None:
    disks.put(pod("user", empty(sizeLimit="1Mi"), script="head -c 3000000 /dev/zero > /scratch/big; sleep 100000"))
    ended = disks.wait("Pod", "user", lambda p: phase(p) == "Failed", timeout=180)
    assert ended["status"]["reason"] == "Evicted"
    assert ended["status"]["message"].startswith('Usage of EmptyDir volume "scratch" exceeds the limit "1Mi"')


def test_a_read_only_mount_refuses_writes(disks: Disks) -> None:
    disks.start(pod("user", empty(), mounts={"scratch": {"readOnly": True}}))
    assert "Read-only file system" in disks.fails("user", "echo x > /scratch/file").err


def test_fs_group_owns_the_volume(disks: Disks) -> None:
    security = {"fsGroup": 2000, "runAsUser": 1000, "runAsGroup": 1000}
    disks.start(pod("user", empty(), securityContext=security))
    assert disks.ok("user", "stat -c %g /scratch") == "2000"
    disks.ok("user", "echo x > /scratch/file")
    assert disks.ok("user", "stat -c '%u %g' /scratch/file") == "1000 2000"


def test_sub_paths_show_a_part(disks: Disks) -> None:
    disks.start(claimed := pod("user", empty(), mounts={"scratch": {"subPath": "inner/deep"}}))
    both = claimed["spec"]["containers"][0]
    both["volumeMounts"].append({"name": "scratch", "mountPath": "/whole"})
    claimed["metadata"]["name"] = "both"
    disks.start(claimed)
    disks.ok("both", "echo x > /scratch/file")
    assert disks.ok("both", "cat /whole/inner/deep/file") == "x"


def test_a_sub_path_may_be_an_expression(disks: Disks) -> None:
    made = pod("user", empty(), mounts={"scratch": {"subPathExpr": "$(NAME)/log"}})
    container = made["spec"]["containers"][0]
    container["env"] = [{"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    container["volumeMounts"].append({"name": "scratch", "mountPath": "/whole"})
    disks.start(made)
    disks.ok("user", "echo x > /scratch/file")
    assert disks.ok("user", "cat /whole/user/log/file") == "x"


def test_a_sub_path_cannot_leave_its_volume(disks: Disks) -> None:
    disks.put(claim())
    disks.start(pod("first", "data"))
    disks.ok("first", "ln -s / /data/out && ln -s /etc /data/etc")
    for name, inside in (("by-root", "out/etc"), ("by-etc", "etc")):
        disks.put(pod(name, "data", mounts={"data": {"subPath": inside}}))
        stuck = disks.wait("Pod", name, lambda p: _waits(p) in ("CreateContainerConfigError", "CreateContainerError"))
        assert "subPath" in stuck["status"]["containerStatuses"][0]["state"]["waiting"]["message"]


def _waits(pod: Obj) -> str:
    states = [s.get("state") or {} for s in pod["status"].get("containerStatuses") or ()]
    return next((s["waiting"]["reason"] for s in states if "waiting" in s), "")


@pytest.mark.parametrize(
    ("kind", "told"),
    [("Directory", "is not a directory"), ("File", "is not a file"), ("Socket", "is not a socket file")],
)
def test_a_host_path_of_another_type_is_not_mounted(disks: Disks, kind: str, told: str) -> None:
    disks.put(pod("user", {"name": "host", "hostPath": {"path": "/no/such/thing", "type": kind}}))
    disks.told("FailedMount", "user", text=told)


def test_a_host_path_is_the_nodes_and_outlives_pods(disks: Disks) -> None:
    path = f"/tmp/{disks.namespace}"
    host = {"name": "host", "hostPath": {"path": path, "type": "DirectoryOrCreate"}}
    first = disks.start(pod("first", host))[0]
    disks.ok("first", "echo kept > /host/file")
    disks.end("first")
    disks.start(pod("second", host, nodeName=first["spec"]["nodeName"]))
    assert disks.ok("second", "cat /host/file") == "kept"
    disks.ok("second", "rm /host/file")


def test_a_config_map_follows_its_changes_but_not_by_sub_path(disks: Disks) -> None:
    disks.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}, "data": {"key": "one"}})
    made = pod("user", {"name": "conf", "configMap": {"name": "conf"}})
    mounts = made["spec"]["containers"][0]["volumeMounts"]
    mounts.append({"name": "conf", "mountPath": "/pinned", "subPath": "key"})
    disks.start(made)
    assert disks.ok("user", "cat /conf/key /pinned") == "oneone"
    disks.merge("ConfigMap", "conf", {"data": {"key": "two"}})
    disks.sh_until("user", "grep two /conf/key", seconds=120)
    assert disks.ok("user", "cat /pinned") == "one"


def test_a_missing_config_map_keeps_the_pod_waiting(disks: Disks) -> None:
    disks.put(pod("user", {"name": "conf", "configMap": {"name": "later"}}))
    disks.told("FailedMount", "user", text='configmap "later" not found')
    disks.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "later"}, "data": {"key": "x"}})
    disks.wait("Pod", "user", lambda p: phase(p) == "Running", timeout=180)


def test_an_ephemeral_volume_has_a_claim_that_goes_with_the_pod(disks: Disks) -> None:
    template = {"spec": claim()["spec"]}
    disks.start(pod("user", {"name": "own", "ephemeral": {"volumeClaimTemplate": template}}))
    found = disks.require("PersistentVolumeClaim", "user-own")
    assert [owner["kind"] for owner in found["metadata"]["ownerReferences"]] == ["Pod"]
    disks.ok("user", "echo x > /own/file")
    disks.end("user")
    disks.gone("PersistentVolumeClaim", name="user-own")


def test_an_ephemeral_volume_does_not_take_somebody_elses_claim(disks: Disks) -> None:
    disks.put(claim("user-own"))
    disks.put(pod("user", {"name": "own", "ephemeral": {"volumeClaimTemplate": {"spec": claim()["spec"]}}}))
    disks.told("FailedScheduling", "user", text="was not created for pod")


def test_an_inline_csi_volume_lives_with_its_pod(disks: Disks) -> None:
    inline = {"name": "inline", "csi": {"driver": "hostpath.csi.k8s.io", "volumeAttributes": {"size": "1Mi"}}}
    disks.start(pod("user", inline))
    disks.ok("user", "echo x > /inline/file && cat /inline/file")
    disks.end("user")
    disks.start(pod("user", inline))
    assert disks.ok("user", "ls /inline") == ""


def test_projected_sources_meet_in_one_folder(disks: Disks) -> None:
    disks.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}, "data": {"a": "1"}})
    disks.put({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "safe"}, "stringData": {"b": "2"}})
    sources = [
        {"configMap": {"name": "conf"}},
        {"secret": {"name": "safe"}},
        {"downwardAPI": {"items": [{"path": "who", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"serviceAccountToken": {"path": "token"}},
    ]
    disks.start(pod("user", {"name": "all", "projected": {"sources": sources}}))
    assert disks.ok("user", "cd /all; cat a b who").replace("\n", "") == "12user"
    assert disks.ok("user", "wc -c < /all/token") > "1"


def test_mount_and_df_tell_of_the_volume(disks: Disks) -> None:
    disks.put(claim())
    disks.start(pod("user", "data", mounts={"data": {"readOnly": True}}))
    options = disks.ok("user", "grep ' /data ' /proc/mounts | cut -d ' ' -f 4").split(",")
    assert "ro" in options
    assert disks.ok("user", "df -P /data | tail -n 1 | tr -s ' ' | cut -d ' ' -f 6") == "/data"

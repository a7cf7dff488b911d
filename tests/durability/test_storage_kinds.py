"""`kill -9` and what test_storage_model.py has none of: block volumes, expansion, ephemeral volumes, the claims of
StatefulSets, owners and modes, links, two nodes that write to one volume."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from kindlab.api import Api, Obj
from kindlab.checks.host import pod_host
from kindlab.checks.live import is_ready
from kindlab.clusters.pocket import Pocket

SPACE, CSI, WITHIN = "default", "csi-hostpath-sc", 60.0


class Running:
    def __init__(self, cluster: Pocket) -> None:
        self.cluster = cluster
        self.api: Api = cluster.up(lambda text: None).api()

    def kill(self) -> None:
        os.kill(int((self.cluster.folder / "pid").read_text()), signal.SIGKILL)
        with FileLock(self.cluster.folder / "lock", timeout=WITHIN):
            pass
        self.api = self.cluster.up(lambda text: None).api()

    def create(self, kind: str, name: str, spec: Obj, version: str = "v1") -> None:
        self.api.create({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}, SPACE)

    def claim(self, name: str, **spec: Any) -> None:
        self.create("PersistentVolumeClaim", name, claim_spec(**spec))

    def pod(self, name: str, volume: Obj, **container: Any) -> None:
        self.create("Pod", name, pod_spec(volume, **container))

    def sh(self, pod: str, script: str) -> str:
        done = pod_host(self.api, SPACE, pod).run(script)
        assert done.rc == 0, done
        return str(done.stdout)

    def until(self, kind: str, holds: Callable[[dict[str, Obj]], bool]) -> None:
        live: dict[str, Obj] = {}
        for found in self.api.follow(kind, SPACE, timeout=WITHIN):
            live = {obj["metadata"]["name"]: obj for obj in found.values()}
            if holds(live):
                return
        raise AssertionError(f"not within {WITHIN:.0f} s: {live}")

    def ready(self, *pods: str) -> None:
        self.until("Pod", lambda live: all(name in live and is_ready(live[name]) for name in pods))


def claim_spec(**spec: Any) -> Obj:
    size = {"requests": {"storage": spec.pop("size", "1Mi")}}
    return {"accessModes": ["ReadWriteOnce"], "storageClassName": CSI, "resources": size, **spec}


def pod_spec(volume: Obj, **container: Any) -> Obj:
    mount = {"volumeMounts": [{"name": "disk", "mountPath": "/disk"}]}
    main = {"name": "main", "image": "busybox:1.36", "args": ["sleep", "100000"], **(container or mount)}
    return {"terminationGracePeriodSeconds": 0, "containers": [main], "volumes": [{"name": "disk", **volume}]}


def of_claim(name: str) -> Obj:
    return {"persistentVolumeClaim": {"claimName": name}}


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setenv("KINDLAB_HOME", str(tmp_path))
    cluster = Pocket("kinds", http_port=0, https_port=0)
    try:
        yield Running(cluster)
    finally:
        cluster.down(lambda text: None)


def test_owners_modes_links_and_times_outlive_the_process(running: Running) -> None:
    running.claim("files")
    running.pod("files", of_claim("files"))
    running.pod("empty", {"emptyDir": {}})
    running.ready("files", "empty")
    make = (
        "cd /disk && mkdir -m 2770 dir && echo x > dir/f && ln dir/f hard && ln -s dir/f soft && chmod 640 dir/f && "
        "chown -R 1000:2000 dir && touch -t 202001020304 hard"
    )
    look = "cd /disk && stat -c '%n %a %u %g %h %Y %F' dir dir/f hard && cat soft && stat -c %i dir/f hard"
    seen = {}
    for pod in ("files", "empty"):
        running.sh(pod, make)
        seen[pod] = running.sh(pod, look)
    running.kill()
    running.ready("files", "empty")
    assert {pod: running.sh(pod, look) for pod in seen} == seen


def test_blocks_and_what_grew_outlive_the_process(running: Running) -> None:
    running.claim("disk", volumeMode="Block")
    running.claim("files")
    running.pod("disk", of_claim("disk"), volumeDevices=[{"name": "disk", "devicePath": "/dev/disk"}])
    running.pod("files", of_claim("files"))
    running.ready("disk", "files")
    running.sh("disk", "printf bytes | dd of=/dev/disk bs=1 seek=1048571 conv=notrunc")
    running.sh("files", "echo before > /disk/f")
    for claim in ("disk", "files"):
        grown = {"spec": {"resources": {"requests": {"storage": "2Mi"}}}}
        running.api.patch("PersistentVolumeClaim", claim, SPACE, grown)
    running.kill()  # anywhere between the wish and its fulfilment
    running.ready("disk", "files")

    def grew(live: dict[str, Obj]) -> bool:
        return all(live[name]["status"]["capacity"]["storage"] == "2Mi" for name in ("disk", "files"))

    running.until("PersistentVolumeClaim", grew)
    assert running.sh("disk", "dd if=/dev/disk bs=1 skip=1048571 count=5 2>/dev/null") == "bytes"
    assert running.sh("files", "cat /disk/f").strip() == "before"
    running.api.delete("Pod", "disk", SPACE)
    running.until("Pod", lambda live: "disk" not in live)
    running.pod("again", of_claim("disk"), volumeDevices=[{"name": "disk", "devicePath": "/dev/disk"}])
    running.ready("again")
    assert running.sh("again", "wc -c < /dev/disk").strip() == str(2 << 20)
    assert running.sh("again", "dd if=/dev/disk bs=1 skip=1048571 count=5 2>/dev/null") == "bytes"


def test_ephemeral_volumes_and_claims_of_a_statefulset_outlive_the_process(running: Running) -> None:
    running.pod("own", {"ephemeral": {"volumeClaimTemplate": {"spec": claim_spec()}}})
    template = {"metadata": {"labels": {"app": "db"}}, "spec": pod_spec({"emptyDir": {}})}
    del template["spec"]["volumes"]
    claims = [{"metadata": {"name": "disk"}, "spec": claim_spec()}]
    spec = {
        "replicas": 2,
        "serviceName": "db",
        "selector": {"matchLabels": {"app": "db"}},
        "template": template,
        "volumeClaimTemplates": claims,
    }
    running.create("StatefulSet", "db", spec, "apps/v1")
    pods = ("own", "db-0", "db-1")
    running.ready(*pods)
    for pod in pods:
        running.sh(pod, f"echo {pod} > /disk/f")
    running.kill()
    running.ready(*pods)
    assert [running.sh(pod, "cat /disk/f").strip() for pod in pods] == list(pods)
    running.api.delete("Pod", "own", SPACE)
    running.until("PersistentVolumeClaim", lambda live: set(live) == {"disk-db-0", "disk-db-1"})


def test_what_two_nodes_write_to_one_volume_outlives_the_process(running: Running) -> None:
    running.create(
        "PersistentVolume",
        "shared",
        {
            "capacity": {"storage": "1Mi"},
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "by-hand",
            "csi": {"driver": "hostpath.csi.k8s.io", "volumeHandle": handle_of_a_new_volume(running)},
        },
    )
    running.claim("shared", accessModes=["ReadWriteMany"], storageClassName="by-hand")
    for number, node in enumerate(("kinds-worker", "kinds-worker2")):
        spec = {**pod_spec(of_claim("shared")), "nodeName": node}
        running.create("Pod", f"p{number}", spec)
    running.ready("p0", "p1")
    running.sh("p0", "echo zero > /disk/0")
    running.sh("p1", "echo one > /disk/1; chown 5:6 /disk/0")
    running.kill()
    running.ready("p0", "p1")
    for pod in ("p0", "p1"):
        assert running.sh(pod, "cat /disk/0 /disk/1 && stat -c '%u %g' /disk/0").split() == ["zero", "one", "5", "6"]


def handle_of_a_new_volume(running: Running) -> str:
    """Of a volume that is made for a claim, kept when that goes, and nobody's from then on."""
    running.claim("maker")
    running.until("PersistentVolumeClaim", lambda live: live["maker"].get("status", {}).get("phase") == "Bound")
    claim = running.api.get("PersistentVolumeClaim", "maker", SPACE)
    assert claim is not None
    name = claim["spec"]["volumeName"]
    kept = {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}
    running.api.patch("PersistentVolume", name, None, kept)
    found = running.api.get("PersistentVolume", name)
    assert found is not None
    return str(found["spec"]["csi"]["volumeHandle"])

"""Claims, Pods, snapshots, clones and `kill -9`, in any order, against a model of what the bytes must be.

The model is a few dictionaries. After whatever hypothesis makes of the rules: no byte that a command in a Pod had
written and acknowledged is lost, a snapshot holds what was there when it was taken and nothing later, a clone goes its
own way, and no volume is bound twice.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kindlab.api import Api, Obj
from kindlab.checks.host import pod_host
from kindlab.checks.live import is_ready
from kindlab.clusters.pocket import Pocket

SPACE = "default"
CSI, LOCAL = "csi-hostpath-sc", "standard"
SNAPSHOT = "VolumeSnapshot"
WITHIN = 30.0
files = st.sampled_from(["a", "b", "deep/c"])
texts = st.text("xyz", min_size=1, max_size=8)


class Storage(RuleBasedStateMachine):
    """A cluster of its own; `claims` and `snapshots` say which bytes must be in each."""

    claims_, snapshots_, pods_ = Bundle("claims"), Bundle("snapshots"), Bundle("pods")

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.TemporaryDirectory(prefix="storage-model-")
        self.patch = pytest.MonkeyPatch()
        self.patch.setenv("KINDLAB_HOME", self.home.name)
        self.cluster = Pocket("model", http_port=0, https_port=0)
        self.count = 0
        self.claims: dict[str, dict[str, str]] = {}
        self.classes: dict[str, str] = {}
        self.snapshots: dict[str, dict[str, str]] = {}
        self.pods: dict[str, str] = {}

    @initialize()
    def start(self) -> None:
        self.api = self._up()

    def teardown(self) -> None:
        try:
            if hasattr(self, "api"):
                self.everything_is_there()
        finally:
            self.cluster.down(lambda text: None)
            self.patch.undo()
            self.home.cleanup()

    # -- rules

    @rule(target=claims_, storage_class=st.sampled_from([CSI, LOCAL]), kill=st.booleans())
    def create_claim(self, storage_class: str, kill: bool) -> str:
        return self._claim({}, storage_class, None, kill)

    @rule(target=pods_, claim=claims_)
    def run_pod(self, claim: str) -> Any:
        return self._pod(claim) if claim in self.claims else multiple()

    @rule(pod=pods_, name=files, text=texts)
    def write(self, pod: str, name: str, text: str) -> None:
        if pod in self.pods:
            self._sh(pod, f"mkdir -p /disk/deep && printf %s {text} > /disk/{name}")
            self.claims[self.pods[pod]][name] = text

    @rule(pod=pods_, name=files)
    def remove(self, pod: str, name: str) -> None:
        if pod in self.pods:
            self._sh(pod, f"rm -f /disk/{name}")
            self.claims[self.pods[pod]].pop(name, None)

    @rule(target=snapshots_, claim=claims_, kill=st.booleans())
    def snapshot(self, claim: str, kill: bool) -> Any:
        if self.classes.get(claim) != CSI:
            return multiple()
        name = self._name("s")
        spec = {"volumeSnapshotClassName": "csi-hostpath-snapclass", "source": {"persistentVolumeClaimName": claim}}
        meta = {"name": name}
        self.api.create(
            {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": SNAPSHOT, "metadata": meta, "spec": spec}, SPACE
        )
        if kill:
            self._kill()
        self._until(SNAPSHOT, lambda found: any(_ready_to_use(s) for s in found if _name_of(s) == name))
        self.snapshots[name] = dict(self.claims[claim])
        return name

    @rule(target=claims_, snapshot=snapshots_, kill=st.booleans())
    def restore(self, snapshot: str, kill: bool) -> Any:
        if snapshot not in self.snapshots:
            return multiple()
        source = {"apiGroup": "snapshot.storage.k8s.io", "kind": SNAPSHOT, "name": snapshot}
        return self._claim(self.snapshots[snapshot], CSI, source, kill)

    @rule(target=claims_, claim=claims_, kill=st.booleans())
    def clone(self, claim: str, kill: bool) -> Any:
        if self.classes.get(claim) != CSI:
            return multiple()
        return self._claim(self.claims[claim], CSI, {"kind": "PersistentVolumeClaim", "name": claim}, kill)

    @rule(pod=consumes(pods_))
    def delete_pod(self, pod: str) -> None:
        if self.pods.pop(pod, None):
            self._delete("Pod", pod)

    @rule(claim=consumes(claims_))
    def delete_claim(self, claim: str) -> None:
        if claim not in self.claims or claim in self.pods.values():
            return
        volume = self._get("PersistentVolumeClaim", claim)["spec"].get("volumeName")
        del self.claims[claim], self.classes[claim]
        self._delete("PersistentVolumeClaim", claim)
        if volume:
            self._until("PersistentVolume", lambda found: all(_name_of(v) != volume for v in found))

    @rule(snapshot=consumes(snapshots_))
    def delete_snapshot(self, snapshot: str) -> None:
        if self.snapshots.pop(snapshot, None) is not None:
            self._delete(SNAPSHOT, snapshot)

    @precondition(lambda self: self.pods)
    @rule()
    def kill(self) -> None:
        self._kill()

    # -- what must hold

    @invariant()
    def no_volume_is_bound_twice(self) -> None:
        if not hasattr(self, "api"):
            return
        named = [c["spec"]["volumeName"] for c in self.api.list("PersistentVolumeClaim", SPACE) if _is_bound(c)]
        assert len(named) == len(set(named))
        owners = {_name_of(v): v["spec"]["claimRef"]["name"] for v in self.api.list("PersistentVolume") if _is_bound(v)}
        assert len(set(owners.values())) == len(owners)
        assert set(named) <= owners.keys()

    def everything_is_there(self) -> None:
        """Read every claim and every snapshot through a Pod."""
        for name, content in list(self.snapshots.items()):
            source = {"apiGroup": "snapshot.storage.k8s.io", "kind": SNAPSHOT, "name": name}
            self._claim(content, CSI, source, kill=False)
        for claim, content in self.claims.items():
            running = next((pod for pod, of in self.pods.items() if of == claim), None)
            pod = running or self._pod(claim)
            assert self._content(pod) == content, claim
            if running is None:
                self.delete_pod(pod)  # a node takes so many volumes and no more, and claims of CSI are all on one

    # -- doing

    def _up(self) -> Api:
        return self.cluster.up(lambda text: None).api()

    def _kill(self) -> None:
        """`kill -9`, and up again: Pods come back with their volumes."""
        os.kill(int((self.cluster.folder / "pid").read_text()), signal.SIGKILL)
        with FileLock(self.cluster.folder / "lock", timeout=WITHIN):
            pass  # the process is gone
        self.api = self._up()
        self._until("Pod", lambda found: {_name_of(p) for p in found if is_ready(p)} >= set(self.pods))

    def _name(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def _claim(self, content: dict[str, str], storage_class: str, source: Obj | None, kill: bool) -> str:
        name = self._name("c")
        spec: Obj = {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": storage_class,
            "resources": {"requests": {"storage": "1Mi"}},
            **({"dataSource": source} if source else {}),
        }
        self.api.create(
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}, SPACE
        )
        if kill:
            self._kill()
        if storage_class == CSI:
            self._until("PersistentVolumeClaim", lambda found: any(_is_bound(c) for c in found if _name_of(c) == name))
        self.claims[name], self.classes[name] = dict(content), storage_class
        return name

    def _pod(self, claim: str) -> str:
        name = self._name("p")
        container = {
            "name": "main",
            "image": "busybox:1.36",
            "args": ["sleep", "100000"],
            "volumeMounts": [{"name": "disk", "mountPath": "/disk"}],
        }
        volumes = [{"name": "disk", "persistentVolumeClaim": {"claimName": claim}}]
        spec = {"terminationGracePeriodSeconds": 0, "containers": [container], "volumes": volumes}
        self.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}, SPACE)
        self._until("Pod", lambda found: any(is_ready(p) for p in found if _name_of(p) == name))
        self.pods[name] = claim
        return name

    def _sh(self, pod: str, script: str) -> str:
        done = pod_host(self.api, SPACE, pod).run(script)
        assert done.rc == 0, done
        return str(done.stdout)

    def _content(self, pod: str) -> dict[str, str]:
        listed = self._sh(pod, "cd /disk && find . -type f | sort").splitlines()
        return {name.removeprefix("./"): self._sh(pod, f"cat /disk/{name}") for name in listed}

    def _get(self, kind: str, name: str) -> Obj:
        found = self.api.get(kind, name, SPACE)
        assert found is not None, f"{kind} {name} is gone"
        return found

    def _delete(self, kind: str, name: str) -> None:
        self.api.delete(kind, name, SPACE)
        self._until(kind, lambda found: all(_name_of(o) != name for o in found))

    def _until(self, kind: str, holds: Callable[[Iterable[Obj]], bool]) -> None:
        space = SPACE if self.api.namespaced(kind) else None
        live: dict[str, Obj] = {}
        for live in self.api.follow(kind, space, timeout=WITHIN):
            if holds(live.values()):
                return
        raise AssertionError(f"not within {WITHIN:.0f} s: {list(live.values())}")


def _name_of(obj: Obj) -> str:
    return str(obj["metadata"]["name"])


def _is_bound(obj: Obj) -> bool:
    return bool(obj.get("status", {}).get("phase") == "Bound")


def _ready_to_use(snapshot: Obj) -> bool:
    return bool((snapshot.get("status") or {}).get("readyToUse"))


def test_no_acknowledged_byte_is_lost_and_no_volume_bound_twice() -> None:
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large]
    run_state_machine_as_test(
        Storage, settings=settings(max_examples=6, stateful_step_count=20, deadline=None, suppress_health_check=slow)
    )

"""What the tests of StatefulSets are written with: a set as a dict, its pods, how to make one of them unready."""

from __future__ import annotations

from typing import Any

from tests.parity.network.support import BUSYBOX, START, Place

from kindlab.api import Obj
from kindlab.checks.live import is_ready

NAME = "db"
LABELS = {"app": NAME}
SCRIPT = "touch /tmp/ready; trap 'exit 0' TERM; sleep 100000 & wait"


def statefulset(replicas: int = 2, *, claims: bool = False, script: str = SCRIPT, **spec: Any) -> Obj:
    """A StatefulSet whose pods are ready while they have the file /tmp/ready; `claims`: with 1 Mi of the default class
    at /data. `pod` and `container` add to the template."""
    container: Obj = {
        "name": "main",
        "image": BUSYBOX,
        "command": ["sh", "-c", script],
        "readinessProbe": {"exec": {"command": ["cat", "/tmp/ready"]}, "periodSeconds": 1, "failureThreshold": 1},
        **spec.pop("container", {}),
    }
    pod = {"terminationGracePeriodSeconds": 1, "containers": [container], **spec.pop("pod", {})}
    whole = {
        "replicas": replicas,
        "serviceName": NAME,
        "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": LABELS}, "spec": pod},
        **spec,
    }
    if claims:
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
        asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
        whole["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": asked}]
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": NAME}, "spec": whole}


def governing() -> Obj:
    """The headless Service that gives the pods their names; not ready ones have theirs, too."""
    spec = {"clusterIP": "None", "selector": LABELS, "ports": [{"name": "x", "port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME}, "spec": spec}


def is_settled(live: Obj) -> bool:
    """All pods asked for are there, ready and at the newest revision, and no others."""
    status, wanted = live.get("status", {}), live["spec"]["replicas"]
    counts = (status.get(field, 0) for field in ("replicas", "readyReplicas", "updatedReplicas"))
    return has_seen(live) and all(count == wanted for count in counts)


def has_seen(live: Obj) -> bool:
    """Whether the controller has seen the set as it is."""
    return bool(live.get("status", {}).get("observedGeneration", 0) >= live["metadata"]["generation"])


def settled(here: Place) -> Obj:
    return here.wait("StatefulSet", NAME, is_settled, timeout=START)


def start(here: Place, live: Obj) -> Obj:
    here.put(live)
    return settled(here)


def pods(here: Place) -> dict[str, Obj]:
    """By name, without those of other owners."""
    return {pod["metadata"]["name"]: pod for pod in here.list("Pod", f"app={NAME}")}


def uid(here: Place, kind: str, name: str) -> str:
    return str(here.require(kind, name)["metadata"]["uid"])


def unready(here: Place, name: str) -> None:
    assert here.sh(name, "rm /tmp/ready").ok
    here.wait("Pod", name, lambda pod: not is_ready(pod))


def ready_again(here: Place, name: str) -> None:
    assert here.sh(name, "touch /tmp/ready").ok
    here.wait("Pod", name, is_ready)


def marked(value: str) -> Obj:
    """A change of the template: an environment variable."""
    container = {"name": "main", "env": [{"name": "MARK", "value": value}]}
    return {"spec": {"template": {"spec": {"containers": [container]}}}}


def marks(here: Place) -> dict[str, str]:
    """The MARK each pod has been made with."""
    found = {}
    for name, pod in pods(here).items():
        env = pod["spec"]["containers"][0].get("env") or []
        found[name] = next((variable["value"] for variable in env if variable["name"] == "MARK"), "")
    return found

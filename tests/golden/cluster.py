"""The cluster to replay against: a fresh pocket cluster, or the one the current kubeconfig names."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from tests.golden.connection import Connection
from tests.golden.scenario import Scenario

_READY_WITHIN = 30.0
LEARNS_WITHIN = 0.5
"""Seconds after which all parts of a pocket cluster know of a change: 25 times what it should take."""


class NoCluster(Exception):
    """There is no cluster to replay against, and why."""


def pocket_exists() -> bool:
    """Whether `python -m pocketkube` can be run at all."""
    return find_spec("pocketkube") is not None and find_spec("pocketkube.__main__") is not None


NO_METRICS = ("--no-addon", "metrics-server")
BARE = ("--no-addon", "local-path", "--no-addon", "csi-hostpath", "--no-addon", "snapshots", *NO_METRICS)
"""The first set of recordings: no provisioner, no class, no CSI driver, no snapshot API, no metrics API."""
CSI = (*NO_METRICS, "--no-addon", "local-path", "--max-volumes-per-node", "0")
"""The second set: the hostpath driver and the snapshot API, no default class."""
METRICS = CSI[len(NO_METRICS) :]
"""The second set where it shows metrics: what is told of storage does not depend on them."""

SELDOM = ("--horizontal-pod-autoscaler-sync-period", "15s")
"""Where the recording shows what the autoscaler has not done yet: it looks as seldom as upstream's."""

_STARTS = {
    "csi-hostpath": "csi-hostpath-snapshotter",
    "snapshots": "snapshot-controller",
    "metrics-server": "metrics-server",
}
"""Add-ons and the last Deployment each brings."""


def flags_of(name: str) -> tuple[str, ...]:
    """What the cluster of a scenario is started with, for what it shows of storage, metrics and autoscalers."""
    if name.startswith("hpa-") or name == "create-01-imperative":
        return (*BARE, *SELDOM)
    if name == "metrics-01-api":  # shows what there is before the second look
        return (*METRICS, "--metric-resolution", "4s")
    if name == "metrics-02-hpa-load":  # each look of the autoscaler's finds numbers of what is now
        return (*METRICS, "--metric-resolution", "1s", "--horizontal-pod-autoscaler-sync-period", "10s")
    if name == "metrics-04-backend-down":  # which is how it leaves its cluster
        return (*METRICS, "--metric-resolution", "1s")
    if name.startswith("metrics-"):
        return METRICS
    if name == "storage-09-volume-limits":  # leaves its driver behind, which other scenarios would list
        return (*BARE, "--max-volumes-per-node", "0")
    if name == "csi-09-volume-limit":
        return (*CSI[:-1], "2")
    return CSI if name.startswith("csi-") else BARE


@contextlib.contextmanager
def pocket(flags: tuple[str, ...] = BARE) -> Iterator[Path]:
    """A pocket cluster of its own in a temporary state folder; its kubeconfig. Ended with SIGTERM.

    The process writes DIR/kubeconfig once the API server serves and all nodes are Ready.
    """
    if not pocket_exists():
        raise NoCluster("pocketkube cannot be run yet: it has no __main__")
    with tempfile.TemporaryDirectory(prefix="golden-pocket-") as name:
        folder = Path(name)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "pocketkube", "--state", str(folder / "state"), "--node", "node-1"),
                    "--no-host-ports",  # several replays may run at once
                    *("--no-addon", "traefik"),  # the recordings' cluster had no ingress controller and no class,
                    *("--no-addon", "gateway-api"),  # and no CustomResourceDefinitions of the Gateway API
                    "--anonymous-auth",  # as theirs had by default
                    *("--load-balancer-pool", "none"),  # the recordings had no cloud provider
                    *flags,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                kubeconfig = _wait_for(folder / "state" / "kubeconfig", process, folder / "log")
                _wait_for_addons(kubeconfig, flags)
                yield kubeconfig
            finally:
                _end(process)


def _wait_for(kubeconfig: Path, process: subprocess.Popen[bytes], log: Path) -> Path:
    deadline = time.monotonic() + _READY_WITHIN
    while not kubeconfig.exists():
        if process.poll() is not None:
            raise NoCluster(f"pocketkube ended with {process.returncode}:\n{_tail(log)}")
        if time.monotonic() > deadline:
            raise NoCluster(f"pocketkube was not ready within {_READY_WITHIN:g} s:\n{_tail(log)}")
        time.sleep(0.01)  # another process's file: there is no event to wait for
    return kubeconfig


def _wait_for_addons(kubeconfig: Path, flags: tuple[str, ...]) -> None:
    """The recorded cluster had its DNS, provisioners and controllers running."""
    wanted = {"coredns", *(name for addon, name in _STARTS.items() if addon not in flags)}
    connection = Connection(kubeconfig)
    deadline = time.monotonic() + _READY_WITHIN
    try:
        while True:
            found = connection.request("GET", "/apis/apps/v1/deployments").body["items"]
            available = {d["metadata"]["name"] for d in found if d["status"].get("availableReplicas")}
            if wanted <= available and len(available) == len(found):
                return
            if time.monotonic() > deadline:
                raise NoCluster(f"{sorted(wanted - available)} were not available within {_READY_WITHIN:g} s")
            time.sleep(0.02)
    finally:
        connection.close()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def current() -> Path:
    """The kubeconfig kubectl would use: $KUBECONFIG (one file) or ~/.kube/config."""
    named = os.environ.get("KUBECONFIG")
    path = Path(named) if named else Path.home() / ".kube" / "config"
    if not path.is_file():
        raise NoCluster(f"no kubeconfig: {path} does not exist")
    return path


def fit_to_nodes(scenario: Scenario, kubeconfig: Path) -> tuple[Scenario, str]:
    """The scenario as it can run on the cluster's nodes, and a remark when that changes it ("" otherwise).

    The recordings' only node is node-1. On a cluster without it node-1 stands for any node of the cluster where the
    answer names one, and for one worker where a request does.
    """
    connection = Connection(kubeconfig)
    try:
        answer = connection.request("GET", "/api/v1/nodes")
    finally:
        connection.close()
    if answer.code != 200:
        raise NoCluster(f"the nodes cannot be listed: {answer.code} {answer.body}")
    nodes = answer.body["items"]
    names = [node["metadata"]["name"] for node in nodes]
    if not names:
        raise NoCluster("the cluster has no nodes")
    if "node-1" in names:
        return scenario, ""
    workers = [node["metadata"]["name"] for node in nodes if not node["spec"].get("taints")] or names
    remark = f"node-1 stands for any of {', '.join(names)} in answers and for {workers[0]} in requests"
    return scenario.on_nodes(names, workers[0]), remark

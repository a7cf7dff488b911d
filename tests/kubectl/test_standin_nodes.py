"""The stand-in beside the real kubectl on nodes: closed, emptied, tainted, described. On a cluster of its own."""

import io
import re
import time
from collections.abc import Callable, Iterator

import pytest
from tests.kubectl.conftest import KUBECTL, Kubectl

from kindlab import workspace
from kindlab.clusters.base import Status
from kindlab.clusters.pocket import Pocket
from kindlab.kubectl.standin import run

pytestmark = [
    pytest.mark.kubectl,
    pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on this machine (set KUBECTL, or put it on PATH)"),
]
NODE, SPACE = "pocket-worker2", "nodes"
IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"
POD = f"terminationGracePeriodSeconds: 0, containers: [{{name: c, image: '{IMAGE}', args: [pause]}}]"
WORLD = f"""
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: daemon}}
spec:
  selector: {{matchLabels: {{app: daemon}}}}
  template: {{metadata: {{labels: {{app: daemon}}}}, spec: {{{POD}}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: bare, labels: {{app: bare}}}}
spec: {{nodeName: {NODE}, {POD}}}
---
apiVersion: v1
kind: Pod
metadata:
  name: scratch
  ownerReferences: [{{apiVersion: v1, kind: ConfigMap, name: kube-root-ca.crt, uid: UID, controller: true}}]
spec: {{nodeName: {NODE}, volumes: [{{name: v, emptyDir: {{}}}}], {POD}}}
"""
AGE = re.compile(r"\b\d+[smhd](\d+[sm])?\b")
BETWEEN = re.compile(r"; |Warning: |[][]|, (?=cannot delete )")
Both = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Status]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINDLAB_HOME", str(tmp_path_factory.mktemp("home")))
        pocket = Pocket(http_port=0, https_port=0)
        try:
            yield pocket.up(lambda text: None)
        finally:
            pocket.down(lambda text: None)


@pytest.fixture(scope="module")
def real(cluster: Status, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    workspace.make_namespace(cluster.api(), SPACE)
    assert cluster.kubeconfig is not None
    return Kubectl(cluster.kubeconfig, SPACE, tmp_path_factory.mktemp("kubectl"))


@pytest.fixture
def both(cluster: Status, real: Kubectl) -> Both:
    """(what kubectl prints, what the stand-in prints), exit code and all; `first` goes before each."""

    def ask(*words: str, first: Callable[[], object] = lambda: None) -> tuple[str, str]:
        first()
        done = real.run(*words)
        theirs = f"{done.stdout}{done.stderr}exit {done.returncode}"
        first()
        out, err = io.StringIO(), io.StringIO()
        code = run(cluster.api(), SPACE, words, stdin=io.StringIO(), out=out, err=err)
        return _plain(theirs), _plain(f"{out.getvalue()}{err.getvalue()}exit {code}")

    return ask


def _plain(text: str) -> str:
    """Ages apart, in any order (kubectl evicts Pods side by side, and keeps what it cannot delete in a map of Go's),
    and without what kubectls before 1.36 said."""
    text = text.replace("cannot delete cannot delete", "cannot delete")
    lines = [line for line in AGE.sub("AGE", text).splitlines() if "Kube-Proxy Version" not in line]
    lines = [re.sub(r" {2,}", "  ", line) for line in lines if "RenewTime" not in line]
    return "\n".join(sorted(";".join(sorted(BETWEEN.split(line))) for line in lines))


def world(real: Kubectl) -> None:
    """A daemon, a Pod that nobody owns, and one with an emptyDir, all running on an open node."""
    uid = real.json("get", "configmap", "kube-root-ca.crt")["metadata"]["uid"]
    real.ok("uncordon", NODE)
    real.ok("apply", "-f", "-", stdin=WORLD.replace("UID", uid))
    real.ok("rollout", "status", "daemonset/daemon", "--timeout=60s")
    real.ok("wait", "--for=condition=Ready", "pod/bare", "pod/scratch", "--timeout=60s")


@pytest.mark.parametrize("verb", ["cordon", "uncordon"])
def test_cordon_and_uncordon(both: Both, real: Kubectl, verb: str) -> None:
    other = "uncordon" if verb == "cordon" else "cordon"

    def changed() -> None:
        real.ok(other, NODE)

    for words, first in (
        ((verb, NODE, "--dry-run=client"), changed),
        ((verb, NODE), changed),
        ((verb, NODE), lambda: real.ok(verb, NODE)),
        ((verb, "-l", f"kubernetes.io/hostname={NODE}"), changed),
        ((verb, "nope"), changed),
        ((verb,), changed),
        ((verb, "-l", "a=b", NODE), changed),
    ):
        theirs, ours = both(*words, first=first)
        assert ours == theirs
    real.ok("uncordon", NODE)


TAINTS = [
    ("k=v:NoSchedule",),
    ("j=v:NoSchedule",),
    ("j=w:NoSchedule", "--overwrite"),
    ("j:NoSchedule-",),
    ("j-",),
    ("k:NoSchedule-",),
    ("k-",),
    ("k=v:NoSchedule", "j-"),
    ("k=v",),
    ("k=v:Nope",),
    ("a=b:NoExecute", "a=c:NoExecute"),
    ("a=b:NoExecute", "a-"),
    ("k:NoSchedule", "q"),
    ("k:PreferNoSchedule", "--dry-run=client"),
    (),
]


@pytest.mark.parametrize("taints", TAINTS, ids=" ".join)
def test_taint(both: Both, real: Kubectl, taints: tuple[str, ...]) -> None:
    """On a node that has the taint j=v:NoSchedule."""

    def first() -> None:
        real.run("taint", "nodes", NODE, "k-")
        real.ok("taint", "nodes", NODE, "j=v:NoSchedule", "--overwrite")

    theirs, ours = both("taint", "nodes", NODE, *taints, first=first)
    assert ours == theirs
    real.ok("taint", "nodes", NODE, "j=v:NoSchedule", "--overwrite")
    real.ok("taint", "nodes", NODE, "j-")
    real.run("taint", "nodes", NODE, "k-")


def test_taint_needs_nodes(both: Both) -> None:
    for words in (
        ("taint",),
        ("taint", "nodes", "k=v:NoSchedule"),
        ("taint", "pods", "x", "k:NoSchedule"),
        ("taint", "nodes", "nope", "k:NoSchedule"),
        ("taint", f"node/{NODE}", "k:NoSchedule"),
    ):
        theirs, ours = both(*words)
        assert ours == theirs


DRAINS = [
    (),
    ("--ignore-daemonsets",),
    ("--ignore-daemonsets", "--force"),
    ("--ignore-daemonsets", "--delete-emptydir-data"),
    ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--dry-run=client"),
    ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--dry-run=server"),
    ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--grace-period=0"),
    ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--disable-eviction"),
    ("--pod-selector=app=bare", "--force"),
]


@pytest.mark.parametrize("options", DRAINS, ids=" ".join)
def test_drain(both: Both, real: Kubectl, options: tuple[str, ...]) -> None:
    real.ok("delete", "namespace", "traefik", "--ignore-not-found")
    theirs, ours = both("drain", NODE, *options, first=lambda: world(real))
    assert ours == theirs
    real.ok("uncordon", NODE)


def test_drain_waits_for_a_budget_as_long_as_it_may(both: Both, real: Kubectl) -> None:
    def first() -> None:
        world(real)
        real.run("create", "poddisruptionbudget", "keep", "--selector=app=bare", "--min-available=1")
        deadline = time.monotonic() + 60
        while real.json("get", "poddisruptionbudget", "keep")["status"].get("expectedPods") != 1:
            assert time.monotonic() < deadline, "the budget was never looked at"

    words = ("drain", NODE, "--ignore-daemonsets", "--force", "--pod-selector=app=bare", "--timeout=2s")
    theirs, ours = both(*words, first=first)
    assert ours == theirs
    assert "global timeout reached: AGE" in ours
    real.ok("delete", "poddisruptionbudget", "keep")
    real.ok("uncordon", NODE)


def test_describe_node(both: Both, real: Kubectl) -> None:
    real.ok("taint", "nodes", NODE, "b=c:NoSchedule", "a:NoExecute", "--overwrite")
    sizes = "{requests: {cpu: 0.1, memory: 64Mi, ephemeral-storage: 1Gi}, limits: {cpu: 1500m, memory: 1024Mi}}"
    container = f"{{name: c, image: '{IMAGE}', args: [pause], resources: {sizes}}}"
    init = f"{{name: i, image: '{IMAGE}', args: [--help], resources: {{requests: {{cpu: '1'}}}}}}"
    spec = f"{{nodeName: {NODE}, tolerations: [{{operator: Exists}}], initContainers: [{init}], "
    spec += f"containers: [{container}]}}"
    real.ok("apply", "-f", "-", stdin=f"apiVersion: v1\nkind: Pod\nmetadata: {{name: sized}}\nspec: {spec}\n")
    real.ok("wait", "--for=condition=Ready", "pod/sized", "--timeout=60s")
    theirs, ours = both("describe", "node", NODE)
    assert ours == theirs
    real.ok("taint", "nodes", NODE, "a-", "b-")
    real.ok("delete", "pod", "sized", "--now")

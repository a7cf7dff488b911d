"""What a run makes on the cluster. All of it is owned by the Job: with that, by hand or when its time to live is over,
the rest goes, too."""

from __future__ import annotations

import math

from kindlab.api import Obj

COMMAND = ["python", "-m", "kindlab.batch.elsewhere.worker"]
SCRATCH = "/scratch"
RETRIES = 1
"""How often a Pod that failed or was lost is replaced, for each submission."""
KEPT = 86_400
"""Seconds for which a Job that has ended stays, with its results, where nobody has collected them."""
START, POD_MORE = 600, 600
"""Seconds: for the first Pod to begin (an image is pulled), and for what a Pod does besides grading."""
CONTROLLER = "batch.kubernetes.io/controller-uid"


def seconds(count: int, parallelism: int, limit: float) -> int:
    """For all: as if each submission took all it may, twice."""
    rounds = math.ceil(count / parallelism)
    return START + math.ceil(rounds * (1 + RETRIES) * (limit + POD_MORE))


def order_name(run: str, index: int) -> str:
    return f"{run}-order-{index}"


def answer_name(run: str, index: int) -> str:
    return f"{run}-answer-{index}"


def owned_by(run: str, uid: str, labels: dict[str, str]) -> Obj:
    """Metadata of what goes when the Job goes."""
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": run, "uid": uid}
    return {"labels": labels, "ownerReferences": [owner]}


def access(run: str, namespace: str, meta: Obj) -> list[Obj]:
    """Who the Pods are: somebody who reads and writes Secrets of the namespace, one by one and by name, and can neither
    list, change nor remove any."""
    named = {**meta, "name": run}
    rbac = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create"]}]
    subject = {"kind": "ServiceAccount", "name": run, "namespace": namespace}
    role = {"apiGroup": rbac, "kind": "Role", "name": run}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": named, "automountServiceAccountToken": False},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": named, "rules": rules},
        {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": named, "roleRef": role, "subjects": [subject]},
    ]


def job(run: str, meta: Obj, image: str, count: int, parallelism: int, limit: float) -> Obj:
    """Suspended at first: its Pods find all they need.

    There is no podFailurePolicy: with one a Pod is replaced only when it has ended for certain (podReplacementPolicy
    Failed is the only choice then), which a Pod on a dead node never does. So an eviction counts as a failure, and a
    submission's Pod may be lost RETRIES times; then the run itself tries once more, with a Job of its own.
    """
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**meta, "name": run},
        "spec": {
            "suspend": True,
            "completionMode": "Indexed",
            "completions": count,
            "parallelism": min(parallelism, count),
            "backoffLimitPerIndex": RETRIES,
            "activeDeadlineSeconds": seconds(count, parallelism, limit),
            "ttlSecondsAfterFinished": KEPT,
            "template": {"metadata": {"labels": meta["labels"]}, "spec": _pod(run, image, limit)},
        },
    }


def _pod(run: str, image: str, limit: float) -> Obj:
    """Fit for Pod Security restricted. Memory is of the cluster, and of who grades on it (farm.Limits), each 1 GiB."""
    lost = [{"key": f"node.kubernetes.io/{what}", "operator": "Exists"} for what in ("not-ready", "unreachable")]
    environment = [
        {"name": "KINDLAB_RUN", "value": run},
        {"name": "KINDLAB_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "KINDLAB_JOB", "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{CONTROLLER}']"}}},
        *({"name": name, "value": SCRATCH} for name in ("HOME", "TMPDIR", "KINDLAB_HOME", "KINDLAB_WORK")),
    ]
    container = {
        "name": "grader",
        "image": image,
        "command": COMMAND,
        "env": environment,
        "resources": {
            "requests": {"cpu": "500m", "memory": "512Mi", "ephemeral-storage": "256Mi"},
            "limits": {"cpu": "2", "memory": "3Gi", "ephemeral-storage": "3Gi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "scratch", "mountPath": SCRATCH}],
    }
    return {
        "restartPolicy": "Never",
        "serviceAccountName": run,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "activeDeadlineSeconds": math.ceil(limit + POD_MORE),
        "terminationGracePeriodSeconds": 5,
        "tolerations": [{**one, "effect": "NoExecute", "tolerationSeconds": 60} for one in lost],
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "2Gi"}}],
    }

"""Rights: whose tokens a submission gets, and what its own accounts may do.

On the embedded cluster of one submission a Role may say what it likes: its grader judges that. On a cluster that goes
on living, rights over Pods or over the namespace are a way around this whole fence: the submission's Pod would make
what its files may not contain.
"""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.api import Obj
from kindlab.batch.fence.objects import Said, at, group_of, items, texts
from kindlab.labs import Lab

TOKEN = "kubernetes.io/service-account-token"
MAKERS = frozenset(
    [
        "*",
        "pods",
        "podtemplates",
        "replicationcontrollers",
        "deployments",
        "replicasets",
        "statefulsets",
        "daemonsets",
        "jobs",
        "cronjobs",
        "secrets",
        "serviceaccounts",
        "roles",
        "rolebindings",
        "namespaces",
        "resourcequotas",
        "limitranges",
        "users",
        "groups",
        "services",
        "endpoints",
    ]
)
"""Resources by which an account gets what its own files may not contain; with their subresources."""
HARMLESS = frozenset(
    [
        "snapshot.storage.k8s.io",
        "gateway.networking.k8s.io",
        "networking.k8s.io",
        "metrics.k8s.io",
        "autoscaling",
        "discovery.k8s.io",
        "policy",
        "events.k8s.io",
    ]
)
"""API groups that have none of them."""
READ = frozenset({"get", "list", "watch"})
SECRET = frozenset({"secrets", "*"})
INTO = frozenset({"pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "services/proxy"})
"""What is entered by reading."""


def tokens(lab: Lab, obj: Obj) -> Iterator[Said]:
    if obj["kind"] == "Secret" and obj.get("type") == TOKEN:
        yield Said(
            f"A Secret of type {TOKEN} is filled with the token of an account by the cluster.",
            "Let the Pod run as the account (serviceAccountName): it is given a token of its own.",
        )


def rights(lab: Lab, obj: Obj) -> Iterator[Said]:
    if obj["kind"] != "Role" or group_of(obj) != "rbac.authorization.k8s.io":
        return
    for rule in items(obj, "rules"):
        groups, resources, verbs = (set(texts(rule, key)) for key in ("apiGroups", "resources", "verbs"))
        reads = verbs <= READ and not resources & (SECRET | INTO)
        makes = any(resource.partition("/")[0] in MAKERS for resource in resources)
        if makes and not reads and not groups <= HARMLESS:
            yield Said(
                f"It gives its account rights ({', '.join(sorted(verbs))[:60]} {', '.join(sorted(resources))[:100]}) "
                "by which a Pod could make what a submission may not contain, and this cluster is not its alone.",
                "Name the one kind and the few verbs that the account needs.",
            )
            return


def bindings(lab: Lab, obj: Obj) -> Iterator[Said]:
    if obj["kind"] != "RoleBinding":
        return
    if at(obj, "roleRef").get("kind") != "Role":
        yield Said(
            "It binds a ClusterRole, whose rights stand in no file of the submission.",
            "Bind a Role that names what the account needs.",
        )
    elif any(subject.get("kind") != "ServiceAccount" for subject in items(obj, "subjects")):
        yield Said("It gives rights to people or groups of this cluster.", "Bind a ServiceAccount of the lab.")


RULES = (tokens,)
SHARED = (rights, bindings)

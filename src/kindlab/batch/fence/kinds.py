"""Which kinds, and where: what the lab names, in the lab's namespaces."""

from __future__ import annotations

from collections.abc import Iterator

from kindlab.api import Obj
from kindlab.batch.fence.objects import Said, at, kind_of, name_of
from kindlab.labs import CLUSTER_KINDS, Lab

FOR_ALL = {
    "CustomResourceDefinition": "it would change what the whole cluster serves",
    "APIService": "it would lead the cluster's API to a program of the submission",
    "MutatingWebhookConfiguration": "it would change what others put on the cluster",
    "ValidatingWebhookConfiguration": "it would refuse what others put on the cluster",
    "MutatingAdmissionPolicy": "it would change what others put on the cluster",
    "ValidatingAdmissionPolicy": "it would refuse what others put on the cluster",
    "ClusterRole": "it would give rights over the whole cluster",
    "ClusterRoleBinding": "it would give rights over the whole cluster",
    "PriorityClass": "it would let its Pods push away those of others",
    "Node": "the cluster's machines are not a submission's",
}


def allowed_kind(lab: Lab, obj: Obj) -> Iterator[Said]:
    kind = kind_of(obj)
    if kind in lab.submission.kinds:
        return
    if obj["kind"] == "Namespace":
        yield Said(
            "The namespaces of the lab are made before a submission is applied, and it gets no others.",
            f"Take it out of the file; the lab's are there: {', '.join(lab.spaces)}.",
        )
        return
    why = FOR_ALL.get(obj["kind"], "")
    listed = ", ".join(one.partition(".")[0] for one in lab.submission.kinds) or "none"
    yield Said(
        f"A submission for lab {lab.number} may not contain a {obj['kind']} ({obj['apiVersion']})"
        + (f": {why}." if why else "."),
        f"Take it out of the file. What may be in it: {listed}.",
    )


def own_namespace(lab: Lab, obj: Obj) -> Iterator[Said]:
    space = at(obj, "metadata").get("namespace")
    if not space or obj["kind"] in CLUSTER_KINDS or space in lab.spaces:
        return
    yield Said(
        f"It is for namespace {space}, which is not the lab's.",
        f"Leave metadata.namespace out, or name one of the lab's: {', '.join(lab.spaces)}.",
    )


def own_name(lab: Lab, obj: Obj) -> Iterator[Said]:
    """As clusterwide.refuse_foreign."""
    if obj["kind"] in CLUSTER_KINDS and not name_of(obj).startswith(lab.prefix):
        yield Said(
            f"A {obj['kind']} belongs to no namespace, so the whole cluster has it, and its name does not begin with "
            f"{lab.prefix}",
            f"Call it {lab.prefix}{name_of(obj)}, or any name that begins so, also where other objects name it.",
        )


RULES = (allowed_kind, own_namespace, own_name)

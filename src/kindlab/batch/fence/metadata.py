"""Names and labels that belong to the graders, and what only the cluster writes.

A grader knows its own Pods by `kindlab-...` and by a label. A submission with such a name would be taken for the
grader's probe, or be overlooked where Pods are counted; one that selects the label would open its doors to the grader
alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kindlab.api import Obj
from kindlab.batch.fence.objects import Said, at, items, name_of, pod_templates, texts, walk
from kindlab.checks.trouble import OURS
from kindlab.kinds import WRITTEN
from kindlab.labs import Lab
from kindlab.managed import MANAGED

OUR_KEYS = (OURS, "kindlab.dev/")
PROTECTION = frozenset(
    {
        "kubernetes.io/pvc-protection",
        "kubernetes.io/pv-protection",
        "foregroundDeletion",
        "orphan",
        "snapshot.storage.kubernetes.io/volumesnapshot-as-source-protection",
        "snapshot.storage.kubernetes.io/volumesnapshot-bound-protection",
    }
)
"""Finalizers that the cluster writes, and writes again."""


def own_names(lab: Lab, obj: Obj) -> Iterator[Said]:
    name = name_of(obj)
    if f"{name}-".startswith(OURS):
        yield Said(
            f"Names that begin with {OURS} are the graders': it would be taken for one of their own Pods.",
            "Give it another name.",
        )


def own_labels(lab: Lab, obj: Obj) -> Iterator[Said]:
    for one in walk(obj):
        for key, value in one.items():
            if key.startswith(OUR_KEYS) or (key in MANAGED and value == MANAGED[key]):
                yield Said(
                    f"{key}: {str(value)[:60]} is what kindlab marks its own objects by.",
                    "Take it out, also of selectors.",
                )
                return
        if str(one.get("key")) in MANAGED or str(one.get("key", "")).startswith(OUR_KEYS):
            yield Said(
                f"It selects by {one['key']}, which is how kindlab marks its own Pods.",
                "Select by a label of your own, such as app.",
            )
            return


def owners(lab: Lab, obj: Obj) -> Iterator[Said]:
    """Who owns it is not there: the cluster removes it at once, or an object of somebody else's is held by it."""
    metas = [at(obj, "metadata"), *(meta for _, meta, _ in pod_templates(obj))]
    for one in (one for meta in metas for one in items(meta, "ownerReferences")):
        yield Said(
            f"It was made by {one.get('kind', 'something')} {one.get('name', '')} (ownerReferences), which makes it "
            "anew wherever it is applied.",
            "Hand in what made it, or take ownerReferences out if the object is yours.",
        )
        return


def finalizers(lab: Lab, obj: Obj) -> Iterator[Said]:
    if foreign := sorted(set(texts(at(obj, "metadata"), "finalizers")) - PROTECTION):
        yield Said(
            f"Its finalizers ({', '.join(foreign)[:200]}) would keep it from ever being removed.",
            "Take metadata.finalizers out.",
        )


def snippets(lab: Lab, obj: Obj) -> Iterator[Said]:
    """Annotations that some ingress controllers take for a part of their own configuration."""
    for key in at(obj, "metadata", "annotations"):
        if key.endswith("-snippet"):
            yield Said(f"Annotation {key} would be written into the ingress controller itself.", "Take it out.")
            return


def tidied(obj: Obj) -> Obj:
    """The object without what only the cluster writes: a file made with `kubectl get -o yaml` is an answer too."""
    meta: dict[str, Any] = {key: value for key, value in obj["metadata"].items() if key not in WRITTEN}
    meta.pop("generateName", None)  # it has a name
    if isinstance(meta.get("finalizers"), list):
        meta["finalizers"] = [one for one in meta["finalizers"] if str(one) not in PROTECTION]
        if not meta["finalizers"]:
            del meta["finalizers"]
    rest = {key: value for key, value in obj.items() if key not in ("status", "metadata")}
    if obj["kind"] == "Pod" and obj["metadata"].get("uid"):  # one that ran: the scheduler wrote where
        rest["spec"] = {key: value for key, value in at(obj, "spec").items() if key != "nodeName"}
    return {**rest, "metadata": meta}


RULES = (own_names, own_labels, owners, finalizers, snippets)

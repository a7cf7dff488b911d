"""What makes a pod of a StatefulSet that one: its ordinal, its name, its labels, its claims.

Models the pure parts of pkg/controller/statefulset/stateful_set_utils.go. Nothing here reads or writes the cluster.
"""

from __future__ import annotations

import re

from pocketkube import objects
from pocketkube.controllers import pods
from pocketkube.objects import Obj

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"
REVISION = "controller-revision-hash"
_MEMBER = re.compile(r"(.*)-([0-9]+)", re.DOTALL)


def parent_and_ordinal(name: str) -> tuple[str, int]:
    """The set's name and the ordinal in a pod's name; ("", -1) when it has none."""
    found = _MEMBER.fullmatch(name)
    if found is None:
        return "", -1
    number = int(found[2])
    return found[1], number if number < 2**31 else -1


def ordinal(pod: Obj) -> int:
    return parent_and_ordinal(objects.name(pod))[1]


def start(found: Obj) -> int:
    """The first ordinal."""
    return int((found["spec"].get("ordinals") or {}).get("start", 0))


def is_wanted(found: Obj, pod: Obj) -> bool:
    """Whether the pod's ordinal is among those the set asks for."""
    return start(found) <= ordinal(pod) < start(found) + int(found["spec"]["replicas"])


def is_member(found: Obj, pod: Obj) -> bool:
    return parent_and_ordinal(objects.name(pod))[0] == objects.name(found)


def revision(pod: Obj) -> str:
    return objects.labels(pod).get(REVISION, "")


def claim_name(found: Obj, template: Obj, number: int) -> str:
    return f"{objects.name(template)}-{objects.name(found)}-{number}"


def claims(found: Obj, number: int) -> list[Obj]:
    """The claims of the pod with that ordinal, as they are to be created."""
    made = []
    for template in found["spec"].get("volumeClaimTemplates") or ():
        claim = objects.copy(template)
        meta = claim["metadata"]
        meta.update(name=claim_name(found, template, number), namespace=objects.namespace(found))
        own = found["spec"]["selector"].get("matchLabels") or {}
        if labels := {**(meta.get("labels") or {}), **own}:
            meta["labels"] = labels
        made.append(claim)
    return made


def new_pod(found: Obj, number: int, revision_name: str) -> Obj:
    """The pod with that ordinal, as it is to be created from the set's template."""
    pod = pods.from_template(found, found["spec"]["template"])
    pod["metadata"]["name"] = f"{objects.name(found)}-{number}"
    set_identity(pod)
    pod["metadata"]["labels"][REVISION] = revision_name
    pod["spec"]["hostname"] = objects.name(pod)
    if service := found["spec"].get("serviceName"):
        pod["spec"]["subdomain"] = service
    else:
        pod["spec"].pop("subdomain", None)
    set_storage(found, pod)
    return pod


def has_identity(pod: Obj) -> bool:
    """Whether a member of its set says so."""
    return objects.labels(pod).get(POD_NAME) == objects.name(pod)


def set_identity(pod: Obj) -> None:
    """Label a pod with its name and ordinal, in place."""
    labels = pod["metadata"].setdefault("labels", {})
    labels[POD_NAME] = objects.name(pod)
    labels[POD_INDEX] = str(ordinal(pod))


def has_storage(found: Obj, pod: Obj) -> bool:
    """Whether the pod's volumes are its claims."""
    volumes = objects.by_name(pod["spec"].get("volumes") or ())
    return all(
        objects.dig(volumes, objects.name(template), "persistentVolumeClaim", "claimName")
        == claim_name(found, template, ordinal(pod))
        for template in found["spec"].get("volumeClaimTemplates") or ()
    )


def set_storage(found: Obj, pod: Obj) -> None:
    """Give a pod its claims as volumes, in place; they replace volumes of the same name."""
    templates = found["spec"].get("volumeClaimTemplates") or ()
    if not templates:
        return
    made = [
        {
            "name": objects.name(template),
            "persistentVolumeClaim": {"claimName": claim_name(found, template, ordinal(pod))},
        }
        for template in templates
    ]
    names = {volume["name"] for volume in made}
    pod["spec"]["volumes"] = made + [v for v in pod["spec"].get("volumes") or () if v["name"] not in names]

"""What the volumes of a Pod without a node have to do with it: the claim that keeps it from every node, and what speaks
against one node: a volume that cannot be there, or as many volumes as the driver allows.

Volumes are counted as the scheduler does: each once for a node, those of its Pods and those that are attached still.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

from kindlab.api import Api, Obj
from kindlab.checks.volumes import claim_of, uses
from kindlab.conditions import is_over
from kindlab.trace import offers
from kindlab.trace.nodeterms import matches
from kindlab.volume_limits import limits

NO_PROVISIONER = "kubernetes.io/no-provisioner"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
FULL, HELD = "volumes of", "volume "
"""In what is said of a node that takes no more, and how it begins for one where a volume cannot be."""
_Counted = tuple[str, str]
"""A driver, and a volume's handle or a claim's name."""


class Storage:
    """The claims of one Pod and what they lead to, each kind read once, and only if it is asked for."""

    def __init__(self, api: Api, pod: Obj) -> None:
        self._api = api
        self._pod = pod
        self.names = [name for volume in pod["spec"].get("volumes") or () if (name := claim_of(pod, volume))]

    def culprit(self) -> tuple[str, str] | None:
        """The first claim that keeps the Pod from every node: (why, the next command)."""
        space = self._pod["metadata"]["namespace"]
        for name in self.names:
            claim, look = self._claims.get((space, name)), f"kindlab why pvc/{name} -n {space}"
            if claim is None:
                return f"there is no claim {name}", look
            if claim["metadata"].get("deletionTimestamp"):
                return f"claim {name} is being deleted", look
            if _volume_of(claim) is None:
                if why := self._unbound(claim):
                    return why, look
            elif "ReadWriteOncePod" in claim["spec"]["accessModes"] and (other := self._holder(name)):
                why = f"claim {name} is ReadWriteOncePod, and Pod {other} has it: one Pod at a time may"
                return why, f"kubectl describe pod {other} -n {space}; when that Pod is gone, this one gets the claim"
        return None

    def objections(self, node: Obj) -> Iterator[str]:
        """What speaks against a node, in words."""
        for name in self.names:
            volume = self._volumes.get(_volume_of(self._claim(name)) or "", {"spec": {}})
            terms = (volume["spec"].get("nodeAffinity") or {}).get("required") or {}
            if terms and not any(matches(term, node) for term in terms["nodeSelectorTerms"]):
                yield f"{HELD}{volume['metadata']['name']} of claim {name} cannot be used there"
        at = node["metadata"]["name"]
        most = {driver: limit for (name, driver), limit in self._limits.items() if name == at}
        if not most:
            return
        there = self._there(at)
        coming = {one for name in self.names if (one := self._counted(self._claim(name)))} - there
        for driver, limit in most.items():
            new, now = sum(d == driver for d, _ in coming), sum(d == driver for d, _ in there)
            if new and now + new > limit:
                yield f"it takes {limit} {FULL} {driver} and has {now}, the Pod brings {new} more"

    # -- claims

    def _unbound(self, claim: Obj) -> str:
        """Why a claim without a volume keeps its Pod; "" where the scheduler is free to choose a node for it."""
        name = claim["metadata"]["name"]
        storage_class = self._classes.get(offers.class_name(claim) or "")
        if storage_class is None or storage_class.get("volumeBindingMode") != "WaitForFirstConsumer":
            return f"claim {name} is not bound"
        if chosen := (claim["metadata"].get("annotations") or {}).get(SELECTED_NODE):
            return f"node {chosen} is chosen for claim {name}, and its volume is not there yet"
        volumes = self._volumes.values()
        if storage_class["provisioner"] == NO_PROVISIONER and all(offers.objection(claim, v) for v in volumes):
            return f"no volume fits claim {name}"
        return ""

    def _holder(self, claim: str) -> str:
        """Another Pod that has the claim; "" for none."""
        mine, space = self._pod["metadata"]["name"], self._pod["metadata"]["namespace"]
        others = [p for p in self._pods if p["metadata"]["namespace"] == space and p["metadata"]["name"] != mine]
        holding = (p["metadata"]["name"] for p in others if p["spec"].get("nodeName") and uses(p, claim))
        return next(holding, "")

    def _claim(self, name: str) -> Obj | None:
        return self._claims.get((self._pod["metadata"]["namespace"], name))

    # -- counting

    def _there(self, node: str) -> set[_Counted]:
        """What a node has."""
        alive = [p for p in self._pods if p["spec"].get("nodeName") == node and not is_over(p)]
        used = {at for pod in alive for at in self._of(pod)}
        held = (a["spec"]["source"].get("persistentVolumeName") for a in self._attachments if _at(a) == node)
        return used | {at for name in held if (at := _csi(self._volumes.get(name or "")))}

    def _of(self, pod: Obj) -> Iterable[_Counted]:
        for volume in pod["spec"].get("volumes") or ():
            claim = self._claims.get((pod["metadata"]["namespace"], claim_of(pod, volume)))
            if at := self._counted(claim):
                yield at

    def _counted(self, claim: Obj | None) -> _Counted | None:
        """What a claim counts as: its volume, or the one that its class's provisioner will make."""
        if claim is None:
            return None
        if volume := self._volumes.get(_volume_of(claim) or ""):
            return _csi(volume)
        storage_class = self._classes.get(offers.class_name(claim) or "")
        meta = claim["metadata"]
        return (storage_class["provisioner"], f"{meta['namespace']}/{meta['name']}") if storage_class else None

    # -- what there is

    @cached_property
    def _claims(self) -> dict[tuple[str, str], Obj]:
        found = self._api.list("PersistentVolumeClaim")
        return {(c["metadata"]["namespace"], c["metadata"]["name"]): c for c in found}

    @cached_property
    def _volumes(self) -> dict[str, Obj]:
        return {volume["metadata"]["name"]: volume for volume in self._api.list("PersistentVolume")}

    @cached_property
    def _classes(self) -> dict[str, Obj]:
        return {found["metadata"]["name"]: found for found in self._api.list("StorageClass")}

    @cached_property
    def _pods(self) -> list[Obj]:
        return self._api.list("Pod")

    @cached_property
    def _attachments(self) -> list[Obj]:
        return self._api.list("VolumeAttachment")

    @cached_property
    def _limits(self) -> dict[tuple[str, str], int]:
        return limits(self._api) if self.names else {}


def _volume_of(claim: Obj | None) -> str | None:
    """The volume a claim is bound to."""
    bound = claim is not None and (claim.get("status") or {}).get("phase") == "Bound"
    return claim["spec"].get("volumeName") if claim is not None and bound else None


def _csi(volume: Obj | None) -> _Counted | None:
    source = (volume or {"spec": {}})["spec"].get("csi")
    return (source["driver"], source["volumeHandle"]) if source else None


def _at(attachment: Obj) -> str:
    return str(attachment["spec"]["nodeName"])

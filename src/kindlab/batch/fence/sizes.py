"""How much: bounds that no answer to a lab comes near, so that one submission costs only itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from kindlab.api import Obj
from kindlab.batch.fence.objects import Said, at, containers, items, pod_templates, whole
from kindlab.batch.fence.shape import plain
from kindlab.labs import Lab
from kindlab.quantities import number

FILE_BYTES, BYTES, OBJECT_BYTES = 256 * 1024, 512 * 1024, 128 * 1024
"""Of one file, of all files together (both before they are parsed), and of one object as JSON."""
OBJECTS, CONTAINERS = 200, 20
REPLICAS, PODS, COMPLETIONS = 150, 300, 1000
"""Pods that one object asks for, that all of them do, and runs of a Job. The largest answer of the course asks for 125,
to fill a Service or a node."""
STORAGE = Decimal(100 * 1024**3)
"""Bytes that all claims together ask for."""
NODES = 3
"""For how many Pods a DaemonSet counts."""
LEAST = {"memory": Decimal(32 * 1024**2), "cpu": Decimal("0.1")}
MOST = {"memory": Decimal(1024**3), "cpu": Decimal(1)}
"""Between these a LimitRange's defaults leave room for the grader's own Pods."""


def shape(obj: Obj) -> Said | None:
    """What keeps an object from being looked at closer."""
    try:
        size = len(json.dumps(plain(obj)).encode())
    except ValueError as error:
        return Said(f"It is no Kubernetes object: {error}.", "Compare it with the lab's own files.")
    if size > OBJECT_BYTES:
        return Said(
            f"It has {size // 1024} KiB; {OBJECT_BYTES // 1024} KiB are the most.", "Leave out what is too much."
        )
    return None


def _asked(obj: Obj) -> int:
    """Pods that the object asks for."""
    spec = at(obj, "spec")
    match obj["kind"]:
        case "Pod":
            return 1
        case "DaemonSet":
            return NODES
        case "HorizontalPodAutoscaler":
            return whole(spec.get("maxReplicas"))
        case "Job":
            return whole(spec.get("parallelism"), 1)
        case "CronJob":
            return whole(at(spec, "jobTemplate", "spec").get("parallelism"), 1)
        case "Deployment" | "ReplicaSet" | "StatefulSet" | "ReplicationController":
            return whole(spec.get("replicas"), 1)
    return 0


def replicas(lab: Lab, obj: Obj) -> Iterator[Said]:
    if (asked := _asked(obj)) > REPLICAS:
        yield Said(f"It asks for {asked} Pods; {REPLICAS} are the most.", "Ask for as many as the task needs.")


def completions(lab: Lab, obj: Obj) -> Iterator[Said]:
    paths: dict[str, tuple[str, ...]] = {"Job": ("spec",), "CronJob": ("spec", "jobTemplate", "spec")}
    if obj["kind"] in paths and (runs := whole(at(obj, *paths[obj["kind"]]).get("completions"))) > COMPLETIONS:
        yield Said(f"It asks for {runs} runs; {COMPLETIONS} are the most.", "Ask for as many as the task needs.")


def many_containers(lab: Lab, obj: Obj) -> Iterator[Said]:
    for where, _, spec in pod_templates(obj):
        if (count := len(containers(spec))) > CONTAINERS:
            yield Said(f"Its Pod has {count} containers ({where}); {CONTAINERS} are the most.", "Use several Pods.")


def limits(lab: Lab, obj: Obj) -> Iterator[Said]:
    """A LimitRange is for the grader's Pods too."""
    if obj["kind"] != "LimitRange":
        return
    for one in items(at(obj, "spec"), "limits"):
        if at(one, "max") or at(one, "min") or at(one, "maxLimitRequestRatio"):
            yield Said(
                "Its bounds (max, min, maxLimitRequestRatio) would keep the grader's own Pods out of the namespace.",
                "Use default and defaultRequest only.",
            )
        for field in ("default", "defaultRequest"):
            for resource, text in at(one, field).items():
                amount = _amount(text)
                if (field == "default" and amount < LEAST.get(resource, 0)) or amount > MOST.get(resource, amount):
                    yield Said(
                        f"Its {field} {resource}: {text} would also be for the grader's own Pods, which could not run.",
                        f"Write at least {LEAST.get(resource)} and at most {MOST.get(resource)}.",
                    )


def _amount(text: Any) -> Decimal:
    try:
        return number(str(text)) if len(str(text)) <= 30 else Decimal(0)
    except (ValueError, ArithmeticError):
        return Decimal(0)  # the API says what is wrong with it


def _storage(obj: Obj) -> Decimal:
    spec = at(obj, "spec")
    claims = [obj] if obj["kind"] == "PersistentVolumeClaim" else items(spec, "volumeClaimTemplates")
    times = whole(spec.get("replicas"), 1) if obj["kind"] == "StatefulSet" else 1
    for _, _, pod in pod_templates(obj):
        claims += [at(volume, "ephemeral", "volumeClaimTemplate") for volume in items(pod, "volumes")]
    asked = (at(claim, "spec", "resources", "requests").get("storage", "0") for claim in claims)
    return times * sum(map(_amount, asked), Decimal(0))


class Budget:
    """What all objects of a submission together may be; each that fits is counted."""

    def __init__(self) -> None:
        self.objects = self.pods = 0
        self.storage = Decimal(0)

    def over(self, obj: Obj) -> Said | None:
        """Why there is no room for one more, else None."""
        if self.objects >= OBJECTS:
            return Said(
                f"It comes after {OBJECTS} others, and these are the most.", "Leave out what the lab asks not for."
            )
        pods = 0 if obj["kind"] == "HorizontalPodAutoscaler" else _asked(obj)
        if self.pods + pods > PODS:
            why = f"With it the submission asks for {self.pods + pods} Pods; {PODS} are the most."
            return Said(why, "Ask for as many as the tasks need.")
        storage = _storage(obj)
        if self.storage + storage > STORAGE:
            why = f"With it the submission asks for more than {STORAGE / 1024**3:.0f} GiB of storage."
            return Said(why, "Ask for as much as the tasks need.")
        self.objects, self.pods, self.storage = self.objects + 1, self.pods + pods, self.storage + storage
        return None


RULES = (replicas, completions, many_containers, limits)

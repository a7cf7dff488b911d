"""Volumes: folders of a node where the lab teaches them, and nobody else's claims, classes and disks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kindlab.api import Obj
from kindlab.batch.fence.objects import Said, at
from kindlab.kinds import MADE_FOR, NO_SOURCE
from kindlab.labs import Lab

FOLDER, NOT_BELOW = "/var/lib/kindlab/", "is not below"
FOLDERS = frozenset({"hostPath", "local"})
DEFAULT = "is-default-class"


def host_path(lab: Lab, path: Any) -> str:
    """Why a folder of the node may not be used, "" where it may."""
    if "host-path" not in lab.submission.freedoms:
        return "hostPath opens a folder of the node to the Pod"
    if not isinstance(path, str) or not path.startswith(FOLDER) or ".." in path.split("/"):
        return f"hostPath {path} {NOT_BELOW} {FOLDER}, where the lab's folders are"
    return ""


def volumes(lab: Lab, obj: Obj) -> Iterator[Said]:
    if obj["kind"] != "PersistentVolume":
        return
    spec = at(obj, "spec")
    for source in sorted(spec.keys() - NO_SOURCE):
        if source not in FOLDERS:
            yield Said(
                f"A PersistentVolume of a submission may be a folder of a node, and no {source}.",
                "Use hostPath or local, as the lab's own volumes do, or a claim with a StorageClass.",
            )
        elif why := host_path(lab, at(spec, source).get("path")):
            yield Said(f"{why}.", f"Name a folder below {FOLDER}." if NOT_BELOW in why else "Use a claim instead.")


def others_claims(lab: Lab, obj: Obj) -> Iterator[Said]:
    spec = at(obj, "spec")
    field = MADE_FOR.get(obj["kind"], "")
    space = at(spec, field).get("namespace") if field else None
    if space and space not in lab.spaces:
        yield Said(
            f"Its {field} names namespace {space}, which is not the lab's.",
            f"Name one of the lab's: {', '.join(lab.spaces)}.",
        )


def default_classes(lab: Lab, obj: Obj) -> Iterator[Said]:
    for key, value in at(obj, "metadata", "annotations").items():
        if key.endswith(DEFAULT) and str(value).lower() == "true":
            yield Said("It would become the default class of everybody on this cluster.", f"Take {key} out.")


RULES = (volumes, others_claims)
SHARED = (default_classes,)

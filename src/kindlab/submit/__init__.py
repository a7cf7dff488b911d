"""A zip to hand in: a learner's files of a lab, what their cluster has that is in no file, and kindlab.json.

Everything in it is a learner's to change, and grading believes none of it: it is put on a cluster of the instructor's
and looked at there (batch/).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from kindlab import __version__, labs, naming, paths, steps, workspace, zips
from kindlab.api import Api, Obj
from kindlab.batch.intake import limits, told
from kindlab.batch.intake.names import TOLD
from kindlab.clusters.base import Status
from kindlab.errors import Problem, UsageProblem
from kindlab.labs import Lab
from kindlab.manifests import parse, text_of
from kindlab.submit.live import Beside, beside

LIVE = "zz-live.yaml"
"""Files are applied in the order of their names: what the cluster has comes last, over what the files say."""


@dataclass
class Packed:
    """What is in a zip, for the message."""

    path: Path
    files: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    """File -> why grading will not be able to read it."""
    beside: Beside = field(default_factory=Beside)
    volumes: bool = False
    """Whether the lab has volumes, whose bytes are not handed in."""


def pack(lab: Lab, status: Status | None, out: Path, student: str = "") -> Packed:
    """Write the zip. Without a cluster it has the files only. Raises UsageProblem when there is nothing to hand in,
    Problem, ApiError."""
    api = status.api() if status else None
    packed = Packed(out)
    contents: dict[str, str] = {}
    for file in _files(lab):
        if file.stat().st_size > limits.NOTEBOOK:
            packed.unread[file.name] = f"it is larger than {limits.NOTEBOOK >> 20} MiB"
            continue
        contents[file.name] = naming.bare(text_of(file), lab.slug, lab.owner)
        packed.files.append(file.name)
    if not contents and api is None:
        raise UsageProblem(
            f"There is nothing of lab {lab.slug} to hand in.",
            f"{workspace.folder(lab)} has no files, and no cluster is running.",
            f"kindlab start {lab.number} begins the lab.",
        )
    if api is not None:
        packed.beside = beside(api, lab, [*_started(lab, api), *_objects(lab, packed)])
        packed.volumes = any(api.list("PersistentVolumeClaim", space) for space in lab.spaces)
        if packed.beside.live:
            text = yaml.safe_dump_all(packed.beside.live, sort_keys=False, allow_unicode=True)
            contents[LIVE] = naming.bare(text, lab.slug, lab.owner)
    else:
        list(_objects(lab, packed))
    contents[TOLD] = json.dumps(_told(lab, status, api, packed, student), indent=2) + "\n"
    inside = {f"{lab.slug}/{name}": text.encode() for name, text in contents.items()}
    paths.write_atomically(out, zips.zipped(inside))
    return packed


def _files(lab: Lab) -> list[Path]:
    folder = workspace.folder(lab)
    others = [folder / steps.FILE, folder / lab.notebook.name]
    return [*labs.manifests(folder), *(file for file in others if file.is_file())]


def _started(lab: Lab, api: Api) -> Iterable[Obj]:
    for name in lab.apply_at_start:
        file = lab.folder / "start" / name
        yield from parse(workspace.given(lab, file, api), name)


def _objects(lab: Lab, packed: Packed) -> Iterable[Obj]:
    """Those of the learner's files; what cannot be read is noted."""
    for file in labs.manifests(workspace.folder(lab)):
        try:
            yield from parse(lab.spelled(text_of(file)), file.name)
        except Problem as problem:
            packed.unread[file.name] = problem.what


def _told(lab: Lab, status: Status | None, api: Api | None, packed: Packed, student: str) -> dict[str, Any]:
    version = api.request("GET", "/version").get("gitVersion", "") if api else ""
    return {
        "format": told.FORMAT,
        "lab": lab.slug,
        "student": student,
        "time": datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
        "kindlab": __version__,
        "kubernetes": version,
        "cluster": status.kind if status else "",
        "nodes": sorted(node["metadata"]["name"] for node in api.list("Node")) if api else [],
        "live": [*packed.beside.made, *packed.beside.changed],
        "gone": packed.beside.gone,
    }

"""A saved file beside the cluster."""

from __future__ import annotations

from pathlib import Path

from kindlab import clusterwide, terminal
from kindlab.api import Api, ApiError, Obj
from kindlab.errors import Problem, in_a_line
from kindlab.kubectl import applying
from kindlab.labs import Lab
from kindlab.manifests import parse, text_of
from kindlab.placeholders import filled


def objects(lab: Lab, api: Api, file: Path) -> list[Obj]:
    """What the file describes. Raises Problem for one that cannot be read."""
    return parse(filled(lab.spelled(text_of(file)), api), file.name)


def said(lab: Lab, api: Api, file: Path) -> str:
    """What a learner should know of a file they have saved: "" when the cluster has it so already."""
    try:
        different = [obj for obj in objects(lab, api, file) if differs(lab, api, obj)]
    except Problem as problem:
        return _of(file, problem)
    if not different:
        return ""
    names = ", ".join(f"{obj['kind'].lower()}/{obj['metadata']['name']}" for obj in different)
    command = f"kubectl apply -f {terminal.path(file)} -n {lab.namespace}"
    return f"{file.name} is saved, and the cluster does not know yet ({names}): {command}"


def differs(lab: Lab, api: Api, obj: Obj) -> bool:
    """Whether `kubectl apply` would change something."""
    try:
        live = api.live(obj, lab.namespace)
    except ApiError:
        return True
    if live is None:
        return True
    change = applying.patch(applying.noted(obj, live["metadata"].get("namespace")), live)
    meta = change.pop("metadata", {})
    notes = {k: v for k, v in (meta.pop("annotations", None) or {}).items() if k != applying.LAST_APPLIED}
    return bool(change or meta or notes)


def apply(lab: Lab, api: Api, file: Path) -> str:
    """Put a saved file's objects on the cluster, as far as it takes them; returns what came of it."""
    lines: list[str] = []
    try:
        found = objects(lab, api, file)
        clusterwide.refuse_foreign(lab, found)
        for obj in found:
            lines.append(applying.apply(api, lab.namespace, obj))
    except Problem as problem:
        if not lines:
            return _of(file, problem)
        lines.append(in_a_line(problem))
    except ApiError as error:
        lines.append(f"the cluster refused {obj['kind'].lower()}/{obj['metadata']['name']}: {error.message}")
    return f"{file.name}: {'; '.join(lines) or 'there is no object in it'}"


def _of(file: Path, problem: Problem) -> str:
    """In a line that names the file; most Problems of a file do so themselves, with the line in it."""
    text = in_a_line(problem)
    return text if text.startswith(file.name) else f"{file.name}: {text}"

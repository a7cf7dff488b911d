"""The ControllerRevisions of a StatefulSet: one for each template it has had.

Models pkg/controller/history and the revision parts of pkg/controller/statefulset. Names are those a real cluster
would give: the hash is over the same bytes. Left out: judging a stored revision equal that was written in another form
(StatefulSetSemanticRevisionComparison); all of them are written here.
"""

from __future__ import annotations

import json
from typing import Any

from pocketkube import objects, schema
from pocketkube.client import Client
from pocketkube.controllers import ownership
from pocketkube.controllers import statefulset_identity as identity
from pocketkube.errors import AlreadyExists, NotFound
from pocketkube.objects import Obj
from pocketkube.selectors import from_label_selector
from pocketkube.strategic import strategic_merge

REVISIONS = "controllerrevisions"
HASH = "controller.kubernetes.io/hash"
_LONGEST_PREFIX = 223


class History:
    """One look at a set's revisions, oldest first; what is written here is kept current."""

    def __init__(self, client: Client, found: Obj) -> None:
        self.client = client
        self.found = found
        self.collisions: int = objects.status(found).get("collisionCount") or 0
        self._revisions = sorted(self._owned(), key=_age)
        self.update = self._update()
        """The revision of the set's present template."""
        known = (r for r in self._revisions if objects.name(r) == objects.status(found).get("currentRevision"))
        self.current = next(known, self.update)
        """The revision the set was last complete at."""

    def _owned(self) -> list[Obj]:
        selector = from_label_selector(self.found["spec"]["selector"])
        owned = []
        for revision in self.client.list(REVISIONS, objects.namespace(self.found)):
            if not selector(objects.labels(revision)):
                continue
            if ownership.is_controlled_by(revision, self.found):
                owned.append(revision)
            elif objects.controller_ref(revision) is None and not objects.is_terminating(self.found):
                owned.append(ownership.adopt(self.client, REVISIONS, self.found, revision))
        return owned

    def _update(self) -> Obj:
        data = _data(self.found)
        number = self._revisions[-1]["revision"] + 1 if self._revisions else 1
        equal = [revision for revision in self._revisions if revision.get("data") == data]
        if not equal:
            return self._create(data, number)
        if equal[-1] is self._revisions[-1]:
            return equal[-1]
        # an earlier template again: its revision becomes the newest
        return self.client.patch(REVISIONS, objects.key(equal[-1]), lambda copy: copy.update(revision=number))

    def _create(self, data: Obj, number: int) -> Obj:
        labels = {**objects.labels(self.found["spec"]["template"]), HASH: data_hash(data, self.collisions)}
        annotations = objects.annotations(self.found)
        while True:
            name = f"{objects.name(self.found)[:_LONGEST_PREFIX]}-{data_hash(data, self.collisions)}"
            meta = {
                "name": name,
                "namespace": objects.namespace(self.found),
                "labels": dict(labels),
                "ownerReferences": [objects.owner_reference(self.found)],
            }
            if annotations:
                meta["annotations"] = dict(annotations)
            try:
                return self.client.create(REVISIONS, {"metadata": meta, "data": objects.copy(data), "revision": number})
            except AlreadyExists:
                existing = self.client.get(REVISIONS, objects.namespace(self.found), name)
                if existing.get("data") == data:
                    return existing
                self.collisions += 1

    def current_set(self) -> Obj:
        """The set as it was at the current revision."""
        if self.current is self.update:
            return self.found
        return strategic_merge(self.found, self.current["data"], schema.for_kind("apps/v1", "StatefulSet"))

    def clean_up(self, pods: list[Obj]) -> None:
        """Delete the oldest revisions beyond spec.revisionHistoryLimit that neither the set nor a pod is at."""
        limit = self.found["spec"].get("revisionHistoryLimit", 10)
        live = {objects.name(self.current), objects.name(self.update), *map(identity.revision, pods)}
        past = [revision for revision in self._revisions if objects.name(revision) not in live]
        if limit < 0:
            return
        for revision in past[: max(0, len(past) - limit)]:
            try:
                self.client.delete(REVISIONS, objects.key(revision))
            except NotFound:
                continue


def _age(revision: Obj) -> tuple[int, str, str]:
    return revision["revision"], revision["metadata"]["creationTimestamp"], objects.name(revision)


def _data(found: Obj) -> Obj:
    """The patch that gives a set this template again."""
    template: Obj = _sorted(found["spec"]["template"])
    return {"spec": {"template": {"$patch": "replace", **template}}}


def _sorted(value: Any) -> Any:
    """Field names in order, as Go writes a map."""
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def data_hash(data: Obj, collisions: int) -> str:
    """FNV-1 (32 bit) over the JSON Go would write and the collision count, in upstream's letters."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":  # Go's encoder makes JSON safe to put into HTML
        text = text.replace(character, f"\\u{ord(character):04x}")
    number = 0x811C9DC5
    for byte in f"{text}{collisions}".encode():
        number = (number * 0x01000193 & 0xFFFFFFFF) ^ byte
    return objects.safe_encoded(str(number))

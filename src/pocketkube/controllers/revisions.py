"""The ControllerRevisions of a workload: one for each template it has had.

Models pkg/controller/history and what StatefulSets and DaemonSets do alike with it; `statefulset_history` and
`daemonset_history` have what they do each their own way. Left out: judging a stored revision equal that was written in
another form (StatefulSetSemanticRevisionComparison); all of them are written here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.errors import AlreadyExists, NotFound
from pocketkube.objects import Obj

REVISIONS = "controllerrevisions"


class Revisions:
    """One look at a workload's revisions; what is written here is kept current."""

    label: ClassVar[str]
    """The revision's label that holds its hash."""
    keeps_first_hash: ClassVar[bool] = False
    """Whether that is the hash the name would end in were it free, also when it is not."""

    def __init__(self, client: Client, found: Obj) -> None:
        self.client = client
        self.found = found
        self.collisions: int = objects.status(found).get("collisionCount") or 0
        """How often a name was taken by another revision."""
        self.known = sorted(self.owned(), key=_age)
        """All but one that is made now, oldest first."""
        self.update = self._update()
        """The revision of the present template."""

    def owned(self) -> list[Obj]:
        """The workload's revisions, after adopting those that fit."""
        raise NotImplementedError

    def hash(self, data: Obj) -> str:
        """What the name of a revision ends in; depends on `collisions`."""
        raise NotImplementedError

    def prefix(self) -> str:
        """What the name of a revision begins with."""
        return objects.name(self.found)

    def _update(self) -> Obj:
        data = data_of(self.found)
        number = self.known[-1]["revision"] + 1 if self.known else 1
        equal = [revision for revision in self.known if revision.get("data") == data]
        if not equal:
            return self._create(data, number)
        if equal[-1] is self.known[-1]:
            return equal[-1]
        # an earlier template again: its revision becomes the newest
        return self.client.patch(REVISIONS, objects.key(equal[-1]), lambda copy: copy.update(revision=number))

    def _create(self, data: Obj, number: int) -> Obj:
        labels, annotations = objects.labels(self.found["spec"]["template"]), objects.annotations(self.found)
        first = self.hash(data)
        while True:
            hash_ = self.hash(data)
            name = f"{self.prefix()}-{hash_}"
            meta = {
                "name": name,
                "namespace": objects.namespace(self.found),
                "labels": {**labels, self.label: first if self.keeps_first_hash else hash_},
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

    def delete(self, revisions: Iterable[Obj]) -> None:
        for revision in revisions:
            try:
                self.client.delete(REVISIONS, objects.key(revision))
            except NotFound:
                continue


def _age(revision: Obj) -> tuple[int, str, str]:
    return revision["revision"], revision["metadata"]["creationTimestamp"], objects.name(revision)


def data_of(found: Obj) -> Obj:
    """The patch that gives a workload this template again."""
    template: Obj = _sorted(found["spec"]["template"])
    return {"spec": {"template": {"$patch": "replace", **template}}}


def _sorted(value: Any) -> Any:
    """Field names in order, as Go writes a map."""
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value

"""The ControllerRevisions of a StatefulSet.

Models the revision parts of pkg/controller/statefulset. Names are those a real cluster would give: the hash is over
the same bytes.
"""

from __future__ import annotations

import json

from pocketkube import objects, schema
from pocketkube.client import Client
from pocketkube.controllers import ownership
from pocketkube.controllers import statefulset_identity as identity
from pocketkube.controllers.revisions import REVISIONS, Revisions
from pocketkube.objects import Obj
from pocketkube.selectors import from_label_selector
from pocketkube.strategic import strategic_merge

HASH = "controller.kubernetes.io/hash"
_LONGEST_PREFIX = 223


class History(Revisions):
    """One look at a set's revisions."""

    label = HASH
    keeps_first_hash = True

    def __init__(self, client: Client, found: Obj) -> None:
        super().__init__(client, found)
        known = (r for r in self.known if objects.name(r) == objects.status(found).get("currentRevision"))
        self.current = next(known, self.update)
        """The revision the set was last complete at."""

    def owned(self) -> list[Obj]:
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

    def hash(self, data: Obj) -> str:
        return data_hash(data, self.collisions)

    def prefix(self) -> str:
        return objects.name(self.found)[:_LONGEST_PREFIX]

    def current_set(self) -> Obj:
        """The set as it was at the current revision."""
        if self.current is self.update:
            return self.found
        return strategic_merge(self.found, self.current["data"], schema.for_kind("apps/v1", "StatefulSet"))

    def clean_up(self, pods: list[Obj]) -> None:
        """Delete the oldest revisions beyond spec.revisionHistoryLimit that neither the set nor a pod is at."""
        limit = self.found["spec"].get("revisionHistoryLimit", 10)
        if limit < 0:
            return
        live = {objects.name(self.current), objects.name(self.update), *map(identity.revision, pods)}
        past = [revision for revision in self.known if objects.name(revision) not in live]
        self.delete(past[: max(0, len(past) - limit)])


def data_hash(data: Obj, collisions: int) -> str:
    """FNV-1 (32 bit) over the JSON Go would write and the collision count, in upstream's letters."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":  # Go's encoder makes JSON safe to put into HTML
        text = text.replace(character, f"\\u{ord(character):04x}")
    number = 0x811C9DC5
    for byte in f"{text}{collisions}".encode():
        number = (number * 0x01000193 & 0xFFFFFFFF) ^ byte
    return objects.safe_encoded(str(number))

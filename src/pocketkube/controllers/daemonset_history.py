"""The ControllerRevisions of a DaemonSet.

Models the revision parts of pkg/controller/daemon/update.go. The hash is our own, as the pod-template-hash of
Deployments is, so names differ from a real cluster's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pocketkube import objects
from pocketkube.controllers import ownership
from pocketkube.controllers.revisions import REVISIONS, Revisions, data_of
from pocketkube.controllers.rollout import template_hash
from pocketkube.objects import Obj
from pocketkube.selectors import from_label_selector

HASH = "controller-revision-hash"
"""Label of revisions, and of the pods made from them."""


class History(Revisions):
    """One look at a set's revisions."""

    label = HASH

    def owned(self) -> list[Obj]:
        fits = from_label_selector(self.found["spec"]["selector"])
        there = self.client.list(REVISIONS, objects.namespace(self.found))
        owned = ownership.claim(
            self.client, REVISIONS, self.found, there, lambda revision: fits(objects.labels(revision))
        )
        return [revision if HASH in objects.labels(revision) else self._labelled(revision) for revision in owned]

    def _labelled(self, revision: Obj) -> Obj:
        """One that was made elsewhere gets its name as its hash."""
        own = {HASH: objects.name(revision)}
        return self.client.patch(
            REVISIONS, objects.key(revision), lambda copy: copy["metadata"].setdefault("labels", {}).update(own)
        )

    def hash(self, data: Obj) -> str:
        return template_hash(self.found["spec"]["template"], self.collisions)

    @property
    def update_hash(self) -> str:
        return objects.labels(self.update)[HASH]

    def merge_equal(self, pods: Callable[[], Iterable[Obj]]) -> None:
        """Keep the newest of several revisions of the present template, and tell their pods that they are of it."""
        data, kept = data_of(self.found), objects.name(self.update)
        double = [r for r in self.known if r.get("data") == data and objects.name(r) != kept]
        if not double:
            return
        hashes = {objects.labels(revision)[HASH] for revision in double}
        for pod in pods():
            if objects.labels(pod).get(HASH) in hashes:
                self.client.patch("pods", objects.key(pod), self._take_in)
        self.delete(double)
        self.known = [revision for revision in self.known if revision not in double]

    def _take_in(self, pod: Obj) -> None:
        pod["metadata"]["labels"][HASH] = self.update_hash

    def clean_up(self, pods: Iterable[Obj]) -> None:
        """Delete the oldest past revisions beyond spec.revisionHistoryLimit, but none that a pod is of."""
        past = [revision for revision in self.known if objects.name(revision) != objects.name(self.update)]
        excess = len(past) - self.found["spec"]["revisionHistoryLimit"]
        if excess > 0:
            live = {objects.labels(pod).get(HASH) for pod in pods}
            self.delete([revision for revision in past if objects.labels(revision)[HASH] not in live][:excess])

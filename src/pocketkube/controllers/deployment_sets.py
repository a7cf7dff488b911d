"""A Deployment with its ReplicaSets: whose they are, which is the new one, how one is made, resized and cleaned up.

Models pkg/controller/deployment/sync.go. Every write keeps what is held here current, so later decisions of the same
step see it.
"""

from __future__ import annotations

from collections.abc import Callable

from pocketkube import objects
from pocketkube.controllers import ownership, rollout
from pocketkube.controllers.base import BACKGROUND, Controller, namespace_is_terminating
from pocketkube.controllers.rollout import HASH_LABEL, REVISION, replicas
from pocketkube.errors import AlreadyExists, NotFound, StatusError
from pocketkube.objects import Obj
from pocketkube.selectors import from_label_selector

LONGEST_NAME = 253
Change = Callable[[Obj], None]


class OwnedSets:
    """One look at a Deployment and its ReplicaSets, oldest first."""

    def __init__(self, controller: Controller, deployment: Obj) -> None:
        self.client = controller.client
        self.clock = controller.clock
        self.deployment = deployment
        self.sets = rollout.by_age(self._claim())

    def _claim(self) -> list[Obj]:
        """The Deployment's ReplicaSets, after adopting orphans that match and releasing what does not."""
        selector = from_label_selector(self.deployment["spec"]["selector"])
        there = self.client.list("replicasets", objects.namespace(self.deployment))
        return ownership.claim(
            self.client, "replicasets", self.deployment, there, lambda found: selector(objects.labels(found))
        )

    @property
    def new(self) -> Obj | None:
        """The oldest set with the Deployment's template."""
        template = self.deployment["spec"]["template"]
        return next((s for s in self.sets if rollout.same_template(s["spec"]["template"], template)), None)

    @property
    def old(self) -> list[Obj]:
        new = self.new
        return [s for s in self.sets if s is not new]

    def _replace(self, written: Obj) -> None:
        """Take what a write returned in place of the version read before."""
        self.sets = [written if objects.name(s) == objects.name(written) else s for s in self.sets]

    def _next_revision(self) -> int:
        return max(map(rollout.revision, self.old), default=0) + 1

    def _sync_new(self) -> None:
        """Bring the new set's annotations, the Deployment's revision and its first condition up to date."""
        new = self.new
        if new is None:
            return
        annotations = rollout.new_annotations(self.deployment, objects.annotations(new), self._next_revision())
        min_ready = self.deployment["spec"].get("minReadySeconds")
        if annotations != objects.annotations(new) or min_ready != new["spec"].get("minReadySeconds"):

            def update(copy: Obj) -> None:
                copy["metadata"]["annotations"] = annotations
                copy["spec"].pop("minReadySeconds", None)
                if min_ready is not None:
                    copy["spec"]["minReadySeconds"] = min_ready

            self._replace(self.client.patch("replicasets", objects.key(new), update))
        condition = None
        if rollout.has_deadline(self.deployment) and objects.condition(self.deployment, "Progressing") is None:
            text = f'Found new replica set "{objects.name(new)}"'
            condition = self._condition("Progressing", "True", "FoundNewReplicaSet", text)
        self._note_revision(annotations[REVISION], condition)

    def _note_revision(self, number: str, condition: Obj | None) -> None:
        if condition is None and objects.annotations(self.deployment).get(REVISION) == number:
            return

        def update(copy: Obj) -> None:
            copy["metadata"].setdefault("annotations", {})[REVISION] = number
            if condition is not None:
                rollout.set_condition(copy.setdefault("status", {}), condition)

        self._patch_status(update)

    def _create_new(self) -> bool:
        """Create the set for the present template. False after a hash collision: the count of those is in the name."""
        deployment, spec = self.deployment, self.deployment["spec"]
        template = objects.copy(spec["template"])
        hashed = rollout.template_hash(template, objects.status(deployment).get("collisionCount"))
        labels = template.setdefault("metadata", {}).setdefault("labels", {})
        labels[HASH_LABEL] = hashed
        selector = objects.copy(spec["selector"])
        selector.setdefault("matchLabels", {})[HASH_LABEL] = hashed
        number = self._next_revision()
        size = rollout.new_size(deployment, self.sets, 0)
        annotations = rollout.new_annotations(deployment, {}, number) | rollout.size_annotations(deployment)
        name = f"{objects.name(deployment)[: LONGEST_NAME - 1 - len(hashed)]}-{hashed}"
        body: Obj = {
            "metadata": {
                "name": name,
                "namespace": objects.namespace(deployment),
                "labels": dict(labels),
                "annotations": annotations,
                "ownerReferences": [objects.owner_reference(deployment)],
            },
            "spec": {"replicas": size, "selector": selector, "template": template},
        }
        if "minReadySeconds" in spec:
            body["spec"]["minReadySeconds"] = spec["minReadySeconds"]
        try:
            created = self.client.create("replicasets", body)
        except AlreadyExists:
            self._patch_status(_count_collision)
            return False
        except StatusError as error:
            if not namespace_is_terminating(error):
                self._report_failed_creation(name, error)
            raise
        self.sets.append(created)
        if size:
            self._event("Normal", "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {size}")
        condition = None
        if rollout.has_deadline(deployment):
            text = f'Created new replica set "{name}"'
            condition = self._condition("Progressing", "True", "NewReplicaSetCreated", text)
        self._note_revision(str(number), condition)
        return True

    def _report_failed_creation(self, name: str, error: StatusError) -> None:
        text = f'Failed to create new replica set "{name}": {error.message}'
        if rollout.has_deadline(self.deployment):
            condition = self._condition("Progressing", "False", "ReplicaSetCreateError", text)
            self._patch_status(lambda copy: rollout.set_condition(copy.setdefault("status", {}), condition))
        self._event("Warning", "ReplicaSetCreateError", text)

    def _resize(self, replicaset: Obj, size: int, *, force: bool = False) -> bool:
        """Write a set's size and what it knows of the Deployment's; `force` also when only the latter differs."""
        before = replicas(replicaset)
        noted = rollout.size_annotations(self.deployment)
        if before == size and (not force or noted.items() <= objects.annotations(replicaset).items()):
            return False

        def update(copy: Obj) -> None:
            copy["spec"]["replicas"] = size
            copy["metadata"].setdefault("annotations", {}).update(noted)

        self._replace(self.client.patch("replicasets", objects.key(replicaset), update))
        if before == size:
            return False
        direction = "up" if before < size else "down"
        text = f"Scaled {direction} replica set {objects.name(replicaset)} from {before} to {size}"
        self._event("Normal", "ScalingReplicaSet", text)
        return True

    # -- history

    def _clean_up(self) -> None:
        """Delete the oldest revisions beyond spec.revisionHistoryLimit; sets that still have pods stay."""
        limit = self.deployment["spec"].get("revisionHistoryLimit", rollout.UNLIMITED)
        cleanable = sorted((s for s in self.old if not objects.is_terminating(s)), key=rollout.revision)
        for found in cleanable[: max(0, len(cleanable) - limit)]:
            status = objects.status(found)
            behind = found["metadata"]["generation"] > status.get("observedGeneration", 0)
            if status.get("replicas", 0) or replicas(found) or behind:
                continue
            try:
                self.client.delete("replicasets", objects.key(found), BACKGROUND)
            except NotFound:
                continue
            self.sets = [s for s in self.sets if s is not found]

    # -- writing the Deployment

    def _condition(self, type_: str, status: str, reason: str, message: str) -> Obj:
        now = self.clock.now()
        return {
            "type": type_,
            "status": status,
            "lastUpdateTime": now,
            "lastTransitionTime": now,
            "reason": reason,
            "message": message,
        }

    def _write_status(self, status: Obj) -> None:
        if status != objects.status(self.deployment):
            body = {**self.deployment, "metadata": {**self.deployment["metadata"]}, "status": status}
            self.deployment = self.client.update_status("deployments", body)

    def _patch_status(self, change: Change) -> None:
        key = objects.key(self.deployment)
        self.deployment = self.client.patch("deployments", key, change, subresource="status")

    def _event(self, type_: str, reason: str, message: str) -> None:
        self.client.record(self.deployment, type_, reason, message)


def _count_collision(copy: Obj) -> None:
    status = copy.setdefault("status", {})
    status["collisionCount"] = status.get("collisionCount", 0) + 1

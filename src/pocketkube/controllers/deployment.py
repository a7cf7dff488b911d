"""The Deployment controller: ReplicaSets per template, rolled over a step at a time.

Models pkg/controller/deployment/{deployment_controller,sync,rolling,recreate,progress,rollback}.go. One reconcile takes
one step; what it wrote brings the next one. Left out: the warning about pods with overlapping selectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pocketkube import objects
from pocketkube.controllers import pods, rollout
from pocketkube.controllers.base import BACKGROUND, Controller, Mapping, namespace_is_terminating, own_key, owner_key
from pocketkube.controllers.rollout import HASH_LABEL, REVISION, ROLLBACK_TO, replicas
from pocketkube.duration import parse_time
from pocketkube.errors import AlreadyExists, NotFound, StatusError
from pocketkube.objects import Key, Obj
from pocketkube.selectors import from_label_selector
from pocketkube.store import Event

LONGEST_NAME = 253
Change = Callable[[Obj], None]


class DeploymentController(Controller):
    name = "deployment-controller"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "deployments", own_key
        yield "replicasets", owner_key("Deployment")
        yield "replicasets", self._adopters
        yield "pods", self._recreating

    def _adopters(self, event: Event) -> Iterable[Key]:
        """Deployments that could adopt a ReplicaSet without controller."""
        found = event.object
        if event.type == "DELETED" or objects.controller_ref(found) is not None or not objects.labels(found):
            return
        for deployment in self.client.list("deployments", objects.namespace(found)):
            if from_label_selector(deployment["spec"]["selector"])(objects.labels(found)):
                yield objects.key(deployment)

    def _recreating(self, event: Event) -> Iterable[Key]:
        """The Recreate Deployment that waits for its old pods to be gone."""
        ref = objects.controller_ref(event.object)
        if event.type == "ADDED" or ref is None or ref["kind"] != "ReplicaSet":
            return
        if event.type == "MODIFIED" and not pods.is_terminal(event.object):
            return
        namespace = objects.namespace(event.object)
        replicaset = self.client.find("replicasets", namespace, ref["name"])
        owner = objects.controller_ref(replicaset) if replicaset else None
        if owner is not None and owner["kind"] == "Deployment":
            deployment = self.client.find("deployments", namespace, owner["name"])
            if deployment is not None and not rollout.is_rolling(deployment):
                yield namespace, owner["name"]

    async def reconcile(self, at: Key) -> float | None:
        deployment = self.client.find("deployments", *at)
        if deployment is None:
            return None
        if not any((deployment["spec"].get("selector") or {}).values()):
            self._refuse_everything(deployment)
            return None
        step = _Step(self, deployment)
        try:
            return step.take()
        except StatusError as error:
            if namespace_is_terminating(error):
                return None
            raise

    def _refuse_everything(self, deployment: Obj) -> None:
        text = "This deployment is selecting all pods. A non-empty selector is required."
        self.client.record(deployment, "Warning", "SelectingAll", text)

        def observe(copy: Obj) -> None:
            copy.setdefault("status", {})["observedGeneration"] = copy["metadata"]["generation"]

        self.client.patch("deployments", objects.key(deployment), observe, subresource="status")


class _Step:
    """One look at a Deployment and its sets, and the one step that follows from it."""

    def __init__(self, controller: DeploymentController, deployment: Obj) -> None:
        self.client = controller.client
        self.clock = controller.clock
        self.deployment = deployment
        self.sets = rollout.by_age(self._claim())

    def take(self) -> float | None:
        spec = self.deployment["spec"]
        if objects.is_terminating(self.deployment):
            return self._sync_status()
        self._note_pause()
        if spec.get("paused"):
            return self._scale_only()
        if ROLLBACK_TO in objects.annotations(self.deployment):
            self._roll_back()
            return None
        self._sync_new()
        if self._was_scaled():
            return self._scale_only()
        return self._roll() if rollout.is_rolling(self.deployment) else self._recreate()

    # -- the sets

    def _claim(self) -> list[Obj]:
        """The Deployment's ReplicaSets, after adopting orphans that match and releasing what does not."""
        selector = from_label_selector(self.deployment["spec"]["selector"])
        uid = objects.uid(self.deployment)
        claimed = []
        for found in self.client.list("replicasets", objects.namespace(self.deployment)):
            ref = objects.controller_ref(found)
            if ref is not None and ref["uid"] != uid:
                continue
            matches = selector(objects.labels(found))
            if ref is not None and matches:
                claimed.append(found)
            elif objects.is_terminating(self.deployment) or (ref is None and objects.is_terminating(found)):
                continue
            elif ref is not None:
                self.client.patch("replicasets", objects.key(found), self._release)
            elif matches:
                claimed.append(self.client.patch("replicasets", objects.key(found), self._adopt))
        return claimed

    def _adopt(self, copy: Obj) -> None:
        copy["metadata"].setdefault("ownerReferences", []).append(objects.owner_reference(self.deployment))

    def _release(self, copy: Obj) -> None:
        kept = [r for r in copy["metadata"]["ownerReferences"] if r["uid"] != objects.uid(self.deployment)]
        if kept:
            copy["metadata"]["ownerReferences"] = kept
        else:
            del copy["metadata"]["ownerReferences"]

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

    # -- scaling outside a rollout step

    def _was_scaled(self) -> bool:
        wanted = replicas(self.deployment)
        known = (rollout.desired_before(s) for s in self.sets if rollout.is_active(s))
        return any(desired is not None and desired != wanted for desired in known)

    def _scale_only(self) -> float | None:
        self._sync_new()
        self._scale()
        if self.deployment["spec"].get("paused"):
            self._clean_up()
        return self._sync_status()

    def _scale(self) -> None:
        wanted = replicas(self.deployment)
        active = [s for s in self.sets if rollout.is_active(s)]
        if len(active) <= 1:
            only = active[0] if active else self.new or (self.sets[-1] if self.sets else None)
            if only is not None:
                self._resize(only, wanted)
        elif rollout.is_saturated(self.deployment, self.new):
            for found in self.old:
                if rollout.is_active(found):
                    self._resize(found, 0)
        elif rollout.is_rolling(self.deployment):
            for found, size in rollout.proportional_sizes(self.deployment, active):
                self._resize(found, size, force=True)

    # -- rolling update

    def _roll(self) -> float | None:
        if self.new is None and not self._create_new():
            return 0.0
        if not self._grow_new() and not self._shrink_old() and self._is_complete():
            self._clean_up()
        return self._sync_rollout_status()

    def _grow_new(self) -> bool:
        new, wanted = self.new, replicas(self.deployment)
        assert new is not None
        size = replicas(new)
        if size < wanted:
            return self._resize(new, rollout.new_size(self.deployment, self.sets, size))
        return self._resize(new, wanted)

    def _shrink_old(self) -> bool:
        """Give up old pods: first those that are not available anyway, then as many as availability allows."""
        new = self.new
        assert new is not None
        at_least = replicas(self.deployment) - rollout.max_unavailable(self.deployment)
        missing = replicas(new) - objects.status(new).get("availableReplicas", 0)
        spare = rollout.total(self.sets) - at_least - missing
        if spare <= 0 or not rollout.total(self.old):
            return False
        before = rollout.total(self.old)
        for found in self.old:
            unhealthy = replicas(found) - objects.status(found).get("availableReplicas", 0)
            given_up = min(spare, unhealthy)
            if given_up > 0:
                self._resize(found, replicas(found) - given_up)
                spare -= given_up
        room = rollout.counted(self.sets, "availableReplicas") - at_least
        for found in self.old:
            given_up = min(room, replicas(found))
            if given_up > 0:
                self._resize(found, replicas(found) - given_up)
                room -= given_up
        return rollout.total(self.old) < before

    # -- recreate

    def _recreate(self) -> float | None:
        shrunk = [self._resize(found, 0) for found in self.old if rollout.is_active(found)]
        if any(shrunk) or self._old_pods_remain():
            return self._sync_rollout_status()
        if self.new is None and not self._create_new():
            return 0.0
        new = self.new
        assert new is not None
        self._resize(new, replicas(self.deployment))
        if self._is_complete():
            self._clean_up()
        return self._sync_rollout_status()

    def _old_pods_remain(self) -> bool:
        if rollout.counted(self.old, "replicas"):
            return True
        old = {objects.uid(found) for found in self.old}
        if not old:
            return False
        for pod in self.client.list("pods", objects.namespace(self.deployment)):
            ref = objects.controller_ref(pod)
            if ref is not None and ref["uid"] in old and not pods.is_terminal(pod):
                return True
        return False

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

    def _roll_back(self) -> None:
        """Carry out the rollback annotation of the old API, then drop it."""
        self._sync_new()
        text = objects.annotations(self.deployment)[ROLLBACK_TO]
        number = int(text) if text.lstrip("-").isdigit() else None
        if number == 0:
            number = next(iter(sorted(map(rollout.revision, self.sets))[-2:-1]), 0)
        target = next((s for s in self.sets if number and rollout.revision(s) == number), None)
        if target is None:
            missing = "Unable to find last revision." if number == 0 else "Unable to find the revision to rollback to."
            if number is not None:
                self._event("Warning", "DeploymentRollbackRevisionNotFound", missing)
        elif rollout.same_template(target["spec"]["template"], self.deployment["spec"]["template"]):
            name = objects.name(self.deployment)
            text = f'The rollback revision contains the same template as current deployment "{name}"'
            self._event("Warning", "DeploymentRollbackTemplateUnchanged", text)
            target = None

        def update(copy: Obj) -> None:
            annotations = copy["metadata"]["annotations"]
            if target is not None:
                template = objects.copy(target["spec"]["template"])
                template["metadata"]["labels"].pop(HASH_LABEL, None)
                copy["spec"]["template"] = template
                kept = {k: v for k, v in annotations.items() if k in rollout.NOT_COPIED}
                taken = {k: v for k, v in objects.annotations(target).items() if k not in rollout.NOT_COPIED}
                annotations = copy["metadata"]["annotations"] = kept | taken
            del annotations[ROLLBACK_TO]

        self.deployment = self.client.patch("deployments", objects.key(self.deployment), update)
        if target is not None:
            text = f'Rolled back deployment "{objects.name(self.deployment)}" to revision {number}'
            self._event("Normal", "DeploymentRollback", text)

    # -- status

    def _note_pause(self) -> None:
        """Say when a Deployment is paused or resumed, so that the deadline does not count the pause."""
        condition = objects.condition(self.deployment, "Progressing")
        reason = condition.get("reason") if condition else None
        if not rollout.has_deadline(self.deployment) or reason == "ProgressDeadlineExceeded":
            return
        paused = bool(self.deployment["spec"].get("paused"))
        if paused == (reason == "DeploymentPaused"):
            return
        word = "paused" if paused else "resumed"
        new = self._condition("Progressing", "Unknown", f"Deployment{word.title()}", f"Deployment is {word}")
        self._patch_status(lambda copy: rollout.set_condition(copy.setdefault("status", {}), new))

    def _is_complete(self) -> bool:
        return rollout.is_complete(self.deployment, objects.status(self.deployment))

    def _status(self) -> Obj:
        deployment, sets, new = self.deployment, self.sets, self.new
        available = rollout.counted(sets, "availableReplicas")
        counts = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": rollout.counted(sets, "replicas"),
            "updatedReplicas": rollout.counted([new] if new else [], "replicas"),
            "readyReplicas": rollout.counted(sets, "readyReplicas"),
            "availableReplicas": available,
            "unavailableReplicas": max(0, rollout.total(sets) - available),
        }
        old = objects.status(deployment)
        status: Obj = {field: count for field, count in counts.items() if count}
        status["terminatingReplicas"] = rollout.counted(sets, "terminatingReplicas")
        if "collisionCount" in old:
            status["collisionCount"] = old["collisionCount"]
        if old.get("conditions"):
            status["conditions"] = list(old["conditions"])
        if available >= replicas(deployment) - rollout.max_unavailable(deployment):
            enough = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
        else:
            enough = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        rollout.set_condition(status, self._condition("Available", *enough))
        return status

    def _sync_status(self) -> float | None:
        self._write_status(self._status())
        return None

    def _sync_rollout_status(self) -> float | None:
        """Write the status with what can be said of progress. Returns when to look whether the deadline has passed."""
        deployment, status, new = self.deployment, self._status(), self.new
        old = objects.condition(deployment, "Progressing")
        reason = old.get("reason") if old else None
        done = reason == "NewReplicaSetAvailable" and status.get("replicas", 0) == status.get("updatedReplicas", 0)
        subject = f'ReplicaSet "{objects.name(new)}"' if new else f'Deployment "{objects.name(deployment)}"'
        if not rollout.has_deadline(deployment):
            rollout.drop_condition(status, "Progressing")
        elif done:
            pass  # nothing is being rolled out
        elif rollout.is_complete(deployment, status):
            text = f"{subject} has successfully progressed."
            rollout.set_condition(status, self._condition("Progressing", "True", "NewReplicaSetAvailable", text))
        elif rollout.has_progressed(objects.status(deployment), status):
            condition = self._condition("Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.")
            if old is not None and old["status"] == "True":
                condition["lastTransitionTime"] = old["lastTransitionTime"]
            rollout.drop_condition(status, "Progressing")  # the same reason again moves lastUpdateTime
            rollout.set_condition(status, condition)
        elif self._deadline_passed(old):
            text = f"{subject} has timed out progressing."
            rollout.set_condition(status, self._condition("Progressing", "False", "ProgressDeadlineExceeded", text))
        failure = self._replica_failure()
        if failure is None:
            rollout.drop_condition(status, "ReplicaFailure")
        else:
            rollout.set_condition(status, failure)
        self._write_status(status)
        return self._until_deadline()

    def _deadline_passed(self, condition: Obj | None) -> bool:
        if condition is None or condition.get("reason") == "NewReplicaSetAvailable":
            return False
        return condition.get("reason") == "ProgressDeadlineExceeded" or self._seconds_left(condition) < 0

    def _seconds_left(self, condition: Obj) -> float:
        since = parse_time(condition["lastUpdateTime"]).timestamp()
        return float(since + self.deployment["spec"]["progressDeadlineSeconds"] - self.clock.time())

    def _until_deadline(self) -> float | None:
        condition = objects.condition(self.deployment, "Progressing")
        if not rollout.has_deadline(self.deployment) or condition is None:
            return None
        if self._is_complete() or condition.get("reason") in ("ProgressDeadlineExceeded", "NewReplicaSetAvailable"):
            return None
        return max(0.0, self._seconds_left(condition)) + 1  # times are whole seconds: one more is surely past

    def _replica_failure(self) -> Obj | None:
        new = self.new
        for found in [*([new] if new else []), *self.old]:
            failure = objects.condition(found, "ReplicaFailure")
            if failure is not None:
                return {**failure, "lastUpdateTime": failure["lastTransitionTime"]}
        return None

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


CONTROLLER = DeploymentController

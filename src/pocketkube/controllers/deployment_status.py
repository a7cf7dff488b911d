"""What a Deployment's status says: counts, Available, Progressing with its deadline, ReplicaFailure.

Models calculateStatus of pkg/controller/deployment/sync.go and progress.go.
"""

from __future__ import annotations

from pocketkube import objects
from pocketkube.controllers import rollout
from pocketkube.controllers.deployment_sets import OwnedSets
from pocketkube.controllers.rollout import replicas
from pocketkube.duration import parse_time
from pocketkube.objects import Obj


class StatusWriter(OwnedSets):
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

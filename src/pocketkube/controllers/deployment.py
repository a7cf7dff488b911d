"""The Deployment controller: ReplicaSets per template, rolled over a step at a time.

Models pkg/controller/deployment (deployment_controller, sync, rolling, recreate, rollback). One reconcile takes
one step; what it wrote brings the next one. The pod-template-hash in names is our own (see rollout).
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.controllers import ownership, pods, rollout
from pocketkube.controllers.base import Controller, Mapping, namespace_is_terminating, own_key
from pocketkube.controllers.deployment_status import StatusWriter
from pocketkube.controllers.rollout import HASH_LABEL, ROLLBACK_TO, replicas
from pocketkube.errors import StatusError
from pocketkube.objects import Key, Obj
from pocketkube.store import Event


class DeploymentController(Controller):
    name = "deployment-controller"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "deployments", own_key
        yield "replicasets", ownership.controllers_of(self.client, "deployments", "Deployment")
        yield "pods", self._recreating

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


class _Step(StatusWriter):
    """The one step that follows from a look at a Deployment and its sets."""

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

    # -- the old API's rollback

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


CONTROLLER = DeploymentController

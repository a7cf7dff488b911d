"""Generic ephemeral volumes: each gets a claim `<pod>-<volume>` that the pod owns, so that it goes with the pod.

Models pkg/controller/volume/ephemeral.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import claims, objects
from pocketkube.controllers.base import Controller, Mapping, Retry, namespace_is_terminating
from pocketkube.errors import StatusError
from pocketkube.objects import Key, Obj
from pocketkube.store import Event


class EphemeralVolume(Controller):
    name = "ephemeral_volume"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "pods", _new_pod
        yield "persistentvolumeclaims", _pods_of_deleted

    async def reconcile(self, at: Key) -> float | None:
        pod = self.client.find("pods", *at)
        if pod is None or objects.is_terminating(pod):
            return None
        for volume in objects.spec(pod).get("volumes") or ():
            if "ephemeral" in volume and (why := self._wrong_with(pod, volume)) is not None:
                message = f"ephemeral volume {volume['name']}: {why}"
                self.client.record(pod, "Warning", "FailedBinding", message)
                raise Retry
        return None

    def _wrong_with(self, pod: Obj, volume: Obj) -> str | None:
        """See to it that the claim is there; returns what is wrong with it, or None."""
        name = claims.ephemeral_name(pod, volume["name"])
        claim = self.client.find("persistentvolumeclaims", objects.namespace(pod), name)
        if claim is not None:
            return claims.not_made_for(pod, claim)
        try:
            self.client.create("persistentvolumeclaims", _claim(pod, volume, name))
        except StatusError as error:
            return None if namespace_is_terminating(error) else f"create PVC {name}: {error.message}"
        return None


def _claim(pod: Obj, volume: Obj, name: str) -> Obj:
    template = objects.copy(volume["ephemeral"]["volumeClaimTemplate"])
    given = template.get("metadata") or {}
    return {
        "metadata": {
            "name": name,
            "namespace": objects.namespace(pod),
            "ownerReferences": [objects.owner_reference(pod)],
            **{field: given[field] for field in ("annotations", "labels") if given.get(field)},
        },
        "spec": template["spec"],
    }


def _new_pod(event: Event) -> Iterable[Key]:
    volumes = objects.spec(event.object).get("volumes") or ()
    if event.type == "ADDED" and any("ephemeral" in volume for volume in volumes):
        yield objects.key(event.object)


def _pods_of_deleted(event: Event) -> Iterable[Key]:
    """Every pod whose name and a volume's could have made the claim's."""
    if event.type == "DELETED":
        namespace, name = objects.key(event.object)
        for index, letter in enumerate(name):
            if letter == "-":
                yield namespace, name[:index]


CONTROLLER = EphemeralVolume

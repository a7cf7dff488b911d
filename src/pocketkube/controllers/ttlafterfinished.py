"""The TTL-after-finished controller: deletes Jobs some time after they have ended, with their pods.

Models pkg/controller/ttlafterfinished.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.controllers.base import Controller, Mapping, own_key
from pocketkube.duration import parse_time
from pocketkube.objects import Key, Obj
from pocketkube.resources.base import DeleteOptions


class TTLAfterFinishedController(Controller):
    name = "ttl-after-finished-controller"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "jobs", own_key

    async def reconcile(self, at: Key) -> float | None:
        job = self.client.find("jobs", *at)
        if job is None or objects.is_terminating(job):
            return None
        ttl, ended = job["spec"].get("ttlSecondsAfterFinished"), _ended(job)
        if ttl is None or ended is None:
            return None
        left = ended + float(ttl) - self.clock.time()
        if left > 0:
            return left
        self.client.delete("jobs", at, DeleteOptions(propagation_policy="Foreground", uid=objects.uid(job)))
        return None


def _ended(job: Obj) -> float | None:
    """When a Job ended, in seconds since the epoch."""
    for type_ in ("Complete", "Failed"):
        found = objects.condition(job, type_)
        if found is not None and found["status"] == "True":
            return parse_time(found["lastTransitionTime"]).timestamp()
    return None


CONTROLLER = TTLAfterFinishedController

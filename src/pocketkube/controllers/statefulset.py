"""The StatefulSet controller: pods with names and claims of their own, one after the other or all at once.

Models pkg/controller/statefulset (stateful_set). Its modules: statefulset_steps (what follows from what is there),
statefulset_identity (names), statefulset_claims, statefulset_pods (what is written), statefulset_history (revisions).
One reconcile takes the steps that order allows; what it wrote brings the next one.

Of our own: a claim that vanishes wakes the set that waits for it; upstream tries again after a while.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers import ownership
from pocketkube.controllers import statefulset_identity as identity
from pocketkube.controllers.base import Controller, Mapping, namespace_is_terminating, own_key
from pocketkube.controllers.statefulset_claims import CLAIMS
from pocketkube.controllers.statefulset_history import History
from pocketkube.controllers.statefulset_steps import Replacements, Step
from pocketkube.errors import StatusError
from pocketkube.objects import Key, Obj
from pocketkube.selectors import from_label_selector
from pocketkube.store import Event


class StatefulSetController(Controller):
    name = "statefulset-controller"

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._replacements = Replacements()

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "statefulsets", own_key
        yield "pods", ownership.controllers_of(self.client, "statefulsets", "StatefulSet")
        yield CLAIMS, self._set_of_gone_claim

    def _set_of_gone_claim(self, event: Event) -> Iterable[Key]:
        if event.type != "DELETED":
            return
        rest, number = identity.parent_and_ordinal(objects.name(event.object))
        if number < 0:
            return
        for found in self.client.list("statefulsets", objects.namespace(event.object)):
            if rest.endswith(f"-{objects.name(found)}"):
                yield objects.key(found)

    async def reconcile(self, at: Key) -> float | None:
        found = self.client.find("statefulsets", *at)
        if found is None:
            return None
        try:
            return self._sync(found)
        except StatusError as error:
            if namespace_is_terminating(error):
                return None
            raise

    def _sync(self, found: Obj) -> float | None:
        history = History(self.client, found)
        selector = from_label_selector(found["spec"]["selector"])
        members = ownership.claim(
            self.client,
            "pods",
            found,
            self.client.list("pods", objects.namespace(found)),
            lambda pod: identity.is_member(found, pod) and selector(objects.labels(pod)),
        )
        step = Step(self.client, found, history, members, self._replacements)
        try:
            if not objects.is_terminating(found):
                step.take()
        finally:  # what was reached counts, also when something was refused
            step.write_status()
            history.clean_up(members)
        return step.again()


CONTROLLER = StatefulSetController

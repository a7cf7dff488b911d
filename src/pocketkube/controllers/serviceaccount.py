"""The service account controller: a ServiceAccount named `default` in every active namespace.

Models pkg/controller/serviceaccount/serviceaccounts_controller.go.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.controllers.base import Controller, Mapping, namespace_is_terminating, own_key
from pocketkube.errors import AlreadyExists, StatusError
from pocketkube.objects import Key
from pocketkube.store import Event

NAME = "default"


class ServiceAccountController(Controller):
    name = "serviceaccount-controller"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "namespaces", own_key
        yield "serviceaccounts", _namespace_of_deleted

    async def reconcile(self, at: Key) -> float | None:
        namespace = self.client.find("namespaces", *at)
        if namespace is None or objects.status(namespace).get("phase") == "Terminating":
            return None
        if self.client.find("serviceaccounts", at[1], NAME) is None:
            try:
                self.client.create("serviceaccounts", {"metadata": {"name": NAME, "namespace": at[1]}})
            except AlreadyExists:
                return None
            except StatusError as error:
                if not namespace_is_terminating(error):
                    raise
        return None


def _namespace_of_deleted(event: Event) -> Iterable[Key]:
    if event.type == "DELETED" and objects.name(event.object) == NAME:
        yield "", objects.namespace(event.object)


CONTROLLER = ServiceAccountController

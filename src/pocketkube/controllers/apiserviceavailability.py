"""The availability controllers of the aggregation layer: whether the server behind an APIService answers.

Models kube-aggregator/pkg/controllers/status/{remote,local}: the Service, its port, its endpoints, and then the server
itself. Left out: five requests at a time (one is enough here), the metrics.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress

from pocketkube import objects
from pocketkube.controllers.base import Controller, Mapping, Retry, own_key
from pocketkube.errors import NotFound
from pocketkube.objects import Key, Obj
from pocketkube.resources.apiservices import LOCAL, backend
from pocketkube.store import Event

AGAIN = 30.0
"""Seconds after which a server that answered is asked once more."""
_SERVICE_NAME = "kubernetes.io/service-name"


class Unavailable(Exception):
    """`args`: reason and message of the condition."""


class ApiServiceAvailability(Controller):
    name = "apiservice-status-available-controller"
    longest_delay = 30.0

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "apiservices", own_key
        yield "services", lambda event: self._behind(objects.namespace(event.object), objects.name(event.object))
        yield "endpointslices", self._of_slice

    def _of_slice(self, event: Event) -> Iterator[Key]:
        name = objects.labels(event.object).get(_SERVICE_NAME, "")
        yield from self._behind(objects.namespace(event.object), name)

    def _behind(self, namespace: str, name: str) -> Iterator[Key]:
        for found in self.client.list("apiservices"):
            service = backend(found) or {}
            if (service.get("namespace"), service.get("name")) == (namespace, name):
                yield objects.key(found)

    async def reconcile(self, at: Key) -> float | None:
        found = self.client.find("apiservices", *at)
        if found is None:
            return None
        service = backend(found)
        if service is None:
            self._write(at, "True", *LOCAL)
            return None
        try:
            self._check(service)
        except Unavailable as why:
            self._write(at, "False", *why.args)
            return None
        try:
            await self.client.reach(found)
        except ConnectionError as error:
            self._write(at, "False", "FailedDiscoveryCheck", str(error))
            raise Retry(str(error)) from None
        self._write(at, "True", "Passed", "all checks passed")
        return AGAIN

    def _check(self, wanted: Obj) -> None:
        """What can be seen without asking the server. Raises Unavailable."""
        namespace, name, port = wanted["namespace"], wanted["name"], wanted["port"]
        which = f"service/{name} in {json.dumps(namespace)}"
        service = self.client.find("services", namespace, name)
        if service is None:
            raise Unavailable("ServiceNotFound", f"{which} is not present")
        spec = objects.spec(service)
        if spec.get("type") != "ClusterIP":
            return
        named = next((one.get("name", "") for one in spec.get("ports") or () if one["port"] == port), None)
        if named is None:
            raise Unavailable("ServicePortError", f"{which} is not listening on port {port}")
        slices = self.client.list("endpointslices", namespace, {_SERVICE_NAME: name})
        if not slices:
            raise Unavailable("EndpointsNotFound", f"cannot find endpointslices for {which}")
        if not any(_serves(one, named) for one in slices):
            text = f"endpointslices for {which} have no addresses with port name {json.dumps(named)}"
            raise Unavailable("MissingEndpoints", text)

    def _write(self, at: Key, status: str, reason: str, message: str) -> None:
        def change(copy: Obj) -> None:
            held = copy.setdefault("status", {})
            conditions = held["conditions"] = [dict(one) for one in held.get("conditions") or ()]
            one = next((one for one in conditions if one["type"] == "Available"), None)
            if one is None:
                one = {"type": "Available"}
                conditions.append(one)
            if one.get("status") != status:
                one |= {"status": status, "lastTransitionTime": self.clock.now()}
            one |= {"reason": reason, "message": message}

        with suppress(NotFound):  # gone while its server was asked
            self.client.patch("apiservices", at, change, subresource="status")


def _serves(found: Obj, port: str) -> bool:
    """Whether a slice has a ready endpoint, and a port of that name."""
    ready = any((one.get("conditions") or {}).get("ready") is not False for one in found.get("endpoints") or ())
    return ready and any((one.get("name") or "") == port and one.get("port") for one in found.get("ports") or ())


CONTROLLER = ApiServiceAvailability

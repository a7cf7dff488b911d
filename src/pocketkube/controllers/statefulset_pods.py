"""A StatefulSet's pods written: created with their claims, corrected, deleted, each told in an event about the set.

Models pkg/controller/statefulset/stateful_pod_control.go.
"""

from __future__ import annotations

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers import statefulset_identity as identity
from pocketkube.controllers.base import namespace_is_terminating
from pocketkube.controllers.statefulset_claims import Claims
from pocketkube.errors import AlreadyExists, NotFound, StatusError
from pocketkube.objects import Obj


class StatefulPods:
    """Writes the pods of one set. Every method raises StatusError when the API refuses."""

    def __init__(self, client: Client, found: Obj) -> None:
        self.client = client
        self.found = found
        self.claims = Claims(client, found)

    def create(self, pod: Obj) -> None:
        """Create the claims that are missing, then the pod."""
        try:
            self.claims.create_missing(pod)
            self.client.create("pods", objects.copy(pod))
        except AlreadyExists:
            raise
        except StatusError as error:
            self._record("Create", pod, error)
            raise
        self._own_claims(pod)
        self._record("Create", pod)

    def complete_claims(self, pod: Obj) -> None:
        """Create the claims that a pending pod lacks."""
        self.claims.create_missing(pod)
        self._own_claims(pod)

    def is_right(self, pod: Obj) -> bool:
        return (
            identity.has_identity(pod) and identity.has_storage(self.found, pod) and self.claims.are_owned_as_asked(pod)
        )

    def correct(self, pod: Obj) -> None:
        """Make a pod that runs already what it should be: its labels, its volumes, who owns its claims."""
        written = objects.copy(pod)
        try:
            identity.set_identity(written)
            if not identity.has_storage(self.found, pod):
                identity.set_storage(self.found, written)
                self.claims.create_missing(pod)
            self.claims.own_as_asked(pod)
            self.client.update("pods", written)
        except StatusError as error:
            self._record("Update", pod, error)
            raise
        self._record("Update", pod)

    def delete(self, pod: Obj) -> None:
        try:
            self.client.delete("pods", objects.key(pod))
        except NotFound:
            pass
        except StatusError as error:
            self._record("Delete", pod, error)
            raise
        self._record("Delete", pod)

    def _own_claims(self, pod: Obj) -> None:
        try:
            self.claims.own_as_asked(pod)
        except StatusError as error:
            self._record("Update", pod, error)
            raise

    def _record(self, verb: str, pod: Obj, error: StatusError | None = None) -> None:
        text = f"{verb} Pod {objects.name(pod)} in StatefulSet {objects.name(self.found)}"
        if error is None:
            self.client.record(self.found, "Normal", f"Successful{verb}", f"{text} successful")
        elif not namespace_is_terminating(error):
            self.client.record(self.found, "Warning", f"Failed{verb}", f"{text} failed error: {error.message}")

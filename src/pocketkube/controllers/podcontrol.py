"""Pods made and deleted for their owner, each told in an event about the owner.

Models RealPodControl of pkg/controller/controller_utils.go.
"""

from __future__ import annotations

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.controllers.base import namespace_is_terminating
from pocketkube.errors import NotFound, StatusError
from pocketkube.objects import Obj


def create(client: Client, owner: Obj, pod: Obj) -> Obj | None:
    """Create a pod of `owner`, as pods.from_template makes it; None when its namespace is going.

    Raises StatusError when the API refuses."""
    try:
        made = client.create("pods", pod)
    except StatusError as error:
        if namespace_is_terminating(error):
            return None
        client.record(owner, "Warning", "FailedCreate", f"Error creating: {error.message}")
        raise
    client.record(owner, "Normal", "SuccessfulCreate", f"Created pod: {objects.name(made)}")
    return made


def delete(client: Client, owner: Obj, pod: Obj) -> None:
    """Ask a pod of `owner` to go; one that is gone already is no error. Raises StatusError when the API refuses."""
    try:
        client.delete("pods", objects.key(pod))
    except NotFound:
        return
    except StatusError as error:
        client.record(owner, "Warning", "FailedDelete", f"Error deleting: {error.message}")
        raise
    client.record(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {objects.name(pod)}")

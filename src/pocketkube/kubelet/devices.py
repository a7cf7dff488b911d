"""Devices that a pod claims: no driver runs on these nodes, so that a pod with claims is not started.

Models what pkg/kubelet/cm/dra says before it asks a driver.
"""

from __future__ import annotations

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.objects import Obj
from pocketkube.resources.pod_spec.claims import name_of


def problem(client: Client, pod: Obj) -> str | None:
    """Why its devices cannot be prepared; None: it has none."""
    for claim in objects.spec(pod).get("resourceClaims") or ():
        try:
            name, _ = name_of(pod, claim)
        except LookupError as error:
            return str(error)
        if name is None:
            continue
        namespace = objects.namespace(pod)
        found = client.find("resourceclaims", namespace, name)
        if found is None:
            return f'fetch ResourceClaim {name}: resourceclaims.resource.k8s.io "{name}" not found'
        status, uid = objects.status(found), objects.uid(pod)
        if not any(user.get("uid") == uid for user in status.get("reservedFor") or ()):
            return f"pod {objects.name(pod)} ({uid}) is not allowed to use ResourceClaim {name} ({objects.uid(found)})"
        for result in objects.dig(status, "allocation", "devices", "results", default=None) or ():
            return f"DRA driver {result['driver']} is not registered"
    return None

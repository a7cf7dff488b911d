"""Asking for a volume to be made for a claim, and what is told about a claim that waits.

Models provisionClaim of pkg/controller/volume/persistentvolume. No volume is made here: programs outside watch for the
annotation that names them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pocketkube import claims, objects
from pocketkube.claims import BETA_STORAGE_PROVISIONER, STORAGE_PROVISIONER
from pocketkube.client import Client
from pocketkube.controllers import volumeplugins
from pocketkube.objects import Key, Obj

REPEAT: Final = 15.0
"""Seconds (cluster time) between two sayings of the same about a claim that has not changed."""


@dataclass(frozen=True)
class _Told:
    version: str
    text: tuple[str, str, str]
    at: float


class Telling:
    """Events about waiting claims: each once for every version of the claim, then every 15 seconds."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._told: dict[Key, _Told] = {}

    def tell(self, claim: Obj, type_: str, reason: str, text: str, *, seen: Obj | None = None) -> None:
        """`seen`: the version that was looked at, where writing has made a newer one since."""
        at, now = objects.key(claim), self._client.clock.monotonic()
        new = _Told((seen or claim)["metadata"]["resourceVersion"], (type_, reason, text), now)
        old = self._told.get(at)
        if old is None or (old.version, old.text) != (new.version, new.text) or now - old.at >= REPEAT:
            self._told[at] = new
            self._client.record(claim, type_, reason, text)

    def forget(self, at: Key) -> None:
        self._told.pop(at, None)


def provision(client: Client, telling: Telling, claim: Obj) -> None:
    """Ask the program the claim's class names; say what is waited for, or why nobody can help."""
    class_name = claims.class_of(claim)
    storage_class = client.find("storageclasses", "", class_name)
    if storage_class is None:
        text = f'storageclass.storage.k8s.io "{class_name}" not found'
        telling.tell(claim, "Warning", "ProvisioningFailed", text)
        return
    try:
        outside = volumeplugins.external_provisioner(storage_class["provisioner"])
    except volumeplugins.PluginError as error:
        telling.tell(claim, "Warning", "ProvisioningFailed", str(error))
        return
    if outside is None:
        _refuse(client, telling, claim, volumeplugins.HOST_PATH)
        return
    text = (
        f"Waiting for a volume to be created either by the external provisioner '{outside}' or manually by the system "
        "administrator. If volume creation is delayed, please verify that the provisioner is running and correctly "
        "registered."
    )
    telling.tell(_ask(client, claim, outside), "Normal", "ExternalProvisioning", text, seen=claim)


def _refuse(client: Client, telling: Telling, claim: Obj, plugin: str) -> None:
    """What a plugin of the controller-manager says that does not provision."""
    if objects.spec(claim).get("dataSource") is not None:
        text = f'plugin "{plugin}" is not a CSI plugin. Only CSI plugin can provision a claim with a datasource'
        telling.tell(claim, "Warning", "ProvisioningFailed", text)
        return
    text = f'Failed to create provisioner: provisioning in volume plugin "{plugin}" is disabled'
    telling.tell(_ask(client, claim, plugin), "Warning", "ProvisioningFailed", text, seen=claim)


def _ask(client: Client, claim: Obj, provisioner: str) -> Obj:
    """The claim with the annotations that tell the provisioner to begin."""
    if objects.annotations(claim).get(STORAGE_PROVISIONER) == provisioner:
        return claim
    changed = objects.copy(claim)
    asked = {BETA_STORAGE_PROVISIONER: provisioner, STORAGE_PROVISIONER: provisioner}
    changed["metadata"].setdefault("annotations", {}).update(asked)
    return client.update("persistentvolumeclaims", changed)

"""What the admission plugins of a default cluster do to a pod, most of it when it is new.

Models ServiceAccount (account, token volume and mounts, pull secrets), DefaultTolerationSeconds and PodTopologyLabels.
PodSecurity is a plugin of its own. Left out: mirror pods.
"""

from __future__ import annotations

from typing import Final

from pocketkube import objects
from pocketkube.errors import Forbidden
from pocketkube.objects import Key, Obj
from pocketkube.resources.base import World

TOKEN_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_VOLUME: Final = "kube-api-access-"
TOPOLOGY: Final = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")
DEFAULT_ACCOUNT: Final = "default"
_TOKEN_SECONDS: Final = 3607  # an hour, and a few odd seconds by which such tokens are told from others


def create(world: World, pod: Obj) -> None:
    """Everything that is put into a new pod. Raises Forbidden."""
    _service_account(world, pod)
    _tolerations(pod["spec"])
    place(world, pod)


def update(pod: Obj) -> None:
    """What is put back into a pod that is written again."""
    _tolerations(pod["spec"])


def place(world: World, pod: Obj) -> None:
    """Give a pod that is on a node the zone and region of that node as labels, in place of its own."""
    node = world.find("nodes", "", pod["spec"].get("nodeName") or "")
    held = objects.labels(node) if node else {}
    found: dict[str, str] = {label: held[label] for label in TOPOLOGY if label in held}
    if found:
        pod["metadata"]["labels"] = {**objects.labels(pod), **found}


def account_to_come(world: World, pod: Obj) -> tuple[str, Key] | None:
    """The default ServiceAccount of a namespace so new that it has none yet."""
    at = objects.namespace(pod), DEFAULT_ACCOUNT
    if (objects.spec(pod).get("serviceAccountName") or DEFAULT_ACCOUNT) != DEFAULT_ACCOUNT:
        return None
    if world.find("serviceaccounts", *at) is not None or world.find("namespaces", "", at[0]) is None:
        return None
    return "serviceaccounts", at


def refused(pod: Obj, why: str) -> Forbidden:
    """What to raise for a new pod, which may have no name yet."""
    meta = pod["metadata"]
    return Forbidden.of("pods", meta.get("name") or meta.get("generateName", ""), why)


def _service_account(world: World, pod: Obj) -> None:
    spec, namespace = pod["spec"], objects.namespace(pod)
    name = spec.get("serviceAccountName") or DEFAULT_ACCOUNT
    spec["serviceAccountName"] = spec["serviceAccount"] = name
    account = world.find("serviceaccounts", namespace, name)
    if account is None:
        raise refused(pod, f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found')
    mount = spec.get("automountServiceAccountToken")
    if mount is None:
        mount = account.get("automountServiceAccountToken", True)
    if mount:
        _mount_token(spec)
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = objects.copy(account["imagePullSecrets"])


def _mount_token(spec: Obj) -> None:
    volumes = spec.get("volumes") or []
    taken = {volume.get("name", "") for volume in volumes}
    present = next((name for name in sorted(taken) if name.startswith(TOKEN_VOLUME)), "")
    name = present
    while not name or (not present and name in taken):
        name = TOKEN_VOLUME + objects.random_suffix()
    used = False
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        mounts = container.get("volumeMounts") or []
        if any(mount.get("mountPath") == TOKEN_PATH for mount in mounts):
            continue
        container["volumeMounts"] = [*mounts, {"name": name, "readOnly": True, "mountPath": TOKEN_PATH}]
        used = True
    if used and not present:
        spec["volumes"] = [*volumes, _token_volume(name)]


def _token_volume(name: str) -> Obj:
    field = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": _TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [field]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 0o644}}


def _tolerations(spec: Obj) -> None:
    held = spec.get("tolerations") or []
    added = []
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(t.get("key", "") in ("", key) and t.get("effect", "") in ("", "NoExecute") for t in held):
            added.append({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300})
    if added:
        spec["tolerations"] = [*held, *added]

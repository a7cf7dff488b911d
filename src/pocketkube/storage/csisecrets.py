"""The `csi.storage.k8s.io/` parameters of a class: the file system and the Secrets that calls to the driver carry.

Models getSecretReference and removePrefixedParameters of external-provisioner and external-snapshotter, with their
errors. The hostpath driver asks for no credentials; a Secret for the provisioner must exist all the same. Pure but for
that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.objects import Obj

PREFIX: Final = "csi.storage.k8s.io/"
FSTYPE: Final = PREFIX + "fstype"
DEPRECATED: Final = {
    "provisioner": ("csiProvisionerSecretName", "csiProvisionerSecretNamespace"),
    "controller-publish": ("csiControllerPublishSecretName", "csiControllerPublishSecretNamespace"),
    "node-stage": ("csiNodeStageSecretName", "csiNodeStageSecretNamespace"),
    "node-publish": ("csiNodePublishSecretName", "csiNodePublishSecretNamespace"),
}
FIELDS: Final = {
    "controller-publish": "controllerPublishSecretRef",
    "node-stage": "nodeStageSecretRef",
    "node-publish": "nodePublishSecretRef",
    "controller-expand": "controllerExpandSecretRef",
    "node-expand": "nodeExpandSecretRef",
}
"""What calls a Secret is for -> the field of CSIPersistentVolumeSource."""
CALLS: Final = ("provisioner", *FIELDS, "controller-modify")
SNAPSHOT_CALLS: Final = ("snapshotter", "snapshotter-list", "group-snapshotter", "group-snapshotter-get")
_KNOWN_OF_SNAPSHOTS = {f"{PREFIX}{call}-secret-{kind}" for call in SNAPSHOT_CALLS for kind in ("name", "namespace")}
_KNOWN = {FSTYPE, *(f"{PREFIX}{c}secret-{k}" for c in ("", *(f"{c}-" for c in CALLS)) for k in ("name", "namespace"))}
_TOKEN = re.compile(r"\$\{([^}]*)\}|\$(\w+)")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
_SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")


class InvalidParameters(ValueError):
    """The message is upstream's."""


def driver_parameters(parameters: Mapping[str, str]) -> dict[str, str]:
    """Those the driver is given. Raises InvalidParameters."""
    for key in parameters:
        if key.startswith(PREFIX) and key not in _KNOWN:
            text = f'found unknown parameter key "{key}" with reserved namespace {PREFIX}'
            raise InvalidParameters(f"failed to strip CSI Parameters of prefixed keys: {text}")
    return {key: value for key, value in parameters.items() if not key.startswith(PREFIX)}


def check_snapshot_parameters(parameters: Mapping[str, str]) -> None:
    """Raises InvalidParameters for one that is reserved and means nothing."""
    for key in parameters:
        if key.startswith(PREFIX) and key not in _KNOWN_OF_SNAPSHOTS:
            text = f'found unknown parameter key "{key}" with reserved namespace {PREFIX}'
            raise InvalidParameters(f"failed to remove CSI Parameters of prefixed keys: {text}")


def fstype(parameters: Mapping[str, str]) -> str:
    """The file system that is asked for; "" for none. Raises InvalidParameters."""
    found = [value for key, value in parameters.items() if key.lower() == "fstype" or key == FSTYPE]
    if len(found) > 1:
        raise InvalidParameters(f'fstype specified in parameters with both "fstype" and "{FSTYPE}" keys')
    return found[0] if found else ""


def reference(call: str, parameters: Mapping[str, str], volume: str, claim: Obj) -> Obj | None:
    """{name, namespace} of the Secret for one of CALLS, or None. Raises InvalidParameters."""
    templates = _templates(call, parameters, "failed to get name and namespace template from params")
    if templates is None:
        templates = _templates("", parameters, "failed to get default name and namespace template from params")
    if templates is None:
        return None
    known = {"pv.name": volume, "pvc.namespace": objects.namespace(claim)}
    more = {f"pvc.annotations['{key}']": value for key, value in objects.annotations(claim).items()}
    return _resolved(templates, known, {**known, "pvc.name": objects.name(claim), **more})


def snapshot_reference(call: str, parameters: Mapping[str, str], content: str, snapshot: Obj | None) -> Obj | None:
    """{name, namespace} of the Secret for "snapshotter" or "snapshotter-list" calls, or None. `content`: its name.

    Raises InvalidParameters."""
    templates = _templates(call, parameters, "failed to get name and namespace template from params")
    if templates is None:
        return None
    known = names = {"volumesnapshotcontent.name": content}
    if snapshot is not None:
        known = {**known, "volumesnapshot.namespace": objects.namespace(snapshot)}
        names = {**known, "volumesnapshot.name": objects.name(snapshot)}
    return _resolved(templates, known, names)


def check_exists(client: Client, secret: Obj | None) -> None:
    """Raises InvalidParameters."""
    if secret is not None and client.find("secrets", secret["namespace"], secret["name"]) is None:
        name, namespace = secret["name"], secret["namespace"]
        text = f'error getting secret {name} in namespace {namespace}: secrets "{name}" not found'
        raise InvalidParameters(text)


def _resolved(templates: tuple[str, str], in_namespace: Mapping[str, str], in_name: Mapping[str, str]) -> Obj:
    name, namespace = templates
    resolved_namespace = _resolve(namespace, in_namespace)
    _check(_LABEL, namespace, resolved_namespace, "namespace")
    resolved_name = _resolve(name, in_name)
    _check(_SUBDOMAIN, name, resolved_name, "secret")
    return {"name": resolved_name, "namespace": resolved_namespace}


def _templates(call: str, parameters: Mapping[str, str], wrong: str) -> tuple[str, str] | None:
    title = "".join(part.capitalize() for part in call.split("-")) or "Default"
    found = []
    for old, kind in zip(DEPRECATED.get(call, ("", "")), ("name", "namespace"), strict=True):
        keys = (old, f"{PREFIX}{call}-secret-{kind}" if call else f"{PREFIX}secret-{kind}")
        found.append([parameters[key] for key in keys if key in parameters])
    names, namespaces = found
    if len(names) > 1 or len(namespaces) > 1:
        text = f'{title} secrets specified in parameters with both "csi" and "{PREFIX}" keys'
        raise InvalidParameters(f"{wrong}: {text}")
    if len(names) != len(namespaces):
        text = f"either name and namespace for {title} secrets specified, Both must be specified"
        raise InvalidParameters(f"{wrong}: {text}")
    if not names:
        return None
    if not names[0] or not namespaces[0]:
        text = f"{title} secrets specified in parameters but value of either namespace or name is empty"
        raise InvalidParameters(f"{wrong}: {text}")
    return names[0], namespaces[0]


def _resolve(template: str, known: Mapping[str, str]) -> str:
    missing = sorted({token for m in _TOKEN.finditer(template) if (token := m[1] or m[2] or "") not in known})
    if missing:
        listed = " ".join(json.dumps(token) for token in missing)
        raise InvalidParameters(f"error resolving value {json.dumps(template)}: invalid tokens: [{listed}]")
    return _TOKEN.sub(lambda m: known[m[1] or m[2] or ""], template)


def _check(pattern: re.Pattern[str], template: str, resolved: str, what: str) -> None:
    if pattern.match(resolved):
        return
    if template != resolved:
        text = f"{json.dumps(template)} resolved to {json.dumps(resolved)} which is not a valid {what} name"
        raise InvalidParameters(text)
    raise InvalidParameters(f"{json.dumps(template)} is not a valid {what} name")

"""A container's environment, command and arguments, from its spec, the Services around it and the objects it names.

Models pkg/kubelet/envvars, kubelet_pods.go (makeEnvironmentVariables, podFieldSelectorRuntimeValue) and
third_party/forked/golang/expansion.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any, Final

from pocketkube import objects, quantity
from pocketkube.client import Client
from pocketkube.errors import NotFound
from pocketkube.kubelet import env_file
from pocketkube.kubelet.filesystem import FileSystem
from pocketkube.objects import Obj
from pocketkube.podamounts import OF_PODS

if TYPE_CHECKING:
    from pocketkube.kubelet.volumes.base import Volume

_REFERENCE = re.compile(r"\$(?:\$|\(([^()]*)\))")
_SOURCES = {
    "configMapRef": "configmaps",
    "secretRef": "secrets",
    "configMapKeyRef": "configmaps",
    "secretKeyRef": "secrets",
}
_ENV_FILE: Final = 256 << 10
"""Bytes of a file of variables; they are read in one step of the loop."""
_SUBSCRIPT = re.compile(r"(metadata\.(?:labels|annotations))\['(.+)'\]\Z")


class ConfigError(Exception):
    """The container cannot be configured: CreateContainerConfigError with this message."""


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace $(NAME) by its value; unknown names stay as written, $$ is one $."""

    def replace(match: re.Match[str]) -> str:
        if match.group() == "$$":
            return "$"
        return values.get(match[1], match.group())

    return _REFERENCE.sub(replace, text)


def service_variables(services: Iterable[Obj]) -> dict[str, str]:
    """NAME_SERVICE_HOST and friends for Services with a cluster address, in the order given."""
    result: dict[str, str] = {}
    for service in services:
        spec = objects.spec(service)
        address, ports = spec.get("clusterIP"), spec.get("ports") or ()
        if not address or address == "None" or not ports:
            continue
        name = objects.name(service).upper().replace("-", "_")
        result[f"{name}_SERVICE_HOST"] = address
        result[f"{name}_SERVICE_PORT"] = str(ports[0]["port"])
        for port in ports:
            if port.get("name"):
                result[f"{name}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
        for number, port in enumerate(ports):
            protocol = port.get("protocol", "TCP")
            host = f"[{address}]" if ":" in address else address
            url = f"{protocol.lower()}://{host}:{port['port']}"
            prefix = f"{name}_PORT_{port['port']}_{protocol}"
            if number == 0:
                result[f"{name}_PORT"] = url
            result[prefix] = url
            result[f"{prefix}_PROTO"] = protocol.lower()
            result[f"{prefix}_PORT"] = str(port["port"])
            result[f"{prefix}_ADDR"] = address
    return result


def visible_services(client: Client, pod: Obj) -> list[Obj]:
    """The Services whose variables a pod gets: `kubernetes` always, those of its namespace with enableServiceLinks."""
    found = client.find("services", "default", "kubernetes")
    services = [found] if found else []
    if objects.spec(pod).get("enableServiceLinks", True):
        services += [s for s in client.list("services", objects.namespace(pod)) if s is not found]
    return services


def field_value(pod: Obj, path: str, status: Callable[[], Mapping[str, str]]) -> str:
    """What a fieldRef yields. `status` gives podIP, podIPs, hostIP, hostIPs. Raises ConfigError."""
    subscript = _SUBSCRIPT.match(path)
    if subscript:
        values = objects.dig(pod, *subscript[1].split("."), default=None) or {}
        return str(values.get(subscript[2], ""))
    match path:
        case "metadata.name" | "metadata.namespace" | "metadata.uid":
            return str(pod["metadata"].get(path.rpartition(".")[2], ""))
        case "metadata.labels" | "metadata.annotations":
            values = pod["metadata"].get(path.rpartition(".")[2]) or {}
            return "\n".join(f'{k}="{_escape(v)}"' for k, v in sorted(values.items()))
        case "spec.nodeName" | "spec.serviceAccountName":
            return str(objects.spec(pod).get(path.rpartition(".")[2], ""))
        case "status.podIP" | "status.podIPs" | "status.hostIP" | "status.hostIPs":
            return status()[path.rpartition(".")[2]]
    raise ConfigError(f"unsupported fieldPath: {path}")


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")


def resource_value(ref: Obj, container: Obj, allocatable: Mapping[str, str]) -> str:
    """What a resourceFieldRef yields, rounded up to whole divisors; a missing limit is what the node can give."""
    kind, _, resource = ref["resource"].partition(".")
    resources = container.get("resources") or {}
    limit = (resources.get("limits") or {}).get(resource)
    if kind == "limits":
        amount = limit if limit is not None else allocatable.get(resource, "0")
    else:
        amount = (resources.get("requests") or {}).get(resource, limit if limit is not None else "0")
    divisor = quantity.parse(ref.get("divisor") or "1") or Decimal(1)
    return str((quantity.parse(amount) / divisor).to_integral_value(ROUND_CEILING))


def most_of(spec: Obj, allocatable: Mapping[str, str]) -> Mapping[str, str]:
    """What a container without a limit can have at most: what its pod as a whole can, else what the node can give."""
    limits = (spec.get("resources") or {}).get("limits") or {}
    of_pod = {name: limits[name] for name in OF_PODS & limits.keys() if quantity.parse(limits[name])}
    return {**allocatable, **of_pod}


class Environment:
    """Builds one container's variables. `status` and `allocatable` as for `field_value` and `resource_value`, `volumes`
    by their names in the pod."""

    def __init__(
        self,
        client: Client,
        pod: Obj,
        *,
        status: Callable[[], Mapping[str, str]],
        allocatable: Mapping[str, str],
        volumes: Mapping[str, Volume],
    ) -> None:
        self._client = client
        self._pod = pod
        self._status = status
        self._allocatable = allocatable
        self._volumes = volumes

    def of(self, container: Obj) -> dict[str, str]:
        """Declared variables over Services' ones. Raises ConfigError naming what is missing."""
        services = service_variables(visible_services(self._client, self._pod))
        declared: dict[str, str] = {}
        for source in container.get("envFrom") or ():
            declared |= {source.get("prefix", "") + name: value for name, value in self._bulk(source).items()}
        for variable in container.get("env") or ():
            value: str | None = variable.get("value") or ""
            if value:
                value = expand(value, {**services, **declared})
            elif variable.get("valueFrom"):
                value = self._source(variable["valueFrom"], container)
            if value is not None:
                declared[variable["name"]] = value
        return {**services, **declared}

    def _bulk(self, source: Obj) -> dict[str, str]:
        for field, resource in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
            if source.get(field) is not None:
                found = self._object(resource, source[field])
                return data_of(found) if found else {}
        return {}

    def _source(self, source: Obj, container: Obj) -> str | None:
        if source.get("fieldRef"):
            return field_value(self._pod, source["fieldRef"]["fieldPath"], self._status)
        if source.get("resourceFieldRef"):
            ref = source["resourceFieldRef"]
            return resource_value(ref, self._sibling(ref, container), self._allocatable)
        if source.get("fileKeyRef"):
            return self._from_file(source["fileKeyRef"])
        for field, resource, kind in (
            ("configMapKeyRef", "configmaps", "ConfigMap"),
            ("secretKeyRef", "secrets", "Secret"),
        ):
            ref = source.get(field)
            if ref is None:
                continue
            found = self._object(resource, ref)
            values = data_of(found) if found else {}
            if found is not None and ref["key"] not in values and not ref.get("optional"):
                space = objects.namespace(self._pod)
                raise ConfigError(f"couldn't find key {ref['key']} in {kind} {space}/{ref['name']}")
            return values.get(ref["key"])
        raise ConfigError(f"unsupported environment source: {', '.join(source) or 'none'}")

    def _from_file(self, ref: Obj) -> str | None:
        volume = self._volumes.get(ref["volumeName"])
        if volume is None:
            raise ConfigError(f'cannot find the volume "{ref["volumeName"]}" referenced by FileKeyRef')
        inside = FileSystem(volume.tree, node=volume.root)
        try:
            path = inside.beneath(ref["path"])
            if inside.stat(path).size > _ENV_FILE:
                raise ValueError("the file is too large")
            value = env_file.value_of(inside.read_bytes(path).decode(errors="replace"), ref["key"])
        except (OSError, ValueError):
            raise ConfigError("couldn't parse env file") from None  # upstream tells no more, also where it is optional
        if not value and not ref.get("optional"):
            folder = f"/var/lib/kubelet/pods/{objects.uid(self._pod)}/volumes/kubernetes.io~empty-dir/{volume.name}"
            raise ConfigError(f'environment variable key "{ref["key"]}" not found in file "{folder}{path}"')
        return value or None

    def _sibling(self, ref: Obj, container: Obj) -> Obj:
        name = ref.get("containerName")
        spec = objects.spec(self._pod)
        everyone = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
        return next((c for c in everyone if c["name"] == name), container) if name else container

    def _object(self, resource: str, ref: Obj) -> Obj | None:
        """None when it is missing and optional."""
        try:
            return self._client.get(resource, objects.namespace(self._pod), ref.get("name", ""))
        except NotFound:
            if ref.get("optional"):
                return None
            raise ConfigError(missing_object(resource, ref.get("name", ""))) from None


def missing_object(resource: str, name: str) -> str:
    """What the kubelet's cache of ConfigMaps and Secrets says of one that is not there: `configmap "x" not found`
    (the API server says `configmaps "x"`)."""
    return f'{resource.removesuffix("s")} "{name}" not found'


def sources(container: Obj) -> Iterable[tuple[str, str]]:
    """(resource, name) of the ConfigMaps and Secrets that a container's variables come from."""
    found = [*(container.get("envFrom") or ()), *(e.get("valueFrom") or {} for e in container.get("env") or ())]
    for source in found:
        for field, resource in _SOURCES.items():
            if source.get(field):
                yield resource, source[field].get("name", "")


def data_of(obj: Obj) -> dict[str, str]:
    """The text values of a ConfigMap or (decoded) Secret."""
    if obj["kind"] == "Secret":
        return {key: value.decode(errors="replace") for key, value in bytes_of(obj).items()}
    return dict(obj.get("data") or {})


def bytes_of(obj: Obj) -> dict[str, bytes]:
    """The values of a ConfigMap (binaryData included) or Secret."""
    if obj["kind"] == "Secret":
        return {key: base64.b64decode(value or "") for key, value in (obj.get("data") or {}).items()}
    plain = {key: value.encode() for key, value in (obj.get("data") or {}).items()}
    return plain | {key: base64.b64decode(value) for key, value in (obj.get("binaryData") or {}).items()}


def arguments(container: Obj, image: Any, values: Mapping[str, str]) -> list[str]:
    """The argv of process 1: `command` replaces the image's entrypoint (and its cmd), `args` its cmd."""
    command, args = container.get("command") or [], container.get("args") or []
    entrypoint = [expand(part, values) for part in command] or list(image.entrypoint)
    rest = [expand(part, values) for part in args] or ([] if command else list(image.cmd))
    return entrypoint + rest

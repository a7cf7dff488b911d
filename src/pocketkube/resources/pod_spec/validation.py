"""What a pod spec may hold.

Models ValidatePodSpec, ValidatePodTemplateSpec and validatePodMetadataAndSpec (pkg/apis/core/validation).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube import fields, objects
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats, metadata
from pocketkube.resources.pod_spec import (
    annotated_profiles,
    claims,
    containers,
    resources,
    scheduling,
    security,
    systems,
    visiting,
)
from pocketkube.resources.pod_spec.volumes import Volumes

_RESTART: Final = ("Always", "OnFailure", "Never")
_DNS: Final = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_PREEMPTION: Final = ("PreemptLowerPriority", "Never")
_MAX_INT32: Final = 2**31 - 1
_DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
MIRROR: Final = "kubernetes.io/config.mirror"
_NAMESERVERS, _SEARCHES, _SEARCH_LENGTH = 3, 32, 2048


def template(path: str, found: Obj) -> Iterator[Cause]:
    """Field errors of a pod template."""
    yield from metadata.labels(f"{path}.labels", objects.labels(found))
    yield from metadata.annotation_map(f"{path}.annotations", objects.annotations(found))
    yield from _annotations(f"{path}.annotations", found)
    yield from pod_spec(f"{path}.spec", objects.spec(found))
    yield from annotated_profiles.validate_new(f"{path}.spec", found, is_pod=False)
    if objects.spec(found).get("ephemeralContainers"):
        where = f"{path}.spec.ephemeralContainers"
        yield fields.forbidden(where, "ephemeral containers not allowed in pod template")


def new_pod(obj: Obj) -> Iterator[Cause]:
    """Field errors of what a pod may not have from the start."""
    spec = objects.spec(obj)
    if spec.get("ephemeralContainers"):
        yield fields.forbidden("spec.ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        yield fields.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")
    yield from annotated_profiles.validate_new("spec", obj, is_pod=True)


def pod(obj: Obj) -> Iterator[Cause]:
    """Field errors of a whole pod, metadata apart."""
    spec = objects.spec(obj)
    yield from _annotations("metadata.annotations", obj)
    yield from pod_spec("spec", spec, pod_name=objects.name(obj), is_pod=True)
    for kind in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(kind) or ()):
            yield from containers.trimmed(f"spec.{kind}[{index}]", container)


def _annotations(path: str, obj: Obj) -> Iterator[Cause]:
    held = objects.annotations(obj)
    if MIRROR in held and not objects.spec(obj).get("nodeName"):
        why = "must set spec.nodeName if mirror pod annotation is set"
        yield fields.invalid(f"{path}[{MIRROR}]", held[MIRROR], why)
    cost = held.get(_DELETION_COST)
    if cost is not None and not _is_int32(cost):
        yield fields.invalid(f"{path}[{_DELETION_COST}]", cost, "must be a 32bit integer")
    yield from annotated_profiles.validate(path, obj)


def _is_int32(text: str) -> bool:
    digits = text.removeprefix("-")
    canonical = digits.isascii() and digits.isdigit() and (digits == "0" or not digits.startswith("0"))
    return canonical and text != "-0" and -(2**31) <= int(text) <= _MAX_INT32


def pod_spec(path: str, spec: Obj, *, pod_name: str = "", is_pod: bool = False) -> Iterator[Cause]:
    """Field errors of a pod spec, of a pod or of a template."""
    volumes = Volumes()
    yield from volumes.validate(f"{path}.volumes", spec.get("volumes") or [], pod_name, is_pod=is_pod)
    yield from containers.regular(f"{path}.containers", spec, volumes.sources)
    yield from containers.init(f"{path}.initContainers", spec, volumes.sources)
    yield from containers.ephemeral(f"{path}.ephemeralContainers", spec, volumes.sources)
    yield from resources.of_pod(path, spec)
    yield from _host_network(path, spec, is_pod=is_pod)
    if (restart := spec.get("restartPolicy", "")) not in _RESTART:
        yield fields.not_supported(f"{path}.restartPolicy", restart, _RESTART, in_order=True)
    if (dns := spec.get("dnsPolicy", "")) not in _DNS:
        yield fields.not_supported(f"{path}.dnsPolicy", dns, _DNS, in_order=True)
    yield from metadata.labels(f"{path}.nodeSelector", spec.get("nodeSelector"))
    yield from security.pod(f"{path}.securityContext", spec.get("securityContext"), spec)
    yield from scheduling.affinity(f"{path}.affinity", spec.get("affinity") or {})
    yield from _dns_config(f"{path}.dnsConfig", spec)
    for index, gate in enumerate(spec.get("readinessGates") or ()):
        name = gate.get("conditionType", "")
        for problem in formats.qualified_name(name):
            yield fields.invalid(f"{path}.readinessGates[{index}].conditionType", name, problem)
    yield from _scheduling_gates(f"{path}.schedulingGates", spec)
    yield from scheduling.spread(f"{path}.topologySpreadConstraints", spec.get("topologySpreadConstraints") or [])
    yield from systems.host_process(path, spec)
    yield from _host_users(path, spec)
    yield from _names(path, spec)
    yield from scheduling.tolerations(f"{path}.tolerations", spec.get("tolerations") or ())
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        at, ip = f"{path}.hostAliases[{index}]", alias.get("ip", "")
        yield from (fields.invalid(f"{at}.ip", ip, problem) for problem in formats.ip_legacy(ip))
        for position, name in enumerate(alias.get("hostnames") or ()):
            for problem in formats.dns1123_subdomain(name):
                yield fields.invalid(f"{at}.hostnames[{position}]", name, problem)
    yield from _classes(path, spec)
    yield from resources.requirements(f"{path}.overhead", {"limits": spec.get("overhead") or {}})
    yield from systems.validate(path, spec)
    yield from _file_keys(path, spec)
    yield from claims.validate(path, spec)


def _host_network(path: str, spec: Obj, *, is_pod: bool) -> Iterator[Cause]:
    if not spec.get("hostNetwork"):
        return
    for index, container in enumerate(spec.get("containers") or ()):
        for position, port in enumerate(container.get("ports") or ()):
            host = port.get("hostPort", 0)
            if (is_pod or host) and host != port.get("containerPort", 0):
                at = f"{path}.containers[{index}].ports[{position}].hostPort"
                yield fields.invalid(at, host, "must match `containerPort` when `hostNetwork` is true")


def _dns_config(path: str, spec: Obj) -> Iterator[Cause]:
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            yield fields.required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
            return
        if not config.get("nameservers"):
            why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            yield fields.required(f"{path}.nameservers", why)
            return
    config = config or {}
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if len(servers) > _NAMESERVERS:
        yield fields.invalid(f"{path}.nameservers", servers, f"must not have more than {_NAMESERVERS} nameservers")
    for index, server in enumerate(servers):
        for problem in formats.ip_legacy(server):
            yield fields.invalid(f"{path}.nameservers[{index}]", server, problem)
    if len(searches) > _SEARCHES:
        yield fields.invalid(f"{path}.searches", searches, f"must not have more than {_SEARCHES} search paths")
    if len(" ".join(searches)) > _SEARCH_LENGTH:
        why = f"must not have more than {_SEARCH_LENGTH} characters (including spaces) in the search list"
        yield fields.invalid(f"{path}.searches", searches, why)
    for index, search in enumerate(searches):
        name = search.removesuffix(".")
        for problem in formats.dns1123_subdomain_with_underscore(name) if search != "." else ():
            yield fields.invalid(f"{path}.searches[{index}]", name, problem)
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            yield fields.required(f"{path}.options[{index}]", "must not be empty")


def _scheduling_gates(path: str, spec: Obj) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        name = gate.get("name", "")
        for problem in formats.qualified_name(name):
            yield fields.invalid(f"{path}[{index}]", name, problem)
        if name in seen:
            yield fields.duplicate(f"{path}[{index}]", name)
        seen.add(name)


def _host_users(path: str, spec: Obj) -> Iterator[Cause]:
    if spec.get("hostUsers") is not False:
        return
    for name, shown in (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")):
        if spec.get(name):
            yield fields.forbidden(f"{path}.{shown}", "when `hostUsers` is false")


def _names(path: str, spec: Obj) -> Iterator[Cause]:
    override = spec.get("hostnameOverride")
    if override is not None:
        at = f"{path}.hostnameOverride"
        if spec.get("setHostnameAsFQDN"):
            yield fields.forbidden(at, "may not be specified when setHostnameAsFQDN is true")
        if spec.get("hostNetwork"):
            yield fields.forbidden(at, "may not be specified when hostNetwork is true")
        if len(override.encode()) > 64:
            yield fields.too_long(at, 64)
        yield from (fields.invalid(at, override, problem) for problem in formats.dns1123_subdomain(override))
    for name in ("serviceAccountName", "nodeName"):
        value = spec.get(name, "")
        for problem in formats.dns1123_subdomain(value) if value else ():
            yield fields.invalid(f"{path}.{name}", value, problem)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= _MAX_INT32:
        yield fields.invalid(f"{path}.activeDeadlineSeconds", deadline, formats.range_text(1, _MAX_INT32))
    for name in ("hostname", "subdomain"):
        value = spec.get(name, "")
        for problem in formats.dns1123_label(value) if value else ():
            yield fields.invalid(f"{path}.{name}", value, problem)


def _classes(path: str, spec: Obj) -> Iterator[Cause]:
    for name in ("priorityClassName", "runtimeClassName"):
        value = spec.get(name) or ""
        for problem in formats.dns1123_subdomain(value) if value else ():
            yield fields.invalid(f"{path}.{name}", value, problem)
    preemption = spec.get("preemptionPolicy")
    if preemption is not None and preemption not in _PREEMPTION:
        yield fields.not_supported(f"{path}.preemptionPolicy", preemption, _PREEMPTION, in_order=True)


def _file_keys(path: str, spec: Obj) -> Iterator[Cause]:
    volumes = {volume.get("name", ""): volume for volume in spec.get("volumes") or ()}
    for at, container in visiting.containers(path, spec):
        for position, variable in enumerate(container.get("env") or ()):
            ref = (variable.get("valueFrom") or {}).get("fileKeyRef")
            if ref is None:
                continue
            where = f"{at}.env[{position}].valueFrom.fileKeyRef.volumeName"
            name = ref.get("volumeName", "")
            if name not in volumes:
                yield fields.not_found(where, name)
            elif volumes[name].get("emptyDir") is None:
                yield fields.invalid(where, name, "referenced volume must be of type emptyDir")

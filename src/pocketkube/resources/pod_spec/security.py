"""Security contexts of pods and containers.

Models validatePodSpecSecurityContext and ValidateSecurityContext (pkg/apis/core/validation), on a cluster that allows
privileged containers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pocketkube import fields, sysctls
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.pod_spec import apparmor, systems

_MAX_ID: Final = 2**31 - 1
_SYSCTL_LENGTH: Final = 253
_SYSCTL: Final = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?")
_SECCOMP: Final = ("Localhost", "RuntimeDefault", "Unconfined")


def _id(path: str, number: int | None) -> Iterator[Cause]:
    if number is not None and not 0 <= number <= _MAX_ID:
        yield fields.invalid(path, number, formats.range_text(0, _MAX_ID))


def pod(path: str, context: Obj | None, spec: Obj) -> Iterator[Cause]:
    """Field errors of spec.securityContext."""
    context = context or {}
    for name in ("fsGroup", "runAsUser", "runAsGroup"):
        yield from _id(f"{path}.{name}", context.get(name))
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        yield from _id(f"{path}.supplementalGroups[{index}]", group)
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        why = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield fields.invalid(f"{path}.shareProcessNamespace", True, why)
    change = context.get("fsGroupChangePolicy")
    if change is not None and change not in ("Always", "OnRootMismatch"):
        yield fields.not_supported(f"{path}.fsGroupChangePolicy", change, ("Always", "OnRootMismatch"))
    yield from _sysctls(f"{path}.sysctls", context.get("sysctls") or [], spec)
    yield from _seccomp(f"{path}.seccompProfile", context.get("seccompProfile"))
    yield from systems.options(f"{path}.windowsOptions", context.get("windowsOptions"))
    yield from apparmor.profile(f"{path}.appArmorProfile", context.get("appArmorProfile"))
    policy = context.get("supplementalGroupsPolicy")
    if policy is not None and policy not in ("Merge", "Strict"):
        yield fields.not_supported(f"{path}.supplementalGroupsPolicy", policy, ("Merge", "Strict"))
    relabel = context.get("seLinuxChangePolicy")
    if relabel is not None and relabel not in ("MountOption", "Recursive"):
        yield fields.not_supported(f"{path}.seLinuxChangePolicy", relabel, ("MountOption", "Recursive"))


def _sysctls(path: str, found: list[Obj], spec: Obj) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, sysctl in enumerate(found):
        at, name = f"{path}[{index}].name", sysctl.get("name", "")
        if not name:
            yield fields.required(at)
        elif len(name) > _SYSCTL_LENGTH or not _SYSCTL.fullmatch(name):
            why = f"must have at most {_SYSCTL_LENGTH} characters and match regex ^{_SYSCTL.pattern}$"
            yield fields.invalid(at, name, why)
        elif name in seen:
            yield fields.duplicate(at, name)
        seen.add(name)
        shared = sysctls.namespace(name)
        if shared == sysctls.NET and spec.get("hostNetwork"):
            yield fields.invalid(at, name, "may not be specified when 'hostNetwork' is true")
        elif shared == sysctls.IPC and spec.get("hostIPC"):
            yield fields.invalid(at, name, "may not be specified when 'hostIPC' is true")


def container(path: str, context: Obj | None, spec: Obj) -> Iterator[Cause]:
    """Field errors of a container's securityContext; `spec` is its pod's."""
    if context is None:
        return
    for name in ("runAsUser", "runAsGroup"):
        yield from _id(f"{path}.{name}", context.get(name))
    mount = context.get("procMount")
    if mount is not None and mount not in ("Default", "Unmasked"):
        yield fields.not_supported(f"{path}.procMount", mount, ("Default", "Unmasked"), in_order=True)
    if mount == "Unmasked" and spec.get("hostUsers") is not False:
        yield fields.invalid(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`")
    yield from _seccomp(f"{path}.seccompProfile", context.get("seccompProfile"))
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            yield fields.invalid(path, context, why)
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            yield fields.invalid(path, context, why)
    yield from systems.options(f"{path}.windowsOptions", context.get("windowsOptions"))
    yield from apparmor.profile(f"{path}.appArmorProfile", context.get("appArmorProfile"))


def _seccomp(path: str, profile: Obj | None) -> Iterator[Cause]:
    if profile is None:
        return
    type_, local = profile.get("type", ""), profile.get("localhostProfile")
    if not type_:
        yield fields.required(f"{path}.type", "type is required when seccompProfile is set")
    elif type_ not in _SECCOMP:
        yield fields.not_supported(f"{path}.type", type_, _SECCOMP, in_order=True)
    at = f"{path}.localhostProfile"
    if type_ == "Localhost":
        if local is None:
            yield fields.required(at, "must be set when seccomp type is Localhost")
        elif local.startswith("/"):
            yield fields.invalid(at, local, "must be a relative path")
        elif ".." in local.split("/"):
            yield fields.invalid(at, local, "must not contain '..'")
    elif local is not None:
        yield fields.invalid(at, profile, "can only be set when seccomp type is Localhost")

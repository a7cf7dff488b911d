"""Security contexts of pods and containers.

Models validatePodSpecSecurityContext and ValidateSecurityContext (pkg/apis/core/validation), on a cluster that allows
privileged containers. Left out: SELinux options, Windows options, AppArmor profiles, the names of sysctls.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats

_MAX_ID: Final = 2**31 - 1
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
    yield from _seccomp(f"{path}.seccompProfile", context.get("seccompProfile"))


def container(path: str, context: Obj | None) -> Iterator[Cause]:
    """Field errors of a container's securityContext."""
    if context is None:
        return
    for name in ("runAsUser", "runAsGroup"):
        yield from _id(f"{path}.{name}", context.get(name))
    yield from _seccomp(f"{path}.seccompProfile", context.get("seccompProfile"))
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            why = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            yield fields.invalid(path, context, why)
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            yield fields.invalid(path, context, why)


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

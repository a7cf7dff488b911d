"""The operating system a pod is for, and what only Windows knows. No node here runs it: such a pod stays pending.

Models validateOS, validateLinux, validateWindows, validateWindowsHostProcessPod and
validateWindowsSecurityContextOptions (pkg/apis/core/validation), on a cluster that allows privileged containers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pocketkube import fields
from pocketkube.errors import Cause
from pocketkube.objects import Obj
from pocketkube.resources import formats
from pocketkube.resources.pod_spec import visiting

_SYSTEMS: Final = ("linux", "windows")
_NOT_OF_POD: Final = (
    *("securityContext.appArmorProfile", "securityContext.seLinuxOptions", "hostUsers", "hostPID", "hostIPC"),
    *("securityContext.seccompProfile", "securityContext.fsGroup", "securityContext.fsGroupChangePolicy"),
    *("securityContext.sysctls", "shareProcessNamespace", "securityContext.runAsUser", "securityContext.runAsGroup"),
    *("securityContext.supplementalGroups", "securityContext.supplementalGroupsPolicy"),
    "securityContext.seLinuxChangePolicy",
)
_NOT_OF_CONTAINER: Final = (
    *("appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged"),
    *("allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup"),
)
_IF_TRUE: Final = ("hostPID", "hostIPC", "securityContext.sysctls")
"""These count where they are true, or not empty; of the others it counts that they are there."""
_SPEC_LENGTH_KIB, _DOMAIN_LENGTH, _USER_LENGTH = 64, 256, 104
_NETBIOS: Final = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}')
_LABEL: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DNS: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_BAD_IN_USER: Final = re.compile(r'["/\\:;|=,+*?<>@\[\]]')


def validate(path: str, spec: Obj) -> Iterator[Cause]:
    """Field errors of spec.os, and of what the system named there does not have."""
    if spec.get("os") is None:
        return
    name = spec["os"].get("name", "")
    if not name:
        yield fields.required(f"{path}.os.name")
    elif name not in _SYSTEMS:
        yield fields.not_supported(f"{path}.os", name, _SYSTEMS)
    elif name == "linux":
        yield from _linux(path, spec)
    else:
        yield from _windows(path, spec)


def _linux(path: str, spec: Obj) -> Iterator[Cause]:
    why = "windows options cannot be set for a linux pod"
    if (spec.get("securityContext") or {}).get("windowsOptions") is not None:
        yield fields.forbidden(f"{path}.securityContext.windowsOptions", why)
    for at, context in visiting.contexts(path, spec):
        if context.get("windowsOptions") is not None:
            yield fields.forbidden(f"{at}.windowsOptions", why)


def _windows(path: str, spec: Obj) -> Iterator[Cause]:
    why = "cannot be set for a windows pod"
    for field in _NOT_OF_POD:
        holder = (spec.get("securityContext") or {}) if "." in field else spec
        value = holder.get(field.rpartition(".")[2])
        if value if field in _IF_TRUE else value is not None:
            yield fields.forbidden(f"{path}.{field}", why)
    for at, context in visiting.contexts(path, spec):
        for field in _NOT_OF_CONTAINER:
            if context.get(field) is not None:
                yield fields.forbidden(f"{at}.{field}", why)


def host_process(path: str, spec: Obj) -> Iterator[Cause]:
    """Field errors of windowsOptions.hostProcess: all containers of a pod, or none, and in the node's network."""
    of_pod = _host_process(spec.get("securityContext") or {})
    every = [(at, _host_process(context)) for at, context in visiting.contexts(path, spec)]
    for at, own in every:
        if of_pod is not None and own is not None and own != of_pod:
            shown = "true" if of_pod else "false"
            why = f"pod hostProcess value must be identical if both are specified, was {shown}"
            yield fields.invalid(f"{at}.windowsOptions.hostProcess", own, why)
    count = sum(bool(of_pod if own is None else own) for _, own in every)
    if count and count != len(every):
        why = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        yield fields.invalid(path, "", why)
    if count and not spec.get("hostNetwork"):
        why = "hostNetwork must be true if pod contains any hostProcess containers"
        yield fields.invalid(f"{path}.hostNetwork", False, why)


def _host_process(context: Obj) -> bool | None:
    return (context.get("windowsOptions") or {}).get("hostProcess")


def options(path: str, found: Obj | None) -> Iterator[Cause]:
    """Field errors of windowsOptions."""
    found = found or {}
    name, spec, user = (found.get(field) for field in ("gmsaCredentialSpecName", "gmsaCredentialSpec", "runAsUserName"))
    for problem in formats.dns1123_subdomain(name) if name is not None else ():
        yield fields.invalid(f"{path}.gmsaCredentialSpecName", name, problem)
    if spec == "":
        yield fields.invalid(f"{path}.gmsaCredentialSpec", spec, "gmsaCredentialSpec cannot be an empty string")
    elif spec is not None and len(spec.encode()) > _SPEC_LENGTH_KIB * 1024:
        why = f"gmsaCredentialSpec size must be under {_SPEC_LENGTH_KIB} KiB"
        yield fields.invalid(f"{path}.gmsaCredentialSpec", spec, why)
    for problem in _user_problems(user) if user is not None else ():
        yield fields.invalid(f"{path}.runAsUserName", user, f"runAsUserName{problem}")


def _user_problems(name: str) -> Iterator[str]:
    """What is wrong with DOMAIN\\user, as it goes on after the field's name."""
    if not name:
        yield " cannot be an empty string"
    elif any(ord(character) < 32 or ord(character) == 127 for character in name):
        yield " cannot contain control characters"
    elif name.count("\\") > 1:
        yield " cannot contain more than one backslash"
    else:
        domain, slash, user = name.rpartition("\\")
        if len(domain.encode()) >= _DOMAIN_LENGTH:
            yield f"'s Domain length must be under {_DOMAIN_LENGTH} characters"
        if slash and not (_NETBIOS.fullmatch(domain) or _DNS.fullmatch(domain)):
            yield "'s Domain doesn't match the NetBios nor the DNS format"
        if not user:
            yield "'s User cannot be empty"
        elif len(user.encode()) > _USER_LENGTH:
            yield f"'s User length must not be longer than {_USER_LENGTH} characters"
        if user and not user.strip(". "):
            yield "'s User cannot contain only periods or spaces"
        if _BAD_IN_USER.search(user):
            yield "'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]"

"""What the profile `restricted` asks beyond the baseline (pod-security-admission/policy, the checks of its level)."""

from __future__ import annotations

from typing import Final

from pocketkube.admission.podsecurity_checks import (
    PROFILES,
    Check,
    Forbidden,
    Look,
    containers,
    context,
    named,
    names,
    plural,
    proc_mount,
    quoted,
    seccomp,
    seccomp_type,
    setters,
    unless_user_namespace,
)
from pocketkube.objects import Obj

VOLUMES: Final = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)


def escalation(meta: Obj, spec: Obj) -> Forbidden | None:
    bad = names(c for c in containers(spec) if context(c).get("allowPrivilegeEscalation") is not False)
    if not bad:
        return None
    return (
        "allowPrivilegeEscalation != false",
        f"{named('container', bad)} must set securityContext.allowPrivilegeEscalation=false",
    )


def capabilities(meta: Obj, spec: Obj) -> Forbidden | None:
    held = [(c.get("name", ""), context(c).get("capabilities") or {}) for c in containers(spec)]
    keeping = [name for name, found in held if "ALL" not in (found.get("drop") or ())]
    adding = [name for name, found in held if set(found.get("add") or ()) - {"NET_BIND_SERVICE"}]
    said = []
    if keeping:
        said.append(f'{named("container", keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        added = {one for _, found in held for one in found.get("add") or ()} - {"NET_BIND_SERVICE"}
        what = quoted(sorted(added))
        said.append(f"{named('container', adding)} must not include {what} in securityContext.capabilities.add")
    return ("unrestricted capabilities", "; ".join(said)) if said else None


def volumes(meta: Obj, spec: Obj) -> Forbidden | None:
    bad = [v for v in spec.get("volumes") or () if not VOLUMES & {k for k, found in v.items() if found is not None}]
    if not bad:
        return None
    types = sorted({next((key for key in v if key != "name"), "unknown") for v in bad})
    use = "uses" if len(bad) == 1 else "use"
    what = f"{plural('restricted volume type', types)} {quoted(types)}"
    return "restricted volume types", f"{named('volume', names(bad))} {use} {what}"


def non_root(meta: Obj, spec: Obj) -> Forbidden | None:
    def says(one: Obj) -> bool | None:
        found: bool | None = context(one).get("runAsNonRoot")
        return found

    root = names(c for c in containers(spec) if says(c) is False)
    if root or says(spec) is False:
        who = setters(says(spec) is False, root)
        return "runAsNonRoot != true", f"{who} must not set securityContext.runAsNonRoot=false"
    silent = names(c for c in containers(spec) if says(c) is None and not says(spec))
    if not silent:
        return None
    return "runAsNonRoot != true", f"pod or {named('container', silent)} must set securityContext.runAsNonRoot=true"


def user(meta: Obj, spec: Obj) -> Forbidden | None:
    root = names(c for c in containers(spec) if context(c).get("runAsUser") == 0)
    is_pod = context(spec).get("runAsUser") == 0
    return ("runAsUser=0", f"{setters(is_pod, root)} must not set runAsUser=0") if root or is_pod else None


def seccomp_set(meta: Obj, spec: Obj) -> Forbidden | None:
    if bad := seccomp(meta, spec):
        return bad
    silent = names(c for c in containers(spec) if seccomp_type(c) is None and seccomp_type(spec) not in PROFILES)
    if not silent:
        return None
    what = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return "seccompProfile", f"pod or {named('container', silent)} {what}"


def unless_windows(look: Look) -> Look:
    return lambda meta, spec: None if (spec.get("os") or {}).get("name") == "windows" else look(meta, spec)


RESTRICTED: Final = (
    Check("allowPrivilegeEscalation", {8: escalation, 25: unless_windows(escalation)}),
    Check("capabilities_restricted", {22: capabilities, 25: unless_windows(capabilities)}, "capabilities_baseline"),
    Check("procMount_restricted", {35: proc_mount}, "procMount"),
    Check("restrictedVolumes", {0: volumes}, "hostPathVolumes"),
    Check("runAsNonRoot", {0: non_root, 35: unless_user_namespace(non_root)}),
    Check("runAsUser", {23: user, 35: unless_user_namespace(user)}),
    Check("seccompProfile_restricted", {19: seccomp_set, 25: unless_windows(seccomp_set)}, "seccompProfile_baseline"),
)

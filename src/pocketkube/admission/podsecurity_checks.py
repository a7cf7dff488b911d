"""The controls of the Pod Security Standards, each with the versions since which it is as it is.

Models pod-security-admission/policy: a check looks at a pod's metadata and spec and says (what is forbidden, where), in
upstream's words, or nothing. Messages list containers in the order init, ordinary, ephemeral, and values sorted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pocketkube.objects import Obj

Forbidden = tuple[str, str]
"""(what is forbidden, where and how)."""
Look = Callable[[Obj, Obj], Forbidden | None]
"""Looks at a pod's metadata and spec."""


@dataclass(frozen=True)
class Check:
    """`versions`: minor version of Kubernetes -> how it looks since then. `overrides`: the check of the baseline that
    it takes the place of, where it holds itself."""

    id: str
    versions: Mapping[int, Look] = field(default_factory=dict)
    overrides: str = ""

    def at(self, minor: int) -> Look | None:
        since = [version for version in self.versions if version <= minor]
        return self.versions[max(since)] if since else None


# -- words


def containers(spec: Obj) -> list[Obj]:
    return [c for key in ("initContainers", "containers", "ephemeralContainers") for c in spec.get(key) or ()]


def context(one: Obj) -> Obj:
    """The security context of a pod's spec or of a container."""
    return one.get("securityContext") or {}


def quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def plural(word: str, many: Iterable[Any]) -> str:
    return word if len(list(many)) == 1 else f"{word}s"


def named(word: str, names: list[str]) -> str:
    """`container "a"`, `containers "a", "b"`."""
    return f"{plural(word, names)} {quoted(names)}"


def names(found: Iterable[Obj]) -> list[str]:
    return [one.get("name", "") for one in found]


def setters(pod: bool, bad: list[str]) -> str:
    """Who sets something: the pod, containers, or both."""
    return " and ".join([*(["pod"] if pod else []), *([named("container", bad)] if bad else [])])


def noted_at(meta: Obj) -> Mapping[str, str]:
    return meta.get("annotations") or {}


# -- baseline

CAPABILITIES: Final = frozenset(
    {"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"}
    | {"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"}
)
APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER: Final = "container.seccomp.security.alpha.kubernetes.io/"
PROFILES: Final = ("RuntimeDefault", "Localhost")
_SYSCTLS_0: Final = frozenset(
    {"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies"}
    | {"net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start"}
)
_SYSCTLS_27: Final = _SYSCTLS_0 | {"net.ipv4.ip_local_reserved_ports"}
_TCP: Final = ("keepalive_time", "fin_timeout", "keepalive_intvl", "keepalive_probes")
_SYSCTLS_29: Final = _SYSCTLS_27 | {f"net.ipv4.tcp_{name}" for name in _TCP}
_SYSCTLS_32: Final = _SYSCTLS_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
_SELINUX_0: Final = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
_SELINUX_31: Final = _SELINUX_0 | {"container_engine_t"}


def app_armor(meta: Obj, spec: Obj) -> Forbidden | None:
    def is_bad(one: Obj) -> bool:
        profile = context(one).get("appArmorProfile")
        return profile is not None and profile.get("type") not in PROFILES

    bad = [c for c in containers(spec) if is_bad(c)]
    values = sorted({context(one)["appArmorProfile"].get("type", "") for one in (spec, *bad) if is_bad(one)})
    noted = sorted(
        f"{key}={json.dumps(value)}"
        for key, value in noted_at(meta).items()
        if key.startswith(APPARMOR) and value and value != "runtime/default" and not value.startswith("localhost/")
    )
    who = [text for text in (setters(is_bad(spec), names(bad)), plural("annotation", noted) if noted else "") if text]
    if not who:
        return None
    values += noted
    detail = f"{' and '.join(who)} must not set AppArmor profile type to {quoted(values)}"
    return plural("forbidden AppArmor profile", values), detail


def capabilities(meta: Obj, spec: Obj) -> Forbidden | None:
    added = {c.get("name", ""): set((context(c).get("capabilities") or {}).get("add") or ()) for c in containers(spec)}
    bad = [name for name, found in added.items() if found - CAPABILITIES]
    if not bad:
        return None
    what = quoted(sorted(set().union(*added.values()) - CAPABILITIES))
    return (
        "non-default capabilities",
        f"{named('container', bad)} must not include {what} in securityContext.capabilities.add",
    )


def host_namespaces(meta: Obj, spec: Obj) -> Forbidden | None:
    found = [f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
    return ("host namespaces", ", ".join(found)) if found else None


def host_path_volumes(meta: Obj, spec: Obj) -> Forbidden | None:
    found = names(v for v in spec.get("volumes") or () if v.get("hostPath") is not None)
    return ("hostPath volumes", named("volume", found)) if found else None


def host_ports(meta: Obj, spec: Obj) -> Forbidden | None:
    ports: dict[str, list[int]] = {}
    for c in containers(spec):
        ports[c.get("name", "")] = [port["hostPort"] for port in c.get("ports") or () if port.get("hostPort")]
    bad = [name for name, found in ports.items() if found]
    if not bad:
        return None
    every = sorted({str(port) for found in ports.values() for port in found})
    use = "uses" if len(bad) == 1 else "use"
    return "hostPort", f"{named('container', bad)} {use} {plural('hostPort', every)} {', '.join(every)}"


def hosts(meta: Obj, spec: Obj) -> Forbidden | None:
    found: dict[str, set[str]] = {}
    for c in containers(spec):
        asked = [c.get(key) for key in ("livenessProbe", "readinessProbe", "startupProbe")]
        asked += [(c.get("lifecycle") or {}).get(key) for key in ("postStart", "preStop")]
        for handler in filter(None, asked):
            for how in ("httpGet", "tcpSocket"):
                if host := (handler.get(how) or {}).get("host"):
                    found.setdefault(c.get("name", ""), set()).add(host)
    if not found:
        return None
    bad, every = sorted(found), sorted(set().union(*found.values()))
    use = "uses" if len(bad) == 1 else "use"
    what = plural("probe or lifecycle host", every)
    return "probe or lifecycle host", f"{named('container', bad)} {use} {what} {quoted(every)}"


def privileged(meta: Obj, spec: Obj) -> Forbidden | None:
    bad = names(c for c in containers(spec) if context(c).get("privileged"))
    return ("privileged", f"{named('container', bad)} must not set securityContext.privileged=true") if bad else None


def proc_mount(meta: Obj, spec: Obj) -> Forbidden | None:
    found = [c for c in containers(spec) if context(c).get("procMount") not in (None, "Default")]
    if not found:
        return None
    types = quoted(sorted({context(c)["procMount"] for c in found}))
    return "procMount", f"{named('container', names(found))} must not set securityContext.procMount to {types}"


def unless_user_namespace(look: Look) -> Look:
    """Not asked of a pod in a user namespace of its own (`hostUsers: false`)."""
    return lambda meta, spec: None if spec.get("hostUsers") is False else look(meta, spec)


def seccomp_annotations(meta: Obj, spec: Obj) -> Forbidden | None:
    keys = [SECCOMP_POD, *(f"{SECCOMP_CONTAINER}{c.get('name', '')}" for c in containers(spec))]
    held = {key: noted_at(meta)[key] for key in keys if key in noted_at(meta)}
    bad = sorted(
        f"{key}={json.dumps(value)}"
        for key, value in held.items()
        if value not in ("runtime/default", "docker/default") and not value.startswith("localhost/")
    )
    return ("seccompProfile", f"forbidden {plural('annotation', bad)} {', '.join(bad)}") if bad else None


def seccomp_type(one: Obj) -> str | None:
    """What a pod or a container says itself, None where it says nothing."""
    profile = context(one).get("seccompProfile")
    return None if profile is None else profile.get("type", "")


def seccomp(meta: Obj, spec: Obj) -> Forbidden | None:
    def is_bad(one: Obj) -> bool:
        return seccomp_type(one) not in (None, *PROFILES)

    bad = [c for c in containers(spec) if is_bad(c)]
    values = sorted({seccomp_type(one) or "" for one in (spec, *bad) if is_bad(one)})
    if not values:
        return None
    who = setters(is_bad(spec), names(bad))
    return "seccompProfile", f"{who} must not set securityContext.seccompProfile.type to {quoted(values)}"


def selinux(allowed: frozenset[str]) -> Look:
    def look(meta: Obj, spec: Obj) -> Forbidden | None:
        def options(one: Obj) -> Obj:
            return context(one).get("seLinuxOptions") or {}

        def is_bad(one: Obj) -> bool:
            found = options(one)
            return found.get("type", "") not in allowed or bool(found.get("user") or found.get("role"))

        bad = [c for c in containers(spec) if is_bad(c)]
        setting = [options(one) for one in (spec, *bad) if is_bad(one)]
        if not setting:
            return None
        types = sorted({found["type"] for found in setting if found.get("type", "") not in allowed})
        said = [named("type", types)] if types else []
        said += [f"{key} may not be set" for key in ("user", "role") if any(found.get(key) for found in setting)]
        who = setters(is_bad(spec), names(bad))
        return "seLinuxOptions", f"{who} set forbidden securityContext.seLinuxOptions: {'; '.join(said)}"

    return look


def sysctls(allowed: frozenset[str]) -> Look:
    def look(meta: Obj, spec: Obj) -> Forbidden | None:
        found = [name for name in names(context(spec).get("sysctls") or ()) if name not in allowed]
        return ("forbidden sysctls", ", ".join(found)) if found else None

    return look


def host_process(meta: Obj, spec: Obj) -> Forbidden | None:
    def is_one(one: Obj) -> bool:
        return bool((context(one).get("windowsOptions") or {}).get("hostProcess"))

    bad = names(c for c in containers(spec) if is_one(c))
    if not bad and not is_one(spec):
        return None
    who = setters(is_one(spec), bad)
    return "hostProcess", f"{who} must not set securityContext.windowsOptions.hostProcess=true"


BASELINE: Final = (
    Check("appArmorProfile", {0: app_armor}),
    Check("capabilities_baseline", {0: capabilities}),
    Check("hostNamespaces", {0: host_namespaces}),
    Check("hostPathVolumes", {0: host_path_volumes}),
    Check("hostPorts", {0: host_ports}),
    Check("hostProbesAndHostLifecycle", {34: hosts}),
    Check("privileged", {0: privileged}),
    Check("procMount", {0: proc_mount, 35: unless_user_namespace(proc_mount)}),
    Check("seLinuxOptions", {0: selinux(_SELINUX_0), 31: selinux(_SELINUX_31)}),
    Check("seccompProfile_baseline", {0: seccomp_annotations, 19: seccomp}),
    Check(
        "sysctls",
        {0: sysctls(_SYSCTLS_0), 27: sysctls(_SYSCTLS_27), 29: sysctls(_SYSCTLS_29), 32: sysctls(_SYSCTLS_32)},
    ),
    Check("windowsHostProcess", {0: host_process}),
)
"""In the order of their ids, in which they are said."""

"""Pods within their node: the baseline profile of the Pod Security Standards, as of Kubernetes 1.34 (which added the
hosts of probes), and what it does not speak of: nodes by name, containers that are added later, the cluster's own
priorities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kindlab.api import Obj
from kindlab.batch.fence.objects import Said, at, containers, items, pod_templates, texts
from kindlab.batch.fence.storage import FOLDER, NOT_BELOW, host_path
from kindlab.labs import Lab

Spec = dict[str, Any]
CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
SYSCTLS = frozenset(
    [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    ]
)
SELINUX = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
ARMOR, SECCOMP = "container.apparmor.security.beta.kubernetes.io/", "seccomp.security.alpha.kubernetes.io/"


def pods(lab: Lab, obj: Obj) -> Iterator[Said]:
    for where, meta, spec in pod_templates(obj):
        for rule in (*OF_PODS, *OF_CONTAINERS):
            for why in rule(lab, spec):
                yield Said(f"{why} ({where}).", _then(why))
        for key, value in at(meta, "annotations").items():
            if key.startswith(ARMOR) and not str(value).startswith(("runtime/default", "localhost/")):
                yield Said(f"Annotation {key}: {value} switches off what confines a container.", "Take it out.")
            if key.startswith(SECCOMP) and value == "unconfined":
                yield Said(f"Annotation {key}: {value} switches off what confines a container.", "Take it out.")


def _then(why: str) -> str:
    if NOT_BELOW in why:
        return f"Name a folder below {FOLDER}, as the lab's own files do."
    return f"Take {why.split()[0]} out: no task of this lab needs it."


def _host_namespaces(lab: Lab, spec: Spec) -> Iterator[str]:
    if spec.get("hostNetwork") and "host-network" not in lab.submission.freedoms:
        yield "hostNetwork puts the Pod into the network of its node"
    if spec.get("hostPID"):
        yield "hostPID lets the Pod see the processes of its node"
    if spec.get("hostIPC"):
        yield "hostIPC lets the Pod into the memory that processes of its node share"


def _volumes(lab: Lab, spec: Spec) -> Iterator[str]:
    for volume in items(spec, "volumes"):
        if "hostPath" in volume and (why := host_path(lab, at(volume, "hostPath").get("path"))):
            yield why


def _sysctls(lab: Lab, spec: Spec) -> Iterator[str]:
    for one in items(at(spec, "securityContext"), "sysctls"):
        if one.get("name") not in SYSCTLS:
            yield f"sysctls: {one.get('name')} is a setting of the node, not only of the Pod"


def _node(lab: Lab, spec: Spec) -> Iterator[str]:
    if spec.get("nodeName") and "node-name" not in lab.submission.freedoms:
        yield "nodeName passes the scheduler by, and no node of that name may be here"


def _priority(lab: Lab, spec: Spec) -> Iterator[str]:
    if str(spec.get("priorityClassName", "")).startswith("system-"):
        yield f"priorityClassName {spec['priorityClassName']} is for the cluster's own Pods"


def _later(lab: Lab, spec: Spec) -> Iterator[str]:
    if spec.get("ephemeralContainers"):
        yield "ephemeralContainers are added to a Pod that runs (kubectl debug), and stand in no file"


def _security(lab: Lab, spec: Spec) -> Iterator[str]:
    """What may stand at the Pod and at its containers."""
    for context in (at(one, "securityContext") for one in (spec, *containers(spec))):
        if at(context, "windowsOptions").get("hostProcess"):
            yield "hostProcess makes a container a program of its node"
        if str(at(context, "seLinuxOptions").get("type") or "") not in SELINUX:
            yield f"seLinuxOptions: type {at(context, 'seLinuxOptions')['type']} is not for containers"
        if at(context, "seLinuxOptions").get("user") or at(context, "seLinuxOptions").get("role"):
            yield "seLinuxOptions may not name a user or a role"
        if at(context, "seccompProfile").get("type") == "Unconfined":
            yield "seccompProfile Unconfined lets a container call all of its node's kernel"
        if at(context, "appArmorProfile").get("type") == "Unconfined":
            yield "appArmorProfile Unconfined switches off what confines a container"


def _privileged(container: Spec) -> Iterator[str]:
    context = at(container, "securityContext")
    if context.get("privileged"):
        yield "privileged makes a container as mighty as its node"
    if added := sorted(set(texts(at(context, "capabilities"), "add")) - CAPABILITIES):
        yield f"capabilities beyond those that containers have anyway: {', '.join(added)[:200]}"
    if context.get("procMount") not in (None, "Default"):
        yield f"procMount {context['procMount']} shows a container what is hidden from it for good reason"


def _hosts(container: Spec) -> Iterator[str]:
    lifecycle = at(container, "lifecycle")
    asking = [at(container, probe) for probe in PROBES] + [at(lifecycle, hook) for hook in ("postStart", "preStop")]
    for handler in asking:
        for how in ("httpGet", "tcpSocket"):
            if host := at(handler, how).get("host"):
                yield f"host: {host} in a probe or a hook lets the node send requests elsewhere than to the Pod"


def _sub_paths(container: Spec) -> Iterator[str]:
    for mount in items(container, "volumeMounts"):
        for key in ("subPath", "subPathExpr"):
            if ".." in str(mount.get(key) or "").split("/"):
                yield f"{key} {mount[key]} leads out of its volume"


def _host_ports(lab: Lab, spec: Spec) -> Iterator[str]:
    if "host-port" in lab.submission.freedoms or spec.get("hostNetwork"):  # there they are the Pod's own ports
        return
    for container in containers(spec):
        for port in items(container, "ports"):
            if port.get("hostPort"):
                yield f"hostPort {port['hostPort']} takes a port of the node"


def _each(rule: Callable[[Spec], Iterator[str]]) -> Callable[[Lab, Spec], Iterator[str]]:
    def of_all(lab: Lab, spec: Spec) -> Iterator[str]:
        for container in containers(spec):
            yield from rule(container)

    return of_all


OF_PODS = (_host_namespaces, _volumes, _sysctls, _node, _priority, _later, _security, _host_ports)
OF_CONTAINERS = tuple(map(_each, (_privileged, _hosts, _sub_paths)))
RULES = (pods,)

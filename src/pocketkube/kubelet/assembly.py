"""From a container's spec to what the runtime starts: user, files, mounts, environment, argv.

Models generateContainerConfig and makeMounts of pkg/kubelet. Left out: SELinux, AppArmor, seccomp, capabilities,
privileged mode, procMount, mount propagation (mounts made later are nowhere to be seen: no container can mount).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pocketkube import objects, sysctls
from pocketkube.kubelet import subpath
from pocketkube.kubelet.cgroup import Limits
from pocketkube.kubelet.container import Config
from pocketkube.kubelet.environment import ConfigError, arguments, expand
from pocketkube.kubelet.filesystem import DIRECTORY, FileSystem, MemoryTree, root_of
from pocketkube.kubelet.volumes.base import Volume
from pocketkube.objects import Obj

if TYPE_CHECKING:
    from pocketkube.images.base import Image


def security(pod: Obj, container: Obj, field: str, default: Any = None) -> Any:
    """A securityContext field: the container's, else the pod's."""
    for holder in (container, objects.spec(pod)):
        value = (holder.get("securityContext") or {}).get(field)
        if value is not None:
            return value
    return default


def full_name(pod: Obj) -> str:
    """`name_namespace(uid)`, as upstream names pods in texts."""
    return f"{objects.name(pod)}_{objects.namespace(pod)}({objects.uid(pod)})"


def check_user(pod: Obj, container: Obj, image: type[Image]) -> None:
    """runAsNonRoot. Raises ConfigError."""
    if not security(pod, container, "runAsNonRoot"):
        return
    where = f'(pod: "{full_name(pod)}", container: {container["name"]})'
    asked = security(pod, container, "runAsUser")
    if asked == 0:
        raise ConfigError(f"container's runAsUser breaks non-root policy {where}")
    if asked is None and image.user == 0:
        raise ConfigError(f"container has runAsNonRoot and image will run as root {where}")


def configure(
    pod: Obj,
    container: Obj,
    image: type[Image],
    *,
    limits: Limits,
    oom_score_adj: int = 0,
    hostname: str,
    environment: Callable[[Obj], dict[str, str]],
    services: Mapping[str, Any],
    volumes: Mapping[str, Volume],
) -> Config:
    """Raises ConfigError."""
    declared = environment(container)
    check_user(pod, container, image)
    pod_security = objects.spec(pod).get("securityContext") or {}
    groups = [*(pod_security.get("supplementalGroups") or ())]
    if pod_security.get("fsGroup") is not None:
        groups.append(pod_security["fsGroup"])
    groups += sorted({volume.group for volume in volumes.values() if volume.group is not None})
    lent = image.system if objects.namespace(pod) == image.home else ()
    argv = arguments(container, image, declared)
    if not argv:
        raise ConfigError("no command specified")
    return Config(
        name=container["name"],
        image=image,
        argv=argv,
        env={**image.env, "HOSTNAME": hostname, **declared},
        workdir=container.get("workingDir") or image.workdir,
        hostname=hostname,
        uid=security(pod, container, "runAsUser", image.user),
        gid=security(pod, container, "runAsGroup", 0),
        groups=tuple(groups),
        no_new_privs=(container.get("securityContext") or {}).get("allowPrivilegeEscalation") is False,
        stdin=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        tty=bool(container.get("tty")),
        message_path=container.get("terminationMessagePath") or "/dev/termination-log",
        message_policy=container.get("terminationMessagePolicy") or "File",
        services={name: services[name] for name in lent if name in services},
        sysctls={sysctls.normal(found["name"]): found["value"] for found in pod_security.get("sysctls") or ()},
        limits=limits,
        oom_score_adj=oom_score_adj,
    )


def files(
    container: Obj,
    config: Config,
    *,
    volumes: Mapping[str, Volume],
    kubelet_files: MemoryTree,
    now: Callable[[], float],
    keep_programs: bool = False,
) -> FileSystem:
    """The container's root with everything mounted. `kubelet_files` holds hosts, hostname, resolv.conf.
    What cannot be mounted there is noted in `config.refused`. Raises ConfigError."""
    fs = root_of(config.image, now=now, keep_programs=keep_programs)
    own = kubelet_files.root.data
    mounted = {mount["mountPath"].rstrip("/") for mount in container.get("volumeMounts") or ()}
    for name in ("hosts", "hostname", "resolv.conf"):
        if f"/etc/{name}" not in mounted:
            fs.mount(f"/etc/{name}", kubelet_files, own[name])
    message = kubelet_files.put(f"message-{config.name}", b"", 0o666)
    fs.mount(config.message_path, kubelet_files, message)
    for mount in sorted(container.get("volumeMounts") or (), key=lambda mount: mount["mountPath"].count("/")):
        volume = volumes[mount["name"]]
        try:
            node = volume.root
            if path := mount.get("subPath") or expand(mount.get("subPathExpr") or "", config.env):
                node = subpath.find(volume, path, mount["name"], container["name"])
            read_only = bool(mount.get("readOnly")) or volume.read_only
            options = ",".join(filter(None, ("relatime", volume.mount_options)))
            target = _target(mount["mountPath"], config.workdir)
            if fs.exists(target) and fs.is_dir(target) != (volume.tree.kind(node) == DIRECTORY):
                config.refused = config.refused or _refusal(mount["name"], target)
                continue
            fs.mount(target, volume.tree, node, read_only=read_only, options=options)
        except OSError as error:
            raise ConfigError(f'failed to mount volume "{mount["name"]}": {error}') from None
    for device in container.get("volumeDevices") or ():
        volume = volumes[device["name"]]
        fs.mount(device["devicePath"], volume.tree, volume.root)
    if security({}, container, "readOnlyRootFilesystem"):
        fs.make_read_only("/")
    return fs


def _refusal(volume: str, target: str) -> str:
    """runc's words for a folder over a file, or the other way round; its source is the volume's name here."""
    return f'error during container init: error mounting "{volume}" to rootfs at "{target}": not a directory: unknown'


def _target(path: str, workdir: str) -> str:
    return path if path.startswith("/") else f"{workdir.rstrip('/')}/{path}"

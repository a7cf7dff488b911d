"""What an image declares. It stands for a real, pinned, pullable image and behaves as that one does.

An image is data (names, entrypoint, environment, files) and programs: `commands` maps the absolute path of each
program to `async def main(process) -> int`, which gets a `pocketkube.kubelet.process.Process`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pocketkube.kubelet.process import Command


class Image:
    """Subclass once per image, name the class `IMAGE` in the module."""

    names: ClassVar[tuple[str, ...]]
    """Every reference it answers to, tag included, normalised: `docker.io/library/nginx:1.27`."""
    size: ClassVar[int] = 10_000_000
    """Bytes, as `kubectl describe pod` shows in the Pulled event; the real image's, roughly."""
    memory: ClassVar[int] = 4 << 20
    """Bytes of the working set of a container that only runs its program; nominal."""
    entrypoint: ClassVar[tuple[str, ...]] = ()
    cmd: ClassVar[tuple[str, ...]] = ()
    env: ClassVar[Mapping[str, str]] = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    workdir: ClassVar[str] = "/"
    user: ClassVar[int] = 0
    stop_signal: ClassVar[str] = "SIGTERM"
    files: ClassVar[Mapping[str, bytes | None]] = {}
    """Absolute path -> content; None makes a directory. Parents are made."""
    commands: ClassVar[Mapping[str, Command]] = {}
    set_id: ClassVar[tuple[str, ...]] = ()
    """Those of `commands` that run as root and its group, whoever starts them (set-user-ID, set-group-ID)."""
    links: ClassVar[Mapping[str, str]] = {}
    """Those of `commands` that are symbolic links to another one, which tells them apart by argv[0]: path -> target."""
    hard_links: ClassVar[Mapping[str, str]] = {}
    """As `links`, for those that are the same file."""
    system: ClassVar[tuple[str, ...]] = ()
    """Cluster services this image is lent (`dns`), when its pod runs in `home`."""
    home: ClassVar[str] = "kube-system"
    """The namespace where it is trusted with them: nobody else's pod gets at the cluster by its image."""

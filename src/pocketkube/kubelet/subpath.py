"""subPath: a file or folder of a volume, mounted instead of the whole.

Models pkg/volume/util/subpath: what is missing is made, a folder with the volume's own permissions; links are followed
inside the volume, and one that leads out of it is refused. What was found stays what is mounted, whatever is put in its
place later: a tree is asked for names, and follows no link itself.
"""

from __future__ import annotations

import errno
from typing import Any

from pocketkube.kubelet.environment import ConfigError
from pocketkube.kubelet.filesystem import DIRECTORY, FileSystem, MemoryTree
from pocketkube.kubelet.filesystem.tree import failure
from pocketkube.kubelet.volumes.base import Volume


def find(volume: Volume, path: str, mount: str, container: str) -> Any:
    """The node of the volume's tree that `path` names. Raises ConfigError."""
    if path.startswith("/"):
        raise ConfigError(f"error SubPath `{path}` must not be an absolute path")
    if ".." in path.split("/"):
        raise ConfigError(f"unable to provision SubPath `{path}`: must not contain '..'")
    about = f'volumeMount "{mount}" of container "{container}"'
    inside = FileSystem(volume.tree, node=volume.root)
    try:
        where = inside.beneath(path)
    except OSError:
        raise ConfigError(f"failed to prepare subPath for {about}") from None
    if volume.tree.kind(volume.root) == DIRECTORY and not inside.exists(where):
        try:
            _make(volume, inside, where)
        except OSError:
            raise ConfigError(f"failed to create subPath directory for {about}") from None
    try:
        return inside.node(where)
    except OSError:
        raise ConfigError(f"failed to prepare subPath for {about}") from None


def _make(volume: Volume, inside: FileSystem, where: str) -> None:
    if volume.read_only and not isinstance(volume.tree, MemoryTree):  # the kubelet itself writes what is in memory
        raise failure(errno.EROFS)
    inside.mkdir(where, 0o777, parents=True)
    inside.chmod(where, inside.stat("/").mode)

"""The disk of a node: what a hostPath finds there before anybody has written to it.

Models the folders of a Debian system and its /etc/hosts, as on a kind node. There are no programs and no devices on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pocketkube.kubelet.filesystem import FileSystem, HostTree

_FOLDERS: Final = {
    **dict.fromkeys(("/etc", "/home", "/mnt", "/opt", "/srv", "/usr", "/var", "/var/lib", "/var/log"), 0o755),
    "/root": 0o700,
    "/tmp": 0o1777,
    "/var/tmp": 0o1777,
}
HOSTS: Final = "/etc/hosts"
_LOCAL: Final = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def open_disk(folder: Path, node_name: str, addresses: Sequence[str]) -> HostTree:
    """The tree of a node's disk, which is `folder`; made when it is opened for the first time."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    tree = HostTree.of(folder)
    disk = FileSystem(tree)
    if not disk.exists("/etc"):
        for path, mode in _FOLDERS.items():
            if not disk.exists(path):
                disk.mkdir(path)
                disk.chmod(path, mode)
        hosts = _LOCAL + "".join(f"{address}\t{node_name}\n" for address in addresses)
        disk.write_bytes(HOSTS, hosts.encode())
        disk.write_bytes("/etc/hostname", f"{node_name}\n".encode())
    return tree


def hosts_of(tree: HostTree) -> str:
    """The node's /etc/hosts as it is now; nothing when somebody took it away."""
    disk = FileSystem(tree)
    return disk.read_bytes(HOSTS).decode(errors="replace") if disk.exists(HOSTS) else ""

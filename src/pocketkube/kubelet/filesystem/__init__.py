"""The files of a container: an in-memory root over its image, mounts, and path lookup that never leaves them."""

from pocketkube.kubelet.filesystem.device import DeviceTree
from pocketkube.kubelet.filesystem.file import File
from pocketkube.kubelet.filesystem.host import HostTree
from pocketkube.kubelet.filesystem.memory import Inode, MemoryTree, tree_of
from pocketkube.kubelet.filesystem.rootfs import root_of
from pocketkube.kubelet.filesystem.system import FileSystem
from pocketkube.kubelet.filesystem.tree import BLOCK_DEVICE, DEVICE, DIRECTORY, FILE, SYMLINK, Stat, Tree, Usage

__all__ = [
    "BLOCK_DEVICE",
    "DEVICE",
    "DIRECTORY",
    "FILE",
    "SYMLINK",
    "DeviceTree",
    "File",
    "FileSystem",
    "HostTree",
    "Inode",
    "MemoryTree",
    "Stat",
    "Tree",
    "Usage",
    "root_of",
    "tree_of",
]

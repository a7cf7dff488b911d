"""A container's root: the image's files, made once per image and shared, under a private writable layer.

Programs appear as files of mode 0755 whose first bytes name them (`PROGRAM`), so a copy of a program runs too, even in
another container that shares the volume it was copied to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pocketkube.kubelet.filesystem.memory import WRITABLE_LAYER, Inode, MemoryTree
from pocketkube.kubelet.filesystem.procfs import PROC
from pocketkube.kubelet.filesystem.special import DEV
from pocketkube.kubelet.filesystem.sysfs import CGROUP, SYS
from pocketkube.kubelet.filesystem.system import FileSystem

if TYPE_CHECKING:
    from pocketkube.images.base import Image
    from pocketkube.kubelet.process import Command

BUILT = 1_767_225_600.0
"""When every image's files were last changed: 2026-01-01."""
PROGRAM = b"\x7fELF pocketkube "
_PROGRAMS: dict[bytes, Command] = {}
_BASES: dict[type[Image], Inode] = {}
_KEPT: dict[type[Image], dict[str, MemoryTree]] = {}
# where the kubelet mounts things: made once here rather than in every container
_FOLDERS = {"/dev": 0o755, "/proc": 0o555, "/sys": 0o555, "/etc": 0o755, "/root": 0o700, "/tmp": 0o1777, "/run": 0o755}
_FILES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
_PROGRAM_FOLDERS = ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/etc/alternatives")
_TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
_USERS = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
_GROUPS = b"root:x:0:\nnobody:x:65534:\n"


def command_in(head: bytes) -> Command | None:
    """The program whose file begins with these bytes, if it is one of ours."""
    return _PROGRAMS.get(head.split(b"\n", 1)[0]) if head.startswith(PROGRAM) else None


def base_of(image: type[Image]) -> Inode:
    """The image's files, marked shared; made once."""
    if image not in _BASES:
        _BASES[image] = _unpack(image)
    return _BASES[image]


def _unpack(image: type[Image]) -> Inode:
    tree = MemoryTree(now=lambda: BUILT)
    for path, mode in _FOLDERS.items():
        tree.folder(path).mode = mode
    tree.folder(_TOKEN_FOLDER)
    for path, content in {"/etc/passwd": _USERS, "/etc/group": _GROUPS, **image.files}.items():
        if content is None:
            tree.folder(path)
        else:
            tree.put(path, content, 0o755 if content.startswith(b"#!") else 0o644)
    for path in _FILES:
        if path not in image.files:
            tree.put(path, b"")
    for path, command in image.commands.items():
        if path in image.links or path in image.hard_links:
            continue
        head = PROGRAM + f"{image.__module__}.{image.__qualname__} {path}".encode()
        _PROGRAMS[head] = command
        tree.put(path, head + b"\n", 0o6755 if path in image.set_id else 0o755)
    for path, target in image.links.items():
        tree.symlink(path, target)
    for path, target in image.hard_links.items():
        tree.hard_link(path, target)
    return tree.root.share()


def root_of(image: type[Image], *, now: Callable[[], float] = time.time, keep_programs: bool = False) -> FileSystem:
    """A fresh container's files: its image, /dev, /proc and /sys. `keep_programs`: the folders of its programs are
    read-only."""
    root = MemoryTree(base_of(image), now=now, capacity=WRITABLE_LAYER, fstype="overlay", source="overlay")
    fs = FileSystem(root, now=now)
    fs.mount("/proc", PROC, options="nosuid,nodev,noexec,relatime")
    fs.mount("/dev", DEV, options="nosuid,size=65536k,mode=755")
    fs.mount("/sys", SYS, read_only=True, options="nosuid,nodev,noexec,relatime")
    fs.mount("/sys/fs/cgroup", CGROUP, read_only=True, options="nosuid,nodev,noexec,relatime")
    for folder, tree in _program_folders(image) if keep_programs else ():
        if fs.realpath(folder) != folder:
            fs.unlink(folder)  # a link could be led elsewhere
        fs.mount(folder, tree, read_only=True)
    return fs


def _program_folders(image: type[Image]) -> Iterable[tuple[str, MemoryTree]]:
    """Those of the image, each as a tree of its own; one for all its containers, as nobody writes."""
    if image not in _KEPT:
        fs = FileSystem(MemoryTree(base_of(image)))
        there = [folder for folder in _PROGRAM_FOLDERS if fs.exists(folder)]
        _KEPT[image] = {at: MemoryTree(fs.node(at), fstype="overlay", source="overlay") for at in there}
    return _KEPT[image].items()

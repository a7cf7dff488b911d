"""fsGroup: a volume given to a group when it is mounted.

Models pkg/volume/volume_linux.go (SetVolumeOwnership) with fsGroupChangePolicy.
"""

from __future__ import annotations

from typing import Any

from pocketkube import objects
from pocketkube.kubelet.filesystem import DIRECTORY, SYMLINK, Tree
from pocketkube.kubelet.filesystem.walk import Seer
from pocketkube.objects import Obj

_WRITE, _READ, _SEARCH, _SET_GROUP = 0o660, 0o440, 0o110, 0o2000
_KUBELET = Seer()


def give_to_group(tree: Tree, root: Any, pod: Obj, *, read_only: bool = False) -> None:
    """Make everything from `root` down the pod's fsGroup's, which may then read it and, unless `read_only`, write."""
    security = objects.spec(pod).get("securityContext") or {}
    group = security.get("fsGroup")
    if group is None:
        return
    bits = _READ if read_only else _WRITE
    if security.get("fsGroupChangePolicy") == "OnRootMismatch" and _is_given(tree, root, group, bits):
        return
    todo = [root]
    while todo:
        node = todo.pop()
        kind = tree.kind(node)
        if kind == SYMLINK:
            tree.change(node, gid=group)
            continue
        has = tree.stat(node, _KUBELET)
        wants = has.mode | bits | (_SEARCH | _SET_GROUP if kind == DIRECTORY else 0)
        if (has.mode, has.gid) != (wants, group):
            tree.change(node, mode=wants, gid=group)
        if kind == DIRECTORY:
            found = (tree.lookup(node, name, _KUBELET) for name in tree.names(node, _KUBELET))
            todo += [child for child in found if child is not None]


def _is_given(tree: Tree, root: Any, group: int, bits: int) -> bool:
    has = tree.stat(root, _KUBELET)
    wants = bits | _SEARCH | _SET_GROUP
    return has.gid == group and has.mode & wants == wants

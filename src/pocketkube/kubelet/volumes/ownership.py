"""fsGroup: a volume given to a group when it is mounted.

Models pkg/volume/volume_linux.go (SetVolumeOwnership) with fsGroupChangePolicy.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from pocketkube import objects
from pocketkube.kubelet.filesystem import DIRECTORY, SYMLINK, Tree
from pocketkube.kubelet.filesystem.walk import Seer
from pocketkube.objects import Obj

_WRITE, _READ, _SEARCH, _SET_GROUP = 0o660, 0o440, 0o110, 0o2000
_KUBELET = Seer()


STEP = 0.005
"""Seconds after which others get their turn."""


class Giving:
    """Makes everything from `root` down the pod's fsGroup's, which may then read it and, unless `read_only`, write."""

    def __init__(self, tree: Tree, root: Any, pod: Obj, *, read_only: bool = False) -> None:
        security = objects.spec(pod).get("securityContext") or {}
        group: int | None = security.get("fsGroup")
        self._tree = tree
        self._group = group
        self._bits = _READ if read_only else _WRITE
        self._todo: list[tuple[Any, str]] = [] if group is None else [(root, "")]
        """(folder, name in it) of what is left; a name of "" is the folder itself."""
        if group is not None and security.get("fsGroupChangePolicy") == "OnRootMismatch":
            self._todo = [] if _is_given(tree, root, group, self._bits) else [(root, "")]

    def go_on(self) -> bool:
        """Do a part of it. Whether that was the last."""
        tree, group, end = self._tree, self._group, time.monotonic() + STEP
        while self._todo:
            node, name = self._todo.pop()
            with suppress(FileNotFoundError, NotADirectoryError):  # gone since it was seen: other pods may use it too
                if name and (node := tree.lookup(node, name, _KUBELET)) is None:
                    continue
                kind = tree.kind(node)
                has = tree.stat(node, _KUBELET)
                wants = has.mode | self._bits | (_SEARCH | _SET_GROUP if kind == DIRECTORY else 0)
                if kind == SYMLINK:
                    tree.change(node, gid=group)
                elif (has.mode, has.gid) != (wants, group):
                    tree.change(node, mode=wants, gid=group)
                if kind == DIRECTORY:
                    self._todo += [(node, name) for name in tree.names(node, _KUBELET)]
            if time.monotonic() >= end:
                break
        return not self._todo


def _is_given(tree: Tree, root: Any, group: int, bits: int) -> bool:
    has = tree.stat(root, _KUBELET)
    wants = bits | _SEARCH | _SET_GROUP
    return has.gid == group and has.mode & wants == wants

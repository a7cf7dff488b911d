"""What a volume plugin is: it makes a pod's volume and says where containers find it.

Models pkg/volume (plugins, SetUp, the atomic writer of volumes made of API objects). One file per plugin, found by a
folder scan; a volume whose type no plugin here declares keeps its pod in ContainerCreating, with an event that says so.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from pocketkube.client import Client
from pocketkube.clock import Clock
from pocketkube.kubelet.filesystem import MemoryTree, Tree
from pocketkube.objects import Key, Obj


class MountError(Exception):
    """The volume cannot be mounted (yet): `MountVolume.SetUp failed for volume "v" : <text>`."""


@dataclass
class Context:
    """What plugins work with. `folder` is this volume's own on the node's disk (made when used)."""

    client: Client
    clock: Clock
    pod: Obj
    folder: Path
    node_folder: Path
    """The node's simulated disk, for hostPath."""
    host_trees: dict[Path, Tree]
    """One tree per host folder and node, so that those who share a folder share its owners and modes."""
    field_status: Callable[[], Mapping[str, str]]
    """podIP, podIPs, hostIP, hostIPs of the pod."""
    allocatable: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[str, Any] = field(default_factory=dict)
    fs_group: int | None = None


class Payload(NamedTuple):
    content: bytes
    mode: int


class Volume:
    """Subclass once per volume type, name the class `VOLUME` in the module, set `type` to the field in the pod spec."""

    type: ClassVar[str]

    def __init__(self, context: Context, name: str, source: Obj) -> None:
        self.context = context
        self.name = name
        self.source = source

    def set_up(self) -> None:
        """Make the volume. Raises MountError; then it is called again later."""
        raise NotImplementedError

    @property
    def tree(self) -> Tree:
        """What containers mount."""
        raise NotImplementedError

    @property
    def root(self) -> Any:
        """The node of `tree` that is the volume, where that is not its root."""
        return self.tree.root

    read_only: bool = False
    """Whether containers can never write to it."""

    def depends_on(self) -> Iterable[tuple[str, Key]]:
        """(resource, key) of the objects it shows; `refresh` is called when one changes."""
        return ()

    def refresh(self) -> None:
        """Show what the objects say now. Raises MountError; then the volume stays as it was."""

    def tear_down(self) -> None:
        """The pod is gone."""


class ObjectVolume(Volume):
    """A volume made of API objects: files below a `..data` link that is switched to a new folder on each change."""

    read_only = True

    def __init__(self, context: Context, name: str, source: Obj) -> None:
        super().__init__(context, name, source)
        self._tree = MemoryTree(now=context.clock.time, mode=0o777 | 0o1000)
        self._shown: dict[str, Payload] | None = None

    @property
    def tree(self) -> MemoryTree:
        return self._tree

    def payload(self) -> dict[str, Payload]:
        """Relative path -> file. Raises MountError."""
        raise NotImplementedError

    def set_up(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        payload = self.payload()
        if payload == self._shown:
            return
        tree, root = self._tree, self._tree.root
        stamp = (
            f"..{self.context.clock.now().replace('-', '_').replace(':', '_').rstrip('Z')}.{secrets.randbelow(2**31)}"
        )
        folder = tree.folder(stamp)
        group = self.context.fs_group
        for path, (content, mode) in payload.items():
            node = tree.put(f"{stamp}/{path}", content, mode if group is None else mode | 0o440)
            node.gid = group or 0
        if group is not None:
            folder.gid, folder.mode = group, 0o2755
        before = root.data.get("..data")
        tree.symlink("..data", stamp)
        if before is not None:
            root.data.pop(before.data, None)
        tops = {path.split("/", 1)[0] for path in payload}
        for name in [name for name in root.data if not name.startswith("..") and name not in tops]:
            del root.data[name]
        for name in tops:
            if name not in root.data:
                tree.symlink(name, f"..data/{name}")
        self._shown = payload


def select(
    values: Mapping[str, bytes], items: Iterable[Obj] | None, mode: int, *, optional: bool, missing: str
) -> dict[str, Payload]:
    """All values under their keys, or the chosen `items` under their paths. Raises MountError(`missing`: <key>)."""
    if not items:
        return {key: Payload(value, mode) for key, value in values.items()}
    chosen = {}
    for item in items:
        if item["key"] not in values:
            if optional:
                continue
            raise MountError(f"{missing}: {item['key']}")
        chosen[item["path"].strip("/")] = Payload(values[item["key"]], item.get("mode", mode))
    return chosen

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

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.clock import Clock
from pocketkube.kubelet.filesystem import HostTree, MemoryTree, Tree
from pocketkube.kubelet.volumes.inuse import VolumesInUse
from pocketkube.kubelet.volumes.ownership import Giving
from pocketkube.objects import Key, Obj

SET_UP = "MountVolume.SetUp failed"


class MountError(Exception):
    """The volume cannot be mounted (yet): the event `<step> for volume "v" : <text>`."""

    def __init__(self, text: str, step: str = SET_UP, reason: str = "FailedMount") -> None:
        super().__init__(text)
        self.step = step
        self.reason = reason


class NotProcessed(Exception):
    """What the volume is cannot be told (yet): its claim is missing, not bound, or of another mode."""


class NotAttached(Exception):
    """The volume is not attached to this node yet: nothing to say but to wait."""


class NotReady(Exception):
    """The volume is being made ready, a part at a time: `set_up` wants to be called again at once."""


@dataclass
class Context:
    """What plugins work with. `folder` is this volume's own on the node's disk (made when used)."""

    client: Client
    clock: Clock
    pod: Obj
    folder: Path
    disk: Callable[[], HostTree]
    """Opens the node's disk, for hostPath."""
    node_name: str
    in_use: VolumesInUse
    wake: Callable[[], None]
    """Asks for a look at the pod."""
    field_status: Callable[[], Mapping[str, str]]
    """podIP, podIPs, hostIP, hostIPs of the pod."""
    allocatable: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[str, Any] = field(default_factory=dict)
    fs_group: int | None = None
    mounted: bool = True
    """A container mounts it (volumeMounts)."""
    mapped: bool = False
    """A container has it as a device (volumeDevices)."""
    persistent: Obj | None = None
    """The PersistentVolume behind a claim."""
    read_only: bool = False
    """What the claim's entry in the pod asks for."""


class Payload(NamedTuple):
    content: bytes
    mode: int


class Volume:
    """Subclass once per volume type, name the class `VOLUME` in the module, set `type` to the field in the pod spec.

    A class named `PERSISTENT` (it may be the same) is the plugin of PersistentVolumes with that source.
    """

    type: ClassVar[str]

    def __init__(self, context: Context, name: str, source: Obj) -> None:
        self.context = context
        self.name = name
        self.source = source

    @property
    def spec_name(self) -> str:
        """How events name it: a PersistentVolume's name, else the name in the pod."""
        volume = self.context.persistent
        return self.name if volume is None else objects.name(volume)

    def set_up(self) -> None:
        """Make the volume. Raises MountError, NotProcessed, NotAttached, NotReady; then it is called again later."""
        raise NotImplementedError

    _tree: Tree | None = None
    _root: Any = None
    """What `set_up` made: the tree, and which node of it is the volume where that is not its root."""

    @property
    def tree(self) -> Tree:
        """What containers mount."""
        assert self._tree is not None, "set_up comes first"
        return self._tree

    @property
    def root(self) -> Any:
        """The node of `tree` that is the volume."""
        return self.tree.root if self._root is None else self._root

    read_only: bool = False
    """Whether containers can never write to it."""
    group: int | None = None
    """A group its pod's processes are in because of it."""
    mount_options: str = ""
    """Beyond the usual ones, as `mount` shows them."""

    _giving: Giving | None = None

    def give_to_group(self) -> None:
        """Give a volume that may hold much to the pod's fsGroup. Raises NotReady until that is done."""
        if self._giving is None:
            self._giving = Giving(self.tree, self.root, self.context.pod, read_only=self.read_only)
        if not self._giving.go_on():
            raise NotReady
        self._giving = None

    def depends_on(self) -> Iterable[tuple[str, Key]]:
        """(resource, key) of the objects it shows or waits for; `refresh` (or, as long as it is not mounted, `set_up`)
        is called when one changes."""
        return ()

    def refresh(self) -> None:
        """Show what the objects say now. Raises MountError; then the volume stays as it was."""

    @property
    def due(self) -> float | None:
        """When `refresh` is to be called without news, in cluster time."""
        return None

    @property
    def excess(self) -> str:
        """Why its pod has to be evicted; "" when it has not."""
        return ""

    def tear_down(self) -> None:
        """The pod needs it no more; also called when it never came to be mounted."""


class ObjectVolume(Volume):
    """A volume made of API objects: files below a `..data` link that is switched to a new folder on each change."""

    read_only = True
    _tree: MemoryTree

    def __init__(self, context: Context, name: str, source: Obj) -> None:
        super().__init__(context, name, source)
        self._tree = MemoryTree(now=context.clock.time, mode=0o777 | 0o1000)
        self._shown: dict[str, Payload] | None = None

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

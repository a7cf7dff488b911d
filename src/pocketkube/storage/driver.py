"""hostpath.csi.k8s.io: volumes and snapshots as folders below one folder.

Models csi-driver-host-path v1.18.0: its answers, error codes and texts included, as started with
`--enable-controller-modify-volume --accepted-mutable-parameter-names=type`. A call that fails leaves nothing behind; a
process that dies in the middle of one neither, after `recover`. What a clone or snapshot holds: see copying.py.

Of our own: a full disk is ResourceExhausted; two calls for the same name at the same time are Aborted instead of one
after the other, and so is deleting what is being copied; a block volume is a sparse file, of the size asked for.
Left out: capacity by kind of storage, group snapshots, volume health, changed blocks, the driver's own attach limit.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from pocketkube.storage import copying
from pocketkube.storage.records import Records

NAME: Final = "hostpath.csi.k8s.io"
TOPOLOGY_KEY: Final = "topology.hostpath.csi/node"
MAX_VOLUME_SIZE: Final = 1 << 40
EPHEMERAL_SIZE: Final = 100 << 20
MUTABLE: Final = ("type",)
"""Names of the parameters that a volume can be modified by."""
_KIND: Final = "kind"
_EPHEMERAL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}\Z")


class RpcError(Exception):
    """What a CSI call answers instead of a result. `str()` is gRPC's text: `rpc error: code = <code> desc = <text>`."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"rpc error: code = {code} desc = {text}")
        self.code = code
        self.text = text

    @property
    def is_final(self) -> bool:
        """Whether the call is over; after the other codes the driver may still be at it."""
        return self.code not in ("Canceled", "DeadlineExceeded", "Unavailable", "ResourceExhausted", "Aborted")


@dataclass(frozen=True)
class Volume:
    """`capacity` in bytes; `block`: one file instead of a folder; `from_*`: id of what it was made of."""

    id: str
    name: str
    capacity: int
    block: bool = False
    ephemeral: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)
    from_snapshot: str = ""
    from_volume: str = ""


@dataclass(frozen=True)
class Snapshot:
    """`created`: seconds since the epoch; `size` in bytes, what a volume made of it has at least."""

    id: str
    name: str
    volume: str
    created: float
    size: int
    ready: bool = True
    block: bool = False


@dataclass(frozen=True)
class NodeInfo:
    """NodeGetInfo: the driver's name for a node, how many volumes the node takes (0: no limit) and where it is."""

    id: str
    max_volumes: int
    topology: Mapping[str, str]


class HostPathDriver:
    """`folder` is made when needed. Creating calls can be repeated: same name, same result (as CSI asks)."""

    def __init__(self, folder: Path, max_volumes_per_node: int = 0) -> None:
        self.folder = folder
        self.max_volumes_per_node = max_volumes_per_node
        """0: no limit."""
        self._volumes = Records(folder / "volumes", Volume)
        self._snapshots = Records(folder / "snapshots", Snapshot)
        self._making: set[str] = set()
        """Names of what is being made."""
        self._sources: list[str] = []
        """Ids of what is being copied, once for each copy."""
        self._uuid_node = secrets.randbits(48) | 1 << 40  # a multicast address: no machine's own

    def recover(self) -> None:
        """Remove what a process that died left half made."""
        self._volumes.recover()
        self._snapshots.recover()

    def capacity(self) -> tuple[int, int]:
        """(bytes available, largest volume), as GetCapacity answers."""
        return MAX_VOLUME_SIZE, MAX_VOLUME_SIZE

    async def create_volume(
        self,
        name: str,
        capacity: int,
        *,
        block: bool = False,
        parameters: Mapping[str, str] | None = None,
        mutable: Mapping[str, str] | None = None,
        snapshot: str = "",
        volume: str = "",
    ) -> Volume:
        """Empty, or with the content of a snapshot or volume of that id. Raises RpcError.

        `parameters`: of the class; `mutable`: of a VolumeAttributesClass."""
        _check_mutable(mutable or {})
        if not name:
            raise RpcError("InvalidArgument", "Name missing in request")
        if (existing := self._volumes.named(name)) is not None:
            return _same(existing, capacity, snapshot, volume)
        _check_size(capacity)
        _check_kind(parameters or {})
        made = Volume(self._new_id(), name, capacity, block, False, dict(parameters or {}), snapshot, volume)
        with self._alone(name):
            source = self._source(made)
            with _telling("create volume"), self._volumes.making(made) as data:
                if source is None:
                    _make_empty(data, made)
                else:
                    with self._copied(snapshot or volume):
                        await copying.copy(source, data)
                    if block:
                        os.truncate(data, capacity)
        return made

    def delete_volume(self, volume_id: str) -> None:
        """What is not there is fine. Raises RpcError."""
        if (volume := self._volumes.find(volume_id)) is not None:
            self._check_not_copied(volume_id)
            with _telling(f"delete volume {volume_id}"):
                self._volumes.delete(volume)

    async def create_snapshot(self, name: str, volume_id: str) -> Snapshot:
        """The volume as it is now. Raises RpcError."""
        if not name:
            raise RpcError("InvalidArgument", "Name missing in request")
        if (existing := self._snapshots.named(name)) is not None:
            if existing.volume == volume_id:
                return existing
            text = f"snapshot with the same name: {name} but with different SourceVolumeId already exist"
            raise RpcError("AlreadyExists", text)
        volume = self._volume(volume_id)
        made = Snapshot(self._new_id(), name, volume_id, time.time(), volume.capacity, block=volume.block)
        with (
            self._alone(name),
            _telling("create snapshot"),
            self._snapshots.making(made) as data,
            self._copied(volume_id),
        ):
            await copying.copy(self._volumes.data(volume), data)
        return made

    def delete_snapshot(self, snapshot_id: str) -> None:
        """What is not there is fine. Raises RpcError."""
        if (snapshot := self._snapshots.find(snapshot_id)) is not None:
            self._check_not_copied(snapshot_id)
            with _telling(f"delete snapshot {snapshot_id}"):
                self._snapshots.delete(snapshot)

    def find_snapshot(self, snapshot_id: str) -> Snapshot | None:
        return self._snapshots.find(snapshot_id)

    def find_volume(self, volume_id: str) -> Volume | None:
        return self._volumes.find(volume_id)

    def expand(self, volume_id: str, capacity: int) -> int:
        """The capacity it has now. Raises RpcError (OutOfRange, NotFound)."""
        _check_size(capacity)
        volume = self._volume(volume_id)
        if volume.capacity < capacity:
            with _telling(f"expand volume {volume_id}"):
                if volume.block:
                    os.truncate(self._volumes.data(volume), capacity)
                volume = replace(volume, capacity=capacity)
                self._volumes.replace(volume)
        return volume.capacity

    def modify(self, volume_id: str, parameters: Mapping[str, str]) -> None:
        """ControllerModifyVolume. Raises RpcError (InvalidArgument: a parameter it does not take)."""
        if not parameters:
            raise RpcError("InvalidArgument", "Mutable parameters cannot be empty")
        _check_mutable(parameters)
        if self._volumes.find(volume_id) is None:
            raise _wrapped(_no_volume(volume_id))

    # -- what a node's kubelet asks

    def node_info(self, node: str) -> NodeInfo:
        return NodeInfo(node, self.max_volumes_per_node, {TOPOLOGY_KEY: node})

    def node_publish(self, volume_id: str) -> Path:
        """The folder of the volume's files, or the file that is its blocks. Raises RpcError (NotFound)."""
        return self._volumes.data(self._volume(volume_id))

    def node_publish_ephemeral(self, volume_id: str, attributes: Mapping[str, str]) -> Path:
        """The folder of an inline volume (CSIVolumeSource), made now. Raises RpcError."""
        if not _EPHEMERAL_ID.match(volume_id):
            raise RpcError("InvalidArgument", f"volume id {volume_id!r} is no name of a folder")
        name = f"ephemeral-{volume_id}"
        if (volume := self._volumes.named(name)) is None:
            if self._volumes.find(volume_id) is not None:
                raise RpcError("AlreadyExists", f"volume id {volume_id} is the id of a persistent volume")
            _check_kind(attributes)
            volume = Volume(volume_id, name, EPHEMERAL_SIZE, ephemeral=True)
            with _telling(f"create volume {volume_id}"), self._volumes.making(volume) as data:
                _make_empty(data, volume)
        return self._volumes.data(volume)

    def node_unpublish_ephemeral(self, volume_id: str) -> None:
        """Delete an inline volume. What is not there, or persistent, is left as it is."""
        volume = self._volumes.find(volume_id)
        if volume is not None and volume.ephemeral:
            self.delete_volume(volume_id)

    # -- inside

    def _new_id(self) -> str:
        return str(uuid.uuid1(self._uuid_node))

    def _volume(self, volume_id: str) -> Volume:
        volume = self._volumes.find(volume_id)
        if volume is None:
            raise _no_volume(volume_id)
        return volume

    def _source(self, made: Volume) -> Path | None:
        """Where the content of a new volume comes from. Raises RpcError."""
        if made.from_snapshot:
            snapshot = self._snapshots.find(made.from_snapshot)
            if snapshot is None:
                text = f"snapshot id {made.from_snapshot} does not exist in the snapshots list"
                raise RpcError("NotFound", text)
            if snapshot.size > made.capacity:
                text = f"size {snapshot.size} is greater than requested volume size {made.capacity}"
                raise RpcError("InvalidArgument", f"snapshot {snapshot.id} {text}")
            if snapshot.block is not made.block:
                is_of, wanted = ("blocks", "files") if snapshot.block else ("files", "blocks")
                text = f"failed pre-populate data from snapshot {snapshot.id}: it is of {is_of}, the volume of {wanted}"
                raise RpcError("Unknown", text)
            return self._snapshots.data(snapshot)
        if made.from_volume:
            volume = self._volume(made.from_volume)
            if volume.capacity > made.capacity:
                text = f"size {volume.capacity} is greater than requested volume size {made.capacity}"
                raise RpcError("InvalidArgument", f"volume {volume.id} {text}")
            if volume.block is not made.block:
                text = f"volume {volume.id} mode is not compatible with requested mode"
                raise RpcError("InvalidArgument", text)
            return self._volumes.data(volume)
        return None

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        if name in self._making:
            raise RpcError("Aborted", f"An operation with the given name {name} is already in progress")
        self._making.add(name)
        try:
            yield
        finally:
            self._making.discard(name)

    @contextmanager
    def _copied(self, id: str) -> Iterator[None]:
        self._sources.append(id)
        try:
            yield
        finally:
            self._sources.remove(id)

    def _check_not_copied(self, id: str) -> None:
        if id in self._sources:
            raise RpcError("Aborted", f"{id} is being copied: it can be deleted once that is done")


def _same(existing: Volume, capacity: int, snapshot: str, volume: str) -> Volume:
    """The volume that a repeated call is answered with. Raises RpcError."""
    if existing.capacity < capacity:
        text = f"Volume with the same name: {existing.name} but with different size already exist"
        raise RpcError("AlreadyExists", text)
    if snapshot and existing.from_snapshot and existing.from_snapshot != snapshot:
        raise RpcError("AlreadyExists", "existing volume source snapshot id not matching")
    if volume and existing.from_volume != volume:
        raise RpcError("AlreadyExists", "existing volume source volume id not matching")
    return existing


def _make_empty(data: Path, volume: Volume) -> None:
    if volume.block:
        with data.open("xb") as file:
            file.truncate(volume.capacity)
    else:
        data.mkdir()
        data.chmod(0o755)  # whatever the umask


def _check_size(capacity: int) -> None:
    if capacity < 0:
        raise RpcError("InvalidArgument", "cannot have negative capacity")
    if capacity > MAX_VOLUME_SIZE:
        raise RpcError("OutOfRange", f"Requested capacity {capacity} exceeds maximum allowed {MAX_VOLUME_SIZE}")


def _check_kind(parameters: Mapping[str, str]) -> None:
    if kind := parameters.get(_KIND):
        raise RpcError("InvalidArgument", f'capacity tracking disabled, specifying kind "{kind}" is invalid')


def _check_mutable(parameters: Collection[str]) -> None:
    if unsupported := [name for name in parameters if name not in MUTABLE]:
        raise RpcError("InvalidArgument", f"invalid parameters: [{' '.join(unsupported)}]")


def _no_volume(volume_id: str) -> RpcError:
    return RpcError("NotFound", f"volume id {volume_id} does not exist in the volumes list")


def _wrapped(error: RpcError) -> RpcError:
    """As a call of the driver passes on what its state said: with the text of the whole error."""
    return RpcError(error.code, str(error))


@contextmanager
def _telling(what: str) -> Iterator[None]:
    """Failures of the file system as answers."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise RpcError("ResourceExhausted" if full else "Internal", f"failed to {what}: {error.strerror}") from error

"""hostpath.csi.k8s.io: volumes and snapshots as folders below one folder.

Models csi-driver-host-path v1.18.0: its answers, error codes and texts included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

NAME: Final = "hostpath.csi.k8s.io"
TOPOLOGY_KEY: Final = "topology.hostpath.csi/node"


class RpcError(Exception):
    """What a CSI call answers instead of a result. `str()` is gRPC's text: `rpc error: code = <code> desc = <text>`."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"rpc error: code = {code} desc = {text}")
        self.code = code
        self.text = text


@dataclass(frozen=True)
class Volume:
    """`capacity` in bytes; `block`: one file instead of a folder."""

    id: str
    name: str
    capacity: int
    block: bool = False
    ephemeral: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Snapshot:
    """`created`: seconds since the epoch; `size` in bytes, what a volume made of it has at least."""

    id: str
    name: str
    volume: str
    created: float
    size: int
    ready: bool = True


class HostPathDriver:
    """`folder` is made when needed. Creating calls can be repeated: same name, same result (as CSI asks)."""

    def __init__(self, folder: Path, max_volumes_per_node: int = 0) -> None:
        self.folder = folder
        self.max_volumes_per_node = max_volumes_per_node
        """0: no limit."""

    def recover(self) -> None:
        """Remove what a process that died left half made."""

    async def create_volume(
        self,
        name: str,
        capacity: int,
        *,
        block: bool = False,
        parameters: Mapping[str, str] | None = None,
        snapshot: str = "",
        volume: str = "",
    ) -> Volume:
        """Empty, or with the content of a snapshot or volume of that id. Raises RpcError."""
        raise NotImplementedError

    def delete_volume(self, volume_id: str) -> None:
        """What is not there is fine. Raises RpcError."""
        raise NotImplementedError

    async def create_snapshot(self, name: str, volume_id: str) -> Snapshot:
        """The volume as it is now. Raises RpcError."""
        raise NotImplementedError

    def delete_snapshot(self, snapshot_id: str) -> None:
        """What is not there is fine. Raises RpcError."""
        raise NotImplementedError

    def find_snapshot(self, snapshot_id: str) -> Snapshot | None:
        raise NotImplementedError

    def find_volume(self, volume_id: str) -> Volume | None:
        raise NotImplementedError

    def expand(self, volume_id: str, capacity: int) -> int:
        """The capacity it has now. Raises RpcError (OutOfRange, NotFound)."""
        raise NotImplementedError

    def modify(self, volume_id: str, parameters: Mapping[str, str]) -> None:
        """ControllerModifyVolume. Raises RpcError (InvalidArgument: a parameter it does not take)."""
        raise NotImplementedError

    # -- what a node's kubelet asks

    def node_publish(self, volume_id: str) -> Path:
        """The folder of the volume's files, or the file that is its blocks. Raises RpcError (NotFound)."""
        raise NotImplementedError

    def node_publish_ephemeral(self, volume_id: str, attributes: Mapping[str, str]) -> Path:
        """The folder of an inline volume (CSIVolumeSource), made now. Raises RpcError."""
        raise NotImplementedError

    def node_unpublish_ephemeral(self, volume_id: str) -> None:
        """Delete an inline volume."""
        raise NotImplementedError

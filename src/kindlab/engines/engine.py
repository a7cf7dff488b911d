"""What is known of a container engine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Engine:
    """`problem` is why kind cannot use it and `then` the way out; both empty when it can.

    `path` is its client, `version` the engine's own ("" when it does not answer), `product` what it comes in (Docker
    Desktop ...; "" for an engine of the system), `endpoint` where its client looks for it ("" where there is no
    socket). `cgroup` is 1 or 2, 0 when unknown; `memory` is bytes that it may use, 0 when unknown, `root` the folder
    of its images, on whatever machine it runs. `virtual`: in a virtual machine of its own, so that its containers'
    addresses, files and limits are not this machine's. `containerd_images`: Docker keeps images in containerd, where
    `kind load docker-image` fails (kind#3795).
    """

    name: str
    path: str
    version: str = ""
    product: str = ""
    endpoint: str = ""
    rootless: bool = False
    cgroup: int = 0
    cpus: int = 0
    memory: int = 0
    root: str = ""
    virtual: bool = False
    containerd_images: bool = False
    problem: str = ""
    then: str = ""

    @property
    def usable(self) -> bool:
        return not self.problem

    @property
    def title(self) -> str:
        """Docker Desktop (docker 28.2.2), or podman 5.4.2, rootless."""
        version = f"{self.name} {self.version}".strip()
        return (f"{self.product} ({version})" if self.product else version) + (", rootless" if self.rootless else "")

    @property
    def environment(self) -> dict[str, str]:
        """What tells kind to use this one."""
        from kindlab.engines import PROVIDER

        return {PROVIDER: self.name}

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "usable": self.usable}

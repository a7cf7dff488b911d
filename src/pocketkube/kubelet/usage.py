"""What a node's containers use of its processor and memory: what metrics-server reads of a kubelet.

Models the kubelet's /metrics/resource in what it is for. Nobody scrapes it over the network: an image whose `system`
names `usage` is lent a function that returns one NodeUsage for each node that runs.
"""

from __future__ import annotations

from dataclasses import dataclass

SYSTEM_CPU = 0.01
"""Cores that what runs on a node beside containers uses (kubelet, container runtime, kernel), nominal."""
SYSTEM_MEMORY = 180 << 20
"""Bytes of the same."""


@dataclass(frozen=True)
class Usage:
    """`cpu_seconds`: of one core, since the container (the node) started. `memory`: the working set, bytes."""

    cpu_seconds: float
    memory: int


@dataclass(frozen=True)
class ContainerUsage:
    """One running container. `started_at`: cluster time (clock.time()) at which this instance started."""

    namespace: str
    pod: str
    name: str
    started_at: float
    usage: Usage


@dataclass(frozen=True)
class NodeUsage:
    """`time`: cluster time of the reading; `started_at`: when the kubelet started."""

    node: str
    time: float
    started_at: float
    usage: Usage
    containers: tuple[ContainerUsage, ...]

"""Which addresses a cluster is made of: ranges of Services and pods, and what its nodes get of them, as kind has them.

A cluster has IPv4, IPv6, or both with one of them primary: the family of what asks for none. That is settled when it is
made, as with kind: what is stored names addresses, so the choice is kept in the state folder. Left out: other ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from itertools import islice
from pathlib import Path
from typing import Final

from pocketkube.ipam import NODE_PREFIXES

FAMILIES: Final = {"ipv4": (4,), "ipv6": (6,), "dual": (4, 6), "dual-ipv6": (6, 4)}
"""--ip-family -> IP versions, the primary one first."""
DEFAULT: Final = "ipv4"
SERVICES: Final = {4: "10.96.0.0/16", 6: "fd00:10:96::/112"}
PODS: Final = {4: "10.244.0.0/16", 6: "fd00:10:244::/56"}
NODES: Final = {4: "172.18.0.0/16", 6: "fc00:f853:ccd:e793::/64"}
_FILE: Final = "ip-family"


class OtherFamily(Exception):
    """The cluster in this folder was made with another choice: (that one, the one asked for)."""

    def __init__(self, made: str, asked: str) -> None:
        super().__init__(f"it was made with --ip-family {made}, not {asked}")
        self.made = made
        self.asked = asked


@dataclass(frozen=True)
class Addressing:
    """`versions`: one or both of 4 and 6, the primary one first."""

    versions: tuple[int, ...]

    @property
    def service_cidr(self) -> str:
        """One range or two with a comma between, as --service-cluster-ip-range has them."""
        return ",".join(SERVICES[version] for version in self.versions)

    @property
    def pod_cidr(self) -> str:
        """As --cluster-cidr has it."""
        return ",".join(PODS[version] for version in self.versions)

    @property
    def dns_ip(self) -> str:
        """The tenth address of the primary Service range, as kubeadm has it."""
        return str(ip_network(SERVICES[self.versions[0]])[10])

    def node(self, number: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(addresses, pod ranges) of a node; number 0 is the control plane."""
        return (
            tuple(str(ip_network(NODES[version])[number + 2]) for version in self.versions),
            tuple(_subnet(version, number) for version in self.versions),
        )


def _subnet(version: int, number: int) -> str:
    subnets = ip_network(PODS[version]).subnets(new_prefix=NODE_PREFIXES[version])
    return str(next(islice(subnets, number, None)))


def of_cluster(state_dir: Path, asked: str | None) -> Addressing:
    """The addressing of the cluster in `state_dir`: what it was made with, else `asked`, which is written down.

    Raises OtherFamily when both are there and differ.
    """
    try:
        made = (state_dir / _FILE).read_text().strip()
    except FileNotFoundError:
        # a cluster made before there was a choice has IPv4
        made = DEFAULT if (state_dir / "store.db").exists() else ""
    if made and asked and made != asked:
        raise OtherFamily(made, asked)
    chosen = made or asked or DEFAULT
    (state_dir / _FILE).write_text(f"{chosen}\n")
    return Addressing(FAMILIES[chosen])

"""What a node's proxy decides about the first packet of a flow: where it goes instead, and under whose address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Dropped(Exception):
    """The packet vanishes: the sender learns nothing and runs into its time limit."""


@dataclass(frozen=True, slots=True)
class Route:
    """The endpoint a Service address stands for; `masquerade`: the endpoint sees the node, not the client.

    `via` is the node that translates; None: the one whose address was asked, else the sender's.
    """

    address: str
    port: int
    masquerade: bool = False
    via: str | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """Where a flow comes from. `node` is the node it runs on (its own name for a node), None outside the cluster."""

    address: str
    node: str | None
    is_node: bool = False


class Router(Protocol):
    def route(self, sender: Sender, address: str, port: int, protocol: str, *, node: str | None) -> Route | None:
        """The route for a Service address, None when it is none. `node`: the node that has `address`, if one has.

        Raises ConnectionRefusedError (rejected: no endpoints) or Dropped.
        """

    def keeps(self, address: str, port: int, protocol: str, endpoint: tuple[str, int], *, at_node: bool) -> bool:
        """Whether what was routed to an endpoint may go on there; `at_node`: `address` is a node's."""


class NoServices:
    """A network without Services."""

    def route(self, sender: Sender, address: str, port: int, protocol: str, *, node: str | None) -> Route | None:
        return None

    def keeps(self, address: str, port: int, protocol: str, endpoint: tuple[str, int], *, at_node: bool) -> bool:
        return False

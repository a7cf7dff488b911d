"""Who may reach whom: what the fabric asks before every new connection, datagram flow and echo request.

The fabric knows on which nodes a packet is looked at and which addresses it carries there; a `Policy` knows the pods
and what is allowed to them. A refused packet is dropped, as CNI plugins do.
"""

from typing import Protocol

from pocketkube.objects import Obj


class Policy(Protocol):
    """Both directions are asked for, with addresses after Service translation; protocol: TCP, UDP, SCTP or ICMP."""

    def egress(self, source: str, destination: str, port: int, protocol: str) -> bool:
        """May the pod at `source` send to `destination`?"""

    def ingress(self, source: str, destination: str, port: int, protocol: str) -> bool:
        """May the pod at `destination` be reached by `source`?"""

    def attached(self, pod: Obj, addresses: tuple[str, ...]) -> None:
        """A pod was given these addresses; nothing of it runs yet, and its status does not say so."""


class AllowAll:
    """A network without policies."""

    def egress(self, source: str, destination: str, port: int, protocol: str) -> bool:
        return True

    def ingress(self, source: str, destination: str, port: int, protocol: str) -> bool:
        return True

    def attached(self, pod: Obj, addresses: tuple[str, ...]) -> None:
        pass

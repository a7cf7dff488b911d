"""The seam where NetworkPolicy will decide: the fabric asks before every new connection and datagram flow.

There is no NetworkPolicy kind yet, so everything is allowed; a refused packet is dropped, as CNI plugins do.
"""

from typing import Protocol


class Policy(Protocol):
    def allowed(self, source: str, destination: str, port: int, protocol: str) -> bool:
        """May `source` reach `destination` (pod or node addresses, after Service translation)?"""


class AllowAll:
    def allowed(self, source: str, destination: str, port: int, protocol: str) -> bool:
        return True

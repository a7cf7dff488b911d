"""The CSR cleaner: requests that have been answered, or that nobody answers, go after a while.

Models pkg/controller/certificates/cleaner, which looks every hour; here each goes when its time is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pocketkube import objects
from pocketkube.controllers.base import Controller, Mapping, own_key
from pocketkube.duration import parse_time
from pocketkube.objects import Key, Obj
from pocketkube.resources import csr
from pocketkube.resources.certificatesigningrequests import APPROVED, DENIED, FAILED

ANSWERED, PENDING = 3600.0, 86400.0
"""Seconds for which a request stays that is denied, failed or issued, and one that waits."""
_ENDED: Final = (DENIED, FAILED)


class CSRCleanerController(Controller):
    name = "csrcleaner-controller"

    def watches(self) -> Iterable[tuple[str, Mapping]]:
        yield "certificatesigningrequests", own_key

    async def reconcile(self, at: Key) -> float | None:
        found = self.client.find("certificatesigningrequests", *at)
        if found is None or objects.is_terminating(found):
            return None
        left = min(_ends(found), default=None)
        if left is None:
            return None
        left -= self.clock.time()
        if left > 0:
            return left
        self.client.delete("certificatesigningrequests", at)
        return None


def _ends(found: Obj) -> Iterator[float]:
    """The moments, in seconds since the epoch, each of which is a reason to go."""
    status = objects.status(found)
    conditions, issued = status.get("conditions") or (), status.get("certificate")
    if not conditions:
        yield parse_time(found["metadata"]["creationTimestamp"]).timestamp() + PENDING
    for condition in conditions:
        told = condition.get("lastUpdateTime")
        if told is None:
            continue
        if condition["type"] in _ENDED:
            yield parse_time(told).timestamp() + ANSWERED
        elif condition["type"] == APPROVED:
            yield parse_time(told).timestamp() + (ANSWERED if issued else PENDING)
            if issued:
                yield from _expiry(issued)


def _expiry(issued: str) -> Iterator[float]:
    try:
        yield csr.certificates(issued)[0].not_valid_after_utc.timestamp()
    except csr.BadRequestFile:
        return


CONTROLLER = CSRCleanerController

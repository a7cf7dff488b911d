"""Access log lines in Traefik's default format: the Common Log Format, referer, agent, count, router, server, time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pocketkube.clock import Clock
from pocketkube.network.ingress.request import Request


@dataclass(slots=True)
class Record:
    """What is noted about one request while it is served."""

    request: Request
    started: float
    """Seconds of cluster time."""
    status: int = 0
    size: int = 0
    """Bytes of the answer's body."""
    owner: str = ""
    server: str = ""
    """URL of the endpoint."""


class AccessLog:
    """Numbers the requests and writes a line for each to `write`."""

    def __init__(self, write: Callable[[str], None] | None, clock: Clock) -> None:
        self._write = write
        self._clock = clock
        self._count = 0

    def begin(self, request: Request) -> Record:
        self._count += 1
        return Record(request, self._clock.monotonic())

    def end(self, record: Record) -> None:
        if self._write is None:
            return
        request = record.request
        now = self._clock.monotonic()
        at = datetime.fromtimestamp(self._clock.time() - (now - record.started), UTC)
        asked = f"{request.method} {request.target.sent} HTTP/{request.version.decode()}"
        self._write(
            f"{request.remote[0]} - - [{at:%d/%b/%Y:%H:%M:%S +0000}] {_quoted(asked)} {record.status} {record.size} "
            f"{_quoted(request.value(b'referer').decode('latin-1'))} "
            f"{_quoted(request.value(b'user-agent').decode('latin-1'))} {self._count} "
            f"{_quoted(record.owner)} {_quoted(record.server)} {int((now - record.started) * 1000)}ms"
        )


def _quoted(text: str) -> str:
    """One word of a line, whatever a client sent."""
    if not text:
        return '"-"'
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text) + '"'

"""One GET of another server over HTTP/1.1, its answer read whole: for discovery, checks, and those inside who ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import h11

from pocketkube.apiserver.streams.dialing import Backend, Undialled, dial
from pocketkube.apiserver.streams.runtime import Dialer, Peer
from pocketkube.clock import Clock

LARGEST: Final = 4 << 20
"""Bytes of an answer: what is longer is refused. Some thousand pods' metrics; reading more holds everybody up."""
_LARGEST_HEAD: Final = 1 << 20
_SLOW: Final = "(Client.Timeout exceeded while awaiting headers)"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


async def get(
    dialer: Dialer, backend: Backend, target: str, headers: list[tuple[str, str]], clock: Clock, seconds: float
) -> Answer:
    """Raises Undialled with what Go's http client says of no answer within so many seconds of cluster time."""
    peer: Peer | None = None
    try:
        async with clock.timeout(seconds):
            peer = await dial(dialer, backend)
            return await _exchange(peer, backend, target, headers)
    except TimeoutError:
        waiting = "net/http: request canceled while waiting for connection"
        raise Undialled(f"{'context deadline exceeded' if peer is not None else waiting} {_SLOW}") from None
    except ConnectionResetError:
        raise Undialled(f"read tcp {backend.host}: read: connection reset by peer") from None
    except (BrokenPipeError, h11.RemoteProtocolError):
        raise Undialled("EOF") from None
    finally:
        if peer is not None:
            peer.close()


async def _exchange(peer: Peer, backend: Backend, target: str, headers: list[tuple[str, str]]) -> Answer:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)
    sent = [("Host", backend.host), ("Accept-Encoding", "identity"), *headers]
    await peer.write(
        (connection.send(h11.Request(method="GET", target=target, headers=sent)) or b"")
        + (connection.send(h11.EndOfMessage()) or b"")
    )
    status, body = 0, bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await peer.read())
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > LARGEST:
                raise Undialled("http: response body too large")
        elif isinstance(event, h11.EndOfMessage):
            return Answer(status, bytes(body))
        elif isinstance(event, h11.ConnectionClosed):
            raise Undialled("EOF")

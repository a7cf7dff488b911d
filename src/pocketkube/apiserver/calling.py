"""One request of another server over HTTP/1.1, its answer read whole: for discovery, checks, webhooks, and those inside
who ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import h11
import orjson

from pocketkube.apiserver.streams.dialing import Backend, Undialled, dial
from pocketkube.apiserver.streams.runtime import Dialer, Peer
from pocketkube.clock import Clock
from pocketkube.errors import StatusError, from_status

LARGEST: Final = 4 << 20
"""Bytes of an answer: what is longer is refused. Some thousand pods' metrics; reading more holds everybody up."""
_LARGEST_HEAD: Final = 1 << 20
_SLOW: Final = "(Client.Timeout exceeded while awaiting headers)"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


class Late(Undialled):
    """There was no answer in time."""

    def __init__(self, connected: bool) -> None:
        super().__init__("context deadline exceeded")
        self.connected = connected


async def get(
    dialer: Dialer, backend: Backend, target: str, headers: list[tuple[str, str]], clock: Clock, seconds: float
) -> Answer:
    """Raises Undialled with what Go's http client says of no answer within so many seconds of cluster time."""
    try:
        return await send(dialer, backend, "GET", target, headers, b"", clock, seconds)
    except Late as late:
        waiting = "net/http: request canceled while waiting for connection"
        raise Undialled(f"{late if late.connected else waiting} {_SLOW}") from None


async def send(
    dialer: Dialer,
    backend: Backend,
    method: str,
    target: str,
    headers: list[tuple[str, str]],
    body: bytes,
    clock: Clock,
    seconds: float,
) -> Answer:
    """Raises Undialled with what Go says of no answer, Late for none within so many seconds of cluster time."""
    peer: Peer | None = None
    try:
        async with clock.timeout(seconds):
            peer = await dial(dialer, backend)
            return await _exchange(peer, backend, method, target, headers, body)
    except TimeoutError:
        raise Late(peer is not None) from None
    except ConnectionResetError:
        raise Undialled(f"read tcp {backend.host}: read: connection reset by peer") from None
    except (BrokenPipeError, h11.RemoteProtocolError):
        raise Undialled("EOF") from None
    finally:
        if peer is not None:
            peer.close()


async def _exchange(
    peer: Peer, backend: Backend, method: str, target: str, headers: list[tuple[str, str]], body: bytes
) -> Answer:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST_HEAD)
    sent = [("Accept-Encoding", "identity"), *headers]
    if not any(name == "Host" for name, _ in headers):
        sent.insert(0, ("Host", backend.host))
    if body:
        sent.append(("Content-Length", str(len(body))))
    await peer.write(
        (connection.send(h11.Request(method=method, target=target, headers=sent)) or b"")
        + ((connection.send(h11.Data(data=body)) or b"") if body else b"")
        + (connection.send(h11.EndOfMessage()) or b"")
    )
    status, said = 0, bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await peer.read())
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            said += event.data
            if len(said) > LARGEST:
                raise Undialled("http: response body too large")
        elif isinstance(event, h11.EndOfMessage):
            return Answer(status, bytes(said))
        elif isinstance(event, h11.ConnectionClosed):
            raise Undialled("EOF")


_UNKNOWN: Final = "the server rejected our request for an unknown reason"
_WORDS: Final = {
    400: ("BadRequest", _UNKNOWN),
    401: ("Unauthorized", "the server has asked for the client to provide credentials"),
    403: ("Forbidden", "the server does not allow access to the requested resource"),
    404: ("NotFound", "the server could not find the requested resource"),
    405: ("MethodNotAllowed", "the server does not allow this method on the requested resource"),
    409: ("Conflict", "the server reported a conflict"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
}


def refused(answer: Answer, about: str = "", details: dict[str, Any] | None = None) -> StatusError:
    """What client-go makes of an answer that is no Status: NewGenericServerResponse. `about`: `get pods.apps x`."""
    text = answer.body.decode(errors="replace").strip()
    shown = orjson.dumps(text or "unknown").decode()
    failed = "InternalError", f"an error on the server ({shown}) has prevented the request from succeeding"
    reason, words = _WORDS.get(answer.status, failed)
    if about:
        words += f" ({about})"
    told = {key: value for key, value in (details or {}).items() if value}
    if text:
        told["causes"] = [{"reason": "UnexpectedServerResponse", "message": text}]
    return from_status({"reason": reason, "message": words, "details": told, "code": answer.status})

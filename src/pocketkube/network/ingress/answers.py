"""Answers the proxy gives itself, worded as Traefik v3 (and Go's net/http beneath it) words them."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from pocketkube.network.ingress.request import Header

CLIENT_GONE = 499
PLAIN = (b"content-type", b"text/plain; charset=utf-8")
_ERROR = (PLAIN, (b"x-content-type-options", b"nosniff"))


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: tuple[Header, ...] = ()


NOT_FOUND = Answer(404, b"404 page not found\n", _ERROR)
UNAVAILABLE = Answer(503, b"no available server\n", _ERROR)


def phrase(status: int) -> str:
    if status == CLIENT_GONE:
        return "Client Closed Request"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def failed(status: int) -> Answer:
    """502, 504 and the like: the status' words are the body, without a type."""
    return Answer(status, phrase(status).encode())


def moved(status: int, location: str) -> Answer:
    return Answer(status, phrase(status).encode(), ((b"location", location.encode("latin-1", "replace")),))


def refused(status: int, why: str) -> bytes:
    """The whole answer to what is no request; the connection ends after it."""
    words = f"{status} {phrase(status)}"
    body = f"{words}: {why}" if status == 400 else words
    lines = f"HTTP/1.1 {words}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n{body}"
    return lines.encode("latin-1", "replace")

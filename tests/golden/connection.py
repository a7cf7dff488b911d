"""Plain HTTPS to an API server, from a kubeconfig, with nothing added that the scenario does not ask for.

Client certificates, bearer tokens and token files are read; exec plugins are not (run `kubectl proxy` or use a token).
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import yaml

AGENT = "python-requests/2"
"""The recorder's: without a field manager it is the program that owns what it writes."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status, `Warning` headers, and the body as JSON when it is JSON, as text otherwise."""

    code: int
    warnings: list[str]
    body: Any


class Connection:
    """One keep-alive connection to the server of a kubeconfig's current context. Not for use by several threads."""

    def __init__(self, kubeconfig: Path, *, timeout: float = 120.0) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        context = _named(config, "contexts", config.get("current-context"))["context"]
        self._cluster = _named(config, "clusters", context["cluster"])["cluster"]
        self._user = _named(config, "users", context["user"])["user"]
        if "exec" in self._user or "auth-provider" in self._user:
            raise ValueError(f"{kubeconfig}: users with an exec or auth-provider plugin are not supported")
        self._here = kubeconfig.parent
        self._timeout = timeout
        self._open: dict[bool, http.client.HTTPConnection] = {}
        url = urlsplit(self._cluster["server"])
        self._host, self._port, self._prefix = url.hostname or "", url.port, url.path.rstrip("/")
        self._secure = url.scheme == "https"
        self._contexts = {anonymous: self._tls(anonymous) for anonymous in (False, True)} if self._secure else {}

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: str | bytes | None = None,
        anonymous: bool = False,
    ) -> Answer:
        """Send one request. Raises OSError or http.client.HTTPException when there is no answer."""
        sent = self._headers(headers, anonymous)
        payload = body.encode() if isinstance(body, str) else body
        for fresh in (anonymous not in self._open, True):
            connection = self._connection(anonymous, fresh=fresh)
            try:
                connection.request(method, self._target(path, query), body=payload, headers=sent)
                answer = connection.getresponse()
                data = answer.read()
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self._open.pop(anonymous).close()
                if fresh:
                    raise
                continue  # an idle connection the server had closed: once more on a new one
            except (OSError, http.client.HTTPException):
                self._open.pop(anonymous).close()
                raise
            return Answer(answer.status, answer.headers.get_all("Warning") or [], decode(data))
        raise AssertionError("unreachable")

    def stream(self, path: str, *, query: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Stream:
        """A GET whose answer is read line by line, on a connection of its own."""
        return Stream(self._new(False), self._target(path, query), self._headers(headers, False))

    def _target(self, path: str, query: Mapping[str, str] | None) -> str:
        text = self._prefix + quote(path, safe="/:@!$&'()*+,;=~%?-._")
        return f"{text}?{urlencode(query)}" if query else text

    def _headers(self, headers: Mapping[str, str] | None, anonymous: bool) -> dict[str, str]:
        sent = {"Accept": "application/json", "User-Agent": AGENT, **(headers or {})}
        if not anonymous and "Authorization" not in sent:
            token = self._user.get("token")
            if not token and self._user.get("tokenFile"):
                token = (self._here / self._user["tokenFile"]).read_text().strip()
            if token:
                sent["Authorization"] = f"Bearer {token}"
        return sent

    def _connection(self, anonymous: bool, *, fresh: bool) -> http.client.HTTPConnection:
        if fresh or anonymous not in self._open:
            self._open[anonymous] = self._new(anonymous)
        return self._open[anonymous]

    def _new(self, anonymous: bool) -> http.client.HTTPConnection:
        if not self._secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        context = self._contexts[anonymous]
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=context)

    def _tls(self, anonymous: bool) -> ssl.SSLContext:
        authority = self._material(self._cluster, "certificate-authority")
        context = ssl.create_default_context(cadata=authority.decode() if authority else None)
        if self._cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        certificate = self._material(self._user, "client-certificate")
        key = self._material(self._user, "client-key")
        if certificate and key and not anonymous:
            with tempfile.TemporaryDirectory() as folder:  # ssl reads these from files only
                chain, secret = Path(folder, "chain"), Path(folder, "key")
                chain.write_bytes(certificate)
                secret.touch(mode=0o600)
                secret.write_bytes(key)
                context.load_cert_chain(chain, secret)
        return context

    def _material(self, section: Mapping[str, Any], name: str) -> bytes | None:
        if section.get(f"{name}-data"):
            return base64.b64decode(section[f"{name}-data"])
        return (self._here / section[name]).read_bytes() if section.get(name) else None


class Stream:
    """A long answer. Read it in one thread; `close` from another ends the reading."""

    def __init__(self, connection: http.client.HTTPConnection, target: str, headers: Mapping[str, str]) -> None:
        connection.connect()
        self._socket = connection.sock
        self._connection = connection
        connection.request("GET", target, headers=dict(headers))

    def read(self) -> tuple[int, Iterator[bytes]]:
        """Wait for the status; then the lines as they come, to the end of the answer or until `close`."""
        answer = self._connection.getresponse()

        def lines() -> Iterator[bytes]:
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError), answer:
                yield from iter(answer.readline, b"")

        return answer.status, lines()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def decode(data: bytes) -> Any:
    """A body as an object when it is a JSON object or array, as text otherwise."""
    text = data.decode(errors="replace")
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, dict | list) else text


def _named(config: Mapping[str, Any], section: str, name: str | None) -> dict[str, Any]:
    for entry in config.get(section) or []:
        if entry.get("name") == name:
            return dict(entry)
    raise ValueError(f"kubeconfig: no {name!r} among {section}")

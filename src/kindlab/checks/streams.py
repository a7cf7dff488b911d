"""A WebSocket to the API server for one command in a container: several byte streams, of which byte 0 of a message
names the one.

The kubernetes client has this too (kubernetes.stream), but for every command it reads the certificates anew, goes
through a whole TLS handshake and reads the answer's head byte by byte; a grading runs twenty and more. Here one TLS
context is kept for each client: it goes on from the session of the command before and reads ahead. Nor does anything
here wait for the network while a message has been received and decrypted already.
"""

from __future__ import annotations

import json
import ssl
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from weakref import WeakKeyDictionary

from websocket import ABNF, WebSocket, WebSocketTimeoutException

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

STDIN, STDOUT, STDERR, STATUS, CLOSE = 0, 1, 2, 3, 255
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
"""In v5 the client can say that there is no more to read."""
AHEAD = 16 * 1024
"""Bytes: what a record of TLS has at most."""


class Session:
    """One command's streams. Raises OSError and WebSocketException."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket: Any = socket
        self._ended = False
        self.overflowed = False
        """Whether more came than was wanted; nothing is received after that."""
        self.received = {STDOUT: b"", STDERR: b"", STATUS: b""}

    def send(self, stdin: bytes) -> None:
        """All there is to read for the command."""
        self._socket.send(bytes((STDIN,)) + stdin, opcode=ABNF.OPCODE_BINARY)
        if self._socket.getsubprotocol() == V5:
            self._socket.send(bytes((CLOSE, STDIN)), opcode=ABNF.OPCODE_BINARY)

    def drain(self, seconds: float, most: int | None = None) -> bool:
        """Receive everything up to the end; False when that had not come after so many seconds, or after `most`
        bytes."""
        parts: dict[int, list[bytes]] = {channel: [] for channel in self.received}
        deadline, size = monotonic() + seconds, 0
        while not self._ended and (left := deadline - monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                opcode, frame = self._socket.recv_data_frame(control_frame=True)
            except WebSocketTimeoutException:
                break
            self._ended = opcode == ABNF.OPCODE_CLOSE
            if opcode in (ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT) and (data := bytes(frame.data)) and data[0] in parts:
                parts[data[0]].append(data[1:])
                size += len(data) - 1
                if most is not None and size > most:
                    self.overflowed = True
                    break
        self.received = {channel: b"".join(pieces) for channel, pieces in parts.items()}
        return self._ended

    @property
    def output(self) -> tuple[bytes, bytes]:
        """What came on stdout, and on stderr."""
        return self.received[STDOUT], self.received[STDERR]

    def status(self) -> dict[str, Any]:
        """How the command ended, as a Status; empty when the server has not said."""
        found: dict[str, Any] = json.loads(self.received[STATUS] or b"{}")
        return found

    def close(self) -> None:
        """A server that has ended the conversation is not told that we end it too."""
        if not self._ended:
            self._socket.close()
        self._socket.shutdown()  # close() may leave the socket to the garbage collector


def begin(client: ApiClient, path: str, query: list[tuple[str, str]]) -> Session:
    """Ask for `path` as a WebSocket. Raises OSError, WebSocketException and ValueError; of a refusal the last has the
    status line, the headers and the body."""
    from kubernetes.stream.ws_client import websocket_proxycare

    configuration = client.configuration
    headers: dict[str, str] = {}
    client.update_params_for_auth(headers, [], ["BearerToken"])
    url = f"{configuration.host}{path}?{urlencode(query)}".replace("http", "ws", 1)
    sent = [f"authorization: {value}" for name, value in headers.items() if name.lower() == "authorization"]
    options: dict[str, Any] = {"header": sent, "subprotocols": [V5, V4]}
    if configuration.proxy or configuration.proxy_headers:
        options = websocket_proxycare(options, configuration, url, headers)
    context = _context(client)
    named = {"server_hostname": configuration.tls_server_name} if configuration.tls_server_name else {}
    socket: Any = WebSocket(sslopt={"context": context, **named}, skip_utf8_validation=True)
    socket.connect(url, **options)
    context.keep(socket.sock)
    return Session(socket)


class _ReadingAhead(ssl.SSLSocket):
    """Takes what there is at once: heads of answers are asked for byte by byte."""

    _ahead = b""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        if not self._ahead:
            self._ahead = super().recv(AHEAD, flags)
        taken, self._ahead = self._ahead[:buflen], self._ahead[buflen:]
        return taken


class _Context(ssl.SSLContext):
    """Connections to one server, each of which goes on from the session of one before: no certificates are sent and
    looked at again. A server that does not know it any more begins a new one."""

    sslsocket_class = _ReadingAhead
    _kept: ssl.SSLSession | None = None

    def wrap_socket(self, sock: Any, *args: Any, **options: Any) -> ssl.SSLSocket:
        return super().wrap_socket(sock, *args, **{**options, "session": self._kept})

    def keep(self, sock: Any) -> None:
        """Its session, if that is a new one and can be gone on from. Tickets of TLS 1.3 come with what is read first,
        so it has been; each look at a session makes a copy of it."""
        if isinstance(sock, ssl.SSLSocket) and not sock.session_reused:
            session = sock.session
            self._kept = session if session is not None and session.has_ticket else None


_contexts: WeakKeyDictionary[ApiClient, tuple[tuple[Any, ...], _Context]] = WeakKeyDictionary()


def _context(client: ApiClient) -> _Context:
    """The client's: made anew when it is told other certificates."""
    told = client.configuration
    by = (told.verify_ssl, told.ssl_ca_cert, told.cert_file, told.key_file, told.assert_hostname)
    kept = _contexts.get(client)
    if kept is not None and kept[0] == by:
        return kept[1]
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    if told.verify_ssl:
        context.check_hostname = told.assert_hostname is not False
        if told.ssl_ca_cert:
            context.load_verify_locations(told.ssl_ca_cert)
        else:
            import certifi

            context.load_verify_locations(certifi.where())
    else:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if told.cert_file:
        context.load_cert_chain(told.cert_file, told.key_file or None)
    _contexts[client] = by, context
    return context

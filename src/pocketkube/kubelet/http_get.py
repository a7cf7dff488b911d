"""httpGet of probes and lifecycle hooks: a request that leaves from the node, over TLS nobody verifies for HTTPS.

Models pkg/probe/http and runHTTPHandler of pkg/kubelet/lifecycle, with the texts of Go's HTTP client. Redirects are
followed on the same host name, ten of them at most. Left out: HTTP/2.
"""

from __future__ import annotations

import errno
import ssl
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote, urljoin, urlsplit

from pocketkube.kubelet.verdicts import Doubt, Failure, port_number
from pocketkube.network import http, tls
from pocketkube.network.addresses import host_port
from pocketkube.network.http import ByteStream
from pocketkube.objects import Obj

if TYPE_CHECKING:
    from pocketkube.network.fabric import PodNetwork

BODY_LIMIT = 10 * 1024
REDIRECTS = 10
_REDIRECTING = (301, 302, 303, 307, 308)
_TIMED_OUT = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
_IN_TARGETS = "".join(map(chr, range(0x21, 0x7F)))
"""What Go's client sends of a URL as it is; the rest is escaped."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


class PlainHttp(Failure):
    """HTTPS was asked for, and the server speaks HTTP."""


class HttpGet:
    """One action. `timeout` in cluster time, `agent` the middle of the User-Agent. Raises HandlerError for its port."""

    def __init__(
        self, node: PodNetwork, action: Obj, container: Obj, pod_ip: str, *, timeout: float, agent: str
    ) -> None:
        self._node = node
        self._host = action.get("host") or pod_ip
        self._port = port_number(action["port"], container)
        self._path = "/" + (action.get("path") or "/").removeprefix("/")
        self._scheme = (action.get("scheme") or "HTTP").lower()
        self._given = [(header["name"], header.get("value", "")) for header in action.get("httpHeaders") or ()]
        self._timeout = timeout
        self._agent = agent

    @property
    def where(self) -> str:
        return host_port(self._host, self._port)

    async def probe(self) -> str:
        """The body of a good answer. Raises Failure, Doubt (a redirect that is not followed)."""
        answer = await self.ask()
        if not 200 <= answer.status < 400:
            raise Failure(f"HTTP probe failed with statuscode: {answer.status}")
        if answer.status >= 300:
            raise Doubt(f"Probe terminated redirects, Response body: {answer.text[:BODY_LIMIT]}")
        return answer.text

    async def ask(self, scheme: str = "") -> http.Response:
        """Whatever is answered, redirects followed. Raises Failure, PlainHttp."""
        url = f"{scheme or self._scheme}://{self.where}{self._path}"
        try:
            async with self._node.fabric.clock.timeout(self._timeout):
                for _ in range(REDIRECTS):
                    answer = await self._get(url)
                    location = answer.header("location")
                    if answer.status not in _REDIRECTING or not location:
                        return answer
                    url = _redirected(url, location)
                    if urlsplit(url).hostname != urlsplit(f"//{self.where}").hostname:
                        return answer
        except TimeoutError:
            raise Failure(f'Get "{url}": {_TIMED_OUT}') from None
        except ValueError as error:  # a host or a header that nobody can send
            raise Failure(f'Get "{url}": {error}') from None
        raise Failure(f'Get "{location}": stopped after {REDIRECTS} redirects')

    async def _get(self, url: str) -> http.Response:
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS:
            raise Failure(f'Get "{url}": unsupported protocol scheme "{parts.scheme}"')
        host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 80)
        target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_IN_TARGETS)
        where = host_port(host, port)

        async def connect() -> ByteStream:
            stream = await self._node.connect(host, port)
            if parts.scheme != "https":
                return stream
            try:
                return await tls.client(stream, _unverified(), host)
            except BaseException:
                stream.close()
                raise

        try:
            return await http.request(connect, "GET", target, self._headers(parts.netloc))
        except TimeoutError as error:
            if error.errno is None:  # the probe's own time is over, not the connection's
                raise
            raise Failure(f'Get "{url}": dial tcp {where}: {dial_error(error)}') from None
        except http.Disconnected as error:
            raise Failure(f'Get "{url}": {"EOF" if error.empty else "unexpected EOF"}') from None
        except http.ProtocolError as error:
            text = f"net/http: HTTP/1.x transport connection broken: malformed HTTP response: {error}"
            raise Failure(f'Get "{url}": {text}') from None
        except ssl.SSLError as error:
            raise _tls_failure(url, error) from None
        except ConnectionResetError:
            raise Failure(f'Get "{url}": read tcp {where}: read: connection reset by peer') from None
        except OSError as error:
            raise Failure(f'Get "{url}": dial tcp {where}: {dial_error(error)}') from None

    def _headers(self, host: str) -> http.Headers:
        names = {name.lower() for name, _ in self._given}
        defaults = [("Host", host), ("User-Agent", f"kube-{self._agent}/1.36"), ("Accept", "*/*")]
        kept = [(name, value) for name, value in self._given if value or name.lower() != "accept"]
        return [pair for pair in defaults if pair[0].lower() not in names] + [*kept, ("Connection", "close")]


def _redirected(url: str, location: str) -> str:
    """Where an answer sends its reader. Raises Failure: what is probed may say anything."""
    try:
        found = urljoin(url, location)
        _ = urlsplit(found).port
    except ValueError as error:
        shown = f'"{location[:1024]}"'
        raise Failure(f'Get "{url}": failed to parse Location header {shown}: parse {shown}: {error}') from None
    return found


def _tls_failure(url: str, error: ssl.SSLError) -> Failure:
    if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return PlainHttp(f'Get "{url}": http: server gave HTTP response to HTTPS client')
    if isinstance(error, ssl.SSLEOFError):
        return Failure(f'Get "{url}": EOF')
    text = (error.reason or str(error)).lower().replace("_", " ")
    return Failure(f'Get "{url}": remote error: tls: {text.removeprefix("sslv3 alert ").removeprefix("tlsv1 alert ")}')


@cache
def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def dial_error(error: OSError) -> str:
    """Go's words for a connection that could not be opened."""
    if isinstance(error, ConnectionRefusedError):
        return "connect: connection refused"
    if isinstance(error, TimeoutError):
        return "i/o timeout"
    if error.errno == errno.EHOSTUNREACH:
        return "connect: no route to host"
    return f"connect: {(error.strerror or str(error)).lower()}"

"""Handlers of containers: what probes and lifecycle hooks do to a container, and the words for what came of it.

Models pkg/probe (exec, http, tcp) and pkg/kubelet/lifecycle/handlers.go. Requests leave from the node, as the kubelet's
do. HTTPS takes any certificate, as the kubelet's does. Left out: gRPC probes (they fail, saying so), redirects to the
same host.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from functools import cache
from typing import TYPE_CHECKING, Any

from pocketkube.kubelet.container import Container, ExecError
from pocketkube.network import http, tls
from pocketkube.network.addresses import host_port
from pocketkube.network.stream import Stream
from pocketkube.objects import Obj

if TYPE_CHECKING:
    from pocketkube.network.fabric import PodNetwork

OUTPUT_LIMIT = 10 * 1024
_TIMED_OUT = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"


class Failure(Exception):
    """The handler ran and says no; the text is what the event shows after `probe failed: `."""


class Warning(Exception):
    """Success with a doubt: an event ProbeWarning with this text."""


class HandlerError(Exception):
    """The handler could not be run; after `probe errored and resulted in unknown state: `."""


class Collected:
    """A command's combined output, up to a limit."""

    def __init__(self, limit: int = OUTPUT_LIMIT) -> None:
        self.data = b""
        self._limit = limit

    async def write(self, data: bytes, /) -> int:
        self.data += data[: self._limit - len(self.data)]
        return len(data)


def port_number(port: Any, container: Obj) -> int:
    """A port given by number or by the name of one of the container's ports. Raises HandlerError."""
    if isinstance(port, int):
        return port
    for known in container.get("ports") or ():
        if known.get("name") == port:
            return int(known["containerPort"])
    if str(port).isdigit():
        return int(port)
    raise HandlerError(f'strconv.Atoi: parsing "{port}": invalid syntax')


async def run_exec(container: Container, action: Obj, timeout: float | None) -> None:
    """Raises Failure (exit code not 0, or too slow), HandlerError (cannot be started)."""
    output = Collected()
    command = list(action.get("command") or ())
    try:
        async with container.clock.timeout(timeout):
            code = await container.exec(command, {1: output, 2: output})
    except TimeoutError:
        text = f'command timed out: "{" ".join(command)}" timed out after {timeout:g}s'
        raise Failure(text) from None
    except ExecError as error:
        raise HandlerError(f"rpc error: code = Unknown desc = {error}") from None
    if code:
        raise Failure(output.data.decode(errors="replace"))


async def run_tcp(node: PodNetwork, host: str, port: int, timeout: float) -> None:
    """Raises Failure."""
    try:
        stream = await node.connect(host, port, timeout=timeout)
    except OSError as error:
        raise Failure(f"dial tcp {host_port(host, port)}: {_dial_error(error)}") from None
    stream.close()


async def run_http(node: PodNetwork, action: Obj, container: Obj, pod_ip: str, timeout: float, agent: str) -> str:
    """A GET; the answer's body. `timeout` in cluster time. Raises Failure, Warning (a redirect), HandlerError."""
    host = action.get("host") or pod_ip
    port = port_number(action["port"], container)
    scheme = (action.get("scheme") or "HTTP").lower()
    path = action.get("path") or "/"
    path = path if path.startswith("/") else f"/{path}"
    where = host_port(host, port)
    url = f"{scheme}://{where}{path}"
    headers = _headers(action, host, port, agent)
    try:
        async with node.fabric.clock.timeout(timeout):
            answer = await http.request(lambda: _connect(node, host, port, scheme), "GET", path, headers)
    except TimeoutError:
        raise Failure(f'Get "{url}": {_TIMED_OUT}') from None
    except http.Disconnected as error:
        raise Failure(f'Get "{url}": {"EOF" if error.empty else "unexpected EOF"}') from None
    except http.ProtocolError as error:
        text = f"net/http: HTTP/1.x transport connection broken: malformed HTTP response: {error}"
        raise Failure(f'Get "{url}": {text}') from None
    except ssl.SSLError as error:
        raise Failure(f'Get "{url}": {_tls_error(error)}') from None
    except ConnectionResetError:
        raise Failure(f'Get "{url}": read tcp {where}: read: connection reset by peer') from None
    except OSError as error:
        raise Failure(f'Get "{url}": dial tcp {where}: {_dial_error(error)}') from None
    if not 200 <= answer.status < 400:
        raise Failure(f"HTTP probe failed with statuscode: {answer.status}")
    if answer.status >= 300:
        raise Warning(f"Probe terminated redirects, Response body: {answer.text[:OUTPUT_LIMIT]}")
    return answer.text


async def _connect(node: PodNetwork, host: str, port: int, scheme: str) -> Stream | tls.TlsStream:
    stream = await node.connect(host, port)
    if scheme != "https":
        return stream
    try:
        return await tls.client(stream, _anybody(), host)
    except BaseException:
        stream.close()
        raise


@cache
def _anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _tls_error(error: ssl.SSLError) -> str:
    """Go's words for a handshake that failed."""
    if isinstance(error, ssl.SSLEOFError):
        return "EOF"
    if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return "http: server gave HTTP response to HTTPS client"
    return f"remote error: tls: {(error.reason or str(error)).lower().replace('_', ' ')}"


def _headers(action: Obj, host: str, port: int, agent: str) -> http.Headers:
    given = [(h["name"], h.get("value", "")) for h in action.get("httpHeaders") or ()]
    names = {name.lower() for name, _ in given}
    defaults = [("Host", host_port(host, port)), ("User-Agent", f"kube-{agent}/1.36"), ("Accept", "*/*")]
    return [pair for pair in defaults if pair[0].lower() not in names] + [*given, ("Connection", "close")]


def _dial_error(error: OSError) -> str:
    """Go's words for a connection that could not be opened."""
    if isinstance(error, ConnectionRefusedError):
        return "connect: connection refused"
    if isinstance(error, TimeoutError):
        return "i/o timeout"
    if error.errno == errno.EHOSTUNREACH:
        return "connect: no route to host"
    return f"connect: {(error.strerror or str(error)).lower()}"


async def run_hook(container: Container, spec: Obj, hook: Obj, node: PodNetwork, pod_ip: str) -> None:
    """postStart or preStop. Raises Failure or HandlerError with the reason; ends early when the container does."""
    work = asyncio.ensure_future(_hook(container, spec, hook, node, pod_ip))
    ended = asyncio.ensure_future(container.wait())
    try:
        await asyncio.wait((work, ended), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise Failure("container terminated before the hook finished")
        work.result()
    finally:
        for task in (work, ended):
            task.cancel()
        await asyncio.gather(work, ended, return_exceptions=True)


async def _hook(container: Container, spec: Obj, hook: Obj, node: PodNetwork, pod_ip: str) -> None:
    if hook.get("exec") is not None:
        await run_exec(container, hook["exec"], None)
    elif hook.get("httpGet") is not None:
        try:
            await run_http(node, hook["httpGet"], spec, pod_ip, timeout=60.0, agent="lifecycle")
        except Warning:
            return
        except Failure as failed:
            if not str(failed).startswith("HTTP probe failed"):  # a hook asks, and does not mind the answer
                raise
    elif hook.get("sleep") is not None:
        await container.clock.sleep(hook["sleep"].get("seconds", 0))
    else:
        raise HandlerError("invalid handler")

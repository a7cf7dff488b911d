"""/dial of netexec: the server asks another one, and answers what that said."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qsl

from pocketkube.images import golang
from pocketkube.images.golang import answer, klog
from pocketkube.images.programs.agnhost.network import ResolveFailure, resolve
from pocketkube.kubelet.process import Process
from pocketkube.network import http
from pocketkube.network.addresses import host_port, wildcard
from pocketkube.network.http import Request, Response

_DIAL_TIMEOUT = 5.0


def compact(value: object) -> str:
    """json.Marshal: no blanks, sorted keys, `<`, `>`, `&` escaped."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


class DialFailure(Exception):
    """net/http's or net's error text."""


class Dialler:
    """The dialling half of the server."""

    def __init__(self, process: Process) -> None:
        self.process = process

    def reply(self, request: Request, text: str, status: int = 200) -> Response:
        return answer(self.process, request, text.encode("utf-8", "surrogateescape"), status)

    async def log(self, text: str) -> None:
        await klog(self.process, text)

    async def on_dial(self, request: Request) -> Response:
        query = dict(reversed(parse_qsl(request.target.partition("?")[2], keep_blank_values=True)))
        host, port, wanted, protocol, tries = (
            query.get(name, "") for name in ("host", "port", "request", "protocol", "tries")
        )
        await self.log(f"GET /dial?host={host}&protocol={protocol}&port={port}&request={wanted}&tries={tries}")
        if tries and not re.fullmatch(r"[-+]?\d+", tries):
            text = f"tries parameter is invalid. strconv.Atoi: parsing {json.dumps(tries)}: invalid syntax"
            return golang.error(self.process, request, text, 400)
        if not wanted:
            return golang.error(self.process, request, "request parameter not specified. <nil>", 400)
        if protocol.lower() not in ("", "http", "udp"):
            return golang.error(self.process, request, f"unsupported protocol. {protocol}", 400)
        try:
            address = await resolve(self.process, host, port, "udp" if protocol.lower() == "udp" else "tcp")
        except ResolveFailure as failure:
            return golang.error(self.process, request, f"host and/or port param are invalid. {failure}", 400)
        dial = self._dial_udp if protocol.lower() == "udp" else self._dial_http
        responses, errors, last = [], [], ""
        for _ in range(int(tries or 1)):
            try:
                last = await dial(wanted, address)
                responses.append(last)
            except DialFailure as failure:
                last = ""
                errors.append(str(failure))
        output: dict[str, list[str]] = {}
        if last:
            output["responses"] = responses
        if errors:
            output["errors"] = errors
        return self.reply(request, compact(output))

    async def _dial_http(self, wanted: str, address: tuple[str, int]) -> str:
        where = host_port(*address)
        url = f"http://{where}/{wanted}"
        prefix = f'Get "{url}": '
        try:
            async with self.process.clock.timeout(_DIAL_TIMEOUT):
                for _ in range(10):
                    response = await http.request(
                        lambda: self.process.net.connect(*address),
                        "GET",
                        "/" + wanted,
                        [("Host", where), ("User-Agent", "Go-http-client/1.1"), ("Accept-Encoding", "gzip")],
                    )
                    location = response.header("location")
                    if response.status not in (301, 302, 303, 307, 308) or not location.startswith("/"):
                        return response.text
                    wanted = location.lstrip("/")
            raise DialFailure(f"{prefix}stopped after 10 redirects")
        except TimeoutError as failure:
            if failure.errno:
                raise DialFailure(prefix + golang.dial_error("tcp", where, failure)) from None
            text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            raise DialFailure(prefix + text) from None
        except OSError as failure:
            raise DialFailure(prefix + golang.dial_error("tcp", where, failure)) from None
        except http.ProtocolError:
            raise DialFailure(prefix + "EOF") from None

    async def _dial_udp(self, wanted: str, address: tuple[str, int]) -> str:
        failed = "reading from udp connection failed. err:'read udp {}->{}: {}'"
        net, there = self.process.net, host_port(*address)
        with net.bind_udp(0, wildcard(address[0])) as socket:
            socket.connect(address)
            here = host_port(net.source_for(address[0]), socket.port)
            try:
                socket.send(wanted.encode())
                async with self.process.clock.timeout(_DIAL_TIMEOUT):
                    data, _ = await socket.recvfrom()
            except TimeoutError:
                raise DialFailure(failed.format(here, there, "i/o timeout")) from None
            except ConnectionRefusedError:
                raise DialFailure(failed.format(here, there, "read: connection refused")) from None
            except OSError as failure:
                raise DialFailure(f"udp dial failed. err:{golang.dial_error('udp', address[0], failure)}") from None
        return data.decode("utf-8", "replace")

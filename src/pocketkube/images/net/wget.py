"""wget of BusyBox 1.36: http only, its messages and its progress line.

Left out: ftp, proxies (-Y is taken and ignored), log files (-o), background (-b).
"""

from __future__ import annotations

import base64
import ssl
from typing import NoReturn

from pocketkube.images.coreutils.options import parse, whole
from pocketkube.images.net.curl_url import BadUrl, Url
from pocketkube.kubelet.process import Process, ProcessExit
from pocketkube.network import resolver, tls
from pocketkube.network.addresses import host_port
from pocketkube.network.http import Exchange, Headers, ProtocolError, Response

LONG = {
    "quiet": "q", "output-document": "O", "server-response": "S", "header": "1", "post-data": "2", "post-file": "3",
    "spider": "4", "no-check-certificate": "5", "timeout": "T", "user-agent": "U", "continue": "c",
    "directory-prefix": "P", "proxy": "Y", "tries": "t", "no-verbose": "q",
}  # fmt: skip
MOST_REDIRECTS = 20
BAR = "*" * 32


async def main(process: Process) -> int:
    options = await parse(process, "qO:S1*2:3:45T:U:cP:Y:t:", LONG)
    if not options.rest:
        await process.error("BusyBox v1.36.1 multi-call binary.\n\nUsage: wget [-cqS] [--spider] [-O FILE] URL...")
        return 1
    for url in options.rest:
        await _Download(process, options.given).run(url)
    return 0


class _Download:
    def __init__(self, process: Process, given: dict[str, object]) -> None:
        self.process = process
        self.given = given
        self.quiet = "q" in given
        self.spider = "4" in given
        self.timeout = float(str(given["T"])) if "T" in given else None

    async def run(self, text: str) -> None:
        """Raises ProcessExit."""
        url = await self._parse(text)
        name = str(self.given.get("O") or url.path.rpartition("/")[2] or "index.html")
        if "P" in self.given and "O" not in self.given:
            name = f"{self.given['P']}/{name}"
        if not self.spider and "O" not in self.given and self.process.fs.exists(self.process.path(name)):
            await self._fail(f"can't open '{name}': File exists")
        body = b""
        if "2" in self.given:
            body = str(self.given["2"]).encode()
        elif "3" in self.given:
            body = await whole(self.process, str(self.given["3"]))
        method = "POST" if body or "2" in self.given else "HEAD" if self.spider else "GET"
        for _ in range(MOST_REDIRECTS):
            exchange, response = await self._request(url, method, body)
            location = response.header("location")
            if response.status // 100 != 3 or not location:
                break
            exchange.stream.close()
            url, method, body = url.join(location), "HEAD" if self.spider else "GET", b""
        else:
            await self._fail("too many redirections")
        try:
            if response.status not in (200, 201, 202, 203, 204, 206):
                said = f"HTTP/{response.http_version} {response.status} {response.reason}"
                await self._fail(f"server returned error: {said}")
            if self.spider:
                await self._say("remote file exists")
            else:
                await self._save(exchange, name)
        finally:
            exchange.stream.close()

    async def _request(self, url: Url, method: str, body: bytes) -> tuple[Exchange, Response]:
        process = self.process
        try:
            address = await resolver.first(process, url.name)
        except resolver.ResolutionError:
            await self._fail(f"bad address '{url.host if url.port in (80, 443) else f'{url.host}:{url.port}'}'")
        await self._say(f"Connecting to {url.host_header} ({host_port(address, url.port)})")
        try:
            stream = await process.net.connect(address, url.port, timeout=self.timeout)
        except TimeoutError as error:
            if self.timeout is not None:
                await self._fail("download timed out")
            await self._fail(f"can't connect to remote host ({address}): {error.strerror}")
        except OSError as error:
            await self._fail(f"can't connect to remote host ({address}): {error.strerror}")
        try:
            async with process.clock.timeout(self.timeout):
                exchange = Exchange(await self._wrap(stream, url) if url.scheme == "https" else stream)
                await exchange.send(method, url.target, self._headers(url, body), body)
                response = await exchange.head()
        except TimeoutError:
            await self._fail("download timed out")
        except ssl.SSLError:
            await self._fail("error getting response: Connection reset by peer")
        except (ProtocolError, OSError) as error:
            reset = isinstance(error, OSError)
            await self._fail("error getting response: Connection reset by peer" if reset else "error getting response")
        if "S" in self.given:
            lines = [f"HTTP/{response.http_version} {response.status} {response.reason}"]
            lines += [f"{name}: {value}" for name, value in response.headers]
            await process.error("".join(f"  {line}\n" for line in lines), end="")
        return exchange, response

    async def _wrap(self, stream: object, url: Url) -> tls.TlsStream:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # BusyBox does not check certificates
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return await tls.client(stream, context, url.host)  # type: ignore[arg-type]

    def _headers(self, url: Url, body: bytes) -> Headers:
        given = self.given.get("1")
        own = [
            (k, v.strip()) for k, _, v in (str(h).partition(":") for h in (given if isinstance(given, list) else []))
        ]
        names = {name.lower() for name, _ in own}
        headers = [("Host", url.host_header), ("User-Agent", str(self.given.get("U", "Wget"))), ("Connection", "close")]
        if url.user:
            headers.append(("Authorization", f"Basic {base64.b64encode(url.user.encode()).decode()}"))
        if body:
            headers.append(("Content-Type", "application/x-www-form-urlencoded"))
            headers.append(("Content-Length", str(len(body))))
        return [(k, v) for k, v in headers if k.lower() not in names] + own

    async def _save(self, exchange: Exchange, name: str) -> None:
        process = self.process
        to_stdout = name == "-"
        await self._say("writing to stdout" if to_stdout else f"saving to '{name}'")
        size = 0
        try:
            file = None if to_stdout else process.fs.open(process.path(name), "w")
        except OSError as error:
            await self._fail(f"can't open '{name}': {error.strerror}")
        try:
            async with process.clock.timeout(self.timeout):
                async for chunk in exchange.body():
                    await (file or process.stdout).write(chunk)
                    size += len(chunk)
        except TimeoutError:
            await self._fail("download timed out")
        except (ProtocolError, ConnectionResetError):
            await self._fail("connection closed prematurely")
        finally:
            if file is not None:
                file.close()
        label = name.rpartition("/")[2][:20]
        await self._say(f"{label:<20} 100% |{BAR}| {size if size < 100_000 else f'{size // 1024}k':>5}  0:00:00 ETA")
        await self._say("written to stdout" if to_stdout else f"'{name}' saved")

    async def _parse(self, text: str) -> Url:
        try:
            return Url.parse(text)
        except BadUrl as error:
            await self._fail(f"not an http or ftp url: {text}" if error.code == 1 else f"bad address '{text}'")

    async def _say(self, text: str) -> None:
        if not self.quiet:
            await self.process.error(text)

    async def _fail(self, text: str) -> NoReturn:
        await self.process.error(f"wget: {text}")
        raise ProcessExit(1)


COMMANDS = {"wget": main}

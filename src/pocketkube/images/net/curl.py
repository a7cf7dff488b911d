"""curl 7.88: HTTP(S) requests with its output, its error texts and its exit codes.

Left out: proxies, cookies kept in files, HTTP/2, client certificates, digest authentication; see curl_options.
"""

from __future__ import annotations

import errno
import ssl

from pocketkube.images.net import curl_options
from pocketkube.images.net.curl_options import Options, Usage
from pocketkube.images.net.curl_output import Meter, Report, Sink, write_out
from pocketkube.images.net.curl_places import destination, pinned
from pocketkube.images.net.curl_request import Body, body_of, build
from pocketkube.images.net.curl_url import BadUrl, Url
from pocketkube.kubelet.process import Process
from pocketkube.network import resolver, tls
from pocketkube.network.addresses import host_port
from pocketkube.network.http import Disconnected, Exchange, ProtocolError, Response

VERSION = "7.88.1"
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
RETRIED = {408, 429, 500, 502, 503, 504}
REDIRECTS = {301, 302, 303, 307, 308}
CERTIFICATE_HELP = """More details here: https://curl.se/docs/sslcerts.html

curl failed to verify the legitimacy of the server and therefore could not
establish a secure connection to it. To learn more about this situation and
how to fix it, please visit the web page mentioned above."""


class Failed(Exception):
    """A transfer ended with one of curl's codes."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


async def main(process: Process) -> int:
    try:
        options = curl_options.parse(process.argv[1:])
    except Usage as error:
        await process.error(f"curl: {error}\ncurl: try 'curl --help' or 'curl --manual' for more information")
        return 2
    if "version" in options.flags:
        await process.print(
            f"curl {VERSION} (x86_64-pc-linux-gnu) libcurl/{VERSION} OpenSSL/3.0.17\nProtocols: http https"
        )
        return 0
    if "help" in options.flags:
        await process.print("Usage: curl [options...] <url>")
        return 0
    if not options.urls:
        await process.error("curl: no URL specified!\ncurl: try 'curl --help' or 'curl --manual' for more information")
        return 2
    session = _Session(process, options)
    try:
        return await session.run()
    finally:
        session.close()


class _Session:
    """The transfers of one command line; connections are kept for the next transfer to the same place."""

    def __init__(self, process: Process, options: Options) -> None:
        self.process = process
        self.options = options
        self.flags = options.flags
        self.clock = process.clock
        self._idle: dict[tuple[str, str, int], tuple[Exchange, int]] = {}
        self._count = 0

    def close(self) -> None:
        for exchange, _ in self._idle.values():
            exchange.stream.close()

    async def run(self) -> int:
        code = 0
        jobs = [(n, u) for n, url in enumerate(self.options.urls) for u in self._expanded(url)]
        for number, (position, url) in enumerate(jobs):
            outputs = self.options.outputs
            target = outputs[position] if position < len(outputs) else "-"
            globbed = len(list(self._expanded(self.options.urls[position]))) > 1
            if globbed and target == "-":
                if "silent" not in self.flags:
                    await self.process.error(f"\n[{number + 1}/{len(jobs)}]: {url} --> <stdout>")
                await self.process.print(f"--_curl_--{url}")
            code = await self._with_retries(url, target)
            if code and "fail-early" in self.flags:
                break
        return code

    def _expanded(self, url: str) -> list[str]:
        return [url] if "globoff" in self.flags else list(curl_options.expand(url))

    async def _with_retries(self, url: str, target: str | None) -> int:
        left, delay = int(self.options.number("retry")), 1.0
        started = self.clock.monotonic()
        while True:
            report = Report(url, self.clock.monotonic())
            try:
                await self._transfer(url, target, report)
            except Failed as error:
                report.code, report.error = error.code, str(error)
            problem = self._retryable(report)
            longest = self.options.number("retry-max-time")
            waits = self.options.number("retry-delay") or delay
            if left and problem and (not longest or self.clock.monotonic() - started + waits < longest):
                if "silent" not in self.flags or "show-error" in self.flags:
                    again = f"Will retry in {waits:.0f} second{'s' if waits != 1 else ''}."
                    retries = f"{left} retr{'ies' if left != 1 else 'y'} left."
                    await self.process.error(f"Warning: Problem: {problem}. {again} {retries}")
                await self.clock.sleep(waits)
                left, delay = left - 1, min(delay * 2, 600)
                continue
            return await self._finish(report)

    def _retryable(self, report: Report) -> str:
        if report.code == 28:
            return "timeout"
        if report.code == 7 and "retry-connrefused" in self.flags:
            return "connection refused"
        if report.code in (0, 22) and report.status in RETRIED:
            return "HTTP error"
        return "(retrying all errors)" if report.code and "retry-all-errors" in self.flags else ""

    async def _finish(self, report: Report) -> int:
        report.total = self.clock.monotonic() - report.started
        if "write-out" in self.options.values:
            text = self.options.values["write-out"]
            if text.startswith("@"):
                text = self._file(text[1:]).decode(errors="replace")
            await write_out(self.process, text, report)
        if report.code and ("silent" not in self.flags or "show-error" in self.flags):
            await self.process.error(f"curl: ({report.code}) {report.error}")
        return report.code

    async def _transfer(self, text: str, target: str | None, report: Report) -> None:
        """Raises Failed."""
        hops, most = 0, int(self.options.number("max-redirs", 50))
        try:
            url = Url.parse(text)
            body = await body_of(self.process, self.options)
            if "get" in self.flags and body.data:
                url = url.with_query(body.data.decode())
                body = Body()
        except BadUrl as error:
            raise Failed(error.code, str(error)) from None
        except OSError as error:
            raise Failed(26, "Failed to open/read local data from file/application") from error
        method = self.options.values.get("request") or ("HEAD" if "head" in self.flags else body.method)
        meter = Meter(self.process, self.flags, self.options, target)
        limit = self.options.number("max-time")
        deadline = report.started + limit if limit else None
        while True:
            report.effective, report.method, report.scheme = str(url), method, url.scheme
            try:
                async with self.clock.timeout(deadline - self.clock.monotonic() if deadline else None):
                    head = await self._exchange(url, method, body, target, report, meter, deadline)
            except TimeoutError:
                raise await self._timed_out(report) from None
            except (ConnectionResetError, BrokenPipeError) as error:
                late = error.errno == errno.ETIMEDOUT
                text = "Connection timed out" if late else "Connection reset by peer"
                raise await self._noted(56, f"Recv failure: {text}") from None
            except Failed:
                await meter.end(failed=True)
                raise
            location = head.header("location")
            report.redirect = str(url.join(location)) if location and head.status in REDIRECTS else ""
            if not report.redirect or "location" not in self.flags:
                break
            hops += 1
            if hops > most:
                raise await self._noted(47, f"Maximum ({most}) redirects followed")
            url, report.hops = url.join(location), hops
            await self._note(f"Issue another request to this URL: '{url}'")
            if head.status == 303 or (head.status in (301, 302) and method == "POST"):
                method, body = ("HEAD" if method == "HEAD" else "GET"), Body()
        await meter.end()
        if head.status >= 400 and ("fail" in self.flags or "fail-with-body" in self.flags):
            raise Failed(22, f"The requested URL returned error: {head.status}")

    async def _exchange(
        self,
        url: Url,
        method: str,
        body: Body,
        target: str | None,
        report: Report,
        meter: Meter,
        deadline: float | None,
    ) -> Response:
        exchange, number = await self._connection(url, report, meter, deadline)
        headers = build(url, self.options, body, VERSION)
        report.got = 0
        report.pretransfer = report.pretransfer or self.clock.monotonic() - report.started
        sent = await exchange.send(method, url.target, headers, body.data)
        report.request_size += len(sent)
        report.uploaded += len(body.data)
        await self._lines("> ", sent.decode("latin-1"))
        if body.data:
            await self._note(f"[{len(body.data)} bytes data]", mark="}")
        try:
            head = await exchange.head()
        except Disconnected as error:
            code, text = (52, "Empty reply from server") if error.empty else (56, "Recv failure: unexpected end")
            raise await self._noted(code, text, number) from None
        except ProtocolError:
            raise await self._noted(1, "Received HTTP/0.9 when not allowed", number) from None
        report.first_byte = self.clock.monotonic() - report.started
        raw = f"HTTP/{head.http_version} {head.status} {head.reason}\r\n"
        raw += "".join(f"{k}: {v}\r\n" for k, v in head.headers) + "\r\n"
        report.status, report.headers, report.http_version = head.status, head.headers, head.http_version
        report.header_size += len(raw)
        await self._lines("< ", raw)
        follows = "location" in self.flags and head.status in REDIRECTS and head.header("location")
        failing = "fail" in self.flags and head.status >= 400
        if failing and "verbose" in self.flags:
            await self._note(f"The requested URL returned error: {head.status}")
        output = await self._output(url, target)
        try:
            if ("include" in self.flags or "head" in self.flags) and not failing:
                await output.write(raw.encode("latin-1"))
            if "dump-header" in self.options.values:
                await self._dump(raw)
            meter.expect(int(head.header("content-length") or 0) if method != "HEAD" else 0)
            async for chunk in exchange.body():
                report.got += len(chunk)
                await self._note(f"[{len(chunk)} bytes data]", mark="{")
                if not follows and not failing:
                    await output.write(chunk)
                meter.got(len(chunk))
        except Disconnected:
            missing = int(head.header("content-length") or 0) - report.got
            raise await self._noted(18, f"transfer closed with {missing} bytes remaining to read", number) from None
        except BrokenPipeError:
            raise await self._noted(23, "Failure writing output to destination", number) from None
        finally:
            report.downloaded += report.got
            close = getattr(output, "close", None)
            if close is not None and output is not self.process.stdout:
                close()
        if exchange.reusable:
            self._idle[url.place] = exchange, number
            await self._note(f"Connection #{number} to host {url.host} left intact")
        else:
            exchange.stream.close()
            await self._note(f"Closing connection {number}")
        return head

    # -- connections

    async def _connection(self, url: Url, report: Report, meter: Meter, deadline: float | None) -> tuple[Exchange, int]:
        kept = self._idle.pop(url.place, None)
        if kept is not None:
            await self._note(f"Re-using existing connection #{kept[1]} with host {url.host}")
            return kept
        await meter.begin()
        number, self._count = self._count, self._count + 1
        began = self.clock.monotonic()
        place = destination(self.options, url)
        try:
            addresses = await self._resolve(place)
        except resolver.ResolutionError:
            raise await self._noted(6, f"Could not resolve host: {place.host}", number) from None
        report.namelookup = self.clock.monotonic() - report.started
        limits = [began + self.options.number("connect-timeout")] if self.options.number("connect-timeout") else []
        limits += [deadline] if deadline else []
        until = min(limits, default=None)
        error: OSError | None = None
        for address in addresses:
            await self._note(f"  Trying {host_port(address, place.port)}...")
            left = None if until is None else max(0.0, until - self.clock.monotonic())
            try:
                stream = await self.process.net.connect(address, place.port, timeout=left)
            except TimeoutError as timeout:
                if until is not None and self.clock.monotonic() >= until - 0.001:
                    raise await self._noted(28, self._connect_timeout(report), number) from None
                error = timeout
            except OSError as refused:
                error = refused
            else:
                break
            await self._note(f"connect to {address} port {place.port} failed: {error.strerror}")
        else:
            code, why = (
                (28, "Timeout was reached") if isinstance(error, TimeoutError) else (7, "Couldn't connect to server")
            )
            took = int((self.clock.monotonic() - began) * 1000)
            text = f"Failed to connect to {place.host} port {place.port} after {took} ms: {why}"
            raise await self._noted(code, text, number)
        report.connected(stream.local, stream.remote, self.clock.monotonic())
        await self._note(f"Connected to {url.host} ({stream.remote[0]}) port {url.port} (#{number})")
        if url.scheme == "http":
            return Exchange(stream), number
        try:
            wrapped = await tls.client(stream, self._context(), url.name.rstrip("."))
        except ssl.SSLCertVerificationError as bad:
            stream.close()
            text = f"SSL certificate problem: {bad.verify_message}"
            if "Hostname mismatch" in bad.verify_message:
                text = f"SSL: no alternative certificate subject name matches target host name '{url.host}'"
            raise await self._noted(60, f"{text}\n{CERTIFICATE_HELP}", number) from None
        except (ssl.SSLError, OSError) as bad:
            stream.close()
            text = "OpenSSL SSL_connect: SSL_ERROR_SYSCALL"
            if isinstance(bad, ssl.SSLError) and bad.reason and "EOF" not in bad.reason.upper():
                text = f"error:0A00010B:SSL routines::{bad.reason.lower().replace('_', ' ')}"
            raise await self._noted(35, text, number) from None
        report.appconnect = self.clock.monotonic() - report.started
        return Exchange(wrapped), number

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if "insecure" in self.flags:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            return context
        given = self.options.values.get("cacert")
        try:
            text = self._file(given or CA_BUNDLE).decode()
            context.load_verify_locations(cadata=text)
        except (Failed, ssl.SSLError, ValueError):
            if given is not None:
                where = f"error setting certificate file: {given}"
                raise Failed(77, where) from None
        return context

    async def _resolve(self, url: Url) -> list[str]:
        version = resolver.IPV4 if "ipv4" in self.flags else resolver.IPV6 if "ipv6" in self.flags else None
        return pinned(self.options, url) or await resolver.lookup(self.process, url.name, version)

    # -- texts

    def _connect_timeout(self, report: Report) -> str:
        return f"Connection timed out after {int((self.clock.monotonic() - report.started) * 1000)} milliseconds"

    async def _timed_out(self, report: Report) -> Failed:
        took = int((self.clock.monotonic() - report.started) * 1000)
        if not report.namelookup:
            return await self._noted(28, f"Resolving timed out after {took} milliseconds")
        if not report.connect:
            return await self._noted(28, self._connect_timeout(report))
        length = next((v for k, v in report.headers if k.lower() == "content-length"), "")
        got = f"{report.got} out of {length} bytes" if length and report.status else f"{report.got} bytes"
        return await self._noted(28, f"Operation timed out after {took} milliseconds with {got} received")

    async def _noted(self, code: int, text: str, number: int | None = None) -> Failed:
        """The failure, after -v has said it."""
        await self._note(text.partition("\n")[0])
        await self._note(f"Closing connection {self._count - 1 if number is None else number}")
        return Failed(code, text)

    async def _note(self, text: str, mark: str = "*") -> None:
        if "verbose" in self.flags:
            await self.process.error(f"{mark} {text}")

    async def _lines(self, mark: str, head: str) -> None:
        if "verbose" in self.flags:
            await self.process.error("".join(f"{mark}{line}\r\n" for line in head.split("\r\n")[:-1]), end="")

    # -- files

    def _file(self, path: str) -> bytes:
        try:
            return self.process.fs.read_bytes(self.process.path(path))
        except OSError:
            raise Failed(26, "Failed to open/read local data from file/application") from None

    async def _dump(self, raw: str) -> None:
        path = self.options.values["dump-header"]
        if path == "-":
            await self.process.stdout.write(raw.encode("latin-1"))
        else:
            self.process.fs.append_bytes(self.process.path(path), raw.encode("latin-1"))

    async def _output(self, url: Url, target: str | None) -> Sink:
        if target == "-":
            return self.process.stdout
        name = url.path.rpartition("/")[2] if target is None else target
        if not name:
            raise Failed(23, "Remote file name has no length!")
        folder = self.options.values.get("output-dir", "")
        try:
            return self.process.fs.open(self.process.path(f"{folder}/{name}" if folder else name), "w")
        except OSError as error:
            if "silent" not in self.flags:
                await self.process.error(f"Warning: Failed to open the file {name}: {error.strerror}")
            raise Failed(23, "Failure writing output to destination") from None


COMMANDS = {"curl": main}

"""curl 7.88: HTTP(S) requests with its output, its error texts and its exit codes.

Left out: proxies, HTTP/2, client certificates, digest authentication; see curl_options.
"""

from __future__ import annotations

import errno
from contextlib import suppress

from pocketkube.images.net import curl_files, curl_glob, curl_options
from pocketkube.images.net.curl_connect import Connections
from pocketkube.images.net.curl_cookies import Jar
from pocketkube.images.net.curl_files import Failed
from pocketkube.images.net.curl_options import Options, Usage
from pocketkube.images.net.curl_output import Meter, Report, write_out
from pocketkube.images.net.curl_places import badly_pinned
from pocketkube.images.net.curl_request import Body, body_of, build, read_headers
from pocketkube.images.net.curl_url import BadUrl, Url
from pocketkube.kubelet.process import Process
from pocketkube.network.http import Disconnected, ProtocolError, Response

VERSION = "7.88.1"
RETRIED = {408, 429, 500, 502, 503, 504}
REDIRECTS = {301, 302, 303, 307, 308}


async def main(process: Process) -> int:
    try:
        parts = curl_options.parse(process.argv[1:])
    except Usage as error:
        await process.error(f"curl: {error}\ncurl: try 'curl --help' or 'curl --manual' for more information")
        return 2
    options = parts[0]
    if "version" in options.flags:
        await process.print(
            f"curl {VERSION} (x86_64-pc-linux-gnu) libcurl/{VERSION} OpenSSL/3.0.17\nProtocols: http https"
        )
        return 0
    if "help" in options.flags:
        await process.print("Usage: curl [options...] <url>")
        return 0
    if not parts[-1].urls:
        missing = "curl: no URL specified!\n" if process.argv[1:] else ""
        await process.error(f"{missing}curl: try 'curl --help' or 'curl --manual' for more information")
        return 2
    session = _Session(process, options)
    code = 0
    try:
        for part in parts:
            session.options, session.flags = part, part.flags
            code = await session.run()
            if code and "fail-early" in part.flags:
                break
        return code
    finally:
        session.close()


class _Session(Connections):
    """The transfers of one command line."""

    def __init__(self, process: Process, options: Options) -> None:
        super().__init__(process, options)
        self.jar = Jar()

    async def run(self) -> int:
        code = 0
        self._read_cookies()
        try:
            if bad := badly_pinned(self.options):
                raise Failed(49, f"Couldn't parse CURLOPT_RESOLVE entry '{bad}'")
            jobs = [(n, *job) for n, url in enumerate(self.options.urls) for job in self._expanded(url)]
        except (curl_glob.BadGlob, Failed) as error:
            return await self._say(Failed(getattr(error, "code", 3), str(error)))
        for number, (position, url, chosen) in enumerate(jobs):
            outputs = self.options.outputs
            target = None if "remote-name-all" in self.flags else "-"
            if position < len(outputs):
                target = outputs[position]
            if target is not None and chosen:
                target = curl_glob.named(target, chosen)
            if chosen and target == "-" and "silent" not in self.flags and len(jobs) > 1:
                await self.process.error(f"\n[{number + 1}/{len(jobs)}]: {url} --> <stdout>")
                await self.process.print(f"--_curl_--{url}")
            code = await self._with_retries(url, target, position)
            if code and "fail-early" in self.flags:
                break
        if "cookie-jar" in self.options.values:
            await curl_files.write_jar(self.process, self.options.values["cookie-jar"], self.jar)
        return code

    def _expanded(self, url: str) -> list[tuple[str, list[str]]]:
        """Raises curl_glob.BadGlob."""
        return [(url, [])] if "globoff" in self.flags else list(curl_glob.expand(url))

    def _read_cookies(self) -> None:
        files = [given for given in self.options.cookies if "=" not in given]
        self.jar.kept = self.jar.kept or bool(files) or "cookie-jar" in self.options.values
        for path in files:
            with suppress(Failed):
                text = curl_files.content(self.process, path).decode("latin-1")
                self.jar.read(text, self.clock.time())

    async def _say(self, failed: Failed) -> int:
        if "silent" not in self.flags or "show-error" in self.flags:
            await self.process.error(f"curl: ({failed.code}) {failed}")
        return failed.code

    async def _with_retries(self, url: str, target: str | None, position: int) -> int:
        left, delay = int(self.options.number("retry")), 1.0
        started = self.clock.monotonic()
        while True:
            report = Report(
                url, self.clock.monotonic(), number=position, file=target if target not in (None, "-") else ""
            )
            try:
                await self._transfer(url, target, report)
            except Failed as error:
                report.code, report.error = error.code, str(error)
            problem = self._retryable(report)
            longest = self.options.number("retry-max-time")
            waits = self.options.number("retry-delay") or delay
            if left and problem and (not longest or self.clock.monotonic() - started + waits < longest):
                if report.code:
                    await self._say(Failed(report.code, report.error))
                if "silent" not in self.flags:
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
                text = (await curl_files.format_of(self.process, text[1:])).decode(errors="replace")
            await write_out(self.process, text, report)
        return await self._say(Failed(report.code, report.error)) if report.code else 0

    async def _transfer(self, text: str, target: str | None, report: Report) -> None:
        """Raises Failed."""
        hops, most = 0, int(self.options.number("max-redirs", 50))
        try:
            url = Url.parse(text, as_is="path-as-is" in self.flags)
            url = url.appended(self.options.values.get("upload-file", "").rpartition("/")[2])
            body = await body_of(self.process, self.options)
            if "continue-at" in self.options.values:
                self.options.values["range"] = curl_files.rest(self.process, self.options, url, target)
            if "get" in self.flags and body.data:
                url = url.with_query(body.data.decode())
                body = Body()
        except BadUrl as error:
            raise Failed(error.code, str(error)) from None
        except OSError as error:
            path = self.options.values.get("upload-file")
            if path and ("silent" not in self.flags or "show-error" in self.flags):
                manual = "curl: try 'curl --help' or 'curl --manual' for more information"
                await self.process.error(f"curl: Can't open '{path}'!\n{manual}")
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
            asks = body.method == "POST" and f"post{head.status}" not in self.flags
            if head.status in (301, 302, 303) and (asks or (head.status == 303 and body.method == "PUT")):
                body = Body()
                if "request" not in self.options.values:
                    await self._note(f"Switch from {method} to GET")
                    method = "GET"
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
        exchange, number = await self.connection(url, report, meter, deadline)
        cookies = self.jar.header(url, self.clock.time())
        headers = build(url, self.options, body, VERSION, read_headers(self.process, self.options), cookies)
        report.got = 0
        report.pretransfer = report.pretransfer or self.clock.monotonic() - report.started
        sent = await exchange.send(method, self.options.values.get("request-target", url.target), headers, body.data)
        report.request_size += len(sent)
        report.uploaded += len(body.data)
        await self._lines("> ", sent.decode("latin-1"))
        if body.data:
            await self._note(f"[{len(body.data)} bytes data]", mark="}")
        try:
            head = await exchange.head()
        except Disconnected as error:
            code, text = (52, "Empty reply from server") if error.empty else (56, "Recv failure: unexpected end")
            if not error.empty and not b"HTTP/".startswith(exchange.unread[:5]):
                code, text = 1, "Received HTTP/0.9 when not allowed"
            raise await self._noted(code, text, number) from None
        except ProtocolError as error:
            if "Content-Length" in str(error):
                raise await self._noted(8, "Invalid Content-Length: value", number) from None
            raise await self._noted(1, "Received HTTP/0.9 when not allowed", number) from None
        report.first_byte = self.clock.monotonic() - report.started
        raw = f"HTTP/{head.http_version} {head.status} {head.reason}\r\n"
        raw += "".join(f"{k}: {v}\r\n" for k, v in head.headers) + "\r\n"
        report.status, report.headers, report.http_version = head.status, head.headers, head.http_version
        report.header_size += len(raw)
        self.jar.note(head.headers, url, self.clock.time())
        await self._lines("< ", raw)
        follows = "location" in self.flags and head.status in REDIRECTS and head.header("location")
        failing = "fail" in self.flags and head.status >= 400
        if failing and "verbose" in self.flags:
            await self._note(f"The requested URL returned error: {head.status}")
        most = int(self.options.number("max-filesize") or 0)
        if most and int(head.header("content-length") or 0) > most:
            raise await self._noted(63, "Maximum file size exceeded", number)
        place = "/dev/null" if failing and target != "-" else target
        if target is None and "remote-header-name" in self.flags:
            place = curl_files.offered(head.header("content-disposition")) or place
        output = await curl_files.output(self.process, self.options, url, place)
        if follows:
            await self._note("Ignoring the response-body")
        try:
            if ("include" in self.flags or "head" in self.flags) and not failing:
                await output.write(raw.encode("latin-1"))
            if "dump-header" in self.options.values:
                await curl_files.dump(self.process, self.options.values["dump-header"], raw)
            meter.expect(int(head.header("content-length") or 0) if method != "HEAD" else 0)
            async for chunk in exchange.body():
                if most and report.got + len(chunk) > most:  # nobody had said how much would come
                    await output.write(chunk[: most - report.got])
                    raise await self._noted(63, f"Exceeded the maximum allowed file size ({most})", number)
                report.got += len(chunk)
                await self._note(f"[{len(chunk)} bytes data]", mark="{")
                if not follows and not failing:
                    await output.write(chunk)
                meter.got(len(chunk))
        except Disconnected:
            missing = int(head.header("content-length") or 0) - report.got
            raise await self._noted(18, f"transfer closed with {missing} bytes remaining to read", number) from None
        except ProtocolError:
            text = "Illegal or missing hexadecimal sequence in chunked-encoding"
            raise await self._noted(56, text, number) from None
        except (TimeoutError, ConnectionResetError):
            raise
        except OSError:
            raise await self._noted(23, "Failed writing body", number) from None
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

    async def _timed_out(self, report: Report) -> Failed:
        took = int((self.clock.monotonic() - report.started) * 1000)
        if not report.namelookup:
            return await self._noted(28, f"Resolving timed out after {took} milliseconds")
        if not report.connect:
            return await self._noted(28, self._connect_timeout(report))
        length = next((v for k, v in report.headers if k.lower() == "content-length"), "")
        got = f"{report.got} out of {length} bytes" if length and report.status else f"{report.got} bytes"
        return await self._noted(28, f"Operation timed out after {took} milliseconds with {got} received")


COMMANDS = {"curl": main}

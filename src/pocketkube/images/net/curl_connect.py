"""How curl connects: names, addresses one after the other, TLS; connections are kept for the next transfer.

Left out: proxies, HTTP/2, client certificates.
"""

from __future__ import annotations

import re
import ssl

from pocketkube.images.net import curl_certificate, curl_files
from pocketkube.images.net.curl_files import Failed
from pocketkube.images.net.curl_options import Options
from pocketkube.images.net.curl_output import Meter, Report
from pocketkube.images.net.curl_places import destination, pinned
from pocketkube.images.net.curl_url import Url
from pocketkube.kubelet.process import Process
from pocketkube.network import resolver, tls
from pocketkube.network.addresses import host_port
from pocketkube.network.http import Exchange

CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
CERTIFICATE_HELP = """More details here: https://curl.se/docs/sslcerts.html

curl failed to verify the legitimacy of the server and therefore could not
establish a secure connection to it. To learn more about this situation and
how to fix it, please visit the web page mentioned above."""


class Connections:
    """Those of one command line, and what -v says."""

    def __init__(self, process: Process, options: Options) -> None:
        self.process = process
        self.options = options
        self.flags = options.flags
        self.clock = process.clock
        self._idle: dict[tuple[str, str, int], tuple[Exchange, int]] = {}
        self._names: dict[tuple[str, int], list[str]] = {}
        """What names resolved to: curl keeps that for a minute, which is longer than a command line of ours."""
        self._count = 0

    def close(self) -> None:
        for exchange, _ in self._idle.values():
            exchange.stream.close()

    async def connection(self, url: Url, report: Report, meter: Meter, deadline: float | None) -> tuple[Exchange, int]:
        """One to the URL's place, and its number. Raises Failed."""
        kept = self._idle.pop(url.place, None)
        if kept is not None:
            report.local, report.remote = kept[0].stream.local, kept[0].stream.remote
            await self._note(f"Found bundle for host: {id(kept[0]):#x} [serially]")
            await self._note("Can not multiplex, even if we wanted to")
            await self._note(f"Re-using existing connection #{kept[1]} with host {url.host}")
            return kept
        await meter.begin()
        number, self._count = self._count, self._count + 1
        began = self.clock.monotonic()
        place = destination(self.options, url)
        if place.name != url.name or place.port != url.port:
            await self._note(f"Connecting to hostname: {place.host}\n* Connecting to port: {place.port}")
        if given := pinned(self.options, place):
            await self._note(f"Added {place.host}:{place.port}:{','.join(given)} to DNS cache")
            await self._note(f"Hostname {place.host} was found in DNS cache")
        if "ipv6" in self.flags and re.fullmatch(r"[0-9.]+", place.name):
            raise await self._noted(7, "Couldn't connect to server", number)
        try:
            addresses = given or await self._resolve(place)
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
        await self._note(f"Connected to {url.host} ({stream.remote[0]}) port {place.port} (#{number})")
        if url.scheme == "http":
            return Exchange(stream), number
        try:
            wrapped = await tls.client(stream, self._context(), url.name.rstrip("."))
        except ssl.SSLCertVerificationError as bad:
            stream.close()
            report.verified = bad.verify_code
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
        if "verbose" in self.flags:
            for line in curl_certificate.told(wrapped.tls, url.host, verified="insecure" not in self.flags):
                await self._note(line)
        return Exchange(wrapped), number

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if "insecure" in self.flags:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            return context
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # what --cacert holds is trusted, an authority or not
        given = self.options.values.get("cacert")
        try:
            text = curl_files.content(self.process, given or CA_BUNDLE).decode()
            context.load_verify_locations(cadata=text)
        except (Failed, ssl.SSLError, ValueError):
            if given is not None:
                where = f"error setting certificate file: {given}"
                raise Failed(77, where) from None
        return context

    async def _resolve(self, url: Url) -> list[str]:
        known = self._names.get((url.name, url.port))
        if known is not None:
            await self._note(f"Hostname {url.host} was found in DNS cache")
            return known
        version = resolver.IPV4 if "ipv4" in self.flags else resolver.IPV6 if "ipv6" in self.flags else None
        found = self._names[url.name, url.port] = await resolver.lookup(self.process, url.name, version)
        return found

    def _connect_timeout(self, report: Report) -> str:
        return f"Connection timed out after {int((self.clock.monotonic() - report.started) * 1000)} milliseconds"

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

"""Scripts that use curl, a small server for them, and what curl 7.88.1 of Debian 12 printed.

`curl_scripts.txt` has the scripts, `curl_recorded.jsonl` what they printed.

`PYTHONPATH=src:. python -m tests.unit.pocketkube.images.net.curl_cases` records anew with this machine's curl.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pocketkube.images.programs.metrics_server.certificate import self_signed

RECORDED = Path(__file__).with_name("curl_recorded.jsonl")
CURL = shutil.which("curl")
VERSION = "7.88.1"

SCRIPTS = Path(__file__).with_name("curl_scripts.txt").read_text().splitlines()


class Connection:
    """What both a real connection and one of the fabric can do."""

    def __init__(self, read: Callable[[], Awaitable[bytes]], write: Callable[[bytes], Awaitable[Any]]) -> None:
        self.read, self.write = read, write
        self.data = b""

    async def until(self, mark: bytes) -> bytes:
        while mark not in self.data:
            got = await self.read()
            if not got:
                raise EOFError
            self.data += got
        head, _, self.data = self.data.partition(mark)
        return head + mark

    async def exactly(self, size: int) -> bytes:
        while len(self.data) < size:
            got = await self.read()
            if not got:
                raise EOFError
            self.data += got
        taken, self.data = self.data[:size], self.data[size:]
        return taken


def answer(status: str, body: str = "", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


FIXED = {
    "redirect": answer("302 Found", "moved\n", "Location: /raw"),
    "307": answer("307 Temporary Redirect", "moved\n", "Location: /raw"),
    "loop": answer("302 Found", "", "Location: /loop"),
    "setredirect": answer("302 Found", "", "Set-Cookie: s=1; Path=/", "Location: /raw"),
    "cookies": answer(
        "200 OK", "set\n", "Set-Cookie: a=1", "Set-Cookie: b=2; Path=/deep; HttpOnly", "Set-Cookie: c=3; Max-Age=0",
        "Set-Cookie: d=4; Secure", "Set-Cookie: e=5; Domain=other.example",
        "Set-Cookie: g=7; Path=/; Expires=Fri, 01 Jan 2100 00:00:00 GMT",
    ),
    "expire": answer("200 OK", "", "Set-Cookie: a=1; Max-Age=0"),
    "404": answer("404 Not Found", "gone\n"),
    "500": answer("500 Internal Server Error", "bad\n"),
    "503": answer("503 Service Unavailable", "busy\n"),
    "short": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    "noheaders": b"HTTP/1.1 200 OK\r\n\r\nuntil the end\n",
    "garbage": b"SSH-2.0-OpenSSH\r\n",
    "09": b"hello\n",
    "badchunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
    "badlength": b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhello\n",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndef\n\r\n0\r\n\r\n",
    "100": b"HTTP/1.1 100 Continue\r\n\r\n" + answer("200 OK", "go on\n"),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "close": answer("200 OK", "bye\n", "Connection: close"),
    "big": answer("200 OK", "x" * 100_000),
    "range": answer("206 Partial Content", "cdef\n", "Content-Range: bytes 2-6/7"),
    "attachment": answer("200 OK", "file\n", "Content-Disposition: attachment; filename=given.txt"),
    "headlike": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
}  # fmt: skip
ENDING = {"short", "noheaders", "garbage", "09", "badchunk", "close"}


async def converse(connection: Connection, seen: set[str]) -> None:
    """Answer requests until one of them ends the connection."""
    try:
        while True:
            head = await connection.until(b"\r\n\r\n")
            found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            body = await connection.exactly(int(found[1])) if found else b""
            if b"Encoding: chunked\r\n" in head:
                body = await connection.until(b"0\r\n\r\n")
            method, target = head.decode("latin-1").split(" ")[:2]
            path = target.partition("?")[0].strip("/")
            first = path.partition("/")[0]
            if path == "empty":
                return
            if path in ("never", "stall"):
                if path == "stall":
                    await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
                await connection.read()
                return
            if path == "form":
                boundary = re.search(rb"boundary=(\S+)", head)
                assert boundary is not None
                whole = (head + body).replace(boundary[1], b"BOUNDARY")
                out = answer("200 OK", whole.decode())
            elif path in FIXED:
                out = FIXED[path]
            elif first == "once" and path not in seen:
                seen.add(path)
                out = FIXED["503"]
            elif first == "ok" or first == "once":
                out = answer("200 OK", f"ok {path}\n", "X-A: one", "Content-Type: text/plain")
            else:
                out = answer("200 OK", (head + body).decode("latin-1"))
            await connection.write(out.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == "HEAD" else out)
            if path in ENDING:
                return
    except (EOFError, ConnectionError):
        return


class Certificates:
    """The server's certificate for localhost, which vouches for itself, in a folder."""

    def __init__(self, folder: Path) -> None:
        certificate, key = self_signed("localhost")
        self.pem = certificate
        (folder / "server.pem").write_bytes(certificate + key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "server.pem")


FILES = {"f": b"one\ntwo", "hdr": b"X-From: file\n"}


def plain(text: str, port: int, tls: int) -> str:
    """Without what differs from run to run: ports, times, the sort of TLS library."""
    text = text.replace(str(port), "PORT").replace(str(tls), "TLSPORT")
    text = re.sub(r"after \d+ m", "after N m", text)
    return re.sub(r"host: 0x[0-9a-f]+", "host: 0xADDRESS", text)


async def by_host(scripts: list[str]) -> list[dict[str, Any]]:
    """What this machine's curl makes of the scripts."""
    with tempfile.TemporaryDirectory() as name:
        certificates, seen = Certificates(Path(name)), set[str]()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            async def write(data: bytes) -> None:
                writer.write(data)
                await writer.drain()

            await converse(Connection(lambda: reader.read(65536), write), seen)
            writer.close()

        plainly = await asyncio.start_server(serve, "127.0.0.1", 0)
        safely = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificates.context)
        port, tls = (server.sockets[0].getsockname()[1] for server in (plainly, safely))
        found = []
        for number, script in enumerate(scripts):
            folder = Path(name) / str(number)
            folder.mkdir()
            for file, content in {**FILES, "ca.pem": certificates.pem}.items():
                (folder / file).write_bytes(content)
            env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C"}
            env |= {"U": f"http://127.0.0.1:{port}", "PORT": str(port), "TLS": str(tls)}
            process = await asyncio.create_subprocess_exec(
                "timeout", "10", "sh", "-c", script, cwd=folder, env=env,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            out, err = await process.communicate()
            shown = [plain(text.decode("latin-1"), port, tls) for text in (out, err)]
            found.append({"script": script, "status": process.returncode, "out": shown[0], "err": shown[1]})
        for server in (plainly, safely):
            server.close()
    return found


if __name__ == "__main__":
    RECORDED.write_text("".join(json.dumps(case) + "\n" for case in asyncio.run(by_host(SCRIPTS))))

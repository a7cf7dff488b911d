"""The files curl reads and writes: outputs, heads, formats, cookie jars."""

from __future__ import annotations

import posixpath
import re
from contextlib import suppress

from pocketkube.images.coreutils.options import whole
from pocketkube.images.net.curl_cookies import Jar
from pocketkube.images.net.curl_options import Options
from pocketkube.images.net.curl_output import Sink
from pocketkube.images.net.curl_url import Url
from pocketkube.kubelet.process import Process


class Failed(Exception):
    """A transfer ended with one of curl's codes."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def content(process: Process, path: str) -> bytes:
    """Raises Failed."""
    try:
        return process.fs.read_bytes(process.path(path))
    except OSError:
        raise Failed(26, "Failed to open/read local data from file/application") from None


async def format_of(process: Process, path: str) -> bytes:
    """--write-out's @FILE or @-, its line ends dropped; empty when it cannot be read."""
    try:
        return (await whole(process, path)).replace(b"\r", b"").replace(b"\n", b"")
    except OSError:
        return b""


async def dump(process: Process, path: str, head: str) -> None:
    if path == "-":
        await process.stdout.write(head.encode("latin-1"))
    else:
        process.fs.append_bytes(process.path(path), head.encode("latin-1"))


async def write_jar(process: Process, path: str, jar: Jar) -> None:
    """A jar that cannot be written is passed over, as curl does."""
    if path == "-":
        await process.stdout.write(jar.text().encode("latin-1"))
    else:
        with suppress(OSError):
            process.fs.write_bytes(process.path(path), jar.text().encode("latin-1"))


def offered(disposition: str) -> str:
    """The file name of a Content-Disposition, without folders; empty when there is none."""
    found = re.search(r'(?i)filename="?([^";]+)', disposition)
    return posixpath.basename(found[1].strip()) if found else ""


def rest(process: Process, options: Options, url: Url, target: str | None) -> str:
    """The range --continue-at asks for; empty for all."""
    given = options.values["continue-at"]
    if given != "-":
        return f"{given}-"
    with suppress(OSError):
        size = process.fs.stat(process.path(target or posixpath.basename(url.path))).size
        return f"{size}-" if size else ""
    return ""


async def output(process: Process, options: Options, url: Url, target: str | None) -> Sink:
    """Where a body goes: a file, for None one named as the URL's, or standard output for `-`. Raises Failed."""
    if target == "-":
        return process.stdout
    name = posixpath.basename(url.path) if target is None else target
    if not name:
        raise Failed(23, "Failed writing received data to disk/application")
    folder = options.values.get("output-dir", "")
    name = name if name.startswith("/") or not folder else f"{folder}/{name}"
    try:
        if "create-dirs" in options.flags and posixpath.dirname(name):
            process.fs.mkdir(process.path(posixpath.dirname(name)), parents=True)
        return process.fs.open(process.path(name), "a" if "continue-at" in options.values else "w")
    except OSError as error:
        if "silent" not in options.flags:
            await process.error(f"Warning: Failed to open the file {name}: {error.strerror}")
        raise Failed(23, "Failure writing output to destination") from None

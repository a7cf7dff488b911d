"""docker.io/library/debian 12: a shell and the core tools, none for the network. Left out: apt, for nothing can be
downloaded. `latest` is still 12 here."""

from __future__ import annotations

from pocketkube.images.base import Image
from pocketkube.images.linux import DEBIAN_FILES, programs

NOT_IN_DEBIAN = frozenset(
    {"wget", "nc", "telnet", "ping", "ping6", "ip", "ifconfig", "route", "netstat", "nslookup", "vi", "less", "ps",
     "top", "free", "uptime", "hexdump", "xxd", "unzip", "strings", "openssl", "jq", "killall"}
)  # fmt: skip


class IMAGE(Image):
    names = tuple(
        f"docker.io/library/debian:{tag}"
        for tag in ("12", "12-slim", "bookworm", "bookworm-slim", "stable", "stable-slim", "latest")
    )
    size = 48_500_000
    memory = 900 << 10
    cmd = ("bash",)
    files = DEBIAN_FILES
    commands = {
        path: program for path, program in programs("bash").items() if path.rsplit("/", 1)[-1] not in NOT_IN_DEBIAN
    }

"""registry.k8s.io/e2e-test-images/glibc-dns-testing: Debian with BIND's tools, to ask DNS as glibc does.

Left out: the old `/coredns` that lies in it, which nothing but [Serial] tests of upstream start.
"""

from __future__ import annotations

from pocketkube.images.base import Image
from pocketkube.images.linux import DEBIAN_FILES, programs
from pocketkube.images.net import nslookup

_NOT_IN_DEBIAN = frozenset({"wget", "nc", "telnet", "ping", "ip", "ifconfig", "route", "netstat", "vi", "less"})


class IMAGE(Image):
    names = ("registry.k8s.io/e2e-test-images/glibc-dns-testing:2.0.0",)
    size = 99_000_000
    cmd = ("bash",)
    files = DEBIAN_FILES
    commands = {
        **{p: c for p, c in programs("bash", "dig", "getent").items() if p.rsplit("/", 1)[-1] not in _NOT_IN_DEBIAN},
        "/usr/bin/nslookup": nslookup.bind,
    }

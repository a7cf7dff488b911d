"""docker.io/library/ubuntu 24.04, which Kubernetes' own pages debug Pods and nodes with: debian's tools, and procps'.
Left out: apt, for nothing can be downloaded. `latest` is still 24.04 here."""

from __future__ import annotations

from pocketkube.images.base import Image
from pocketkube.images.debian import NOT_IN_DEBIAN
from pocketkube.images.linux import COMMON_FILES, programs

_MISSING = NOT_IN_DEBIAN - {"ps", "top", "free", "uptime"}


class IMAGE(Image):
    names = tuple(f"docker.io/library/ubuntu:{tag}" for tag in ("24.04", "noble", "latest"))
    size = 29_700_000
    memory = 900 << 10
    cmd = ("/bin/bash",)
    files = {
        **COMMON_FILES,
        "/etc/debian_version": b"trixie/sid\n",
        "/etc/os-release": b'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nNAME="Ubuntu"\nVERSION_ID="24.04"\n'
        b'VERSION="24.04.3 LTS (Noble Numbat)"\nVERSION_CODENAME=noble\nID=ubuntu\nID_LIKE=debian\n',
    }
    commands = {path: program for path, program in programs("bash").items() if path.rsplit("/", 1)[-1] not in _MISSING}

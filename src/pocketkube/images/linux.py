"""What a small Linux image is made of: the shell, the coreutils and the network tools at their usual places."""

from __future__ import annotations

from pocketkube.images import coreutils, net, shell
from pocketkube.kubelet.process import Command

_SBIN = frozenset(
    {"ip", "ifconfig", "route", "syslogd", "getty", "init", "reboot", "arp", "fdisk", "mkfs.ext2", "nologin"}
)
_USR = frozenset(
    {"awk", "basename", "cmp", "cut", "diff", "dirname", "du", "env", "expr", "find", "free", "head", "hexdump", "id",
     "killall", "less", "md5sum", "nc", "nl", "nohup", "nproc", "nslookup", "od", "paste", "printf", "readlink",
     "realpath",
     "seq", "sha1sum", "sha256sum", "sha512sum", "sort", "split", "tac", "tail", "tee", "telnet", "test", "[", "[[",
     "time", "timeout", "top", "tr", "traceroute", "tty", "uniq", "uptime", "vi", "wc", "wget", "which", "whoami",
     "xargs", "yes", "curl", "dig", "host", "getent", "jq", "openssl", "strings", "unzip", "xxd", "install", "comm",
     "fold", "expand", "unexpand", "shuf", "dos2unix", "unix2dos", "fallocate", "flock", "groups", "who", "users",
     "pgrep", "pkill", "unlink", "logger", "reset", "tree"}
)  # fmt: skip
_EXTRA = frozenset({"bash", "curl", "dig", "host", "getent", "ss", "nginx"})
"""Not among BusyBox's applets: an image has them only when it says so."""

PASSWD = b"""root:x:0:0:root:/root:/bin/sh
bin:x:1:1:bin:/bin:/sbin/nologin
daemon:x:2:2:daemon:/sbin:/sbin/nologin
mail:x:8:12:mail:/var/mail:/sbin/nologin
www-data:x:33:33:www-data:/var/www:/sbin/nologin
nobody:x:65534:65534:nobody:/:/sbin/nologin
"""
GROUP = b"""root:x:0:root
bin:x:1:root,bin,daemon
daemon:x:2:root,bin,daemon
tty:x:5:
disk:x:6:root
mail:x:12:
www-data:x:33:
users:x:100:
nobody:x:65534:
"""
SHADOW = b"".join(line.split(b":")[0] + b":*::0:::::\n" for line in PASSWD.splitlines())
COMMON_FILES: dict[str, bytes | None] = {
    "/etc/passwd": PASSWD, "/etc/group": GROUP, "/etc/shadow": SHADOW, "/home": None, "/var/log": None,
    "/var/tmp": None, "/usr/local/bin": None,
    "/mnt": None, "/opt": None, "/etc/nsswitch.conf": b"hosts: files dns\n",
    "/etc/protocols": b"tcp\t6\tTCP\nudp\t17\tUDP\n",
    "/etc/services": b"domain\t53/tcp\ndomain\t53/udp\nhttp\t80/tcp\nhttps\t443/tcp\n",
}  # fmt: skip
ALPINE_FILES: dict[str, bytes | None] = {
    **COMMON_FILES,
    "/etc/alpine-release": b"3.22.1\n",
    "/etc/os-release": b'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.22.1\nPRETTY_NAME="Alpine Linux v3.22"\n',
}
DEBIAN_FILES: dict[str, bytes | None] = {
    **COMMON_FILES,
    "/etc/debian_version": b"12.11\n",
    "/etc/os-release": b'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'
    b'NAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n',
}


def programs(*extra: str) -> dict[str, Command]:
    """Path -> program for BusyBox's applets and these others."""
    every: dict[str, Command] = {**net.COMMANDS, **coreutils.COMMANDS, **shell.COMMANDS, "bash": shell.sh}
    missing = [name for name in extra if name not in every]
    if missing:
        raise LookupError(f"no such programs: {', '.join(missing)}")
    return {f"{folder(name)}/{name}": every[name] for name in every if name not in _EXTRA or name in extra}


def folder(name: str) -> str:
    return "/sbin" if name in _SBIN else "/usr/bin" if name in _USR else "/bin"

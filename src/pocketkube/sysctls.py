"""Kernel parameters that pods may set: which namespace each belongs to, and which are safe.

Models component-helpers/node/util/sysctl and pkg/kubelet/sysctl/safe_sysctls.go.
"""

from __future__ import annotations

from typing import Final

NET: Final = "Net"
IPC: Final = "IPC"
_PREFIXES: Final = {"kernel.shm": IPC, "kernel.msg": IPC, "fs.mqueue.": IPC, "net.": NET}
SAFE: Final = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_wmem",
    }
)
"""Those that no other pod of the node hears of."""
DEFAULTS: Final = {
    "kernel.ostype": "Linux",
    "kernel.osrelease": "6.12.0",
    "kernel.pid_max": "4194304",
    "kernel.shm_rmid_forced": "0",
    "net.ipv4.ip_local_port_range": "32768\t60999",
    "net.ipv4.tcp_syncookies": "1",
    "net.ipv4.ping_group_range": "0\t2147483647",
    "net.ipv4.ip_unprivileged_port_start": "0",
    "net.ipv4.ip_local_reserved_ports": "",
    "net.ipv4.tcp_keepalive_time": "7200",
    "net.ipv4.tcp_fin_timeout": "60",
    "net.ipv4.tcp_keepalive_intvl": "75",
    "net.ipv4.tcp_keepalive_probes": "9",
    "net.ipv4.tcp_rmem": "4096\t131072\t6291456",
    "net.ipv4.tcp_wmem": "4096\t16384\t4194304",
}
"""What a container reads that sets none; containerd frees ports and pings for everybody."""


def normal(name: str) -> str:
    """With dots between the parts, as it is written most: `net/ipv4/x` is `net.ipv4.x`."""
    first = next((c for c in name if c in "./"), ".")
    return name if first == "." else name.translate(str.maketrans("./", "/."))


def namespace(name: str) -> str:
    """NET, IPC, or "" for what is the whole node's."""
    name = normal(name)
    if name == "kernel.sem":
        return IPC
    return next((found for prefix, found in _PREFIXES.items() if name.startswith(prefix)), "")


def forbidden(name: str, *, host_network: bool, host_ipc: bool) -> str:
    """Why a kubelet that allows nothing but the safe ones takes no pod with it; "" when it does."""
    name = normal(name)
    if name not in SAFE:
        return f'"{name}" not allowlisted'
    shared = namespace(name)
    if (shared == NET and host_network) or (shared == IPC and host_ipc):
        return f'"{name}" not allowed with host {shared} enabled'
    return ""

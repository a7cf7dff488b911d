"""ss and netstat: the sockets of the pod's network. Left out: Unix sockets, process names (-p shows none)."""

from __future__ import annotations

from pocketkube.images.coreutils.options import Options, parse
from pocketkube.images.net.interfaces import route
from pocketkube.kubelet.process import Process
from pocketkube.network.addresses import is_ipv6
from pocketkube.network.sockets import Socket
from pocketkube.network.stream import Address

SHORT = {"ESTABLISHED": "ESTAB", "CLOSE_WAIT": "CLOSE-WAIT", "FIN_WAIT2": "FIN-WAIT-2", "LAST_ACK": "LAST-ACK"}


async def _chosen(process: Process) -> list[Socket]:
    options = await parse(process, "atulnpHeo46sxrwWm")
    if ("4" in options) != ("6" in options):
        return [s for s in await _of_protocol(process, options) if is_ipv6(s.local[0]) == ("6" in options)]
    return await _of_protocol(process, options)


async def _of_protocol(process: Process, options: Options) -> list[Socket]:
    protocols = {p for letter, p in (("t", "tcp"), ("u", "udp")) if letter in options} or {"tcp", "udp"}
    found = sorted(process.net.sockets(), key=lambda s: (s.protocol, s.state != "LISTEN", s.local, s.remote))
    found = [s for s in found if s.protocol in protocols]
    waiting = ("LISTEN", "UNCONN")
    if "l" in options:
        return [s for s in found if s.state in waiting]
    return found if "a" in options else [s for s in found if s.state not in waiting]


def _text(address: Address, *, remote: bool = False) -> str:
    return f"{address[0]}:{'*' if remote and not address[1] else address[1]}"


def _short(socket: Socket, address: Address, *, remote: bool = False) -> str:
    """As ss writes it: a socket of both families listens on `*`, and IPv6 has brackets."""
    host, port = address
    if is_ipv6(host):
        host = "*" if host == "::" and not socket.v6only else f"[{host}]"
    return _text((host, port), remote=remote)


async def ss(process: Process) -> int:
    sockets = await _chosen(process)
    rows = [["Netid", "State", "Recv-Q", "Send-Q", "Local Address:Port", "Peer Address:Port", "Process"]]
    for s in sockets:
        queue = "4096" if s.state == "LISTEN" else "0"
        rows.append(
            [
                s.protocol,
                SHORT.get(s.state, s.state),
                "0",
                queue,
                _short(s, s.local),
                _short(s, s.remote, remote=True),
                "",
            ]
        )
    if len({s.protocol for s in sockets}) == 1 and any(
        w.startswith("-") and ("t" in w) != ("u" in w) for w in process.argv
    ):
        rows = [row[1:] for row in rows]
    if any("H" in w for w in process.argv[1:] if w.startswith("-")):
        del rows[0]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    for row in rows:
        await process.print(" ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


async def netstat(process: Process) -> int:
    letters = "".join(w[1:] for w in process.argv[1:] if w.startswith("-"))
    if "r" in letters:
        return await route(process)
    which = "only servers" if "l" in letters else "servers and established" if "a" in letters else "w/o servers"
    await process.print(f"Active Internet connections ({which})")
    await process.print(f"{'Proto':5} Recv-Q Send-Q {'Local Address':23} {'Foreign Address':23} State       ")
    for s in await _chosen(process):
        state = "" if s.state == "UNCONN" else s.state
        local, remote = _text(s.local), _text(s.remote, remote=True)
        await process.print(f"{s.protocol:5} {0:6d} {0:6d} {local:23} {remote:23} {state:11} ")
    return 0


COMMANDS = {"ss": ss, "netstat": netstat}

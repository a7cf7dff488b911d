"""ip, ifconfig and route: what a pod's network looks like from inside. Reading only.

A pod has `lo` and `eth0` in its node's /24 with the node as gateway, as the bridge and ptp CNI plugins set it up; a
node has `eth0` in 172.18.0.0/16. Left out: IPv6, counters, every way to change anything.
"""

from __future__ import annotations

from itertools import pairwise

from pocketkube.kubelet.process import Process
from pocketkube.network.fabric import bridge


def _prefix(process: Process) -> int:
    return 24 if process.net.node != process.net.name else 16


def _gateway(process: Process) -> str:
    return bridge(process.net.address)


def _network(process: Process) -> str:
    octets = process.net.address.split(".")
    keep = _prefix(process) // 8
    return ".".join([*octets[:keep], *["0"] * (4 - keep)])


def _broadcast(process: Process) -> str:
    octets = process.net.address.split(".")
    keep = _prefix(process) // 8
    return ".".join([*octets[:keep], *["255"] * (4 - keep)])


def _mac(address: str) -> str:
    """As the CNI bridge plugin derives it from the address."""
    return "0a:58:" + ":".join(f"{int(octet):02x}" for octet in address.split("."))


async def ip(process: Process) -> int:
    words = [w for w in process.argv[1:] if not w.startswith("-")] or [""]
    brief = any(w in ("-br", "-brief") for w in process.argv)
    what = words[0]
    if any(w in ("add", "del", "set", "change", "replace", "flush") for w in words[1:]):
        await process.error("ip: RTNETLINK answers: Operation not permitted")
        return 2
    device = next((after for word, after in pairwise(words) if word in ("dev", "show")), "")
    if what and "address".startswith(what):
        await process.print(_addresses(process, device, brief=brief), end="")
    elif what and "link".startswith(what):
        await process.print(_links(process, device), end="")
    elif what and "route".startswith(what):
        if "get" in words:
            source = process.net.address
            await process.print(f"{words[-1]} via {_gateway(process)} dev eth0  src {source} ")
        else:
            await process.print(f"default via {_gateway(process)} dev eth0 ")
            await process.print(
                f"{_network(process)}/{_prefix(process)} dev eth0 scope link  src {process.net.address} "
            )
    elif what and "neighbor".startswith(what.replace("neighbour", "neighbor")):
        await process.print(f"{_gateway(process)} dev eth0 lladdr {_mac(_gateway(process))} REACHABLE")
    else:
        await process.error("BusyBox v1.36.1 multi-call binary.\n\nUsage: ip [OPTIONS] address|route|link|neigh [ARGS]")
        return 1
    return 0


def _links(process: Process, device: str) -> str:
    lo = (
        "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue qlen 1000\n"
        "    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n"
    )
    eth0 = (
        "2: eth0@if3: <BROADCAST,MULTICAST,UP,LOWER_UP,M-DOWN> mtu 1500 qdisc noqueue \n"
        f"    link/ether {_mac(process.net.address)} brd ff:ff:ff:ff:ff:ff\n"
    )
    return (lo if device in ("", "lo") else "") + (eth0 if device in ("", "eth0") else "")


def _addresses(process: Process, device: str, *, brief: bool) -> str:
    own = f"{process.net.address}/{_prefix(process)}"
    if brief:
        return f"lo               UNKNOWN        127.0.0.1/8 \neth0@if3         UP             {own} \n"
    lo, _, eth0 = _links(process, "").partition("2: ")
    lo += "    inet 127.0.0.1/8 scope host lo\n       valid_lft forever preferred_lft forever\n"
    eth0 = f"2: {eth0}    inet {own} brd {_broadcast(process)} scope global eth0\n"
    eth0 += "       valid_lft forever preferred_lft forever\n"
    return (lo if device in ("", "lo") else "") + (eth0 if device in ("", "eth0") else "")


async def ifconfig(process: Process) -> int:
    device = next((w for w in process.argv[1:] if not w.startswith("-")), "")
    mask = "255.255.255.0" if _prefix(process) == 24 else "255.255.0.0"
    blocks = {
        "eth0": (
            f"eth0      Link encap:Ethernet  HWaddr {_mac(process.net.address).upper()}  \n"
            f"          inet addr:{process.net.address}  Bcast:{_broadcast(process)}  Mask:{mask}\n"
            "          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1\n\n"
        ),
        "lo": (
            "lo        Link encap:Local Loopback  \n          inet addr:127.0.0.1  Mask:255.0.0.0\n"
            "          UP LOOPBACK RUNNING  MTU:65536  Metric:1\n\n"
        ),
    }
    if device and device not in blocks:
        await process.error(f"ifconfig: {device}: error fetching interface information: Device not found")
        return 1
    await process.print(blocks[device] if device else "".join(blocks.values()), end="")
    return 0


async def route(process: Process) -> int:
    mask = "255.255.255.0" if _prefix(process) == 24 else "255.255.0.0"
    rows = [("0.0.0.0", _gateway(process), "0.0.0.0", "UG"), (_network(process), "0.0.0.0", mask, "U")]
    await process.print("Kernel IP routing table")
    await process.print("Destination     Gateway         Genmask         Flags Metric Ref    Use Iface")
    for target, gateway, genmask, flags in rows:
        await process.print(f"{target:15} {gateway:15} {genmask:15} {flags:5} 0      0        0 eth0")
    return 0


COMMANDS = {"ip": ip, "ifconfig": ifconfig, "route": route}

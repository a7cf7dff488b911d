"""ip, ifconfig and route: what a pod's network looks like from inside. Reading only.

A pod has `lo` and `eth0` in its node's /24 (and /64) with the node as gateway, as the bridge and ptp CNI plugins set it
up; a node has `eth0` in 172.18.0.0/16 (and a /64). Left out: link-local addresses, counters, every way to change
anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from itertools import pairwise

from pocketkube.kubelet.process import Process
from pocketkube.network.addresses import is_ipv6
from pocketkube.network.fabric import bridge


@dataclass(frozen=True)
class Address:
    """One address of eth0, in its network."""

    own: IPv4Interface | IPv6Interface
    gateway: str

    @property
    def version(self) -> int:
        return self.own.version


def _eth0(process: Process) -> list[Address]:
    """IPv4 first, as the kernel lists them."""
    is_node = process.net.node == process.net.name
    found = []
    for text in sorted(process.net.addresses, key=is_ipv6):
        prefix = 64 if is_ipv6(text) else 16 if is_node else 24
        own = ip_interface(f"{text}/{prefix}")
        found.append(Address(own, str(own.network[1]) if is_node else bridge(text)))
    return found


def _mac(address: str) -> str:
    """As the CNI bridge plugin derives it from the address."""
    packed = ip_interface(address).packed
    return "0a:58:" + ":".join(f"{octet:02x}" for octet in packed[-4:])


_FAMILIES = {"inet": {4}, "inet6": {6}, "link": set[int]()}
_USAGE = "BusyBox v1.36.1 multi-call binary.\n\nUsage: ip [OPTIONS] address|route|link|neigh [ARGS]"


async def ip(process: Process) -> int:
    words, flags, versions = process.argv[1:], set[str](), {4, 6}
    while words and words[0].startswith("-"):
        flag = "-" + words.pop(0).lstrip("-")
        if flag in ("-f", "-family") and words:
            versions = _FAMILIES.get(words.pop(0), {4, 6})
        elif flag in ("-4", "-6", "-0"):
            versions = {int(flag[1:])} & {4, 6}
        elif flag in ("-o", "-oneline", "-br", "-brief", "-s", "-d", "-r"):
            flags.add(flag[:2])
        else:
            await process.error(_USAGE)
            return 1
    brief = "-b" in flags
    what = words[0] if words else ""
    if any(w in ("add", "del", "set", "change", "replace", "flush") for w in words[1:]):
        await process.error("ip: RTNETLINK answers: Operation not permitted")
        return 2
    device = next((after for word, after in pairwise(words) if word in ("dev", "show", "list", "ls")), "")
    if device in ("dev", "scope", "up"):
        device = words[words.index(device) + 1] if device == "dev" and words[-1] != "dev" else ""
    is_route = bool(what) and "route".startswith(what)
    if device not in ("", "lo", "eth0") and not is_route:
        await process.error(f"ip: can't find device '{device}'")
        return 1
    if what and "address".startswith(what):
        await process.print(_oneline(_addresses(process, device, versions, brief=brief), "-o" in flags), end="")
    elif what and "link".startswith(what):
        await process.print(_oneline(_links(process, device), "-o" in flags), end="")
    elif is_route:
        return await _routes(process, words, 6 if versions == {6} else 4)
    elif what and "neighbor".startswith(what.replace("neighbour", "neighbor")):
        for address in _eth0(process):
            if address.version in versions:
                await process.print(f"{address.gateway} dev eth0 lladdr {_mac(address.gateway)} REACHABLE")
    else:
        await process.error(_USAGE)
        return 1
    return 0


def _oneline(text: str, wanted: bool) -> str:
    """`-o`: an interface a line."""
    return text.replace("\n ", "\\ ") if wanted else text


async def _routes(process: Process, words: list[str], version: int) -> int:
    if "get" in words and is_ipv6(words[-1]):
        version = 6
    address = next((a for a in _eth0(process) if a.version == version), None)
    if "get" in words:
        if address is None:
            await process.error("ip: RTNETLINK answers: Network is unreachable")
            return 2
        await process.print(f"{words[-1]} via {address.gateway} dev eth0  src {address.own.ip} ")
    elif address is not None and version == 6:
        await process.print(f"{address.own.network} dev eth0  metric 256 ")
        await process.print(f"default via {address.gateway} dev eth0  metric 1024 ")
    elif address is not None:
        await process.print(f"default via {address.gateway} dev eth0 ")
        await process.print(f"{address.own.network} dev eth0 scope link  src {address.own.ip} ")
    return 0


def _links(process: Process, device: str) -> str:
    lo = (
        "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue qlen 1000\n"
        "    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n"
    )
    eth0 = (
        "2: eth0@if3: <BROADCAST,MULTICAST,UP,LOWER_UP,M-DOWN> mtu 1500 qdisc noqueue \n"
        f"    link/ether {_mac(str(_eth0(process)[0].own.ip))} brd ff:ff:ff:ff:ff:ff\n"
    )
    return (lo if device in ("", "lo") else "") + (eth0 if device in ("", "eth0") else "")


def _addresses(process: Process, device: str, versions: set[int], *, brief: bool) -> str:
    own = [address.own for address in _eth0(process) if address.version in versions]
    loopback = [text for text, version in (("127.0.0.1/8", 4), ("::1/128", 6)) if version in versions]
    if brief:
        lo = f"lo               UNKNOWN        {' '.join(loopback)} \n"
        eth0 = f"eth0@if3         UP             {' '.join(map(str, own))} \n"
        return (lo if device in ("", "lo") else "") + (eth0 if device in ("", "eth0") else "")
    lo, _, eth0 = _links(process, "").partition("2: ")
    eth0 = f"2: {eth0}"
    forever = "       valid_lft forever preferred_lft forever\n"
    for text in loopback:
        lo += f"    {'inet6' if is_ipv6(text) else 'inet'} {text} scope host {'' if is_ipv6(text) else 'lo'}\n{forever}"
    for address in own:
        if isinstance(address, IPv4Interface):
            broadcast = address.network.broadcast_address
            eth0 += f"    inet {address} brd {broadcast} scope global eth0\n{forever}"
        else:
            eth0 += f"    inet6 {address} scope global \n{forever}"
    return (lo if device in ("", "lo") else "") + (eth0 if device in ("", "eth0") else "")


async def ifconfig(process: Process) -> int:
    device = next((w for w in process.argv[1:] if not w.startswith("-")), "")
    lines = []
    for address in _eth0(process):
        own = address.own
        if isinstance(own, IPv4Interface):
            lines.append(f"inet addr:{own.ip}  Bcast:{own.network.broadcast_address}  Mask:{own.netmask}\n")
        else:
            lines.append(f"inet6 addr: {own} Scope:Global\n")
    blocks = {
        "eth0": (
            f"eth0      Link encap:Ethernet  HWaddr {_mac(str(_eth0(process)[0].own.ip)).upper()}  \n"
            f"{''.join(f'          {line}' for line in lines)}"
            "          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1\n\n"
        ),
        "lo": (
            "lo        Link encap:Local Loopback  \n          inet addr:127.0.0.1  Mask:255.0.0.0\n"
            "          inet6 addr: ::1/128 Scope:Host\n"
            "          UP LOOPBACK RUNNING  MTU:65536  Metric:1\n\n"
        ),
    }
    if device and device not in blocks:
        await process.error(f"ifconfig: {device}: error fetching interface information: Device not found")
        return 1
    await process.print(blocks[device] if device else "".join(blocks.values()), end="")
    return 0


async def route(process: Process) -> int:
    """IPv4 only, as without -A inet6."""
    await process.print("Kernel IP routing table")
    await process.print("Destination     Gateway         Genmask         Flags Metric Ref    Use Iface")
    for address in _eth0(process):
        network = address.own.network
        rows = [
            ("0.0.0.0", address.gateway, "0.0.0.0", "UG"),
            (str(network.network_address), "0.0.0.0", str(network.netmask), "U"),
        ]
        for target, gateway, genmask, flags in rows if address.version == 4 else ():
            await process.print(f"{target:15} {gateway:15} {genmask:15} {flags:5} 0      0        0 eth0")
    return 0


COMMANDS = {"ip": ip, "ifconfig": ifconfig, "route": route}

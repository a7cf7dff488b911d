"""Whether this machine's own routes or name servers lie where a kind cluster puts its addresses: a VPN often does that.

A kind node sends what is for these ranges to the cluster, so what a VPN has there is out of reach from inside it, and
when Docker's network lies over a VPN's route, out of reach from this machine as well. Pocket's addresses are not of
this machine, and clash with nothing.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from ipaddress import IPv4Network

from kindlab.doctor.facts import Facts
from kindlab.doctor.finding import Check, Finding, note, ok

RANGES = {"Pods": "10.244.0.0/16", "Services": "10.96.0.0/16"}
"""kind's defaults (kind@v0.33.0: pkg/internal/apis/config/default.go); cluster-config/kind.yaml may say otherwise."""
FIELDS = {"Pods": "podSubnet: 10.200.0.0/16", "Services": "serviceSubnet: 10.201.0.0/16"}
DOCKER = "172.18.0.0/16"
"""What Docker gives to its second network, mostly; asked of Docker when the network kind is there."""
OWN = re.compile(r"^(docker|br-|veth|cni|podman|virbr|flannel|lo)")
"""Interfaces of engines on this machine: their routes are no VPN's."""


def look(facts: Facts) -> Iterator[Finding]:
    engine = facts.engine
    if engine is None:
        return
    routes = _routes(facts)
    if routes is None:
        yield ok(f"(routes are not looked at on {facts.computer.platform}: a VPN's may clash with 10.96.0.0/12)")
        return
    clashes = False
    servers = [ipaddress.ip_address(a) for a in re.findall(r"^nameserver ([\d.]+)$", _resolv(facts), re.MULTILINE)]
    for what, cidr in _ranges(facts).items():
        net = IPv4Network(cidr)
        via = next((f"{n} through {dev}" for n, dev in routes if n.overlaps(net) and not OWN.match(dev)), "")
        server = next((str(a) for a in servers if a in net), "")
        if not via and not server:
            continue
        clashes = True
        says = f"this machine's name server {server}" if server else f"a route of this machine, {via},"
        yield note(
            f"{says} lies in the range of kind's {what} ({cidr})",
            "kind's nodes cannot reach it: images are not pulled, names are not found" if server else
            "what is behind that route (a VPN?) cannot be reached from the cluster, and kind's nodes perhaps not from"
            " here",
            _fix(what),
        )  # fmt: skip
    if not clashes:
        yield ok("no route of this machine clashes with a kind cluster's addresses")


def _fix(what: str) -> str:
    if what in FIELDS:
        return (
            f"In cluster-config/kind.yaml, under networking: {FIELDS[what]} and then:"
            " kindlab down --cluster kind; kindlab up --cluster kind"
        )
    return (
        'In /etc/docker/daemon.json: "default-address-pools": [{"base": "10.253.0.0/16", "size": 24}] and then:'
        " sudo systemctl restart docker; docker network rm kind (when no kind cluster runs)"
    )


def _ranges(facts: Facts) -> dict[str, str]:
    found = dict(RANGES)
    for what, name in (("Pods", "podSubnet"), ("Services", "serviceSubnet")):
        if match := re.search(rf"{name}:\s*[\"']?([\d./]+)", _config(facts)):
            found[what] = match[1]
    if not facts.own_kernel:
        return found  # Docker's network is inside its virtual machine
    assert facts.engine is not None
    if facts.engine.name == "docker":
        answer = facts.ask(
            facts.engine.path, "network", "inspect", "kind", "--format", "{{range .IPAM.Config}}{{.Subnet}} {{end}}"
        )
        subnets = [subnet for subnet in answer.out.split() if ":" not in subnet and "/" in subnet]
        found["nodes"] = subnets[0] if answer.code == 0 and subnets else DOCKER
    return found


def _config(facts: Facts) -> str:
    from kindlab import paths
    from kindlab.errors import Problem

    try:
        return facts.read(str(paths.course() / "cluster-config" / "kind.yaml"))
    except Problem:
        return ""


def _resolv(facts: Facts) -> str:
    """systemd-resolved's own list where there is one: /etc/resolv.conf names its stub then."""
    return facts.read("/run/systemd/resolve/resolv.conf") or facts.read("/etc/resolv.conf")


def _routes(facts: Facts) -> list[tuple[IPv4Network, str]] | None:
    """(range, interface) of this machine's IPv4 routes without those for everything (also a VPN's two halves of it);
    None where we cannot tell."""
    if facts.computer.linux:
        found = list(_linux(facts.read("/proc/net/route")))
    elif facts.computer.platform == "darwin":
        answer = facts.ask("netstat", "-rn", "-f", "inet")
        if answer.code != 0:
            return None
        found = list(_darwin(answer.out))
    else:
        return None
    return [(net, dev) for net, dev in found if net.prefixlen > 1]


def _linux(table: str) -> Iterator[tuple[IPv4Network, str]]:
    """/proc/net/route: addresses are hexadecimal, the least byte first (proc_net(5), on the machines kind has images
    for)."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or not int(fields[3], 16) & 1:  # RTF_UP
            continue
        address, mask = (bytes.fromhex(fields[i])[::-1] for i in (1, 7))
        bits = int.from_bytes(mask, "big").bit_count()
        yield IPv4Network((address, bits), strict=False), fields[0]


def _darwin(table: str) -> Iterator[tuple[IPv4Network, str]]:
    """netstat -rn: `10.8/16  link#12  UCS  utun3`, zeros at the end left out."""
    for line in table.splitlines():
        fields = line.split()
        match = re.fullmatch(r"(\d+(?:\.\d+){0,3})(?:/(\d+))?", fields[0]) if len(fields) >= 4 else None
        if match is None:
            continue
        parts = match[1].split(".")
        bits = int(match[2]) if match[2] else 8 * len(parts)
        yield IPv4Network((".".join(parts + ["0"] * (4 - len(parts))), bits), strict=False), fields[3]


CHECK = Check("network", 51, ("kind",), look)

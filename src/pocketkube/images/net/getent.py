"""getent: hosts and ahosts through the resolver, passwd, group, shadow and services from their files."""

from __future__ import annotations

from collections.abc import Iterator

from pocketkube.kubelet.process import Process
from pocketkube.network import resolver
from pocketkube.network.addresses import is_ipv6

FILES = {"passwd": 2, "group": 2, "shadow": 0, "services": 1, "protocols": 1, "networks": 1}
"""Database -> position of the number that is a key too."""


async def main(process: Process) -> int:
    database, *keys = [w for w in process.argv[1:] if not w.startswith("-")] or [""]
    if database in ("hosts", "ahosts", "ahostsv4", "ahostsv6"):
        return await _hosts(process, database, keys)
    if database not in FILES:
        await process.error(f"Unknown database: {database}\nTry `getent --help' for more information.")
        return 1
    status = 0
    entries = list(_entries(process, database))
    if not keys:
        await process.print("".join(f"{text}\n" for text, _ in entries), end="")
    for key in keys:
        found = [text for text, names in entries if key in names]
        for text in found[:1]:
            await process.print(text)
        status = status if found else 2
    return status


async def _hosts(process: Process, database: str, keys: list[str]) -> int:
    if not keys:
        for address, names in resolver.hosts(process):
            await process.print(f"{address:<15} {' '.join(names)}")
        return 0
    for key in keys:
        try:
            addresses = await _addresses(process, database, key)
        except resolver.ResolutionError:
            return 2
        for position, address in enumerate(addresses):
            if database == "hosts":
                await process.print(f"{address:<15} {key}")
                continue
            for kind in ("STREAM", "DGRAM ", "RAW   "):
                name = key if not position and kind == "STREAM" else ""
                await process.print(f"{address:<15} {kind} {name}".rstrip())
    return 0


async def _addresses(process: Process, database: str, key: str) -> list[str]:
    """What each database shows: hosts has one family, IPv6 if there is any; ahostsv6 makes IPv6 of IPv4."""
    if database == "ahosts":
        return await resolver.lookup(process, key)
    if database == "ahostsv4":
        return await resolver.lookup(process, key, resolver.IPV4)
    found = await resolver.lookup(process, key)
    six = [address for address in found if is_ipv6(address)]
    return six or (found if database == "hosts" else [f"::ffff:{address}" for address in found])


def _entries(process: Process, database: str) -> Iterator[tuple[str, set[str]]]:
    """(line as shown, keys) of /etc/<database>."""
    try:
        text = process.fs.read_bytes(f"/etc/{database}").decode(errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if ":" in line:
            fields = line.split(":")
            yield line, {fields[0], fields[FILES[database]]}
        else:
            name, number, *rest = [*line.partition("#")[0].split(), ""]
            yield f"{name:<21} {' '.join([number, *rest]).strip()}", {name, number.partition("/")[0], number, *rest}


COMMANDS = {"getent": main}

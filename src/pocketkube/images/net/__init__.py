"""The network tools of a container: curl, wget, nslookup, dig, getent, nc, telnet, ping, ip, ifconfig, ss, netstat.

One module per tool, each with a `COMMANDS` (name -> program); a folder scan gathers them. `nslookup` is BusyBox's;
images with BIND's tools take `pocketkube.images.net.nslookup.bind` in its place.
"""

import importlib
import pkgutil

from pocketkube.kubelet.process import Command


def _gather() -> dict[str, Command]:
    found: dict[str, Command] = {}
    for module in pkgutil.iter_modules(__path__):
        found.update(getattr(importlib.import_module(f"{__name__}.{module.name}"), "COMMANDS", {}))
    return found


COMMANDS: dict[str, Command] = _gather()
"""Name -> program."""

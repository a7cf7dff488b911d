"""What comes of a probe or a lifecycle hook."""

from __future__ import annotations

from typing import Any

from pocketkube.objects import Obj


class Failure(Exception):
    """The handler ran and says no; the text is what the event shows after `probe failed: `."""


class Doubt(Exception):
    """Success, but: an event ProbeWarning with this text."""


class HandlerError(Exception):
    """The handler could not be run; after `probe errored and resulted in unknown state: `."""


def port_number(port: Any, container: Obj) -> int:
    """A port given by number or by the name of one of the container's ports. Raises HandlerError."""
    if isinstance(port, int):
        return port
    for known in container.get("ports") or ():
        if known.get("name") == port:
            return int(known["containerPort"])
    if str(port).isdigit():
        return int(port)
    raise HandlerError(f'strconv.Atoi: parsing "{port}": invalid syntax')

"""What the tests of pods on their nodes are written with: containers that print something, and what came of them."""

from __future__ import annotations

from typing import Any

from tests.parity.network.support import BUSYBOX, START, Place, pod

from kindlab.api import Obj

FOREVER = "trap 'exit 0' TERM; sleep 100000 & wait"


def printing(name: str, script: str, **fields: Any) -> Obj:
    """A Pod that runs a shell script once."""
    return pod(name, image=BUSYBOX, command=["sh", "-c", script], restartPolicy="Never", **fields)


def logs(here: Place, name: str, container: str = "main", **query: str) -> str:
    """What a container has written."""
    path = f"{here.path('Pod', name)}/log"
    response = here.request("GET", path, query={"container": container, **query}, accept="*/*", stream=True)
    return str(response.data.decode(errors="replace"))


def over(here: Place, name: str, phase: str = "Succeeded") -> Obj:
    """Wait until a Pod has ended."""
    return here.wait("Pod", name, lambda live: live["status"].get("phase") == phase, timeout=START)


def output(here: Place, made: Obj) -> str:
    """What a Pod prints that runs once."""
    here.put(made)
    name = made["metadata"]["name"]
    over(here, name)
    return logs(here, name, made["spec"]["containers"][0]["name"])


def status_of(live: Obj, container: str = "main", field: str = "containerStatuses") -> Obj:
    """A container's status, {} before there is one."""
    found = live["status"].get(field) or ()
    return next((status for status in found if status["name"] == container), {})


def restarts(live: Obj, container: str = "main") -> int:
    return int(status_of(live, container).get("restartCount", 0))


def event(here: Place, name: str, reason: str, text: str = "") -> Obj:
    """Wait for an event of a Pod."""

    def found(events: list[Obj]) -> Obj | None:
        for one in events:
            about = one["involvedObject"]["name"] == name and one.get("reason") == reason
            if about and text in (one.get("message") or ""):
                return one
        return None

    told = here.until("Event", found, timeout=START)
    assert told is not None
    return told

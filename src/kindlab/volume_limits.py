"""How many volumes of a CSI driver a node takes, as the node's CSINode tells and the scheduler counts."""

from __future__ import annotations

from kindlab.api import Api


def limits(api: Api) -> dict[tuple[str, str], int]:
    """(node, driver) -> how many; a driver without a limit is not in it."""
    return {
        (node["metadata"]["name"], driver["name"]): driver["allocatable"]["count"]
        for node in api.list("CSINode")
        for driver in node["spec"].get("drivers") or ()
        if (driver.get("allocatable") or {}).get("count") is not None
    }

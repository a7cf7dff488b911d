"""The machines under a cluster's nodes, whichever cluster it is: what they are, and switching them.

A provider says which machines there are and whether they are on (`machines`), and switches one (`switch`). Everything a
learner must be told about it is said here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kindlab.api import Api, Obj
from kindlab.clusters.base import Provider
from kindlab.errors import Problem, UsageProblem

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


@dataclass(frozen=True)
class Machine:
    """`status`: what the cluster says of its node, as `kubectl get nodes` does."""

    name: str
    on: bool
    status: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def look(provider: Provider, api: Api) -> list[Machine]:
    """All machines. Raises Problem where kindlab has none to switch."""
    nodes = {node["metadata"]["name"]: node for node in api.list("Node")}
    return [Machine(name, on, _status(nodes.get(name))) for name, on in sorted(provider.machines(api).items())]


def stop(provider: Provider, api: Api, name: str) -> bool:
    """Switch one off; False when it was. Raises Problem, UsageProblem."""
    on = _known(provider, api, name)[name]
    node = api.get("Node", name)
    if (node is not None and CONTROL_PLANE in (node["metadata"].get("labels") or {})) or name.endswith("control-plane"):
        raise Problem(
            f"The machine of {name} stays on.",
            "The API server runs there: without it nothing could be asked, and nobody could watch what happens.",
            "Switch a worker off; kindlab node list shows them. To stop everything: kindlab down",
        )
    if on:
        provider.switch(api, name, on=False)
    return on


def start(provider: Provider, api: Api, name: str) -> bool:
    """Switch one on; False when it was and its node is there. Raises Problem, UsageProblem."""
    on = _known(provider, api, name)[name]
    if on and api.get("Node", name) is not None:
        return False
    if on:  # somebody deleted the Node: its kubelet registers again when it starts
        provider.switch(api, name, on=False)
    provider.switch(api, name, on=True)
    return True


def _known(provider: Provider, api: Api, name: str) -> dict[str, bool]:
    machines = provider.machines(api)
    if name not in machines:
        raise UsageProblem(f"There is no machine {name!r}.", f"The machines are: {', '.join(sorted(machines))}.")
    return machines


def _status(node: Obj | None) -> str:
    if node is None:
        return "no such node"
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = next((c["status"] for c in conditions if c["type"] == "Ready"), None)
    words = ["Unknown" if ready is None else "Ready" if ready == "True" else "NotReady"]
    if node["spec"].get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)

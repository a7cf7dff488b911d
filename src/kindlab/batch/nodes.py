"""A student's files name the nodes of the student's cluster: in a volume's nodeAffinity, in a nodeSelector, in the
address of an old machine. Here these nodes are called otherwise; each name becomes that of a node that plays the same
part: a control plane for a control plane, the second worker for the second worker, in the order of their names.

Which names are a node's: those that the submission says (`kindlab submit` writes them down), and those that tools give
to nodes everywhere. Any other name that is not here stays: it may be the very mistake that the lab is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from kindlab.api import Obj
from kindlab.batch.fence.objects import at, items, texts, walk
from kindlab.placeholders import CONTROL_PLANE, HOSTNAME

_WELL_KNOWN = re.compile(
    r"[a-z0-9][a-z0-9.-]*-(control-plane|worker)\d*"  # kind, and the embedded cluster
    r"|minikube(-m\d+)?|docker-desktop|desktop-(control-plane|worker\d*)|rancher-desktop|lima-[a-z0-9-]+|colima"
    r"|orbstack|k3d-[a-z0-9-]+-(server|agent)-\d+|microk8s-vm"
)
_LEADS = re.compile(r".*-control-plane\d*|k3d-.+-server-\d+|(?!.*-(worker|agent|m0*[2-9])).*")
"""Names of nodes that lead a cluster, or are all of it."""
_NETWORKS = tuple(map(ip_network, ("172.16.0.0/12", "192.168.49.0/24", "192.168.65.0/24", "10.89.0.0/16")))
"""Where the nodes of Docker, minikube, Docker Desktop and podman have their addresses by default."""
_FIELDS = "metadata.name"


@dataclass(frozen=True)
class Here:
    """This cluster's nodes, control planes and the others, each in the order of names."""

    leading: tuple[Obj, ...]
    working: tuple[Obj, ...]

    @classmethod
    def of(cls, nodes: Iterable[Obj]) -> Here:
        ordered = sorted(nodes, key=lambda node: str(node["metadata"]["name"]))
        leads = [CONTROL_PLANE in (node["metadata"].get("labels") or {}) for node in ordered]
        return cls(
            tuple(node for node, lead in zip(ordered, leads, strict=True) if lead),
            tuple(node for node, lead in zip(ordered, leads, strict=True) if not lead),
        )

    @property
    def all(self) -> tuple[Obj, ...]:
        return (*self.leading, *self.working)

    @property
    def names(self) -> set[str]:
        return {name for node in self.all for name in (node["metadata"]["name"], hostname(node))}

    @property
    def addresses(self) -> set[str]:
        return {a["address"] for node in self.all for a in at(node, "status").get("addresses") or ()}

    def part(self, name: str, beside: Sequence[str]) -> Obj:
        """The node that plays the part of `name`, one of the sorted names `beside`."""
        leads = _leads(name)
        if len(beside) == 1:  # the one that takes everything
            return (*self.working, *self.leading)[0]
        ours = (self.leading if leads else self.working) or self.all
        alike = [one for one in beside if _leads(one) == leads]
        return ours[alike.index(name) % len(ours)]


def hostname(node: Obj) -> str:
    meta = node["metadata"]
    return str((meta.get("labels") or {}).get(HOSTNAME) or meta["name"])


def mapped(objects: Sequence[Obj], here: Here, theirs: Iterable[str]) -> list[str]:
    """Change the names in place; returns what was changed, each a sentence. Without nodes nothing is."""
    if not here.all:
        return []
    places = [place for obj in objects for place in _places(obj)]
    said = set(theirs)
    found = {place.value for place in places} - here.names
    foreign = {name for name in found if name in said or (not said and _WELL_KNOWN.fullmatch(name))}
    beside = sorted(said | foreign)
    notes = []
    for name in sorted(foreign):
        node = here.part(name, beside)
        for place in places:
            if place.value == name:
                place.put(hostname(node) if place.by_label else node["metadata"]["name"])
        notes.append(f"Node {name} of the student's cluster is {node['metadata']['name']} here.")
    for name in sorted(found - foreign):
        notes.append(
            f"No node is called {name} here, and the submission does not say that one was; it was left as it is."
        )
    return notes + _addresses(objects, here)


@dataclass(frozen=True)
class _Place:
    """Where a node's name stands: `holder[key]`; `by_label` when it is compared with the label, not the name."""

    holder: Any
    key: Any
    by_label: bool

    @property
    def value(self) -> str:
        return str(self.holder[self.key])

    def put(self, name: str) -> None:
        self.holder[self.key] = name


def _places(obj: Obj) -> Iterator[_Place]:
    for one in walk(obj):
        if isinstance(one.get("nodeName"), str):
            yield _Place(one, "nodeName", by_label=False)
        selector = one.get("nodeSelector")
        if isinstance(selector, dict) and isinstance(selector.get(HOSTNAME), str):
            yield _Place(selector, HOSTNAME, by_label=True)
        if one.get("key") in (HOSTNAME, _FIELDS) and isinstance(one.get("values"), list):
            for n, value in enumerate(one["values"]):
                if isinstance(value, str):
                    yield _Place(one["values"], n, by_label=one["key"] == HOSTNAME)


def _addresses(objects: Sequence[Obj], here: Here) -> list[str]:
    """Those in endpoints written by hand that are a node's of some other cluster."""
    notes = {}
    ours = next((a for a in _in_order(here) if ":" not in a), None)
    for obj in objects if ours else ():
        holders = [(one, "addresses") for one in items(obj, "endpoints")]
        holders += [(one, "ip") for subset in items(obj, "subsets") for one in items(subset, "addresses")]
        for holder, key in holders if obj["kind"] in ("EndpointSlice", "Endpoints") else ():
            listed = texts(holder, key) if key == "addresses" else [str(holder.get(key))]
            for n, address in enumerate(listed):
                if address in here.addresses or not _of_a_node(address):
                    continue
                if key == "addresses":
                    holder[key][n] = ours
                else:
                    holder[key] = ours
                notes[address] = f"Address {address}, as nodes of other clusters have it, is {ours} here."
    return list(notes.values())


def _in_order(here: Here) -> Iterator[str]:
    for node in (*here.working, *here.leading):
        for address in at(node, "status").get("addresses") or ():
            if address["type"] == "InternalIP":
                yield address["address"]


def _of_a_node(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in _NETWORKS if network.version == found.version)


def _leads(name: str) -> bool:
    return _LEADS.fullmatch(name) is not None

"""On which node a new volume is.

Models external-provisioner's accessibility requirements (topology.go) together with what the hostpath driver makes of
them: a volume is on one node. Of our own: there are as many driver nodes as workers; without a node chosen by the
scheduler (binding mode Immediate) the source's node is taken, else the first that the class allows, as if only one node
ran the driver; upstream's driver never looks at allowedTopologies, here they hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.objects import Obj
from pocketkube.selectors import topology_allows
from pocketkube.storage.driver import NAME, TOPOLOGY_KEY, RpcError
from pocketkube.storage.provisioning import ProvisioningFailed

GENERATING = "error generating accessibility requirements: "


def affinity(node: str) -> Obj:
    """The nodeAffinity of a volume on that node."""
    term = {"matchExpressions": [{"key": TOPOLOGY_KEY, "operator": "In", "values": [node]}]}
    return {"required": {"nodeSelectorTerms": [term]}}


def choose(client: Client, nodes: Sequence[str], storage_class: Obj, selected: str, near: str) -> str:
    """The node; `selected` by the scheduler or "", `near` what is best. Raises ProvisioningFailed, RpcError."""
    if selected:
        _check_selected(client, selected, storage_class.get("allowedTopologies") or ())
        return selected
    if not (running := [node for node in nodes if _topology_keys(client, node)]):
        raise ProvisioningFailed(f"{GENERATING}no available topology found")
    if not (fitting := allowed(client, nodes, storage_class)):
        raise RpcError("ResourceExhausted", f"no node of the driver is in the allowed topologies: {', '.join(running)}")
    return near if near in fitting else fitting[0]


def allowed(client: Client, nodes: Sequence[str], storage_class: Obj) -> list[str]:
    """Of the nodes, those that the driver runs on and the class allows."""
    terms = storage_class.get("allowedTopologies") or ()
    return [node for node in nodes if _topology_keys(client, node) and topology_allows(terms, _labels(client, node))]


def _check_selected(client: Client, selected: str, allowed: Sequence[Obj]) -> None:
    if client.find("csinodes", "", selected) is None:
        text = f'failed to get selected CSINode {selected}: csinode.storage.k8s.io "{selected}" not found'
        raise ProvisioningFailed(text, reschedule=True)
    keys = _topology_keys(client, selected)
    if not keys:
        raise ProvisioningFailed(f"{GENERATING}no topology key found for node {selected}")
    labels = _labels(client, selected)
    if not all(key in labels for key in keys):
        listed = " ".join(f"{key}:{value}" for key, value in sorted(labels.items()))
        text = f"topology labels from selected node map[{listed}] does not match topology keys from CSINode"
        raise ProvisioningFailed(f"{GENERATING}{text} [{' '.join(keys)}]")
    if not topology_allows(allowed, labels):
        topology = " ".join(f"{{{key} {labels[key]}}}" for key in keys)
        terms = " ".join(f"[{' '.join(_term_text(term))}]" for term in allowed)
        text = f'topology [{topology}] from selected node "{selected}" is not in requisite: [{terms}]'
        raise ProvisioningFailed(f"{GENERATING}{text}")


def _topology_keys(client: Client, node: str) -> list[str]:
    csinode = client.find("csinodes", "", node)
    for driver in objects.spec(csinode or {}).get("drivers") or ():
        if driver.get("name") == NAME:
            return list(driver.get("topologyKeys") or ())
    return []


def _labels(client: Client, node: str) -> dict[str, str]:
    found = client.find("nodes", "", node)
    return objects.labels(found) if found is not None else {}


def _term_text(term: Obj) -> Iterable[str]:
    for wanted in term.get("matchLabelExpressions") or ():
        for value in wanted["values"]:
            yield f"{{{wanted['key']} {value}}}"

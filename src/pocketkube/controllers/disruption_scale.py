"""How many pods the owners of some pods ask for.

Models getExpectedScale and the finders of pkg/controller/disruption.
"""

from __future__ import annotations

from collections.abc import Iterable

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.objects import Obj
from pocketkube.resources.base import Resource


class Unknown(Exception):
    """It cannot be told; the text is upstream's."""


def of(client: Client, pods: Iterable[Obj]) -> tuple[int, list[Obj]]:
    """(the sum of what the pods' controllers ask for, the pods that have none); raises Unknown."""
    scales: dict[str, int] = {}
    unmanaged = []
    known = set()
    for pod in pods:
        ref = objects.controller_ref(pod)
        if ref is None:
            unmanaged.append(pod)
        elif ref["uid"] not in known:
            known.add(ref["uid"])
            kind = _kind(client, ref)
            owner = client.find(kind.resource_id(), objects.namespace(pod) if kind.namespaced else "", ref["name"])
            if kind.scale is None:
                raise Unknown(f"{kind.qualified} does not implement the scale subresource")
            if owner is None or objects.uid(owner) != ref["uid"]:
                raise Unknown(f'found no controllers for pod "{objects.name(pod)}"')
            scaled = _deployment(client, owner) or owner
            scales[objects.uid(scaled)] = int(objects.dig(scaled, *kind.scale.replicas.split("."), default=0))
    return sum(scales.values()), unmanaged


def _kind(client: Client, ref: Obj) -> Resource:
    for _, kind in client.kinds():
        if (kind.api_version, kind.kind) == (ref["apiVersion"], ref["kind"]):
            return kind
    raise Unknown(f'no matches for kind "{ref["kind"]}" in version "{ref["apiVersion"]}"')


def _deployment(client: Client, owner: Obj) -> Obj | None:
    """The Deployment that a ReplicaSet is of."""
    ref = objects.controller_ref(owner)
    if ref is None or (owner.get("kind"), ref["kind"]) != ("ReplicaSet", "Deployment"):
        return None
    found = client.find("deployments", objects.namespace(owner), ref["name"])
    return found if found is not None and objects.uid(found) == ref["uid"] else None


def shown(selector: Obj | None) -> str:
    """A label selector as Go prints it."""
    if selector is None:
        return "nil"
    labels = "".join(f"{key}: {value}," for key, value in sorted((selector.get("matchLabels") or {}).items()))
    terms = "".join(
        f"LabelSelectorRequirement{{Key:{term['key']},Operator:{term['operator']},"
        f"Values:[{' '.join(term.get('values') or ())}],}},"
        for term in selector.get("matchExpressions") or ()
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{terms}}},}}"
    )

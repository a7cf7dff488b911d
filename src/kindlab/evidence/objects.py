"""The lab's objects at the end of a grading."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kindlab.api import Api, ApiError, Obj, Served
from kindlab.errors import Problem, in_a_line
from kindlab.labs import CLUSTER_KINDS, Lab

log = logging.getLogger(__name__)

LEFT_OUT = frozenset({"events", "endpoints", "leases", "controllerrevisions", "localsubjectaccessreviews"})
"""Kinds that tell nothing more: events have a file of their own, endpoints are in EndpointSlices."""
MEASURED = "metrics.k8s.io"
AT_ONCE = 8
"""Requests."""


def seen(api: Api, lab: Lab, lost: list[str]) -> Iterator[tuple[str, list[Obj]]]:
    """(a name like `02-services/pods`, the objects), without what nobody reads of them. What the cluster does not tell
    is added to `lost`."""
    places = [(served, space) for served in _kinds(api, lost) if _tells(served) for space in lab.spaces]

    def listed(place: tuple[Served, str]) -> tuple[list[Obj], list[str]]:
        missed: list[str] = []
        served, space = place
        return _listed(api, f"{served.prefix}/namespaces/{space}/{served.plural}", missed), missed

    with ThreadPoolExecutor(AT_ONCE) as pool:  # most of it is waiting for answers
        for (served, space), (found, missed) in zip(places, pool.map(listed, places), strict=True):
            lost += missed
            if found:
                yield f"{space}/{served.plural}", [_bare(served, one) for one in found]
    for space in lab.spaces:
        if (namespace := _asked(api, f"/api/v1/namespaces/{space}", lost)) is not None:
            yield f"{space}/namespace", [_bare(None, namespace)]
    for kind in lab.cluster_kinds:
        try:
            path, served = api.path(CLUSTER_KINDS[kind]), api.served(CLUSTER_KINDS[kind])
        except (ApiError, Problem):
            continue  # a cluster without them has none of them
        found = [one for one in _listed(api, path, lost) if one["metadata"]["name"].startswith(lab.prefix)]
        if found:
            yield f"cluster/{served.plural}", [_bare(served, one) for one in found]


def _tells(served: Served) -> bool:
    """Whether to look at this kind in the lab's namespaces."""
    told = served.plural in LEFT_OUT or served.group == MEASURED
    return served.namespaced and not told and "list" in (served.verbs or ("list",))


def events(api: Api, lab: Lab, lost: list[str]) -> list[Obj]:
    """What the cluster said of them, as far as it still knows."""
    every = [one for space in lab.spaces for one in _listed(api, f"/api/v1/namespaces/{space}/events", lost)]
    return [_bare(None, one) for one in every]


def _kinds(api: Api, lost: list[str]) -> list[Served]:
    try:
        return api.kinds()
    except (ApiError, Problem) as error:
        lost.append(f"which kinds there are: {in_a_line(error)}")
        return []


def _listed(api: Api, path: str, lost: list[str]) -> list[Obj]:
    found = _asked(api, path, lost)
    return list((found or {}).get("items") or ())


def _asked(api: Api, path: str, lost: list[str]) -> Obj | None:
    try:
        answer: Obj = api.request("GET", path)
        return answer
    except (ApiError, Problem) as error:
        if not (isinstance(error, ApiError) and error.code == 404):
            lost.append(f"{path}: {in_a_line(error)}")
        return None


def _bare(served: Served | None, obj: Obj) -> Obj:
    """The object with its kind, which lists leave out, and without who wrote which field when."""
    meta: dict[str, Any] = {k: v for k, v in obj["metadata"].items() if k != "managedFields"}
    kind = {"apiVersion": served.prefix.split("/", 2)[2], "kind": served.kind} if served else {}
    return {**kind, **obj, "metadata": meta}

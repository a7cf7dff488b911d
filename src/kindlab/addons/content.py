"""What an add-on puts on a cluster: its files from elsewhere and our own, parsed, patched, marked as ours."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from typing import Any

from kindlab import downloads
from kindlab.addons.model import FAULT, Addon
from kindlab.api import Api, Obj
from kindlab.clusters.base import Step
from kindlab.errors import Problem
from kindlab.managed import MANAGED
from kindlab.manifests import parse, text_of

LABEL = "kindlab-addon"
"""On every object: the add-on it belongs to."""
POOL = "${POOL}"
FIRST, LAST = 200, 250
"""Of the last byte of the addresses for load balancers."""


def absent(addons: Iterable[Addon]) -> list[str]:
    """The addresses of what is not in the cache."""
    return [one.url for addon in addons for one in addon.sources if downloads.cached(one) is None]


def images(addons: Iterable[Addon]) -> list[str]:
    """The references of the images that these add-ons' Pods use, each once."""
    return list(dict.fromkeys(image for addon in addons for image in addon.images))


def objects(addon: Addon, api: Api, step: Step, *, offline: bool = False) -> list[Obj]:
    """All of it, ready to be put on that cluster. Raises Problem: a file that cannot be had, a patch that does not
    fit."""
    texts = [(source.name, text_of(downloads.fetch(source, step=step, offline=offline))) for source in addon.sources]
    texts += [(file.name, _filled(text_of(file), api)) for file in addon.manifests]
    found = patched(addon, [obj for name, text in texts for obj in parse(text, name)])
    for obj in found:
        obj["metadata"]["labels"] = {**(obj["metadata"].get("labels") or {}), **MANAGED, LABEL: addon.name}
    return found


def patched(addon: Addon, found: list[Obj]) -> list[Obj]:
    """Raises Problem when a patch does not fit."""
    import jsonpatch

    for patch in addon.patches:
        at = [i for i, obj in enumerate(found) if (obj["kind"], obj["metadata"]["name"]) == (patch.kind, patch.name)]
        try:
            if not at:
                raise ValueError("there is no such object")
            for i in at:
                found[i] = jsonpatch.apply_patch(found[i], list(patch.operations))
        except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, ValueError) as error:
            raise Problem(
                f"{addon} was not installed: its patch of {patch.kind} {patch.name} does not fit.", f"{error}.", FAULT
            ) from error
    return found


def _filled(text: str, api: Api) -> str:
    return text.replace(POOL, json.dumps(pool(api))) if POOL in text else text


def pool(api: Api) -> list[str]:
    """Addresses for load balancers, as FIRST-LAST: a stretch near the end of the /24 (IPv6: /120) that a node's address
    is in. Container engines count from below, so none of theirs is there; and networks they make are no smaller. Read
    from the nodes, so that it needs no engine. Raises Problem when nodes have no addresses, or one is in there."""
    every = [
        ipaddress.ip_address(address["address"])
        for node in api.list("Node")
        for address in node["status"].get("addresses") or ()
        if address["type"] == "InternalIP"
    ]
    stretches: dict[int, tuple[Any, Any]] = {}
    for address in every:
        prefix = 24 if address.version == 4 else 120
        start = ipaddress.ip_network(f"{address}/{prefix}", strict=False)[0]
        stretches.setdefault(address.version, (start + FIRST, start + LAST))
    taken = [one for one in every if stretches[one.version][0] <= one <= stretches[one.version][1]]
    if not stretches or taken:
        raise Problem(
            "There are no addresses to give to load balancers.",
            f"{taken[0]} is a node's: the engine's network is nearly full." if taken else "No node has an address.",
            "kindlab status shows the cluster; kindlab down and kindlab up make it anew.",
        )
    return [f"{first}-{last}" for first, last in stretches.values()]

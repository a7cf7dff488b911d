"""The kinds that a cluster serves, as its API server says: in two requests where it can say all of it at once
(Kubernetes 1.26 and newer), else in one for each version of each group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

Refusal = type[Exception]
Entry = dict[str, Any]
"""A kind in the words of an APIResourceList."""

AT_ONCE = ",".join(
    (*(f"application/json;g=apidiscovery.k8s.io;v={v};as=APIGroupDiscoveryList" for v in ("v2", "v2beta1")),
     "application/json")
)  # fmt: skip


class Served(NamedTuple):
    """A kind the cluster serves: `prefix` is the URL of its group and version, `group` is "" for the core."""

    prefix: str
    plural: str
    namespaced: bool
    kind: str
    group: str
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()


def discovered(ask: Callable[..., Any], refusal: Refusal) -> dict[str, Served]:
    """Every spelling of a kind (Service, services, svc, deployment.apps, apps/v1/deployment) -> where it lives: in its
    group's preferred version, unless the spelling names another (autoscaling/v1/..., deployments.v1.apps). `ask` is
    Api.request, `refusal` what it raises for what is not there."""
    found = ask("GET", "/apis", accept=AT_ONCE)
    if found.get("kind") == "APIGroupDiscoveryList":
        versions = dict(_told(ask("GET", "/api", accept=AT_ONCE)["items"] + found["items"]))
    else:
        versions = dict(_asked(ask, refusal, found["groups"]))
    kinds: dict[str, Served] = {}
    for (prefix, preferred), entries in sorted(versions.items(), key=lambda one: not one[0][1]):  # the preferred first
        for entry in entries:
            _note(kinds, prefix, entry, names_it=preferred)
    return kinds


Place = tuple[str, bool]
"""(the prefix of a version, whether its group prefers it)"""


def _asked(ask: Callable[..., Any], refusal: Refusal, groups: Iterable[Any]) -> Iterator[tuple[Place, list[Entry]]]:
    """What each version of each group serves."""
    places = [("/api/v1", True)]
    for group in groups:
        preferred = group["preferredVersion"]["groupVersion"]
        places += [(f"/apis/{v['groupVersion']}", v["groupVersion"] == preferred) for v in group["versions"]]
    for place in places:
        try:
            served = ask("GET", place[0])["resources"]
        except refusal:
            continue  # an aggregated API whose backend is down must not hide the others
        yield place, [entry for entry in served if "/" not in entry["name"]]


def _told(groups: Iterable[Any]) -> Iterator[tuple[Place, list[Entry]]]:
    """The same out of an APIGroupDiscoveryList, where the preferred version comes first."""
    for group in groups:
        for number, one in enumerate(group["versions"]):
            entries = [
                {
                    **entry,
                    "name": entry["resource"],
                    "kind": entry["responseKind"]["kind"],
                    "namespaced": entry["scope"] == "Namespaced",
                }
                for entry in one.get("resources") or ()
                if entry.get("responseKind")  # absent where only a subresource is served
            ]
            yield (_prefix(group["metadata"].get("name", ""), one["version"]), number == 0), entries


def _prefix(group: str, version: str) -> str:
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


def _note(kinds: dict[str, Served], prefix: str, entry: Entry, *, names_it: bool) -> None:
    """`names_it`: whether this version is the one that a name without a version means."""
    group_version = prefix.removeprefix("/api/").removeprefix("/apis/")
    group, _, version = group_version.rpartition("/")
    categories, verbs = (tuple(entry.get(key) or ()) for key in ("categories", "verbs"))
    served = Served(prefix, entry["name"], bool(entry["namespaced"]), entry["kind"], group, categories, verbs)
    kind = entry["kind"].lower()
    names = [kind, entry["name"], *(entry.get("shortNames") or ())]
    names += [f"{name}.{group}" for name in names] if group else []
    if group:
        kinds |= {f"{name}.{version}.{group}": served for name in (kind, entry["name"])}
    for spelling in names if names_it else ():
        kinds.setdefault(spelling, served)
    kinds[f"{group_version}/{kind}"] = served

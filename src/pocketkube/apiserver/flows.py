"""Of which flow a request is: the FlowSchema that matches it first, and its PriorityLevelConfiguration.

Models the classification of apiserver/pkg/util/flowcontrol (rule.go), which answers tell in two headers. No request
waits for another, whatever its priority says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from pocketkube import objects
from pocketkube.apiserver.authentication import User, account_of
from pocketkube.objects import Obj
from pocketkube.rbac import Attributes
from pocketkube.registry import Registry
from pocketkube.resources.flow_spec.configuration import FLOWSCHEMAS, LEVELS
from pocketkube.resources.flow_spec.rules import ALL
from pocketkube.resources.flowschemas import order

HEADERS: Final = ("X-Kubernetes-Pf-Flowschema-Uid", "X-Kubernetes-Pf-Prioritylevel-Uid")
_UNLIMITED: Final = frozenset({"log", "exec", "attach", "portforward", "proxy"})
"""Requests that last: nobody counts them."""
_KEPT: Final = 1024


class Flows:
    """One per API server; follows both kinds in the store."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._schemas: list[tuple[Obj, dict[str, str]]] | None = None
        self._known: dict[tuple[object, ...], dict[str, str]] = {}
        """What was found out about requests that are alike."""
        self._stops: list[Callable[[], None]] = [
            registry.subscribe(resource, lambda _: self._forget()) for resource in (FLOWSCHEMAS, LEVELS)
        ]

    def stop_following(self) -> None:
        for stop in self._stops:
            stop()
        self._stops.clear()

    def headers(self, user: User, wanted: Attributes) -> dict[str, str]:
        """What the answer to a request tells. Nothing for requests that last, and before there are schemas."""
        if wanted.subresource in _UNLIMITED:
            return {}
        alike = (user.name, user.groups, wanted.verb, wanted.group, wanted.resource, wanted.subresource)
        key = (*alike, wanted.namespace, wanted.path)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            found = self._known[key] = self._classified(user, wanted)
        return found

    def _classified(self, user: User, wanted: Attributes) -> dict[str, str]:
        if self._schemas is None:
            self._schemas = self._sorted()
        for schema, headers in self._schemas:
            if any(_matches(rule, user, wanted) for rule in schema["spec"].get("rules") or ()):
                return headers
        return {}

    def _forget(self) -> None:
        self._schemas = None
        self._known.clear()

    def _sorted(self) -> list[tuple[Obj, dict[str, str]]]:
        """Those whose priority level is there, in the order in which they are asked."""
        found = []
        for schema in sorted(self._registry.objects(FLOWSCHEMAS), key=order):
            level = self._registry.find(LEVELS, "", schema["spec"]["priorityLevelConfiguration"]["name"])
            if level is not None:
                uids = objects.uid(schema), objects.uid(level)
                found.append((schema, dict(zip(HEADERS, uids, strict=True))))
        return found


def _matches(rule: Obj, user: User, wanted: Attributes) -> bool:
    if not any(_is(subject, user) for subject in rule["subjects"]):
        return False
    if wanted.path:
        return any(
            _any(one["verbs"], wanted.verb) and any(_covers(url, wanted.path) for url in one["nonResourceURLs"])
            for one in rule.get("nonResourceRules") or ()
        )
    return any(_is_about(one, wanted) for one in rule.get("resourceRules") or ())


def _is(subject: Obj, user: User) -> bool:
    kind = subject["kind"]
    if kind == "Group":
        name = subject["group"]["name"]
        return name == ALL or name in user.groups
    if kind == "User":
        return subject["user"]["name"] in (ALL, user.name)
    account = subject["serviceAccount"]
    found = account_of(user.name)
    return found is not None and found[0] == account["namespace"] and account["name"] in (ALL, found[1])


def _is_about(rule: Obj, wanted: Attributes) -> bool:
    resource = f"{wanted.resource}/{wanted.subresource}" if wanted.subresource else wanted.resource
    if not (
        _any(rule["verbs"], wanted.verb) and _any(rule["resources"], resource) and _any(rule["apiGroups"], wanted.group)
    ):
        return False
    if wanted.namespace:
        return _any(rule.get("namespaces") or (), wanted.namespace)
    return bool(rule.get("clusterScope"))


def _any(listed: Collection[str], value: str) -> bool:
    return ALL in listed or value in listed


def _covers(url: str, path: str) -> bool:
    return url in (ALL, path) or path.startswith(url.removesuffix(ALL).removesuffix("/") + "/")

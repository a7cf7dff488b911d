"""The APIServices that name a Service, what their servers said they serve, and calls to them on the cluster's behalf.

Models the discovery manager of kube-aggregator, and client-go's errors for those inside who ask. Each call has a
connection of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import orjson

from pocketkube import objects
from pocketkube.apiserver.authentication import MASTERS, User
from pocketkube.apiserver.calling import Answer, get, refused
from pocketkube.apiserver.services import Trusts, Unresolved, resolve
from pocketkube.apiserver.streams.dialing import Backend, Undialled
from pocketkube.apiserver.streams.runtime import Dialer
from pocketkube.errors import StatusError, from_status
from pocketkube.objects import Obj
from pocketkube.registry import Registry
from pocketkube.resources.apiservices import GROUP, backend
from pocketkube.store import DELETED, Event

CHECK_SECONDS: Final = 5.0
ASK_SECONDS: Final = 30.0
_MOST_LISTED: Final = 1000
"""Resources of one version: discovery tells them all, to everybody who asks."""
AGGREGATOR: Final = User("system:kube-aggregator", (MASTERS,))
GroupVersion = tuple[str, str]


class Servers:
    """One per API server; follows the APIServices in the store."""

    def __init__(self, registry: Registry, dialer: Dialer | None, front_proxy: tuple[Path, Path]) -> None:
        """`front_proxy`: certificate and key that this server shows the others."""
        self._registry = registry
        self._dialer = dialer
        self._trusts = Trusts(front_proxy)
        self._registered: dict[GroupVersion, Obj] = {}
        self._resources: dict[GroupVersion, list[Obj]] = {}
        """What each server listed (APIResourceList's `resources`) when it was last asked."""
        for found in registry.objects("apiservices"):
            self._follow(found)
        self.stop_following = registry.subscribe("apiservices", self._changed)

    # -- what is registered

    def find(self, group: str, version: str) -> Obj | None:
        """The APIService of a version another server answers for."""
        return self._registered.get((group, version))

    def priorities(self) -> Iterator[tuple[GroupVersion, tuple[int, int]]]:
        """((group, version), (group priority, version priority)) of everything other servers answer for."""
        for at, found in self._registered.items():
            spec = found["spec"]
            yield at, (spec["groupPriorityMinimum"], spec["versionPriority"])

    def listed(self, group: str, version: str) -> tuple[list[Obj], bool]:
        """(resources, whether that is how it is now): what a server that does not answer served may be another."""
        found = self._registered.get((group, version))
        fresh = found is not None and is_available(found)
        return (self._resources.get((group, version), []) if fresh else []), fresh

    def _changed(self, event: Event) -> None:
        if event.type == DELETED:
            self._forget(event.object)
        else:
            self._follow(event.object)

    def _follow(self, found: Obj) -> None:
        if backend(found) is None or objects.spec(found).get("group") in (GROUP, None, ""):
            self._forget(found)
        else:
            self._registered[_group_version(found)] = found

    def _forget(self, found: Obj) -> None:
        self._registered.pop(_group_version(found), None)
        self._resources.pop(_group_version(found), None)

    # -- calling

    def resolve(self, found: Obj) -> Backend:
        """Where the server of an APIService is. Raises Unresolved."""
        spec = found["spec"]
        wanted = spec["service"]
        trust = self._trusts.of(str(spec.get("caBundle") or ""), insecure=bool(spec.get("insecureSkipTLSVerify")))
        return resolve(self._registry, wanted["namespace"], wanted["name"], wanted["port"], trust)

    async def reach(self, found: Obj) -> None:
        """Ask a server what it serves, and keep that for discovery.

        Raises ConnectionError with what the availability controller writes down."""
        group, version = _group_version(found)
        path = f"/apis/{group}/{version}"
        try:
            where = self.resolve(found)
            url = f"https://{where.host}{path}"
            answer = await self._get(where, path, AGGREGATOR, CHECK_SECONDS)
        except Unresolved as why:
            raise ConnectionError(str(why)) from None
        except Undialled as why:
            raise ConnectionError(f'failing or missing response from {url}: Get "{url}": {why}') from None
        if not 200 <= answer.status < 300:
            raise ConnectionError(f"failing or missing response from {url}: bad status from {url}: {answer.status}")
        listed = _json(answer).get("resources")
        if isinstance(listed, list) and len(listed) > _MOST_LISTED:
            said = f"{len(listed)} resources are listed, and at most {_MOST_LISTED} are told of"
            raise ConnectionError(f"failing or missing response from {url}: {said}")
        entries = [one for one in listed if _is_resource(one)] if isinstance(listed, list) else []
        self._resources[group, version] = entries

    async def ask(self, path: str, user: User = AGGREGATOR) -> Obj:
        """See Client.ask. Raises StatusError as client-go would, given what came back."""
        found = self._named(path)
        if found is None:
            raise _generic(404, b"", path)
        if not is_available(found):
            raise _generic(503, b"service unavailable\n", path)
        try:
            answer = await self._get(self.resolve(found), path, user, ASK_SECONDS)
        except (Unresolved, Undialled) as why:
            raise _generic(503, f"error trying to reach service: {why}\n".encode(), path) from None
        told = _json(answer)
        if answer.status >= 400:
            raise from_status(told) if told.get("kind") == "Status" else _generic(answer.status, answer.body, path)
        return told

    async def _get(self, where: Backend, path: str, user: User, seconds: float) -> Answer:
        if self._dialer is None:
            raise Unresolved("this API server runs without nodes: there is nothing to proxy to")
        headers = [("Accept", "application/json"), *identity(user)]
        return await get(self._dialer, where, path, headers, self._registry.clock, seconds)

    def _named(self, path: str) -> Obj | None:
        parts = path.partition("?")[0].strip("/").split("/")
        return self.find(parts[1], parts[2]) if len(parts) > 2 and parts[0] == "apis" else None


def is_available(found: Obj) -> bool:
    return objects.condition_status(found, "Available") == "True"


def identity(user: User) -> list[tuple[str, str]]:
    """Who asks, as a front proxy tells the server behind it."""
    told = [("X-Remote-User", user.name)]
    if user.uid:
        told.append(("X-Remote-Uid", user.uid))
    told += [("X-Remote-Group", group) for group in user.groups]
    for key, values in user.extra.items():
        told += [(f"X-Remote-Extra-{_escaped(key)}", value) for value in values]
    return told


def _escaped(key: str) -> str:
    """What a header's name cannot hold, as percent escapes."""
    plain = "!#$&'*+-.^_`|~"
    return "".join(c if c.isascii() and (c.isalnum() or c in plain) else f"%{ord(c):02X}" for c in key)


def _group_version(found: Obj) -> GroupVersion:
    spec = objects.spec(found)
    return spec.get("group", ""), spec.get("version", "")


def _is_resource(one: Any) -> bool:
    return isinstance(one, dict) and all(isinstance(one.get(field), str) for field in ("name", "kind"))


def _json(answer: Answer) -> Obj:
    try:
        found = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _generic(code: int, body: bytes, path: str) -> StatusError:
    """What client-go makes of an answer to a GET that is no Status."""
    parts = [unquote(part) for part in path.partition("?")[0].strip("/").split("/")]
    group, rest = (parts[1], parts[3:]) if len(parts) > 3 else ("", [])
    if len(rest) > 2 and rest[0] == "namespaces":
        rest = rest[2:]
    resource, name = (rest[0] if rest else ""), (rest[1] if len(rest) > 1 else "")
    about = f"get {resource}.{group}{' ' + name if name else ''}" if resource else ""
    return refused(Answer(code, body), about, {"name": name, "group": group, "kind": resource})

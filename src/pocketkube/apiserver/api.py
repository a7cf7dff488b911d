"""What handlers share: the registry, the kinds by path, tokens, running containers, encoded watch events."""

from __future__ import annotations

import asyncio
from typing import Final

from pocketkube.apiserver.aggregation.servers import Servers
from pocketkube.apiserver.authentication import Authenticator
from pocketkube.apiserver.flows import Flows
from pocketkube.apiserver.policy import Policy
from pocketkube.apiserver.request import Target
from pocketkube.apiserver.streams.runtime import Dialer, PodRuntime
from pocketkube.apiserver.tokens import Tokens
from pocketkube.apiserver.webhooks.servers import Webhooks
from pocketkube.registry import Registry
from pocketkube.resources.base import Resource
from pocketkube.store import Watch

_EVENTS_KEPT: Final = 512
EncodingKey = tuple[int, str, str, str]
"""(revision, event type on the wire, form, version of the form or, without one, apiVersion)"""


class Api:
    """One per server."""

    def __init__(
        self,
        registry: Registry,
        tokens: Tokens,
        authenticator: Authenticator,
        runtime: PodRuntime | None,
        port: int = 0,
        dialer: Dialer | None = None,
        *,
        servers: Servers,
        policy: Policy,
        flows: Flows,
        webhooks: Webhooks,
    ) -> None:
        self.registry = registry
        self.tokens = tokens
        self.authenticator = authenticator
        self.runtime = runtime
        self.dialer = dialer
        self.servers = servers
        """Other servers, which answer for groups of their own."""
        self.policy = policy
        """Who may do what."""
        self.flows = flows
        """Of which flow requests are."""
        self.webhooks = webhooks
        self.port = port
        self.clock = registry.clock
        self.kinds: dict[tuple[str, str], dict[str, Resource]] = {}
        for stored in registry.resources.values():
            if not stored.custom:
                for kind in (stored, *(version(registry) for version in stored.other_versions)):
                    self.kinds.setdefault((kind.group, kind.version), {})[kind.plural] = kind
        self.watching: dict[str, set[Watch]] = {}
        """Open watches by resource id: they end when the kind becomes another one."""
        self._made_of: dict[str, object] = {}
        self.oldest = registry.store.revision
        """Watches from before this revision are refused, as by kube-apiserver's cache after a start."""
        self.compacted = self.oldest
        """So are lists from before this one, which moves on as time does, as etcd's."""
        self.streams: set[asyncio.Task[object]] = set()
        """Handlers that answer until told otherwise; cancelled when the server stops."""
        self.stopping = False
        self.documents: dict[str, tuple[bytes, str]] = {}
        """OpenAPI documents built so far, with their hashes."""
        for resource in registry.definitions.custom:
            self._kind_changed(resource)
        self.stop_following = registry.definitions.on_change(self._kind_changed)
        self._events: dict[EncodingKey, bytes] = {}

    def _kind_changed(self, resource: str) -> None:
        """A custom kind appeared, changed or vanished: serve it as it is now, in discovery and OpenAPI too."""
        for at, kinds in list(self.kinds.items()):
            for plural in [plural for plural, kind in kinds.items() if kind.custom and kind.resource_id() == resource]:
                del kinds[plural]
            if not kinds:
                del self.kinds[at]
        stored = self.registry.definitions.custom.get(resource)
        for kind in stored.versions.values() if stored is not None else ():
            if kind.served:
                self.kinds.setdefault((kind.group, kind.version), {}).setdefault(kind.plural, kind)
        group = resource.partition(".")[2]
        for name in [n for n in self.documents if n.startswith((f"apis/{group}/", "v2 "))]:
            del self.documents[name]
        made_of = (stored.definition["spec"], stored.names) if stored is not None else None
        if self._made_of.get(resource) != made_of:
            for watch in tuple(self.watching.get(resource, ())):
                watch.end()
        self._made_of[resource] = made_of

    def find_kind(self, target: Target) -> Resource | None:
        return self.kinds.get((target.group, target.version), {}).get(target.resource)

    def encoded(self, key: EncodingKey) -> bytes | None:
        """An event line another watcher has needed already."""
        return self._events.get(key)

    def keep_encoded(self, key: EncodingKey, line: bytes) -> None:
        if len(self._events) >= _EVENTS_KEPT:
            self._events.clear()
        self._events[key] = line

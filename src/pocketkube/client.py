"""The in-process client that controllers, scheduler, kubelet and network use: typed verbs, informers, events.

It speaks to the registry directly, so what a component reads is always current and a write is seen at once:
there is no cache to lag behind. Objects read are shared; `copy` before changing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final, TypeVar

import orjson

from pocketkube import asked, objects
from pocketkube.fieldmanager.writers import Updater
from pocketkube.objects import Key, Obj
from pocketkube.recorder import Recorder
from pocketkube.registry import Registry
from pocketkube.resources.base import DeleteOptions, Resource
from pocketkube.store import Event
from pocketkube.unanswered import Repeated

T = TypeVar("T")
_TIME: Final = re.compile(rb'"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"')
Handler = Callable[[Event], None]


class Client:
    """Verbs in the name of one component (`deployment-controller`, `kubelet`, ...), which its events carry."""

    def __init__(
        self,
        registry: Registry,
        component: str,
        host: str = "",
        log: logging.Logger | None = None,
        manager: str = "",
    ) -> None:
        """`log`: where the component tells what it does, its events too; by default events are told nobody else.
        `manager`: the program that the component is part of, which owns what it writes; by default the component's
        name up to the first underscore, behind which replicas have an identity."""
        self.registry = registry
        self.component = component
        self.by = Updater(manager or component.partition("_")[0])
        self.clock = registry.clock
        self._asked = asked.by_component(component, host)
        self._repeats = 0
        self._repeated = Repeated(self.clock.monotonic)
        self.log = log
        self._recorder = Recorder(registry, component, host, log, self.by)

    def named(self, component: str) -> Client:
        """The same client in the name of another component."""
        return Client(self.registry, component, log=self.log, manager=self.by.manager)

    def kinds(self) -> Iterable[tuple[str, Resource]]:
        """(resource id, declaration) of every kind served; custom kinds come and go (`on_kinds`)."""
        return list(self.registry.resources.items())

    def on_kinds(self, notify: Callable[[str], None]) -> Callable[[], None]:
        """Call `notify` with the id of every kind that appears, changes or vanishes; returns the way to stop."""
        return self.registry.definitions.on_change(notify)

    def find(self, resource: str, namespace: str, name: str) -> Obj | None:
        return self.registry.find(resource, namespace, name)

    def get(self, resource: str, namespace: str, name: str) -> Obj:
        """Raises NotFound."""
        return self.registry.get(resource, namespace, name)

    def list(self, resource: str, namespace: str | None = None, labels: dict[str, str] | None = None) -> list[Obj]:
        """In key order; `labels` keeps the objects that carry all of them. Empty while there is no such kind."""
        found = self.registry.objects(resource, namespace)
        return [o for o in found if labels.items() <= objects.labels(o).items()] if labels else found

    async def ask(self, path: str) -> Obj:
        """GET a path of an API that another server serves (an APIService's): `/apis/metrics.k8s.io/v1beta1/nodes`.

        Raises StatusError, as the API server would answer."""
        return await self.registry.ask(path)

    async def reach(self, apiservice: Obj) -> None:
        """Let the server of an APIService say what it serves; discovery tells that from then on.

        Raises ConnectionError with what kept it from that, in the API server's words."""
        await self.registry.reach(apiservice)

    @contextmanager
    def repeating(self) -> Iterator[None]:
        """What is written here is shown to webhooks, too, which takes time: it may raise Unanswered. Who writes begins
        anew then, and makes the same writes again. Elsewhere webhooks are not asked."""
        self._repeats += 1
        try:
            yield
        finally:
            self._repeats -= 1

    def _written(self, write: Callable[..., T], *key: str, obj: Obj | None = None) -> T:
        """Make a write that these words and this object tell from others; times in it do not: who begins anew writes
        what it is by then, and what webhooks have seen is written."""
        webhooks = self.registry.webhooks(self._asked) if self._repeats and self._asked is not None else None
        if webhooks is None:
            return write(review=self.registry.review(self._asked))
        same = (*key, b"" if obj is None else _TIME.sub(b"", orjson.dumps(obj)))
        return self._repeated.call(
            same, lambda: webhooks, lambda known: write(review=self.registry.review(self._asked, known))
        )

    def create(self, resource: str, obj: Obj) -> Obj:
        return self._written(partial(self.registry.create, resource, obj, by=self.by), "create", resource, obj=obj)

    def update(self, resource: str, obj: Obj, *, subresource: str = "") -> Obj:
        return self._update(resource, obj, subresource, self.by)

    def update_status(self, resource: str, obj: Obj) -> Obj:
        return self._update(resource, obj, "status", self.by)

    def patch(self, resource: str, at: Key, change: Callable[[Obj], None], *, subresource: str = "") -> Obj:
        """Change a copy in place and write it: no conflict is possible, there is no await between."""
        new = objects.copy(self.registry.get(resource, *at))
        change(new)
        return self._update(resource, new, subresource, None if subresource == "binding" else self.by)

    def _update(self, resource: str, obj: Obj, subresource: str, by: Updater | None) -> Obj:
        write = partial(self.registry.update, resource, obj, subresource=subresource, by=by)
        return self._written(write, "update", resource, subresource, obj=obj)

    def delete(self, resource: str, at: Key, options: DeleteOptions | None = None) -> None:
        self._written(partial(self.registry.delete, resource, *at, options), "delete", resource, *at)

    def subscribe(self, resource: str, handler: Handler) -> Callable[[], None]:
        """`handler` is called right after each write; it may only take notes, never write.

        A custom kind is named `plural.group` (`gateways.gateway.networking.k8s.io`) and need not exist yet."""
        return self.registry.subscribe(resource, handler)

    def record(self, about: Obj, type_: str, reason: str, message: str, *, field_path: str = "") -> None:
        """An Event about an object; repeats are counted, as client-go's correlator does. type_: Normal or Warning."""
        self._recorder.record(about, type_, reason, message, field_path=field_path)

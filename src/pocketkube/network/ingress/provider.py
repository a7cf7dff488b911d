"""Ingresses as a provider of routes: their translation, and the status that says where they are reached.

The status is written to every Ingress of the controller's classes, right or wrong, as Traefik does. Of our own: it is
taken back from an Ingress that has left for another class while the controller was looking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from pocketkube import objects
from pocketkube.client import Client
from pocketkube.errors import StatusError
from pocketkube.network.ingress.ingresses import Translation, translate
from pocketkube.network.ingress.problems import Problem
from pocketkube.network.ingress.routes import Listener, Rule
from pocketkube.network.ingress.server import Problem as Unserved
from pocketkube.network.ingress.settings import Settings
from pocketkube.objects import Key, Obj

FOLLOWED: Final = ("ingresses", "ingressclasses", "services", "secrets")


class IngressProvider:
    """`updated` is told each Ingress whose status was written."""

    follows = FOLLOWED

    def __init__(self, client: Client, settings: Settings, updated: Callable[[Key], None] = lambda _: None) -> None:
        self._client = client
        self._settings = settings
        self._updated = updated
        self._last = Translation()
        self._ours: dict[str, Key] = {}

    def listeners(self) -> tuple[Listener, ...]:
        self._last = translate(self._client, self._settings)
        return self._last.table.listeners

    def report(self, unserved: Sequence[Unserved]) -> Iterable[Problem]:
        self._write_statuses()
        yield from self._last.problems
        by_owner = {f"Ingress {'/'.join(objects.key(one))}": one for one in self._last.served}
        for one in unserved:
            if isinstance(one.about, Rule) and one.about.owner in by_owner:
                about = by_owner[one.about.owner]
                text = f"the path {one.about.match.path} is not served: {one.why}. Correct it"
                fields = {"ingress": objects.name(about), "namespace": objects.namespace(about), "error": one.why}
                yield Problem(about, "BadPath", text, "Skipping path.", fields)

    def _write_statuses(self) -> None:
        if not self._settings.published:
            return
        ours = {objects.uid(one): objects.key(one) for one in self._last.served}
        points = list(self._settings.published)
        for one in self._last.served:
            self._write(one, points)
        for uid, at in self._ours.items() - ours.items():
            left = self._client.find("ingresses", *at)
            if left is not None and objects.uid(left) == uid and _points(left) == points:
                self._write(left, [])
        self._ours = ours

    def _write(self, ingress: Obj, points: list[Obj]) -> None:
        if _points(ingress) == points:
            return

        def change(copy: Obj) -> None:
            copy["status"] = {"loadBalancer": {"ingress": points} if points else {}}

        try:
            self._client.patch("ingresses", objects.key(ingress), change, subresource="status")
        except StatusError:
            return  # gone meanwhile, or going with its namespace
        self._updated(objects.key(ingress))


def _points(ingress: Obj) -> list[Obj]:
    found: list[Obj] = ((ingress.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    return found

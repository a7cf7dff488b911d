"""The webhooks of one cluster, as whoever writes asks for them."""

from __future__ import annotations

from pocketkube.admission.matching import is_exempt
from pocketkube.apiserver.streams.runtime import Dialer
from pocketkube.apiserver.webhooks.asking import Asking
from pocketkube.apiserver.webhooks.calling import Caller
from pocketkube.apiserver.webhooks.conversion import Converter
from pocketkube.apiserver.webhooks.hooks import Hooks
from pocketkube.asked import Asked
from pocketkube.registry import Registry
from pocketkube.resources.base import Resource


class Webhooks:
    """One per API server; `dialer` None: there are no nodes, so nobody can be asked."""

    def __init__(self, registry: Registry, dialer: Dialer | None) -> None:
        self._registry = registry
        self.hooks = Hooks(registry)
        self.caller = Caller(registry, dialer)
        self.converter = Converter(self.caller)

    def asking(self, asked: Asked, declared: Resource | None = None) -> Asking | None:
        """What they say to one write, to be kept until it is made; None if there are none, or not for this kind."""
        if not self.hooks or (declared is not None and is_exempt(declared)):
            return None
        return Asking(self._registry, self.hooks, self.caller, asked, declared)

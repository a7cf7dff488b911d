"""What a Traefik process is told when it starts, as far as it decides what is served: entry points, middlewares.

`images/traefik.py` reads it from flags and files; the providers only see this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pocketkube.network.ingress.routes import Redirect, RequireTls
from pocketkube.objects import Obj


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """One port that is listened on. `tls`: every router on it speaks TLS."""

    name: str
    port: int
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    entry_points: tuple[EntryPoint, ...] = (EntryPoint("web", 80), EntryPoint("websecure", 443, tls=True))
    """Those that routers are attached to unless they name others."""
    middlewares: Mapping[str, RequireTls | Redirect] = field(default_factory=dict)
    """`redirect-to-https@file` and what it does; all that there are send requests in the clear elsewhere."""
    ingress_class: str = ""
    """Only Ingresses of this class; "" for every class of Traefik's, and for Ingresses without one."""
    published: tuple[Obj, ...] = ()
    """What `status.loadBalancer.ingress` of an Ingress says; nothing is written when empty."""

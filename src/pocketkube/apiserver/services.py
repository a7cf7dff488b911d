"""Programs behind Services that the API server calls itself: where they are, and whose certificates are trusted there.

Models ResolveCluster of apiserver/pkg/util/proxy: the Service's address, as without --enable-aggregator-routing. Left
out: Services of type ExternalName.
"""

from __future__ import annotations

import base64
import ssl
from pathlib import Path
from typing import Final

from pocketkube import objects
from pocketkube.apiserver.streams.dialing import Backend
from pocketkube.registry import Registry

_MOST_TRUSTS: Final = 32


class Unresolved(Exception):
    """There is no address for a Service; the text is upstream's."""


class Trusts:
    """What a call trusts, made once for each bundle. `identity`: certificate and key that the caller shows."""

    def __init__(self, identity: tuple[Path, Path] | None = None) -> None:
        self._identity = identity
        self._made: dict[tuple[bool, str], ssl.SSLContext] = {}

    def of(self, bundle: str, *, insecure: bool = False) -> ssl.SSLContext:
        """`bundle`: base64 of PEM. Without one upstream asks the machine's authorities, which sign no Service's name:
        nobody is trusted. Raises Unresolved."""
        if found := self._made.get((insecure, bundle)):
            return found
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self._identity is not None:
            context.load_cert_chain(*self._identity)
        if insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif bundle:
            try:
                context.load_verify_locations(cadata=base64.b64decode(bundle).decode("ascii"))
            except (ValueError, ssl.SSLError):
                why = "unable to load root certificates: unable to parse bytes as PEM block"
                raise Unresolved(why) from None
        if len(self._made) >= _MOST_TRUSTS:
            self._made.clear()
        self._made[insecure, bundle] = context
        return context


def resolve(registry: Registry, namespace: str, name: str, port: int, trust: ssl.SSLContext) -> Backend:
    """Where a Service's program is. Raises Unresolved."""
    service = registry.find("services", namespace, name)
    if service is None:
        raise Unresolved(f'service "{name}" not found')
    spec = objects.spec(service)
    if spec.get("type") == "ExternalName":
        raise Unresolved('unsupported service type "ExternalName"')
    if spec.get("clusterIP") == "None":
        raise Unresolved('cannot route to service with ClusterIP "None"')
    if not any(one["port"] == port for one in spec.get("ports") or ()):
        raise Unresolved(f'no service port {port} found for service "{name}"')
    return Backend(spec["clusterIP"], port, True, trust, f"{name}.{namespace}.svc")

"""projected: several sources in one folder; every pod has one with its service account's token.

Tokens come from `services["tokens"]` (see apiserver/tokens.py: `issue(account, seconds=, audiences=, pod=)`).
They are renewed when four fifths of their life are over, and after a day, as by pkg/kubelet/token.
Left out: clusterTrustBundle and podCertificate sources (their features are off, so the API drops them).
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable
from dataclasses import dataclass

from pocketkube import objects
from pocketkube.errors import StatusError
from pocketkube.kubelet.volumes import downwardapi
from pocketkube.kubelet.volumes.base import MountError, ObjectVolume, Payload
from pocketkube.kubelet.volumes.configmap import read
from pocketkube.objects import Key, Obj

log = logging.getLogger(__name__)
_OBJECTS = {"configMap": "configmaps", "secret": "secrets"}
LIFE, LONGEST, JITTER = 0.8, 86400.0, 10.0
"""A token is renewed after this part of its life, or this many seconds; up to so many sooner, not all at once."""
AGAIN = 60.0
"""Seconds before a renewal that failed is tried again."""


@dataclass
class _Token:
    text: bytes
    expires: float
    renewed: float
    """When it is to be, in cluster time."""


class VOLUME(ObjectVolume):
    type = "projected"
    _tokens: dict[str, _Token]

    def payload(self) -> dict[str, Payload]:
        mode = self.source.get("defaultMode", 0o644)
        files: dict[str, Payload] = {}
        for source in self.source.get("sources") or ():
            for kind, part in source.items():
                files |= self._part(kind, part, mode)
        return files

    def _part(self, kind: str, part: Obj, mode: int) -> dict[str, Payload]:
        if kind in _OBJECTS:
            return read(self.context, _OBJECTS[kind], part.get("name", ""), part, mode)
        if kind == "downwardAPI":
            return downwardapi.read(self.context, part, mode)
        if kind == "serviceAccountToken":
            return {part["path"]: Payload(self._token(part), mode)}
        raise MountError(f"pocketkube: projected source {kind} is not supported")

    def _token(self, part: Obj) -> bytes:
        self._tokens = getattr(self, "_tokens", {})
        token, now = self._tokens.get(part["path"]), self.context.clock.time()
        if token is None:
            token = self._tokens[part["path"]] = self._issue(part)
        elif now >= token.renewed:
            try:
                token = self._tokens[part["path"]] = self._issue(part)
            except (MountError, StatusError) as error:
                token.renewed = now + AGAIN
                if now >= token.expires:
                    raise MountError(f"token of {part['path']} expired and refresh failed: {error}") from error
                log.warning("a token could not be renewed: %s", error)
        return token.text

    @property
    def due(self) -> float | None:
        return min((token.renewed for token in getattr(self, "_tokens", {}).values()), default=None)

    def _issue(self, part: Obj) -> _Token:
        context = self.context
        issuer = context.services.get("tokens")
        if issuer is None:
            raise MountError("failed to fetch token: this kubelet was given no token issuer")
        name = objects.spec(context.pod).get("serviceAccountName") or "default"
        account = context.client.find("serviceaccounts", objects.namespace(context.pod), name)
        if account is None:
            raise MountError(f'failed to fetch token: serviceaccounts "{name}" not found')
        options = {"audiences": (part["audience"],)} if part.get("audience") else {}
        seconds = part.get("expirationSeconds", 3600)
        token, expires = issuer.issue(account, seconds=seconds, pod=context.pod, **options)
        life = min(LIFE * seconds, LONGEST) - random.random() * min(JITTER, 0.1 * seconds)
        return _Token(str(token).encode(), expires, context.clock.time() + life)

    def depends_on(self) -> Iterable[tuple[str, Key]]:
        space = objects.namespace(self.context.pod)
        for source in self.source.get("sources") or ():
            for kind, part in source.items():
                if kind in _OBJECTS:
                    yield _OBJECTS[kind], (space, part.get("name", ""))
                elif kind == "downwardAPI":
                    yield "pods", objects.key(self.context.pod)

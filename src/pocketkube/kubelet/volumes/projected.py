"""projected: several sources in one folder; every pod has one with its service account's token.

Tokens come from `services["tokens"]` (see apiserver/tokens.py: `issue(account, seconds=, audiences=, pod=)`).
Left out: clusterTrustBundle and podCertificate sources (their features are off, so the API drops them), renewal of
tokens before they expire while the pod runs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from pocketkube import objects
from pocketkube.kubelet.volumes import downwardapi
from pocketkube.kubelet.volumes.base import MountError, ObjectVolume, Payload
from pocketkube.kubelet.volumes.configmap import read
from pocketkube.objects import Key, Obj

log = logging.getLogger(__name__)
_OBJECTS = {"configMap": "configmaps", "secret": "secrets"}


class VOLUME(ObjectVolume):
    type = "projected"
    _tokens: dict[str, bytes]

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
        if part["path"] not in self._tokens:
            self._tokens[part["path"]] = self._issue(part)
        return self._tokens[part["path"]]

    def _issue(self, part: Obj) -> bytes:
        context = self.context
        issuer = context.services.get("tokens")
        if issuer is None:
            raise MountError("failed to fetch token: this kubelet was given no token issuer")
        name = objects.spec(context.pod).get("serviceAccountName") or "default"
        account = context.client.find("serviceaccounts", objects.namespace(context.pod), name)
        if account is None:
            raise MountError(f'failed to fetch token: serviceaccounts "{name}" not found')
        options = {"audiences": (part["audience"],)} if part.get("audience") else {}
        token, _ = issuer.issue(account, seconds=part.get("expirationSeconds", 3600), pod=context.pod, **options)
        return str(token).encode()

    def depends_on(self) -> Iterable[tuple[str, Key]]:
        space = objects.namespace(self.context.pod)
        for source in self.source.get("sources") or ():
            for kind, part in source.items():
                if kind in _OBJECTS:
                    yield _OBJECTS[kind], (space, part.get("name", ""))
                elif kind == "downwardAPI":
                    yield "pods", objects.key(self.context.pod)

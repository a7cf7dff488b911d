"""The cluster's certificates, keys and admin credentials, kept in one folder and reused on the next start.

Models what kubeadm writes to /etc/kubernetes: a CA, a serving certificate, an admin client certificate, the service
account key, and the admin kubeconfig. Clients have a CA of their own: OpenSSL sends along what it finds of the serving
certificate's chain among the CAs it verifies clients with, and kube-apiserver sends the certificate alone. Left out:
several API server addresses.
"""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pocketkube.apiserver.files import write_private

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

FRONT_PROXY = "front-proxy-client"
"""The name in the certificate by which servers of other APIs know that it is this one who passes a request on."""
RENEW_BEFORE = 7 * 86400.0
"""Seconds before their end at which certificates are made anew."""
_PAIRS = ("ca", "client-ca", "front-proxy-ca", "apiserver", "admin", "front-proxy-client")
_PARTS = (*(f"{stem}.{part}" for stem in _PAIRS for part in ("crt", "key")), "sa.key", "admin.token")


class Pki:
    """Makes what is missing in `folder`. `service_ip` is the address of the `kubernetes` Service."""

    def __init__(self, folder: Path, *, service_ip: str = "10.96.0.1") -> None:
        self.folder = folder
        self._service_ip = service_ip
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._complete():
            self._make()

    @property
    def ca_pem(self) -> str:
        return self._text("ca.crt")

    @property
    def client_ca_pem(self) -> str:
        return self._text("client-ca.crt")

    @property
    def front_proxy_ca_pem(self) -> str:
        return self._text("front-proxy-ca.crt")

    @property
    def front_proxy(self) -> tuple[Path, Path]:
        """(certificate, key) of the API server as a client of servers behind it."""
        return self.folder / "front-proxy-client.crt", self.folder / "front-proxy-client.key"

    @cached_property
    def token(self) -> str:
        """The admin's bearer token."""
        return self._text("admin.token").strip()

    @cached_property
    def service_account_key(self) -> ec.EllipticCurvePrivateKey:
        return load_key(self.folder / "sa.key")

    def tls_context(self) -> ssl.SSLContext:
        """For the server: TLS 1.2 and later, HTTP/1.1 only, client certificates of our CA for them welcome."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.folder / "apiserver.crt", self.folder / "apiserver.key")
        context.load_verify_locations(cadata=self._text("client-ca.crt"))
        context.verify_mode = ssl.CERT_OPTIONAL
        context.set_alpn_protocols(["http/1.1"])
        return context

    def kubeconfig(self, *, name: str, server: str, namespace: str = "") -> dict[str, Any]:
        """An admin kubeconfig; `name` names the context and cluster, `<name>-admin` the user."""
        context = {"cluster": name, "user": f"{name}-admin"}
        if namespace:
            context["namespace"] = namespace
        user = {
            "token": self.token,
            "client-certificate-data": _base64(self._text("admin.crt")),
            "client-key-data": _base64(self._text("admin.key")),
        }
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": name, "cluster": {"server": server, "certificate-authority-data": _base64(self.ca_pem)}}
            ],
            "contexts": [{"name": name, "context": context}],
            "current-context": name,
            "users": [{"name": f"{name}-admin", "user": user}],
        }

    def write_kubeconfig(self, path: Path, *, name: str, server: str, namespace: str = "") -> None:
        """Write the admin kubeconfig to `path`, readable by the owner only; as JSON, which every YAML reader takes."""
        config = self.kubeconfig(name=name, server=server, namespace=namespace)
        write_private(path, (json.dumps(config, indent=2) + "\n").encode())

    def _complete(self) -> bool:
        """Whether everything was issued here, is unchanged and good for a while: then nothing is looked into."""
        try:
            issued = json.loads((self.folder / "issued.json").read_text())
            return bool(issued["digest"] == self._digest() and issued["until"] > time.time() + RENEW_BEFORE)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _make(self) -> None:
        from pocketkube.apiserver.certificates import YEARS, Issuer

        Issuer(self.folder, self._service_ip).issue()
        issued = {"digest": self._digest(), "until": time.time() + (365 * YEARS - 1) * 86400}
        write_private(self.folder / "issued.json", json.dumps(issued).encode())

    def _digest(self) -> str:
        digest = hashlib.sha256(self._service_ip.encode())
        for part in _PARTS:
            digest.update((self.folder / part).read_bytes())
        return digest.hexdigest()

    def _text(self, name: str) -> str:
        return (self.folder / name).read_text()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Apart from the certificates, whose library takes long to load: tokens need no more than a key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path.name}: not an elliptic curve key")
    return key

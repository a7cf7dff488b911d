"""The certificate that metrics-server makes for itself when it is given none, named as client-go names such."""

from __future__ import annotations

import time

from pocketkube.network import self_signed as certificates


def self_signed(host: str) -> tuple[bytes, bytes]:
    """(certificate, key) as PEM, valid for a year."""
    return certificates.self_signed(f"{host}@{int(time.time())}", host)

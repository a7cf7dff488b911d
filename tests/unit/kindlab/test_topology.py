"""The little picture of a namespace."""

from __future__ import annotations

from typing import Any, cast

from kindlab import topology
from kindlab.api import Api, Obj


class Fake:
    """A namespace with Services and nothing else."""

    def __init__(self, *services: Obj) -> None:
        self.services = services

    def list(self, kind: str, *_: Any) -> list[Obj]:
        return [*self.services] if kind == "Service" else []


def picture(name: str, **spec: Any) -> list[str]:
    service = {"metadata": {"name": name}, "spec": spec}
    return [*topology.lines(cast(Api, Fake(service)), "shop")]


def test_a_service_without_endpoints_says_that_nobody_answers() -> None:
    shown = picture("cart", clusterIP="10.96.0.9", ports=[{"port": 80, "targetPort": 8080}])
    assert shown == ["svc/cart  10.96.0.9  80→8080", "  └─ no endpoints: nobody would answer"]


def test_an_alias_has_no_endpoints_to_miss() -> None:
    shown = picture("rates", type="ExternalName", externalName="rates.example.com")
    assert shown == ["svc/rates  rates.example.com", "  └─ an alias in the DNS: it has no endpoints"]

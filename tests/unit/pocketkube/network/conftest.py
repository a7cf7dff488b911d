"""A registry stand-in: what the network reads of the cluster, without kinds, defaults or a store on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from pocketkube.client import Client
from pocketkube.clock import Clock
from pocketkube.objects import Obj, copy, key
from pocketkube.store import Event, Store


class World:
    """Objects in a memory store, with the part of `Client` that the network uses."""

    def __init__(self) -> None:
        self.store = Store()
        self.clock = Clock(speed=1000)
        self.recorded: list[tuple[str, str, str]] = []

    @property
    def client(self) -> Client:
        return cast(Client, self)

    def find(self, resource: str, namespace: str, name: str) -> Obj | None:
        return self.store.get(resource, (namespace, name))

    def list(self, resource: str, namespace: str | None = None, labels: dict[str, str] | None = None) -> list[Obj]:
        return self.store.list(resource, namespace)

    def subscribe(self, resource: str, handler: Callable[[Event], None]) -> Callable[[], None]:
        return self.store.subscribe(resource, handler)

    def record(self, about: Obj, type_: str, reason: str, message: str, *, field_path: str = "") -> None:
        self.recorded.append((type_, reason, message))

    def apply(self, resource: str, obj: Obj) -> Obj:
        """Create or replace."""
        obj = copy(obj)
        if self.store.get(resource, key(obj)) is None:
            return self.store.create(resource, obj)
        return self.store.update(resource, obj)

    def delete(self, resource: str, namespace: str, name: str) -> None:
        self.store.delete(resource, (namespace, name))

    def service(self, name: str, address: str, *ports: Obj, namespace: str = "lab", **spec: Any) -> Obj:
        listed = [{"protocol": "TCP", **port} for port in ports]
        meta = {"name": name, "namespace": namespace}
        spec = {"clusterIP": address, "type": "ClusterIP", "ports": listed, **spec}
        return self.apply("services", {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec})

    def slice(
        self, service: str, *endpoints: Obj, ports: list[Obj], name: str = "", namespace: str = "lab", **fields: Any
    ) -> Obj:
        meta = {
            "name": name or f"{service}-1",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": service},
        }
        listed = [{"protocol": "TCP", "name": "", **port} for port in ports]
        piece = {"metadata": meta, "addressType": "IPv4", "ports": listed, "endpoints": list(endpoints), **fields}
        return self.apply("endpointslices", piece)


@pytest.fixture
def world() -> World:
    return World()


def at(address: str, **fields: Any) -> Obj:
    """An endpoint of a slice; `ready`, `serving`, `terminating` are its conditions."""
    conditions = {k: fields.pop(k) for k in ("ready", "serving", "terminating") if k in fields}
    return {"addresses": [address], "conditions": conditions, **fields}

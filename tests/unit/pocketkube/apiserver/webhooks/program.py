"""A webhook's program for tests: it listens at a Service's address, keeps what it was asked, says what it is to."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

from tests.unit.pocketkube.apiserver.world import NAMESPACE, World

from pocketkube.network import http
from pocketkube.network.stream import Stream
from pocketkube.objects import Obj

VALIDATING, MUTATING = "validatingwebhookconfigurations", "mutatingwebhookconfigurations"
ALL = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"]}
Say = Callable[[Obj], Awaitable[Any]]


def rule(*operations: str, resource: str = "configmaps", group: str = "", version: str = "v1") -> Obj:
    return {
        "operations": list(operations),
        "apiGroups": [group],
        "apiVersions": [version],
        "resources": [resource],
        "scope": "*",
    }


class Program:
    """`answer` gets a review's request and returns the response's fields, a whole http.Response, or bytes."""

    def __init__(self, world: World, address: str = "10.96.0.78") -> None:
        self.world = world
        self.address = address
        self.name = f"hook-{address.rpartition('.')[2]}"
        self.seen: list[Obj] = []
        self.requests: list[http.Request] = []
        self.answer: Say = self.allow
        service = {"clusterIP": address, "ports": [{"name": "https", "port": 443}]}
        world.registry.create("services", {"metadata": {"name": self.name, "namespace": NAMESPACE}, "spec": service})
        world.network.listening[address, 443] = self._serve

    async def allow(self, asked: Obj) -> Any:
        return {"allowed": True}

    async def deny(self, asked: Obj) -> Any:
        return {"allowed": False, "status": {"message": "not today"}}

    def patch(self, *operations: Obj) -> None:
        async def change(asked: Obj) -> Any:
            return patched(*operations)

        self.answer = change

    async def _serve(self, stream: Stream) -> None:
        await http.serve(stream, self._answer)

    async def _answer(self, request: http.Request) -> http.Response:
        review = json.loads(request.body)
        self.requests.append(request)
        self.seen.append(review["request"])
        said = await self.answer(review["request"])
        if isinstance(said, http.Response):
            return said
        if isinstance(said, bytes):
            return http.Response(200, [("Content-Type", "application/json")], said)
        response = {"uid": review["request"]["uid"], **said}
        body = {"kind": review["kind"], "apiVersion": review["apiVersion"], "response": response}
        return http.Response(200, [("Content-Type", "application/json")], json.dumps(body).encode())

    @property
    def client_config(self) -> Obj:
        return {"service": {"namespace": NAMESPACE, "name": self.name, "path": "/judge"}}

    def hook(self, *rules: Obj, name: str = "judge.example.com", **fields: Any) -> Obj:
        made: Obj = {
            "name": name,
            "clientConfig": self.client_config,
            "rules": list(rules) or [rule("*")],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        return {**made, **fields}

    def validating(self, *rules: Obj, name: str = "checks", **fields: Any) -> None:
        configure(self.world, VALIDATING, name, self.hook(*rules, **fields))

    def mutating(self, *rules: Obj, name: str = "changes", **fields: Any) -> None:
        configure(self.world, MUTATING, name, self.hook(*rules, **fields))


def patched(*operations: Obj) -> Obj:
    return {
        "allowed": True,
        "patchType": "JSONPatch",
        "patch": base64.b64encode(json.dumps(operations).encode()).decode(),
    }


def configure(world: World, resource: str, name: str, *hooks: Obj) -> None:
    world.registry.create(resource, {"metadata": {"name": name}, "webhooks": list(hooks)})


def add(path: str, value: Any) -> Obj:
    return {"op": "add", "path": path, "value": value}

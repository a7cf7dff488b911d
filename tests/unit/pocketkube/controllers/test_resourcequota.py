"""What is used of quotas: counted when they come, and again when objects go, end or change."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.unit.pocketkube.controllers.world import World, pod_spec
from tests.unit.pocketkube.resources import direct

from pocketkube import amounts, objects
from pocketkube.amounts import ZERO
from pocketkube.client import Client
from pocketkube.controllers.resourcequota import ResourceQuotaController
from pocketkube.errors import AlreadyExists, Forbidden, NotFound
from pocketkube.objects import Obj
from pocketkube.quota.usage import of_namespace
from pocketkube.resources.base import DeleteOptions


def quota(world: World, name: str = "q", **spec: Any) -> None:
    world.create("resourcequotas", {"metadata": {"name": name}, "spec": spec})


def status(world: World, name: str = "q") -> Obj:
    return objects.status(world.get("resourcequotas", name))


async def uses(world: World, expected: dict[str, str], name: str = "q") -> None:
    await world.until(lambda: status(world, name).get("used") == expected)


async def test_what_is_there_is_counted_first(world: World) -> None:
    world.create("configmaps", {"metadata": {"name": "mine"}})
    await world.until(lambda: world.find("configmaps", "kube-root-ca.crt") is not None)
    quota(world, hard={"configmaps": "5", "pods": "1", "count/widgets.example.com": "1"})
    await uses(world, {"configmaps": "2", "pods": "0"})  # nobody knows of widgets
    assert status(world)["hard"] == {"configmaps": "5", "pods": "1", "count/widgets.example.com": "1"}


async def test_what_goes_is_given_back(world: World) -> None:
    quota(world, hard={"pods": "1"})
    await uses(world, {"pods": "0"})
    world.pod("a")
    assert status(world)["used"] == {"pods": "1"}
    with pytest.raises(Forbidden):
        world.pod("b")
    world.delete("pods", "a")
    await uses(world, {"pods": "0"})
    world.pod("b")


async def test_a_pod_that_ends_is_an_object_only(world: World) -> None:
    quota(world, hard={"pods": "5", "count/pods": "5"})
    await uses(world, {"pods": "0", "count/pods": "0"})
    world.pod("a")
    await world.until(lambda: objects.status(world.get("pods", "a")).get("phase") == "Running")
    world.set_ready("a", ready=False, phase="Succeeded")
    await uses(world, {"pods": "0", "count/pods": "1"})


async def test_a_service_that_changes_its_type_is_counted_again(world: World) -> None:
    quota(world, hard={"services.nodeports": "1", "services": "1"})
    await uses(world, {"services.nodeports": "0", "services": "0"})
    world.service("s", type="NodePort")
    assert status(world)["used"] == {"services.nodeports": "1", "services": "1"}
    world.patch("services", "s", lambda obj: obj["spec"].update(type="ClusterIP"))
    await uses(world, {"services.nodeports": "0", "services": "1"})


async def test_a_quota_that_names_more_is_counted_again(world: World) -> None:
    quota(world, hard={"pods": "1"})
    await uses(world, {"pods": "0"})
    world.patch("resourcequotas", "q", lambda obj: obj["spec"].update(hard={"secrets": "2"}))
    await uses(world, {"secrets": "0"})


async def test_a_deployment_is_held_back_and_goes_on_when_there_is_room(world: World) -> None:
    quota(world, hard={"pods": "2"})
    await uses(world, {"pods": "0"})
    world.deployment(replicas=3)
    await world.until(lambda: world.available() == 2)
    await world.until(lambda: objects.condition(world.get("deployments", "web"), "ReplicaFailure") is not None)
    (held,) = world.list("replicasets")
    refused = f'pods "{objects.name(held)}-'
    assert any(refused in text and "exceeded quota: q" in text for text in world.events(objects.name(held)))
    world.patch("resourcequotas", "q", lambda obj: obj["spec"].update(hard={"pods": "3"}))
    await world.until(world.rolled_out)
    await world.until(lambda: objects.condition(world.get("deployments", "web"), "ReplicaFailure") is None)


# -- whatever happens in whatever order

HARD = {
    "pods": "3",
    "requests.cpu": "1",
    "limits.memory": "4Gi",
    "services": "3",
    "services.nodeports": "2",
    "configmaps": "3",
    "persistentvolumeclaims": "2",
    "requests.storage": "3Gi",
    "gold.storageclass.storage.k8s.io/requests.storage": "2Gi",
}
NAMES = st.sampled_from(["a", "b", "c", "d"])


class Quotas(RuleBasedStateMachine):
    """One quota about everything and one about pods that end, with the controller running whenever it pleases."""

    @initialize()
    def start(self) -> None:
        self.registry = direct.registry()
        direct.namespace(self.registry, "test")
        self.controller = ResourceQuotaController(Client(self.registry, "resourcequota-controller"))
        for watched in self.controller.watches():
            self.controller._start_watch(*watched)
        for name, spec in (("all", {"hard": HARD}), ("ending", {"hard": {"pods": "1"}, "scopes": ["Terminating"]})):
            self.registry.create("resourcequotas", {"metadata": {"name": name, "namespace": "test"}, "spec": spec})
        self.settle()

    def create(self, resource: str, name: str, dry_run: bool, **spec: Any) -> None:
        obj = {"metadata": {"name": name, "namespace": "test"}, **({"spec": spec} if spec else {})}
        with contextlib.suppress(Forbidden, AlreadyExists):
            self.registry.create(resource, obj, dry_run=dry_run)

    @rule(
        name=NAMES,
        dry=st.booleans(),
        cpu=st.integers(0, 600),
        memory=st.sampled_from(["1Gi", "2Gi"]),
        ends=st.booleans(),
    )
    def pod(self, name: str, dry: bool, cpu: int, memory: str, ends: bool) -> None:
        resources = {"requests": {"cpu": f"{cpu}m"}, "limits": {"memory": memory}}
        containers = [{**container, "resources": resources} for container in pod_spec()["containers"]]
        self.create("pods", name, dry, containers=containers, **({"activeDeadlineSeconds": 100} if ends else {}))

    @rule(name=NAMES, dry=st.booleans(), type_=st.sampled_from(["ClusterIP", "NodePort"]))
    def service(self, name: str, dry: bool, type_: str) -> None:
        self.create("services", name, dry, type=type_, ports=[{"port": 80}])

    @rule(name=NAMES, dry=st.booleans(), size=st.sampled_from(["1Gi", "2Gi"]), class_=st.sampled_from(["gold", ""]))
    def claim(self, name: str, dry: bool, size: str, class_: str) -> None:
        requests = {"requests": {"storage": size}}
        modes = ["ReadWriteOnce"]
        self.create("persistentvolumeclaims", name, dry, accessModes=modes, storageClassName=class_, resources=requests)

    @rule(name=NAMES, dry=st.booleans())
    def config(self, name: str, dry: bool) -> None:
        self.create("configmaps", name, dry)

    @rule(name=NAMES, type_=st.sampled_from(["ClusterIP", "NodePort"]), ports=st.integers(1, 2))
    def change_service(self, name: str, type_: str, ports: int) -> None:
        spec = {"type": type_, "ports": [{"name": f"p{port}", "port": port} for port in range(1, ports + 1)]}
        with contextlib.suppress(Forbidden, NotFound):
            self.registry.patch("services", "test", name, lambda obj: obj["spec"].update(spec))

    @rule(name=NAMES)
    def let_a_pod_end_in_time(self, name: str) -> None:
        with contextlib.suppress(Forbidden, NotFound):
            self.registry.patch("pods", "test", name, lambda obj: obj["spec"].update(activeDeadlineSeconds=50))

    @rule(name=NAMES)
    def end_a_pod(self, name: str) -> None:
        change = {"phase": "Succeeded"}
        with contextlib.suppress(NotFound):
            self.registry.patch("pods", "test", name, lambda obj: obj["status"].update(change), subresource="status")

    @rule(name=NAMES, resource=st.sampled_from(["pods", "services", "persistentvolumeclaims", "configmaps"]))
    def delete(self, name: str, resource: str) -> None:
        with contextlib.suppress(NotFound):
            self.registry.delete(resource, "test", name, DeleteOptions(grace_period_seconds=0))
            self.registry.patch(resource, "test", name, lambda obj: obj["metadata"].update(finalizers=[]))

    @rule()
    def settle(self) -> None:
        """The controller catches up: then what is said to be used is what is used."""
        while self.controller._queue:
            at = self.controller._queue.popleft()
            self.controller._queued.discard(at)
            asyncio.run(self._reconcile(at))
        for name in ("all", "ending"):
            assert amounts.equal(amounts.of(self.quota(name)["status"]["used"]), self.counted(name))

    async def _reconcile(self, at: objects.Key) -> None:
        await self.controller.reconcile(at)

    def quota(self, name: str) -> Obj:
        return self.registry.get("resourcequotas", "test", name)

    def counted(self, name: str) -> dict[str, amounts.Amount]:
        kinds = self.registry.resources
        now = self.registry.clock.time()
        listed = lambda kind: self.registry.objects(kind.resource_id(), "test")  # noqa: E731
        return of_namespace(self.quota(name), kinds.values(), listed, now)

    @invariant()
    def nothing_is_forgotten_and_nothing_is_too_much(self) -> None:
        for name in ("all", "ending"):
            status = self.quota(name)["status"]
            hard, said, counted = amounts.of(status["hard"]), amounts.of(status["used"]), self.counted(name)
            assert said.keys() == counted.keys() == hard.keys()
            for resource, one in counted.items():
                assert ZERO.value <= one.value <= said[resource].value <= hard[resource].value, (name, resource)


TestQuotas = Quotas.TestCase
TestQuotas.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)

"""Jobs of tests, and pods that end by hand: the fake kubelet only starts them."""

from __future__ import annotations

from typing import Any

from tests.unit.pocketkube.controllers.world import NAMESPACE, World, pod_spec

from pocketkube import objects
from pocketkube.objects import Obj


def template(**spec: Any) -> Obj:
    return {"spec": {**pod_spec(), "restartPolicy": "Never", **spec}}


def job(world: World, name: str = "j", **spec: Any) -> Obj:
    return world.create("jobs", {"metadata": {"name": name}, "spec": {"template": template(), **spec}})


def change(world: World, name: str = "j", **spec: Any) -> None:
    world.patch("jobs", name, lambda copy: copy["spec"].update(spec))


def status(world: World, name: str = "j") -> Obj:
    return objects.status(world.get("jobs", name))


def reasons(world: World, name: str = "j") -> dict[str, str]:
    """The conditions that are true, with their reasons."""
    found = status(world, name).get("conditions") or ()
    return {c["type"]: c["reason"] for c in found if c["status"] == "True"}


def has(world: World, type_: str, name: str = "j") -> bool:
    return type_ in reasons(world, name)


def running(world: World) -> list[str]:
    """Names of the pods that run and are not asked to go."""
    return [
        objects.name(pod)
        for pod in world.list("pods")
        if objects.status(pod).get("phase") == "Running" and not objects.is_terminating(pod)
    ]


def end(world: World, name: str, code: int = 0, *, at: str = "") -> None:
    """What a kubelet writes when the pod's container has exited."""

    def write(copy: Obj) -> None:
        state = {"terminated": {"exitCode": code, "reason": "Error", "finishedAt": at or world.registry.clock.now()}}
        copy["status"]["phase"] = "Failed" if code else "Succeeded"
        copy["status"]["containerStatuses"] = [
            {"name": "c", "image": "i", "imageID": "", "ready": False, "restartCount": 0, "state": state}
        ]

    world.client.patch("pods", (NAMESPACE, name), write, subresource="status")


async def end_all(world: World, count: int, code: int = 0) -> None:
    """Wait until that many pods run, then end them."""
    await world.until(lambda: len(running(world)) == count)
    for name in running(world):
        end(world, name, code)


def index_of(pod: Obj) -> str:
    return objects.annotations(pod)["batch.kubernetes.io/job-completion-index"]


def running_index(world: World, index: int) -> str:
    """The name of the pod that runs for that index, "" without one."""
    found = [name for name in running(world) if index_of(world.get("pods", name)) == str(index)]
    return found[0] if found else ""

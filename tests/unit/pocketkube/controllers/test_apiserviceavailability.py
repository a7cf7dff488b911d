"""Whether the server behind an APIService answers: what is looked at, in which order, and what is said."""

from __future__ import annotations

from tests.unit.pocketkube.controllers.world import NAMESPACE, World

from pocketkube import objects
from pocketkube.objects import Obj

NAME = "v1.example.com"


class Server:
    """Stands for what the API server reaches; `why` is what keeps it from that."""

    def __init__(self, world: World) -> None:
        self.why = ""
        self.asked: list[str] = []
        world.registry.reach = self.reach

    async def reach(self, found: Obj) -> None:
        self.asked.append(objects.name(found))
        if self.why:
            raise ConnectionError(self.why)


def apiservice(world: World, **service: object) -> None:
    where = {"namespace": NAMESPACE, "name": "web", "port": 80, **service}
    spec = {"group": "example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100}
    world.create("apiservices", {"metadata": {"name": NAME}, "spec": {**spec, "service": where}})


def said(world: World) -> tuple[str, str, str]:
    found = objects.condition(world.get("apiservices", NAME), "Available") or {}
    return found.get("status", ""), found.get("reason", ""), found.get("message", "")


async def test_every_step_to_the_server_is_told(world: World) -> None:
    server = Server(world)
    apiservice(world)
    text = 'service/web in "test" is not present'
    await world.until(lambda: said(world) == ("False", "ServiceNotFound", text))
    world.service(selector={"app": "web"}, ports=[{"name": "http", "port": 81, "targetPort": 8080}])
    text = 'service/web in "test" is not listening on port 80'
    await world.until(lambda: said(world) == ("False", "ServicePortError", text))

    def listen(copy: Obj) -> None:
        copy["spec"]["ports"][0]["port"] = 80

    world.patch("services", "web", listen)
    text = 'endpointslices for service/web in "test" have no addresses with port name "http"'
    await world.until(lambda: said(world) == ("False", "MissingEndpoints", text))
    assert server.asked == [], "there was nobody to ask"
    server.why = "failing or missing response from somewhere"
    world.deployment()
    await world.until(lambda: said(world) == ("False", "FailedDiscoveryCheck", server.why))
    server.why = ""
    await world.until(lambda: said(world) == ("True", "Passed", "all checks passed"))
    world.delete("deployments", "web")
    await world.until(lambda: said(world)[1] == "MissingEndpoints")
    assert set(server.asked) == {NAME}


async def test_a_service_without_slices_has_no_endpoints(world: World) -> None:
    Server(world)
    world.service(selector=None)
    apiservice(world)
    text = 'cannot find endpointslices for service/web in "test"'
    await world.until(lambda: said(world) == ("False", "EndpointsNotFound", text))


async def test_one_that_becomes_local_is_available(world: World) -> None:
    Server(world)
    apiservice(world)
    await world.until(lambda: said(world)[1] == "ServiceNotFound")

    def come_home(copy: Obj) -> None:
        del copy["spec"]["service"]

    world.patch("apiservices", NAME, come_home)
    await world.until(lambda: said(world) == ("True", "Local", "Local APIServices are always available"))

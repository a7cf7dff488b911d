"""What another server answers for: passed on with who asks, told in discovery, and what is said when it is down."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.unit.pocketkube.apiserver.world import NAMESPACE, World

from pocketkube.errors import Forbidden, NotFound, ServiceUnavailable
from pocketkube.network import http
from pocketkube.network.stream import Stream
from pocketkube.objects import Obj

NAME, PATH = "v1.other.example.com", "/apis/other.example.com/v1"
ADDRESS = "10.96.0.77"
RESOURCES = [
    {"name": "things", "singularName": "thing", "namespaced": True, "kind": "Thing", "verbs": ["get", "list"]},
    {"name": "things/status", "singularName": "", "namespaced": True, "kind": "Thing", "verbs": ["get"]},
]
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


class Other:
    """A server at a Service's address; `seen` is what it was asked."""

    def __init__(self, world: World, **spec: Any) -> None:
        self.world = world
        self.seen: list[http.Request] = []
        self.answers: dict[str, http.Response] = {}
        self.resources: list[Any] = RESOURCES
        service = {"clusterIP": ADDRESS, "ports": [{"name": "https", "port": 443}]}
        world.registry.create("services", {"metadata": {"name": "other", "namespace": NAMESPACE}, "spec": service})
        where = {"namespace": NAMESPACE, "name": "other"}
        body = {"group": "other.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100}
        made = {"metadata": {"name": NAME}, "spec": {**body, "service": where, "insecureSkipTLSVerify": True, **spec}}
        world.registry.create("apiservices", made)
        self.listen()

    def listen(self) -> None:
        self.world.network.listening[ADDRESS, 443] = self.serve

    async def serve(self, stream: Stream) -> None:
        await http.serve(stream, self.answer)

    async def answer(self, request: http.Request) -> http.Response:
        self.seen.append(request)
        found = self.answers.get(request.path)
        if found is None:
            return _json(200, {"kind": "APIResourceList", "resources": self.resources})
        return found

    @property
    def apiservice(self) -> Obj:
        return self.world.registry.get("apiservices", "", NAME)

    def available(self, status: str = "True") -> None:
        def write(copy: Obj) -> None:
            copy["status"] = {"conditions": [{"type": "Available", "status": status}]}

        self.world.registry.patch("apiservices", "", NAME, write, subresource="status")


def _json(status: int, body: Any) -> http.Response:
    return http.Response(status, [("Content-Type", "application/json")], json.dumps(body).encode())


async def test_requests_are_passed_on_in_the_name_of_who_asks(world: World) -> None:
    other = Other(world)
    other.available()
    other.answers[f"{PATH}/things"] = _json(201, {"made": True})
    code, body = await world.post(f"{PATH}/things?dryRun=All", {"a": 1}, X_Remote_User="somebody else")
    assert (code, body) == (201, {"made": True})
    seen = other.seen[-1]
    assert (seen.method, seen.target, json.loads(seen.body)) == ("POST", f"{PATH}/things?dryRun=All", {"a": 1})
    told = [(name.lower(), value) for name, value in seen.headers if name.lower().startswith("x-remote")]
    assert told == [
        ("x-remote-user", "kubernetes-admin"),
        ("x-remote-group", "system:masters"),
        ("x-remote-group", "system:authenticated"),
    ]
    assert not seen.header("authorization")
    assert world.network.dialled[-1] == (ADDRESS, 443, True)


async def test_nobody_passes_who_may_not(world: World) -> None:
    other = Other(world)
    other.available()
    code, body = await world.get(f"{PATH}/things", Impersonate_User="learner")
    assert code == 403
    assert body["message"] == (
        'things.other.example.com is forbidden: User "learner" cannot list resource "things" in API group '
        '"other.example.com" at the cluster scope'
    )
    assert other.seen == []


async def test_a_server_that_is_not_available_is_not_asked(world: World) -> None:
    other = Other(world)
    assert await world.get(f"{PATH}/things") == (503, "service unavailable\n")
    assert await world.get(PATH) == (503, "service unavailable\n")
    assert other.seen == []
    code, body = await world.get("/apis/other.example.com")
    assert (code, body["preferredVersion"]["version"]) == (200, "v1")


async def test_one_that_has_just_gone_is_told_of_as_text(world: World) -> None:
    other = Other(world)
    other.available()
    world.network.listening.clear()
    why = f"error trying to reach service: dial tcp {ADDRESS}:443: connect: connection refused\n"
    assert await world.get(f"{PATH}/things") == (503, why)
    world.registry.delete("services", NAMESPACE, "other")
    assert await world.get(f"{PATH}/things") == (503, "service unavailable\n")


async def test_discovery_tells_what_the_server_said_while_it_answers(world: World) -> None:
    async def told() -> Obj:
        _, body = await world.get("/apis", Accept=AGGREGATED)
        return next(g["versions"][0] for g in body["items"] if g["metadata"]["name"] == "other.example.com")

    other = Other(world)
    assert await told() == {"version": "v1", "resources": [], "freshness": "Stale"}
    await world.server.servers.reach(other.apiservice)
    other.available()
    found = await told()
    assert found["freshness"] == "Current"
    assert [one["resource"] for one in found["resources"]] == ["things"]
    assert found["resources"][0]["scope"] == "Namespaced"
    assert [one["subresource"] for one in found["resources"][0]["subresources"]] == ["status"]
    other.available("False")
    assert (await told())["freshness"] == "Stale"
    _, body = await world.get("/apis")
    names = [group["name"] for group in body["groups"]]
    assert (names[0], names[-1]) == ("apiregistration.k8s.io", "other.example.com")
    world.registry.delete("apiservices", "", NAME)
    assert (await world.get("/apis/other.example.com"))[0] == 404


async def test_a_group_with_a_high_priority_comes_first(world: World) -> None:
    Other(world, groupPriorityMinimum=19000)
    _, body = await world.get("/apis")
    assert [group["name"] for group in body["groups"]][1] == "other.example.com"


@pytest.mark.parametrize("odd", [None, "text", [1], [{"name": 1, "kind": "X"}], [{"kind": "X"}]])
async def test_a_server_that_lists_nonsense_serves_nothing(world: World, odd: Any) -> None:
    other = Other(world)
    other.resources = odd
    await world.server.servers.reach(other.apiservice)
    other.available()
    code, body = await world.get("/apis", Accept=AGGREGATED)
    assert code == 200
    assert (
        next(g for g in body["items"] if g["metadata"]["name"] == "other.example.com")["versions"][0]["resources"] == []
    )


async def test_reaching_says_why_not_in_gos_words(world: World) -> None:
    other = Other(world)
    url = f"https://{ADDRESS}:443{PATH}"

    async def why() -> str:
        with pytest.raises(ConnectionError) as caught:
            await world.server.servers.reach(other.apiservice)
        return str(caught.value)

    other.answers[PATH] = _json(404, {})
    assert await why() == f"failing or missing response from {url}: bad status from {url}: 404"
    world.network.listening.clear()
    start = f'failing or missing response from {url}: Get "{url}": '
    assert await why() == f"{start}dial tcp {ADDRESS}:443: connect: connection refused"
    world.network.listening[ADDRESS, 443] = _hang_up
    assert await why() == f"{start}EOF"
    world.registry.clock.speed = 100
    world.network.listening[ADDRESS, 443] = _say_nothing
    assert await why() == f"{start}context deadline exceeded (Client.Timeout exceeded while awaiting headers)"


async def test_an_answer_that_is_too_long_is_none(world: World) -> None:
    """What another server says is read whole, and discovery passes it on: both have an end."""
    other = Other(world)
    other.answers[PATH] = _json(200, {"resources": ["x" * (4 << 20)]})
    with pytest.raises(ConnectionError, match="response body too large"):
        await world.server.servers.reach(other.apiservice)
    other.answers.clear()
    other.resources = RESOURCES * 501
    with pytest.raises(ConnectionError, match="1002 resources are listed, and at most 1000 are told of"):
        await world.server.servers.reach(other.apiservice)
    other.resources = RESOURCES * 500
    await world.server.servers.reach(other.apiservice)


async def _hang_up(stream: Stream) -> None:
    stream.close()


async def _say_nothing(stream: Stream) -> None:
    await asyncio.Event().wait()


async def test_those_inside_ask_and_get_client_gos_errors(world: World) -> None:
    ask = world.server.servers.ask
    with pytest.raises(NotFound, match=r"the server could not find the requested resource \(get x\.none\.example"):
        await ask("/apis/none.example.com/v1/x")
    other = Other(world)
    things = f"{PATH}/namespaces/test/things"
    words = r"the server is currently unable to handle the request \(get things\.other\.example\.com\)"
    with pytest.raises(ServiceUnavailable, match=words) as caught:
        await ask(things)
    assert caught.value.code == 503
    other.available()
    other.answers[things] = _json(200, {"items": [1]})
    assert await ask(f"{things}?labelSelector=a%3Db") == {"items": [1]}
    assert other.seen[-1].target == f"{things}?labelSelector=a%3Db"
    assert other.seen[-1].header("x-remote-user") == "system:kube-aggregator"
    status = {"kind": "Status", "message": "no, said another", "reason": "Forbidden", "code": 403, "details": {"a": 1}}
    other.answers[f"{things}/x"] = _json(403, status)
    with pytest.raises(Forbidden, match="no, said another") as refused:
        await ask(f"{things}/x")
    assert refused.value.details == {"a": 1}
    other.answers[f"{things}/y"] = http.Response(500, [], b"broken")
    with pytest.raises(
        Exception, match=r'an error on the server \("broken"\) has prevented the request from succeeding'
    ):
        await ask(f"{things}/y")


async def test_apiregistration_is_never_anothers(world: World) -> None:
    where = {"namespace": NAMESPACE, "name": "other"}
    spec = {"group": "apiregistration.k8s.io", "version": "v1", "groupPriorityMinimum": 9, "versionPriority": 9}
    made = {"metadata": {"name": "v1.apiregistration.k8s.io"}, "spec": {**spec, "service": where}}
    world.registry.create("apiservices", made)
    assert (await world.get("/apis/apiregistration.k8s.io/v1/apiservices"))[0] == 200


async def test_the_core_group_is_never_anothers(world: World) -> None:
    where = {"namespace": NAMESPACE, "name": "other"}
    body = {"version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100, "service": where}
    world.registry.create("apiservices", {"metadata": {"name": "v1."}, "spec": body})
    assert world.server.servers.find("", "v1") is None
    code, body = await world.get("/api/v1/namespaces")
    assert (code, body["kind"]) == (200, "NamespaceList")


async def test_a_service_without_an_address_leads_nowhere(world: World) -> None:
    spec = {"clusterIP": "None", "ports": [{"name": "https", "port": 443}]}
    world.registry.create("services", {"metadata": {"name": "headless", "namespace": NAMESPACE}, "spec": spec})
    other = Other(world, service={"namespace": NAMESPACE, "name": "headless"})
    with pytest.raises(ConnectionError, match='cannot route to service with ClusterIP "None"'):
        await world.server.servers.reach(other.apiservice)

"""kr8s against the server, unmodified."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import kr8s
import pytest
from kr8s.asyncio.objects import APIObject, ConfigMap, Node, Pod, Service, Table
from tests.ports import free_port
from tests.unit.pocketkube.apiserver.world import NAMESPACE, World

from pocketkube.network.stream import Stream

# this version of kr8s knows no Kubernetes beyond v1.35, and says so
pytestmark = pytest.mark.filterwarnings("ignore:Kubernetes version v1.36.2:UserWarning")


POD = "10.244.0.5"


@pytest.fixture
async def api(world: World) -> AsyncIterator[Any]:
    api = await kr8s.asyncio.api(kubeconfig=str(world.kubeconfig))
    yield api
    await api._session.aclose()


def configmap(api: Any, name: str, **labels: str) -> Any:
    meta = {"name": name, "namespace": NAMESPACE, "labels": labels}
    return ConfigMap({"metadata": meta, "data": {"k": "v"}}, api=api)


def make_ready(world: World, name: str) -> None:
    """kr8s waits for that before it runs a command."""
    conditions = [{"type": kind, "status": "True"} for kind in ("ContainersReady", "Ready")]
    status = {"phase": "Running", "conditions": conditions, "podIP": POD, "podIPs": [{"ip": POD}]}
    world.registry.patch("pods", NAMESPACE, name, lambda obj: obj["status"].update(status), subresource="status")


async def names(found: AsyncIterator[Any]) -> list[str]:
    return [obj.name async for obj in found]


async def test_configmaps_from_birth_to_death(api: Any) -> None:
    made = await configmap(api, "a", x="y")
    assert not await made.exists()
    await made.create()
    assert (await made.exists(), made.metadata.uid != "") == (True, True)
    await made.patch({"data": {"k": "w"}})
    await made.label(tier="web")
    await made.label("x-")
    await made.annotate({"example.com/seen": "yes"})
    await made.patch([{"op": "add", "path": "/data/more", "value": "1"}], type="json")
    found = await ConfigMap.get("a", NAMESPACE, api=api)
    assert (found.data, found.labels) == ({"k": "w", "more": "1"}, {"tier": "web"})
    assert found.annotations == {"example.com/seen": "yes"}
    await made.delete()
    await made.wait("delete", timeout=20)
    with pytest.raises(kr8s.NotFoundError):
        await made.refresh()


async def test_lists_by_selectors_and_page_by_page(world: World, api: Any) -> None:
    for number in range(103):  # kr8s asks for a hundred at a time
        world.configmap(f"c{number:03}", odd=str(number % 2))
    assert len(await names(api.get("configmaps", namespace=NAMESPACE))) == 103
    assert len(await names(api.get("cm", namespace=NAMESPACE, label_selector={"odd": "1"}))) == 51
    assert await names(api.get("configmaps", "c007", namespace=NAMESPACE)) == ["c007"]
    assert await names(api.get("ConfigMap", namespace=NAMESPACE, field_selector="metadata.name=c009")) == ["c009"]
    assert await names(ConfigMap.list(namespace=NAMESPACE, label_selector="odd=2", api=api)) == []
    assert len(await names(api.get("configmaps", namespace=kr8s.ALL))) == 103


async def test_a_list_as_a_table(world: World, api: Any) -> None:
    world.configmap("a")
    [table] = [table async for table in api.get("configmaps", namespace=NAMESPACE, as_object=Table)]
    assert [column["name"] for column in table.column_definitions] == ["Name", "Data", "Age"]
    assert [row["cells"][0] for row in table.rows] == ["a"]


async def test_errors_carry_the_status(api: Any) -> None:
    await (await configmap(api, "a")).create()
    with pytest.raises(kr8s.ServerError, match='configmaps "a" already exists') as refused:
        await (await configmap(api, "a")).create()
    assert (refused.value.status["reason"], refused.value.response.status_code) == ("AlreadyExists", 409)


async def test_a_watch_sees_what_happens(world: World, api: Any) -> None:
    since = world.configmap("a")["metadata"]["resourceVersion"]
    seen = []
    world.configmap("b")
    async with asyncio.timeout(20):
        async for type_, found in api.watch("configmaps", namespace=NAMESPACE, since=since):
            seen.append((type_, found.name))
            if type_ == "ADDED":
                world.registry.delete("configmaps", NAMESPACE, "b")
            if type_ == "DELETED":
                break
    assert seen == [("ADDED", "b"), ("DELETED", "b")]


async def test_waiting_for_a_condition(world: World, api: Any) -> None:
    world.pod("p")
    pod = await Pod.get("p", NAMESPACE, api=api)
    waiting = asyncio.create_task(pod.wait("condition=Ready", timeout=20))
    make_ready(world, "p")
    await waiting
    await pod.wait("jsonpath='{.status.phase}'=Running", timeout=20)
    assert await pod.ready()


async def test_a_node_is_cordoned_and_tainted(world: World, api: Any) -> None:
    world.registry.create("nodes", {"metadata": {"name": "node-1"}})
    node = await Node.get("node-1", api=api)
    await node.cordon()
    await node.taint("key", "value", effect="NoSchedule")
    await node.refresh()
    assert (node.unschedulable, node.taints[-1]["key"]) == (True, "key")


async def test_logs(world: World, api: Any) -> None:
    world.pod("p")
    pod = await Pod.get("p", NAMESPACE, api=api)
    assert [line async for line in pod.logs(tail_lines=2)] == ["two", "three"]
    for line in (b"four\n", None):
        world.runtime.more.put_nowait(line)
    assert [line async for line in pod.logs(follow=True)] == ["one", "two", "three", "four"]


async def test_exec_with_output_and_exit_code(world: World, api: Any) -> None:
    world.pod("p")
    make_ready(world, "p")
    pod = await Pod.get("p", NAMESPACE, api=api)
    done = await pod.exec(["echo", "hi"], timeout=20)
    assert (done.stdout, done.returncode) == (b"hi\n", 0)
    failed = await pod.exec(["fail", "3"], check=False, timeout=20)
    assert (failed.stderr, failed.returncode) == (b"no\n", 3)


async def test_port_forward(world: World, api: Any) -> None:
    async def echo(stream: Stream) -> None:
        while data := await stream.read():
            await stream.write(data.upper())
        stream.close()

    world.pod("p")
    world.network.listening[POD, 80] = echo
    pod = await Pod.get("p", NAMESPACE, api=api)
    async with asyncio.timeout(20), pod.portforward(80, local_port=free_port()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for text in (b"one", b"two"):
            writer.write(text)
            assert await reader.readexactly(3) == text.upper()
        writer.close()
        await writer.wait_closed()


async def test_a_service_is_asked_through_the_proxy(world: World, api: Any) -> None:
    async def web(stream: Stream) -> None:
        await stream.read()
        await stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        stream.close()

    world.pod("p")
    make_ready(world, "p")
    spec = {"ports": [{"port": 80}], "clusterIP": "None"}
    world.registry.create("services", {"metadata": {"name": "web", "namespace": NAMESPACE}, "spec": spec})
    slice_ = {
        "metadata": {"name": "web-1", "namespace": NAMESPACE, "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": 80, "protocol": "TCP"}],
        "endpoints": [{"addresses": [POD], "targetRef": {"kind": "Pod", "namespace": NAMESPACE, "name": "p"}}],
    }
    world.registry.create("endpointslices", slice_)
    world.network.listening[POD, 80] = web
    service = await Service.get("web", NAMESPACE, api=api)
    assert (await service.proxy_http_get("index.html")).text == "hello"


async def test_discovery(world: World, api: Any) -> None:
    resources = await api.async_api_resources_uncached()
    found = {(resource["version"], resource["name"]) for resource in resources}
    for kind in world.registry.resources.values():
        if "list" in kind.verbs:
            assert (kind.api_version, kind.plural) in found
    assert {"v1", "apps/v1", "networking.k8s.io/v1"} <= {version async for version in api.api_versions()}
    assert await api.lookup_kind("deploy") == ("deployment.apps/v1", "deployments", True)
    assert (await api.version())["minor"] == "36"


async def test_who_asks(world: World, api: Any) -> None:
    assert await api.whoami() == "kubernetes-admin"


async def test_a_kind_kr8s_has_no_class_for(world: World, api: Any) -> None:
    world.registry.create("leases", {"metadata": {"name": "l", "namespace": NAMESPACE}})
    [lease] = [lease async for lease in api.get("leases", namespace=NAMESPACE)]
    assert isinstance(lease, APIObject)
    assert (lease.name, lease.version) == ("l", "coordination.k8s.io/v1")

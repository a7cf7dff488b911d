"""The official Python client against the server, unmodified."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client as k8s
from kubernetes import config
from kubernetes import watch as k8s_watch
from kubernetes.stream import stream
from tests.unit.pocketkube import protobuf_encoder as protobuf
from tests.unit.pocketkube.apiserver.world import CONFIGMAPS, NAMESPACE, World

# the client leaves the sockets of its streams and watches to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def core(world: World) -> Iterator[Any]:
    api = config.new_client_from_config(str(world.kubeconfig))
    yield k8s.CoreV1Api(api)
    api.close()
    del api
    gc.collect()  # here, where the warnings about them are expected


async def test_configmaps_from_birth_to_death(world: World, core: Any) -> None:
    def session() -> list[Any]:
        made = core.create_namespaced_config_map(
            NAMESPACE, k8s.V1ConfigMap(metadata=k8s.V1ObjectMeta(name="a", labels={"x": "y"}), data={"k": "v"})
        )
        patched = core.patch_namespaced_config_map("a", NAMESPACE, {"data": {"k": "w"}})
        listed = core.list_namespaced_config_map(NAMESPACE, label_selector="x=y", limit=1)
        made.data = {"k": "late"}
        with pytest.raises(k8s.ApiException) as conflict:
            core.replace_namespaced_config_map("a", NAMESPACE, made)
        gone = core.delete_namespaced_config_map("a", NAMESPACE)
        with pytest.raises(k8s.ApiException) as missing:
            core.read_namespaced_config_map("a", NAMESPACE)
        return [patched.data, [i.metadata.name for i in listed.items], conflict.value, gone.status, missing.value]

    data, names, conflict, gone, missing = await asyncio.to_thread(session)
    assert (data, names, gone) == ({"k": "w"}, ["a"], "Success")
    assert (conflict.status, missing.status) == (409, 404)


async def test_a_watch_sees_what_happens(world: World, core: Any) -> None:
    since = world.configmap("a")["metadata"]["resourceVersion"]

    def session() -> list[tuple[str, str]]:
        seen = []
        watch = k8s_watch.Watch()
        for event in watch.stream(core.list_namespaced_config_map, NAMESPACE, resource_version=since):
            seen.append((event["type"], event["object"].metadata.name))
            if event["type"] == "DELETED":
                watch.stop()
        return seen

    watching = asyncio.create_task(asyncio.to_thread(session))
    world.configmap("b")
    world.registry.delete("configmaps", NAMESPACE, "b")
    async with asyncio.timeout(20):
        assert await watching == [("ADDED", "b"), ("DELETED", "b")]


async def test_exec_with_input_and_exit_code(world: World, core: Any) -> None:
    world.pod("p")

    def session() -> tuple[str, str, int, str]:
        connect = core.connect_get_namespaced_pod_exec
        out = stream(connect, "p", NAMESPACE, command=["echo", "hi"], stdout=True, stderr=True)
        cat = stream(connect, "p", NAMESPACE, command=["cat"], stdin=True, stdout=True, _preload_content=False)
        cat.write_stdin("line\n")
        echoed = cat.readline_stdout(timeout=20)
        cat.close()
        bad = stream(connect, "p", NAMESPACE, command=["fail", "3"], stdout=True, stderr=True, _preload_content=False)
        bad.run_forever(timeout=20)
        return out, echoed, bad.returncode, bad.read_stderr()

    assert await asyncio.to_thread(session) == ("hi\n", "line", 3, "no\n")


async def test_logs(world: World, core: Any) -> None:
    world.pod("p")
    # with its preloading, this version of the client gives the text of a bytes literal
    response = await asyncio.to_thread(
        core.read_namespaced_pod_log, "p", NAMESPACE, tail_lines=2, _preload_content=False
    )
    assert response.data == b"two\nthree\n"


async def test_a_protobuf_body_creates(world: World) -> None:
    meta = protobuf.chunk(1, "pb") + protobuf.string_map(11, [("app", "web")])
    raw = protobuf.message(protobuf.chunk(1, meta), protobuf.string_map(2, [("k", "v")]))
    body = protobuf.body("v1", "ConfigMap", raw)
    accept = "application/vnd.kubernetes.protobuf,application/json"
    content = "application/vnd.kubernetes.protobuf"
    code, answer = await world.post(CONFIGMAPS, body, content_type=content, Accept=accept)
    assert (code, answer["data"], answer["metadata"]["labels"]) == (201, {"k": "v"}, {"app": "web"})
    wrong = protobuf.body("v1", "Secret", raw)
    code, answer = await world.post(CONFIGMAPS, wrong, content_type=content)
    assert code == 400
    assert answer["message"].startswith('Secret in version "v1" cannot be handled as a ConfigMap')

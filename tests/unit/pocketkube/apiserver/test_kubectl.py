"""The real kubectl against the server; the API groups it needs are those of configmaps, services and deployments."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence

import pytest
from tests.unit.pocketkube.apiserver.world import World

KUBECTL = shutil.which("kubectl")
pytestmark = [
    pytest.mark.kubectl,
    pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on PATH"),
]
CONFIGMAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {app: web}}\ndata: {k: v}\n"


async def kubectl(world: World, *args: str, stdin: str = "", code: int = 0) -> str:
    """What it prints, standard error included. Asserts the exit code."""
    env = {"PATH": os.environ["PATH"], "HOME": str(world.folder), "KUBECONFIG": str(world.kubeconfig)}
    process = await asyncio.create_subprocess_exec(
        str(KUBECTL),
        *args,
        env=env,
        cwd=world.folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate(stdin.encode())
    assert process.returncode == code, out.decode()
    return out.decode()


async def steps(world: World, *commands: tuple[Sequence[str], str, str]) -> None:
    """(arguments, stdin, text that must appear) one after the other."""
    for args, stdin, expected in commands:
        printed = await kubectl(world, *args, stdin=stdin)
        assert expected in printed, (args, printed)


async def test_a_configmap_from_birth_to_death(world: World) -> None:
    changed = CONFIGMAP.replace("k: v", "k: w")
    await steps(
        world,
        (["apply", "-f", "-"], CONFIGMAP, "configmap/a created"),
        (["apply", "-f", "-"], CONFIGMAP, "configmap/a unchanged"),
        (["apply", "-f", "-"], changed, "configmap/a configured"),
        (["get", "cm", "a", "-o", "jsonpath={.data.k}"], "", "w"),
        (["get", "cm", "-l", "app=web", "--show-labels"], "", "app=web"),
        (["get", "cm", "--sort-by=.metadata.name", "-o", "wide"], "", "NAME   DATA   AGE"),
        (["patch", "cm", "a", "-p", '{"data":{"n":"1"}}'], "", "configmap/a patched"),
        (["label", "cm", "a", "tier=front"], "", "configmap/a labeled"),
        (["annotate", "cm", "a", "note=x"], "", "configmap/a annotated"),
        (["wait", "--for=jsonpath={.data.n}=1", "cm/a", "--timeout=20s"], "", "configmap/a condition met"),
        (["describe", "cm", "a"], "", "note: x"),
        (["replace", "-f", "-"], CONFIGMAP, "configmap/a replaced"),
        (["delete", "cm", "a"], "", 'configmap "a" deleted'),
    )
    printed = await kubectl(world, "get", "cm", "a", code=1)
    assert 'Error from server (NotFound): configmaps "a" not found' in printed


async def test_mistakes_are_told_as_upstream_tells_them(world: World) -> None:
    wrong = CONFIGMAP.replace("\ndata:", "\ndatum:")
    printed = await kubectl(world, "apply", "-f", "-", stdin=wrong, code=1)
    text = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "datum"'
    assert f'Error from server (BadRequest): error when creating "STDIN": {text}' in printed
    printed = await kubectl(world, "apply", "--validate=warn", "-f", "-", stdin=wrong)
    assert 'Warning: unknown field "datum"' in printed
    printed = await kubectl(world, "create", "configmap", "a", code=1)
    assert 'configmaps "a" already exists' in printed


async def test_protobuf_from_generators(world: World) -> None:
    await steps(
        world,
        (["create", "configmap", "g", "--from-literal=k=v"], "", "configmap/g created"),
        (["create", "secret", "generic", "s", "--from-literal=k=v"], "", "secret/s created"),
        (["create", "deployment", "d", "--image=nginx:1.27", "--replicas=2"], "", "deployment.apps/d created"),
        (["create", "service", "clusterip", "c", "--tcp=80:8080"], "", "service/c created"),
        (["get", "deploy", "d", "-o", "jsonpath={.spec.replicas}"], "", "2"),
        (["scale", "deploy", "d", "--replicas=0"], "", "deployment.apps/d scaled"),
        (["get", "deploy", "d", "-o", "jsonpath={.spec.replicas}"], "", "0"),
    )


async def test_questions_about_oneself_and_the_server(world: World) -> None:
    await steps(
        world,
        (["auth", "can-i", "create", "pods"], "", "yes"),
        (["auth", "whoami"], "", "kubernetes-admin"),
        (["api-resources", "--namespaced=true", "-o", "name"], "", "deployments.apps"),
        (["version"], "", "Server Version: v1.36.2+pocket"),
        (["explain", "configmap.data"], "", "FIELD: data <map[string]string>"),
        (["get", "--raw", "/readyz"], "", "ok"),
        (["get", "all"], "", "No resources found"),
    )
    token = (await kubectl(world, "create", "token", "default")).strip()
    assert token.count(".") == 2


async def test_exec_and_logs(world: World) -> None:
    world.pod("p")
    await steps(
        world,
        (["logs", "p", "--tail=1"], "", "three"),
        (["exec", "p", "--", "echo", "hi"], "", "hi"),
        (["exec", "-i", "p", "--", "cat"], "typed\n", "typed"),
    )
    printed = await kubectl(world, "exec", "p", "--", "fail", "7", code=7)
    assert "command terminated with exit code 7" in printed
    printed = await kubectl(world, "exec", "p", "-c", "zz", "--", "echo", code=1)
    assert "container zz is not valid for pod p" in printed


async def test_server_side_apply(world: World) -> None:
    await kubectl(world, "apply", "-f", "-", stdin=CONFIGMAP)
    assert await kubectl(world, "apply", "--server-side", "-f", "-", stdin=CONFIGMAP) == (
        "configmap/a serverside-applied\n"
    )
    changed = CONFIGMAP.replace('"1"', '"2"') if '"1"' in CONFIGMAP else CONFIGMAP
    printed = await kubectl(world, "apply", "--server-side", "--field-manager=bob", "-f", "-", stdin=changed)
    assert printed == "configmap/a serverside-applied\n"

"""Programs that run as the owner of their file, and containers where they don't."""

from __future__ import annotations

from typing import Any

import pytest

from pocketkube import objects
from pocketkube.images.nonewprivs import IMAGE

NNP = "registry.k8s.io/e2e-test-images/nonewprivs:1.4"


@pytest.mark.parametrize(("context", "uid"), [({}, 0), ({"allowPrivilegeEscalation": True}, 0)])
@pytest.mark.parametrize("user", [0, 1000])
async def test_a_program_runs_as_its_owner(node: Any, context: dict[str, Any], uid: int, user: int) -> None:
    assert await says(node, {**context, "runAsUser": user}) == [f"Effective uid: {uid}\n"]


async def test_unless_no_rights_may_be_gained(node: Any) -> None:
    assert await says(node, {"allowPrivilegeEscalation": False, "runAsUser": 1000}) == ["Effective uid: 1000\n"]


@pytest.mark.parametrize("command", [["sh", "-c", "nnp; true"], ["sh", "-c", "exec nnp"], ["env", "nnp"]])
async def test_whoever_executes_it(node: Any, command: list[str]) -> None:
    assert await says(node, {"runAsUser": 1000}, command) == ["Effective uid: 0\n"]


async def says(node: Any, context: dict[str, Any], command: list[str] | None = None) -> list[str]:
    node.kubelet.catalogue = {**node.kubelet.catalogue, **dict.fromkeys(IMAGE.names, IMAGE)}
    node.create("p", {"image": NNP, "command": command, "securityContext": context}, restartPolicy="Never")
    await node.until(lambda: objects.status(node.pod("p")).get("phase") == "Succeeded")
    lines: list[str] = await node.logs("p")
    return lines


async def test_the_file_shows_it(node: Any) -> None:
    node.kubelet.catalogue = {**node.kubelet.catalogue, **dict.fromkeys(IMAGE.names, IMAGE)}
    node.create("p", {"image": NNP, "command": ["sleep", "1000"], "securityContext": {"runAsUser": 1000}})
    await node.ready("p")
    assert await node.exec("p", "stat", "-c", "%A", "/usr/local/bin/nnp") == (0, "-rwsr-sr-x\n")
    assert await node.exec("p", "id", "-u") == (0, "1000\n")

"""What a kubelet tells that an admission policy refuses, it tells again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from pocketkube import objects
from pocketkube.resources.base import DeleteOptions


class Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.put_nowait(record.getMessage())


@pytest.fixture
def heard() -> Iterator[Heard]:
    """What kubelets warn of."""
    handler, log = Heard(), logging.getLogger("pocketkube.kubelet")
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


def refuse(node: Any, resource: str, *operations: str) -> None:
    rule = {"operations": list(operations), "apiGroups": ["*"], "apiVersions": ["v1"], "resources": [resource]}
    validation = {"expression": "!request.userInfo.username.startsWith('system:node:')"}
    spec: Any = {"matchConstraints": {"resourceRules": [rule]}, "validations": [validation]}
    node.registry.create("validatingadmissionpolicies", {"metadata": {"name": "p"}, "spec": spec})
    spec = {"policyName": "p", "validationActions": ["Deny"]}
    node.registry.create("validatingadmissionpolicybindings", {"metadata": {"name": "p"}, "spec": spec})


def allow(node: Any) -> None:
    node.registry.delete("validatingadmissionpolicybindings", "", "p")


async def test_a_status_that_is_refused_is_written_later(node: Any, heard: Heard) -> None:
    refuse(node, "pods/status", "*")
    node.create("web")
    text = await asyncio.wait_for(heard.texts.get(), 20)
    assert text.startswith('status of pod default/web: pods "web" is forbidden: ValidatingAdmissionPolicy ')
    assert "phase" not in objects.status(node.pod("web")) or objects.status(node.pod("web"))["phase"] == "Pending"
    allow(node)
    await node.ready("web")


async def test_a_deletion_that_is_refused_is_tried_again(node: Any, heard: Heard) -> None:
    node.create("web")
    await node.ready("web")
    refuse(node, "pods", "DELETE")
    node.client.delete("pods", ("default", "web"), DeleteOptions(grace_period_seconds=1))
    text = await asyncio.wait_for(heard.texts.get(), 20)
    assert "deletion of pod" in text
    assert node.pod("web")
    allow(node)
    await node.gone("web")


async def test_a_node_that_is_refused_is_registered_later(node: Any, heard: Heard) -> None:
    node.create("web")
    await node.ready("web")
    await node.stop()
    refuse(node, "*/*", "*")
    await node.start()
    text = await asyncio.wait_for(heard.texts.get(), 20)
    assert text.startswith("node node-1 cannot be registered: ")
    allow(node)
    node.create("later")
    await node.ready("later")

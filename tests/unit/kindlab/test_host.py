"""Commands in Pods, where what matters needs no cluster. The rest is in tests/course/test_host.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from kubernetes.client import ApiClient, Configuration
from websocket import WebSocket

from kindlab.api import Api
from kindlab.checks import host
from kindlab.checks.host import ExecBackend
from kindlab.evidence import tape


def test_ctrl_c_while_connecting_is_ctrl_c_and_no_failure_of_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(WebSocket, "connect", interrupted)
    client = ApiClient(Configuration(host="https://127.0.0.1:1"))
    backend = ExecBackend(cast(Api, SimpleNamespace(client=client, exchange=lambda what, ask: ask())), "lab", "pod")
    with pytest.raises(KeyboardInterrupt):
        backend.execute(["true"])


def test_evidence_keeps_whatever_a_command_may_print() -> None:
    assert host.MOST <= tape.MAX_ANSWER

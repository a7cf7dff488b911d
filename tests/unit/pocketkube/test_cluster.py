"""cluster.py: when a cluster is ready."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pocketkube import cluster
from pocketkube.cluster import Cluster, Config


async def test_an_add_on_whose_kind_is_not_served_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(cluster, "install_addons", never)
    monkeypatch.setattr(cluster, "ADDONS_WITHIN", 0.05)
    async with Cluster(Config(tmp_path, workers=1, host_ports=False)) as made:
        assert made.kubeconfig.exists()
    assert "their kinds are not served" in caplog.text

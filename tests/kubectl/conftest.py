"""The unmodified kubectl, in a namespace of its own on the embedded cluster."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kindlab import workspace
from kindlab.clusters.base import Status

KUBECTL = os.environ.get("KUBECTL") or shutil.which("kubectl")


class Kubectl:
    """Runs kubectl in one namespace with a home of its own; `ok` demands exit code 0 and returns what it printed."""

    def __init__(self, kubeconfig: str, namespace: str, home: Path) -> None:
        self.namespace = namespace
        self.environment = {**os.environ, "KUBECONFIG": kubeconfig, "HOME": str(home)}
        self.home = home

    def run(self, *args: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        assert KUBECTL is not None
        command = [KUBECTL, "-n", self.namespace, *args]
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.home,
            timeout=90,
            check=False,
        )

    def ok(self, *args: str, stdin: str | None = None) -> str:
        done = self.run(*args, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(args)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *args: str) -> dict:
        found: dict = json.loads(self.ok(*args, "-o", "json"))
        return found


@pytest.fixture
def kubectl(pocket: Status, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kubectl]:
    namespace = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:60].strip("-")
    api = pocket.api()
    workspace.make_namespace(api, namespace)
    assert pocket.kubeconfig is not None
    yield Kubectl(pocket.kubeconfig, namespace, tmp_path)
    workspace.remove_namespace(api, namespace)

"""The stand-in's create, run, expose and autoscale, held against what kubectl answered on a real cluster."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from kindlab import workspace
from kindlab.clusters.base import Status
from kindlab.kubectl.standin import run
from kindlab.kubectl.verbs import create

pytestmark = pytest.mark.xdist_group("pocket")

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "kubectl" / "create-01-imperative.yaml"
SCENARIO = yaml.safe_load(GOLDEN.read_text(encoding="utf-8"))
NAMESPACE = "golden-kubectl-create-01"
VERBS = ("create", "run", "expose", "autoscale")
REFUSED = (*create.OTHERS, "docker-registry", "app.properties")
"""What the stand-in does not create, and a file that is no manifest, of which it says more than kubectl."""
STEPS = [
    s
    for s in SCENARIO["steps"]
    if s.get("kind") == "kubectl" and s["args"][0] in VERBS and not set(REFUSED) & set(s["args"])
]


@pytest.fixture
def folder(pocket: Status, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.properties").write_text("a=1\nb=two\n")
    (tmp_path / "tls.txt").write_text("not a certificate\n")
    workspace.make_namespace(pocket.api(), NAMESPACE)
    yield tmp_path
    for name in (NAMESPACE, "golden-kc01-made"):
        workspace.remove_namespace(pocket.api(), name)


def test_what_a_real_kubectl_answered(pocket: Status, folder: Path) -> None:
    """One after the other, for some need what others made."""
    assert len(STEPS) > 45
    for step in STEPS:
        out, err = io.StringIO(), io.StringIO()
        code = run(pocket.api(), "default", [_filled(a) for a in step["args"]], stdin=io.StringIO(), out=out, err=err)
        wanted = (step["exit"], _filled(step["stdout"]), _filled(step["stderr"]))
        assert (code, out.getvalue(), err.getvalue()) == wanted, " ".join(step["args"])


def _filled(text: str) -> str:
    return re.sub(r"<nodePort\.1>", "31999", text)

import os
from pathlib import Path
from typing import Any, cast

import pytest

from kindlab import labs, workspace
from kindlab.errors import Problem


class Starting:
    """An API that shows a Deployment before its Pods are made, and Pods that are pulled, one of which fits nowhere."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def follow(self, kind: str, namespace: str, *, timeout: float) -> Any:
        def pod(state: str) -> Any:
            if state == "nowhere":
                return {"status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False"}]}}
            return {"status": {"phase": state}}

        steps: dict[str, list[Any]] = {
            "Deployment": [{"spec": {"replicas": 2}, "status": {"replicas": n}} for n in (0, 1, 2, 2)],
            "Pod": [pod(state) for state in ("Pending", "Pending", "nowhere", "Running")],
        }
        for number, obj in enumerate(steps[kind]):
            self.shown.append(f"{kind} {number}")
            yield {f"{namespace}/a": obj}


def test_a_lab_has_begun_when_its_pods_run_or_cannot() -> None:
    api = Starting()
    workspace.wait_for_first_pods(cast(Any, api), ["01-lab"])
    assert api.shown == ["Deployment 0", "Deployment 1", "Deployment 2", "Pod 0", "Pod 1", "Pod 2"]


class Emptied:
    """An API with a namespace whose Pods are noted when they are deleted, and never go unless they are forced."""

    def __init__(self) -> None:
        claim = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
        made = [("plain", None), ("claims", claim), ("ephemeral", [{"name": "data", "ephemeral": {}}])]
        self.pods = {name: {"metadata": {"name": name}, "spec": {"volumes": v} if v else {}} for name, v in made}
        self.asked: list[tuple[str, int | None]] = []

    def get(self, kind: str, name: str) -> Any:
        return {"metadata": {"uid": "1"}}

    def list(self, kind: str, namespace: str) -> Any:
        return list(self.pods.values())

    def follow(self, kind: str, namespace: str, *, timeout: float) -> Any:
        yield dict(self.pods)

    def delete(self, kind: str, name: str, namespace: str | None = None, *, grace: int | None = None) -> None:
        if kind == "Pod":
            self.asked.append((name, grace))
            if not grace:
                del self.pods[name]

    def wait_gone(self, *_: Any, **__: Any) -> None:
        assert not self.pods


def test_pods_with_claims_are_not_forced_before_their_volumes_are_unmounted() -> None:
    api = Emptied()
    workspace.remove_namespace(cast(Any, api), "01-lab")
    assert api.asked == [("plain", 0), ("claims", 1), ("ephemeral", 1), ("claims", 0), ("ephemeral", 0)]


def test_steps_that_apply_a_file_that_is_not_there_are_named(tmp_path: Path) -> None:
    file = tmp_path / "web.yaml"
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(Problem, match=r"steps\.toml applies wep\.yaml, which is not there"):
        workspace.apply_in_order(cast(Any, None), cast(Any, None), [file], ["apply wep.yaml"])


def test_old_files_are_moved_and_their_folder_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINDLAB_WORK", str(tmp_path))
    lab = labs.find("02")
    folder = workspace.folder(lab)
    folder.mkdir()
    (folder / "cart.yaml").write_text("mine")
    (folder / "sub").mkdir()
    inode = folder.stat().st_ino  # a terminal and JupyterLab are in this very folder
    first = workspace.put_aside(lab, ["cart.yaml", "sub", "none.yaml"])
    assert first is not None
    assert (first / "cart.yaml").read_text() == "mine"
    assert (folder.stat().st_ino, list(folder.iterdir())) == (inode, [])
    (folder / "cart.yaml").write_text("again")
    second = workspace.put_aside(lab, ["cart.yaml"])
    assert second not in (None, first)
    assert workspace.put_aside(lab, ["cart.yaml"]) is None


def test_a_folder_that_is_locked_stops_a_reset_before_anything_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINDLAB_WORK", str(tmp_path))
    lab = labs.find("02")
    workspace.folder(lab).mkdir()
    monkeypatch.setattr(os, "access", lambda place, mode: place != workspace.folder(lab))
    with pytest.raises(Problem, match="cannot be put aside"):
        workspace.reset(lab, cast(Any, None))

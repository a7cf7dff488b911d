"""A course of one lab and a cluster of a few objects: as much as a grading needs, in milliseconds."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kindlab import labs
from kindlab.api import Api, ApiError, Request
from kindlab.checks.programs import PATH
from kindlab.labs import Lab

SECRET = "tortoise-77-lagoon"
GRADER = """
import base64
import time

import pytest

from kindlab.checks import check
from kindlab.checks.meanwhile import Meanwhile
from kindlab.clock import monotonic, token_hex


@pytest.fixture(scope="session")
def prepared(lab):
    return lab.get("ConfigMap", "settings")["data"]


@check("first", "there are at least 2 Pods")
def test_pods(lab):
    lab.expect(len(lab.pods()) >= 2, expected="2 Pods", seen=f"{len(lab.pods())} Pods", about="svc/nothing")


@check("first", "what was prepared says hello")
def test_prepared(lab, prepared):
    lab.expect(prepared["word"] == "hello", expected="hello", seen=prepared["word"])


@check("second", "what was prepared is a word")
def test_prepared_too(lab, prepared):
    lab.expect(prepared["word"].isalpha(), expected="a word", seen=prepared["word"])


@check("second", "the answer comes within a minute")
def test_patience(lab):
    began, web = monotonic(), lab.host("web-1")
    seen = lab.until(lambda: web.run("cat /count").stdout, lambda said: said == "3", timeout=60.0)
    lab.expect(seen == "3" and monotonic() - began < 60, expected="3 in time", seen=seen)


@check("second", "the Pod says what it is told")
def test_token(lab):
    name = f"file-{token_hex(4)}"
    lab.expect(lab.host("web-1").run(f"echo {name}").stdout == name, expected=name, seen="something else")


@check("second", "the seal in the Pod is the one in the Secret")
def test_secret(lab):
    kept = base64.b64decode(lab.get("Secret", "seal")["data"]["word"]).decode()
    said = lab.host("web-1").run("cat /seal").stdout
    lab.expect(said == kept, expected="the seal", seen=f"{said} instead of {kept}")


@check("third", "the Pod becomes ready while somebody watches")
def test_watch(lab):
    found = lab.eventually("Pod", lambda live: [p for p in live if p["status"].get("late")], timeout=30.0)
    lab.expect(found, expected="a late Pod", seen="none")


@check("third", "two things go on at once")
def test_meanwhile(lab):
    other = Meanwhile(lambda: (monotonic(), lab.host("web-2").run("hostname").stdout))
    other.begin()
    mine = lab.host("web-1").run("hostname").stdout
    lab.expect({mine, other.result()[1]} == {"web-1", "web-2"}, expected="both", seen=mine)
"""
TOML = """
format = 1
title = "Tiny"
about = "a lab of tests"
minutes = 1
kcna = ["networking"]
tasks = [
  {id = "first", title = "First", points = 10, hints = ["a"]},
  {id = "second", title = "Second", points = 20, hints = ["a"], partial = true},
  {id = "third", title = "Third", points = 10, hints = ["a"]},
]
"""


def course(folder: Path, grader: str = GRADER) -> Lab:
    """A course in that folder; its only lab."""
    lab, graders = folder / "labs" / "99-tiny", folder / "graders"
    (lab / "start").mkdir(parents=True, exist_ok=True)
    graders.mkdir(exist_ok=True)
    (lab / "lab.toml").write_text(TOML, encoding="utf-8")
    (graders / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (graders / "test_99_tiny.py").write_text(grader, encoding="utf-8")
    return labs.read(lab)


def pod(name: str, **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "99-tiny", "uid": name}, "spec": {}, "status": status}


class Tiny(Api):
    """Answers like an API server. `pods`: how many; `late`: whether one becomes so while it is watched."""

    def __init__(self, pods: int = 2, *, word: str = "hello", seal: str = SECRET, pace: float = 0.0) -> None:
        self.kubeconfig = self.context = None
        self.pods = [pod(f"web-{n}") for n in range(1, pods + 1)]
        self.word, self.seal, self.pace = word, seal, pace
        self.asked: list[str] = []
        self.count = 0

    @property
    def server(self) -> str:
        return "https://tiny"

    def respond(self, asked: Request, *, timeout: float, stream: bool) -> Any:
        self.asked.append(f"{asked.method} {asked.path}")
        if stream:
            chunks = [{"type": "MODIFIED", "object": pod("web-1", late=True)}]
            lines = [json.dumps(chunk).encode() + b"\n" for chunk in chunks]
            return SimpleNamespace(stream=lambda **_: iter(lines), close=lambda: None)
        answer = self._answer(asked.path)
        if answer is None:
            raise ApiError(404, "NotFound", f"{asked.path} is not there")
        return SimpleNamespace(data=json.dumps(answer).encode())

    def _answer(self, path: str) -> dict[str, Any] | None:
        kinds = ("pods Pod", "configmaps ConfigMap", "secrets Secret", "events Event", "services Service")
        names = [kind.split() for kind in kinds]
        resources = [{"name": n, "kind": k, "namespaced": True, "verbs": ["list", "get"]} for n, k in names]
        resources.append({"name": "namespaces", "kind": "Namespace", "namespaced": False, "verbs": ["list"]})
        inside = "/api/v1/namespaces/99-tiny"
        seal = {"word": base64.b64encode(self.seal.encode()).decode()}
        secret = {"kind": "Secret", "metadata": {"name": "seal", "namespace": "99-tiny"}, "data": seal}
        settings = {"metadata": {"name": "settings"}, "data": {"word": self.word}}
        known: dict[str, dict[str, Any]] = {
            "/version": {"gitVersion": "v1.36.2"},
            "/apis": {"groups": []},
            "/api/v1": {"resources": resources},
            inside: {"metadata": {"name": "99-tiny"}},
            f"{inside}/configmaps/settings": settings,
            f"{inside}/configmaps": {"kind": "ConfigMapList", "items": [settings]},
            f"{inside}/secrets/seal": secret,
            f"{inside}/secrets": {"kind": "SecretList", "items": [{k: secret[k] for k in ("metadata", "data")}]},
            f"{inside}/pods": {"kind": "PodList", "metadata": {"resourceVersion": "7"}, "items": self.pods},
            f"{inside}/events": {"kind": "EventList", "items": []},
            f"{inside}/services": {"kind": "ServiceList", "items": []},
        }
        return known.get(path)

    def exchange(self, what: Any, ask: Any) -> Any:
        if "exec" not in what:
            return ask()
        script = what["exec"][-1].removeprefix(f"PATH={PATH}; ")
        time.sleep(self.pace)
        self.count += script == "cat /count"
        words = script.split()
        said = {"cat /count": str(self.count), "hostname": what["pod"], "cat /seal": self.seal}.get(script, words[-1])
        return {"exit": 0, "stdout": said.encode(), "stderr": b""}

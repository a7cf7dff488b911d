"""Both forms in which an API server says what it serves come to the same kinds."""

from __future__ import annotations

from typing import Any

import pytest

from kindlab.discovery import AT_ONCE, discovered


class Gone(Exception):
    pass


def kind(plural: str, name: str, *, namespaced: bool = True, **more: Any) -> dict[str, Any]:
    return {"name": plural, "kind": name, "namespaced": namespaced, "verbs": ["get", "list"], **more}


POD = kind("pods", "Pod", shortNames=["po"], categories=["all"])
NODE = kind("nodes", "Node", namespaced=False)
SCALER = kind("horizontalpodautoscalers", "HorizontalPodAutoscaler", shortNames=["hpa"])
SERVED: dict[str, dict[str, list[dict[str, Any]]]] = {
    "": {"v1": [POD, {**kind("pods/log", "Pod")}, NODE]},
    "autoscaling": {"v2": [SCALER], "v1": [SCALER, kind("olds", "Old")]},
    "metrics.k8s.io": {"v1beta1": [kind("pods", "PodMetrics")]},
}


class Server:
    """An API server, one that says all `at_once` or not; of `down` groups the backend does not answer."""

    def __init__(self, *, at_once: bool, down: str = "") -> None:
        self.at_once, self.down = at_once, down
        self.asked: list[str] = []

    def ask(self, method: str, path: str, *, accept: str = "application/json") -> Any:
        assert method == "GET"
        self.asked.append(path)
        groups = [group for group in SERVED if bool(group) == (path == "/apis")]
        if path in ("/api", "/apis") and self.at_once:
            assert accept == AT_ONCE
            return {"kind": "APIGroupDiscoveryList", "items": [self._told(group) for group in groups]}
        if path == "/apis":
            return {"kind": "APIGroupList", "groups": [self._group(group) for group in groups]}
        group, _, version = path.removeprefix("/apis/").removeprefix("/api/").rpartition("/")
        if group == self.down != "":
            raise Gone
        return {"resources": SERVED[group][version]}

    def _told(self, group: str) -> Any:
        versions = [
            {"version": version, "freshness": "Stale", "resources": []}
            if group == self.down != ""
            else {"version": version, "freshness": "Current", "resources": [_resource(e) for e in entries]}
            for version, entries in SERVED[group].items()
        ]
        return {"metadata": {"name": group} if group else {}, "versions": versions}

    @staticmethod
    def _group(group: str) -> Any:
        versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in SERVED[group]]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _resource(entry: dict[str, Any]) -> Any:
    if "/" in entry["name"]:  # a subresource whose resource is not served
        return {"resource": "bindings", "subresources": [{}], "scope": "Namespaced"}
    names = {key: entry[key] for key in ("verbs", "shortNames", "categories") if key in entry}
    scope = "Namespaced" if entry["namespaced"] else "Cluster"
    return {"resource": entry["name"], "responseKind": {"kind": entry["kind"]}, "scope": scope, **names}


@pytest.mark.parametrize("down", ["", "metrics.k8s.io"])
def test_both_forms_come_to_the_same(down: str) -> None:
    new, old = Server(at_once=True, down=down), Server(at_once=False, down=down)
    assert list(discovered(new.ask, Gone).items()) == list(discovered(old.ask, Gone).items())
    assert new.asked == ["/apis", "/api"]
    assert len(old.asked) == 1 + sum(map(len, SERVED.values()))


@pytest.mark.parametrize("at_once", [True, False])
def test_spellings(at_once: bool) -> None:
    kinds = discovered(Server(at_once=at_once).ask, Gone)
    assert kinds["po"] == kinds["pod"] == kinds["v1/pod"]
    assert kinds["po"].prefix == "/api/v1"
    assert (kinds["po"].categories, kinds["po"].verbs) == (("all",), ("get", "list"))
    assert not kinds["node"].namespaced
    assert kinds["hpa"].prefix == kinds["autoscaling/v2/horizontalpodautoscaler"].prefix == "/apis/autoscaling/v2"
    assert kinds["horizontalpodautoscalers.v1.autoscaling"].prefix == "/apis/autoscaling/v1"
    assert "olds" not in kinds
    assert kinds["autoscaling/v1/old"].plural == "olds"
    assert kinds["podmetrics"].group == "metrics.k8s.io"
    assert kinds["pods.metrics.k8s.io"].kind == "PodMetrics"
    assert "pods/log" not in kinds

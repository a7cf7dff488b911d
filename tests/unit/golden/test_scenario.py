import pytest
from tests.golden.scenario import Scenario, kind_of, load, seconds


def test_loading_takes_the_name_of_the_file(tmp_path):
    path = tmp_path / "services-01.yaml"
    path.write_text("name: golden-x\nabout: a\nnamespace: golden-x\nsteps:\n- id: a\n  kind: kubectl\n- pause: 2s\n")
    scenario = load(path)
    assert (scenario.name, scenario.namespace, scenario.counted) == ("services-01", "golden-x", 1)
    assert scenario.needs_kubectl


def test_a_file_without_steps_is_refused(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("a: 1\n")
    with pytest.raises(ValueError, match="not a scenario file"):
        load(path)


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        ({"id": "a", "method": "GET"}, "rest"),
        ({"id": "a", "kind": "kubectl"}, "kubectl"),
        ({"id": "a", "kind": "watch"}, "watch"),
        ({"wait": {}}, "wait"),
        ({"pause": "1s", "why": ""}, "pause"),
        ({"repeat": {}}, "repeat"),
        ({"note": "x"}, "note"),
    ],
)
def test_kinds_of_steps(step, kind):
    assert kind_of(step) == kind


def test_an_unknown_step_is_an_error():
    with pytest.raises(ValueError, match="unknown shape"):
        kind_of({"id": "a"})


@pytest.mark.parametrize(("text", "number"), [("2s", 2), ("500ms", 0.5), ("1m30s", 90), ("1.5s", 1.5)])
def test_durations(text, number):
    assert seconds(text) == number


@pytest.mark.parametrize("text", ["", "2", "s", "2 s", "2x"])
def test_bad_durations(text):
    with pytest.raises(ValueError, match="not a duration"):
        seconds(text)


def test_cluster_scoped_objects_are_known():
    def post(path, name):
        return {"id": name, "method": "POST", "path": path, "body": {"metadata": {"name": name}}}

    steps = (
        post("/api/v1/nodes", "golden-fake-a"),
        post("/apis/storage.k8s.io/v1/storageclasses", "golden-c"),
        post("/api/v1/namespaces", "golden-other"),
        post("/api/v1/nodes", "node-9"),
        post("/api/v1/namespaces/golden-x/pods", "golden-pod"),
        {"id": "k", "kind": "kubectl", "stdout": "namespace/golden-made created\n"},
        {"id": "raw", "method": "POST", "path": "/api/v1/nodes", "body": "{"},
    )
    assert Scenario("x", "", None, steps).cluster_scoped() == [
        "/api/v1/nodes/golden-fake-a",
        "/apis/storage.k8s.io/v1/storageclasses/golden-c",
        "/api/v1/namespaces/golden-other",
        "/api/v1/namespaces/golden-made",
    ]


def test_another_clusters_nodes():
    step = {
        "id": "a",
        "method": "GET",
        "path": "/api/v1/nodes/node-1",
        "body": {"nodeName": "node-1", "name": "csi-node-1-x"},
        "response": {"body": {"nodeName": "node-1", "host": "node-1.example"}},
    }
    (there,) = Scenario("x", "", None, (step,)).on_nodes(["a", "b"], "b").steps
    assert there["path"] == "/api/v1/nodes/b"
    assert there["body"] == {"nodeName": "b", "name": "csi-node-1-x"}
    assert there["response"]["body"] == {"nodeName": "<node:a|b>", "host": "node-1.example"}

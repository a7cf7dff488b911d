"""What a submission may contain. hostile/ holds one submission a file: its comments say for which lab it is and what
its student reads; what else is in it is graded."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kindlab import labs, lint, manifests
from kindlab.batch import fence
from kindlab.batch.fence import sizes
from kindlab.batch.nodes import Here, mapped
from kindlab.labs import Lab
from kindlab.states import folders

HOSTILE = sorted((Path(__file__).parent / "hostile").glob("*.yaml"))
REFUSED_WRONG_ANSWERS = {
    "01-pod-networking/kiosk-host-port",
    "01-pod-networking/ledger-host-port",
    "03-service-discovery/courier-in-the-nodes-network",
    "05-exposing-services/programme-external-ips",
    "11-volumes/desk-folder-of-the-node",
    "11-volumes/press-folder-of-the-node",
    "11-volumes/samples-folder-of-the-node",
    "12-persistent-volumes/letters-in-another-namespace",
    "13-storage-classes/orders-on-the-node",
    "13-storage-classes/reserve-by-hand",
    "13-storage-classes/reserve-by-hand-with-a-spare",
    "15-volume-limits/archive-on-a-nodes-disk",
    "16-capstone-shop/database-on-the-nodes-disk",
}
"""Of which an object goes too far for any submission: the grader never sees it."""


def says(file: Path) -> dict[str, str]:
    lines = [line[2:] for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("# ")]
    return dict(line.split(": ", 1) for line in lines)


def read(files: list[Path], lab: Lab | None = None) -> dict[str, list[dict[str, Any]]]:
    text = lab.text if lab else manifests.text_of
    return {file.name: manifests.parse(text(file), file.name) for file in files}


def made(kind: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}, **fields}


@pytest.mark.parametrize("file", HOSTILE, ids=lambda file: file.stem)
def test_a_hostile_object_is_refused_in_words_and_the_rest_is_graded(file: Path) -> None:
    told = says(file)
    allowed, refused = fence.checked(labs.find(told["lab"]), read([file]), shared=told.get("cluster") == "shared")
    assert len(refused) == 1
    assert told["says"] in refused[0].why
    assert refused[0].then
    assert refused[0].file == file.name
    assert [obj["metadata"]["name"] for obj in allowed[file.name]] == ["the-rest"]


@pytest.mark.parametrize("lab", labs.all_labs(), ids=lambda lab: lab.slug)
def test_the_answers_of_the_course_are_allowed(lab: Lab) -> None:
    assert list(lint.submission_problems(lab)) == []


def test_wrong_answers_are_for_the_grader_unless_they_go_too_far() -> None:
    refused = set()
    for lab in labs.all_labs():
        for folder in folders(lab, "wrong"):
            if fence.checked(lab, read(labs.manifests(folder), lab))[1]:
                refused.add(f"{lab.slug}/{folder.name}")
    assert refused == REFUSED_WRONG_ANSWERS


def test_what_kubectl_get_shows_is_an_answer_too() -> None:
    written = {"uid": "1", "resourceVersion": "7", "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [{}]}
    pod = made("Pod", spec={"nodeName": "kind-worker", "containers": []}, status={"phase": "Running"})
    pod["metadata"] |= {**written, "generateName": "a-", "finalizers": ["kubernetes.io/pvc-protection"]}
    allowed, refused = fence.checked(labs.find("02"), {"a.yaml": [pod]})
    assert not refused
    assert allowed == {"a.yaml": [made("Pod", spec={"containers": []})]}


def test_dates_and_numbers_as_keys_become_the_texts_they_were() -> None:
    [obj] = manifests.parse("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {1: 2026-01-31}\n", "a.yaml")
    allowed, refused = fence.checked(labs.find("02"), {"a.yaml": [obj]})
    assert (allowed["a.yaml"][0]["data"], refused) == ({"1": "2026-01-31"}, [])


def test_so_many_objects_are_the_most_and_the_first_are_graded() -> None:
    many = [made("ConfigMap") for _ in range(sizes.OBJECTS + 5)]
    allowed, refused = fence.checked(labs.find("02"), {"a.yaml": many})
    assert (len(allowed["a.yaml"]), len(refused)) == (sizes.OBJECTS, 5)
    assert "the most" in refused[0].why


def test_all_pods_together_are_bounded_too() -> None:
    apps = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a"},
        "spec": {"replicas": sizes.REPLICAS},
    }
    allowed, refused = fence.checked(labs.find("02"), {"a.yaml": [apps, apps, apps]})
    assert (len(allowed["a.yaml"]), len(refused)) == (2, 1)


def test_one_large_object_is_refused() -> None:
    _, [refused] = fence.checked(labs.find("02"), {"a.yaml": [made("ConfigMap", data={"a": "x" * sizes.OBJECT_BYTES})]})
    assert "KiB are the most" in refused.why


@pytest.mark.parametrize("spec", [[], "text", 5, None, {"containers": {}}, {"containers": [5]}, {"volumes": "x"}])
def test_malformed_fields_are_left_to_the_api(spec: Any) -> None:
    allowed, refused = fence.checked(labs.find("02"), {"a.yaml": [made("Pod", spec=spec)]})
    assert (len(allowed["a.yaml"]), refused) == (1, [])


def test_a_learners_prefix_is_part_of_what_is_the_labs() -> None:
    lab = labs.find("03").under("alice")
    own = made("ConfigMap") | {"metadata": {"name": "a", "namespace": "alice-03-service-discovery-depot"}}
    others = made("ConfigMap") | {"metadata": {"name": "a", "namespace": "03-service-discovery-depot"}}
    allowed, refused = fence.checked(lab, {"a.yaml": [own, others]})
    assert (len(allowed["a.yaml"]), len(refused)) == (1, 1)


def test_images_are_named_for_the_notes() -> None:
    spec = {
        "containers": [{"image": "b"}, {"image": "a"}, {"image": 5}, {"image": []}],
        "initContainers": [{"image": "a"}],
    }
    assert fence.images([made("Pod", spec=spec), made("ConfigMap")]) == ["a", "b"]


def test_programs_that_are_covered_are_named_for_the_notes() -> None:
    """A script over /usr/bin/stat told a grader which mode a file has."""
    over = [{"mountPath": path} for path in ("/usr/bin/stat", "/bin", "//bin/../bin/sh", "/data", "/usr/share/x", 5)]
    spec = {"containers": [{"volumeMounts": over}], "hostAliases": [{"ip": "10.0.0.1"}]}
    assert fence.covered([made("Pod", spec=spec), made("ConfigMap")]) == ["/bin", "/bin/sh", "/usr/bin/stat"]
    assert fence.covered([made("Pod", spec={"containers": [{"volumeMounts": over[3:]}]})]) == []


JUNK: list[Any] = [None, 0, -1, 1e9, True, "", "x", [], {}, [1], [None], [[]], {"a": 1}, {"name": 5}, [{"name": None}]]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, one in inside:
        yield from places(one, (*path, key))


@pytest.mark.parametrize("file", HOSTILE, ids=lambda file: file.stem)
def test_no_shape_of_a_field_breaks_the_fence(file: Path) -> None:
    """Every field of every hostile object in turn, with everything that it should not be."""
    told = says(file)
    lab, shared = labs.find(told["lab"]), told.get("cluster") == "shared"
    whole = read([file])[file.name][0]
    for path in places(whole):
        if path in (("kind",), ("apiVersion",), ("metadata",), ("metadata", "name")):
            continue  # manifests.each leaves no others
        for junk in JUNK:
            obj = copy.deepcopy(whole)
            holder = obj
            for key in path[:-1]:
                holder = holder[key]
            holder[path[-1]] = copy.deepcopy(junk)
            allowed, refused = fence.checked(lab, {"a.yaml": [obj]}, shared=shared)
            assert len(allowed["a.yaml"]) + len(refused) == 1
            mapped(allowed["a.yaml"], HERE, ())
            fence.images(allowed["a.yaml"])


HERE = Here.of(
    [{"metadata": {"name": "worker"}, "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}}]
)

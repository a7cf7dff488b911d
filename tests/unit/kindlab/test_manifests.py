from pathlib import Path

import pytest

from kindlab import manifests
from kindlab.errors import Problem

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"


def test_yaml_json_and_lists_are_read() -> None:
    pod = '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b"}}'
    as_list = '{"apiVersion": "v1", "kind": "List", "items": [' + pod + "]}"
    assert [o["metadata"]["name"] for o in manifests.parse(POD + "---\n---\n" + POD, "x.yaml")] == ["a", "a"]
    assert [o["metadata"]["name"] for o in manifests.parse(as_list, "x.json")] == ["b"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: Pod\n  bad: indent\n", r"x.yaml, line 2, column 6: this is not valid YAML"),
        ("just words", "is not a Kubernetes object"),
        ("kind: Pod\napiVersion: v1\n", "a Pod has no metadata.name"),
        ('{"kind": ', "x.yaml: this is not valid YAML"),
    ],
)
def test_a_mistake_is_named_with_its_place(text: str, says: str) -> None:
    with pytest.raises(Problem, match=says):
        manifests.parse(text, "x.yaml")


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_bytes(b"a: \xff")
    with pytest.raises(Problem, match=r"web\.yaml is not text in UTF-8"):
        manifests.read([tmp_path / "web.yaml"])


def test_merged_mappings_cannot_grow_without_end() -> None:
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 30)]
    with pytest.raises(Problem, match="merged"):
        manifests.parse("\n".join(lines), "bomb.yaml")


def test_many_aliases_are_refused_before_they_are_written_out() -> None:
    with pytest.raises(Problem, match="more than 500 aliases"):
        manifests.parse("a: &a {b: c}\nd: [" + "*a," * 600 + "]", "bomb.yaml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kind: Pod\napiVersion: v1\nmetadata: text\n", "has no metadata.name"),
        ("kind: Pod\napiVersion: v1\nmetadata: {name: 5}\n", "is not a text"),
        ("kind: [1]\napiVersion: v1\nmetadata: {name: a}\n", "is not a Kubernetes object"),
        ("kind: List\napiVersion: v1\nitems: 5\n", "is not a Kubernetes object"),
    ],
)
def test_what_has_the_wrong_shape_is_said_in_words(text: str, says: str) -> None:
    with pytest.raises(Problem, match=says):
        manifests.parse(text, "x.yaml")


def test_one_document_that_is_no_object_leaves_the_others() -> None:
    found = manifests.each(POD + "---\nhello\n---\n" + POD, "x.yaml")
    assert [isinstance(one, Problem) for one in found] == [False, True, False]

"""What is said of a file that was saved and cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kindlab import labs
from kindlab.watching import saves


@pytest.mark.parametrize("say", [saves.said, saves.apply])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"kind: [", "web.yaml, line 1, column 8: this is not valid YAML."),
        (b"kind: Service\n", "web.yaml: one of its documents is not a Kubernetes object."),
        (b"\xff\xfe\x00", "web.yaml is not text in UTF-8."),
    ],
)
def test_the_file_is_named_once(tmp_path: Path, say: Callable[..., str], content: bytes, said: str) -> None:
    file = tmp_path / "web.yaml"
    file.write_bytes(content)
    api: Any = None  # nothing is asked of it
    line = say(labs.find("02"), api, file)
    assert line.startswith(said)
    assert line.count("web.yaml") == 1
    assert "\n" not in line


def test_what_is_wrong_with_an_object_is_said_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "class.yaml"
    file.write_text("apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: fast}\nprovisioner: a\n")
    api: Any = None
    line = saves.apply(labs.find("12"), api, file)
    assert line.startswith("class.yaml: StorageClass fast was not applied: its name does not begin with lab12-")

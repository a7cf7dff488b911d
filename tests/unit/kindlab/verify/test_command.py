"""What `kindlab verify --cluster kind` does before it begins."""

from typing import Any

import pytest

from kindlab.cli import cli
from kindlab.commands import cluster
from kindlab.errors import Problem


def test_on_kind_the_cluster_is_brought_up_with_what_the_labs_need(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def main(words: list[str], **options: Any) -> None:
        asked.append(words)
        raise Problem("There is no engine here.")

    monkeypatch.setattr(cluster.up, "main", main)
    with pytest.raises(Problem, match="no engine"):
        cli.main(["verify", "02", "13", "--cluster", "kind", "--yes"], standalone_mode=False)
    (words,) = asked
    given = cluster.up.make_context("up", list(words)).params
    assert (given["cluster"], given["labs"], given["preload"], given["yes"]) == ("kind", "02,13", True, True)

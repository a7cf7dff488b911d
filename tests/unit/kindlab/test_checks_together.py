"""Many questions at once."""

from __future__ import annotations

from typing import Any, cast

import pytest

from kindlab.checks import together


class Asker:
    def __init__(self, pod: str) -> None:
        self.namespace, self.pod = "lab", pod

    def get_each(self, urls: list[str], **_: Any) -> dict[str, str]:
        return dict.fromkeys(urls, self.pod)


@pytest.mark.parametrize("names", ["abc", "cba", "bca"])
def test_threads_begin_in_one_order_however_the_questions_came(names: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def beside(work: Any) -> Any:
        begun.append(work.args[0].pod)
        return work

    monkeypatch.setattr(together, "beside", beside)
    replies = together.ask_together([(cast(Any, Asker(name)), "http://x") for name in names])
    assert begun == ["a", "b", "c"]
    assert sorted(map(str, replies.values())) == ["a", "b", "c"]

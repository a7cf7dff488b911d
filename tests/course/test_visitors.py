"""Clients of the grader's own, many questions at once, and whether policies are enforced."""

from __future__ import annotations

from typing import Any

import pytest

from kindlab import labs, workspace
from kindlab.api import Api, Obj
from kindlab.checks import TIMED_OUT, CouldNotGrade, Guest, LiveLab, ask_together
from kindlab.checks import enforcement as enforcing
from kindlab.checks import live as words
from kindlab.checks.probe import REFUSED
from kindlab.checks.visitor import PREFIX
from kindlab.grading import runner
from kindlab.grading.outcome import Outcome

pytestmark = pytest.mark.xdist_group("pocket")


def test_visitors_ask_together(live: LiveLab) -> None:
    guests = {"client": Guest(live.namespace), "server": Guest(live.namespace, serves=8080)}
    with live.visitors(guests) as found:
        client, server = found["client"], found["server"]
        url = f"http://{server.object()['status']['podIP']}:8080/hostname"
        silent = [f"http://10.244.199.{n}/" for n in range(1, 5)]  # nobody has these addresses
        asked = [(client, url), *((client, s) for s in silent), (server, "http://nobody.invalid/"), (server, url)]
        replies = ask_together(asked, timeout=1.5)
        assert replies[client, url].body.strip() == server.pod
        assert {replies[client, s].exit for s in silent} == {TIMED_OUT}
        assert replies[server, "http://nobody.invalid/"].exit == 6
        assert replies[server, url].ok


def test_a_question_does_not_wait_for_the_one_before(live: LiveLab) -> None:
    """Each of two waits for the other: asked one after the other, the first would never be answered."""
    with live.visitors({"server": Guest(live.namespace, serves=8080)}) as found:
        server = found["server"]
        shell = f"http://{server.object()['status']['podIP']}:8080/shell?shellCommand="
        meets = "touch%20/tmp/{};until%20test%20-e%20/tmp/{};do%20sleep%200.1;done;echo%20met"
        asked = [(server, shell + meets.format(*names)) for names in (("one", "other"), ("other", "one"))]
        replies = ask_together(asked, timeout=30)
        assert [reply.body.count("met") for reply in replies.values()] == [1, 1]
    assert not [p for p in live.list("Pod") if p["metadata"]["name"].startswith(PREFIX)]


def test_bodies_of_several_lines_stay_with_their_urls(live: LiveLab) -> None:
    with live.visitors({"server": Guest(live.namespace, serves=8080)}) as found:
        own = "http://127.0.0.1:8080"
        urls = [f"{own}/echo?msg=one%0Atwo%0A", f"{own}/echo?msg=", "http://127.0.0.1:9/", f"{own}/echo?msg=last"]
        replies = found["server"].get_each([*urls, urls[0]])
    assert [replies[u].body for u in urls[:2]] == ["one\ntwo\n", ""]
    assert [replies[u].exit for u in urls] == [0, 0, REFUSED, 0]
    assert replies[urls[3]].body == "last"


def test_policies_are_enforced_here(api: Api) -> None:
    assert enforcing.enforces_policies(api)


class WithoutPolicies:
    """A cluster that stores no NetworkPolicy: to its network it is as if it ignored them."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    def create(self, obj: Obj, namespace: str | None = None) -> Obj:
        return obj if obj["kind"] == "NetworkPolicy" else self._api.create(obj, namespace)


def test_a_network_that_enforces_none_is_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enforcing, "CATCH_UP", 0.1)
    monkeypatch.setattr(
        words, "enforces_policies", lambda api, space: enforcing.enforces_policies(WithoutPolicies(api))
    )  # type: ignore[arg-type]
    with pytest.raises(CouldNotGrade, match="does not enforce NetworkPolicies"):
        LiveLab(api, "default").need_policies()


def test_a_lab_of_policies_says_so_where_none_are_enforced(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "enforces_policies", lambda api, space: False)
    lab = labs.find("08")
    try:
        workspace.remove_namespaces(api, lab)
        workspace.make_namespaces(api, lab)
        workspace.apply(api, lab.slug, [lab.folder / "start" / name for name in ("shop.yaml", "partner.yaml")])
        report = runner.grade(lab, api, only="default-deny")
    finally:
        workspace.remove_namespaces(api, lab)
    assert report.outcome is Outcome.COULD_NOT_GRADE
    assert [c.outcome for t in report.tasks for c in t.checks] == [Outcome.COULD_NOT_GRADE, Outcome.PASSED]
    assert "does not enforce NetworkPolicies" in report.tasks[0].checks[0].seen
